//! Go's `httputil.ReverseProxy`, from `benches/peers/go/proxy`.

use std::path::Path;

use super::{Layer, Missing, Peer, Site, installed, version};
use crate::process::Launch;
use crate::toolchain;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let go = installed("go", "golang-go")?;
    let program = toolchain::go(&go, "proxy").map_err(|why| Missing {
        name: "Go ReverseProxy",
        why,
    })?;
    Ok(vec![Peer {
        name: "Go ReverseProxy",
        version: version(&go, "version"),
        layer: Layer::Http,
        tls: false,
        program,
        configure,
        remark: "with a buffer pool and 1,024 idle connections to the origin",
    }])
}

fn configure(program: &Path, site: &Site) -> Launch {
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    let mut launch = Launch::new(program, &[&listen, &origin]);
    launch.environment = vec![("GOMAXPROCS".to_owned(), site.workers.to_string())];
    launch
}
