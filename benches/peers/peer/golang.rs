//! Go's `httputil.ReverseProxy`, from `benches/peers/go/proxy`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Layer, Missing, Peer, Site, build, build_dir, installed, source_dir, version};
use crate::process::Launch;

pub(crate) fn find() -> Result<Vec<Peer>, Missing> {
    let go = installed("go", "golang-go")?;
    let program = compile(&go, "proxy").map_err(|why| Missing {
        name: "Go ReverseProxy",
        why,
    })?;
    Ok(vec![Peer {
        name: "Go ReverseProxy",
        version: version(&go, "version"),
        layer: Layer::Http,
        program,
        configure,
        remark: "with a buffer pool and 1,024 idle connections to the origin",
    }])
}

/// Compiles one of the programs of `benches/peers/go`; they need nothing but Go's own library.
fn compile(go: &Path, name: &str) -> Result<PathBuf, String> {
    let output = build_dir().join(format!("go-{name}"));
    let source = source_dir().join("go").join(name).join("main.go");
    build(
        Command::new(go)
            .arg("build")
            .arg("-o")
            .args([&output, &source]),
    )?;
    Ok(output)
}

fn configure(program: &Path, site: &Site) -> Launch {
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    let mut launch = Launch::new(program, &[&listen, &origin]);
    launch.environment = vec![("GOMAXPROCS".to_owned(), site.workers.to_string())];
    launch
}
