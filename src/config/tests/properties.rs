//! Whatever is in a file, reading it ends in words; and what is printed is read as what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::model::*;
use super::super::value::Rate;
use super::diagnostic::json_end;
use super::read_octets;
use crate::balance::{Eject, Policy};
use crate::http::deadline::DeadlineField;
use crate::http::network::Network;
use crate::net::address::Address;
use crate::net::proxy_protocol::Version;
use crate::proxy::gateway::Host;
use crate::proxy::retry::{On, Retry};
use crate::proxy::route::{HostPattern, Matchers, PathPattern};
use crate::proxy::site::{ForwardAuth, HashBy, Hedge, Mirror, StreamTimeouts};
use crate::proxy::template::{Hole, Part, Template};
use crate::proxy::timeout::Timeouts;

/// Files to spoil: everything there is, and every kind of mistake.
const FILES: [&str; 5] = [
    include_str!("../../../tests/config/ok-full.toml"),
    include_str!("../../../tests/config/ok-environment.toml"),
    include_str!("../../../tests/config/ok-exclusive.toml"),
    include_str!("../../../tests/config/proxy-protocol-bad.toml"),
    include_str!("../../../tests/config/unknown-key-tabs-and-octets.toml"),
];

/// Reads `octets` and looks at all that comes of it.
fn survives(octets: &[u8]) -> Result<(), TestCaseError> {
    let outcome = read_octets("any.toml", octets);
    let length = String::from_utf8_lossy(octets).len();
    for said in outcome.report.diagnostics() {
        prop_assert!(said.span.start <= said.span.end, "{said:?}");
        prop_assert!(said.span.end <= length, "{said:?} of {length}");
        prop_assert!(!said.message.is_empty());
    }
    prop_assert_eq!(outcome.config.is_none(), outcome.report.has_errors());
    let shown = outcome.report.render(false);
    prop_assert!(
        shown
            .chars()
            .all(|char| !char.is_control() || matches!(char, '\n' | '\t'))
    );
    let json = outcome.report.json();
    prop_assert_eq!(json_end(&json, 0), Some(json.len() - 1));
    if let Some(config) = outcome.config {
        let again = read_octets("printed.toml", config.to_toml().as_bytes());
        prop_assert_eq!(again.config, Some(config));
    }
    Ok(())
}

/// What is done to a file: where, how much is taken out, and what is put in.
type Edit = (prop::sample::Index, usize, Vec<u8>);

fn edit() -> impl Strategy<Value = Edit> {
    let octets = "[\"'\\[\\]{}=.,#\n\r\t 0-9a-z$\\\\*/:_-]{0,6}".prop_map(String::into_bytes);
    let words = select(vec![
        "\"",
        "[[route]]\n",
        "\nto = ",
        "${NAME}",
        "true",
        "\u{feff}",
        "日",
        "off",
        "{",
        "}",
    ]);
    let words = words.prop_map(|word| word.as_bytes().to_vec());
    let content = prop_oneof![octets, words, vec(any::<u8>(), 0..3)];
    (any::<prop::sample::Index>(), 0..12_usize, content)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_octets_end_in_words(octets in vec(any::<u8>(), 0..200)) {
        survives(&octets)?;
    }

    #[test]
    fn a_spoilt_file_ends_in_words(file in select(&FILES[..]), edits in vec(edit(), 1..4)) {
        let mut octets = file.as_bytes().to_vec();
        for (at, removed, content) in edits {
            let start = at.index(octets.len() + 1);
            let end = (start + removed).min(octets.len());
            octets.splice(start..end, content);
        }
        survives(&octets)?;
    }

    #[test]
    fn any_value_under_any_key_ends_in_words(
        key in "(timeouts|limits|log|admin|shutdown|listen|upstream|route|upstream\\.app|workers|user)(\\.[a-z_]{2,9})?",
        value in "[0-9]{1,3}|-[0-9]|\"\\PC{0,8}\"|\\[\\]|\\[\"[a-z:0-9/]{0,8}\"\\]|\\{ \\}|true|1\\.5|\\[\\[1\\]\\]",
    ) {
        survives(format!("{key} = {value}\n[[route]]\nto = \"app\"\n").as_bytes())?;
    }

    #[test]
    fn tables_in_any_order_end_in_words(lines in vec((
        select(vec!["", "[", "[["]),
        vec(select(vec!["log", "route", "upstream", "listen", "timeouts", "app", "to"]), 1..4),
        select(vec!["= 1", "= {}", "= []", "= [{}]", "= \"app\""]),
    ), 1..8)) {
        let lines = lines.into_iter().map(|(open, keys, value)| match open {
            "" => format!("{} {value}\n", keys.join(".")),
            open => format!("{open}{}{}\n", keys.join("."), "]".repeat(open.len())),
        });
        survives(lines.collect::<String>().as_bytes())?;
    }

    #[test]
    fn what_is_printed_is_read_as_what_it_was(config in configs()) {
        let printed = config.to_toml();
        let again = read_octets("printed.toml", printed.as_bytes());
        let said = again.report.render(false);
        prop_assert!(!again.report.has_errors(), "{}\n{}", said, printed);
        prop_assert_eq!(again.config, Some(config), "{}", printed);
    }
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1..100_000_u64,
        (1..1000_u64).prop_map(|seconds| seconds * 1000)
    ]
    .prop_map(Duration::from_millis)
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    vec(of(duration()), TimeoutName::ALL.len()).prop_map(|values| {
        let mut timeouts = Timeouts::default();
        for (name, value) in TimeoutName::ALL.into_iter().zip(values) {
            *name.of(&mut timeouts) = value;
        }
        timeouts
    })
}

fn timeout_changes(is_listener: bool) -> impl Strategy<Value = TimeoutChanges> {
    let names = TimeoutName::ALL.into_iter();
    let names: Vec<_> = names
        .filter(|name| is_listener || !name.is_of_listener())
        .collect();
    let count = names.len();
    let some = (subsequence(names, 0..=count), vec(of(duration()), count));
    some.prop_map(|(names, values)| TimeoutChanges(names.into_iter().zip(values).collect()))
}

fn overrides<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Override<T>> {
    of(value).prop_map(|value| value.map_or(Override::Inherit, Override::Set))
}

fn rate() -> impl Strategy<Value = Option<NonZeroU64>> {
    (0..u64::from(u32::MAX)).prop_map(NonZeroU64::new)
}

fn limit_changes() -> impl Strategy<Value = LimitChanges> {
    let body = overrides(of(0..u64::from(u32::MAX)));
    (
        overrides(256..100_000_usize),
        overrides(1..10_000_usize),
        body,
        overrides(rate()),
        overrides(of(1..9_usize)),
    )
        .prop_map(|(head, fields, body, body_rate, per_ip)| LimitChanges {
            head,
            fields,
            body,
            body_rate,
            per_ip,
        })
}

fn body_changes() -> impl Strategy<Value = LimitChanges> {
    limit_changes().prop_map(|limits| LimitChanges {
        body: limits.body,
        body_rate: limits.body_rate,
        ..LimitChanges::default()
    })
}

/// Text as odd as a value may be: what TOML, the environment and templates each give a meaning to.
fn odd() -> impl Strategy<Value = String> + Clone {
    "[a-z \"'\\\\{}$#=äßé日/:.-]{0,12}"
}

fn template() -> impl Strategy<Value = Template> + Clone {
    let text = odd().prop_map(|text| vec![Part::Text(text)]);
    let hole = select(Hole::ALL.to_vec()).prop_map(|hole| vec![Part::Hole(hole)]);
    let both = ("[a-z${}]{1,5}", select(Hole::ALL.to_vec()));
    let both = both.prop_map(|(text, hole)| vec![Part::Text(text), Part::Hole(hole)]);
    prop_oneof![text, hole, both].prop_map(|mut parts| {
        parts.retain(|part| *part != Part::Text(String::new()));
        Template { parts }
    })
}

fn zip((names, values): (Vec<&str>, Vec<Template>)) -> Vec<(String, Template)> {
    names.into_iter().map(str::to_owned).zip(values).collect()
}

fn edits() -> impl Strategy<Value = Edits> {
    let names = subsequence(vec!["X-A", "X-B", "x-c", "Cookie"], 0..=3);
    let lines = (names.clone(), vec(template(), 3)).prop_map(zip);
    // Lines of one name stand together; so they are printed.
    let doubled = (lines.clone(), any::<bool>()).prop_map(|(mut lines, is_doubled)| {
        if let (Some(last), true) = (lines.last().cloned(), is_doubled) {
            lines.push(last);
        }
        lines
    });
    let remove = names.prop_map(|names| names.into_iter().map(str::to_owned).collect());
    (lines, doubled, remove).prop_map(|(set, add, remove)| Edits { set, add, remove })
}

fn networks() -> impl Strategy<Value = Vec<Network>> {
    let some = vec![
        "10.1.0.0/16",
        "192.168.7.0/24",
        "::1/128",
        "2001:db8::/32",
        "0.0.0.0/0",
    ];
    let some = subsequence(some, 0..=4).prop_map(|texts| {
        let texts = texts.iter();
        texts.map(|text| text.parse().unwrap()).collect()
    });
    prop_oneof![some, Just(Network::private())]
}

fn listeners() -> impl Strategy<Value = Vec<Listener>> {
    let half_close = select(vec![HalfClose::Cancel, HalfClose::Allow]);
    let rest = (
        half_close,
        any::<[bool; 2]>(),
        (of(1_u16..), select(listen_tls())),
        timeout_changes(true),
        limit_changes(),
    );
    vec((1..4_usize, rest), 1..4).prop_map(|listeners| {
        let mut ports = 1000_u16..;
        let mut address = |_| -> Address {
            let port = ports.next().unwrap();
            let text = match port % 3 {
                0 => format!("127.0.0.1:{port}"),
                1 => format!("[::1]:{port}"),
                _ => format!("unix:/run/ä {port}"),
            };
            text.parse().unwrap()
        };
        let listeners = listeners.into_iter();
        listeners
            .map(
                |(
                    count,
                    (half_close, [retry, proxy_protocol], (redirect, tls), timeouts, limits),
                )| {
                    #[cfg(not(feature = "tls"))]
                    let () = tls;
                    Listener {
                        addresses: (0..count).map(&mut address).collect(),
                        half_close,
                        proxy_protocol,
                        retry,
                        // Who speaks TLS sends nobody there.
                        #[cfg(feature = "tls")]
                        redirect: redirect.filter(|_| tls.is_none()),
                        #[cfg(not(feature = "tls"))]
                        redirect,
                        #[cfg(feature = "tls")]
                        tls,
                        timeouts,
                        limits,
                    }
                },
            )
            .collect()
    })
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let limit = || of(duration());
    let timeouts = (limit(), limit(), limit(), limit());
    let pattern = select(vec![
        None,
        Some(HostPattern::Exact("a.example".to_owned())),
        Some(HostPattern::Below("a.example".to_owned())),
    ]);
    let rest = (
        any::<[bool; 3]>(),
        of(pattern),
        (networks(), networks()),
        timeouts,
        of(1..9_usize),
    );
    vec(rest, 0..3).prop_map(|streams| {
        let streams = streams.into_iter().zip(3000_u16..);
        streams
            .map(|((flags, pattern, (allow, deny), limits, per_ip), port)| {
                let [proxy_protocol, retry, is_named] = flags;
                Stream {
                    addresses: vec![format!("[::1]:{port}").parse().unwrap()],
                    // The first of the sections, which are there.
                    to: (!is_named || pattern.is_none()).then_some(0),
                    sni: pattern
                        .filter(|_| is_named)
                        .map(|pattern| vec![(pattern, 0)]),
                    proxy_protocol,
                    retry,
                    allow,
                    deny,
                    timeouts: StreamTimeouts {
                        header: limits.0,
                        connect: limits.1,
                        idle: limits.2,
                        total: limits.3,
                    },
                    limits: StreamLimits { per_ip },
                }
            })
            .collect()
    })
}

fn endpoints() -> impl Strategy<Value = Vec<Endpoint>> {
    let authorities = vec![
        "a.example:80",
        "[::1]:80",
        "10.0.0.1:65535",
        "unix:/run/ä ${x}",
    ];
    (
        subsequence(authorities, 1..=4),
        vec((0..9_u32, any::<bool>()), 4),
    )
        .prop_map(|(authorities, rest)| {
            let all = authorities.into_iter().zip(rest).enumerate();
            all.map(|(index, (authority, (weight, has_base)))| Endpoint {
                is_tls: false,
                authority: authority.to_owned(),
                is_service: false,
                base_path: if has_base && !authority.starts_with("unix:") {
                    "/Base%20x/{y}".to_owned()
                } else {
                    String::new()
                },
                // One of them has to have some.
                weight: if index == 0 { weight + 1 } else { weight },
                backup: index == 1 && has_base,
            })
            .collect()
        })
}

/// How endpoints are picked and looked after.
fn care() -> impl Strategy<Value = Upstream> {
    let balance = select(vec![
        (Policy::RoundRobin, HashBy::Ip),
        (Policy::LeastConn, HashBy::Ip),
        (Policy::P2c, HashBy::Ip),
        (Policy::Ewma, HashBy::Ip),
        (Policy::Random, HashBy::Ip),
        (Policy::First, HashBy::Ip),
        (Policy::Hash, HashBy::Ip),
        (Policy::Hash, HashBy::Path),
        (Policy::Hash, HashBy::Header("X-A".to_owned())),
        (Policy::Hash, HashBy::Cookie("sid".to_owned())),
    ]);
    let health = (of(Just("/healthz".to_owned())), duration(), 1..9_u32);
    let health = health.prop_map(|(path, every, rise)| Health {
        expect: match path {
            Some(_) => vec![(200, 204), (301, 301)],
            None => vec![(200, 299)],
        },
        path,
        every,
        timeout: every,
        rise,
        fall: rise + 1,
    });
    let eject = (1..9_u32, duration(), 0..=100_u32);
    let eject = eject.prop_map(|(failures, within, max_percent)| Eject {
        failures,
        within,
        time: within,
        max_percent,
    });
    let queue = (1..9_u32, 0..9_u32, duration());
    let fields = select(vec!["X-Request-Timeout-Ms", "grpc-timeout"]);
    (
        balance,
        of(health),
        of(eject),
        of(queue),
        (duration(), duration()),
        of(Just("sid".to_owned())),
        (of(fields), of(select(vec![Version::V1, Version::V2]))),
    )
        .prop_map(
            |((policy, hash), health, eject, queue, (slow_start, every), sticky, told)| Upstream {
                balance: Balance { policy, hash },
                max_connections: queue.map(|queue| queue.0),
                queue: queue
                    .map_or_else(Queue::default, |(_, max, timeout)| Queue { max, timeout }),
                health,
                eject,
                slow_start,
                resolve_every: every,
                sticky,
                deadline_header: told.0.map(DeadlineField::from_name),
                send_proxy: told.1,
                ..Upstream::default()
            },
        )
}

/// When a request is tried again.
fn retry() -> impl Strategy<Value = Retry> {
    let on = (any::<[bool; 4]>(), subsequence(vec![429_u16, 503], 0..=2));
    let rest = (
        of(duration()),
        of(0..=1000_u32),
        0..=65_536_usize,
        duration(),
    );
    (1..=10_u32, on, rest).prop_map(|(attempts_max, (on, statuses), rest)| {
        let [connect, stale, closed, timeout] = on;
        let (per_try, budget, replay_max, pause) = rest;
        Retry {
            attempts_max,
            on: On {
                connect,
                stale,
                closed,
                timeout,
                statuses,
            },
            per_try,
            budget,
            replay_max,
            pause,
        }
    })
}

/// Who may, and what goes elsewhere too. The first upstream is always there.
fn guards() -> impl Strategy<Value = (Option<Hedge>, Option<Mirror>, Option<Auth>)> {
    let hedge = (duration(), 1..=3_u32).prop_map(|(after, max)| Hedge { after, max });
    let mirror = (0..=100_u32).prop_map(|percent| Mirror {
        upstream: 0,
        percent,
    });
    let auth = (subsequence(vec!["X-User", "X-Group"], 0..=2), duration());
    let auth = auth.prop_map(|(copy, timeout)| {
        Auth::Forward(ForwardAuth {
            upstream: 0,
            path: "/check?x=${y}".to_owned(),
            copy: copy.into_iter().map(str::to_owned).collect(),
            timeout,
        })
    });
    #[cfg(feature = "auth")]
    let auth = {
        let users = crate::auth::Users::parse(super::USERS).unwrap();
        let basic = Auth::Basic {
            path: "/etc/osier.htpasswd".into(),
            users: std::sync::Arc::new(users),
        };
        prop_oneof![auth, Just(basic)]
    };
    (of(hedge), of(mirror), of(auth))
}

/// What listeners can be told of it, likewise.
#[cfg(feature = "tls")]
fn listen_tls() -> Vec<Option<ListenTls>> {
    let mut all = vec![
        "{ cert = \"/etc/tls/a.pem\", key = \"/etc/tls/a.key\", min_version = \"1.3\" }",
        "[{ cert = \"/etc/tls/b.pem\", key = \"/etc/tls/b.key\", client_ca = \"/etc/tls/a.pem\", client_auth = \"optional\", \
         clock_floor = \"off\" }, { cert = \"/etc/tls/a.pem\", key = \"/etc/tls/a.key\" }]",
    ];
    if cfg!(feature = "acme") {
        all.extend([
            "{ acme = { names = \"a.example\", cache = \"/ä \\\" b\" } }",
            "[{ cert = \"/etc/tls/b.pem\", key = \"/etc/tls/b.key\" }, { acme = { names = [\"a.example\", \"xn--b.example\"], \
             cache = \"x\", directory = \"https://ca.example:14000/dir\", contact = [\"mailto:a@b.example\", \
             \"mailto:c@d.example\"], challenge = \"tls-alpn-01\", ca = \"/etc/tls/a.pem\" } }]",
        ]);
    }
    let all = all.iter().map(|tls| {
        let text = super::with_route("to = \"a:1\"");
        let text = format!("{text}[[listen]]\naddr = \":1\"\ntls = {tls}\n");
        super::config(&text).listeners.remove(1).tls
    });
    all.chain([None, None, None, None]).collect()
}

#[cfg(not(feature = "tls"))]
fn listen_tls() -> Vec<()> {
    vec![()]
}

/// What can be said of TLS; made by reading, because what is in files belongs to it.
fn tls() -> Vec<Option<OriginTls>> {
    let all = match cfg!(feature = "tls") {
        true => &[
            "sni = \"a.example\"",
            "sni = \"a.example\", ca = \"/etc/tls/a.pem\", min_version = \"1.3\"",
            "sni = \"10.0.0.1\", cert = \"/etc/tls/a.pem\", key = \"/etc/tls/a.key\"",
            "insecure = true",
        ][..],
        false => &[],
    };
    let all = all.iter().map(|keys| {
        let text = format!(
            "{}[upstream.app]\nto = \"a:1\"\ntls = {{ {keys} }}\n",
            super::with_route("to = \"app\"")
        );
        super::config(&text).upstreams.remove(0).tls
    });
    all.chain([None]).collect()
}

fn upstreams() -> impl Strategy<Value = Vec<Upstream>> {
    let keepalive = (duration(), 0..99_usize, duration());
    let keepalive = keepalive.prop_map(|(idle, max_idle, max_age)| Keepalive {
        idle,
        max_idle,
        max_age,
    });
    let one = (
        endpoints(),
        keepalive,
        timeout_changes(false),
        body_changes(),
        care(),
        select(tls()),
    );
    // Names in the order of the file, which is that of the table.
    vec(one, 1..4).prop_map(|all| {
        let all = all.into_iter().zip(["app", "b.c", "z_1"]);
        all.map(
            |((mut endpoints, keepalive, timeouts, limits, care, tls), name)| {
                for endpoint in &mut endpoints {
                    endpoint.is_tls = tls.is_some();
                }
                Upstream {
                    name: name.to_owned(),
                    is_implicit: false,
                    endpoints,
                    keepalive,
                    timeouts,
                    limits,
                    tls,
                    ..care
                }
            },
        )
        .collect()
    })
}

fn matchers() -> impl Strategy<Value = Matchers> {
    let hosts = vec![
        HostPattern::Exact("a.example".to_owned()),
        HostPattern::Below("a.example".to_owned()),
        HostPattern::Exact("[::1]".to_owned()),
    ];
    let paths = vec![
        PathPattern::Exact("/".to_owned()),
        PathPattern::Exact("/x%2Fy".to_owned()),
        PathPattern::Prefix("/".to_owned()),
        PathPattern::Prefix("/api/".to_owned()),
    ];
    let pairs = |names: [&'static str; 2]| {
        (
            subsequence(names.to_vec(), 0..=2),
            vec("[a-z0-9\"${}ä]{0,5}", 2),
        )
            .prop_map(|(names, values)| -> BTreeMap<String, String> {
                let names = names.into_iter().map(str::to_owned);
                names.zip(values).collect()
            })
    };
    (
        subsequence(hosts, 0..=3),
        of(select(paths)),
        subsequence(vec!["GET", "POST", "x-Y"], 0..=3),
        (pairs(["x-a", "cookie"]), pairs(["v", "a b\"ü"])),
        networks(),
    )
        .prop_map(
            |(hosts, path, methods, (headers, queries), clients)| Matchers {
                hosts,
                path,
                methods: methods.into_iter().map(str::to_owned).collect(),
                headers,
                queries,
                clients,
                priority: 0,
            },
        )
}

fn rate_limit() -> impl Strategy<Value = RateLimit> {
    let rate = (1..99_u32, select(vec![1, 60, 3600]));
    let rate = rate.prop_map(|(count, seconds)| Rate {
        count,
        per: Duration::from_secs(seconds),
    });
    let per = select(vec![Per::Ip, Per::Route, Per::Header("x-key".to_owned())]);
    (of(rate), 1..99_u32, per, of(1..99_u32)).prop_map(|(rate, burst, per, concurrent)| RateLimit {
        rate,
        burst: if rate.is_some() { burst } else { 0 },
        per,
        concurrent: if rate.is_none() {
            concurrent.or(Some(1))
        } else {
            concurrent
        },
    })
}

/// A route without a word on where it goes; upstreams that it may go to are chosen by what comes with it.
fn routes() -> impl Strategy<Value = (Route, Vec<(prop::sample::Index, u32)>)> {
    let rewrite = prop_oneof![
        Just(Rewrite::Keep),
        Just(Rewrite::To(Template {
            parts: vec![Part::Text("/v2".to_owned()), Part::Hole(Hole::Path)],
        })),
    ];
    let redirect = (
        select(vec![301_u16, 302, 303, 307, 308]),
        select(Hole::ALL.to_vec()),
    );
    let redirect = redirect.prop_map(|(status, hole)| Action::Redirect {
        to: Template {
            parts: vec![
                Part::Text("https://b.example/".to_owned()),
                Part::Hole(hole),
            ],
        },
        status,
    });
    let respond = (400..600_u16, odd()).prop_map(|(status, body)| Action::Respond { status, body });
    let forward = Just(Action::Forward(vec![]));
    let action = prop_oneof![3 => forward, 1 => redirect, 1 => respond];
    let host = vec![
        Host::Preserve,
        Host::Upstream,
        Host::Literal("b.example:81".to_owned()),
    ];
    let upgrade = subsequence(vec!["websocket", "mqtt"], 0..=2);
    let page = ErrorPage {
        path: "/etc/osier/502.html".into(),
        content: b"<h1>later</h1>\n".to_vec(),
    };
    let statuses = subsequence(vec![400_u16, 502, 599], 0..=3);
    let errors = statuses.prop_map(move |statuses| {
        let statuses = statuses.into_iter();
        statuses.map(|status| (status, page.clone())).collect()
    });
    let words = (
        select(vec![Paths::Raw, Paths::Normal, Paths::Strict]),
        select(vec![
            Forwarded::X,
            Forwarded::Rfc7239,
            Forwarded::Both,
            Forwarded::Off,
        ]),
        select(vec![RequestId::Keep, RequestId::Make, RequestId::Off]),
        select(host),
        of(any::<bool>()),
    );
    let rest = (
        timeout_changes(false),
        body_changes(),
        (retry(), guards(), (networks(), networks(), of(networks()))),
        of(rate_limit()),
        upgrade,
        errors,
    );
    let shares = vec((any::<prop::sample::Index>(), 0..9_u32), 1..4);
    (
        (matchers(), action, rewrite),
        (edits(), edits()),
        words,
        rest,
        shares,
    )
        .prop_map(
            |((matchers, action, rewrite), (request, response), words, rest, shares)| {
                let (paths, forwarded, request_id, host_header, via) = words;
                let (timeouts, limits, more, rate_limit, upgrade, errors) = rest;
                let (retry, (hedge, mirror, auth), (allow, deny, from)) = more;
                let route = Route {
                    matchers,
                    action,
                    rewrite,
                    paths,
                    host_header,
                    request,
                    response,
                    timeouts,
                    limits,
                    retry,
                    hedge,
                    mirror,
                    auth,
                    allow,
                    deny,
                    accept_deadline: match via.is_some() {
                        true => vec![DeadlineField::from_name("grpc-timeout")],
                        false => Vec::new(),
                    },
                    accept_deadline_from: from,
                    rate_limit,
                    upgrade: upgrade.into_iter().map(str::to_owned).collect(),
                    forwarded,
                    via,
                    request_id,
                    errors,
                };
                (route, shares)
            },
        )
}

/// Whole configurations. Each route has a priority of its own, so that no two tie.
fn configs() -> impl Strategy<Value = Config> {
    let log = (
        select(vec![
            AccessLog::Off,
            AccessLog::Stdout,
            AccessLog::Unix("/dev/log".into()),
            AccessLog::File("/var/log/ä ${x}.log".into()),
        ]),
        select(vec![Format::Logfmt, Format::Json, Format::Combined]),
        select(vec![Level::Error, Level::Warn, Level::Info, Level::Debug]),
        any::<bool>(),
    );
    let log = log.prop_map(|(access, format, level, redact_query)| Log {
        access,
        format,
        level,
        redact_query,
    });
    let hosts = subsequence(vec!["gate.example", "b.example:81"], 0..=2);
    let admin = (
        select(vec!["127.0.0.1:8087", "unix:/run/o", "10.0.0.1:1"]),
        hosts,
        networks(),
    );
    let admin = admin.prop_map(|(listen, hosts, allow)| {
        let listen: Address = listen.parse().unwrap();
        Admin {
            hosts: hosts.into_iter().map(str::to_owned).collect(),
            allow: if listen.is_local() || !allow.is_empty() {
                allow
            } else {
                Network::private()
            },
            listen,
        }
    });
    let limits = (
        256..1_048_577_usize,
        1..10_001_usize,
        of(0..1_u64 << 40),
        rate(),
        of(1..9_usize),
        of(65_536..1_u64 << 40),
    );
    let limits = limits.prop_map(|(head, fields, body, body_rate, per_ip, buffers)| Limits {
        head,
        fields,
        body,
        body_rate,
        per_ip,
        buffers,
    });
    let whole = (
        of(1..1024_usize),
        of(1..9_usize),
        networks(),
        duration(),
        duration(),
    );
    let accounts = (of("[a-z_][a-z0-9_.-]{0,5}"), of("[0-9]{1,4}"));
    (
        (whole, accounts, log, of(admin), timeouts(), limits),
        (listeners(), upstreams(), vec(routes(), 1..5), streams()),
    )
        .prop_map(
            |((whole, (user, group), log, admin, timeouts, limits), rest)| {
                let (workers, max_connections, trusted, delay, grace) = whole;
                let (mut listeners, mut upstreams, routes, mut streams): (
                    Vec<Listener>,
                    Vec<Upstream>,
                    Vec<_>,
                    Vec<Stream>,
                ) = rest;
                for stream in &mut streams {
                    stream.proxy_protocol &= !trusted.is_empty();
                }
                for listener in &mut listeners {
                    // Somebody's header has to be believed.
                    listener.proxy_protocol &= !trusted.is_empty();
                }
                let sections = upstreams.len();
                let routes = routes.into_iter().enumerate();
                let routes = routes.map(|(index, (mut route, shares))| {
                    route.matchers.priority = index as i32 - 2;
                    if let Action::Forward(to) = &mut route.action {
                        *to = chosen(&mut upstreams, sections, &shares, index);
                    }
                    route
                });
                let routes = routes.collect();
                // What only a build with the feature reads without a complaint.
                let sandbox = match (cfg!(feature = "sandbox"), &user, &group) {
                    (true, Some(_), _) => Sandbox::Require,
                    (true, None, Some(_)) => Sandbox::Try,
                    _ => Sandbox::Off,
                };
                Config {
                    sandbox,
                    workers,
                    max_connections,
                    trusted,
                    shutdown: Shutdown { delay, grace },
                    user,
                    group,
                    log,
                    admin,
                    timeouts,
                    limits,
                    listeners,
                    streams,
                    upstreams,
                    routes,
                }
            },
        )
}

/// The shares of a route: some of the sections, and an address of its own where the index is odd.
fn chosen(
    upstreams: &mut Vec<Upstream>,
    sections: usize,
    shares: &[(prop::sample::Index, u32)],
    route: usize,
) -> Vec<Share> {
    let mut seen = BTreeSet::new();
    let shares = shares
        .iter()
        .map(|(at, weight)| (at.index(sections), *weight));
    let mut shares: Vec<Share> = shares
        .filter(|(upstream, _)| seen.insert(*upstream))
        .map(|(upstream, weight)| Share { upstream, weight })
        .collect();
    shares[0].weight += 1;
    if route % 2 == 1 {
        let endpoint = Endpoint {
            is_tls: false,
            authority: format!("own.example:{}", 80 + route),
            is_service: false,
            base_path: if route == 1 {
                "/b".to_owned()
            } else {
                String::new()
            },
            weight: 1,
            backup: false,
        };
        shares.push(Share {
            upstream: upstreams.len(),
            weight: 1,
        });
        upstreams.push(Upstream {
            name: endpoint.to_string(),
            is_implicit: true,
            endpoints: vec![endpoint],
            ..Upstream::default()
        });
    }
    shares
}
