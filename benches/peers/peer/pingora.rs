//! Pingora, from `benches/peers/rust/pingora`.

use std::path::Path;

use super::{Layer, Missing, Peer, Site};
use crate::process::Launch;
use crate::toolchain;

const NAME: &str = "Pingora";
const PACKAGE: &str = "pingora-peer";

pub(crate) fn find(may_build: bool) -> Result<Vec<Peer>, Missing> {
    let program = toolchain::rust_output(PACKAGE);
    let missing = |why| Missing { name: NAME, why };
    if may_build {
        eprintln!("building the Pingora peer; the first time takes minutes");
        toolchain::rust(PACKAGE).map_err(missing)?;
    } else if !program.is_file() {
        return Err(missing(
            "not built yet: `--full` builds it (it needs cmake, and some minutes)".to_owned(),
        ));
    }
    Ok(vec![Peer {
        name: NAME,
        version: locked("pingora-proxy").unwrap_or_default(),
        layer: Layer::Http,
        tls: false,
        program,
        configure,
        remark: "",
    }])
}

/// The version of a crate in that workspace's Cargo.lock.
fn locked(name: &str) -> Option<String> {
    let lock = std::fs::read_to_string(toolchain::source_dir().join("rust/Cargo.lock")).ok()?;
    let after = lock
        .split(&format!("name = \"{name}\"\nversion = \""))
        .nth(1)?;
    after.split('"').next().map(str::to_owned)
}

fn configure(program: &Path, site: &Site) -> Launch {
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    Launch::new(program, &[&listen, &origin, &site.workers.to_string()])
}
