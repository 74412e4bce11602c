//! A site as one worker serves it: with the state of its upstreams.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::facts::Facts;
use super::gateway::Endpoint;
use super::route::Asked;
use super::site::{Accepting, Action, HashBy, Placed, Route, Site};
use crate::balance::{Ask, Candidate, Eject, Picker, State};
use crate::clock;
use crate::http::client;
use crate::http::deadline::{self, DeadlineField};
use crate::http::field::{Name, ReadyLine};
use crate::http::head::RequestHead;
use crate::http::network::Network;
use crate::http::path;
use crate::limit::{Permits, RetryBudget};
use crate::metrics::{Counters, RouteTally, StreamTally, UpstreamTally};
use crate::net::pool::{Pool, Pooled, Shelf};
use crate::net::proxy_protocol::{Header, Version};
use crate::net::stream::Stream;

/// How many further tries a thousand streams have, beside ten a second: as many as requests.
const STREAM_SHARE: u32 = 200;

/// A site as one worker serves it. An exchange keeps the one it began with.
pub(super) struct Scene<S> {
    pub(super) site: Arc<Site>,
    upstreams: Vec<Rc<Upstream<S>>>,
    /// By route.
    tallies: Vec<Rc<RouteTally>>,
    /// By route; `None` where further tries cost nothing.
    budgets: Vec<Option<RetryBudget>>,
    /// By stream: what is counted, and the budget for further tries.
    streams: Vec<(Rc<StreamTally>, RetryBudget)>,
    /// The last number drawn, for shares.
    drawn: Cell<u32>,
}

/// An upstream's state in this worker.
pub(super) struct Upstream<S> {
    pub(super) name: Arc<str>,
    pub(super) members: Vec<Member<S>>,
    pub(super) tally: Rc<UpstreamTally>,
    picker: Picker,
    hash: HashBy,
    /// When an endpoint that fails is left alone.
    eject: Option<Eject>,
    /// The cookie that keeps a client at its endpoint.
    sticky: Option<String>,
    pub(super) queue_timeout: Duration,
    /// How many connections may idle, for each endpoint.
    pub(super) max_idle: usize,
    /// How the origin is told what is left of the budget.
    pub(super) deadline_field: Option<DeadlineField>,
}

/// An endpoint of an upstream.
pub(super) struct Member<S> {
    pub(super) endpoint: Endpoint,
    /// The endpoint's name, of this thread alone: each exchange keeps it.
    pub(super) name: Rc<str>,
    /// The same for every scene that has this endpoint in an upstream of this name.
    pub(super) shelf: Rc<Shelf<S>>,
    /// What the process knows of it.
    pub(super) state: Arc<State>,
    /// How many connections there may be to it.
    pub(super) permits: Option<Permits>,
    /// Its upstream's.
    pub(super) tally: Rc<UpstreamTally>,
    /// How it is told who its client is, in front of everything.
    pub(super) send_proxy: Option<Version>,
    /// Which of the endpoint's addresses the idle connections belong to.
    pub(super) generation: Cell<usize>,
    /// What the sticky cookie says for it.
    pub(super) mark: String,
    /// The fields that set it: for `http`, and for `https`.
    set_cookie: Option<[ReadyLine; 2]>,
}

impl<S: Stream> Scene<S> {
    /// `site`, with what idles for `before`'s endpoints kept for those that stay. `turn`: with which endpoint the
    /// worker begins.
    pub(super) fn new(
        site: Arc<Site>,
        before: Option<&Self>,
        pool: &Rc<Pool<S>>,
        counters: &Counters,
        turn: usize,
    ) -> Self {
        counters.renew();
        let upstreams = site.upstreams.iter().map(|upstream| {
            let old = before.and_then(|scene| scene.upstream_named(&upstream.name));
            let tally = counters.upstream(&upstream.name);
            let members = upstream.endpoints.iter().map(|placed| {
                let endpoint = &placed.endpoint;
                let kept = old.and_then(|old| old.shelf_of(endpoint));
                let shelf =
                    kept.unwrap_or_else(|| Rc::new(pool.shelf(upstream.keepalive, &placed.state)));
                shelf.set(upstream.keepalive, placed.permits.clone());
                Member {
                    endpoint: endpoint.clone(),
                    name: Rc::from(&*endpoint.name),
                    state: placed.state.clone(),
                    permits: placed.permits.clone(),
                    tally: tally.clone(),
                    send_proxy: upstream.send_proxy,
                    generation: Cell::new(endpoint.addresses.generation()),
                    set_cookie: upstream.sticky.as_ref().and_then(|name| {
                        let mark = mark(&endpoint.name);
                        let cookie = format!("{name}={mark}; Path=/; HttpOnly; SameSite=Lax");
                        let secure = format!("{cookie}; Secure");
                        let line = |cookie: String| ReadyLine::new("Set-Cookie", cookie).ok();
                        Some([line(cookie)?, line(secure)?])
                    }),
                    mark: mark(&endpoint.name),
                    shelf,
                }
            });
            Rc::new(Upstream {
                name: upstream.name.clone(),
                members: members.collect(),
                tally,
                picker: Picker::new(
                    upstream.policy,
                    upstream.endpoints.iter().map(candidate).collect(),
                    upstream.slow_start,
                    turn,
                ),
                hash: upstream.hash.clone(),
                eject: upstream.eject,
                sticky: upstream.sticky.clone(),
                queue_timeout: upstream.queue_timeout,
                max_idle: upstream.keepalive.max_idle,
                deadline_field: upstream.deadline_field.clone(),
            })
        });
        let budget = |route: &Route| route.retry.budget.map(RetryBudget::new);
        Self {
            budgets: site.routes.iter().map(budget).collect(),
            tallies: site
                .routes
                .iter()
                .map(|it| counters.route(&it.name))
                .collect(),
            streams: site
                .streams
                .iter()
                .map(|it| (counters.stream(&it.name), RetryBudget::new(STREAM_SHARE)))
                .collect(),
            upstreams: upstreams.collect(),
            drawn: Cell::new(u32::try_from(turn).unwrap_or(0)),
            site,
        }
    }

    /// The upstream of this number.
    pub(super) fn upstream(&self, number: usize) -> Option<&Upstream<S>> {
        self.upstreams.get(number).map(|upstream| &**upstream)
    }

    /// The budget for further tries on the route of this number.
    pub(super) fn budget(&self, route: usize) -> Option<&RetryBudget> {
        self.budgets.get(route)?.as_ref()
    }

    /// The numbers of the route of this number.
    pub(super) fn tally(&self, route: usize) -> Option<&Rc<RouteTally>> {
        self.tallies.get(route)
    }

    /// The numbers of the stream of this number.
    pub(super) fn stream_tally(&self, stream: usize) -> Option<&Rc<StreamTally>> {
        self.streams.get(stream).map(|(tally, _)| tally)
    }

    /// The budget for further tries of the stream of this number.
    pub(super) fn stream_budget(&self, stream: usize) -> Option<&RetryBudget> {
        self.streams.get(stream).map(|(_, budget)| budget)
    }

    /// The upstreams, in the site's order.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Upstream<S>> {
        self.upstreams.iter().map(|upstream| &**upstream)
    }

    fn upstream_named(&self, name: &str) -> Option<&Upstream<S>> {
        let mut upstreams = self.upstreams.iter();
        upstreams
            .find(|upstream| &*upstream.name == name)
            .map(|upstream| &**upstream)
    }

    /// Where a request on this route goes: which of the route's places that is, and the upstream there.
    pub(super) fn place(&self, route: &Route) -> Option<(usize, &Upstream<S>)> {
        let Action::Forward(split, upstreams) = &route.action else {
            return None;
        };
        let place = split.pick(if upstreams.len() > 1 { self.draw() } else { 0 })?;
        let upstream = self.upstreams.get(*upstreams.get(place)?)?;
        Some((place, upstream))
    }

    /// A number from all there are: the golden ratio's multiples fall evenly over them, so that a share is kept to
    /// within one request from the first one on.
    pub(super) fn draw(&self) -> u32 {
        let drawn = self.drawn.get().wrapping_add(0x9e37_79b9);
        self.drawn.set(drawn);
        drawn
    }
}

impl<S: Stream> Member<S> {
    /// An idle connection to where the endpoint is now, made for this client where that matters.
    pub(super) fn idle(&self, client: &Header) -> Option<Box<Pooled<S>>> {
        let told = self.send_proxy.map(|_| *client);
        let generation = self.endpoint.addresses.generation();
        if generation != self.generation.replace(generation) {
            self.shelf.clear();
        }
        loop {
            let pooled = self.shelf.take(told)?;
            if pooled.generation == generation {
                return Some(pooled);
            }
        }
    }

    /// Keeps a connection for the next exchange, unless the endpoint is elsewhere by now.
    pub(super) fn keep(&self, pooled: Box<Pooled<S>>) {
        if pooled.generation == self.endpoint.addresses.generation() {
            self.shelf.put(pooled);
        }
    }
}

fn candidate(placed: &Placed) -> Candidate {
    Candidate {
        name: placed.endpoint.name.clone(),
        weight: placed.weight,
        tier: placed.tier,
        state: placed.state.clone(),
    }
}

/// What a sticky cookie says for an endpoint of this name: nothing that could be read as an address.
fn mark(name: &str) -> String {
    let digest = sha1_smol::Sha1::from(name).digest().bytes();
    digest
        .iter()
        .take(8)
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

impl<S> Upstream<S> {
    /// Picks an endpoint for a request, of those that were not `tried` if there is one.
    pub(super) fn pick(
        &self,
        request: &RequestHead,
        path: &[u8],
        client: Option<IpAddr>,
        tried: &[usize],
    ) -> Option<(usize, &Member<S>)> {
        let mut address = [0; 16];
        let key: &[u8] = match &self.hash {
            _ if !self.picker.needs_key() => &[],
            HashBy::Ip => {
                address = client.map_or(address, octets_of);
                &address
            }
            HashBy::Header(name) => request.fields().get(name).unwrap_or_default(),
            HashBy::Cookie(name) => cookie(request, name).unwrap_or_default(),
            HashBy::Path => path,
        };
        let preferred = self.sticky.as_ref().and_then(|name| {
            let value = cookie(request, name)?;
            let mut members = self.members.iter();
            members.position(|member| member.mark.as_bytes() == value)
        });
        let index = self.picker.pick(&Ask {
            now: clock::now(),
            key,
            avoid: tried,
            preferred,
        })?;
        Some((index, self.members.get(index)?))
    }

    /// A request to `member` failed by its doing. If it is left alone from now on, this says so.
    pub(super) fn note_failure(&self, member: &Member<S>) -> Option<String> {
        let peers = self.members.iter().map(|member| &*member.state);
        let state = &member.state;
        let eject = self.eject.as_ref();
        if !state.failed(eject, clock::now(), peers) {
            return None;
        }
        let Eject { failures, time, .. } = eject?;
        let name = &member.endpoint.name;
        Some(format!(
            "upstream {}: {name} is left alone for {time:?}, after {failures} failures in a row",
            self.name
        ))
    }

    /// A request to `member`, begun then, was answered.
    pub(super) fn note_answer(&self, member: &Member<S>, begun: Instant) {
        member.state.succeeded();
        if self.picker.needs_latency() {
            let now = clock::now();
            let after = now.saturating_duration_since(begun);
            member.state.observe(after, now);
        }
    }

    /// The cookie that keeps a client at `member`, where it does not have it yet.
    pub(super) fn stick<'m>(
        &self,
        member: &'m Member<S>,
        facts: &Facts<'_>,
    ) -> Option<&'m ReadyLine> {
        let name = self.sticky.as_ref()?;
        let has_it = cookie(facts.request, name) == Some(member.mark.as_bytes());
        let [plain, secure] = member.set_cookie.as_ref().filter(|_| !has_it)?;
        Some(match facts.scheme {
            "https" => secure,
            _ => plain,
        })
    }

    /// What idles for an endpoint, if it would be made as it was.
    fn shelf_of(&self, endpoint: &Endpoint) -> Option<Rc<Shelf<S>>> {
        let mut members = self.members.iter();
        let is_it = |member: &&Member<S>| {
            member.endpoint.name == endpoint.name && member.endpoint.tls == endpoint.tls
        };
        members.find(is_it).map(|member| member.shelf.clone())
    }
}

impl Route {
    /// How long a client says that it waits, where it is believed: it may only shorten what its exchange has.
    pub(super) fn asked(
        &self,
        peer: Option<IpAddr>,
        is_trusted: bool,
        request: &RequestHead,
    ) -> Option<Duration> {
        let Accepting { fields, from } = &self.patience;
        if fields.is_empty() {
            return None;
        }
        let is_believed = match from {
            None => is_trusted,
            Some(networks) => peer.is_some_and(|ip| networks.iter().any(|it| it.contains(ip))),
        };
        if !is_believed {
            return None;
        }
        deadline::asked(request.fields(), fields).shortest
    }
}

/// Which route a request is for, and what it is known by.
#[derive(Default)]
pub(super) struct Found<'a> {
    /// What the request's peer says of others is believed.
    pub(super) is_trusted: bool,
    /// The client, as far as proxies that are trusted tell of it.
    pub(super) client: Option<IpAddr>,
    pub(super) route: Option<&'a Route>,
    /// Which of the site's that is.
    pub(super) number: usize,
}

/// An address as sixteen octets, IPv4 in its coat.
fn octets_of(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The value of a cookie (RFC 6265 §4.2).
pub(super) fn cookie<'a>(request: &'a RequestHead, name: &str) -> Option<&'a [u8]> {
    let lines = request.fields().all(Name::Cookie);
    let mut pairs = lines.flat_map(|line| line.split(|octet| *octet == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=")
    })
}

/// The path and the query of a request; both empty where its target has none.
fn path_and_query(request: &RequestHead) -> (&[u8], &[u8]) {
    let target = request.target();
    if target.first() != Some(&b'/') {
        let form = request.form().ok();
        let parts = form.map(|form| (form.path(), form.query().unwrap_or_default()));
        return parts.unwrap_or_default();
    }
    // Nearly all: its grammar was looked at when the head was read.
    match target.iter().position(|octet| *octet == b'?') {
        Some(at) => (
            target.get(..at).unwrap_or_default(),
            target.get(at + 1..).unwrap_or_default(),
        ),
        None => (target, b""),
    }
}

impl Site {
    /// The route for a request from `peer`. Its normalised path is put into `path`.
    pub(super) fn find<'a>(
        &'a self,
        request: &RequestHead,
        peer: Option<IpAddr>,
        path_out: &mut Vec<u8>,
    ) -> Found<'a> {
        let peer = peer.map(|ip| ip.to_canonical());
        let is_trusted = self.is_trusted(peer);
        let client = peer.map(|peer| match is_trusted {
            true => client::by_x_forwarded_for(peer, request.fields(), &self.trusted),
            false => peer,
        });
        path_out.clear();
        let (raw, query) = path_and_query(request);
        match path::is_normal(raw) {
            true => path_out.extend_from_slice(raw),
            false if raw.is_empty() => {}
            false => path::normalise_path(raw, path_out),
        }
        let asked = Asked {
            host: request.authority().map_or(b"", |authority| authority.host),
            path: path_out,
            method: request.method(),
            fields: request.fields(),
            query,
            client,
        };
        let route = self.table.find(&asked);
        Found {
            is_trusted,
            client,
            route: route.and_then(|index| self.routes.get(index)),
            number: route.unwrap_or(0),
        }
    }

    /// Whether what this peer says of others is believed. An IPv4 address in the form of IPv6 has to be made one first.
    #[must_use]
    pub fn is_trusted(&self, peer: Option<IpAddr>) -> bool {
        let contains = |network: &Network, ip| network.contains(ip);
        peer.is_some_and(|ip| self.trusted.iter().any(|network| contains(network, ip)))
    }
}
