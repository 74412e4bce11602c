//! The `osier` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    osier::cli::run(std::env::args_os())
}
