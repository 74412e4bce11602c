//! Routes: which requests, what is done with them, and what combinations make no sense.

use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "auth")]
use std::sync::Arc;
use std::time::Duration;

use super::check::{Check, Scope};
use super::diagnostic::{Diagnostic, Span};
use super::model::{
    Action, Auth, Edits, ErrorPage, Forwarded, Paths, Per, RateLimit, RequestId, Rewrite, Route,
    Share,
};
use super::raw::{
    RawAuth, RawEdits, RawForwardAuth, RawHedge, RawMirror, RawRateLimit, RawRedirect, RawRespond,
    RawRetry, RawRoute, RawTimeouts,
};
use super::suggest::nearest;
use super::table::{Pair, Written};
use super::upstream::{Upstreams, deadline_field};
use super::value;
#[cfg(feature = "auth")]
use crate::auth::{Users, Why};
use crate::http::deadline::DeadlineField;
use crate::http::field::Fields;
use crate::http::path::normalise_path;
use crate::http::target::parse_authority;
use crate::proxy::gateway::Host;
use crate::proxy::retry::{On, Retry};
use crate::proxy::route::{HostPattern, Matchers, PathPattern};
use crate::proxy::site::{ForwardAuth, Hedge, Mirror};
use crate::proxy::template::{Hole, Part, Template, TemplateError};
use crate::proxy::timeout::Timeouts;

/// Methods that are nearly always meant when they are written in lower case.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY",
];
/// Fields that osier writes itself, from what it knows of the message (RFC 9110 §7.6.1, RFC 9112 §6).
pub const OWN_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What names of fields are made of (RFC 9110 §5.6.2).
const FIELD_NAME: &str = "a name has letters, digits and any of !#$%&'*+-.^_`|~";
/// How often an exchange may be tried at most.
const ATTEMPTS_MAX: i64 = 10;
/// How much content may be kept to be sent again.
const REPLAY_MAX: u64 = 1 << 20;

impl Check<'_> {
    /// One `[[route]]`. `None` only where there are errors. Above it are the global timeouts, as written and as meant.
    pub(super) fn route(
        &self,
        raw: &RawRoute,
        upstreams: &mut Upstreams,
        (above, global): (&RawTimeouts, &Timeouts),
    ) -> Option<Route> {
        let matchers = self.matchers(raw);
        let rewrite = self.rewrite(raw, matchers.path.as_ref());
        let action = self.action(raw, upstreams);
        let mirror = raw.mirror.as_ref();
        let mirror = mirror.and_then(|mirror| self.mirror(mirror, upstreams));
        let auth = raw.auth.as_ref();
        let auth = auth.and_then(|auth| self.auth(auth, upstreams));
        self.used(raw);
        self.guarded_as_routed(raw, auth.is_some());
        let timeouts = self.timeouts(&raw.timeouts, Scope::Route);
        self.request_within_total(&raw.timeouts, above, &timeouts.over(global));
        let paths = [
            ("raw", Paths::Raw),
            ("normal", Paths::Normal),
            ("strict", Paths::Strict),
        ];
        let forwarded = [
            ("x", Forwarded::X),
            ("rfc7239", Forwarded::Rfc7239),
            ("both", Forwarded::Both),
            ("off", Forwarded::Off),
        ];
        let request_id = [
            ("keep", RequestId::Keep),
            ("make", RequestId::Make),
            ("off", RequestId::Off),
        ];
        Some(Route {
            matchers,
            rewrite,
            paths: self.choice(raw.paths.as_ref(), &paths).unwrap_or_default(),
            host_header: self
                .parsed(raw.host_header.as_ref(), host_header)
                .unwrap_or_default(),
            request: self.edits(&raw.headers.0, "host_header"),
            response: self.edits(&raw.headers.1, ""),
            timeouts,
            limits: self.limits(&raw.limits, Scope::Route),
            retry: raw
                .retry
                .as_ref()
                .map(|retry| self.retry(&retry.value))
                .unwrap_or_default(),
            hedge: raw.hedge.as_ref().map(|hedge| self.hedge(&hedge.value)),
            mirror,
            auth,
            allow: self.networks(raw.allow.as_ref()),
            deny: self.networks(raw.deny.as_ref()),
            accept_deadline: self.deadline_fields(raw),
            accept_deadline_from: raw
                .accept_deadline_from
                .as_ref()
                .map(|from| self.networks(Some(from))),
            rate_limit: raw.limit.as_ref().map(|limit| self.rate_limit(limit)),
            upgrade: self.upgrade(raw),
            forwarded: self
                .choice(raw.forwarded.as_ref(), &forwarded)
                .unwrap_or_default(),
            via: raw.via.as_ref().map(|via| via.value),
            request_id: self
                .choice(raw.request_id.as_ref(), &request_id)
                .unwrap_or_default(),
            errors: self.errors(&raw.errors),
            action: action?,
        })
    }

    fn matchers(&self, raw: &RawRoute) -> Matchers {
        let all = |written: &Option<Written<Vec<Written<String>>>>| {
            written.clone().map(|list| list.value).unwrap_or_default()
        };
        let mut matchers = Matchers {
            path: self.parsed(raw.path.as_ref(), path_pattern),
            clients: self.networks(raw.client.as_ref()),
            priority: self
                .number(
                    raw.priority.as_ref(),
                    i64::from(i32::MIN)..=i64::from(i32::MAX),
                )
                .unwrap_or_default(),
            ..Matchers::default()
        };
        for written in all(&raw.host) {
            if let Some(host) = self.parsed(Some(&written), host_pattern) {
                if !written.value.is_ascii() {
                    let message = "browsers send the `xn--` form of such a host";
                    self.found
                        .push(Diagnostic::warning(written.at, message).label("this never arrives"));
                }
                self.once(&mut matchers.hosts, host, &written);
            }
        }
        for written in all(&raw.method) {
            if let Some(method) = self.parsed(Some(&written), method) {
                self.once(&mut matchers.methods, method, &written);
            }
        }
        for list in [&raw.host, &raw.method, &raw.client].into_iter().flatten() {
            if self.is_empty_list(list.at) {
                let message = format!("`{}` is an empty list", list.name);
                self.error(list.at, message, "leave the key out to match everything");
            }
        }
        for pair in &raw.header {
            self.field(pair);
            let name = pair.name.to_ascii_lowercase();
            let value = pair.value.value.trim_matches([' ', '\t']).to_owned();
            if matchers.headers.insert(name, value).is_some() {
                let message = format!("the field `{}` is there twice", pair.name);
                self.error(
                    pair.value.key,
                    message,
                    "case makes no difference in field names",
                );
            }
        }
        for pair in &raw.query {
            let name = pair.name.clone();
            if name.is_empty() {
                self.error(pair.value.key, "a query parameter without a name", "empty");
            }
            matchers.queries.insert(name, pair.value.value.clone());
        }
        matchers
    }

    fn once<T: PartialEq>(&self, list: &mut Vec<T>, item: T, written: &Written<String>) {
        if list.contains(&item) {
            let message = format!("`{}` has `{}` twice", written.name, written.value);
            self.error(written.at, message, "take it out");
        } else {
            list.push(item);
        }
    }

    fn rewrite(&self, raw: &RawRoute, path: Option<&PathPattern>) -> Rewrite {
        if let (Some(_), Some(rewrite)) = (&raw.strip, &raw.rewrite) {
            let message = "a route with both `strip` and `rewrite`";
            self.error(rewrite.key, message, "take one of the two out");
        }
        if let Some(template) = self.parsed(raw.rewrite.as_ref(), rewrite_template) {
            return Rewrite::To(template);
        }
        let Some(written) = &raw.strip else {
            return Rewrite::Keep;
        };
        let Some(strip) = self.parsed(Some(written), strip_path) else {
            return Rewrite::Keep;
        };
        if path.is_some_and(|path| !may_begin_with(path, &strip)) {
            let message = format!("no path of this route begins with `{strip}`");
            self.error(written.at, message, "nothing would be stripped");
        }
        Rewrite::Strip(strip)
    }

    fn action(&self, raw: &RawRoute, upstreams: &mut Upstreams) -> Option<Action> {
        match raw.actions.as_slice() {
            [] => self.found.push(
                Diagnostic::error(raw.at, "a route that does nothing")
                    .label("it needs one of `to`, `redirect` and `respond`"),
            ),
            [_] => {}
            [(first, _), rest @ ..] => {
                for (name, at) in rest {
                    let message = format!("a route with both `{first}` and `{name}`");
                    self.error(*at, message, "take one of the two out");
                }
            }
        }
        let to = raw.to.as_ref().map(|to| self.shares(to, upstreams));
        let redirect = raw
            .redirect
            .as_ref()
            .map(|redirect| self.redirect(redirect));
        let respond = raw
            .respond
            .as_ref()
            .map(|respond| self.respond(&respond.value));
        to.filter(|shares: &Vec<Share>| !shares.is_empty())
            .map(Action::Forward)
            .or_else(|| redirect.flatten())
            .or(respond)
    }

    /// Says of keys that would do nothing in this route that they do nothing.
    fn used(&self, raw: &RawRoute) {
        let [(action @ ("redirect" | "respond"), _)] = raw.actions.as_slice() else {
            return;
        };
        let edits = &raw.headers.0;
        let edited = edits.set.iter().chain(&edits.add);
        let edited = edited.map(|pair| pair.value.key);
        let edited = edited.chain(edits.remove.iter().map(|remove| remove.key));
        let edited = edited.map(|at| ("headers.request", at)).take(1);
        for (name, at) in raw.forwarding.iter().copied().chain(edited) {
            let message = format!("`{name}` does nothing in a route with `{action}`");
            self.found
                .push(Diagnostic::warning(at, message).label("nothing is forwarded"));
        }
    }

    /// Warns of a route that lets in by a spelling of the path that the origin does not see.
    fn guarded_as_routed(&self, raw: &RawRoute, has_auth: bool) {
        let lists = [&raw.allow, &raw.deny].into_iter().flatten();
        let guards = lists.map(|list| (list.key, list.name.as_str()));
        let auth = raw
            .auth
            .iter()
            .filter(|_| has_auth)
            .map(|auth| (auth.key, auth.name.as_str()));
        let is_raw = raw.paths.as_ref().is_none_or(|paths| paths.value == "raw");
        let goes_on = raw.to.is_some();
        if let (Some((at, name)), true, true) = (guards.chain(auth).next(), is_raw, goes_on) {
            let message =
                format!("`{name}` guards the path as routes see it, the origin gets the client's");
            let help = "say `paths = \"strict\"` or \"normal\"; spellings such as `/a/..//b` could mean another route there";
            let warning = Diagnostic::warning(at, message).label("with `paths = \"raw\"`");
            self.found.push(warning.help(help));
        }
    }

    fn retry(&self, raw: &RawRetry) -> Retry {
        let usual = Retry::default();
        let mut on = usual.on;
        if let Some(written) = &raw.on {
            on = On {
                connect: false,
                stale: false,
                closed: false,
                timeout: false,
                statuses: Vec::new(),
            };
            for word in &written.value {
                match word.value.as_str() {
                    "connect" => on.connect = true,
                    "stale" => on.stale = true,
                    "closed" => on.closed = true,
                    "timeout" => on.timeout = true,
                    text => match text.parse() {
                        Ok(status @ 400..=599) => on.statuses.push(status),
                        _ => {
                            let words = ["connect", "stale", "closed", "timeout"];
                            let label = match nearest(text, words) {
                                Some(near) => format!("did you mean `{near}`?"),
                                None => "connect, stale, closed, timeout, or a status from 400"
                                    .to_owned(),
                            };
                            self.refuse(word, label);
                        }
                    },
                }
            }
        }
        let budget = raw.budget.as_ref().and_then(|written| match written.value {
            value if value.is_infinite() && value > 0.0 => Some(None),
            value if (0.0..=1.0).contains(&value) => Some(Some((value * 1000.0).round() as u32)),
            _ => {
                let message = format!("`{}` cannot be {}", written.name, written.value);
                self.error(written.at, message, "from 0 to 1, or \"off\"");
                None
            }
        });
        let replay = |text: &str| match value::size(text)? {
            octets @ 0..=REPLAY_MAX => Ok(octets as usize),
            _ => Err("at most 1MiB: it is kept in memory for each exchange".to_owned()),
        };
        Retry {
            attempts_max: self
                .number(raw.attempts.as_ref(), 1..=ATTEMPTS_MAX)
                .unwrap_or(usual.attempts_max),
            on,
            per_try: self.parsed(raw.per_try.as_ref(), value::timeout).flatten(),
            budget: budget.unwrap_or(usual.budget),
            replay_max: self
                .parsed(raw.replay_body.as_ref(), replay)
                .unwrap_or(usual.replay_max),
            pause: self
                .parsed(raw.backoff.as_ref(), value::duration)
                .unwrap_or(usual.pause),
        }
    }

    fn hedge(&self, raw: &RawHedge) -> Hedge {
        Hedge {
            after: self
                .parsed(raw.after.as_ref(), value::duration)
                .unwrap_or(Duration::from_millis(100)),
            max: self.number(raw.max.as_ref(), 1..=3).unwrap_or(1),
        }
    }

    fn mirror(&self, written: &Written<RawMirror>, upstreams: &mut Upstreams) -> Option<Mirror> {
        let raw = &written.value;
        Some(Mirror {
            percent: self.number(raw.percent.as_ref(), 0..=100).unwrap_or(100),
            upstream: self.aside(raw.to.as_ref(), written.key, upstreams)?,
        })
    }

    fn auth(&self, written: &Written<RawAuth>, upstreams: &mut Upstreams) -> Option<Auth> {
        let raw = &written.value;
        if let (Some(_), Some(forward)) = (&raw.basic, &raw.forward) {
            let message = "a route with both `auth.basic` and `auth.forward`";
            self.error(forward.key, message, "take one of the two out");
        }
        if let Some(basic) = &raw.basic {
            return self.basic_auth(basic);
        }
        if let Some(forward) = &raw.forward {
            return self.forward_auth(forward, upstreams).map(Auth::Forward);
        }
        if !raw.is_there {
            let label =
                "add `basic = \"/….htpasswd\"` or `forward = { to = \"…\", path = \"/…\" }`";
            self.error(written.key, "nobody says who may pass", label);
        }
        None
    }

    #[cfg(feature = "auth")]
    fn basic_auth(&self, written: &Written<String>) -> Option<Auth> {
        /// The first so many mistakes in a file are enough to mend it.
        const SAID_MAX: usize = 8;
        let path = PathBuf::from(&written.value);
        let content = match (self.around.file)(&path) {
            Ok(content) => content,
            Err(error) => {
                let message = format!("cannot read `{}`", path.display());
                self.error(written.at, message, error.to_string());
                return None;
            }
        };
        let problems = match Users::parse(&content) {
            Ok(users) => {
                let users = Arc::new(users);
                return Some(Auth::Basic { path, users });
            }
            Err(problems) => problems,
        };
        for problem in problems.iter().take(SAID_MAX) {
            let message = format!("`{}`: {problem}", path.display());
            let error = Diagnostic::error(written.at, message);
            self.found.push(match problem.why {
                Why::NoUser | Why::Twice => error,
                Why::Costly => {
                    error.help("bcrypt takes a cost up to 14, SHA-crypt 1,000,000 rounds")
                }
                _ => error.help("make it with `htpasswd -B` or `mkpasswd -m sha512crypt`"),
            });
        }
        None
    }

    #[cfg(not(feature = "auth"))]
    fn basic_auth(&self, written: &Written<String>) -> Option<Auth> {
        let message = format!("`{}` cannot be had", written.name);
        self.error(written.key, message, "this osier was built without `auth`");
        None
    }

    fn forward_auth(
        &self,
        forward: &Written<RawForwardAuth>,
        upstreams: &mut Upstreams,
    ) -> Option<ForwardAuth> {
        let raw = &forward.value;
        let path = self.parsed(raw.path.as_ref(), |path| match path.starts_with('/') {
            true if path
                .bytes()
                .all(|octet| octet.is_ascii_graphic() && octet != b'#') =>
            {
                Ok(path.to_owned())
            }
            _ => Err("expected a path, such as `/check`".to_owned()),
        });
        let copied = raw.copy.iter().flat_map(|copy| &copy.value);
        let copy = copied.filter_map(|name| {
            self.may_edit(&name.value, name.at, "host_header");
            self.parsed(Some(name), |text| match is_token(text) {
                true => Ok(text.to_owned()),
                false => Err(FIELD_NAME.to_owned()),
            })
        });
        let copy = copy.collect();
        let timeout = self.parsed(raw.timeout.as_ref(), |text| {
            let limit = value::timeout(text)?;
            limit.ok_or_else(|| "it has to end some time".to_owned())
        });
        Some(ForwardAuth {
            path: path.unwrap_or_else(|| "/".to_owned()),
            copy,
            timeout: timeout.unwrap_or(Duration::from_secs(5)),
            upstream: self.aside(raw.to.as_ref(), forward.key, upstreams)?,
        })
    }

    fn deadline_fields(&self, raw: &RawRoute) -> Vec<DeadlineField> {
        let names = raw.accept_deadline.iter().flat_map(|names| &names.value);
        let names = names.filter(|name| name.value != "off");
        names
            .filter_map(|name| self.parsed(Some(name), deadline_field))
            .collect()
    }

    fn redirect(&self, raw: &Written<RawRedirect>) -> Option<Action> {
        if !raw.value.has_to {
            let message = "a redirect to nowhere";
            self.error(raw.key, message, "add `to = \"https://…{uri}\"`");
        }
        let status = raw.value.status.as_ref();
        if let Some(status) = status.filter(|status| !is_redirect(status.value)) {
            self.error(
                status.at,
                format!("`{}` cannot be {}", status.name, status.value),
                "301, 302, 303, 307 or 308",
            );
        }
        let to = self.parsed(raw.value.to.as_ref(), |text| {
            let template = template(text)?;
            let example = template.fill(|_| "");
            match Fields::new().push("Location", &example) {
                Ok(()) if !example.is_empty() || template.as_text().is_none() => Ok(template),
                _ => {
                    Err("expected the URL to go to, such as `https://new.example{uri}`".to_owned())
                }
            }
        });
        Some(Action::Redirect {
            to: to?,
            status: status.map_or(308, |status| status.value as u16),
        })
    }

    fn respond(&self, raw: &RawRespond) -> Action {
        let status = self.number(raw.status.as_ref(), 200..=599).unwrap_or(200);
        let body = raw.body.clone().map(|body| body.value).unwrap_or_default();
        if let (Some(written), 204 | 205 | 304, false) = (&raw.body, status, body.is_empty()) {
            let message = format!("a response with status {status} has no content");
            self.error(written.at, message, "take the body out");
        }
        Action::Respond { status, body }
    }

    fn edits(&self, raw: &RawEdits, own_host: &str) -> Edits {
        let template = |pair: &Pair| {
            self.may_edit(&pair.name, pair.value.key, own_host);
            self.field(pair);
            let value = self.parsed(Some(&pair.value), template)?;
            Some((pair.name.clone(), value))
        };
        for (index, pair) in raw.set.iter().enumerate() {
            let mut before = raw.set.iter().take(index);
            if before.any(|other| other.name.eq_ignore_ascii_case(&pair.name)) {
                let message = format!("the field `{}` is set twice", pair.name);
                self.error(
                    pair.value.key,
                    message,
                    "case makes no difference in field names",
                );
            }
        }
        let remove = raw.remove.iter().flat_map(|remove| &remove.value);
        Edits {
            set: raw.set.iter().filter_map(template).collect(),
            add: raw.add.iter().filter_map(template).collect(),
            remove: remove
                .map(|name| {
                    self.may_edit(&name.value, name.at, own_host);
                    if !is_token(&name.value) {
                        self.refuse(name, FIELD_NAME);
                    }
                    name.value.clone()
                })
                .collect(),
        }
    }

    /// The fields that frame a message are not for editing: two ideas of where it ends are a request smuggled.
    fn may_edit(&self, name: &str, at: Span, own_host: &str) {
        let lower = name.to_ascii_lowercase();
        if OWN_FIELDS.contains(&lower.as_str()) {
            let label = match (lower.as_str(), own_host) {
                ("host", "host_header") => "use `host_header`",
                _ => "osier writes it itself",
            };
            self.error(at, format!("the field `{name}` cannot be edited"), label);
        }
    }

    /// A field line as it can be sent.
    fn field(&self, pair: &Pair) {
        if !is_token(&pair.name) {
            let message = format!("no field can be called `{}`", pair.name);
            self.error(pair.value.key, message, FIELD_NAME);
        } else if Fields::new().push(&pair.name, &pair.value.value).is_err() {
            let message = format!("the field `{}` cannot have this value", pair.name);
            self.error(
                pair.value.at,
                message,
                "a value is one line, without control characters",
            );
        }
    }

    fn rate_limit(&self, written: &Written<RawRateLimit>) -> RateLimit {
        let raw = &written.value;
        let rate = self.parsed(raw.rate.as_ref(), |text| text.parse::<value::Rate>());
        let at_most = i64::from(u32::MAX);
        if raw.rate.is_none() && raw.concurrent.is_none() {
            self.error(
                written.key,
                "a limit without a limit",
                "add `rate` or `concurrent`",
            );
        }
        if let (Some(burst), None) = (&raw.burst, &raw.rate) {
            self.error(burst.key, "`burst` without `rate`", "add `rate = \"20/s\"`");
        }
        let usual = rate.map_or(0, |rate| rate.count);
        RateLimit {
            rate,
            burst: self
                .number(raw.burst.as_ref(), 1..=at_most)
                .unwrap_or(usual),
            per: self
                .parsed(raw.key.as_ref(), |text| match text {
                    "ip" => Ok(Per::Ip),
                    "route" => Ok(Per::Route),
                    _ => match text.strip_prefix("header:") {
                        Some(name) if is_token(name) => Ok(Per::Header(name.to_ascii_lowercase())),
                        _ => Err("expected `ip`, `route` or `header:NAME`".to_owned()),
                    },
                })
                .unwrap_or_default(),
            concurrent: self.number(raw.concurrent.as_ref(), 1..=at_most),
        }
    }

    fn upgrade(&self, raw: &RawRoute) -> Vec<String> {
        let Some(written) = &raw.upgrade else {
            return vec!["websocket".to_owned()];
        };
        let mut protocols = Vec::new();
        for text in &written.value {
            let protocol = self.parsed(Some(text), |text| {
                let lower = text.to_ascii_lowercase();
                match lower.as_str() {
                    // A tunnel to a second HTTP that no rule of this file would see.
                    "h2c" => {
                        Err("not allowed: HTTP/2 in a tunnel would pass every rule by".to_owned())
                    }
                    _ if is_token(&lower) => Ok(lower),
                    _ => Err("expected a protocol such as `websocket`".to_owned()),
                }
            });
            if let Some(protocol) = protocol {
                self.once(&mut protocols, protocol, text);
            }
        }
        protocols
    }

    fn errors(&self, pairs: &[Pair]) -> BTreeMap<u16, ErrorPage> {
        let mut pages = BTreeMap::new();
        for pair in pairs {
            let digits = pair.name.bytes().all(|octet| octet.is_ascii_digit());
            let status = pair
                .name
                .parse::<u16>()
                .ok()
                .filter(|status| digits && (400..=599).contains(status));
            let Some(status) = status else {
                let message = format!("`{}` is no status of an error", pair.name);
                self.error(pair.value.key, message, "from 400 to 599");
                continue;
            };
            let path = PathBuf::from(&pair.value.value);
            match (self.around.file)(&path) {
                Ok(content) => {
                    pages.insert(status, ErrorPage { path, content });
                }
                Err(error) => {
                    let message = format!("cannot read `{}`", path.display());
                    self.error(pair.value.at, message, error.to_string());
                }
            }
        }
        pages
    }
}

fn host_header(text: &str) -> Result<Host, String> {
    match text {
        "preserve" => Ok(Host::Preserve),
        "upstream" => Ok(Host::Upstream),
        name if !name.is_empty() && parse_authority(name.as_bytes()).is_ok() => {
            Ok(Host::Literal(name.to_owned()))
        }
        _ => Err("expected `preserve`, `upstream` or a host name".to_owned()),
    }
}

/// A host to match, in lower case and without the dot of the root.
pub(super) fn host_pattern(text: &str) -> Result<HostPattern, String> {
    let lower = text.to_lowercase();
    if lower == "*" {
        return Err("leave `host` out to match every host".to_owned());
    }
    let (is_wild, host) = match lower.strip_prefix("*.") {
        Some(host) => (true, host),
        None => (false, lower.as_str()),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.contains('*') {
        return Err("`*` stands only at the front: `*.example.com`".to_owned());
    }
    if host.contains("://") || host.contains('/') {
        return Err("a host alone, without a scheme and a path".to_owned());
    }
    let is_literal = host.starts_with('[') && host.ends_with(']');
    if let Some((name, _)) = host.rsplit_once(':').filter(|_| !is_literal) {
        return Err(if name.contains(':') {
            format!("an IPv6 address is written in brackets: `[{host}]`")
        } else {
            format!("hosts are matched without the port: `{name}`")
        });
    }
    let plain = |char: char| {
        char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.') || !char.is_ascii()
    };
    let is_name = !host.is_empty()
        && host.chars().all(plain)
        && !host.chars().any(char::is_whitespace)
        && host.split('.').all(|label| !label.is_empty());
    let is_address = is_literal && !is_wild && parse_authority(host.as_bytes()).is_ok();
    match (is_name || is_address, is_wild) {
        (true, true) => Ok(HostPattern::Below(host.to_owned())),
        (true, false) => Ok(HostPattern::Exact(host.to_owned())),
        (false, _) => {
            Err("expected a host such as `app.example.com` or `*.example.com`".to_owned())
        }
    }
}

/// A path to match: exact, or with `/*` at its end.
fn path_pattern(text: &str) -> Result<PathPattern, String> {
    if !text.starts_with('/') {
        return Err(format!("a path begins with `/`: `/{text}`"));
    }
    let (path, is_prefix) = match text.strip_suffix('*') {
        Some(path) => (path, true),
        None => (text, false),
    };
    if path.contains('*') {
        return Err("`*` stands only at the end, behind a `/`".to_owned());
    }
    if is_prefix && !path.ends_with('/') {
        return Err(format!("whole segments only: `{path}/*`"));
    }
    let path = normal_path(path, if is_prefix { "*" } else { "" })?;
    Ok(if is_prefix {
        PathPattern::Prefix(path)
    } else {
        PathPattern::Exact(path)
    })
}

/// A path that is in normal form, as all are that routes are matched against; another would never match.
fn normal_path(path: &str, behind: &str) -> Result<String, String> {
    if path.contains('?') {
        return Err("a path alone; for the query there is `query`".to_owned());
    }
    if path.contains('#') {
        return Err("a path alone; nobody sends what is behind a `#`".to_owned());
    }
    if let Some(odd) = path.chars().find(|char| !char.is_ascii_graphic()) {
        let mut octets = [0; 4];
        let encoded: String = odd
            .encode_utf8(&mut octets)
            .bytes()
            .map(|octet| format!("%{octet:02X}"))
            .collect();
        return Err(format!("percent-encoded, as it is sent: `{encoded}`"));
    }
    let mut normal = Vec::new();
    normalise_path(path.as_bytes(), &mut normal);
    if normal == path.as_bytes() {
        Ok(path.to_owned())
    } else {
        let normal = String::from_utf8_lossy(&normal);
        Err(format!(
            "paths are matched in normal form: `{normal}{behind}`"
        ))
    }
}

fn strip_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err(format!("a path begins with `/`: `/{text}`"));
    }
    let path = text.strip_suffix('*').unwrap_or(text).trim_end_matches('/');
    if path.is_empty() {
        return Err("nothing would be stripped".to_owned());
    }
    if path != text {
        return Err(format!("without the end: `{path}`"));
    }
    normal_path(path, "")
}

/// Some path of `pattern` has `strip` as its first segments.
fn may_begin_with(pattern: &PathPattern, strip: &str) -> bool {
    let begins = |path: &str, with: &str| {
        path.strip_prefix(with)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match pattern {
        PathPattern::Exact(path) => begins(path, strip),
        PathPattern::Prefix(path) => begins(path, strip) || strip.starts_with(path.as_str()),
    }
}

fn rewrite_template(text: &str) -> Result<Template, String> {
    let template = template(text)?;
    let begins_well = match template.parts.first() {
        Some(Part::Text(text)) => text.starts_with('/'),
        Some(Part::Hole(hole)) => matches!(hole, Hole::Path | Hole::Uri),
        None => false,
    };
    if !begins_well {
        return Err("a path begins with `/`, or with `{path}`".to_owned());
    }
    let is_plain = template
        .fill(|_| "")
        .bytes()
        .all(|octet| octet.is_ascii_graphic() && octet != b'#');
    is_plain
        .then_some(template)
        .ok_or_else(|| "percent-encoded, as it is to be sent".to_owned())
}

fn method(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    if upper == "CONNECT" {
        return Err("CONNECT is refused before there is a route; take it out".to_owned());
    }
    if !is_token(text) {
        return Err("expected a method such as `GET`".to_owned());
    }
    if text != upper && METHODS.contains(&upper.as_str()) {
        return Err(format!("methods have a case: `{upper}`"));
    }
    Ok(text.to_owned())
}

/// RFC 9110 §5.6.2: what names of fields are made of.
pub(super) fn is_token(text: &str) -> bool {
    Fields::new().push(text, "").is_ok()
}

fn is_redirect(status: i64) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// Reads a text with holes.
fn template(text: &str) -> Result<Template, String> {
    Template::parse(text).map_err(|why| match &why {
        TemplateError::Unknown(name) => match nearest(name, Hole::ALL.map(Hole::name)) {
            Some(near) => format!("did you mean `{{{near}}}`?"),
            None => why.to_string(),
        },
        TemplateError::Brace => why.to_string(),
    })
}
