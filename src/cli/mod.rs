//! The command line: arguments → a command → an exit code.
//!
//! Syntax first (`args`), meaning second (the commands). Exit codes: 0 done, 1 a command failed, 2 bad usage, 75 an
//! address could not be bound now.

mod args;
mod check;
mod commands;
mod completions;
mod demo;
mod explain;
mod help;
mod init;
mod json;
mod learn;
mod operate;
mod origin;
mod run;
mod serve;
mod top;
mod websocket;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use args::Command;

/// Everything went well.
const DONE: u8 = 0;
/// The command failed.
const FAILED: u8 = 1;
/// The arguments make no sense.
const USAGE: u8 = 2;
/// An address could not be bound; later it may (EX_TEMPFAIL).
const TRY_LATER: u8 = 75;

/// Runs the command that the arguments name; the first is the program's own name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match args::parse(arguments) {
        Ok(command) => command,
        Err(error) => {
            say(format_args!("osier: {error}"));
            return USAGE.into();
        }
    };
    let code = match command {
        Command::Nothing => {
            say(format_args!("{}", help::USAGE.trim_end()));
            USAGE
        }
        Command::Help(topic) => print(&help::text(topic)),
        Command::Version => print(&format!("osier {}\n", env!("CARGO_PKG_VERSION"))),
        Command::Proxy(flags) => serve::proxy(flags),
        Command::Respond(flags) => serve::respond(flags),
        Command::Run(flags) => serve::file(flags),
        Command::Check(flags) => check::run(&flags),
        Command::Explain(flags) => explain::run(&flags),
        Command::Init(flags) => print(&init::text(&flags)),
        Command::Demo(flags) => demo::run(flags),
        Command::Tree(flags) => operate::tree(&flags),
        Command::Top(flags) => top::run(&flags),
        Command::Cancel { admin, id, because } => operate::cancel(&admin, id, &because),
        Command::Status { admin } => operate::status(&admin),
        Command::Reload { admin } => operate::reload(&admin),
        Command::Drain {
            admin,
            endpoint,
            is_draining,
        } => operate::drain(&admin, &endpoint, is_draining),
        Command::Completions(shell) => print(&completions::text(shell)),
    };
    code.into()
}

/// Prints to standard output; a reader that has gone is no error.
fn print(text: &str) -> u8 {
    match io::stdout()
        .write_all(text.as_bytes())
        .and_then(|()| io::stdout().flush())
    {
        Ok(()) => DONE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(_) => FAILED,
    }
}

/// Says a line on standard error.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}
