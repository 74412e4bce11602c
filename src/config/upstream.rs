//! Upstreams: those with a section, and the addresses that routes name themselves.

use std::collections::HashMap;
use std::time::Duration;

use super::check::{Check, Scope};
use super::diagnostic::{Diagnostic, Span};
use super::model::{Balance, Endpoint, Health, Keepalive, Queue, Share, Upstream};
use super::origin_tls::Speech;
use super::raw::{RawEject, RawHealth, RawKeepalive, RawShare, RawUpstream};
use super::route::is_token;
use super::suggest::nearest;
use super::table::Written;

use super::value::{self, Origin, Scheme};
use crate::balance::{Eject, Policy};
use crate::http::deadline::DeadlineField;
use crate::net::proxy_protocol::Version;
use crate::proxy::site::HashBy;

/// A weight above this is a mistake; sums of them stay in 32 bits.
const WEIGHT_MAX: i64 = 65_535;

/// The upstreams, while routes name them.
pub(super) struct Upstreams {
    list: Vec<Upstream>,
    /// Which of them has a name.
    by_name: HashMap<String, usize>,
    /// Where each section's name is, and whether a route goes there.
    sections: Vec<(Span, bool)>,
    /// The file has streams, which can go there too.
    has_streams: bool,
}

impl Upstreams {
    pub(super) fn new(check: &Check<'_>, raw: &[Written<RawUpstream>], has_streams: bool) -> Self {
        let list: Vec<_> = raw.iter().map(|raw| check.upstream(raw)).collect();
        let names = list.iter().map(|upstream| upstream.name.clone());
        Self {
            by_name: names.zip(0..).collect(),
            list,
            sections: raw.iter().map(|raw| (raw.key, false)).collect(),
            has_streams,
        }
    }

    /// All of them, those with a section first.
    pub(super) fn finish(self, check: &Check<'_>) -> Vec<Upstream> {
        for (upstream, (at, is_used)) in self.list.iter().zip(&self.sections) {
            if !is_used {
                let message = match self.has_streams {
                    false => format!("no route goes to the upstream `{}`", upstream.name),
                    true => format!(
                        "no route and no stream goes to the upstream `{}`",
                        upstream.name
                    ),
                };
                check.found.push(
                    Diagnostic::warning(*at, message)
                        .label("unused")
                        .help("name it in a route's `to`, or take it out"),
                );
            }
        }
        self.list
    }

    /// The upstream that a route's `to` names: by name, or by address.
    pub(super) fn find(&mut self, check: &Check<'_>, to: &Written<String>) -> Option<usize> {
        if let Some(index) = self.by_name.get(&to.value).copied() {
            if let Some((_, is_used)) = self.sections.get_mut(index) {
                *is_used = true;
            }
            return Some(index);
        }
        if !to.value.contains([':', '/']) {
            self.dangling(check, to);
            return None;
        }
        let origin = check.parsed(Some(to), value::origin)?;
        let is_tls = origin.scheme == Some(Scheme::Https);
        let endpoint = Endpoint {
            is_tls,
            authority: origin.authority,
            is_service: false,
            base_path: origin.base_path,
            weight: 1,
            backup: false,
        };
        let name = endpoint.to_string();
        // Two spellings of one address are one upstream.
        if let Some(known) = self.by_name.get(&name) {
            return Some(*known);
        }
        let index = self.list.len();
        self.by_name.insert(name.clone(), index);
        self.list.push(Upstream {
            name,
            is_implicit: true,
            tls: match is_tls {
                true => check.tls_of(None, to.at, std::slice::from_ref(&endpoint)),
                false => None,
            },
            endpoints: vec![endpoint],
            ..Upstream::default()
        });
        Some(index)
    }

    /// The upstream of this number, as far as they are known.
    pub(super) fn get(&self, index: usize) -> Option<&Upstream> {
        self.list.get(index)
    }

    fn dangling(&mut self, check: &Check<'_>, to: &Written<String>) {
        let names: Vec<_> = self
            .list
            .iter()
            .filter(|upstream| !upstream.is_implicit)
            .map(|upstream| upstream.name.as_str())
            .collect();
        let near = nearest(&to.value, names.iter().copied());
        let label = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "not defined".to_owned(),
        };
        let help = if names.is_empty() {
            format!(
                "add `[upstream.{}]`, or write an address such as `{0}:8080`",
                to.value
            )
        } else {
            format!("upstreams: {}; an address has a port", names.join(", "))
        };
        // It was hardly meant to be unused: one mistake, one message.
        let index = near.and_then(|near| self.by_name.get(near).copied());
        check.found.push(
            Diagnostic::error(to.at, format!("there is no upstream `{}`", to.value))
                .label(label)
                .help(help),
        );
        if let Some((_, is_used)) = index.and_then(|index| self.sections.get_mut(index)) {
            *is_used = true;
        }
    }
}

impl Check<'_> {
    fn upstream(&self, raw: &Written<RawUpstream>) -> Upstream {
        let name = &raw.name;
        let plain =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            self.error(
                raw.key,
                format!("`{name}` is no name for an upstream"),
                "letters, digits, `_`, `-` and `.`",
            );
        }
        let section = &raw.value;
        if !section.has_to {
            self.error(
                section.at,
                format!("the upstream `{name}` is nowhere"),
                "add `to = \"HOST:PORT\"`",
            );
        }
        let usual = Upstream::default();
        let queue = section.queue.as_ref();
        if let (Some(queue), None) = (queue, &section.max_connections) {
            let message = "`queue` does nothing without `max_connections`";
            let warning = Diagnostic::warning(queue.key, message);
            self.found.push(warning.label("nobody waits"));
        }
        let positive = |text: &str| match value::duration(text)? {
            Duration::ZERO => Err("longer than nothing".to_owned()),
            duration => Ok(duration),
        };
        let srv = section
            .resolve
            .as_ref()
            .and_then(|it| it.value.srv.as_ref());
        let srv = srv.filter(|srv| srv.value);
        let endpoints = self.endpoints(section, srv.is_some());
        if let (Some(srv), true) = (srv, endpoints.iter().all(|it| !it.is_service)) {
            let message = "`srv` does nothing where everything in `to` has a port";
            let warning = Diagnostic::warning(srv.key, message);
            self.found.push(warning.label("no service is looked up"));
        }
        Upstream {
            balance: self
                .parsed(section.balance.as_ref(), balance)
                .unwrap_or_default(),
            max_connections: self.number(section.max_connections.as_ref(), 1..=65_535),
            queue: Queue {
                max: queue
                    .and_then(|queue| self.number(queue.value.max.as_ref(), 0..=100_000))
                    .unwrap_or(usual.queue.max),
                timeout: queue
                    .and_then(|queue| self.parsed(queue.value.timeout.as_ref(), positive))
                    .unwrap_or(usual.queue.timeout),
            },
            health: section.health.as_ref().map(|health| self.health(health)),
            eject: section.eject.as_ref().map(|eject| self.eject(&eject.value)),
            slow_start: self
                .parsed(section.slow_start.as_ref(), value::duration)
                .unwrap_or_default(),
            resolve_every: section
                .resolve
                .as_ref()
                .and_then(|resolve| self.parsed(resolve.value.every.as_ref(), positive))
                .unwrap_or(usual.resolve_every),
            resolve_srv: srv.is_some(),
            sticky: section.sticky.as_ref().map(|sticky| {
                let name = self.parsed(sticky.value.as_ref(), cookie_name);
                name.unwrap_or_else(|| "osier".to_owned())
            }),
            deadline_header: self.parsed(section.deadline_header.as_ref(), deadline_field),
            tls: match (&section.tls, &section.to) {
                (Some(tls), _) => self.tls_of(Some(tls), tls.key, &endpoints),
                (None, Some(to)) if endpoints.iter().any(|it| it.is_tls) => {
                    self.tls_of(None, to.at, &endpoints)
                }
                _ => None,
            },
            send_proxy: self
                .choice(section.send_proxy.as_ref(), &SEND_PROXY)
                .flatten(),
            name: name.clone(),
            is_implicit: false,
            endpoints,
            keepalive: section
                .keepalive
                .as_ref()
                .map(|keepalive| self.keepalive(&keepalive.value))
                .unwrap_or_default(),
            timeouts: self.timeouts(&section.timeouts, Scope::Upstream),
            limits: self.limits(&section.limits, Scope::Upstream),
        }
    }

    fn health(&self, written: &Written<RawHealth>) -> Health {
        let raw = &written.value;
        let is_tcp = raw.tcp.as_ref().is_some_and(|tcp| tcp.value);
        let path = self.parsed(raw.path.as_ref(), |path| match path.starts_with('/') {
            true if path.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(path.to_owned()),
            _ => Err("expected a path, such as `/healthz`".to_owned()),
        });
        match (&raw.path, is_tcp) {
            (None, false) => {
                let label = "add `path = \"/healthz\"` or `tcp = true`";
                self.error(written.key, "a health check of nothing", label);
            }
            (Some(path), true) => {
                let message = "a health check with both `path` and `tcp`";
                self.error(path.key, message, "take one of the two out");
            }
            _ => {}
        }
        if let (Some(expect), true) = (&raw.expect, is_tcp) {
            let message = "`expect` does nothing with `tcp`";
            let warning = Diagnostic::warning(expect.key, message);
            self.found.push(warning.label("no status is seen"));
        }
        let positive = |text: &str| match value::duration(text)? {
            Duration::ZERO => Err("longer than nothing".to_owned()),
            duration => Ok(duration),
        };
        let seconds = Duration::from_secs;
        let every = self.parsed(raw.every.as_ref(), positive);
        let expect = raw.expect.iter().flat_map(|expect| &expect.value);
        let expect: Vec<_> = expect
            .filter_map(|text| self.parsed(Some(text), statuses))
            .collect();
        Health {
            path: path.filter(|_| !is_tcp),
            every: every.unwrap_or_else(|| seconds(10)),
            timeout: self
                .parsed(raw.timeout.as_ref(), positive)
                .unwrap_or_else(|| seconds(2)),
            rise: self.number(raw.rise.as_ref(), 1..=1000).unwrap_or(2),
            fall: self.number(raw.fall.as_ref(), 1..=1000).unwrap_or(3),
            expect: match expect.as_slice() {
                [] => vec![(200, 299)],
                _ => expect,
            },
        }
    }

    fn eject(&self, raw: &RawEject) -> Eject {
        let usual = Eject::default();
        let positive = |text: &str| match value::duration(text)? {
            Duration::ZERO => Err("longer than nothing".to_owned()),
            duration => Ok(duration),
        };
        let duration = |written: &Option<Written<String>>, usual| {
            self.parsed(written.as_ref(), positive).unwrap_or(usual)
        };
        Eject {
            failures: self
                .number(raw.failures.as_ref(), 1..=10_000)
                .unwrap_or(usual.failures),
            within: duration(&raw.within, usual.within),
            time: duration(&raw.time, usual.time),
            max_percent: self
                .number(raw.max_percent.as_ref(), 0..=100)
                .unwrap_or(usual.max_percent),
        }
    }

    /// The upstream that a subrequest goes to.
    pub(super) fn aside(
        &self,
        to: Option<&Written<String>>,
        at: Span,
        upstreams: &mut Upstreams,
    ) -> Option<usize> {
        match to {
            Some(to) => upstreams.find(self, to),
            None => {
                self.error(at, "it goes nowhere", "add `to = \"…\"`");
                None
            }
        }
    }

    /// `srv`: a name without a port is a service's.
    fn endpoints(&self, section: &RawUpstream, srv: bool) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let Some(written) = &section.to else {
            return endpoints;
        };
        let mut speech = Speech::new(section);
        for share in &written.value {
            let weight = self.weight(share);
            let place = |text: &str| match value::service(text) {
                Some(name) if srv => Ok((
                    Origin {
                        scheme: None,
                        authority: name,
                        base_path: String::new(),
                    },
                    true,
                )),
                Some(name) if name.starts_with('_') => Err(
                    "a port is missing; the name of a service needs `resolve = { srv = true }`"
                        .to_owned(),
                ),
                _ => value::origin(text).map(|origin| (origin, false)),
            };
            let Some((origin, is_service)) = self.parsed(share.to.as_ref(), place) else {
                continue;
            };
            let is_tls = share
                .to
                .as_ref()
                .is_some_and(|to| speech.is_tls(self, to, &origin));
            let Origin {
                authority,
                base_path,
                ..
            } = origin;
            if let (Some(weight), true) = (&share.weight, is_service && weight != 1) {
                let message = format!("`{authority}` has no weight of its own");
                self.error(weight.key, message, "the service's records say it");
            }
            let endpoint = Endpoint {
                is_tls,
                authority,
                is_service,
                base_path,
                weight,
                backup: share.backup.as_ref().is_some_and(|backup| backup.value),
            };
            if let (Some(to), true) = (&share.to, contains(&endpoints, &endpoint)) {
                self.error(
                    to.at,
                    format!("`{endpoint}` is there twice"),
                    match is_service {
                        true => "once is enough",
                        false => "give it a `weight` instead",
                    },
                );
            }
            endpoints.push(endpoint);
        }
        self.some_weight(written, endpoints.iter().map(|endpoint| endpoint.weight));
        endpoints
    }

    fn weight(&self, share: &RawShare) -> u32 {
        self.number(share.weight.as_ref(), 0..=WEIGHT_MAX)
            .unwrap_or(1)
    }

    /// Something gets something.
    fn some_weight(
        &self,
        written: &Written<Vec<RawShare>>,
        mut weights: impl ExactSizeIterator<Item = u32>,
    ) {
        if written.value.is_empty() {
            if self.is_empty_list(written.at) {
                self.error(
                    written.at,
                    format!("`{}` names nothing", written.name),
                    "an empty list",
                );
            }
        } else if weights.len() > 0 && weights.all(|weight| weight == 0) {
            let weight = written.value.iter().find_map(|share| share.weight.as_ref());
            self.error(
                weight.map_or(written.at, |weight| weight.at),
                format!("`{}`: every weight is 0", written.name),
                "nothing would go anywhere",
            );
        }
    }

    fn keepalive(&self, raw: &RawKeepalive) -> Keepalive {
        let usual = Keepalive::default();
        let positive = |text: &str| match value::duration(text)? {
            Duration::ZERO => Err("to keep none: `max_idle = 0`".to_owned()),
            duration => Ok(duration),
        };
        Keepalive {
            idle: self
                .parsed(raw.idle.as_ref(), positive)
                .unwrap_or(usual.idle),
            max_idle: self
                .number(raw.max_idle.as_ref(), 0..=100_000)
                .unwrap_or(usual.max_idle),
            max_age: self
                .parsed(raw.max_age.as_ref(), positive)
                .unwrap_or(usual.max_age),
        }
    }

    /// A route's `to`.
    pub(super) fn shares(
        &self,
        written: &Written<Vec<RawShare>>,
        upstreams: &mut Upstreams,
    ) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        for share in &written.value {
            let weight = self.weight(share);
            let Some(to) = &share.to else { continue };
            let Some(upstream) = upstreams.find(self, to) else {
                continue;
            };
            if shares.iter().any(|share| share.upstream == upstream) {
                let message = format!("the route goes to `{}` twice", to.value);
                self.error(to.at, message, "give it a `weight` instead");
            }
            shares.push(Share { upstream, weight });
        }
        self.some_weight(written, shares.iter().map(|share| share.weight));
        shares
    }
}

/// The words for [`Upstream::send_proxy`].
pub(super) const SEND_PROXY: [(&str, Option<Version>); 3] = [
    ("off", None),
    ("v1", Some(Version::V1)),
    ("v2", Some(Version::V2)),
];

/// How an endpoint is picked.
fn balance(text: &str) -> Result<Balance, String> {
    if let Some((_, policy)) = Policy::WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(Balance {
            policy: *policy,
            hash: HashBy::default(),
        });
    }
    let hash = match text.strip_prefix("hash:") {
        Some("ip") => Some(HashBy::Ip),
        Some("path") => Some(HashBy::Path),
        Some(rest) => match rest.split_once(':') {
            Some(("header", name)) if is_token(name) => Some(HashBy::Header(name.to_owned())),
            Some(("cookie", name)) if is_token(name) => Some(HashBy::Cookie(name.to_owned())),
            _ => None,
        },
        None => None,
    };
    let policy = Policy::Hash;
    hash.map(|hash| Balance { policy, hash }).ok_or_else(|| {
        let words = Policy::WORDS.iter().map(|(word, _)| *word);
        match nearest(text, words.chain(["hash:ip", "hash:path"])) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "round_robin, least_conn, p2c, ewma, random, first, hash:ip, hash:path, \
                     hash:header:NAME or hash:cookie:NAME"
                .to_owned(),
        }
    })
}

fn cookie_name(text: &str) -> Result<String, String> {
    match is_token(text) {
        true => Ok(text.to_owned()),
        false => Err("expected the name of a cookie, such as `osier`".to_owned()),
    }
}

/// A field that carries a deadline.
pub(super) fn deadline_field(text: &str) -> Result<DeadlineField, String> {
    let lower = text.to_ascii_lowercase();
    if !is_token(text) || super::OWN_FIELDS.contains(&lower.as_str()) {
        let known = "`X-Request-Timeout-Ms`, `grpc-timeout` or `connect-timeout-ms`";
        return Err(format!("expected a field such as {known}"));
    }
    Ok(DeadlineField::from_name(text))
}

/// `2xx`, `200` or `200-399`: the first and the last.
fn statuses(text: &str) -> Result<(u16, u16), String> {
    let wrong = || "expected `2xx`, `200` or `200-399`".to_owned();
    let status = |text: &str| {
        let status = text.parse().ok().filter(|_| text.len() == 3);
        status
            .filter(|status| (100..=599).contains(status))
            .ok_or_else(wrong)
    };
    if let Some(class) = text.strip_suffix("xx") {
        let class: u16 = class.parse().map_err(|_| wrong())?;
        return match class {
            1..=5 => Ok((class * 100, class * 100 + 99)),
            _ => Err(wrong()),
        };
    }
    match text.split_once('-') {
        Some((first, last)) => match (status(first)?, status(last)?) {
            (first, last) if first <= last => Ok((first, last)),
            _ => Err("the first is above the last".to_owned()),
        },
        None => status(text).map(|status| (status, status)),
    }
}

/// What a file need not say.
impl Default for Upstream {
    fn default() -> Self {
        Self {
            name: String::new(),
            is_implicit: true,
            endpoints: Vec::new(),
            balance: Balance::default(),
            max_connections: None,
            queue: Queue::default(),
            health: None,
            eject: None,
            slow_start: Duration::ZERO,
            resolve_every: Duration::from_secs(30),
            resolve_srv: false,
            sticky: None,
            deadline_header: None,
            tls: None,
            send_proxy: None,
            keepalive: Keepalive::default(),
            timeouts: super::TimeoutChanges::default(),
            limits: super::LimitChanges::default(),
        }
    }
}

fn contains(endpoints: &[Endpoint], endpoint: &Endpoint) -> bool {
    let mut endpoints = endpoints.iter();
    endpoints
        .any(|other| other.authority == endpoint.authority && other.base_path == endpoint.base_path)
}
