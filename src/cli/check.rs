//! `osier check`: what is wrong with a configuration, or what it means.

use std::io::{self, IsTerminal as _, Write as _};

use super::args::{CheckFlags, Says};
use super::{DONE, FAILED, print};
use crate::config::{self, Config};

/// Checks a file. Exit code 0: it can be run, though there may be warnings.
pub(super) fn run(flags: &CheckFlags) -> u8 {
    let outcome = config::load(&flags.file);
    let verdict = if outcome.config.is_some() {
        DONE
    } else {
        FAILED
    };
    let said = match (&flags.says, &outcome.config) {
        (Says::Json, _) => outcome.report.json(),
        (Says::Config, Some(config)) => config.to_toml(),
        (Says::Summary, Some(config)) => {
            format!("{}: ok, {}\n", flags.file.display(), summary(config))
        }
        (_, None) => String::new(),
    };
    if flags.says != Says::Json {
        let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let _ = io::stderr().write_all(outcome.report.render(colours).as_bytes());
    }
    verdict.max(print(&said))
}

fn summary(config: &Config) -> String {
    let addresses = config.listeners.iter();
    let addresses = addresses.map(|listener| listener.addresses.len()).sum();
    [
        (addresses, "address", "addresses"),
        (config.upstreams.len(), "upstream", "upstreams"),
        (config.routes.len(), "route", "routes"),
    ]
    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
    .join(", ")
}
