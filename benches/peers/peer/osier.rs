//! osier: the one-liner, and with everything on that there is a key for. New keys belong into the second row.

use std::path::{Path, PathBuf};

use super::{Layer, Peer, Pem, Site};
use crate::process::Launch;

/// The name of the row that the others are compared with.
pub(crate) const BARE: &str = "osier";

pub(crate) fn find() -> Vec<Peer> {
    let peer = |name, tls, configure, remark| Peer {
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        layer: Layer::Http,
        tls,
        program: PathBuf::from(env!("CARGO_BIN_EXE_osier")),
        configure,
        remark,
    };
    vec![
        peer(
            BARE,
            true,
            bare,
            "every default is on: timeouts, request ids, contexts",
        ),
        peer(
            "osier, all on",
            false,
            all_on,
            "told by a file: routes, EWMA, health, ejection, connections per endpoint, tries with a limit, hedges, deadlines in and out, who is let in, a rate limit, connections per address, access log to /dev/null, admin interface, trusted networks, a field added, two endpoints",
        ),
    ]
}

fn bare(program: &Path, site: &Site) -> Launch {
    if let Some(pem) = &site.pem {
        return secure(program, site, pem);
    }
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    let workers = site.workers.to_string();
    Launch::new(
        program,
        &["--listen", &listen, "--to", &origin, "--workers", &workers],
    )
}

/// The same with a certificate, for which it needs a file.
fn secure(program: &Path, site: &Site, pem: &Pem) -> Launch {
    let file = format!(
        r#"workers = {workers}
[[listen]]
addr = "{listen}"
tls = {{ cert = "{certificate}", key = "{key}" }}
[upstream.app]
to = "{origin}"
[[route]]
to = "app"
"#,
        workers = site.workers,
        listen = site.listen,
        certificate = pem.certificate.display(),
        key = pem.key.display(),
        origin = site.origins[0],
    );
    told(program, site, file)
}

fn all_on(program: &Path, site: &Site) -> Launch {
    let file = format!(
        r#"workers = {workers}
trusted_proxies = ["private"]
[log]
access = "/dev/null"
[admin]
listen = "{admin}"
[timeouts]
request = "30s"
[limits]
per_ip = 100000
[[listen]]
addr = "{listen}"
[upstream.app]
to = ["{first}", "{second}"]
balance = "ewma"
max_connections = 10000
deadline_header = "X-Request-Timeout-Ms"
health = {{ tcp = true, every = "10s" }}
eject = {{ failures = 3, for = "10s" }}
[upstream.other]
to = "{first}"
[[route]]
path = "/other/*"
to = "other"
[[route]]
path = "/*"
to = "app"
paths = "normal"
allow = ["private"]
accept_deadline = ["X-Request-Timeout-Ms"]
retry = {{ attempts = 2, per_try = "20s" }}
hedge = {{ after = "10s", max = 1 }}
limit = {{ rate = "10000000/s", burst = 10000000, key = "ip", concurrent = 100000 }}
headers.request = {{ add = {{ X-Bench = "on" }} }}
"#,
        workers = site.workers,
        admin = site.admin,
        listen = site.listen,
        first = site.origins[0],
        second = site.origins[1],
    );
    told(program, site, file)
}

/// osier as a file tells it.
fn told(program: &Path, site: &Site, file: String) -> Launch {
    let path = site.path("osier.toml");
    let mut launch = Launch::new(program, &["run", "-c", &path.display().to_string()]);
    launch.file = Some((path, file));
    launch
}
