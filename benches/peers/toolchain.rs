//! What the benches build for themselves: the programs of `benches/peers/rust` and `benches/peers/go`, into Cargo's
//! target directory.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the programs are built: beside Cargo's own output.
pub(crate) fn build_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers")
}

/// The sources of what is built here.
pub(crate) fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers")
}

/// A program on PATH, or where the system's own daemons are.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}

/// Builds a package of the workspace in `benches/peers/rust`.
pub(crate) fn rust(package: &str) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    build(
        Command::new(cargo)
            .args(["build", "--release", "--locked", "--package", package])
            .arg("--target-dir")
            .arg(build_dir())
            .current_dir(source_dir().join("rust")),
    )?;
    Ok(rust_output(package))
}

/// Where a package of that workspace is, once it is built.
pub(crate) fn rust_output(package: &str) -> PathBuf {
    build_dir().join("release").join(package)
}

/// Compiles one of the programs of `benches/peers/go`; they need nothing but Go's own library.
pub(crate) fn go(compiler: &Path, name: &str) -> Result<PathBuf, String> {
    let output = build_dir().join(format!("go-{name}"));
    let source = source_dir().join("go").join(name).join("main.go");
    let mut command = Command::new(compiler);
    build(command.arg("build").arg("-o").args([&output, &source]))?;
    Ok(output)
}

/// Runs a build step; `Err` is the end of what it said.
fn build(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    let name = Path::new(command.get_program()).file_name();
    let name = name.unwrap_or_default().to_string_lossy();
    Err(format!("{name} failed: {}", last.unwrap_or_default()))
}
