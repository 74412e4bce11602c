//! What `init` prints means what the one-liner does with the same flags.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::args::{ProxyFlags, To};
use super::super::init;
use crate::config::{self, AccessLog, Action, Config, Surroundings};
use crate::http::network::Network;
use crate::log::Destination;
use crate::net::address::Address;
use crate::proxy::gateway::Host;
use crate::proxy::template::{Part, Template};
use crate::proxy::timeout::Timeouts;

fn read(text: &str) -> config::Outcome {
    let around = Surroundings {
        environment: &|_| None,
        file: &|_| Ok(authority().into_bytes()),
        folder: &|_| Err(io::Error::other("there are no folders")),
    };
    config::read("init.toml", text.as_bytes(), &around)
}

/// Whom this system believes.
fn authority() -> String {
    let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().pem()
}

fn addresses(texts: Vec<&str>) -> Vec<Address> {
    texts
        .into_iter()
        .map(|text| text.parse().unwrap())
        .collect()
}

fn flags() -> impl Strategy<Value = ProxyFlags> {
    let listen = vec![
        ":80",
        "[::1]:81",
        "127.0.0.1:0",
        "127.0.0.1:0",
        "unix:/run/ä ${x}\"",
    ];
    let listen = subsequence(listen, 0..=5).prop_map(addresses);
    let to = select(vec![
        ("a.example:80", ""),
        ("[::1]:80", "/base"),
        ("a.example:80", "/Ba%20se/${x}"),
        ("unix:/run/ä ${x}", ""),
    ]);
    let to = (vec(to, 0..6), any::<bool>()).prop_map(|(all, is_tls)| {
        // A unix socket has no name to be verified.
        let is_named = all.iter().all(|(to, _)| !to.starts_with("unix:"));
        let is_tls = is_tls && is_named && cfg!(feature = "tls");
        let all = all.into_iter();
        all.map(|(authority, base_path)| To {
            is_tls,
            authority: authority.to_owned(),
            base_path: base_path.to_owned(),
        })
        .collect()
    });
    let access_log = select(vec![
        Destination::Off,
        Destination::Stdout,
        Destination::File("access.log".into()),
        Destination::File("stdot".into()),
        Destination::File("/var/log/ä ${x}.log".into()),
    ]);
    let line = (
        select(vec!["X-A", "x-a", "X-B", "!#$"]),
        "[a-z{}$\"\\\\' é]{0,6}",
    );
    let add = vec(line, 0..5).prop_map(|lines| {
        let lines = lines.into_iter();
        // The flag's parser takes the space around it off.
        lines
            .map(|(name, value)| (name.to_owned(), value.trim_matches(' ').to_owned()))
            .collect()
    });
    let host = select(vec![
        Host::Preserve,
        Host::Upstream,
        Host::Literal("b.example:81".to_owned()),
    ]);
    let trusted = select(vec![
        vec![],
        Network::private(),
        vec!["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()],
    ]);
    let admin = of(select(vec!["127.0.0.1:8087", "unix:/run/osier.sock"]));
    let admin = admin.prop_map(|text| text.map(|text| text.parse().unwrap()));
    let timeout = of((1..100_000_u64).prop_map(Duration::from_millis));
    (
        (listen, to, timeout, of(1..1024_usize), admin),
        (access_log, add, host, trusted),
    )
        .prop_map(
            |((listen, to, timeout, workers, admin), (access_log, add, host, trusted))| {
                ProxyFlags {
                    listen,
                    to,
                    timeout,
                    workers,
                    admin,
                    access_log,
                    add,
                    host,
                    trusted,
                    ..ProxyFlags::default()
                }
            },
        )
}

/// How many of equal ones there are.
fn counted<T: Ord>(items: impl IntoIterator<Item = (T, u32)>) -> BTreeMap<T, u32> {
    let mut counts = BTreeMap::new();
    for (item, count) in items {
        *counts.entry(item).or_default() += count;
    }
    counts
}

/// The lines of each field, in order; between different fields order means nothing.
fn by_name(lines: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in lines {
        fields.entry(name).or_default().push(value);
    }
    fields
}

fn same(flags: &ProxyFlags, config: &Config) -> Result<(), TestCaseError> {
    prop_assert_eq!(&config.workers, &flags.workers);
    prop_assert_eq!(&config.trusted, &flags.trusted);
    prop_assert_eq!(
        config.admin.as_ref().map(|admin| &admin.listen),
        flags.admin.as_ref()
    );
    let access = match &flags.access_log {
        Destination::Off => AccessLog::Off,
        Destination::Stdout => AccessLog::Stdout,
        Destination::File(path) if path.components().count() == 1 => {
            AccessLog::File(std::path::Path::new(".").join(path))
        }
        Destination::File(path) => AccessLog::File(path.clone()),
        Destination::Unix(path) => AccessLog::Unix(path.clone()),
    };
    prop_assert_eq!(&config.log.access, &access);
    let mut timeouts = Timeouts::default();
    if flags.timeout.is_some() {
        timeouts.request = flags.timeout;
    }
    prop_assert_eq!(&config.timeouts, &timeouts);
    prop_assert_eq!(config.listeners.len(), 1);
    if !flags.listen.is_empty() {
        prop_assert_eq!(&config.listeners[0].addresses, &flags.listen);
    }
    prop_assert_eq!(config.upstreams.len(), 1);
    let endpoints = config.upstreams[0].endpoints.iter();
    let endpoints = counted(endpoints.map(|endpoint| {
        (
            (endpoint.authority.clone(), endpoint.base_path.clone()),
            endpoint.weight,
        )
    }));
    if !flags.to.is_empty() {
        let to = flags.to.iter();
        let to = to.map(|to| ((to.authority.clone(), to.base_path.clone()), 1));
        prop_assert_eq!(endpoints, counted(to));
    }
    prop_assert_eq!(config.routes.len(), 1);
    let route = &config.routes[0];
    prop_assert!(matches!(&route.action, Action::Forward(to) if to.len() == 1));
    prop_assert_eq!(&route.host_header, &flags.host);
    prop_assert!(route.request.set.is_empty() && route.request.remove.is_empty());
    let plain = |template: &Template| {
        let parts = template.parts.iter();
        let parts = parts.map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Hole(_) => "A HOLE",
        });
        parts.collect::<String>()
    };
    let added = route.request.add.iter();
    let added = added.map(|(name, value)| (name.clone(), plain(value)));
    prop_assert_eq!(by_name(added), by_name(flags.add.iter().cloned()));
    Ok(())
}

proptest! {
    #[test]
    fn it_means_what_the_flags_mean(flags in flags()) {
        let text = init::text(&flags);
        let outcome = read(&text);
        prop_assert!(outcome.report.diagnostics().is_empty(), "{}\n{}", outcome.report.render(false), text);
        same(&flags, &outcome.config.unwrap())?;
    }
}

#[test]
fn what_it_has_in_comments_is_the_default() {
    let text = init::text(&ProxyFlags::default());
    let commented = text.lines().filter_map(|line| line.strip_prefix("# "));
    let commented: Vec<_> = commented
        .filter(|line| line.contains(" = ") || line.starts_with('['))
        .collect();
    assert!(commented.len() > 15);
    for line in &commented {
        // The admin interface is off unless its section is there.
        let needs = if *line == "listen = \"127.0.0.1:8087\"" {
            "[admin]"
        } else {
            ""
        };
        if line.starts_with("[admin]") {
            continue;
        }
        let changed = text.replace(&format!("# {line}"), &format!("{needs}\n{line}"));
        assert_ne!(changed, text);
        let with = read(&changed);
        let mut with = with
            .config
            .unwrap_or_else(|| panic!("{}", with.report.render(false)));
        if !needs.is_empty() {
            assert_eq!(
                with.admin
                    .take()
                    .map(|admin| admin.listen.to_string())
                    .as_deref(),
                Some("127.0.0.1:8087")
            );
        }
        assert_eq!(Some(with), read(&text).config, "{line}");
    }
}
