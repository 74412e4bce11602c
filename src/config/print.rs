//! [`Config`] → TOML that reads as the same [`Config`]: every default in sight.

use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::path::Path;

#[cfg(feature = "acme")]
use super::model::Acme;
#[cfg(feature = "tls")]
use super::model::ListenTls;
use super::model::{
    AccessLog, Action, Auth, Config, Edits, Endpoint, Format, Forwarded, HalfClose, Level,
    LimitChanges, Listener, OriginTls, Override, Paths, Per, RequestId, Rewrite, Route, Share,
    Stream, TimeoutChanges, TimeoutName, Upstream,
};
use super::value::{duration_text, size_text, timeout_text};
use crate::http::network::Network;
use crate::proxy::gateway::Host;
use crate::proxy::retry::Retry;
use crate::proxy::template::Template;

impl Config {
    /// The configuration as TOML, with every default written out and the environment's values put in.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let auto =
            |count: Option<usize>| count.map_or_else(|| quoted("auto"), |count| count.to_string());
        line(&mut out, "workers", auto(self.workers));
        line(&mut out, "max_connections", auto(self.max_connections));
        line(&mut out, "trusted_proxies", networks_text(&self.trusted));
        let shutdown = [
            ("delay", duration_text(self.shutdown.delay)),
            ("grace", duration_text(self.shutdown.grace)),
        ];
        line(
            &mut out,
            "shutdown",
            inline(shutdown.map(|(key, text)| (key, quoted(&text)))),
        );
        for (key, account) in [("user", &self.user), ("group", &self.group)] {
            if let Some(account) = account {
                line(&mut out, key, quoted(account));
            }
        }
        line(&mut out, "sandbox", quoted(self.sandbox.name()));
        self.print_log(&mut out);
        if let Some(admin) = &self.admin {
            out.push_str("\n[admin]\n");
            line(&mut out, "listen", quoted(&admin.listen.to_string()));
            line(&mut out, "hosts", list(&admin.hosts));
            line(&mut out, "allow", networks_text(&admin.allow));
        }
        out.push_str("\n[timeouts]\n");
        let mut timeouts = self.timeouts.clone();
        for name in TimeoutName::ALL {
            let text = timeout_text(*name.of(&mut timeouts));
            line(&mut out, name.name(), quoted(&text));
        }
        self.print_limits(&mut out);
        for listener in &self.listeners {
            print_listener(listener, &mut out);
        }
        for upstream in self
            .upstreams
            .iter()
            .filter(|upstream| !upstream.is_implicit)
        {
            print_upstream(upstream, &mut out);
        }
        for route in &self.routes {
            self.print_route(route, &mut out);
        }
        for stream in &self.streams {
            self.print_stream(stream, &mut out);
        }
        out
    }

    fn print_log(&self, out: &mut String) {
        out.push_str("\n[log]\n");
        let access = match &self.log.access {
            AccessLog::Off => "off".to_owned(),
            AccessLog::Stdout => "stdout".to_owned(),
            AccessLog::Unix(path) => format!("unix:{}", path.display()),
            AccessLog::File(path) => path.display().to_string(),
        };
        line(out, "access", quoted(&access));
        let format = match self.log.format {
            Format::Logfmt => "logfmt",
            Format::Json => "json",
            Format::Combined => "combined",
        };
        line(out, "format", quoted(format));
        let level = match self.log.level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        };
        line(out, "level", quoted(level));
        line(out, "redact_query", self.log.redact_query);
    }

    fn print_limits(&self, out: &mut String) {
        out.push_str("\n[limits]\n");
        line(out, "head", size(self.limits.head as u64));
        line(out, "fields", self.limits.fields);
        line(out, "body", size_or(self.limits.body, "unlimited"));
        let rate = self.limits.body_rate.map(NonZeroU64::get);
        line(out, "body_rate", size_or(rate, "off"));
        line(out, "per_ip", count_or_unlimited(self.limits.per_ip));
        line(out, "buffers", size_or(self.limits.buffers, "auto"));
    }

    fn print_route(&self, route: &Route, out: &mut String) {
        out.push_str("\n[[route]]\n");
        let matchers = &route.matchers;
        if !matchers.hosts.is_empty() {
            line(out, "host", list(&matchers.hosts));
        }
        if let Some(path) = &matchers.path {
            line(out, "path", quoted(&path.to_string()));
        }
        if !matchers.methods.is_empty() {
            line(out, "method", list(&matchers.methods));
        }
        for (name, pairs) in [("header", &matchers.headers), ("query", &matchers.queries)] {
            if !pairs.is_empty() {
                let pairs = pairs
                    .iter()
                    .map(|(name, value)| (name.as_str(), quoted(value)));
                line(out, name, inline(pairs));
            }
        }
        if !matchers.clients.is_empty() {
            line(out, "client", networks_text(&matchers.clients));
        }
        line(out, "priority", matchers.priority);
        self.print_action(&route.action, out);
        match &route.rewrite {
            Rewrite::Keep => {}
            Rewrite::Strip(path) => line(out, "strip", quoted(path)),
            Rewrite::To(template) => line(out, "rewrite", quoted(&template.to_string())),
        }
        let is_forward = matches!(route.action, Action::Forward(_));
        let paths = match route.paths {
            Paths::Raw => "raw",
            Paths::Normal => "normal",
            Paths::Strict => "strict",
        };
        line(out, "paths", quoted(paths));
        let usual = Host::default();
        if is_forward || route.host_header != usual {
            let host = match &route.host_header {
                Host::Preserve => "preserve",
                Host::Upstream => "upstream",
                Host::Literal(host) => host,
            };
            line(out, "host_header", quoted(host));
        }
        print_edits("headers.request", &route.request, out);
        print_edits("headers.response", &route.response, out);
        print_timeouts(&route.timeouts, out);
        print_limit_changes(&route.limits, out);
        if is_forward || route.retry != Retry::default() {
            line(out, "retry", retry_text(&route.retry));
        }
        self.print_guards(route, out);
        print_rate_limit(route, out);
        if is_forward || route.upgrade != ["websocket"] {
            line(out, "upgrade", list(&route.upgrade));
        }
        let forwarded = match route.forwarded {
            Forwarded::X => "x",
            Forwarded::Rfc7239 => "rfc7239",
            Forwarded::Both => "both",
            Forwarded::Off => "off",
        };
        if is_forward || route.forwarded != Forwarded::default() {
            line(out, "forwarded", quoted(forwarded));
        }
        if let Some(via) = route.via {
            line(out, "via", via);
        }
        let request_id = match route.request_id {
            RequestId::Keep => "keep",
            RequestId::Make => "make",
            RequestId::Off => "off",
        };
        line(out, "request_id", quoted(request_id));
        if !route.errors.is_empty() {
            let pages: Vec<_> = route
                .errors
                .iter()
                .map(|(status, page)| (status.to_string(), path_text(&page.path)))
                .collect();
            line(out, "errors", inline(pages));
        }
    }

    fn print_stream(&self, stream: &Stream, out: &mut String) {
        let name = |upstream: usize| {
            let upstream = self.upstreams.get(upstream);
            quoted(upstream.map_or("", |upstream| upstream.name.as_str()))
        };
        out.push_str("\n[[stream]]\n");
        line(out, "addr", list(&stream.addresses));
        if let Some(to) = stream.to {
            line(out, "to", name(to));
        }
        if let Some(names) = &stream.sni {
            let pairs = names.iter().map(|(pattern, upstream)| {
                let pattern = pattern.as_ref().map(ToString::to_string);
                (pattern.unwrap_or_else(|| "*".to_owned()), name(*upstream))
            });
            line(out, "sni", inline(pairs));
        }
        line(out, "proxy_protocol", stream.proxy_protocol);
        line(out, "retry", stream.retry);
        for (key, networks) in [("allow", &stream.allow), ("deny", &stream.deny)] {
            if !networks.is_empty() {
                line(out, key, networks_text(networks));
            }
        }
        let timeouts = &stream.timeouts;
        let timeouts = [
            ("header", timeouts.header),
            ("connect", timeouts.connect),
            ("idle", timeouts.idle),
            ("total", timeouts.total),
        ];
        let timeouts = timeouts.map(|(key, limit)| (key, quoted(&timeout_text(limit))));
        line(out, "timeouts", inline(timeouts));
        let per_ip = count_or_unlimited(stream.limits.per_ip);
        line(out, "limits", inline([("per_ip", per_ip)]));
    }

    /// Who may, and what goes elsewhere too.
    fn print_guards(&self, route: &Route, out: &mut String) {
        let name = |upstream: usize| {
            let upstream = self.upstreams.get(upstream);
            quoted(upstream.map_or("", |upstream| upstream.name.as_str()))
        };
        if let Some(hedge) = &route.hedge {
            let after = quoted(&duration_text(hedge.after));
            line(
                out,
                "hedge",
                inline([("after", after), ("max", hedge.max.to_string())]),
            );
        }
        if let Some(mirror) = &route.mirror {
            let percent = mirror.percent.to_string();
            line(
                out,
                "mirror",
                inline([("to", name(mirror.upstream)), ("percent", percent)]),
            );
        }
        match &route.auth {
            None => {}
            Some(Auth::Forward(auth)) => {
                let forward = inline([
                    ("to", name(auth.upstream)),
                    ("path", quoted(&auth.path)),
                    ("copy", list(&auth.copy)),
                    ("timeout", quoted(&duration_text(auth.timeout))),
                ]);
                line(out, "auth", inline([("forward", forward)]));
            }
            #[cfg(feature = "auth")]
            Some(Auth::Basic { path, .. }) => {
                let path = quoted(&path.to_string_lossy());
                line(out, "auth", inline([("basic", path)]));
            }
        }
        for (key, networks) in [("allow", &route.allow), ("deny", &route.deny)] {
            if !networks.is_empty() {
                line(out, key, networks_text(networks));
            }
        }
        if !route.accept_deadline.is_empty() {
            line(out, "accept_deadline", list(&route.accept_deadline));
        }
        if let Some(from) = &route.accept_deadline_from {
            line(out, "accept_deadline_from", networks_text(from));
        }
    }

    fn print_action(&self, action: &Action, out: &mut String) {
        match action {
            Action::Forward(shares) => {
                let name = |share: &Share| {
                    let upstream = self.upstreams.get(share.upstream);
                    quoted(upstream.map_or("", |upstream| upstream.name.as_str()))
                };
                let to = match shares.as_slice() {
                    [share] if share.weight == 1 => name(share),
                    _ => array(shares.iter().map(|share| {
                        inline([("to", name(share)), ("weight", share.weight.to_string())])
                    })),
                };
                line(out, "to", to);
            }
            Action::Redirect { to, status } => {
                let to = quoted(&to.to_string());
                line(
                    out,
                    "redirect",
                    inline([("to", to), ("status", status.to_string())]),
                );
            }
            Action::Respond { status, body } => {
                let body = quoted(body);
                line(
                    out,
                    "respond",
                    inline([("status", status.to_string()), ("body", body)]),
                );
            }
        }
    }
}

fn print_listener(listener: &Listener, out: &mut String) {
    out.push_str("\n[[listen]]\n");
    line(out, "addr", list(&listener.addresses));
    let half_close = match listener.half_close {
        HalfClose::Cancel => "cancel",
        HalfClose::Allow => "allow",
    };
    line(out, "half_close", quoted(half_close));
    line(out, "proxy_protocol", listener.proxy_protocol);
    line(out, "retry", listener.retry);
    #[cfg(feature = "tls")]
    if let Some(tls) = &listener.tls {
        line(out, "tls", tls_text(tls));
    }
    match listener.redirect {
        None => {}
        Some(443) => line(out, "redirect", quoted("https")),
        Some(port) => line(out, "redirect", quoted(&format!("https:{port}"))),
    }
    print_timeouts(&listener.timeouts, out);
    print_limit_changes(&listener.limits, out);
}

/// What is demanded of clients stands with the first certificate.
#[cfg(feature = "tls")]
fn tls_text(tls: &ListenTls) -> String {
    let choose = |is_so: bool, yes: &str, no: &str| quoted(if is_so { yes } else { no });
    let tables = tls.pairs.iter().enumerate().map(|(index, pair)| {
        let mut pairs = vec![
            ("cert", path_text(&pair.cert)),
            ("key", path_text(&pair.key)),
        ];
        #[cfg(feature = "acme")]
        if let Some(acme) = &pair.acme {
            pairs = vec![("acme", acme_text(acme))];
        }
        if index == 0 {
            if let Some((path, _)) = &tls.client_ca {
                let auth = choose(tls.is_client_optional, "optional", "require");
                pairs.extend([("client_ca", path_text(path)), ("client_auth", auth)]);
            }
            pairs.push(("min_version", choose(tls.is_only_13, "1.3", "1.2")));
            pairs.push(("clock_floor", choose(tls.has_clock_floor, "build", "off")));
        }
        inline(pairs)
    });
    let tables: Vec<_> = tables.collect();
    match tables.as_slice() {
        [one] => one.clone(),
        _ => array(tables),
    }
}

#[cfg(feature = "acme")]
fn acme_text(acme: &Acme) -> String {
    let texts = |list: &[String]| array(list.iter().map(|text| quoted(text)));
    let wanted = &acme.wanted;
    let mut pairs = vec![
        ("names", texts(&wanted.names)),
        ("directory", quoted(&wanted.directory)),
        ("contact", texts(&wanted.contact)),
        ("cache", path_text(&acme.cache)),
        ("challenge", quoted(wanted.proof.as_str())),
    ];
    if let Some(ca) = &acme.ca {
        pairs.push(("ca", path_text(ca)));
    }
    inline(pairs)
}

fn print_upstream(upstream: &Upstream, out: &mut String) {
    let _ = writeln!(out, "\n[upstream.{}]", key(&upstream.name));
    let endpoint = |endpoint: &Endpoint| {
        let address = quoted(&endpoint.to_string());
        if endpoint.weight == 1 && !endpoint.backup {
            return address;
        }
        let mut pairs = vec![("addr", address), ("weight", endpoint.weight.to_string())];
        if endpoint.backup {
            pairs.push(("backup", "true".to_owned()));
        }
        inline(pairs)
    };
    line(out, "to", array(upstream.endpoints.iter().map(endpoint)));
    line(out, "balance", quoted(&upstream.balance.to_string()));
    print_care(upstream, out);
    let keepalive = &upstream.keepalive;
    let keepalive = [
        ("idle", quoted(&duration_text(keepalive.idle))),
        ("max_idle", keepalive.max_idle.to_string()),
        ("max_age", quoted(&duration_text(keepalive.max_age))),
    ];
    line(out, "keepalive", inline(keepalive));
    print_timeouts(&upstream.timeouts, out);
    print_limit_changes(&upstream.limits, out);
}

/// How much an upstream's endpoints are asked for, and how they are looked after.
fn print_care(upstream: &Upstream, out: &mut String) {
    if let Some(max) = upstream.max_connections {
        line(out, "max_connections", max);
        let queue = &upstream.queue;
        let timeout = quoted(&duration_text(queue.timeout));
        line(
            out,
            "queue",
            inline([("max", queue.max.to_string()), ("timeout", timeout)]),
        );
    }
    if let Some(health) = &upstream.health {
        let mut pairs = Vec::new();
        match &health.path {
            Some(path) => pairs.push(("path", quoted(path))),
            None => pairs.push(("tcp", "true".to_owned())),
        }
        pairs.push(("every", quoted(&duration_text(health.every))));
        pairs.push(("timeout", quoted(&duration_text(health.timeout))));
        pairs.push(("rise", health.rise.to_string()));
        pairs.push(("fall", health.fall.to_string()));
        if health.path.is_some() {
            let ranges = health.expect.iter();
            let ranges = ranges.map(|(first, last)| quoted(&format!("{first}-{last}")));
            pairs.push(("expect", array(ranges)));
        }
        line(out, "health", inline(pairs));
    }
    if let Some(eject) = &upstream.eject {
        line(
            out,
            "eject",
            inline([
                ("failures", eject.failures.to_string()),
                ("within", quoted(&duration_text(eject.within))),
                ("for", quoted(&duration_text(eject.time))),
                ("max_percent", eject.max_percent.to_string()),
            ]),
        );
    }
    line(
        out,
        "slow_start",
        quoted(&duration_text(upstream.slow_start)),
    );
    let every = quoted(&duration_text(upstream.resolve_every));
    let srv = upstream.resolve_srv.to_string();
    line(out, "resolve", inline([("every", every), ("srv", srv)]));
    if let Some(cookie) = &upstream.sticky {
        line(out, "sticky", inline([("cookie", quoted(cookie))]));
    }
    if let Some(field) = &upstream.deadline_header {
        line(out, "deadline_header", quoted(&field.name));
    }
    if let Some(tls) = &upstream.tls {
        line(out, "tls", origin_tls_text(tls));
    }
    let words = super::upstream::SEND_PROXY;
    let word = words.iter().find(|(_, it)| *it == upstream.send_proxy);
    line(
        out,
        "send_proxy",
        quoted(word.map_or("off", |(word, _)| word)),
    );
}

/// How endpoints are spoken to by TLS.
fn origin_tls_text(tls: &OriginTls) -> String {
    let mut pairs = Vec::new();
    if let Some(name) = &tls.sni {
        pairs.push(("sni", quoted(name)));
    }
    if let Some(path) = &tls.ca {
        pairs.push(("ca", path_text(path)));
    }
    if let Some((cert, key)) = &tls.identity {
        pairs.push(("cert", path_text(cert)));
        pairs.push(("key", path_text(key)));
    }
    pairs.push(("insecure", tls.insecure.to_string()));
    pairs.push(("min_version", quoted(tls.min_version.as_str())));
    inline(pairs)
}

/// When a request is tried again.
fn retry_text(retry: &Retry) -> String {
    let on = &retry.on;
    let words = [
        ("connect", on.connect),
        ("stale", on.stale),
        ("closed", on.closed),
        ("timeout", on.timeout),
    ];
    let words = words.into_iter().filter(|(_, is_on)| *is_on);
    let words = words.map(|(word, _)| quoted(word));
    let statuses = on.statuses.iter().map(|status| quoted(&status.to_string()));
    let budget = match retry.budget {
        Some(thousandths) => format!("{}.{:03}", thousandths / 1000, thousandths % 1000),
        None => quoted("off"),
    };
    inline([
        ("attempts", retry.attempts_max.to_string()),
        ("on", array(words.chain(statuses))),
        ("per_try", quoted(&timeout_text(retry.per_try))),
        ("budget", budget),
        ("replay_body", size(retry.replay_max as u64)),
        ("backoff", quoted(&duration_text(retry.pause))),
    ])
}

fn print_timeouts(changes: &TimeoutChanges, out: &mut String) {
    if !changes.0.is_empty() {
        let pairs = changes.0.iter();
        let pairs = pairs.map(|(name, value)| (name.name(), quoted(&timeout_text(*value))));
        line(out, "timeouts", inline(pairs));
    }
}

fn print_limit_changes(changes: &LimitChanges, out: &mut String) {
    let mut pairs = Vec::new();
    if let Override::Set(octets) = changes.head {
        pairs.push(("head", size(octets as u64)));
    }
    if let Override::Set(count) = changes.fields {
        pairs.push(("fields", count.to_string()));
    }
    if let Override::Set(octets) = changes.body {
        pairs.push(("body", size_or(octets, "unlimited")));
    }
    if let Override::Set(rate) = changes.body_rate {
        pairs.push(("body_rate", size_or(rate.map(NonZeroU64::get), "off")));
    }
    if let Override::Set(count) = changes.per_ip {
        pairs.push(("per_ip", count_or_unlimited(count)));
    }
    if !pairs.is_empty() {
        line(out, "limits", inline(pairs));
    }
}

fn print_rate_limit(route: &Route, out: &mut String) {
    let Some(limit) = &route.rate_limit else {
        return;
    };
    let mut pairs = Vec::new();
    if let Some(rate) = limit.rate {
        pairs.push(("rate", quoted(&rate.to_string())));
        pairs.push(("burst", limit.burst.to_string()));
    }
    let per = match &limit.per {
        Per::Ip => "ip".to_owned(),
        Per::Header(name) => format!("header:{name}"),
        Per::Route => "route".to_owned(),
    };
    pairs.push(("key", quoted(&per)));
    if let Some(concurrent) = limit.concurrent {
        pairs.push(("concurrent", concurrent.to_string()));
    }
    line(out, "limit", inline(pairs));
}

fn print_edits(name: &str, edits: &Edits, out: &mut String) {
    let value = |template: &Template| quoted(&template.to_string());
    let mut pairs = Vec::new();
    if !edits.set.is_empty() {
        let lines = edits.set.iter();
        pairs.push((
            "set",
            inline(lines.map(|(name, template)| (name, value(template)))),
        ));
    }
    if !edits.add.is_empty() {
        // One key for all lines of a name: a key stands only once in a table.
        let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
        for (name, template) in &edits.add {
            match lines.iter_mut().find(|(other, _)| other == name) {
                Some((_, values)) => values.push(value(template)),
                None => lines.push((name, vec![value(template)])),
            }
        }
        let lines = lines
            .into_iter()
            .map(|(name, values)| match values.as_slice() {
                [value] => (name, value.clone()),
                _ => (name, array(values)),
            });
        pairs.push(("add", inline(lines)));
    }
    if !edits.remove.is_empty() {
        pairs.push(("remove", list(&edits.remove)));
    }
    if !pairs.is_empty() {
        line(out, name, inline(pairs));
    }
}

/// Networks as a list, the private ones by their common name.
#[must_use]
pub fn networks_text(networks: &[Network]) -> String {
    let private = Network::private();
    let (mut items, mut rest) = (Vec::new(), networks);
    while let [first, others @ ..] = rest {
        if let Some(behind) = rest.strip_prefix(private.as_slice()) {
            items.push(quoted("private"));
            rest = behind;
        } else {
            items.push(quoted(&first.to_string()));
            rest = others;
        }
    }
    array(items)
}

fn line(out: &mut String, key: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{key} = {value}");
}

fn size(octets: u64) -> String {
    quoted(&size_text(octets))
}

fn size_or(octets: Option<u64>, word: &str) -> String {
    octets.map_or_else(|| quoted(word), size)
}

fn count_or_unlimited(count: Option<usize>) -> String {
    count.map_or_else(|| quoted("unlimited"), |count| count.to_string())
}

fn path_text(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    array(items.iter().map(|item| quoted(&item.to_string())))
}

fn array(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<_> = items.into_iter().collect();
    format!("[{}]", items.join(", "))
}

fn inline<K: AsRef<str>>(pairs: impl IntoIterator<Item = (K, String)>) -> String {
    let pairs = pairs.into_iter();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| format!("{} = {value}", key(name.as_ref())))
        .collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A key: bare where that is possible.
fn key(name: &str) -> String {
    let bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        escaped(name)
    }
}

/// A value: a string of TOML in which nothing is the environment's.
#[must_use]
pub fn quoted(text: &str) -> String {
    escaped(&text.replace("${", "$${"))
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}
