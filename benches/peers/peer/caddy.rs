//! Caddy: `reverse_proxy`, without its admin interface and without TLS.

use std::path::Path;

use super::{Layer, Missing, Peer, Site, installed, version};
use crate::process::Launch;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let program = installed("caddy", "caddy")?;
    Ok(vec![Peer {
        name: "Caddy",
        version: version(&program, "version"),
        layer: Layer::Http,
        tls: false,
        program,
        configure,
        remark: "",
    }])
}

fn configure(program: &Path, site: &Site) -> Launch {
    let text = format!(
        "{{
    admin off
    auto_https off
}}
http://:{port} {{
    bind 127.0.0.1
    reverse_proxy {origin} {{
        transport http {{
            keepalive 600s
            keepalive_idle_conns 1024
            keepalive_idle_conns_per_host 1024
            compression off
        }}
    }}
}}
",
        port = site.listen.port(),
        origin = site.origins[0],
    );
    let path = site.path("Caddyfile");
    let arguments = ["run", "--adapter", "caddyfile", "--config"];
    let mut launch = Launch::new(program, &arguments);
    launch.arguments.push(path.to_string_lossy().into_owned());
    launch.environment = vec![
        ("GOMAXPROCS".to_owned(), site.workers.to_string()),
        // Whatever it wants to keep, it keeps where it will be removed.
        ("HOME".to_owned(), site.dir.display().to_string()),
    ];
    launch.file = Some((path, text));
    launch
}
