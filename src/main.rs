//! The `osier` command.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "osier, the proxy, runs on Linux; its rooms `context`, `http` and `balance` build elsewhere as a library"
);

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    osier::cli::run(std::env::args_os())
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
