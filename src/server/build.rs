//! A configuration → the site that serves it: the only reader of [`Config`].

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

#[cfg(feature = "auth")]
use crate::auth::{Users, Verifier};
use crate::config::{self, Config};
use crate::http::forward::ForwardedStyle;
use crate::http::limits::Limits;
use crate::limit::{Limiter, Permits, Rate, RateLimit};
use crate::net::address::Address;
#[cfg(feature = "tls")]
use crate::net::address::host_of;
use crate::net::names::Addresses;
use crate::net::pool::Keepalive;
use crate::net::service::Service;
#[cfg(feature = "tls")]
use crate::net::tls::acceptor::Acceptor;
#[cfg(feature = "acme")]
use crate::net::tls::acme::Proof;
#[cfg(feature = "tls")]
use crate::net::tls::origin::Client;
use crate::net::tls::origin::Toward;
use crate::proxy::answer::Answer;
use crate::proxy::edit::{Edit, Edits};
use crate::proxy::gateway::{Endpoint, Rules};
use crate::proxy::hooks::Hooks;
use crate::proxy::rewrite::{Paths, Rewrite};
use crate::proxy::route::Table;
#[cfg(feature = "auth")]
use crate::proxy::site::BasicAuth;
use crate::proxy::site::{
    Accepting, Access, Action, Auth, Limit, Listen, Page, Per, Placed, Probing, RequestIds, Route,
    Site, StreamRules, Terms, Upstream,
};
use crate::proxy::split::Split;
use crate::proxy::stream::ServerNames;
use crate::proxy::template::{Hole, Part, Template};
use crate::proxy::timeout::Timeouts;

/// How many clients the limit of one route counts at most.
const KEYS_MAX: usize = 65_536;

/// Makes the site that `config` describes. `number` gives the number of an address that is listened on. What a site
/// before this one counts for its limits goes on, where they are the same, and so does what it knows of its endpoints.
pub(super) fn site(
    config: &Config,
    number: impl Fn(&Address) -> Option<usize>,
    before: Option<&Site>,
) -> Site {
    #[cfg(feature = "acme")]
    let challenges = before
        .map(|site| site.challenges.clone())
        .unwrap_or_default();
    #[cfg(feature = "acme")]
    let shows_tokens = {
        let mut asked = config.listeners.iter().filter_map(|it| it.tls.as_ref());
        asked.any(|tls| tls.acme().any(|it| it.wanted.proof == Proof::Http01))
    };
    #[cfg(feature = "tls")]
    let complete = |acceptor: Acceptor| {
        #[cfg(feature = "acme")]
        let acceptor = acceptor.showing(&challenges);
        acceptor
    };
    let mut terms = Shared::default();
    let mut listeners: Vec<Option<Listen>> = Vec::new();
    for (slot, listener) in config.listeners.iter().enumerate() {
        let timeouts = listener.timeouts.over(&config.timeouts);
        let limits = listener.limits.over(&config.limits);
        let listen = Listen {
            slot,
            // How much content a request may have is its route's to say.
            terms: terms.share(
                timeouts,
                &config::Limits {
                    body: None,
                    ..limits
                },
            ),
            half_close: listener.half_close == config::HalfClose::Allow,
            per_ip: limits.per_ip,
            proxy_protocol: listener.proxy_protocol,
            stream: None,
            #[cfg(feature = "tls")]
            tls: listener
                .tls
                .as_ref()
                .and_then(|it| acceptor(it, listener, &number, before, complete)),
            elsewhere: listener.redirect.and_then(elsewhere),
            #[cfg(feature = "acme")]
            challenges: (shows_tokens && listener.tls.is_none()).then(|| challenges.clone()),
        };
        let numbers = listener.addresses.iter().filter_map(&number);
        place(&mut listeners, numbers, &listen);
    }
    for (index, stream) in config.streams.iter().enumerate() {
        let timeouts = Timeouts {
            header: stream.timeouts.header,
            ..config.timeouts.clone()
        };
        let listen = Listen {
            slot: 0,
            terms: terms.share(timeouts, &config.limits),
            half_close: true,
            per_ip: stream.limits.per_ip,
            proxy_protocol: stream.proxy_protocol,
            stream: Some(index),
            ..Listen::default()
        };
        let numbers = stream.addresses.iter().filter_map(&number);
        place(&mut listeners, numbers, &listen);
    }
    let upstreams = config.upstreams.iter().map(|it| upstream(it, before));
    let upstreams = upstreams.collect();
    #[cfg(feature = "auth")]
    let known = Known::new(before);
    let routes = config.routes.iter().map(|it| Route {
        auth: it.auth.as_ref().map(|auth| match auth {
            config::Auth::Forward(auth) => Auth::Forward(auth.clone()),
            #[cfg(feature = "auth")]
            config::Auth::Basic { users, .. } => Auth::Basic(known.basic(users)),
        }),
        ..route(config, it, &mut terms, before)
    });
    let routes = routes.collect();
    let table = Table::new(config.routes.iter().map(|it| it.matchers.clone()).collect());
    Site {
        listeners,
        table,
        routes,
        streams: config.streams.iter().map(stream).collect(),
        upstreams,
        trusted: config.trusted.clone(),
        hooks: Hooks::default(),
        #[cfg(feature = "acme")]
        challenges,
    }
}

/// Puts what addresses are held to in the places of their numbers.
fn place(
    listeners: &mut Vec<Option<Listen>>,
    numbers: impl Iterator<Item = usize>,
    listen: &Listen,
) {
    for number in numbers {
        if listeners.len() <= number {
            listeners.resize_with(number + 1, || None);
        }
        if let Some(place) = listeners.get_mut(number) {
            *place = Some(listen.clone());
        }
    }
}

fn stream(written: &config::Stream) -> StreamRules {
    let sni = written.sni.as_ref();
    StreamRules {
        name: written.name().into(),
        to: written.to,
        sni: sni.map(|names| ServerNames::new(names.iter().cloned())),
        access: Access {
            allow: written.allow.clone(),
            deny: written.deny.clone(),
        },
        timeouts: written.timeouts,
    }
}

/// What was known of users before.
#[cfg(feature = "auth")]
struct Known<'a> {
    before: Vec<&'a BasicAuth>,
    verifier: Verifier,
}

#[cfg(feature = "auth")]
impl<'a> Known<'a> {
    fn new(before: Option<&'a Site>) -> Self {
        let routes = before.iter().flat_map(|site| &site.routes);
        let before: Vec<_> = routes
            .filter_map(|route| match &route.auth {
                Some(Auth::Basic(basic)) => Some(basic),
                _ => None,
            })
            .collect();
        let verifier = before.first().map(|basic| basic.verifier.clone());
        Self {
            verifier: verifier.unwrap_or_default(),
            before,
        }
    }

    /// Users that are the same as before are those: what was verified of them stays so.
    fn basic(&self, users: &Arc<Users>) -> BasicAuth {
        let mut before = self.before.iter().map(|basic| &basic.users);
        BasicAuth {
            users: before.find(|it| *it == users).unwrap_or(users).clone(),
            verifier: self.verifier.clone(),
        }
    }
}

/// A route that tells all requests to come to this port by `https`.
fn elsewhere(port: u16) -> Option<Arc<Route>> {
    let mut parts = vec![Part::Text("https://".to_owned()), Part::Hole(Hole::Host)];
    if port != 443 {
        parts.push(Part::Text(format!(":{port}")));
    }
    parts.push(Part::Hole(Hole::Uri));
    let usual = Site::from(Rules::default()).routes.pop()?;
    Some(Arc::new(Route {
        name: "to https".into(),
        action: Action::Redirect {
            to: Template { parts },
            status: 308,
        },
        // It is held to what its listener is.
        terms: Vec::new(),
        ..usual
    }))
}

/// What accepts TLS at a listener. Sessions that were begun at one of its addresses before are resumed there.
#[cfg(feature = "tls")]
fn acceptor(
    written: &config::ListenTls,
    listener: &config::Listener,
    number: &impl Fn(&Address) -> Option<usize>,
    before: Option<&Site>,
    complete: impl FnOnce(Acceptor) -> Acceptor,
) -> Option<Arc<Acceptor>> {
    let mut numbers = listener.addresses.iter().filter_map(number);
    let old = numbers.find_map(|number| before?.listener(number)?.tls.clone());
    let terms = written.terms();
    match old {
        Some(old) if *old.terms() == terms => Some(old),
        old => {
            // That these terms make one was seen when the file was read.
            let made = Acceptor::new(terms, old.as_deref());
            made.ok().map(complete).map(Arc::new).or(old)
        }
    }
}

/// Terms that are equal are one.
#[derive(Default)]
struct Shared(Vec<Arc<Terms>>);

impl Shared {
    fn share(&mut self, timeouts: Timeouts, limits: &config::Limits) -> Arc<Terms> {
        let terms = Terms {
            timeouts,
            limits: Limits {
                head_octets_max: limits.head,
                fields_max: limits.fields,
                content_octets_max: limits.body.unwrap_or(u64::MAX),
                ..Limits::default()
            },
            body_rate: limits.body_rate,
        };
        if let Some(equal) = self.0.iter().find(|it| ***it == terms) {
            return equal.clone();
        }
        let terms = Arc::new(terms);
        self.0.push(terms.clone());
        terms
    }
}

/// An upstream, with what is known of its endpoints since a site before this one.
fn upstream(written: &config::Upstream, before: Option<&Site>) -> Upstream {
    let mut old = before.iter().flat_map(|site| &site.upstreams);
    let old = old.find(|old| *old.name == *written.name);
    let speech = Speech::new(written, old);
    let services = services(written, old);
    Upstream {
        name: written.name.as_str().into(),
        endpoints: spots(written, &services)
            .into_iter()
            .map(|spot| placed(written, spot, old, &speech))
            .collect(),
        services,
        policy: written.balance.policy,
        hash: written.balance.hash.clone(),
        slow_start: written.slow_start,
        eject: written.eject,
        sticky: written.sticky.clone(),
        queue_timeout: written.queue.timeout,
        health: written.health.as_ref().map(probing),
        resolve_every: written.resolve_every,
        keepalive: Keepalive {
            idle: written.keepalive.idle,
            max_idle: written.keepalive.max_idle,
            max_age: written.keepalive.max_age,
        },
        deadline_field: written.deadline_header.clone(),
        send_proxy: written.send_proxy,
    }
}

/// The services that are written, each as it is known since before.
fn services(written: &config::Upstream, old: Option<&Upstream>) -> Vec<Service> {
    let names = written.endpoints.iter().filter(|it| it.is_service);
    let names = names.map(|it| it.authority.as_str());
    let known = |name: &str| {
        let mut services = old.iter().flat_map(|old| &old.services);
        services.find(|it| it.name() == name).cloned()
    };
    names
        .map(|name| known(name).unwrap_or_else(|| Service::of(name)))
        .collect()
}

/// Where an endpoint is to be: one that is written, or one of a service's.
struct Spot<'a> {
    authority: Cow<'a, str>,
    base_path: &'a str,
    /// A service's have addresses already.
    addresses: Option<Addresses>,
    weight: u32,
    backup: bool,
    /// Which tier it is of; of backups, behind all others.
    tier: u16,
}

/// All of them, those of a service in its place. What two services have in common is there once.
fn spots<'a>(written: &'a config::Upstream, services: &[Service]) -> Vec<Spot<'a>> {
    let mut spots: Vec<Spot<'a>> = Vec::new();
    for endpoint in &written.endpoints {
        let spot = |authority| Spot {
            authority,
            base_path: &endpoint.base_path,
            addresses: None,
            weight: endpoint.weight,
            backup: endpoint.backup,
            tier: 0,
        };
        if !endpoint.is_service {
            spots.push(spot(Cow::Borrowed(endpoint.authority.as_str())));
            continue;
        }
        let service = services.iter().find(|it| it.name() == endpoint.authority);
        let instances = service.map(Service::get).unwrap_or_default();
        for instance in instances.iter() {
            if spots
                .iter()
                .any(|spot| *spot.authority == *instance.authority)
            {
                continue;
            }
            spots.push(Spot {
                addresses: Some(instance.addresses.clone()),
                weight: instance.weight,
                tier: instance.tier,
                ..spot(Cow::Owned(instance.authority.to_string()))
            });
        }
    }
    let tiers = spots.iter().filter(|it| !it.backup).map(|it| it.tier);
    let behind = tiers.max().unwrap_or(0).saturating_add(1);
    for spot in spots.iter_mut().filter(|it| it.backup) {
        spot.tier = spot.tier.saturating_add(behind);
    }
    spots
}

/// An endpoint, with what is known of it since before.
fn placed(
    upstream: &config::Upstream,
    spot: Spot<'_>,
    old: Option<&Upstream>,
    speech: &Speech,
) -> Placed {
    let authority = &*spot.authority;
    let mut old = old.iter().flat_map(|old| &old.endpoints);
    let old = old.find(|old| *old.endpoint.name == *authority);
    let named = Endpoint::named(authority);
    let state = old.map(|old| old.state.clone()).unwrap_or_default();
    if upstream.health.is_none() {
        state.unprobed();
    }
    let queue_max = upstream.queue.max as usize;
    let kept = || old.map(|old| old.endpoint.addresses.clone());
    Placed {
        endpoint: Endpoint {
            // A service's are its own; a host's are kept only where they are a host's.
            addresses: spot
                .addresses
                .or_else(|| kept().filter(|it| it.name() == named.addresses.name()))
                .unwrap_or_else(|| named.addresses.clone()),
            base_path: spot.base_path.to_owned(),
            tls: speech.toward(authority),
            ..named
        },
        weight: spot.weight,
        tier: spot.tier,
        state,
        permits: upstream.max_connections.map(|max| {
            let permits = old.and_then(|old| old.permits.clone());
            let permits = permits.unwrap_or_else(|| Permits::new(max as usize, queue_max));
            permits.set(max as usize, queue_max);
            permits
        }),
    }
}

/// How the endpoints of an upstream are spoken to.
#[cfg(feature = "tls")]
struct Speech(Option<(Client, Option<String>)>);

#[cfg(feature = "tls")]
impl Speech {
    /// Where nothing was changed the same client goes on, with what it takes to resume sessions.
    fn new(written: &config::Upstream, old: Option<&Upstream>) -> Self {
        let mut before = old.iter().flat_map(|old| &old.endpoints);
        let before = before.find_map(|it| it.endpoint.tls.as_ref());
        Self(written.tls.as_ref().map(|tls| {
            let client = before.map(Toward::client).filter(|it| **it == tls.client);
            (client.unwrap_or(&tls.client).clone(), tls.sni.clone())
        }))
    }

    fn toward(&self, authority: &str) -> Option<Toward> {
        let (client, name) = self.0.as_ref()?;
        let name = name.as_deref().or_else(|| host_of(authority));
        // A configuration that is right has a name wherever certificates are verified.
        let toward = client.toward(name.unwrap_or(NAMELESS));
        toward.or_else(|_| client.toward(NAMELESS)).ok()
    }
}

/// What an origin is called that cannot be called anything: on a unix socket, believed without a certificate.
#[cfg(feature = "tls")]
const NAMELESS: &str = "localhost";

/// How the endpoints of an upstream are spoken to: in the clear.
#[cfg(not(feature = "tls"))]
struct Speech;

#[cfg(not(feature = "tls"))]
impl Speech {
    fn new(_written: &config::Upstream, _old: Option<&Upstream>) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "as where there is TLS")]
    fn toward(&self, _authority: &str) -> Option<Toward> {
        None
    }
}

fn probing(written: &config::Health) -> Probing {
    Probing {
        path: written.path.clone(),
        every: written.every,
        timeout: written.timeout,
        rise: written.rise,
        fall: written.fall,
        expect: written.expect.clone(),
    }
}

fn route(
    config: &Config,
    written: &config::Route,
    terms: &mut Shared,
    before: Option<&Site>,
) -> Route {
    let name: Arc<str> = written.matchers.to_string().into();
    let (action, to) = match &written.action {
        config::Action::Forward(shares) => {
            let split = Split::new(shares.iter().map(|share| share.weight));
            let to: Vec<_> = shares.iter().map(|share| share.upstream).collect();
            (Action::Forward(split, to.clone()), to)
        }
        config::Action::Redirect { to, status } => {
            let (to, status) = (to.clone(), *status);
            (Action::Redirect { to, status }, Vec::new())
        }
        config::Action::Respond { status, body } => {
            let answer = Answer::respond(*status, body.clone().into_bytes());
            (Action::Respond(answer), Vec::new())
        }
    };
    let mut held_to = Vec::new();
    for listener in &config.listeners {
        let mut share = |upstream: Option<&config::Upstream>| {
            let timeouts = config.timeouts_of(listener, written, upstream);
            held_to.push(terms.share(timeouts, &config.limits_of(listener, written, upstream)));
        };
        if to.is_empty() {
            share(None);
        }
        for upstream in &to {
            share(config.upstreams.get(*upstream));
        }
    }
    Route {
        action,
        paths: match written.paths {
            config::Paths::Raw => Paths::Raw,
            config::Paths::Normal => Paths::Normal,
            config::Paths::Strict => Paths::Strict,
        },
        rewrite: match &written.rewrite {
            config::Rewrite::Keep => Rewrite::Keep,
            config::Rewrite::Strip(prefix) => Rewrite::Strip(prefix.clone()),
            config::Rewrite::To(template) => Rewrite::To(template.clone()),
        },
        host: written.host_header.clone(),
        request: edits(&written.request),
        response: edits(&written.response),
        retry: written.retry.clone(),
        hedge: written.hedge,
        mirror: written.mirror,
        access: Access {
            allow: written.allow.clone(),
            deny: written.deny.clone(),
        },
        auth: None,
        patience: Accepting {
            fields: written.accept_deadline.clone(),
            from: written.accept_deadline_from.clone(),
        },
        limit: written
            .rate_limit
            .as_ref()
            .map(|it| limit(&name, it, before)),
        upgrade: written.upgrade.iter().cloned().map(Cow::Owned).collect(),
        forwarded: match written.forwarded {
            config::Forwarded::X => ForwardedStyle::X,
            config::Forwarded::Rfc7239 => ForwardedStyle::Rfc7239,
            config::Forwarded::Both => ForwardedStyle::Both,
            config::Forwarded::Off => ForwardedStyle::Off,
        },
        via: written.via.unwrap_or(true),
        via_back: written.via.unwrap_or(false),
        request_id: match written.request_id {
            config::RequestId::Keep => RequestIds::Keep,
            config::RequestId::Make => RequestIds::Make,
            config::RequestId::Off => RequestIds::Off,
        },
        pages: written
            .errors
            .iter()
            .map(|(status, page)| (*status, Arc::new(error_page(page))))
            .collect(),
        terms: held_to,
        name,
    }
}

fn edits(written: &config::Edits) -> Edits {
    let edits = |lines: &[(String, Template)]| {
        let lines = lines.iter().cloned();
        lines.map(|(name, it)| Edit::new(name, it)).collect()
    };
    Edits {
        set: edits(&written.set),
        add: edits(&written.add),
        remove: written.remove.clone(),
    }
}

/// What the page is, by the end of its file's name.
fn error_page(page: &config::ErrorPage) -> Page {
    let end = Path::new(&page.path)
        .extension()
        .and_then(|end| end.to_str());
    Page {
        content_type: match end {
            Some("html" | "htm") => "text/html; charset=utf-8",
            Some("json") => "application/json",
            _ => "text/plain; charset=utf-8",
        },
        content: page.content.clone(),
    }
}

fn limit(route: &str, written: &config::RateLimit, before: Option<&Site>) -> Limit {
    let per = match &written.per {
        config::Per::Ip => Per::Ip,
        config::Per::Header(name) => Per::Header(name.clone()),
        config::Per::Route => Per::Route,
    };
    let limiter = Limiter::new(RateLimit {
        rate: written.rate.map(|rate| Rate {
            requests: rate.count,
            period: rate.per,
            burst: written.burst,
        }),
        concurrent: written.concurrent,
        keys_max: if per == Per::Route { 1 } else { KEYS_MAX },
    });
    let mut kept = before
        .iter()
        .flat_map(|site| &site.routes)
        .filter_map(|old| {
            let limit = old.limit.as_ref()?;
            let is_same = *old.name == *route && limit.per == per;
            (is_same && limit.limiter.same_settings(&limiter)).then(|| limit.limiter.clone())
        });
    let limiter = kept.next().unwrap_or(limiter);
    Limit { limiter, per }
}
