//! What is meant: plain data with every default applied.

use std::collections::BTreeMap;
use std::fmt;
#[cfg(feature = "tls")]
use std::io;
use std::num::NonZeroU64;
#[cfg(feature = "tls")]
use std::path::Path;
use std::path::PathBuf;
#[cfg(feature = "auth")]
use std::sync::Arc;
use std::time::Duration;
#[cfg(feature = "tls")]
use std::time::SystemTime;

use super::value::Rate;
#[cfg(feature = "auth")]
use crate::auth::Users;
use crate::balance::{Eject, Policy};
use crate::http::deadline::DeadlineField;
use crate::http::limits::Limits as HeadLimits;
use crate::http::network::Network;
use crate::net::address::Address;
use crate::net::pool;
use crate::net::proxy_protocol::Version;
#[cfg(feature = "tls")]
use crate::net::tls::acceptor::Terms;
#[cfg(feature = "acme")]
use crate::net::tls::acme::{Proof, order::Wanted};
#[cfg(feature = "tls")]
use crate::net::tls::certificate::{Authorities, Identity};
#[cfg(feature = "tls")]
use crate::net::tls::origin::Client;
use crate::net::tls::version::Version as TlsVersion;
#[cfg(feature = "tls")]
use crate::net::tls::wall::Floor;
use crate::proxy::gateway::Host;
use crate::proxy::retry::Retry;
use crate::proxy::route::{HostPattern, Matchers};
use crate::proxy::site::{ForwardAuth, HashBy, Hedge, Mirror, StreamTimeouts};
use crate::proxy::template::Template;
use crate::proxy::timeout::Timeouts;

/// A whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// How many workers; `None`: one per core.
    pub workers: Option<usize>,
    /// How many client connections at most; `None`: as many as the descriptors allow.
    pub max_connections: Option<usize>,
    /// Networks whose `X-Forwarded-*` is believed and appended to.
    pub trusted: Vec<Network>,
    /// How it ends.
    pub shutdown: Shutdown,
    /// The user to become after binding.
    pub user: Option<String>,
    /// The group to become after binding; `None`: the user's.
    pub group: Option<String>,
    /// What is taken from the process when all is bound.
    pub sandbox: Sandbox,
    /// What is logged, and where.
    pub log: Log,
    /// The admin interface, if there is one.
    pub admin: Option<Admin>,
    /// How long things may take, where listener, route and upstream do not say otherwise.
    pub timeouts: Timeouts,
    /// How large they may be, likewise.
    pub limits: Limits,
    /// Where requests come from; empty only where there are streams.
    pub listeners: Vec<Listener>,
    /// Connections that carry no HTTP.
    pub streams: Vec<Stream>,
    /// Where requests and streams can go: first those with a section, then one for each address that a route or a
    /// stream names itself.
    pub upstreams: Vec<Upstream>,
    /// What is done with requests; empty only where there are streams. The order means nothing.
    pub routes: Vec<Route>,
}

impl Config {
    /// The timeouts of an exchange: the upstream's, else the route's, else the listener's, else the global ones.
    #[must_use]
    pub fn timeouts_of(
        &self,
        listener: &Listener,
        route: &Route,
        upstream: Option<&Upstream>,
    ) -> Timeouts {
        let timeouts = listener.timeouts.over(&self.timeouts);
        let timeouts = route.timeouts.over(&timeouts);
        match upstream {
            Some(upstream) => upstream.timeouts.over(&timeouts),
            None => timeouts,
        }
    }

    /// The limits of an exchange, inherited as the timeouts are.
    #[must_use]
    pub fn limits_of(
        &self,
        listener: &Listener,
        route: &Route,
        upstream: Option<&Upstream>,
    ) -> Limits {
        let mut limits = listener.limits.over(&self.limits);
        limits = route.limits.over(&limits);
        upstream.map_or(limits, |upstream| upstream.limits.over(&limits))
    }
}

/// Whether the process gives up what a gateway never needs: files that nobody named, and system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sandbox {
    /// It keeps everything.
    #[default]
    Off,
    /// As far as the kernel helps; what is missing is said.
    Try,
    /// All of it, or there is no start.
    Require,
}

impl Sandbox {
    /// The word for it in a file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Try => "try",
            Self::Require => "require",
        }
    }
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// How long it still accepts after it has said that it is going.
    pub delay: Duration,
    /// How long what runs may go on after that.
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            grace: Duration::from_secs(30),
        }
    }
}

/// What is logged, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// Where access records go.
    pub access: AccessLog,
    /// What an access record looks like.
    pub format: Format,
    /// What osier says of itself.
    pub level: Level,
    /// Queries are left out of access records.
    pub redact_query: bool,
}

/// Where access records go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A datagram socket, such as the system log's.
    Unix(PathBuf),
    /// A file, appended to.
    File(PathBuf),
}

/// What an access record looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `key=value`.
    #[default]
    Logfmt,
    /// One object per line.
    Json,
    /// As Apache's combined log.
    Combined,
}

/// What osier says of itself: this and what is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// What it cannot do.
    Error,
    /// What it does otherwise than one would expect.
    Warn,
    /// What it does.
    #[default]
    Info,
    /// Why it does so.
    Debug,
}

/// The admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens: on this machine only, unless `allow` lets somebody else in.
    pub listen: Address,
    /// Further Host values that are believed.
    pub hosts: Vec<String>,
    /// Networks that are let in; this machine always is. Whoever is elsewhere is not answered.
    pub allow: Vec<Network>,
}

/// How large things may be. `None`: without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a request head.
    pub head: usize,
    /// Field lines of a request.
    pub fields: usize,
    /// Octets of a request's content.
    pub body: Option<u64>,
    /// Octets of a body that have to come in each second, on the whole, and to be taken.
    pub body_rate: Option<NonZeroU64>,
    /// Connections from one address.
    pub per_ip: Option<usize>,
    /// Octets of all buffers of the process; `None`: from the memory there is. Global only.
    pub buffers: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        let head = HeadLimits::default();
        Self {
            head: head.head_octets_max,
            fields: head.fields_max,
            body: None,
            body_rate: None,
            per_ip: None,
            buffers: None,
        }
    }
}

/// A value that is inherited unless it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Override<T> {
    /// What holds above holds here.
    #[default]
    Inherit,
    /// This holds.
    Set(T),
}

impl<T: Copy> Override<T> {
    fn over(self, base: T) -> T {
        match self {
            Self::Inherit => base,
            Self::Set(value) => value,
        }
    }
}

/// The limits that a listener, route or upstream says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitChanges {
    /// [`Limits::head`]; of listeners only.
    pub head: Override<usize>,
    /// [`Limits::fields`]; of listeners only.
    pub fields: Override<usize>,
    /// [`Limits::body`].
    pub body: Override<Option<u64>>,
    /// [`Limits::body_rate`].
    pub body_rate: Override<Option<NonZeroU64>>,
    /// [`Limits::per_ip`]; of listeners only.
    pub per_ip: Override<Option<usize>>,
}

impl LimitChanges {
    /// `base` with these changes.
    #[must_use]
    pub fn over(&self, base: &Limits) -> Limits {
        Limits {
            head: self.head.over(base.head),
            fields: self.fields.over(base.fields),
            body: self.body.over(base.body),
            body_rate: self.body_rate.over(base.body_rate),
            per_ip: self.per_ip.over(base.per_ip),
            buffers: base.buffers,
        }
    }
}

/// One of the [`Timeouts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the field of its name")]
pub enum TimeoutName {
    Request,
    Total,
    Header,
    Idle,
    Body,
    Connect,
    Response,
    Tunnel,
    TunnelMax,
}

impl TimeoutName {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Request,
        Self::Total,
        Self::Header,
        Self::Idle,
        Self::Body,
        Self::Connect,
        Self::Response,
        Self::Tunnel,
        Self::TunnelMax,
    ];

    /// Its key in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Total => "total",
            Self::Header => "header",
            Self::Idle => "idle",
            Self::Body => "body",
            Self::Connect => "connect",
            Self::Response => "response",
            Self::Tunnel => "tunnel",
            Self::TunnelMax => "tunnel_max",
        }
    }

    /// It runs before a route is known: routes and upstreams have no say in it.
    #[must_use]
    pub fn is_of_listener(self) -> bool {
        matches!(self, Self::Header | Self::Idle)
    }

    /// Its place among the timeouts.
    pub fn of(self, timeouts: &mut Timeouts) -> &mut Option<Duration> {
        match self {
            Self::Request => &mut timeouts.request,
            Self::Total => &mut timeouts.total,
            Self::Header => &mut timeouts.header,
            Self::Idle => &mut timeouts.idle,
            Self::Body => &mut timeouts.body,
            Self::Connect => &mut timeouts.connect,
            Self::Response => &mut timeouts.response,
            Self::Tunnel => &mut timeouts.tunnel,
            Self::TunnelMax => &mut timeouts.tunnel_max,
        }
    }
}

/// The timeouts that a listener, route or upstream says itself. `None` is off, as in [`Timeouts`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeoutChanges(pub BTreeMap<TimeoutName, Option<Duration>>);

impl TimeoutChanges {
    /// `base` with these changes.
    #[must_use]
    pub fn over(&self, base: &Timeouts) -> Timeouts {
        let mut timeouts = base.clone();
        for (name, value) in &self.0 {
            *name.of(&mut timeouts) = *value;
        }
        timeouts
    }
}

/// One `[[listen]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// The addresses; never empty.
    pub addresses: Vec<Address>,
    /// What a client's FIN before the response means.
    pub half_close: HalfClose,
    /// Connections begin with a PROXY protocol header, of a trusted proxy.
    pub proxy_protocol: bool,
    /// An address that is not there yet is tried again.
    pub retry: bool,
    /// How TLS is spoken there, where it is.
    #[cfg(feature = "tls")]
    pub tls: Option<ListenTls>,
    /// All requests are told to come to this port, by `https`.
    pub redirect: Option<u16>,
    /// Its own timeouts.
    pub timeouts: TimeoutChanges,
    /// Its own limits.
    pub limits: LimitChanges,
}

/// One `[[stream]]`: connections that carry no HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The addresses; never empty.
    pub addresses: Vec<Address>,
    /// Where they go, as a number of [`Config::upstreams`]; with `sni`, where those go that it has no place for, and
    /// what is no TLS.
    pub to: Option<usize>,
    /// Where they go by the name that a TLS client asks for; `None` in place of a pattern is every other name, and none.
    pub sni: Option<Vec<(Option<HostPattern>, usize)>>,
    /// Connections begin with a PROXY protocol header, of a trusted proxy.
    pub proxy_protocol: bool,
    /// An address that is not there yet is tried again.
    pub retry: bool,
    /// Who is let in; nobody else, unless it is empty.
    pub allow: Vec<Network>,
    /// Who is not.
    pub deny: Vec<Network>,
    /// How long things may take.
    pub timeouts: StreamTimeouts,
    /// How much there may be.
    pub limits: StreamLimits,
}

impl Stream {
    /// What logs and metrics call it: its first address, as it is written.
    #[must_use]
    pub fn name(&self) -> String {
        let first = self.addresses.first();
        first.map(Address::to_string).unwrap_or_default()
    }
}

/// How much of a stream there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections from one address. `None`: without limit.
    pub per_ip: Option<usize>,
}

/// How TLS is spoken to clients.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// Who osier is, by the name that a client asks for; the first one to a client that names none. Never empty.
    pub pairs: Vec<TlsPair>,
    /// The file with those who vouch for clients, and its content; `None`: clients are not asked for a certificate.
    pub client_ca: Option<(PathBuf, Authorities)>,
    /// A client without a certificate is let in too.
    pub is_client_optional: bool,
    /// TLS 1.2 is not spoken.
    pub is_only_13: bool,
    /// A clock that says that it is earlier than the build is not believed.
    pub has_clock_floor: bool,
}

#[cfg(feature = "tls")]
impl OriginTls {
    /// Those of its files that are looked at again while the process runs; not the system's.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        identity.chain(&self.ca).map(PathBuf::as_path)
    }

    /// Reads its files again, by `file`. What is as it was is not told of; what cannot be used stays as it was.
    pub fn renew(&mut self, file: &dyn Fn(&Path) -> io::Result<Vec<u8>>, told: &mut Vec<Renewal>) {
        let mut terms = self.client.terms().clone();
        let mut tell = |path: &Path, outcome| {
            let path = path.to_owned();
            told.push(Renewal { path, outcome });
        };
        if let Some((cert, key)) = &self.identity {
            match read_identity(cert, key, file) {
                Ok(again) if Some(&again) == terms.identity.as_ref() => {}
                Ok(again) => {
                    tell(cert, Ok(Some(again.facts().until)));
                    terms.identity = Some(again);
                }
                Err((path, why)) => tell(&path, Err(why)),
            }
        }
        if let Some(path) = &self.ca {
            match read_authorities(path, file) {
                Ok(again) if Some(&again) == terms.roots.as_ref() => {}
                Ok(again) => {
                    tell(path, Ok(None));
                    terms.roots = Some(again);
                }
                Err(why) => tell(path, Err(why)),
            }
        }
        if terms != *self.client.terms() {
            // These make one as those did before.
            if let Ok(client) = Client::new(terms) {
                self.client = client;
            }
        }
    }
}

/// # Errors
/// The file that is no good, and why.
#[cfg(feature = "tls")]
fn read_identity(
    cert: &Path,
    key: &Path,
    file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Identity, (PathBuf, String)> {
    let read = |path: &Path| file(path).map_err(|error| (path.to_owned(), error.to_string()));
    let (chain, private) = (read(cert)?, read(key)?);
    Identity::from_pem(&chain, &private).map_err(|flaw| {
        let path = if flaw.is_of_key() { key } else { cert };
        (path.to_owned(), flaw.to_string())
    })
}

/// # Errors
/// Why the file is no good.
#[cfg(feature = "tls")]
fn read_authorities(
    path: &Path,
    file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Authorities, String> {
    let content = file(path).map_err(|error| error.to_string())?;
    Authorities::from_pem(&content).map_err(|flaw| flaw.to_string())
}

/// What came of reading a certificate again that has changed.
#[cfg(feature = "tls")]
#[derive(Debug)]
pub struct Renewal {
    /// The file that is told of.
    pub path: PathBuf,
    /// It is in use from now on, where it says so until when; or it is not, and why.
    pub outcome: Result<Option<SystemTime>, String>,
}

#[cfg(feature = "tls")]
impl ListenTls {
    /// All of its files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.pairs.iter().flat_map(|it| [&it.cert, &it.key]);
        let clients = self.client_ca.iter().map(|(path, _)| path);
        pairs.chain(clients).map(PathBuf::as_path)
    }

    /// Reads its files again, by `file`. What is as it was is not told of; what cannot be used stays as it was.
    pub fn renew(&mut self, file: &dyn Fn(&Path) -> io::Result<Vec<u8>>, told: &mut Vec<Renewal>) {
        for pair in &mut self.pairs {
            match read_identity(&pair.cert, &pair.key, file) {
                Ok(identity) if Some(&identity) == pair.identity.as_ref() => {}
                Ok(identity) => {
                    told.push(Renewal {
                        path: pair.cert.clone(),
                        outcome: Ok(Some(identity.facts().until)),
                    });
                    pair.identity = Some(identity);
                }
                // It is not there yet.
                Err(_) if pair.identity.is_none() => {}
                Err((path, why)) => told.push(Renewal {
                    path,
                    outcome: Err(why),
                }),
            }
        }
        let Some((path, authorities)) = &mut self.client_ca else {
            return;
        };
        let outcome = match read_authorities(path, file) {
            Ok(again) if again == *authorities => return,
            Ok(again) => {
                *authorities = again;
                Ok(None)
            }
            Err(why) => Err(why),
        };
        told.push(Renewal {
            path: path.clone(),
            outcome,
        });
    }

    /// The certificates that are asked for.
    #[cfg(feature = "acme")]
    pub fn acme(&self) -> impl Iterator<Item = &Acme> {
        self.pairs.iter().filter_map(|it| it.acme.as_ref())
    }

    /// The names of those that are not there yet.
    #[cfg(feature = "acme")]
    fn awaited(&self) -> Vec<String> {
        let pairs = self.pairs.iter().filter(|it| it.identity.is_none());
        let names = pairs.filter_map(|it| Some(&it.acme.as_ref()?.wanted.names));
        names.flatten().cloned().collect()
    }

    /// Has what was asked for in the same way `before`, where it is not in its file any more.
    #[cfg(feature = "acme")]
    pub fn keep(&mut self, before: &Self) {
        for pair in self.pairs.iter_mut().filter(|it| it.identity.is_none()) {
            let mut before = before.pairs.iter();
            let same = before.find(|it| it.acme.is_some() && it.cert == pair.cert);
            pair.identity = same.and_then(|it| it.identity.clone());
        }
    }

    /// As early as it can be.
    #[must_use]
    pub fn floor(&self) -> Floor {
        match self.has_clock_floor {
            true => Floor::default(),
            false => Floor::None,
        }
    }

    /// What an acceptor is made by.
    #[must_use]
    pub fn terms(&self) -> Terms {
        let identities = self.pairs.iter().filter_map(|it| it.identity.clone());
        Terms {
            identities: identities.collect(),
            #[cfg(feature = "acme")]
            awaited: self.awaited(),
            #[cfg(feature = "acme")]
            is_looked_at: self.acme().any(|it| it.wanted.proof == Proof::TlsAlpn01),
            clients: self.client_ca.as_ref().map(|(_, it)| it.clone()),
            clients_may_be_nobody: self.is_client_optional,
            only_tls13: self.is_only_13,
            floor: self.floor(),
        }
    }
}

/// A certificate with its key.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPair {
    /// The file with the chain.
    pub cert: PathBuf,
    /// The file with the key; it may be the same.
    pub key: PathBuf,
    /// What was in them. `None`: they are not there yet, only where they are asked for.
    pub identity: Option<Identity>,
    /// They are asked for: of whom, and how.
    #[cfg(feature = "acme")]
    pub acme: Option<Acme>,
}

/// A certificate that an authority is asked for.
#[cfg(feature = "acme")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// What is asked for, and of whom.
    pub wanted: Wanted,
    /// The folder where it is kept, with the key of the account.
    pub cache: PathBuf,
    /// The file with those who vouch for the authority's directory; `None`: whom the system believes.
    pub ca: Option<PathBuf>,
}

#[cfg(feature = "acme")]
impl Acme {
    /// The file that the certificate is kept in, with its key. Other names, and those of another authority, have another.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        const LEGIBLE_MAX: usize = 100;
        let first = self.wanted.names.first().map_or("", String::as_str);
        let first = first.get(..LEGIBLE_MAX).unwrap_or(first);
        let which = self.digest(&self.wanted.names);
        self.cache.join(format!("{first}-{which}.pem"))
    }

    /// The file that the key of the account is kept in.
    #[must_use]
    pub fn account(&self) -> PathBuf {
        let which = self.digest(&self.wanted.contact);
        self.cache.join(format!("account-{which}.der"))
    }

    /// What tells these, of this authority, from others: enough of it for names of files.
    fn digest(&self, texts: &[String]) -> String {
        let mut sha1 = sha1_smol::Sha1::new();
        for text in std::iter::once(&self.wanted.directory).chain(texts) {
            sha1.update(text.as_bytes());
            sha1.update(b"\n");
        }
        sha1.digest().to_string().chars().take(12).collect()
    }
}

/// What a client's FIN before the response means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HalfClose {
    /// It went away.
    #[default]
    Cancel,
    /// It has said all, and still listens.
    Allow,
}

/// One `[upstream.NAME]`, or an address that a route names itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Its name; of an address in a route that address, as the endpoint is written.
    pub name: String,
    /// It has no section of its own.
    pub is_implicit: bool,
    /// Where it is; never empty, and not all without weight.
    pub endpoints: Vec<Endpoint>,
    /// How one of its endpoints is picked.
    pub balance: Balance,
    /// How many connections there may be to each endpoint, in the whole process.
    pub max_connections: Option<u32>,
    /// Who waits where there may be no more.
    pub queue: Queue,
    /// How its endpoints are probed.
    pub health: Option<Health>,
    /// When an endpoint that fails is left alone.
    pub eject: Option<Eject>,
    /// How long an endpoint that has come back gets less than its share.
    pub slow_start: Duration,
    /// How often names are looked up again.
    pub resolve_every: Duration,
    /// Names without a port are those of services (RFC 2782).
    pub resolve_srv: bool,
    /// The cookie that keeps a client at its endpoint.
    pub sticky: Option<String>,
    /// How origins are told what is left of the budget.
    pub deadline_header: Option<DeadlineField>,
    /// All its endpoints are spoken to by TLS, and how; else none is.
    pub tls: Option<OriginTls>,
    /// Which PROXY protocol header connections begin with, if any.
    pub send_proxy: Option<Version>,
    /// Idle connections.
    pub keepalive: Keepalive,
    /// Its own timeouts.
    pub timeouts: TimeoutChanges,
    /// Its own limits.
    pub limits: LimitChanges,
}

/// How an upstream's endpoints are spoken to by TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginTls {
    /// Whose certificate they show; `None`: that of the host in `to`.
    pub sni: Option<String>,
    /// The authorities that are believed; `None`: the system's.
    pub ca: Option<PathBuf>,
    /// What shows them who we are: a certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whoever answers is believed.
    pub insecure: bool,
    /// No older version is spoken.
    pub min_version: TlsVersion,
    /// The files that were read for it.
    pub files: Vec<PathBuf>,
    /// Our side of it, made from these.
    #[cfg(feature = "tls")]
    pub client: Client,
}

/// For people.
impl fmt::Display for OriginTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.ca, self.insecure) {
            (_, true) => f.write_str("whoever answers is believed (insecure)")?,
            (Some(path), _) => write!(f, "verified by {}", path.display())?,
            (None, _) => f.write_str("verified by the system's authorities")?,
        }
        if let Some(name) = &self.sni {
            write!(f, ", as {name}")?;
        }
        if let Some((path, _)) = &self.identity {
            write!(f, ", we show {}", path.display())?;
        }
        write!(f, ", TLS {} and above", self.min_version.as_str())
    }
}

/// One address of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// It is spoken to by TLS, as all of its upstream are.
    pub is_tls: bool,
    /// `HOST:PORT` in lower case, looked up by who connects, or `unix:PATH`; of a service its name, in lower case.
    pub authority: String,
    /// It stands for all the endpoints that the records of a service name.
    pub is_service: bool,
    /// The path in front of every path, without a slash at its end; empty for none.
    pub base_path: String,
    /// How much of the upstream's requests it gets, beside the others. 0: none.
    pub weight: u32,
    /// It gets something only when the others are out.
    pub backup: bool,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.is_tls {
            _ if self.is_service || self.authority.starts_with("unix:") => "",
            true => "https://",
            false if self.base_path.is_empty() => "",
            false => "http://",
        };
        write!(f, "{scheme}{}{}", self.authority, self.base_path)
    }
}

/// How an endpoint is picked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Balance {
    /// By which rule.
    pub policy: Policy,
    /// What the key is, for [`Policy::Hash`].
    pub hash: HashBy,
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.policy {
            Policy::RoundRobin => "round_robin",
            Policy::LeastConn => "least_conn",
            Policy::P2c => "p2c",
            Policy::Ewma => "ewma",
            Policy::Random => "random",
            Policy::First => "first",
            Policy::Hash => match &self.hash {
                HashBy::Ip => "hash:ip",
                HashBy::Path => "hash:path",
                HashBy::Header(name) => return write!(f, "hash:header:{name}"),
                HashBy::Cookie(name) => return write!(f, "hash:cookie:{name}"),
            },
        })
    }
}

/// Who waits for a connection where there may be no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many requests, for each endpoint.
    pub max: u32,
    /// How long each.
    pub timeout: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            max: 100,
            timeout: Duration::from_secs(2),
        }
    }
}

/// How endpoints are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for; `None`: a connection is enough.
    pub path: Option<String>,
    /// How often.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// After how many good ones in a row an endpoint that was out is back.
    pub rise: u32,
    /// After how many bad ones in a row it is out.
    pub fall: u32,
    /// The first and the last of each range of statuses that are good.
    pub expect: Vec<(u16, u16)>,
}

/// Idle connections to one upstream's endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// How long one may idle.
    pub idle: Duration,
    /// How many are kept per endpoint and worker; 0: none.
    pub max_idle: usize,
    /// How old one may become.
    pub max_age: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        let usual = pool::Keepalive::default();
        Self {
            idle: usual.idle,
            max_idle: usual.max_idle,
            max_age: usual.max_age,
        }
    }
}

/// One `[[route]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Which requests it is for.
    pub matchers: Matchers,
    /// What is done with them.
    pub action: Action,
    /// What is sent in place of the path.
    pub rewrite: Rewrite,
    /// Which spelling of the path counts.
    pub paths: Paths,
    /// What the origin sees as Host.
    pub host_header: Host,
    /// Changes to the request's fields.
    pub request: Edits,
    /// Changes to the response's fields.
    pub response: Edits,
    /// Its own timeouts.
    pub timeouts: TimeoutChanges,
    /// Its own limits.
    pub limits: LimitChanges,
    /// When a request is tried again.
    pub retry: Retry,
    /// When it goes to another endpoint too.
    pub hedge: Option<Hedge>,
    /// Where a copy of it goes; the number is one of [`Config::upstreams`].
    pub mirror: Option<Mirror>,
    /// How its client shows that it may pass.
    pub auth: Option<Auth>,
    /// Who is let in; nobody else, unless it is empty.
    pub allow: Vec<Network>,
    /// Who is not.
    pub deny: Vec<Network>,
    /// Fields in which a client may shorten its budget.
    pub accept_deadline: Vec<DeadlineField>,
    /// Whose; `None`: of the trusted proxies.
    pub accept_deadline_from: Option<Vec<Network>>,
    /// How much a client may ask for.
    pub rate_limit: Option<RateLimit>,
    /// Protocols a connection may be switched to, in lower case.
    pub upgrade: Vec<String>,
    /// How the origin is told who asks.
    pub forwarded: Forwarded,
    /// `Via` is added to requests and responses, or to neither. `None`: to requests, as a gateway has to (RFC 9110 §7.6.3).
    pub via: Option<bool>,
    /// What becomes of the request's id.
    pub request_id: RequestId,
    /// What is answered in place of osier's own error pages, by status.
    pub errors: BTreeMap<u16, ErrorPage>,
}

/// How a client shows that its request may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Somebody else is asked; the number is one of [`Config::upstreams`].
    Forward(ForwardAuth),
    /// With a password, for one of the users of a file.
    #[cfg(feature = "auth")]
    Basic {
        /// Where the file is.
        path: PathBuf,
        /// Who is in it.
        users: Arc<Users>,
    },
}

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It goes to one of these; never empty, and not all without weight.
    Forward(Vec<Share>),
    /// The client is told to go elsewhere.
    Redirect {
        /// Where to.
        to: Template,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// osier answers itself.
    Respond {
        /// From 200 to 599.
        status: u16,
        /// The content.
        body: String,
    },
}

/// An upstream's share of a route's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which of [`Config::upstreams`].
    pub upstream: usize,
    /// How much it gets, beside the others. 0: nothing.
    pub weight: u32,
}

/// What is sent in place of the path. Both act on the normalised path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rewrite {
    /// The path is sent as it is.
    #[default]
    Keep,
    /// This is taken off its front, where whole segments of it are there; what is left begins with `/`.
    Strip(String),
    /// This is sent.
    To(Template),
}

/// Which spelling of the path counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paths {
    /// The origin gets the client's.
    #[default]
    Raw,
    /// The origin gets the normalised one.
    Normal,
    /// 400 where the two differ, or the path has `%2F`, `%5C` or `%00`.
    Strict,
}

/// Changes to a message's fields: first `remove`, then `set`, then `add`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edits {
    /// These fields get these values, whether they were there or not.
    pub set: Vec<(String, Template)>,
    /// These lines are added.
    pub add: Vec<(String, Template)>,
    /// These fields are taken out.
    pub remove: Vec<String>,
}

impl Edits {
    /// Nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// How much a client may ask for; at least one of the two is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests in a time.
    pub rate: Option<Rate>,
    /// How many at once, when there were none for a while.
    pub burst: u32,
    /// Who is counted as one.
    pub per: Per,
    /// How many may run at the same time.
    pub concurrent: Option<u32>,
}

/// Who is counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Per {
    /// An address.
    #[default]
    Ip,
    /// All who send this field with the same value. The name in lower case.
    Header(String),
    /// The route as a whole.
    Route,
}

/// How the origin is told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Forwarded {
    /// `X-Forwarded-For`, `-Host`, `-Proto`.
    #[default]
    X,
    /// `Forwarded` (RFC 7239).
    Rfc7239,
    /// Both.
    Both,
    /// Not at all; what a client sends of these is still taken out.
    Off,
}

/// What becomes of the request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestId {
    /// A client's is kept, else one is made.
    #[default]
    Keep,
    /// One is made.
    Make,
    /// Nothing is added.
    Off,
}

/// What is answered in place of one of osier's own error pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorPage {
    /// The file.
    pub path: PathBuf,
    /// What was in it when the configuration was read.
    pub content: Vec<u8>,
}
