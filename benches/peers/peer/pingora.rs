//! Pingora, from `benches/peers/rust/pingora`.

use std::path::Path;
use std::process::Command;

use super::{Layer, Missing, Peer, Site, build, build_dir, source_dir};
use crate::process::Launch;

const NAME: &str = "Pingora";

pub(crate) fn find(may_build: bool) -> Result<Vec<Peer>, Missing> {
    let program = build_dir().join("release/pingora-peer");
    let missing = |why| Missing { name: NAME, why };
    if may_build {
        eprintln!("building the Pingora peer; the first time takes minutes");
        rust("pingora-peer").map_err(missing)?;
    } else if !program.is_file() {
        return Err(missing(
            "not built yet: `--full` builds it (it needs cmake, and some minutes)".to_owned(),
        ));
    }
    Ok(vec![Peer {
        name: NAME,
        version: locked("pingora-proxy").unwrap_or_default(),
        layer: Layer::Http,
        program,
        configure,
        remark: "",
    }])
}

/// Builds a package of the bench's own workspace.
pub(crate) fn rust(package: &str) -> Result<(), String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    build(
        Command::new(cargo)
            .args(["build", "--release", "--locked", "--package", package])
            .arg("--target-dir")
            .arg(build_dir())
            .current_dir(source_dir().join("rust")),
    )
}

/// The version of a crate in that workspace's Cargo.lock.
fn locked(name: &str) -> Option<String> {
    let lock = std::fs::read_to_string(source_dir().join("rust/Cargo.lock")).ok()?;
    let after = lock
        .split(&format!("name = \"{name}\"\nversion = \""))
        .nth(1)?;
    after.split('"').next().map(str::to_owned)
}

fn configure(program: &Path, site: &Site) -> Launch {
    let (listen, origin) = (site.listen.to_string(), site.origins[0].to_string());
    Launch::new(program, &[&listen, &origin, &site.workers.to_string()])
}
