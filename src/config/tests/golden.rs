//! `tests/config/NAME.toml` with what is said of it beside it in `NAME.txt`. With `OSIER_BLESS=1` in the environment
//! the latter are written anew; read them before they are committed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::read_octets;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// The names of all files of the folder that end in `.EXTENSION`, without that.
fn names(extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == extension))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_file_is_told_what_stands_beside_it() {
    let bless = std::env::var_os("OSIER_BLESS").is_some();
    let mut wrong = String::new();
    for name in names("toml") {
        if cfg!(not(feature = "auth")) && ["ok-auth", "route-auth-bad"].contains(&name.as_str()) {
            continue;
        }
        if cfg!(not(feature = "tls")) && name.contains("tls") {
            continue;
        }
        if cfg!(not(feature = "acme")) && name.contains("acme") {
            continue;
        }
        let octets = fs::read(folder().join(format!("{name}.toml"))).unwrap();
        let outcome = read_octets(&format!("{name}.toml"), &octets);
        let mut said = outcome.report.render(false);
        if outcome.config.is_some() {
            said.push_str("ok\n");
        }
        let beside = folder().join(format!("{name}.txt"));
        if bless {
            fs::write(&beside, &said).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        if said != expected {
            wrong.push_str(&format!("== {name}\n{said}-- but expected:\n{expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_text_is_without_its_file_and_there_are_enough() {
    assert_eq!(names("txt"), names("toml"));
    assert!(names("toml").len() >= 41);
}

#[test]
fn what_a_good_file_means_is_a_file_that_means_the_same() {
    for name in names("toml") {
        let octets = fs::read(folder().join(format!("{name}.toml"))).unwrap();
        let Some(config) = read_octets("x", &octets).config else {
            continue;
        };
        let printed = config.to_toml();
        let again = read_octets("printed", printed.as_bytes());
        assert_eq!(
            again.config.as_ref(),
            Some(&config),
            "{name}:\n{printed}{}",
            again.report.render(false)
        );
        assert_eq!(config.to_toml(), again.config.unwrap().to_toml());
    }
}
