//! Every key means something: for each there is a file in which it is the only thing said, and what it changes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::NonZeroU64;
use std::time::Duration;

use super::super::TimeoutName;
use super::super::model::*;
use super::{config, read_text, with_route};
use crate::http::deadline::DeadlineField;
use crate::http::network::Network;
use crate::net::proxy_protocol::Version;
use crate::proxy::gateway::Host;
use crate::proxy::retry::On;
use crate::proxy::route::{HostPattern, PathPattern};

/// A file in which `line` stands in `section`, and beside it what a file needs.
fn file(section: &str, line: &str) -> String {
    let begins = |keys: &[&str]| keys.iter().any(|key| line.starts_with(key));
    let part = |name: &str, header: &str, needs: &str, own: &[&str]| {
        let (needs, line) = match (section == name, begins(own)) {
            (true, true) => ("", line),
            (true, false) => (needs, line),
            (false, _) => (needs, ""),
        };
        format!("{header}\n{needs}\n{line}\n")
    };
    let front = match section {
        "listen" | "upstream" | "route" | "stream" => String::new(),
        "" => format!("{line}\n"),
        section => format!("[{section}]\n{line}\n"),
    };
    front
        + &part(
            "listen",
            "[[listen]]",
            "addr = \"127.0.0.1:8086\"",
            &["addr"],
        )
        + &part(
            "upstream",
            "[upstream.app]",
            "to = \"10.0.0.1:80\"",
            &["to"],
        )
        + &part(
            "route",
            "[[route]]",
            "to = \"app\"",
            &["to", "redirect", "respond"],
        )
        + &match (section, begins(&["addr"])) {
            ("stream", true) => format!("[[stream]]\nto = \"app\"\n{line}\n"),
            ("stream", false) if begins(&["to =", "sni"]) => {
                format!("[[stream]]\naddr = \":1883\"\n{line}\n")
            }
            ("stream", false) => {
                format!("[[stream]]\naddr = \":1883\"\nto = \"app\"\n{line}\n")
            }
            _ => String::new(),
        }
}

/// The same for a table further down, such as `route.retry`.
fn file_below(path: &str, line: &str) -> String {
    match path.split_once('.') {
        None => file(path, line),
        Some(("upstream", "to")) => file(
            "upstream",
            &format!("to = [{{ addr = \"10.0.0.1:80\", {line} }}]"),
        ),
        Some(("route", "to")) => file("route", &format!("to = [{{ to = \"app\", {line} }}]")),
        Some((section, rest)) => file(section, &format!("{rest} = {{ {line} }}")),
    }
}

/// One key: its name, the line it is in, what it changes, and into what.
struct Key {
    name: String,
    line: String,
    of: Box<dyn Fn(&Config) -> String>,
    means: String,
}

fn key<T: Debug>(
    name: &str,
    line: &str,
    of: impl Fn(&Config) -> T + 'static,
    means: impl Debug,
) -> Key {
    Key {
        name: name.to_owned(),
        line: line.to_owned(),
        of: Box::new(move |config| format!("{:?}", of(config))),
        means: format!("{means:?}"),
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn text<T: ToString>(value: T) -> String {
    value.to_string()
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn edits(edits: &Edits) -> (Vec<String>, Vec<String>, Vec<String>) {
    let lines = |lines: &[(String, crate::proxy::template::Template)]| {
        let lines = lines.iter();
        lines
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    };
    (lines(&edits.set), lines(&edits.add), edits.remove.clone())
}

/// The keys of the file itself and of the sections that are there once.
fn keys_of_the_whole() -> Vec<Key> {
    let path = |path: &str| std::path::PathBuf::from(path);
    let own = |address: &str| address.parse::<crate::net::address::Address>().unwrap();
    vec![
        key("workers", "workers = 3", |c| c.workers, Some(3)),
        key("sandbox", "sandbox = \"try\"", |c| c.sandbox, Sandbox::Try),
        key(
            "max_connections",
            "max_connections = 9",
            |c| c.max_connections,
            Some(9),
        ),
        key(
            "trusted_proxies",
            "trusted_proxies = [\"10.1.0.0/16\", \"::1\"]",
            |c| texts(&c.trusted),
            ["10.1.0.0/16", "::1/128"],
        ),
        key(
            "shutdown.delay",
            "delay = \"5s\"",
            |c| c.shutdown.delay,
            seconds(5),
        ),
        key(
            "shutdown.grace",
            "grace = \"0s\"",
            |c| c.shutdown.grace,
            seconds(0),
        ),
        key(
            "user",
            "user = \"osier\"",
            |c| c.user.clone(),
            Some("osier"),
        ),
        key("group", "group = \"www\"", |c| c.group.clone(), Some("www")),
        key(
            "log.access",
            "access = \"unix:/dev/log\"",
            |c| c.log.access.clone(),
            AccessLog::Unix(path("/dev/log")),
        ),
        key(
            "log.format",
            "format = \"json\"",
            |c| c.log.format,
            Format::Json,
        ),
        key(
            "log.level",
            "level = \"debug\"",
            |c| c.log.level,
            Level::Debug,
        ),
        key(
            "log.redact_query",
            "redact_query = true",
            |c| c.log.redact_query,
            true,
        ),
        key(
            "admin.listen",
            "listen = \"[::1]:99\"",
            |c| c.admin.clone().map(|admin| admin.listen),
            Some(own("[::1]:99")),
        ),
        key(
            "admin.hosts",
            "hosts = [\"Gate.example\"]",
            |c| c.admin.clone().map(|admin| admin.hosts),
            Some(["gate.example"]),
        ),
        key(
            "admin.allow",
            "listen = \"10.0.0.1:8087\"\nallow = \"10.0.0.0/8\"",
            |c| c.admin.clone().map(|admin| texts(&admin.allow)),
            Some(["10.0.0.0/8"]),
        ),
        key("limits.head", "head = \"8KiB\"", |c| c.limits.head, 8192),
        key("limits.fields", "fields = 7", |c| c.limits.fields, 7),
        key(
            "limits.body",
            "body = \"1MB\"",
            |c| c.limits.body,
            Some(1_000_000),
        ),
        key(
            "limits.body_rate",
            "body_rate = \"1KiB\"",
            |c| c.limits.body_rate,
            NonZeroU64::new(1024),
        ),
        key("limits.per_ip", "per_ip = 4", |c| c.limits.per_ip, Some(4)),
        key(
            "limits.buffers",
            "buffers = \"1MiB\"",
            |c| c.limits.buffers,
            Some(1 << 20),
        ),
    ]
}

fn keys_of_listeners_and_upstreams() -> Vec<Key> {
    let listener = |c: &Config| c.listeners[0].clone();
    let upstream = |c: &Config| c.upstreams[0].clone();
    vec![
        key(
            "listen.addr",
            "addr = [\":80\", \"[::1]:81\", \"unix:/run/o\", \"localhost:82\"]",
            move |c| texts(&listener(c).addresses),
            ["0.0.0.0:80", "[::1]:81", "unix:/run/o", "127.0.0.1:82"],
        ),
        key(
            "listen.half_close",
            "half_close = \"allow\"",
            move |c| listener(c).half_close,
            HalfClose::Allow,
        ),
        key(
            "listen.proxy_protocol",
            "addr = \"unix:/run/o\"\nproxy_protocol = true",
            move |c| listener(c).proxy_protocol,
            true,
        ),
        key(
            "listen.retry",
            "retry = true",
            move |c| listener(c).retry,
            true,
        ),
        key(
            "listen.redirect",
            "redirect = \"https:8443\"",
            move |c| listener(c).redirect,
            Some(8443),
        ),
        key(
            "listen.limits.head",
            "limits.head = \"1KiB\"",
            move |c| listener(c).limits.head,
            Override::Set(1024),
        ),
        key(
            "listen.limits.fields",
            "limits.fields = 5",
            move |c| listener(c).limits.fields,
            Override::Set(5),
        ),
        key(
            "listen.limits.body",
            "limits.body = \"unlimited\"",
            move |c| listener(c).limits.body,
            Override::Set(None::<u64>),
        ),
        key(
            "listen.limits.body_rate",
            "limits.body_rate = \"off\"",
            move |c| listener(c).limits.body_rate,
            Override::Set(None::<NonZeroU64>),
        ),
        key(
            "listen.limits.per_ip",
            "limits.per_ip = \"unlimited\"",
            move |c| listener(c).limits.per_ip,
            Override::Set(None::<usize>),
        ),
        key(
            "upstream.to",
            "to = [\"A.example:1\", \"http://b.example/base/\", \"unix:/run/a\"]",
            move |c| texts(&upstream(c).endpoints),
            ["a.example:1", "http://b.example:80/base", "unix:/run/a"],
        ),
        key(
            "upstream.to.addr",
            "to = { addr = \"10.0.0.9:80\" }",
            move |c| texts(&upstream(c).endpoints),
            ["10.0.0.9:80"],
        ),
        key(
            "upstream.to.weight",
            "to = { addr = \"10.0.0.1:80\", weight = 3 }",
            move |c| upstream(c).endpoints[0].weight,
            3,
        ),
        key(
            "upstream.keepalive.idle",
            "keepalive.idle = \"5s\"",
            move |c| upstream(c).keepalive.idle,
            seconds(5),
        ),
        key(
            "upstream.keepalive.max_idle",
            "keepalive.max_idle = 0",
            move |c| upstream(c).keepalive.max_idle,
            0,
        ),
        key(
            "upstream.keepalive.max_age",
            "keepalive.max_age = \"1h\"",
            move |c| upstream(c).keepalive.max_age,
            seconds(3600),
        ),
        key(
            "upstream.limits.body",
            "limits.body = \"1KiB\"",
            move |c| upstream(c).limits.body,
            Override::Set(Some(1024_u64)),
        ),
        key(
            "upstream.limits.body_rate",
            "limits.body_rate = \"10B\"",
            move |c| upstream(c).limits.body_rate,
            Override::Set(NonZeroU64::new(10)),
        ),
    ]
}

fn keys_of_routes() -> Vec<Key> {
    let route = |c: &Config| c.routes[0].clone();
    let matchers = |c: &Config| c.routes[0].matchers.clone();
    let pair = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
    vec![
        key(
            "route.host",
            "host = [\"A.example.\", \"*.B.example\"]",
            move |c| matchers(c).hosts,
            [
                HostPattern::Exact("a.example".to_owned()),
                HostPattern::Below("b.example".to_owned()),
            ],
        ),
        key(
            "route.path",
            "path = \"/api/*\"",
            move |c| matchers(c).path,
            Some(PathPattern::Prefix("/api/".to_owned())),
        ),
        key(
            "route.method",
            "method = [\"GET\", \"PURGE\"]",
            move |c| matchers(c).methods,
            ["GET", "PURGE"],
        ),
        key(
            "route.header",
            "header = { X-Debug = \"1\" }",
            move |c| matchers(c).headers.into_iter().collect::<Vec<_>>(),
            pair("x-debug", "1"),
        ),
        key(
            "route.query",
            "query = { v = \"2\" }",
            move |c| matchers(c).queries.into_iter().collect::<Vec<_>>(),
            pair("v", "2"),
        ),
        key(
            "route.client",
            "client = \"192.168.0.0/16\"",
            move |c| texts(&matchers(c).clients),
            ["192.168.0.0/16"],
        ),
        key(
            "route.priority",
            "priority = -4",
            move |c| matchers(c).priority,
            -4,
        ),
        key(
            "route.to",
            "to = \"10.0.0.7:80\"",
            |c| c.upstreams.get(1).map(|upstream| upstream.name.clone()),
            Some("10.0.0.7:80"),
        ),
        key(
            "route.to.to",
            "to = { to = \"10.0.0.8:80\" }",
            |c| c.upstreams.get(1).map(|upstream| upstream.name.clone()),
            Some("10.0.0.8:80"),
        ),
        key(
            "route.to.weight",
            "to = [{ to = \"app\", weight = 9 }]",
            move |c| route(c).action,
            Action::Forward(vec![Share {
                upstream: 0,
                weight: 9,
            }]),
        ),
        key(
            "route.redirect.to",
            "redirect = { to = \"https://b.example{uri}\" }",
            move |c| match route(c).action {
                Action::Redirect { to, status } => Some((text(to), status)),
                _ => None,
            },
            Some(("https://b.example{uri}", 308)),
        ),
        key(
            "route.redirect.status",
            "redirect = { to = \"/\", status = 301 }",
            move |c| match route(c).action {
                Action::Redirect { status, .. } => Some(status),
                _ => None,
            },
            Some(301),
        ),
        key(
            "route.respond.status",
            "respond = { status = 503 }",
            move |c| route(c).action,
            Action::Respond {
                status: 503,
                body: String::new(),
            },
        ),
        key(
            "route.respond.body",
            "respond = { body = \"ok\\n\" }",
            move |c| route(c).action,
            Action::Respond {
                status: 200,
                body: "ok\n".to_owned(),
            },
        ),
        key(
            "route.strip",
            "strip = \"/api\"",
            move |c| route(c).rewrite,
            Rewrite::Strip("/api".to_owned()),
        ),
        key(
            "route.rewrite",
            "rewrite = \"/v2{path}\"",
            move |c| match route(c).rewrite {
                Rewrite::To(template) => Some(text(template)),
                _ => None,
            },
            Some("/v2{path}"),
        ),
        key(
            "route.paths",
            "paths = \"strict\"",
            move |c| route(c).paths,
            Paths::Strict,
        ),
        key(
            "route.host_header",
            "host_header = \"a.example\"",
            move |c| route(c).host_header,
            Host::Literal("a.example".to_owned()),
        ),
        key(
            "route.headers.request.set",
            "headers.request.set = { X-A = \"{host}\" }",
            move |c| edits(&route(c).request).0,
            ["X-A: {host}"],
        ),
        key(
            "route.headers.request.add",
            "headers.request.add = { X-A = [\"1\", \"2\"], X-B = \"3\" }",
            move |c| edits(&route(c).request).1,
            ["X-A: 1", "X-A: 2", "X-B: 3"],
        ),
        key(
            "route.headers.request.remove",
            "headers.request.remove = [\"Cookie\"]",
            move |c| edits(&route(c).request).2,
            ["Cookie"],
        ),
        key(
            "route.headers.response.set",
            "headers.response.set = { X-A = \"1\" }",
            move |c| edits(&route(c).response).0,
            ["X-A: 1"],
        ),
        key(
            "route.headers.response.add",
            "headers.response.add = { X-A = \"1\" }",
            move |c| edits(&route(c).response).1,
            ["X-A: 1"],
        ),
        key(
            "route.headers.response.remove",
            "headers.response.remove = \"Server\"",
            move |c| edits(&route(c).response).2,
            ["Server"],
        ),
        key(
            "route.retry.attempts",
            "retry.attempts = 1",
            move |c| route(c).retry.attempts_max,
            1,
        ),
        key(
            "route.limit.rate",
            "limit = { rate = \"20/m\" }",
            move |c| {
                route(c)
                    .rate_limit
                    .map(|limit| (limit.rate.map(text), limit.burst))
            },
            Some((Some("20/m"), 20)),
        ),
        key(
            "route.limit.burst",
            "limit = { rate = \"20/s\", burst = 40 }",
            move |c| route(c).rate_limit.map(|limit| limit.burst),
            Some(40),
        ),
        key(
            "route.limit.key",
            "limit = { rate = \"1/s\", key = \"header:X-Key\" }",
            move |c| route(c).rate_limit.map(|limit| limit.per),
            Some(Per::Header("x-key".to_owned())),
        ),
        key(
            "route.limit.concurrent",
            "limit = { concurrent = 5 }",
            move |c| {
                route(c)
                    .rate_limit
                    .map(|limit| (limit.rate.map(text), limit.concurrent))
            },
            Some((None::<String>, Some(5))),
        ),
        key(
            "route.upgrade",
            "upgrade = [\"WebSocket\", \"mqtt\"]",
            move |c| route(c).upgrade,
            ["websocket", "mqtt"],
        ),
        key(
            "route.forwarded",
            "forwarded = \"both\"",
            move |c| route(c).forwarded,
            Forwarded::Both,
        ),
        key("route.via", "via = true", move |c| route(c).via, Some(true)),
        key(
            "route.request_id",
            "request_id = \"make\"",
            move |c| route(c).request_id,
            RequestId::Make,
        ),
        key(
            "route.limits.body",
            "limits.body = \"10MiB\"",
            move |c| route(c).limits.body,
            Override::Set(Some(10_u64 << 20)),
        ),
        key(
            "route.limits.body_rate",
            "limits.body_rate = \"1KB\"",
            move |c| route(c).limits.body_rate,
            Override::Set(NonZeroU64::new(1000)),
        ),
        key(
            "route.errors",
            "errors = { 502 = \"/etc/osier/502.html\" }",
            move |c| route(c).errors.get(&502).map(|page| page.content.clone()),
            Some(b"<h1>later</h1>\n"),
        ),
    ]
}

/// Each timeout, wherever it may stand.
fn keys_of_timeouts() -> Vec<Key> {
    let mut keys = Vec::new();
    for name in TimeoutName::ALL {
        let line = |front: &str| format!("{front}{} = \"7s\"", name.name());
        let global = move |c: &Config| *name.of(&mut c.timeouts.clone());
        let full = format!("timeouts.{}", name.name());
        keys.push(key(&full, &line(""), global, Some(seconds(7))));
        let mut scoped = |section: &str, of: fn(&Config) -> TimeoutChanges| {
            let full = format!("{section}.timeouts.{}", name.name());
            let of = move |c: &Config| of(c).0.get(&name).copied();
            keys.push(key(&full, &line("timeouts."), of, Some(Some(seconds(7)))));
        };
        scoped("listen", |c| c.listeners[0].timeouts.clone());
        if !name.is_of_listener() {
            scoped("upstream", |c| c.upstreams[0].timeouts.clone());
            scoped("route", |c| c.routes[0].timeouts.clone());
        }
    }
    keys
}

fn keys() -> Vec<Key> {
    let mut keys = keys_of_the_whole();
    keys.extend(keys_of_listeners_and_upstreams());
    keys.extend(keys_of_care());
    keys.extend(keys_of_tries());
    keys.extend(keys_of_routes());
    keys.extend(keys_of_timeouts());
    #[cfg(feature = "tls")]
    keys.extend(keys_of_tls());
    keys.extend(keys_of_streams());
    keys
}

/// How upstreams are spoken to.
#[cfg(feature = "tls")]
fn keys_of_tls() -> Vec<Key> {
    let tls = |c: &Config| c.upstreams[0].tls.clone();
    let path = |path: &str| std::path::PathBuf::from(path);
    let both = "cert = \"/etc/tls/a.pem\", key = \"/etc/tls/a.key\"";
    let identity = (path("/etc/tls/a.pem"), path("/etc/tls/a.key"));
    let line = |keys: &str| format!("tls = {{ {keys} }}");
    vec![
        key(
            "upstream.tls.sni",
            &line("sni = \"App.example\""),
            move |c| tls(c).and_then(|it| it.sni),
            Some("app.example"),
        ),
        key(
            "upstream.tls.ca",
            &line("ca = \"/etc/tls/a.pem\""),
            move |c| tls(c).map(|it| (it.ca, it.files)),
            Some((Some(path("/etc/tls/a.pem")), [path("/etc/tls/a.pem")])),
        ),
        key(
            "upstream.tls.cert",
            &line(both),
            move |c| tls(c).and_then(|it| it.identity),
            Some(identity.clone()),
        ),
        key(
            "upstream.tls.key",
            &line(both),
            move |c| tls(c).map(|it| it.files[1..].to_vec()),
            Some([identity.0, identity.1]),
        ),
        key(
            "upstream.tls.insecure",
            &line("insecure = true"),
            move |c| tls(c).map(|it| (it.insecure, it.files)),
            Some((true, [(); 0])),
        ),
        key(
            "upstream.tls.min_version",
            &line("min_version = \"1.3\""),
            move |c| tls(c).map(|it| it.min_version),
            Some(crate::net::tls::version::Version::Tls13),
        ),
    ]
}

#[cfg(feature = "tls")]
#[test]
fn https_in_front_of_an_address_is_tls_by_the_systems_authorities() {
    for text in [
        with_route("to = \"https://a.example\""),
        format!(
            "{}[upstream.app]\nto = \"https://a.example/\"\n",
            with_route("to = \"app\"")
        ),
    ] {
        let upstream = config(&text).upstreams.remove(0);
        assert_eq!(upstream.endpoints[0].authority, "a.example:443");
        assert_eq!(upstream.endpoints[0].to_string(), "https://a.example:443");
        let tls = upstream.tls.unwrap();
        assert_eq!((tls.sni, tls.ca, tls.insecure), (None, None, false));
        let roots = std::path::Path::new("/etc/ssl/certs/ca-certificates.crt");
        assert_eq!(tls.files, [roots]);
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_system_without_authorities_is_told_the_remedy() {
    let text = with_route("to = \"https://a.example\"");
    let around = super::super::Surroundings {
        environment: &|_| None,
        file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        folder: &|_| Err(std::io::ErrorKind::NotFound.into()),
    };
    let outcome = super::super::read("x.toml", text.as_bytes(), &around);
    let said = outcome.report.render(false);
    assert!(outcome.config.is_none());
    assert!(said.contains("no certificates of authorities"), "{said}");
    assert!(said.contains("tls = { ca = "), "{said}");
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_refused_by_a_build_without_it() {
    for text in [
        with_route("to = \"https://a.example\""),
        format!(
            "{}[upstream.app]\nto = \"a:1\"\ntls = {{ insecure = true }}\n",
            with_route("to = \"app\"")
        ),
    ] {
        let outcome = read_text(&text);
        let said = outcome.report.render(false);
        assert!(outcome.config.is_none());
        assert!(
            said.contains("this osier was built without `tls`"),
            "{said}"
        );
    }
}

fn keys_of_streams() -> Vec<Key> {
    let stream = |c: &Config| c.streams.first().cloned();
    let seven = || Some(Some(seconds(7)));
    let name = |c: &Config, to: Option<usize>| to.map(|to| c.upstreams[to].name.clone());
    let network = |text: &str| Some(vec![text.parse::<Network>().unwrap()]);
    vec![
        key(
            "stream.addr",
            "addr = [\":80\", \"unix:/run/o\"]",
            move |c| stream(c).map(|it| texts(&it.addresses)),
            Some(["0.0.0.0:80", "unix:/run/o"]),
        ),
        key(
            "stream.to",
            "to = \"b:1\"",
            move |c| stream(c).map(|it| name(c, it.to)),
            Some(Some("b:1".to_owned())),
        ),
        key(
            "stream.sni",
            "sni = { \"A.example\" = \"app\", \"*.b\" = \"app\", \"*\" = \"app\" }",
            move |c| stream(c).map(|it| (it.sni, it.to)),
            Some((
                Some(vec![
                    (Some(HostPattern::Exact("a.example".to_owned())), 0),
                    (Some(HostPattern::Below("b".to_owned())), 0),
                    (None, 0),
                ]),
                None::<usize>,
            )),
        ),
        key(
            "stream.proxy_protocol",
            "addr = \"unix:/run/o\"\nproxy_protocol = true",
            move |c| stream(c).map(|it| it.proxy_protocol),
            Some(true),
        ),
        key(
            "stream.retry",
            "retry = true",
            move |c| stream(c).map(|it| it.retry),
            Some(true),
        ),
        key(
            "stream.allow",
            "allow = \"10.0.0.0/8\"",
            move |c| stream(c).map(|it| it.allow),
            network("10.0.0.0/8"),
        ),
        key(
            "stream.deny",
            "deny = \"10.0.0.0/8\"",
            move |c| stream(c).map(|it| it.deny),
            network("10.0.0.0/8"),
        ),
        key(
            "stream.timeouts.header",
            "timeouts.header = \"7s\"",
            move |c| stream(c).map(|it| it.timeouts.header),
            seven(),
        ),
        key(
            "stream.timeouts.connect",
            "timeouts.connect = \"7s\"",
            move |c| stream(c).map(|it| it.timeouts.connect),
            seven(),
        ),
        key(
            "stream.timeouts.idle",
            "timeouts.idle = \"7s\"",
            move |c| stream(c).map(|it| it.timeouts.idle),
            seven(),
        ),
        key(
            "stream.timeouts.total",
            "timeouts.total = \"7s\"",
            move |c| stream(c).map(|it| it.timeouts.total),
            seven(),
        ),
        key(
            "stream.limits.per_ip",
            "limits.per_ip = 7",
            move |c| stream(c).map(|it| it.limits.per_ip),
            Some(Some(7_usize)),
        ),
    ]
}

#[test]
fn a_stream_has_what_holds_above_where_it_says_nothing() {
    let text = "[timeouts]\nheader = \"1s\"\nconnect = \"2s\"\nidle = \"3s\"\ntunnel = \"4s\"\ntunnel_max = \"5s\"\n\
                [limits]\nper_ip = 6\n[[stream]]\naddr = \":1883\"\nto = \"a:1\"\n";
    let config = config(text);
    let stream = &config.streams[0];
    assert_eq!(stream.timeouts.header, Some(seconds(1)));
    assert_eq!(stream.timeouts.connect, Some(seconds(2)));
    assert_eq!(stream.timeouts.idle, Some(seconds(4)), "as a tunnel's");
    assert_eq!(stream.timeouts.total, Some(seconds(5)));
    assert_eq!(stream.limits.per_ip, Some(6));
    assert_eq!(stream.name(), "0.0.0.0:1883");
    // Who serves no HTTP needs neither a listener nor a route.
    assert!(config.listeners.is_empty() && config.routes.is_empty());
}

/// How endpoints are picked and looked after.
fn keys_of_care() -> Vec<Key> {
    let upstream = |c: &Config| c.upstreams[0].clone();
    let health = move |c: &Config| {
        upstream(c).health.unwrap_or_else(|| Health {
            path: None,
            every: seconds(0),
            timeout: seconds(0),
            rise: 0,
            fall: 0,
            expect: Vec::new(),
        })
    };
    let eject = move |c: &Config| upstream(c).eject;
    let queue = "max_connections = 3\nqueue = ";
    let probe = "health = { path = \"/h\", ";
    let line = |front: &str, rest: &str| format!("{front}{rest}");
    vec![
        key(
            "upstream.balance",
            "balance = \"hash:cookie:sid\"",
            move |c| upstream(c).balance.to_string(),
            "hash:cookie:sid".to_owned(),
        ),
        key(
            "upstream.to.backup",
            "to = [\"a:1\", { addr = \"b:1\", backup = true }]",
            move |c| upstream(c).endpoints.iter().filter(|it| it.backup).count(),
            1,
        ),
        key(
            "upstream.max_connections",
            "max_connections = 3",
            move |c| upstream(c).max_connections,
            Some(3),
        ),
        key(
            "upstream.queue.max",
            &line(queue, "{ max = 7 }"),
            move |c| upstream(c).queue.max,
            7,
        ),
        key(
            "upstream.queue.timeout",
            &line(queue, "{ timeout = \"7s\" }"),
            move |c| upstream(c).queue.timeout,
            seconds(7),
        ),
        key(
            "upstream.health.path",
            "health = { path = \"/h\" }",
            move |c| health(c).path,
            Some("/h".to_owned()),
        ),
        key(
            "upstream.health.tcp",
            "health = { tcp = true }",
            move |c| upstream(c).health.map(|it| it.path),
            Some(None::<String>),
        ),
        key(
            "upstream.health.every",
            &line(probe, "every = \"7s\" }"),
            move |c| health(c).every,
            seconds(7),
        ),
        key(
            "upstream.health.timeout",
            &line(probe, "timeout = \"7s\" }"),
            move |c| health(c).timeout,
            seconds(7),
        ),
        key(
            "upstream.health.rise",
            &line(probe, "rise = 7 }"),
            move |c| health(c).rise,
            7,
        ),
        key(
            "upstream.health.fall",
            &line(probe, "fall = 7 }"),
            move |c| health(c).fall,
            7,
        ),
        key(
            "upstream.health.expect",
            &line(probe, "expect = [\"204\", \"3xx\", \"400-404\"] }"),
            move |c| health(c).expect,
            vec![(204, 204), (300, 399), (400, 404)],
        ),
        key(
            "upstream.eject.failures",
            "eject = { failures = 7 }",
            move |c| eject(c).map(|it| it.failures),
            Some(7),
        ),
        key(
            "upstream.eject.within",
            "eject = { within = \"7s\" }",
            move |c| eject(c).map(|it| it.within),
            Some(seconds(7)),
        ),
        key(
            "upstream.eject.for",
            "eject = { for = \"7s\" }",
            move |c| eject(c).map(|it| it.time),
            Some(seconds(7)),
        ),
        key(
            "upstream.eject.max_percent",
            "eject = { max_percent = 7 }",
            move |c| eject(c).map(|it| it.max_percent),
            Some(7),
        ),
        key(
            "upstream.slow_start",
            "slow_start = \"7s\"",
            move |c| upstream(c).slow_start,
            seconds(7),
        ),
        key(
            "upstream.resolve.every",
            "resolve = { every = \"7s\" }",
            move |c| upstream(c).resolve_every,
            seconds(7),
        ),
        key(
            "upstream.resolve.srv",
            "resolve = { srv = true }",
            move |c| upstream(c).resolve_srv,
            true,
        ),
        key(
            "upstream.sticky.cookie",
            "sticky = { cookie = \"sid\" }",
            move |c| upstream(c).sticky,
            Some("sid".to_owned()),
        ),
        key(
            "upstream.deadline_header",
            "deadline_header = \"grpc-timeout\"",
            move |c| upstream(c).deadline_header,
            Some(DeadlineField::from_name("grpc-timeout")),
        ),
        key(
            "upstream.send_proxy",
            "send_proxy = \"v2\"",
            move |c| upstream(c).send_proxy,
            Some(Version::V2),
        ),
    ]
}

/// What is tried, and who may.
fn keys_of_tries() -> Vec<Key> {
    let route = |c: &Config| c.routes[0].clone();
    let retry = move |c: &Config| route(c).retry;
    let forward = move |c: &Config| match route(c).auth {
        Some(Auth::Forward(forward)) => Some(forward),
        _ => None,
    };
    let auth = move |c: &Config| forward(c).map(|it| (it.path, it.copy, it.timeout));
    let network = |text: &str| vec![text.parse::<Network>().unwrap()];
    let mirror = move |c: &Config| {
        route(c)
            .mirror
            .map(|it| (c.upstreams[it.upstream].name.clone(), it.percent))
    };
    vec![
        key(
            "route.accept_deadline",
            "accept_deadline = \"grpc-timeout\"",
            move |c| route(c).accept_deadline,
            vec![DeadlineField::from_name("grpc-timeout")],
        ),
        key(
            "route.accept_deadline_from",
            "accept_deadline_from = [\"10.0.0.0/8\"]",
            move |c| route(c).accept_deadline_from,
            Some(network("10.0.0.0/8")),
        ),
        key(
            "route.retry.on",
            "retry.on = [\"timeout\", \"503\"]",
            move |c| retry(c).on,
            On {
                connect: false,
                stale: false,
                closed: false,
                timeout: true,
                statuses: vec![503],
            },
        ),
        key(
            "route.retry.per_try",
            "retry.per_try = \"7s\"",
            move |c| retry(c).per_try,
            Some(seconds(7)),
        ),
        key(
            "route.retry.budget",
            "retry.budget = \"off\"",
            move |c| retry(c).budget,
            None::<u32>,
        ),
        key(
            "route.retry.replay_body",
            "retry.replay_body = \"7B\"",
            move |c| retry(c).replay_max,
            7,
        ),
        key(
            "route.retry.backoff",
            "retry.backoff = \"7s\"",
            move |c| retry(c).pause,
            seconds(7),
        ),
        key(
            "route.hedge.after",
            "hedge = { after = \"7s\" }",
            move |c| route(c).hedge.map(|it| it.after),
            Some(seconds(7)),
        ),
        key(
            "route.hedge.max",
            "hedge = { max = 2 }",
            move |c| route(c).hedge.map(|it| it.max),
            Some(2),
        ),
        key(
            "route.mirror.to",
            "mirror = { to = \"b:1\" }",
            mirror,
            Some(("b:1".to_owned(), 100)),
        ),
        key(
            "route.mirror.percent",
            "mirror = { to = \"b:1\", percent = 7 }",
            mirror,
            Some(("b:1".to_owned(), 7)),
        ),
        #[cfg(feature = "auth")]
        key(
            "route.auth.basic",
            "auth.basic = \"/etc/osier.htpasswd\"",
            move |c| match route(c).auth {
                Some(Auth::Basic { path, users }) => Some((path, users.count())),
                _ => None,
            },
            Some((std::path::PathBuf::from("/etc/osier.htpasswd"), 1)),
        ),
        key(
            "route.auth.forward.to",
            "auth.forward = { to = \"b:1\" }",
            move |c| forward(c).map(|it| c.upstreams[it.upstream].name.clone()),
            Some("b:1".to_owned()),
        ),
        key(
            "route.auth.forward.path",
            "auth.forward = { to = \"b:1\", path = \"/c\" }",
            auth,
            Some(("/c".to_owned(), Vec::<String>::new(), seconds(5))),
        ),
        key(
            "route.auth.forward.copy",
            "auth.forward = { to = \"b:1\", copy = \"X-User\" }",
            auth,
            Some(("/".to_owned(), vec!["X-User".to_owned()], seconds(5))),
        ),
        key(
            "route.auth.forward.timeout",
            "auth.forward = { to = \"b:1\", timeout = \"7s\" }",
            auth,
            Some(("/".to_owned(), Vec::<String>::new(), seconds(7))),
        ),
        key(
            "route.allow",
            "allow = \"10.0.0.0/8\"",
            move |c| route(c).allow,
            network("10.0.0.0/8"),
        ),
        key(
            "route.deny",
            "deny = \"10.0.0.0/8\"",
            move |c| route(c).deny,
            network("10.0.0.0/8"),
        ),
    ]
}

/// Keys that are read only to be refused where they stand, and the value to refuse.
const OUT_OF_PLACE: [(&str, &str); 11] = [
    ("listen.limits.buffers", "\"1MiB\""),
    ("route.limits.buffers", "\"1MiB\""),
    ("route.limits.fields", "5"),
    ("route.limits.head", "\"1KiB\""),
    ("route.limits.per_ip", "5"),
    ("route.timeouts.header", "\"1s\""),
    ("route.timeouts.idle", "\"1s\""),
    ("upstream.limits.buffers", "\"1MiB\""),
    ("upstream.limits.fields", "5"),
    ("upstream.limits.head", "\"1KiB\""),
    ("upstream.limits.per_ip", "5"),
];
const TOO_LATE: [(&str, &str); 2] = [
    ("upstream.timeouts.header", "\"1s\""),
    ("upstream.timeouts.idle", "\"1s\""),
];

/// The section that a key stands in, and the rest of its name.
fn section_of(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("", name))
}

#[test]
fn every_key_changes_what_it_is_for() {
    for Key {
        name,
        line,
        of,
        means,
    } in keys()
    {
        let (section, _) = section_of(&name);
        let said = config(&file(section, &line));
        let silent = config(&file(section, ""));
        assert_eq!(of(&said), means, "{name}");
        assert_ne!(
            of(&silent),
            means,
            "{name} shows nothing: that is so without it"
        );
    }
}

#[test]
fn no_key_is_without_a_test() {
    let tables = "timeouts limits shutdown log admin listen listen.timeouts listen.limits listen.tls listen.tls.acme upstream upstream.to \
                  upstream.keepalive upstream.timeouts upstream.limits route route.to route.redirect route.respond \
                  route.headers route.headers.request route.headers.response route.timeouts route.limits route.retry \
                  route.limit upstream.queue upstream.health upstream.eject upstream.resolve upstream.sticky \
                  route.hedge route.mirror route.auth route.auth.forward upstream.tls stream stream.timeouts stream.limits";
    let tables: BTreeSet<&str> = tables.split_whitespace().collect();
    let mut there = BTreeSet::new();
    for table in std::iter::once("").chain(tables.iter().copied()) {
        let report = read_text(&file_below(table, "no-such-key = 1")).report;
        let unknown = report.diagnostics().iter();
        let unknown = unknown.filter(|said| said.message.contains("unknown key `no-such-key`"));
        let keys: Vec<_> = unknown.map(|said| said.help.clone()).collect();
        assert_eq!(keys.len(), 1, "{table}: {}", report.render(false));
        let keys = keys[0].strip_prefix("keys here: ").unwrap();
        let front = if table.is_empty() {
            String::new()
        } else {
            format!("{table}.")
        };
        there.extend(keys.split(", ").map(|key| format!("{front}{key}")));
    }
    // A table is there by its keys; `to` is also a value.
    there.retain(|name| !tables.contains(name.as_str()) || name.ends_with(".to"));
    let mut tested: BTreeSet<String> = keys().into_iter().map(|key| key.name).collect();
    let refused = OUT_OF_PLACE.iter().chain(&TOO_LATE);
    tested.extend(refused.map(|(name, _)| (*name).to_owned()));
    // Its keys are tested beside this.
    let of_tls = [
        "cert",
        "key",
        "client_ca",
        "client_auth",
        "min_version",
        "clock_floor",
    ];
    tested.extend(of_tls.map(|key| format!("listen.tls.{key}")));
    let of_acme = ["names", "directory", "contact", "cache", "challenge", "ca"];
    tested.extend(of_acme.map(|key| format!("listen.tls.acme.{key}")));
    if cfg!(not(feature = "auth")) {
        tested.insert("route.auth.basic".to_owned());
    }
    if cfg!(not(feature = "tls")) {
        let keys = ["sni", "ca", "cert", "key", "insecure", "min_version"];
        tested.extend(keys.map(|key| format!("upstream.tls.{key}")));
    }
    assert_eq!(there, tested);
}

#[cfg(feature = "tls")]
#[test]
fn every_key_of_tls_means_something() {
    let tls = |more: &str| {
        let pair = "cert = \"/etc/tls/a.pem\", key = \"/etc/tls/a.key\"";
        let line = format!("tls = {{ {pair}{more} }}");
        config(&file("listen", &line))
            .listeners
            .remove(0)
            .tls
            .unwrap()
    };
    let usual = tls("");
    let identity = usual.pairs[0].identity.as_ref().unwrap();
    assert_eq!(identity.facts().names, ["a.example"]);
    assert_eq!(usual.client_ca, None);
    assert!(!usual.is_client_optional && !usual.is_only_13 && usual.has_clock_floor);
    let ca = ", client_ca = \"/etc/tls/b.pem\"";
    assert!(tls(ca).client_ca.is_some());
    assert!(!tls(ca).is_client_optional);
    assert!(tls(&format!("{ca}, client_auth = \"optional\"")).is_client_optional);
    assert!(tls(", min_version = \"1.3\"").is_only_13);
    assert!(!tls(", clock_floor = \"off\"").has_clock_floor);
}

#[cfg(feature = "acme")]
#[test]
fn every_key_of_acme_means_something() {
    use crate::net::tls::acme::Proof;
    use std::path::Path;
    let pair = |more: &str| {
        let acme = format!("names = [\"A.example\"], cache = \"/var/acme\"{more}");
        let line = format!("[[listen]]\naddr = \":2\"\ntls = {{ acme = {{ {acme} }} }}");
        let mut config = config(&format!("{}{line}\n", with_route("to = \"a:1\"")));
        let tls = config.listeners.remove(1).tls.unwrap();
        tls.pairs.into_iter().next().unwrap()
    };
    let usual = pair("");
    let acme = usual.acme.unwrap();
    assert_eq!(acme.wanted.names, ["a.example"]);
    assert_eq!(
        acme.wanted.directory,
        "https://acme-v02.api.letsencrypt.org/directory"
    );
    assert_eq!(acme.wanted.proof, Proof::TlsAlpn01);
    assert!(acme.wanted.contact.is_empty());
    assert_eq!(acme.ca, None);
    assert_eq!((usual.identity, &usual.cert), (None, &usual.key));
    assert_eq!(usual.cert.parent(), Some(Path::new("/var/acme")));
    let acme = |more: &str| pair(more).acme.unwrap();
    let other = acme(", directory = \"https://ca.example/d\"");
    assert_eq!(other.wanted.directory, "https://ca.example/d");
    assert_ne!(other.certificate(), usual.cert);
    let other = acme(", contact = \"mailto:x@y.example\"");
    assert_eq!(other.wanted.contact, ["mailto:x@y.example"]);
    // It is the same certificate, of another account.
    assert_eq!(other.certificate(), usual.cert);
    assert_ne!(other.account(), acme("").account());
    let other = acme(", challenge = \"http-01\"");
    assert_eq!(other.wanted.proof, Proof::Http01);
    let other = acme(", ca = \"/etc/tls/b.pem\"");
    assert_eq!(other.ca.as_deref(), Some(Path::new("/etc/tls/b.pem")));
    assert_ne!(other.wanted.client, acme("").wanted.client);
}

#[cfg(feature = "acme")]
#[test]
fn what_is_kept_is_shown_and_what_is_broken_is_a_warning() {
    let text = |names: &str, cache: &str| {
        format!(
            "{}[[listen]]\naddr = \":2\"\ntls = {{ acme = {{ names = \"{names}\", cache = \"{cache}\" }} }}\n",
            with_route("to = \"a:1\"")
        )
    };
    let path = {
        let tls = config(&text("b.example", "/no/where"))
            .listeners
            .remove(1)
            .tls;
        tls.unwrap().pairs[0].cert.clone()
    };
    let (cert, key) = (
        super::tls_file("/etc/tls/b.pem").unwrap(),
        super::tls_file("/etc/tls/b.key").unwrap(),
    );
    let read = |content: std::io::Result<Vec<u8>>| {
        let content = std::cell::RefCell::new(Some(content));
        let around = super::super::Surroundings {
            environment: &|_| None,
            file: &|asked| match asked.to_str() {
                Some("/etc/ssl/certs/ca-certificates.crt") => super::tls_file("/etc/tls/a.pem"),
                _ if asked == path => content.borrow_mut().take().unwrap(),
                _ => Err(std::io::ErrorKind::NotFound.into()),
            },
            folder: &|_| Ok(Vec::new()),
        };
        let text = text("b.example", "/no/where");
        let outcome = super::super::read("x.toml", text.as_bytes(), &around);
        let said = outcome.report.render(false);
        let tls = outcome.config.unwrap().listeners.remove(1).tls.unwrap();
        (tls, said)
    };
    let (tls, said) = read(Ok([key.clone(), cert.clone()].concat()));
    assert_eq!(said, "");
    let identity = tls.pairs[0].identity.clone().unwrap();
    assert_eq!(identity.facts().names, ["b.example"]);
    assert!(tls.terms().awaited.is_empty());
    let denied = std::io::ErrorKind::PermissionDenied;
    for broken in [Ok(cert), Ok(key), Ok(Vec::new()), Err(denied.into())] {
        let (tls, said) = read(broken);
        assert!(
            said.contains("warning: what is kept in `/no/where/b.example-"),
            "{said}"
        );
        assert_eq!(tls.terms().awaited, ["b.example"]);
    }
    // What was in use goes on, by a reload that finds nothing.
    let (mut empty, _) = read(Err(std::io::ErrorKind::NotFound.into()));
    empty.keep(&tls);
    assert_eq!(empty.pairs[0].identity.as_ref(), Some(&identity));
}

#[cfg(all(feature = "tls", not(feature = "acme")))]
#[test]
fn acme_is_refused_by_a_build_without_it() {
    let tls = "tls = { acme = { names = \"a.example\", cache = \"/var/acme\" } }";
    let outcome = read_text(&file("listen", tls));
    let said = outcome.report.render(false);
    assert!(outcome.config.is_none());
    assert!(said.contains("`listen.tls.acme` cannot be had"), "{said}");
    assert!(
        said.contains("this osier was built without `acme`"),
        "{said}"
    );
    assert!(said.contains("--features acme"), "{said}");
}

#[test]
fn what_routes_and_upstreams_have_no_say_in_is_refused() {
    for (name, value) in OUT_OF_PLACE.iter().chain(&TOO_LATE) {
        let (section, rest) = section_of(name);
        let outcome = read_text(&file(section, &format!("{rest} = {value}")));
        assert!(outcome.config.is_none(), "{name}");
        let said = &outcome.report.diagnostics()[0];
        let named = said.message.replace("upstream.app", "upstream");
        assert!(named.contains(&format!("`{name}`")), "{}", said.message);
    }
}

#[cfg(not(feature = "auth"))]
#[test]
fn passwords_are_refused_by_a_build_without_them() {
    let outcome = read_text(&with_route(
        "to = \"a:1\"\nauth.basic = \"/etc/osier.htpasswd\"",
    ));
    let said = outcome.report.render(false);
    assert!(outcome.config.is_none());
    assert!(
        said.contains("this osier was built without `auth`"),
        "{said}"
    );
}

#[test]
fn timeouts_and_limits_are_inherited_down_to_the_upstream() {
    let text = "[timeouts]\nbody = \"1s\"\nconnect = \"1s\"\nresponse = \"1s\"\ntunnel = \"1s\"\n\
                [limits]\nbody = \"1B\"\nhead = \"1KiB\"\n\
                [[listen]]\naddr = \":80\"\ntimeouts = { connect = \"2s\", response = \"2s\", tunnel = \"2s\" }\n\
                limits = { body = \"2B\", head = \"2KiB\" }\n\
                [[listen]]\naddr = \":81\"\n\
                [upstream.app]\nto = \"a:1\"\ntimeouts.tunnel = \"off\"\nlimits.body = \"unlimited\"\n\
                [[route]]\nto = \"app\"\ntimeouts = { response = \"3s\", tunnel = \"3s\" }\nlimits.body = \"3B\"\n";
    let config = config(text);
    let (route, upstream) = (&config.routes[0], &config.upstreams[0]);
    let timeouts = config.timeouts_of(&config.listeners[0], route, Some(upstream));
    assert_eq!(timeouts.body, Some(seconds(1)), "the global one");
    assert_eq!(timeouts.connect, Some(seconds(2)), "the listener's");
    assert_eq!(timeouts.response, Some(seconds(3)), "the route's");
    assert_eq!(timeouts.tunnel, None, "the upstream's");
    assert_eq!(timeouts.idle, Some(seconds(60)), "nobody's: the default");
    let without = config.timeouts_of(&config.listeners[1], route, None);
    assert_eq!(without.connect, Some(seconds(1)));
    assert_eq!(without.tunnel, Some(seconds(3)));

    let limits = config.limits_of(&config.listeners[0], route, Some(upstream));
    assert_eq!((limits.body, limits.head), (None, 2048));
    let limits = config.limits_of(&config.listeners[1], route, None);
    assert_eq!((limits.body, limits.head), (Some(3), 1024));
    let mut plain = route.clone();
    plain.limits = LimitChanges::default();
    assert_eq!(
        config.limits_of(&config.listeners[0], &plain, None).body,
        Some(2)
    );
    assert_eq!(
        config.limits_of(&config.listeners[1], &plain, None).body,
        Some(1)
    );
}

#[test]
fn what_nobody_says_is_as_the_manual_has_it() {
    let printed = config(&with_route("to = \"127.0.0.1:8080\"")).to_toml();
    let expected = r#"workers = "auto"
max_connections = "auto"
trusted_proxies = []
shutdown = { delay = "0s", grace = "30s" }
sandbox = "off"

[log]
access = "off"
format = "logfmt"
level = "info"
redact_query = false

[timeouts]
request = "1m"
total = "off"
header = "10s"
idle = "1m"
body = "30s"
connect = "3s"
response = "30s"
tunnel = "1h"
tunnel_max = "off"

[limits]
head = "16KiB"
fields = 100
body = "unlimited"
body_rate = "off"
per_ip = "unlimited"
buffers = "auto"

[[listen]]
addr = ["127.0.0.1:8086"]
half_close = "cancel"
proxy_protocol = false
retry = false

[[route]]
priority = 0
to = "127.0.0.1:8080"
paths = "raw"
host_header = "preserve"
retry = { attempts = 2, on = ["connect", "stale", "closed"], per_try = "off", budget = 0.200, replay_body = "64KiB", backoff = "25ms" }
upgrade = ["websocket"]
forwarded = "x"
request_id = "keep"
"#;
    assert_eq!(printed, expected);
    let upstream = config(&file("", "")).upstreams[0].clone();
    assert_eq!(
        (upstream.keepalive.idle, upstream.keepalive.max_idle),
        (seconds(20), 64)
    );
    assert_eq!(upstream.keepalive.max_age, seconds(600));
    let admin = config(&file("admin", "")).admin.unwrap();
    assert_eq!(admin.listen.to_string(), "127.0.0.1:8087");
    assert!(admin.hosts.is_empty() && admin.allow.is_empty());
}

#[test]
fn the_environment_is_put_into_every_string_once() {
    let set = |value: &str| {
        let line = format!("headers.request.set = {{ X-A = \"{value}\" }}");
        let (set, _, _) = edits(&config(&file("route", &line)).routes[0].request);
        set[0].strip_prefix("X-A: ").unwrap().to_owned()
    };
    assert_eq!(set("a${NAME}b${PORT}c"), "aappb8080c");
    assert_eq!(set("[${EMPTY}]"), "[]");
    assert_eq!(set("$${{NAME}}"), "${{NAME}}");
    assert_eq!(set("$ $$ $x"), "$ $$ $x");
    // What comes out of the environment is not looked into again, and cannot end the string.
    let outcome = read_text(&file("", "user = \"${TRICKY}\""));
    let message = &outcome.report.diagnostics()[0].message;
    assert_eq!(message, "`user` cannot be `${NAME} $$ \" \\`");
}

#[test]
fn addresses_in_routes_are_upstreams_of_their_own_and_one_address_is_one() {
    let text = "[[listen]]\naddr = \":80\"\n[upstream.app]\nto = \"x:1\"\n\
                [[route]]\npath = \"/a\"\nto = \"Y:1\"\n[[route]]\npath = \"/b\"\nto = \"http://y:1/\"\n\
                [[route]]\npath = \"/c\"\nto = [\"unix:/run/z\", \"app\"]\n";
    let config = config(text);
    let names: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.name.as_str())
        .collect();
    assert_eq!(names, ["app", "y:1", "unix:/run/z"]);
    let implicit: Vec<_> = config
        .upstreams
        .iter()
        .map(|upstream| upstream.is_implicit)
        .collect();
    assert_eq!(implicit, [false, true, true]);
    let to = |index: usize| match &config.routes[index].action {
        Action::Forward(shares) => shares.iter().map(|share| share.upstream).collect(),
        _ => vec![],
    };
    assert_eq!((to(0), to(1), to(2)), (vec![1], vec![1], vec![2, 0]));
}

/// Who wants a sandbox is not left without one unheard.
#[test]
fn a_build_without_the_sandbox_says_so() {
    let said = |word: &str| {
        let outcome = read_text(&file("", &format!("sandbox = \"{word}\"")));
        (outcome.config.is_some(), outcome.report.render(false))
    };
    let is_built = cfg!(feature = "sandbox");
    for (word, is_fine, kind) in [("try", true, "warning:"), ("require", is_built, "error:")] {
        let (is_config, report) = said(word);
        assert_eq!(is_config, is_fine, "{report}");
        assert_eq!(report.is_empty(), is_built, "{report}");
        if !is_built {
            assert!(report.starts_with(kind), "{report}");
            assert!(report.contains("--features sandbox"), "{report}");
        }
    }
    assert_eq!(said("off"), (true, String::new()));
    let (is_config, report) = said("on");
    assert!(
        !is_config && report.contains("off, try, require"),
        "{report}"
    );
}
