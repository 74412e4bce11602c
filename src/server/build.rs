//! A configuration → the site that serves it: the only reader of [`Config`].

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config};
use crate::http::forward::ForwardedStyle;
use crate::http::limits::Limits;
use crate::limit::{Limiter, Rate, RateLimit};
use crate::net::address::Address;
use crate::net::pool::Keepalive;
use crate::proxy::answer::Answer;
use crate::proxy::edit::Edits;
use crate::proxy::gateway::Endpoint;
use crate::proxy::hooks::Hooks;
use crate::proxy::retry::Retry;
use crate::proxy::rewrite::{Paths, Rewrite};
use crate::proxy::route::Table;
use crate::proxy::site::{
    Accepting, Access, Action, Limit, Listen, Page, Per, RequestIds, Route, Site, Terms, Upstream,
};
use crate::proxy::split::Split;

/// How many clients the limit of one route counts at most.
const KEYS_MAX: usize = 65_536;

/// A site, and what its operator should know of it.
pub(super) struct Built {
    pub(super) site: Site,
    /// What does not work yet.
    pub(super) warnings: Vec<String>,
}

/// Makes the site that `config` describes. `number` gives the number of an address that is listened on. What a site
/// before this one counts for its limits goes on, where they are the same.
///
/// Asks the system's resolver for the names of the endpoints, and waits for it.
pub(super) fn site(
    config: &Config,
    number: impl Fn(&Address) -> Option<usize>,
    before: Option<&Site>,
) -> Built {
    let mut terms = Shared::default();
    let mut warnings = Vec::new();
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
        };
        for number in listener.addresses.iter().filter_map(&number) {
            if listeners.len() <= number {
                listeners.resize_with(number + 1, || None);
            }
            if let Some(place) = listeners.get_mut(number) {
                *place = Some(listen.clone());
            }
        }
    }
    let mut resolved = HashMap::new();
    let upstreams = config.upstreams.iter().map(|upstream| Upstream {
        name: upstream.name.as_str().into(),
        endpoints: upstream
            .endpoints
            .iter()
            .map(|it| (endpoint(it, &mut resolved, &mut warnings), it.weight))
            .collect(),
        keepalive: Keepalive {
            idle: upstream.keepalive.idle,
            max_idle: upstream.keepalive.max_idle,
            max_age: upstream.keepalive.max_age,
        },
        deadline_field: None,
    });
    let upstreams = upstreams.collect();
    let routes = config
        .routes
        .iter()
        .map(|it| route(config, it, &mut terms, before));
    let routes = routes.collect();
    let table = Table::new(config.routes.iter().map(|it| it.matchers.clone()).collect());
    let site = Site {
        listeners,
        table,
        routes,
        upstreams,
        trusted: config.trusted.clone(),
        hooks: Hooks::default(),
    };
    Built { site, warnings }
}

/// Terms that are equal are one.
#[derive(Default)]
struct Shared(Vec<Arc<Terms>>);

impl Shared {
    fn share(
        &mut self,
        timeouts: crate::proxy::timeout::Timeouts,
        limits: &config::Limits,
    ) -> Arc<Terms> {
        let terms = Terms {
            timeouts,
            limits: Limits {
                head_octets_max: limits.head,
                fields_max: limits.fields,
                content_octets_max: limits.body.unwrap_or(u64::MAX),
                ..Limits::default()
            },
        };
        if let Some(equal) = self.0.iter().find(|it| ***it == terms) {
            return equal.clone();
        }
        let terms = Arc::new(terms);
        self.0.push(terms.clone());
        terms
    }
}

/// An endpoint whose name does not resolve has no address: requests to it fail, and others go on.
fn endpoint(
    written: &config::Endpoint,
    resolved: &mut HashMap<String, Vec<Address>>,
    warnings: &mut Vec<String>,
) -> Endpoint {
    let authority = &written.authority;
    let addresses = resolved.entry(authority.clone()).or_insert_with(|| {
        let resolved = Endpoint::resolve(authority);
        resolved.map(|it| it.addresses).unwrap_or_else(|error| {
            warnings.push(format!("endpoint {authority}: {error}"));
            Vec::new()
        })
    });
    Endpoint {
        addresses: addresses.clone(),
        name: authority.as_str().into(),
        base_path: written.base_path.clone(),
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
        retry: Retry {
            attempts_max: written.attempts_max,
            ..Retry::default()
        },
        hedge: None,
        mirror: None,
        access: Access::default(),
        auth: None,
        patience: Accepting::default(),
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
        via: written.via,
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
    Edits {
        set: written.set.clone(),
        add: written.add.clone(),
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
