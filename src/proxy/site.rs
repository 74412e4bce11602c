//! What a gateway serves, as one configuration says it: listeners, routes and upstreams.
//!
//! A site is made once and never changed. All workers share it, and an exchange keeps the one it began with; a reload
//! makes another.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Answer;
use super::edit::{Edit, Edits};
use super::gateway::{Endpoint, Host, Rules, Target};
use super::hooks::Hooks;
use super::retry::Retry;
use super::rewrite::{Paths, Rewrite};
use super::route::{Matchers, Table};
use super::split::Split;
use super::stream::ServerNames;
use super::template::{Part, Template};
use super::timeout::Timeouts;
#[cfg(feature = "auth")]
use crate::auth::{Users, Verifier};
use crate::balance::{Eject, Policy, State};
use crate::http::deadline::DeadlineField;
use crate::http::forward::ForwardedStyle;
use crate::http::limits::Limits;
use crate::http::network::Network;
use crate::limit::{Limiter, Permits};
use crate::net::pool::Keepalive;
use crate::net::proxy_protocol::Version;
use crate::net::service::Service;
#[cfg(feature = "tls")]
use crate::net::tls::acceptor::Acceptor;
#[cfg(feature = "acme")]
use crate::net::tls::acme::challenge::Challenges;

/// What a gateway serves.
#[derive(Debug, Default)]
pub struct Site {
    /// What sessions are held to before a route is known; by the listener's number, which it keeps over reloads. A
    /// listener that is gone has none: its sessions end when they idle.
    pub listeners: Vec<Option<Listen>>,
    /// Which route a request is for.
    pub table: Table,
    /// The routes, in the order the table knows them by.
    pub routes: Vec<Route>,
    /// What is done with connections that carry no HTTP.
    pub streams: Vec<StreamRules>,
    /// Where requests and streams go.
    pub upstreams: Vec<Upstream>,
    /// Networks whose `X-Forwarded-*` is believed and appended to.
    pub trusted: Vec<Network>,
    /// A library user's own code.
    pub hooks: Hooks,
    /// What authorities are shown; kept over reloads.
    #[cfg(feature = "acme")]
    pub challenges: Challenges,
}

/// What an exchange is held to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// How long things may take.
    pub timeouts: Timeouts,
    /// How large they may be.
    pub limits: Limits,
    /// How many octets of a body have to come in each second, on the whole, and to be taken. `None`: no matter.
    pub body_rate: Option<NonZeroU64>,
}

/// What the sessions of one listener are held to.
#[derive(Debug, Clone, Default)]
pub struct Listen {
    /// Its place in [`Route::terms`]; addresses of one listener share it.
    pub slot: usize,
    /// Until a route is known.
    pub terms: Arc<Terms>,
    /// A client's FIN before the response is no farewell: it may still listen.
    pub half_close: bool,
    /// How many connections one address may have.
    pub per_ip: Option<usize>,
    /// A connection begins with a PROXY protocol header, of a peer that is trusted, or is closed.
    pub proxy_protocol: bool,
    /// Which of [`Site::streams`] its connections are, if any: else they carry HTTP.
    pub stream: Option<usize>,
    /// How TLS is spoken to its clients, where it is.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<Acceptor>>,
    /// What all of its requests meet in place of the routes: to be told to go elsewhere.
    pub elsewhere: Option<Arc<Route>>,
    /// What authorities are shown that come by here without TLS.
    #[cfg(feature = "acme")]
    pub challenges: Option<Challenges>,
}

/// What is done with connections that carry no HTTP.
#[derive(Debug, Clone)]
pub struct StreamRules {
    /// What logs call it.
    pub name: Arc<str>,
    /// The upstream they go to; with `sni`, those that it has no place for, and what is no TLS.
    pub to: Option<usize>,
    /// The name in a TLS client's first message says where it goes.
    pub sni: Option<ServerNames>,
    /// Who is let in.
    pub access: Access,
    /// How long things may take.
    pub timeouts: StreamTimeouts,
}

/// How long the parts of a stream may take. `None` is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamTimeouts {
    /// A PROXY protocol header, and a ClientHello that is waited for.
    pub header: Option<Duration>,
    /// A new connection to an endpoint.
    pub connect: Option<Duration>,
    /// Without octets in either direction.
    pub idle: Option<Duration>,
    /// The whole of it.
    pub total: Option<Duration>,
}

/// What is done with the requests that a route is for.
#[derive(Debug, Clone)]
pub struct Route {
    /// What logs call it.
    pub name: Arc<str>,
    /// What is done.
    pub action: Action,
    /// Which spelling of the path counts.
    pub paths: Paths,
    /// What is sent in place of the path.
    pub rewrite: Rewrite,
    /// What the origin sees as Host.
    pub host: Host,
    /// Changes to the request's fields.
    pub request: Edits,
    /// Changes to the response's fields.
    pub response: Edits,
    /// When a request is tried again.
    pub retry: Retry,
    /// When a request goes to another endpoint too.
    pub hedge: Option<Hedge>,
    /// Where a copy of it goes.
    pub mirror: Option<Mirror>,
    /// Who is let in.
    pub access: Access,
    /// How a client shows who it is.
    pub auth: Option<Auth>,
    /// What the client's own words about its patience are worth.
    pub patience: Accepting,
    /// How much clients may ask for.
    pub limit: Option<Limit>,
    /// Protocols a connection may be switched to.
    pub upgrade: Vec<Cow<'static, str>>,
    /// How the origin is told who asks.
    pub forwarded: ForwardedStyle,
    /// `Via` is added to requests.
    pub via: bool,
    /// `Via` is added to responses.
    pub via_back: bool,
    /// What becomes of the request's id.
    pub request_id: RequestIds,
    /// What is answered in place of osier's own error pages.
    pub pages: BTreeMap<u16, Arc<Page>>,
    /// For each listener, for each place the route may send to (one where it sends nowhere), in this order.
    pub terms: Vec<Arc<Terms>>,
}

/// What is done with a request.
#[derive(Debug, Clone)]
pub enum Action {
    /// It goes to one of these upstreams.
    Forward(Split, Vec<usize>),
    /// The client is told to go elsewhere.
    Redirect {
        /// Where to.
        to: Template,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// osier answers itself.
    Respond(Answer),
}

/// How much clients may ask for.
#[derive(Debug, Clone)]
pub struct Limit {
    /// Counts them; survives a reload that leaves it as it is.
    pub limiter: Limiter,
    /// Who is counted as one.
    pub per: Per,
}

/// When a request goes to another endpoint too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hedge {
    /// How long the answer may be away.
    pub after: Duration,
    /// How many more there may be.
    pub max: u32,
}

/// Where copies of requests go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mirror {
    /// Which upstream.
    pub upstream: usize,
    /// Of a hundred requests, how many are copied.
    pub percent: u32,
}

/// How a client shows who it is.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Somebody else is asked.
    Forward(ForwardAuth),
    /// With a password.
    #[cfg(feature = "auth")]
    Basic(BasicAuth),
}

/// Who may pass with a password.
#[cfg(feature = "auth")]
#[derive(Debug, Clone)]
pub struct BasicAuth {
    /// They.
    pub users: Arc<Users>,
    /// Verifies their passwords; one for the whole process, kept over reloads.
    pub verifier: Verifier,
}

/// Who is asked whether a request may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardAuth {
    /// Which upstream.
    pub upstream: usize,
    /// The path that is asked for.
    pub path: String,
    /// Fields of the answer that the request goes on with; a client's own are taken out.
    pub copy: Vec<String>,
    /// How long the answer may take.
    pub timeout: Duration,
}

/// Who is let in, by the client's address.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Nobody else, unless it is empty.
    pub allow: Vec<Network>,
    /// Not these, even if they are in `allow`.
    pub deny: Vec<Network>,
}

impl Access {
    /// Whether a client is let in. One without an address, on a unix socket, is in no network.
    #[must_use]
    pub fn lets_in(&self, client: Option<IpAddr>) -> bool {
        let lies_in =
            |list: &[Network]| client.is_some_and(|ip| list.iter().any(|it| it.contains(ip)));
        !lies_in(&self.deny) && (self.allow.is_empty() || lies_in(&self.allow))
    }
}

/// Whose words about its patience are believed, and which.
#[derive(Debug, Clone, Default)]
pub struct Accepting {
    /// The fields that may shorten an exchange's budget.
    pub fields: Vec<DeadlineField>,
    /// From peers in these networks; `None`: from the proxies that are trusted.
    pub from: Option<Vec<Network>>,
}

/// Who is counted as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Per {
    /// An address.
    #[default]
    Ip,
    /// All who send this field with the same value.
    Header(String),
    /// The route as a whole.
    Route,
}

/// What becomes of a request's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RequestIds {
    /// A client's is kept, else one is made.
    #[default]
    Keep,
    /// One is made.
    Make,
    /// Nothing is added.
    Off,
}

/// An error page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it is, as Content-Type says it.
    pub content_type: &'static str,
    /// The content.
    pub content: Vec<u8>,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What the file calls it.
    pub name: Arc<str>,
    /// Its endpoints.
    pub endpoints: Vec<Placed>,
    /// How one of them is picked.
    pub policy: Policy,
    /// What of a request is the key, for [`Policy::Hash`].
    pub hash: HashBy,
    /// How long an endpoint that has come back gets less than its share.
    pub slow_start: Duration,
    /// When one that fails is left alone.
    pub eject: Option<Eject>,
    /// The cookie that keeps a client at its endpoint.
    pub sticky: Option<String>,
    /// How long a request waits for a connection where there may be no more.
    pub queue_timeout: Duration,
    /// How its endpoints are probed.
    pub health: Option<Probing>,
    /// The services that some of the endpoints are of: more come and others go with what is known of these.
    pub services: Vec<Service>,
    /// How often their names are looked up again.
    pub resolve_every: Duration,
    /// Its idle connections.
    pub keepalive: Keepalive,
    /// How the origin is told what is left of the budget.
    pub deadline_field: Option<DeadlineField>,
    /// Which PROXY protocol header a connection begins with, if any.
    pub send_proxy: Option<Version>,
}

/// How endpoints are probed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probing {
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

/// An endpoint in its upstream.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How much it gets, beside the others.
    pub weight: u32,
    /// It gets something only when those of lower tiers are out.
    pub tier: u16,
    /// What the process knows of it; kept over reloads.
    pub state: Arc<State>,
    /// How many connections there may be to it, in the whole process; kept over reloads.
    pub permits: Option<Permits>,
}

impl Placed {
    /// One of weight 1, of which nothing is known.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            weight: 1,
            tier: 0,
            state: Arc::default(),
            permits: None,
        }
    }
}

/// What of a request is the key that endpoints are given by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashBy {
    /// The client's address.
    #[default]
    Ip,
    /// A field's value.
    Header(String),
    /// A cookie's.
    Cookie(String),
    /// The path, normalised.
    Path,
}

impl Site {
    /// The rules of one listener. None: there is no such listener any more.
    #[must_use]
    pub fn entrance(&self, number: usize) -> Option<&Listen> {
        self.listeners.get(number)?.as_ref()
    }

    /// The same, of one whose connections carry HTTP.
    #[must_use]
    pub fn listener(&self, number: usize) -> Option<&Listen> {
        self.entrance(number).filter(|it| it.stream.is_none())
    }

    /// What is done with the connections of this listener, where they carry no HTTP; and which of the site's that is.
    #[must_use]
    pub fn stream(&self, listener: usize) -> Option<(usize, &StreamRules)> {
        let number = self.entrance(listener)?.stream?;
        Some((number, self.streams.get(number)?))
    }

    /// Some upstream is told where its clients come from and what they connected to.
    #[must_use]
    pub fn tells_origins(&self) -> bool {
        let mut upstreams = self.upstreams.iter();
        upstreams.any(|upstream| upstream.send_proxy.is_some())
    }

    /// What an exchange of this listener's is held to, on this route and on the way to this one of its places.
    #[must_use]
    pub fn terms<'a>(
        &'a self,
        listener: &Listen,
        route: &'a Route,
        place: usize,
    ) -> Option<&'a Arc<Terms>> {
        let places = match &route.action {
            Action::Forward(_, upstreams) => upstreams.len().max(1),
            _ => 1,
        };
        route.terms.get(listener.slot * places + place)
    }
}

/// One upstream for everything, on any number of addresses up to 64.
impl From<Rules> for Site {
    fn from(rules: Rules) -> Self {
        const LISTENERS_MAX: usize = 64;
        let terms = Arc::new(Terms {
            timeouts: rules.timeouts,
            limits: rules.limits,
            body_rate: None,
        });
        let (action, upstreams) = match rules.target {
            Target::Respond(answer) => (Action::Respond(answer), Vec::new()),
            Target::Upstream(endpoints) => {
                let upstream = Upstream {
                    name: "default".into(),
                    endpoints: endpoints.into_iter().map(Placed::new).collect(),
                    policy: rules.policy,
                    hash: HashBy::default(),
                    slow_start: Duration::ZERO,
                    eject: None,
                    sticky: None,
                    queue_timeout: Duration::from_secs(2),
                    health: None,
                    services: Vec::new(),
                    resolve_every: Duration::from_secs(30),
                    keepalive: rules.keepalive,
                    deadline_field: None,
                    send_proxy: None,
                };
                (Action::Forward(Split::new([1]), vec![0]), vec![upstream])
            }
        };
        let add = rules.identity.add.into_iter();
        let add = add.map(|(name, value)| Edit::new(name, Template::text(value)));
        let route = Route {
            name: "*".into(),
            action,
            paths: Paths::Raw,
            rewrite: Rewrite::Keep,
            host: rules.identity.host,
            request: Edits {
                add: add.collect(),
                ..Edits::default()
            },
            response: Edits::default(),
            retry: Retry {
                attempts_max: rules.attempts_max,
                ..Retry::default()
            },
            hedge: None,
            mirror: None,
            access: Access::default(),
            auth: None,
            patience: Accepting::default(),
            limit: None,
            upgrade: vec![Cow::Borrowed("websocket")],
            forwarded: ForwardedStyle::X,
            via: true,
            via_back: false,
            request_id: RequestIds::Keep,
            pages: BTreeMap::new(),
            terms: vec![terms.clone()],
        };
        let listen = Listen {
            terms,
            ..Listen::default()
        };
        Self {
            listeners: vec![Some(listen); LISTENERS_MAX],
            table: Table::new(vec![Matchers::default()]),
            streams: Vec::new(),
            routes: vec![route],
            upstreams,
            trusted: rules.identity.trusted,
            hooks: rules.hooks,
            #[cfg(feature = "acme")]
            challenges: Challenges::default(),
        }
    }
}

impl Template {
    /// A text without holes.
    #[must_use]
    pub fn text(text: String) -> Self {
        let part = Part::Text(text);
        Self { parts: vec![part] }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
