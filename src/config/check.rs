//! What was written → what is meant: the checks that all sections share, and the sections that stand alone.
//!
//! Nothing stops at the first mistake: what is wrong is said, its default taken, and the rest looked at.

#[cfg(feature = "tls")]
use std::cell::OnceCell;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Found, Span, line_of};
use super::model::{
    AccessLog, Admin, Config, Format, HalfClose, Level, LimitChanges, Limits, Listener, Log,
    Override, Sandbox, Shutdown, TimeoutChanges,
};
use super::raw::{Raw, RawAdmin, RawLimits, RawListen, RawLog, RawTimeouts};
use super::suggest::nearest;
use super::table::{Scalar, Written};
use super::upstream::Upstreams;
use super::value;
use super::{Surroundings, tie};
use crate::http::network::{Network, NetworkError};
use crate::net::address::Address;
#[cfg(feature = "tls")]
use crate::net::tls::roots::Roots;
use crate::proxy::timeout::Timeouts;

/// Where the admin interface listens, when its section does not say.
const ADMIN: &str = "127.0.0.1:8087";
/// More workers than this are a mistake.
const WORKERS_MAX: i64 = 1024;
/// More octets of a request head than this are one too.
const HEAD_OCTETS_MAX: u64 = 1 << 20;

/// What the sections are checked with.
pub(super) struct Check<'a> {
    pub(super) text: &'a str,
    pub(super) around: &'a Surroundings<'a>,
    pub(super) found: &'a Found,
    /// The system's authorities, or why there are none; read when somebody needs them.
    #[cfg(feature = "tls")]
    pub(super) system_roots: OnceCell<Result<Roots, String>>,
    /// Something is written in `trusted_proxies`.
    pub(super) trusts: bool,
    /// Some listener speaks plain HTTP.
    #[cfg(feature = "acme")]
    pub(super) has_plain: bool,
}

/// Who says a timeout or a limit: routes and upstreams come too late for some.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Global,
    Listen,
    Route,
    Upstream,
}

/// Checks a whole file. `None` only where there are errors.
pub(super) fn check(
    raw: &Raw,
    text: &str,
    around: &Surroundings<'_>,
    found: &Found,
) -> Option<Config> {
    let check = Check {
        text,
        around,
        found,
        #[cfg(feature = "tls")]
        system_roots: OnceCell::new(),
        trusts: raw
            .trusted_proxies
            .as_ref()
            .is_some_and(|networks| !networks.value.is_empty()),
        #[cfg(feature = "acme")]
        has_plain: raw.listen.iter().any(|listen| listen.tls.is_none()),
    };
    let timeouts = check.timeouts(&raw.timeouts, Scope::Global);
    let limits = check.limits(&raw.limits, Scope::Global);
    let global = timeouts.over(&Timeouts::default());
    check.request_within_total(&raw.timeouts, &Vec::new(), &global);
    let listeners = check.listeners(raw);
    let admin = raw.admin.as_ref().map(|admin| check.admin(&admin.value));
    check.one_place_each(raw);
    let mut upstreams = Upstreams::new(&check, &raw.upstreams, !raw.streams.is_empty());
    let routes: Vec<_> = raw
        .routes
        .iter()
        .map(|route| check.route(route, &mut upstreams, (&raw.timeouts, &global)))
        .collect();
    let per_ip = limits.over(&Limits::default()).per_ip;
    let streams = raw.streams.iter();
    let streams = streams.map(|stream| check.stream(stream, &mut upstreams, (&global, per_ip)));
    let streams = streams.collect();
    // Who serves no HTTP at all needs neither.
    let no_http = !raw.streams.is_empty() && !raw.has_listen && !raw.has_route;
    if !raw.has_route && !no_http {
        found.push(
            Diagnostic::error(Span::at(0), "there is no route")
                .help("add `[[route]]` with `to = \"HOST:PORT\"`"),
        );
    }
    tie::check(&check, raw, &routes);
    let shutdown = raw.shutdown.as_ref().map(|shutdown| &shutdown.value);
    let usual = Shutdown::default();
    Some(Config {
        workers: check.auto_or(raw.workers.as_ref(), 1..=WORKERS_MAX),
        max_connections: check.auto_or(raw.max_connections.as_ref(), 1..=i64::from(u32::MAX)),
        trusted: check.networks(raw.trusted_proxies.as_ref()),
        shutdown: Shutdown {
            delay: shutdown
                .and_then(|shutdown| check.parsed(shutdown.delay.as_ref(), value::duration))
                .unwrap_or(usual.delay),
            grace: shutdown
                .and_then(|shutdown| check.parsed(shutdown.grace.as_ref(), value::duration))
                .unwrap_or(usual.grace),
        },
        user: check.parsed(raw.user.as_ref(), account),
        group: check.parsed(raw.group.as_ref(), account),
        sandbox: check.sandbox(raw.sandbox.as_ref()),
        log: raw
            .log
            .as_ref()
            .map(|log| check.log(&log.value))
            .unwrap_or_default(),
        admin: admin.flatten(),
        timeouts: global,
        limits: Limits {
            buffers: check
                .parsed(raw.limits.buffers.as_ref(), |text| match text {
                    "auto" => Ok(None),
                    _ => buffers_size(text).map(Some),
                })
                .flatten(),
            ..limits.over(&Limits::default())
        },
        listeners,
        streams,
        upstreams: upstreams.finish(&check),
        routes: routes.into_iter().collect::<Option<_>>()?,
    })
}

impl Check<'_> {
    pub(super) fn error(&self, at: Span, message: impl Into<String>, label: impl Into<String>) {
        self.found.push(Diagnostic::error(at, message).label(label));
    }

    /// Says that a value is not what its key takes.
    pub(super) fn refuse(&self, written: &Written<String>, label: impl Into<String>) {
        let message = format!("`{}` cannot be `{}`", written.name, shown(&written.value));
        self.error(written.at, message, label);
    }

    /// A string, understood by `parse`, which says what would be right.
    pub(super) fn parsed<T>(
        &self,
        written: Option<&Written<String>>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let written = written?;
        match parse(&written.value) {
            Ok(value) => Some(value),
            Err(label) => {
                self.refuse(written, label);
                None
            }
        }
    }

    /// A string that is one of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        written: Option<&Written<String>>,
        words: &[(&str, T)],
    ) -> Option<T> {
        let written = written?;
        let word = written.value.as_str();
        let found = words.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
            let label = nearest(word, names.iter().copied())
                .map_or_else(String::new, |near| format!("did you mean `{near}`?"));
            self.found.push(
                Diagnostic::error(written.at, format!("`{}` cannot be `{word}`", written.name))
                    .label(label)
                    .help(format!("values here: {}", names.join(", "))),
            );
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn number<T: TryFrom<i64>>(
        &self,
        written: Option<&Written<i64>>,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        let written = written?;
        if range.contains(&written.value) {
            return T::try_from(written.value).ok();
        }
        self.error(
            written.at,
            format!("`{}` cannot be {}", written.name, written.value),
            format!("from {} to {}", range.start(), range.end()),
        );
        None
    }

    /// A number in `range`, or the word `auto`: `None`.
    fn auto_or(
        &self,
        written: Option<&Written<Scalar>>,
        range: RangeInclusive<i64>,
    ) -> Option<usize> {
        self.word_or_number(written?, "auto", range).flatten()
    }

    /// The outer `None`: it is neither; that was said.
    fn word_or_number(
        &self,
        written: &Written<Scalar>,
        word: &str,
        range: RangeInclusive<i64>,
    ) -> Option<Option<usize>> {
        match &written.value {
            Scalar::Text(text) if text == word => Some(None),
            Scalar::Text(text) => {
                let message = format!("`{}` cannot be `{}`", written.name, shown(text));
                let label = format!("expected `{word}`, or a number without quotes");
                self.error(written.at, message, label);
                None
            }
            Scalar::Number(number) => {
                let number = written.clone().map(|_| *number);
                self.number(Some(&number), range).map(Some)
            }
        }
    }

    /// Networks; `private` stands for those that nobody on the internet has.
    pub(super) fn networks(&self, written: Option<&Written<Vec<Written<String>>>>) -> Vec<Network> {
        let mut networks: Vec<Network> = Vec::new();
        for text in written.iter().flat_map(|written| &written.value) {
            let found: Vec<Network> = if text.value == "private" {
                Network::private()
            } else {
                let network = self.parsed(Some(text), |text| {
                    text.parse().map_err(|why: NetworkError| why.to_string())
                });
                network.into_iter().collect()
            };
            for network in found {
                if !networks.contains(&network) {
                    networks.push(network);
                }
            }
        }
        networks
    }

    pub(super) fn timeouts(&self, raw: &RawTimeouts, scope: Scope) -> TimeoutChanges {
        let mut changes = TimeoutChanges::default();
        for name in super::TimeoutName::ALL {
            let Some((_, written)) = raw.iter().find(|(key, _)| *key == name.name()) else {
                continue;
            };
            if name.is_of_listener() && matches!(scope, Scope::Route | Scope::Upstream) {
                self.too_late(written.key, &written.name, name.name(), "timeouts");
            }
            if let Some(value) = self.parsed(Some(written), value::timeout) {
                changes.0.insert(name, value);
            }
        }
        changes
    }

    /// Warns of a `request` that `total` ends first, where both were written: `raw` is what is written here, `above`
    /// what is written above. That the usual `request` is longer is no mistake.
    pub(super) fn request_within_total(
        &self,
        raw: &RawTimeouts,
        above: &RawTimeouts,
        timeouts: &Timeouts,
    ) {
        let find = |raw: &RawTimeouts, name| {
            let mut raw = raw.iter();
            raw.find(|(key, _)| *key == name)
                .map(|(_, written)| written.at)
        };
        let (request, total) = (find(raw, "request"), find(raw, "total"));
        let Some(at) = request.or_else(|| total.filter(|_| find(above, "request").is_some()))
        else {
            return;
        };
        if let (Some(request), Some(total)) = (timeouts.request, timeouts.total) {
            if request > total {
                let message = "the timeout `request` is longer than `total`, which ends it first";
                let label = format!(
                    "request is {} here, total {}",
                    value::duration_text(request),
                    value::duration_text(total)
                );
                self.found
                    .push(Diagnostic::warning(at, message).label(label));
            }
        }
    }

    pub(super) fn limits(&self, raw: &RawLimits, scope: Scope) -> LimitChanges {
        let is_late = matches!(scope, Scope::Route | Scope::Upstream);
        let listener_only = [
            raw.head.as_ref().map(|head| (head.key, &head.name, "head")),
            raw.fields
                .as_ref()
                .map(|fields| (fields.key, &fields.name, "fields")),
            raw.per_ip
                .as_ref()
                .map(|per_ip| (per_ip.key, &per_ip.name, "per_ip")),
        ];
        for (key, full, name) in listener_only.into_iter().flatten().filter(|_| is_late) {
            self.too_late(key, full, name, "limits");
        }
        if let (Some(buffers), true) = (&raw.buffers, scope != Scope::Global) {
            self.error(
                buffers.key,
                format!("`{}` is the whole process's", buffers.name),
                "move it to `[limits]`",
            );
        }
        LimitChanges {
            head: self
                .parsed(raw.head.as_ref(), |text| match value::size(text)? {
                    octets @ 256..=HEAD_OCTETS_MAX => Ok(octets as usize),
                    _ => Err("from 256B to 1MiB".to_owned()),
                })
                .map_or(Override::Inherit, Override::Set),
            fields: self
                .number(raw.fields.as_ref(), 1..=10_000)
                .map_or(Override::Inherit, Override::Set),
            body: self
                .parsed(raw.body.as_ref(), value::size_or_unlimited)
                .map_or(Override::Inherit, Override::Set),
            body_rate: self
                .parsed(raw.body_rate.as_ref(), |text| match text {
                    "off" => Ok(None),
                    _ => match NonZeroU64::new(value::size(text)?) {
                        None => {
                            Err("write `off` for none, or `1KiB` for that in a second".to_owned())
                        }
                        rate => Ok(rate),
                    },
                })
                .map_or(Override::Inherit, Override::Set),
            per_ip: raw
                .per_ip
                .as_ref()
                .and_then(|per_ip| self.count_or_unlimited(per_ip))
                .map_or(Override::Inherit, Override::Set),
        }
    }

    fn too_late(&self, key: Span, full: &str, name: &str, section: &str) {
        self.found.push(
            Diagnostic::error(key, format!("`{full}` comes too late"))
                .label("it is over before there is a route")
                .help(format!("set `{name}` in `[{section}]` or in `[[listen]]`")),
        );
    }

    fn listeners(&self, raw: &Raw) -> Vec<Listener> {
        let no_http = !raw.streams.is_empty() && !raw.has_route;
        if !raw.has_listen && !no_http {
            self.found.push(
                Diagnostic::error(Span::at(0), "there is nothing to listen on")
                    .help("add `[[listen]]` with `addr = \"127.0.0.1:8086\"`"),
            );
        }
        raw.listen
            .iter()
            .map(|listen| self.listener(listen))
            .collect()
    }

    fn listener(&self, raw: &RawListen) -> Listener {
        let addresses = self.addresses(raw.addr.as_ref(), raw.has_addr, raw.at, "listen");
        #[cfg(not(feature = "tls"))]
        self.no_tls(raw);
        let half_close = [("cancel", HalfClose::Cancel), ("allow", HalfClose::Allow)];
        let proxy_protocol = raw.proxy_protocol.as_ref().filter(|flag| flag.value);
        self.somebody_is_trusted(proxy_protocol, &addresses);
        Listener {
            addresses,
            proxy_protocol: proxy_protocol.is_some(),
            half_close: self
                .choice(raw.half_close.as_ref(), &half_close)
                .unwrap_or_default(),
            #[cfg(feature = "tls")]
            tls: self.listen_tls(raw),
            redirect: self.https(raw),
            retry: raw.retry.as_ref().is_some_and(|retry| retry.value),
            timeouts: self.timeouts(&raw.timeouts, Scope::Listen),
            limits: self.limits(&raw.limits, Scope::Listen),
        }
    }

    /// What a `[[listen]]` or a `[[stream]]` listens on.
    pub(super) fn addresses(
        &self,
        addr: Option<&Written<Vec<Written<String>>>>,
        is_written: bool,
        at: Span,
        section: &str,
    ) -> Vec<Address> {
        let written = addr.iter().flat_map(|addr| &addr.value);
        let addresses = written.filter_map(|addr| self.parsed(Some(addr), address));
        let addresses = addresses.collect();
        if !is_written {
            self.error(
                at,
                format!("a `[[{section}]]` without `addr`"),
                "add `addr = \"127.0.0.1:8086\"`",
            );
        } else if let Some(addr) = addr.filter(|addr| addr.value.is_empty()) {
            if self.is_empty_list(addr.at) {
                let message = format!("a `[[{section}]]` without an address");
                self.error(addr.at, message, "an empty list");
            }
        }
        addresses
    }

    /// A count of connections, or the word for any number. `None`: it is neither; that was said.
    pub(super) fn count_or_unlimited(&self, written: &Written<Scalar>) -> Option<Option<usize>> {
        self.word_or_number(written, "unlimited", 1..=i64::from(u32::MAX))
    }

    /// Refuses a listener that would refuse everybody.
    pub(super) fn somebody_is_trusted(
        &self,
        proxy_protocol: Option<&Written<bool>>,
        addresses: &[Address],
    ) {
        let by_inet = |address: &Address| matches!(address, Address::Inet(_));
        let Some(flag) = proxy_protocol else { return };
        if self.trusts || !addresses.iter().any(by_inet) {
            return;
        }
        self.found.push(
            Diagnostic::error(
                flag.key,
                format!("`{}` without `trusted_proxies`", flag.name),
            )
            .label("nobody's header would be believed")
            .help("add `trusted_proxies = [\"10.0.0.0/8\"]` at the top: the proxies in front"),
        );
    }

    /// A list was written empty; not: all of it was refused, which was said.
    pub(super) fn is_empty_list(&self, at: Span) -> bool {
        let text = self.text.get(at.start..at.end).unwrap_or_default();
        text.chars()
            .all(|char| matches!(char, '[' | ']') || char.is_whitespace())
    }

    /// No address is listened on twice; the admin interface has one of its own.
    fn one_place_each(&self, raw: &Raw) {
        let mut seen: HashMap<Address, Span> = HashMap::new();
        let listen = raw.listen.iter().filter_map(|listen| listen.addr.as_ref());
        let streams = raw.streams.iter().filter_map(|stream| stream.addr.as_ref());
        let listen = listen.chain(streams);
        let listen = listen.flat_map(|addr| &addr.value);
        let listen = listen.map(|written| (written.value.as_str(), written.at));
        let admin = raw.admin.iter().map(|admin| match &admin.value.listen {
            Some(written) => (written.value.as_str(), written.at),
            None => (ADMIN, admin.key),
        });
        for (text, at) in listen.chain(admin) {
            let Ok(address) = address(text) else {
                continue;
            };
            // Port 0 is another port each time.
            if matches!(&address, Address::Inet(addr) if addr.port() == 0) {
                continue;
            }
            match seen.get(&address) {
                Some(first) => self.error(
                    at,
                    format!("`{address}` is listened on twice"),
                    format!("already in line {}", line_of(self.text, first.start)),
                ),
                None => {
                    seen.insert(address, at);
                }
            }
        }
    }

    fn admin(&self, raw: &RawAdmin) -> Option<Admin> {
        let allow = self.networks(raw.allow.as_ref());
        let local = |text: &str| {
            let address = address(text)?;
            // What is written in `allow` and refused is one mistake, not two.
            let is_allowed = raw.allow.iter().any(|allow| !allow.value.is_empty());
            if address.is_local() || is_allowed {
                Ok(address)
            } else {
                Err(
                    "not on this machine; use loopback or `unix:PATH`, or say in `allow` who may"
                        .to_owned(),
                )
            }
        };
        let listen = match &raw.listen {
            Some(written) => self.parsed(Some(written), local),
            None => address(ADMIN).ok(),
        };
        if let (Some(written), Some(true), false) = (
            &raw.allow,
            listen.as_ref().map(Address::is_local),
            allow.is_empty(),
        ) {
            let message = "`admin.allow` does nothing: the interface is on this machine only";
            self.found
                .push(Diagnostic::warning(written.key, message).label("nobody else gets there"));
        }
        let hosts = raw.hosts.iter().flat_map(|hosts| &hosts.value);
        let hosts = hosts
            .filter_map(|host| {
                self.parsed(Some(host), |text| {
                    let is_host = crate::http::target::parse_authority(text.as_bytes()).is_ok();
                    let host = text.to_ascii_lowercase();
                    is_host
                        .then_some(host)
                        .ok_or_else(|| "expected a host name".to_owned())
                })
            })
            .collect();
        Some(Admin {
            listen: listen?,
            hosts,
            allow,
        })
    }

    fn sandbox(&self, written: Option<&Written<String>>) -> Sandbox {
        let words = [Sandbox::Off, Sandbox::Try, Sandbox::Require].map(|it| (it.name(), it));
        let sandbox = self.choice(written, &words).unwrap_or_default();
        if let (Some(written), false) = (written, cfg!(feature = "sandbox")) {
            let message = "this osier was built without the feature `sandbox`";
            let said = match sandbox {
                Sandbox::Off => return sandbox,
                Sandbox::Try => {
                    Diagnostic::warning(written.at, message).label("it changes nothing")
                }
                Sandbox::Require => Diagnostic::error(written.at, message),
            };
            self.found
                .push(said.help("build it with `cargo build --release --features sandbox`"));
        }
        sandbox
    }

    fn log(&self, raw: &RawLog) -> Log {
        let formats = [
            ("logfmt", Format::Logfmt),
            ("json", Format::Json),
            ("combined", Format::Combined),
        ];
        let levels = [
            ("error", Level::Error),
            ("warn", Level::Warn),
            ("info", Level::Info),
            ("debug", Level::Debug),
        ];
        Log {
            access: self
                .parsed(raw.access.as_ref(), access_log)
                .unwrap_or_default(),
            format: self
                .choice(raw.format.as_ref(), &formats)
                .unwrap_or_default(),
            level: self.choice(raw.level.as_ref(), &levels).unwrap_or_default(),
            redact_query: raw.redact_query.as_ref().is_some_and(|flag| flag.value),
        }
    }
}

/// A value as a message shows it: its beginning, where it is long or of several lines.
pub(super) fn shown(value: &str) -> String {
    const CHARS_MAX: usize = 60;
    let line = value.lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(CHARS_MAX).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

/// An address to listen on.
fn address(text: &str) -> Result<Address, String> {
    let plain = text.strip_prefix("http://").unwrap_or(text);
    plain
        .trim_end_matches('/')
        .parse()
        .map_err(|error: crate::net::address::AddressError| error.to_string())
}

fn access_log(text: &str) -> Result<AccessLog, String> {
    match text {
        "off" => Ok(AccessLog::Off),
        "stdout" => Ok(AccessLog::Stdout),
        "unix:" => Err("`unix:` needs a path behind it".to_owned()),
        _ => match text.strip_prefix("unix:") {
            Some(path) => Ok(AccessLog::Unix(PathBuf::from(path))),
            // A word alone is rather a mistyped one than a file's name.
            None if text.contains('/') || text.contains('.') => {
                Ok(AccessLog::File(PathBuf::from(text)))
            }
            None => Err(nearest(text, ["off", "stdout"]).map_or_else(
                || "expected `off`, `stdout`, `unix:PATH` or the path of a file".to_owned(),
                |near| format!("did you mean `{near}`? a file is written with a `/`"),
            )),
        },
    }
}

/// A user's or a group's name or number.
fn account(text: &str) -> Result<String, String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
    let is_name = !text.is_empty() && !text.starts_with('-') && text.bytes().all(plain);
    is_name
        .then(|| text.to_owned())
        .ok_or_else(|| "expected the name of an account".to_owned())
}

/// With a few kibioctets every exchange would be turned away: its own head is the first that they are for.
fn buffers_size(text: &str) -> Result<u64, String> {
    match value::size(text)? {
        octets if octets < 64 * 1024 => Err("at least `64KiB`".to_owned()),
        octets => Ok(octets),
    }
}
