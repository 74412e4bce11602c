//! `osier check`: what is wrong with a configuration, or what it means.

use super::args::{CheckFlags, Says};
use super::run::load;
use super::{DONE, FAILED, print};
use crate::config::{self, Config};

/// Checks a file. Exit code 0: it can be run, though there may be warnings.
pub(super) fn run(flags: &CheckFlags) -> u8 {
    let file = &flags.file;
    match flags.says {
        Says::Json => {
            let outcome = config::load(file);
            let printed = print(&outcome.report.json());
            let verdict = if outcome.config.is_some() {
                DONE
            } else {
                FAILED
            };
            verdict.max(printed)
        }
        Says::Config => match load(file) {
            Ok(config) => print(&config.to_toml()),
            Err(code) => code,
        },
        Says::Summary => match load(file) {
            Ok(config) => print(&format!("{}: ok, {}\n", file.display(), summary(&config))),
            Err(code) => code,
        },
    }
}

fn summary(config: &Config) -> String {
    let addresses = config.listeners.iter();
    let addresses = addresses.map(|listener| listener.addresses.len());
    let streams = config.streams.iter().map(|stream| stream.addresses.len());
    let addresses = addresses.chain(streams).sum();
    let mut all = vec![
        (addresses, "address", "addresses"),
        (config.upstreams.len(), "upstream", "upstreams"),
        (config.routes.len(), "route", "routes"),
    ];
    if !config.streams.is_empty() {
        all.push((config.streams.len(), "stream", "streams"));
    }
    let all = all.into_iter();
    let all: Vec<_> = all
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    all.join(", ")
}
