//! What was written: every value of the file with its place, of the right type, but not understood yet.

use super::diagnostic::{Diagnostic, Found, Span};
use super::syntax;
use super::table::{Pair, Reader, Scalar, Table, Written};

type Text = Option<Written<String>>;
type Texts = Option<Written<Vec<Written<String>>>>;
type Flag = Option<Written<bool>>;
type Number = Option<Written<i64>>;

const DURATION: &str = "a duration in quotes, such as \"10s\", \"500ms\" or \"1h\"";
const SIZE: &str = "a size in quotes, such as \"16KiB\" or \"10MiB\"";
const ADDRESS: &str = "an address in quotes, such as \"127.0.0.1:8080\" or \"unix:/run/x.sock\"";
const STRING: &str = "a string in quotes";
const NUMBER: &str = "a number";

/// The whole file.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) workers: Option<Written<Scalar>>,
    pub(super) max_connections: Option<Written<Scalar>>,
    pub(super) trusted_proxies: Texts,
    pub(super) shutdown: Option<Written<RawShutdown>>,
    pub(super) user: Text,
    pub(super) group: Text,
    pub(super) sandbox: Text,
    pub(super) log: Option<Written<RawLog>>,
    pub(super) admin: Option<Written<RawAdmin>>,
    pub(super) timeouts: RawTimeouts,
    pub(super) limits: RawLimits,
    pub(super) listen: Vec<RawListen>,
    pub(super) has_listen: bool,
    pub(super) upstreams: Vec<Written<RawUpstream>>,
    pub(super) routes: Vec<RawRoute>,
    pub(super) has_route: bool,
    pub(super) streams: Vec<RawStream>,
}

#[derive(Debug)]
pub(super) struct RawShutdown {
    pub(super) delay: Text,
    pub(super) grace: Text,
}

#[derive(Debug)]
pub(super) struct RawLog {
    pub(super) access: Text,
    pub(super) format: Text,
    pub(super) level: Text,
    pub(super) redact_query: Flag,
}

#[derive(Debug)]
pub(super) struct RawAdmin {
    pub(super) listen: Text,
    pub(super) hosts: Texts,
    pub(super) allow: Texts,
}

/// The timeouts that were written, each under its own name.
pub(super) type RawTimeouts = Vec<(&'static str, Written<String>)>;

#[derive(Debug, Default)]
pub(super) struct RawLimits {
    pub(super) head: Text,
    pub(super) fields: Number,
    pub(super) body: Text,
    pub(super) body_rate: Text,
    pub(super) per_ip: Option<Written<Scalar>>,
    pub(super) buffers: Text,
}

#[derive(Debug)]
pub(super) struct RawListen {
    pub(super) at: Span,
    pub(super) addr: Texts,
    pub(super) has_addr: bool,
    pub(super) half_close: Text,
    pub(super) proxy_protocol: Flag,
    pub(super) redirect: Text,
    pub(super) tls: Option<Written<Vec<RawListenTls>>>,
    pub(super) retry: Flag,
    pub(super) timeouts: RawTimeouts,
    pub(super) limits: RawLimits,
}

/// What is shown to clients by one name, and what is demanded of all of them.
#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "it is only read"))]
pub(super) struct RawListenTls {
    pub(super) at: Span,
    pub(super) cert: Text,
    pub(super) has_cert: bool,
    pub(super) key: Text,
    pub(super) has_key: bool,
    pub(super) acme: Option<Written<RawAcme>>,
    pub(super) has_acme: bool,
    pub(super) client_ca: Text,
    pub(super) client_auth: Text,
    pub(super) min_version: Text,
    pub(super) clock_floor: Text,
}

/// What is asked of an authority.
#[derive(Debug)]
#[cfg_attr(not(feature = "acme"), expect(dead_code, reason = "it is only read"))]
pub(super) struct RawAcme {
    pub(super) at: Span,
    pub(super) names: Texts,
    pub(super) has_names: bool,
    pub(super) directory: Text,
    pub(super) contact: Texts,
    pub(super) cache: Text,
    pub(super) has_cache: bool,
    pub(super) challenge: Text,
    pub(super) ca: Text,
}

#[derive(Debug)]
pub(super) struct RawStream {
    pub(super) at: Span,
    pub(super) addr: Texts,
    pub(super) has_addr: bool,
    pub(super) to: Text,
    pub(super) has_to: bool,
    pub(super) sni: Vec<Pair>,
    pub(super) has_sni: bool,
    pub(super) proxy_protocol: Flag,
    pub(super) retry: Flag,
    pub(super) allow: Texts,
    pub(super) deny: Texts,
    pub(super) timeouts: RawTimeouts,
    pub(super) per_ip: Option<Written<Scalar>>,
}

#[derive(Debug)]
pub(super) struct RawUpstream {
    pub(super) at: Span,
    pub(super) to: Option<Written<Vec<RawShare>>>,
    pub(super) has_to: bool,
    pub(super) keepalive: Option<Written<RawKeepalive>>,
    pub(super) balance: Text,
    pub(super) max_connections: Number,
    pub(super) queue: Option<Written<RawQueue>>,
    pub(super) health: Option<Written<RawHealth>>,
    pub(super) eject: Option<Written<RawEject>>,
    pub(super) slow_start: Text,
    pub(super) resolve: Option<Written<RawResolve>>,
    pub(super) sticky: Option<Written<Text>>,
    pub(super) deadline_header: Text,
    pub(super) tls: Option<Written<RawOriginTls>>,
    pub(super) send_proxy: Text,
    pub(super) timeouts: RawTimeouts,
    pub(super) limits: RawLimits,
}

#[derive(Debug)]
#[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "it is only read"))]
pub(super) struct RawOriginTls {
    pub(super) sni: Text,
    pub(super) ca: Text,
    pub(super) cert: Text,
    pub(super) key: Text,
    pub(super) insecure: Flag,
    pub(super) min_version: Text,
}

/// A place to go to, and how much goes there.
#[derive(Debug)]
pub(super) struct RawShare {
    pub(super) to: Text,
    pub(super) weight: Number,
    /// Of endpoints only.
    pub(super) backup: Flag,
}

#[derive(Debug)]
pub(super) struct RawQueue {
    pub(super) max: Number,
    pub(super) timeout: Text,
}

#[derive(Debug)]
pub(super) struct RawHealth {
    pub(super) path: Text,
    pub(super) tcp: Flag,
    pub(super) every: Text,
    pub(super) timeout: Text,
    pub(super) rise: Number,
    pub(super) fall: Number,
    pub(super) expect: Texts,
}

#[derive(Debug)]
pub(super) struct RawResolve {
    pub(super) every: Text,
    pub(super) srv: Flag,
}

#[derive(Debug)]
pub(super) struct RawEject {
    pub(super) failures: Number,
    pub(super) within: Text,
    pub(super) time: Text,
    pub(super) max_percent: Number,
}

#[derive(Debug)]
pub(super) struct RawRetry {
    pub(super) attempts: Number,
    pub(super) on: Texts,
    pub(super) per_try: Text,
    pub(super) budget: Option<Written<f64>>,
    pub(super) replay_body: Text,
    pub(super) backoff: Text,
}

#[derive(Debug)]
pub(super) struct RawHedge {
    pub(super) after: Text,
    pub(super) max: Number,
}

#[derive(Debug)]
pub(super) struct RawMirror {
    pub(super) to: Text,
    pub(super) percent: Number,
}

#[derive(Debug)]
pub(super) struct RawAuth {
    pub(super) basic: Text,
    pub(super) forward: Option<Written<RawForwardAuth>>,
    /// Something was written, well or not.
    pub(super) is_there: bool,
}

#[derive(Debug)]
pub(super) struct RawForwardAuth {
    pub(super) to: Text,
    pub(super) path: Text,
    pub(super) copy: Texts,
    pub(super) timeout: Text,
}

#[derive(Debug)]
pub(super) struct RawKeepalive {
    pub(super) idle: Text,
    pub(super) max_idle: Number,
    pub(super) max_age: Text,
}

#[derive(Debug)]
pub(super) struct RawRoute {
    pub(super) at: Span,
    pub(super) host: Texts,
    pub(super) path: Text,
    pub(super) method: Texts,
    pub(super) header: Vec<Pair>,
    pub(super) query: Vec<Pair>,
    pub(super) client: Texts,
    /// Where `to`, `redirect` and `respond` are, those that were written.
    pub(super) actions: Vec<(&'static str, Span)>,
    pub(super) to: Option<Written<Vec<RawShare>>>,
    pub(super) redirect: Option<Written<RawRedirect>>,
    pub(super) respond: Option<Written<RawRespond>>,
    pub(super) strip: Text,
    pub(super) rewrite: Text,
    pub(super) paths: Text,
    pub(super) priority: Number,
    pub(super) host_header: Text,
    /// Of the request, and of the response.
    pub(super) headers: (RawEdits, RawEdits),
    pub(super) timeouts: RawTimeouts,
    pub(super) accept_deadline: Texts,
    pub(super) accept_deadline_from: Texts,
    pub(super) retry: Option<Written<RawRetry>>,
    pub(super) hedge: Option<Written<RawHedge>>,
    pub(super) mirror: Option<Written<RawMirror>>,
    pub(super) auth: Option<Written<RawAuth>>,
    pub(super) allow: Texts,
    pub(super) deny: Texts,
    pub(super) limit: Option<Written<RawRateLimit>>,
    pub(super) upgrade: Texts,
    pub(super) forwarded: Text,
    pub(super) via: Flag,
    pub(super) request_id: Text,
    pub(super) limits: RawLimits,
    pub(super) errors: Vec<Pair>,
    /// Keys that say how to forward, where they were written.
    pub(super) forwarding: Vec<(&'static str, Span)>,
}

#[derive(Debug)]
pub(super) struct RawRedirect {
    pub(super) to: Text,
    pub(super) has_to: bool,
    pub(super) status: Number,
}

#[derive(Debug)]
pub(super) struct RawRespond {
    pub(super) status: Number,
    pub(super) body: Text,
}

#[derive(Debug, Default)]
pub(super) struct RawEdits {
    pub(super) set: Vec<Pair>,
    pub(super) add: Vec<Pair>,
    pub(super) remove: Texts,
}

#[derive(Debug)]
pub(super) struct RawRateLimit {
    pub(super) rate: Text,
    pub(super) burst: Number,
    pub(super) key: Text,
    pub(super) concurrent: Number,
}

/// Reads `text`. `None`: it is no TOML.
pub(super) fn parse(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    found: &Found,
) -> Option<Raw> {
    let value = match toml_span::parse(text) {
        Ok(value) => value,
        Err(error) => {
            found.push(syntax::explain(&error, text));
            return None;
        }
    };
    let reader = Reader {
        text,
        environment,
        found,
    };
    let table = Table::root(&reader, &value)?;
    let raw = file(&table);
    table.finish();
    Some(raw)
}

fn file(table: &Table<'_>) -> Raw {
    Raw {
        workers: table.scalar("workers", "\"auto\" or a number"),
        max_connections: table.scalar("max_connections", "\"auto\" or a number"),
        trusted_proxies: table.texts("trusted_proxies", "networks such as \"10.0.0.0/8\""),
        shutdown: table.table("shutdown", |table| RawShutdown {
            delay: table.text("delay", DURATION),
            grace: table.text("grace", DURATION),
        }),
        user: table.text("user", STRING),
        group: table.text("group", STRING),
        sandbox: table.text("sandbox", "\"off\", \"try\" or \"require\""),
        log: table.table("log", |table| RawLog {
            access: table.text("access", STRING),
            format: table.text("format", STRING),
            level: table.text("level", STRING),
            redact_query: table.flag("redact_query"),
        }),
        admin: table.table("admin", |table| RawAdmin {
            listen: table.text("listen", ADDRESS),
            hosts: table.texts("hosts", "names in quotes"),
            allow: table.texts("allow", "networks such as \"10.0.0.0/8\""),
        }),
        timeouts: timeouts(table),
        limits: limits(table),
        listen: table.tables("listen", listen),
        has_listen: table.mentions("listen").is_some(),
        upstreams: table.named("upstream", upstream),
        routes: table.tables("route", route),
        has_route: table.mentions("route").is_some(),
        streams: table.tables("stream", stream),
    }
}

fn timeouts(table: &Table<'_>) -> RawTimeouts {
    let names = super::TimeoutName::ALL.map(super::TimeoutName::name);
    let read = table.table("timeouts", |table| {
        names
            .into_iter()
            .filter_map(|name| Some((name, table.text(name, DURATION)?)))
            .collect()
    });
    read.map(|read| read.value).unwrap_or_default()
}

fn limits(table: &Table<'_>) -> RawLimits {
    let read = table.table("limits", |table| RawLimits {
        head: table.text("head", SIZE),
        fields: table.number("fields", NUMBER),
        body: table.text("body", SIZE),
        body_rate: table.text("body_rate", SIZE),
        per_ip: table.scalar("per_ip", "a number or \"unlimited\""),
        buffers: table.text("buffers", SIZE),
    });
    read.map(|read| read.value).unwrap_or_default()
}

fn listen(table: &Table<'_>) -> RawListen {
    RawListen {
        at: table.at,
        addr: table.texts("addr", ADDRESS),
        has_addr: table.mentions("addr").is_some(),
        half_close: table.text("half_close", STRING),
        proxy_protocol: table.flag("proxy_protocol"),
        redirect: table.text("redirect", "\"https\", or \"https:PORT\""),
        tls: table.list("tls", |reader, _, value, full| {
            reader.table(full, value, listen_tls)
        }),
        retry: table.flag("retry"),
        timeouts: timeouts(table),
        limits: limits(table),
    }
}

fn stream(table: &Table<'_>) -> RawStream {
    let timeouts = table.table("timeouts", |table| {
        super::stream::TIMEOUTS
            .into_iter()
            .filter_map(|name| Some((name, table.text(name, DURATION)?)))
            .collect()
    });
    let limits = table.table("limits", |table| {
        table.scalar("per_ip", "a number or \"unlimited\"")
    });
    RawStream {
        at: table.at,
        addr: table.texts("addr", ADDRESS),
        has_addr: table.mentions("addr").is_some(),
        to: table.text("to", ADDRESS),
        has_to: table.mentions("to").is_some(),
        sni: table.pairs("sni", "an upstream's name or an address in quotes"),
        has_sni: table.mentions("sni").is_some(),
        proxy_protocol: table.flag("proxy_protocol"),
        retry: table.flag("retry"),
        allow: table.texts("allow", "networks such as \"10.0.0.0/8\""),
        deny: table.texts("deny", "networks such as \"10.0.0.0/8\""),
        timeouts: timeouts.map(|read| read.value).unwrap_or_default(),
        per_ip: limits.and_then(|read| read.value),
    }
}

fn listen_tls(table: &Table<'_>) -> RawListenTls {
    const PATH: &str = "the path of a file in quotes";
    RawListenTls {
        at: table.at,
        cert: table.text("cert", PATH),
        has_cert: table.mentions("cert").is_some(),
        key: table.text("key", PATH),
        has_key: table.mentions("key").is_some(),
        acme: table.table("acme", acme),
        has_acme: table.mentions("acme").is_some(),
        client_ca: table.text("client_ca", PATH),
        client_auth: table.text("client_auth", "\"require\" or \"optional\""),
        min_version: table.text("min_version", "\"1.2\" or \"1.3\""),
        clock_floor: table.text("clock_floor", "\"build\" or \"off\""),
    }
}

fn acme(table: &Table<'_>) -> RawAcme {
    RawAcme {
        at: table.at,
        names: table.texts("names", "names such as \"www.example.com\""),
        has_names: table.mentions("names").is_some(),
        directory: table.text("directory", "a URL in quotes, with https"),
        contact: table.texts("contact", "an address such as \"mailto:admin@example.com\""),
        cache: table.text("cache", "the path of a folder in quotes"),
        has_cache: table.mentions("cache").is_some(),
        challenge: table.text("challenge", "\"tls-alpn-01\" or \"http-01\""),
        ca: table.text("ca", "the path of a file in quotes"),
    }
}

fn upstream(table: &Table<'_>) -> RawUpstream {
    RawUpstream {
        at: table.at,
        to: shares(table, "upstream.to", "addr"),
        has_to: table.mentions("to").is_some(),
        balance: table.text("balance", STRING),
        max_connections: table.number("max_connections", NUMBER),
        queue: table.table("queue", |table| RawQueue {
            max: table.number("max", NUMBER),
            timeout: table.text("timeout", DURATION),
        }),
        health: table.table("health", |table| RawHealth {
            path: table.text("path", "a path in quotes"),
            tcp: table.flag("tcp"),
            every: table.text("every", DURATION),
            timeout: table.text("timeout", DURATION),
            rise: table.number("rise", NUMBER),
            fall: table.number("fall", NUMBER),
            expect: table.texts("expect", "statuses in quotes, such as \"2xx\""),
        }),
        eject: table.table("eject", |table| RawEject {
            failures: table.number("failures", NUMBER),
            within: table.text("within", DURATION),
            time: table.text("for", DURATION),
            max_percent: table.number("max_percent", NUMBER),
        }),
        slow_start: table.text("slow_start", DURATION),
        resolve: table.table("resolve", |table| RawResolve {
            every: table.text("every", DURATION),
            srv: table.flag("srv"),
        }),
        sticky: table.table("sticky", |table| table.text("cookie", STRING)),
        deadline_header: table.text("deadline_header", "a field's name in quotes"),
        tls: table.table("tls", |table| RawOriginTls {
            sni: table.text("sni", "a name in quotes"),
            ca: table.text("ca", "the path of a file in quotes"),
            cert: table.text("cert", "the path of a file in quotes"),
            key: table.text("key", "the path of a file in quotes"),
            insecure: table.flag("insecure"),
            min_version: table.text("min_version", "\"1.2\" or \"1.3\""),
        }),
        send_proxy: table.text("send_proxy", "\"off\", \"v1\" or \"v2\""),
        keepalive: table.table("keepalive", |table| RawKeepalive {
            idle: table.text("idle", DURATION),
            max_idle: table.number("max_idle", NUMBER),
            max_age: table.text("max_age", DURATION),
        }),
        timeouts: timeouts(table),
        limits: limits(table),
    }
}

/// `to`: a string, `{ KEY = "…", weight = 1 }`, or a list of these.
fn shares(
    table: &Table<'_>,
    kind: &'static str,
    key: &'static str,
) -> Option<Written<Vec<RawShare>>> {
    table.list("to", |reader, list_key, value, full| {
        if value.as_table().is_some() {
            return reader.table(full, value, |table| {
                let share = RawShare {
                    to: table.text(key, ADDRESS),
                    weight: table.number("weight", NUMBER),
                    backup: match kind {
                        "upstream.to" => table.flag("backup"),
                        _ => None,
                    },
                };
                if table.mentions(key).is_none() {
                    reader.found.push(
                        Diagnostic::error(table.at, format!("`{full}` without `{key}`"))
                            .label(format!("add `{key} = \"…\"`")),
                    );
                }
                share
            });
        }
        let to = reader.text_of(value, full, ADDRESS).map(|text| Written {
            value: text,
            at: value.span.into(),
            key: list_key.span.into(),
            name: full.to_owned(),
        });
        Some(RawShare {
            to,
            weight: None,
            backup: None,
        })
    })
}

fn route(table: &Table<'_>) -> RawRoute {
    let mentioned = |names: &[&'static str]| {
        let names = names.iter();
        names
            .filter_map(|name| Some((*name, table.mentions(name)?)))
            .collect()
    };
    RawRoute {
        at: table.at,
        host: table.texts("host", "a host name in quotes, or a list of them"),
        path: table.text("path", "one path in quotes, such as \"/x\" or \"/x/*\""),
        method: table.texts("method", "a method in quotes, or a list of them"),
        header: table.pairs("header", "the field's value in quotes"),
        query: table.pairs("query", "the parameter's value in quotes"),
        client: table.texts("client", "a network in quotes, or a list of them"),
        actions: mentioned(&["to", "redirect", "respond"]),
        to: shares(table, "route.to", "to"),
        redirect: table.table("redirect", |table| RawRedirect {
            to: table.text("to", STRING),
            has_to: table.mentions("to").is_some(),
            status: table.number("status", NUMBER),
        }),
        respond: table.table("respond", |table| RawRespond {
            status: table.number("status", NUMBER),
            body: table.text("body", STRING),
        }),
        strip: table.text("strip", "a path in quotes"),
        rewrite: table.text("rewrite", "a path in quotes"),
        paths: table.text("paths", STRING),
        priority: table.number("priority", NUMBER),
        host_header: table.text("host_header", STRING),
        headers: headers(table),
        timeouts: timeouts(table),
        accept_deadline: table.texts("accept_deadline", "field names in quotes"),
        accept_deadline_from: table.texts("accept_deadline_from", "networks in quotes"),
        retry: table.table("retry", |table| RawRetry {
            attempts: table.number("attempts", NUMBER),
            on: table.texts("on", "words or statuses in quotes"),
            per_try: table.text("per_try", DURATION),
            budget: table.fraction("budget"),
            replay_body: table.text("replay_body", SIZE),
            backoff: table.text("backoff", DURATION),
        }),
        hedge: table.table("hedge", |table| RawHedge {
            after: table.text("after", DURATION),
            max: table.number("max", NUMBER),
        }),
        mirror: table.table("mirror", |table| RawMirror {
            to: table.text("to", ADDRESS),
            percent: table.number("percent", NUMBER),
        }),
        auth: table.table("auth", |table| RawAuth {
            basic: table.text("basic", "the path of a file in quotes"),
            forward: table.table("forward", |table| RawForwardAuth {
                to: table.text("to", ADDRESS),
                path: table.text("path", "a path in quotes"),
                copy: table.texts("copy", "field names in quotes"),
                timeout: table.text("timeout", DURATION),
            }),
            is_there: ["forward", "basic"]
                .iter()
                .any(|name| table.mentions(name).is_some()),
        }),
        allow: table.texts("allow", "networks such as \"10.0.0.0/8\""),
        deny: table.texts("deny", "networks such as \"10.0.0.0/8\""),
        limit: table.table("limit", |table| RawRateLimit {
            rate: table.text("rate", "a rate in quotes, such as \"20/s\""),
            burst: table.number("burst", NUMBER),
            key: table.text("key", STRING),
            concurrent: table.number("concurrent", NUMBER),
        }),
        upgrade: table.texts("upgrade", "protocols in quotes"),
        forwarded: table.text("forwarded", STRING),
        via: table.flag("via"),
        request_id: table.text("request_id", STRING),
        limits: limits(table),
        errors: table.pairs("errors", "the path of a file in quotes"),
        forwarding: mentioned(&[
            "strip",
            "rewrite",
            "host_header",
            "retry",
            "hedge",
            "mirror",
            "accept_deadline",
            "upgrade",
            "forwarded",
        ]),
    }
}

fn headers(table: &Table<'_>) -> (RawEdits, RawEdits) {
    let headers = table.table("headers", |table| {
        let edits = |name| table.table(name, edits);
        let (request, response) = (edits("request"), edits("response"));
        (
            request.map(|edits| edits.value).unwrap_or_default(),
            response.map(|edits| edits.value).unwrap_or_default(),
        )
    });
    headers.map(|headers| headers.value).unwrap_or_default()
}

fn edits(table: &Table<'_>) -> RawEdits {
    RawEdits {
        set: table.pairs("set", "the field's value in quotes"),
        add: table.pair_lists("add", "the field's value in quotes, or a list of them"),
        remove: table.texts("remove", "field names in quotes"),
    }
}
