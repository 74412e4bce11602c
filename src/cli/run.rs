//! A configuration from a file, for all commands that take one.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use super::FAILED;
use crate::config::{self, Config};

/// Reads the configuration in `file`; what is to be said of it goes to standard error, warnings too.
///
/// # Errors
/// The exit code, where it cannot be run.
pub(super) fn load(file: &Path) -> Result<Config, u8> {
    let outcome = config::load(file);
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let said = outcome.report.render(colours);
    // Nobody is left to be told that nobody can be told.
    let _ = io::stderr().write_all(said.as_bytes());
    outcome.config.ok_or(FAILED)
}
