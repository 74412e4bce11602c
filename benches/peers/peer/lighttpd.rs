//! lighttpd with mod_proxy.

use std::path::Path;

use super::{Layer, Missing, Peer, Site, installed, version};
use crate::process::Launch;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let program = installed("lighttpd", "lighttpd")?;
    Ok(vec![Peer {
        name: "lighttpd",
        version: version(&program, "-v"),
        layer: Layer::Http,
        tls: false,
        program,
        configure,
        remark: "opens a connection to the origin for every request: it cannot keep them; it has no worker threads, and \
                 with two workers two processes",
    }])
}

fn configure(program: &Path, site: &Site) -> Launch {
    // One process, unless more are asked for: then a parent watches them.
    let workers = match site.workers {
        1 => String::new(),
        more => format!("server.max-worker = {more}\n"),
    };
    let text = format!(
        "server.modules = (\"mod_proxy\")
server.document-root = \"{dir}\"
server.bind = \"127.0.0.1\"
server.port = {port}
server.listen-backlog = 4096
server.max-fds = {descriptors}
server.max-connections = {connections}
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 600
server.stream-response-body = 1
server.stream-request-body = 1
server.upload-dirs = (\"{dir}\")
{workers}proxy.server = (\"\" => ((\"host\" => \"127.0.0.1\", \"port\" => {origin})))
",
        dir = site.dir.display(),
        port = site.listen.port(),
        descriptors = site.descriptors,
        connections = site.descriptors * 2 / 3,
        origin = site.origins[0].port(),
    );
    let path = site.path("lighttpd.conf");
    let mut launch = Launch::new(program, &["-D", "-f", &path.to_string_lossy()]);
    launch.file = Some((path, text));
    launch.own_group = site.workers > 1;
    launch
}
