//! osier: the one-liner, and with everything on that there is a flag for. New flags belong into the second row.

use std::path::{Path, PathBuf};

use super::{Layer, Peer, Site};
use crate::process::Launch;

/// The name of the row that the others are compared with.
pub(crate) const BARE: &str = "osier";

pub(crate) fn find() -> Vec<Peer> {
    let peer = |name, configure, remark| Peer {
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        layer: Layer::Http,
        program: PathBuf::from(env!("CARGO_BIN_EXE_osier")),
        configure,
        remark,
    };
    vec![
        peer(
            BARE,
            bare,
            "every default is on: timeouts, request ids, contexts",
        ),
        peer(
            "osier, all on",
            all_on,
            "access log to /dev/null, admin interface, trusted networks, a field added, two endpoints",
        ),
    ]
}

fn bare(program: &Path, site: &Site) -> Launch {
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    let workers = site.workers.to_string();
    Launch::new(
        program,
        &["--listen", &listen, "--to", &origin, "--workers", &workers],
    )
}

fn all_on(program: &Path, site: &Site) -> Launch {
    let mut launch = bare(program, site);
    let more = [
        "--to".to_owned(),
        site.origins[1].to_string(),
        "--balance=round_robin".to_owned(),
        "--timeout=30s".to_owned(),
        "--trust=private".to_owned(),
        "--access-log=/dev/null".to_owned(),
        "--add-request-header".to_owned(),
        "X-Bench: on".to_owned(),
        "--admin".to_owned(),
        site.admin.to_string(),
    ];
    launch.arguments.extend(more);
    launch
}
