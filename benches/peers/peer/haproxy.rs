//! HAProxy: in HTTP mode, the same with splicing, and in TCP mode, which is the floor of every comparison.

use std::path::Path;

use super::{Layer, Missing, Peer, Site, installed, version};
use crate::process::Launch;

/// Pipes to splice through. By default HAProxy wants a quarter as many as connections, and descriptors for them.
const PIPES: u64 = 64;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let program = installed("haproxy", "haproxy")?;
    // `HAProxy version 2.6.12-…`
    let version = version(&program, "-v");
    let peer = |name, layer, tls, configure, remark| Peer {
        name,
        version: version.clone(),
        layer,
        tls,
        program: program.clone(),
        configure,
        remark,
    };
    Ok(vec![
        peer(
            "HAProxy tcp",
            Layer::Tcp,
            false,
            tcp,
            "reads no HTTP at all: the floor",
        ),
        peer("HAProxy", Layer::Http, true, http, ""),
        peer(
            "HAProxy splice",
            Layer::Http,
            false,
            splice,
            "`option splice-response` and `option splice-request`",
        ),
    ])
}

fn tcp(program: &Path, site: &Site) -> Launch {
    launch(program, site, "    mode tcp")
}

fn http(program: &Path, site: &Site) -> Launch {
    launch(
        program,
        site,
        "    mode http\n    option forwardfor\n    http-reuse always",
    )
}

fn splice(program: &Path, site: &Site) -> Launch {
    launch(
        program,
        site,
        "    mode http\n    option forwardfor\n    http-reuse always\n    option splice-response\n    option splice-request",
    )
}

fn launch(program: &Path, site: &Site, mode: &str) -> Launch {
    let ssl = site.pem.as_ref().map_or_else(String::new, |pem| {
        format!(" ssl crt {} ssl-min-ver TLSv1.3", pem.both.display())
    });
    let text = format!(
        "global
    nbthread {workers}
    ulimit-n {descriptors}
    maxconn {connections}
    maxpipes {PIPES}
    no strict-limits
defaults
{mode}
    timeout connect 3s
    timeout client 600s
    timeout server 600s
    backlog 4096
    maxconn {connections}
frontend clients
    bind {listen}{ssl}
    default_backend origin
backend origin
    server one {origin}
",
        workers = site.workers,
        descriptors = site.descriptors,
        // An idle client has one descriptor, not two: more of them than HAProxy would allow by itself.
        connections = site.descriptors / 3 * 2,
        listen = site.listen,
        origin = site.origins[0],
    );
    let path = site.path("haproxy.cfg");
    let mut launch = Launch::new(program, &["-db", "-f", &path.to_string_lossy()]);
    launch.file = Some((path, text));
    launch
}
