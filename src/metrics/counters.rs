//! One worker's counters.
//!
//! Routes and upstreams are counted by name, so that a reload goes on where the configuration before it was, whatever
//! places they have now. A name that is served no more keeps its numbers: exchanges that run may add to them, and the name
//! may come back. Of those that nothing holds any more only the latest are kept.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::snapshot::{RouteTotals, Snapshot, StreamTotals, UpstreamTotals};
use super::{CODES, Cause, Count, Handshake, Histogram, read, zeros};

/// How many names that are not served any more are kept, of routes and of upstreams.
const GONE_KEPT: usize = 64;

/// What one worker counts.
#[derive(Debug)]
pub struct Counters {
    /// By [`Cause`].
    ended: [Count; Cause::ALL.len()],
    /// Clients that were told at the door that no descriptor is left.
    pub(super) full: Count,
    /// Clients that were closed at the door because their address had enough connections.
    pub(super) crowded: Count,
    /// Connections that no PROXY protocol header began, by [`Unannounced`].
    unannounced: [Count; Unannounced::ALL.len()],
    /// By [`Handshake`].
    handshakes: [Count; Handshake::ALL.len()],
    /// Branches that were cancelled by this worker.
    cancels: Count,
    /// Exchanges that run.
    in_flight: Count,
    /// What no route is for.
    other: Rc<RouteTally>,
    routes: RefCell<BTreeMap<Arc<str>, Rc<RouteTally>>>,
    upstreams: RefCell<BTreeMap<Arc<str>, Rc<UpstreamTally>>>,
    streams: RefCell<BTreeMap<Arc<str>, Rc<StreamTally>>>,
    /// How many configurations there were.
    generation: Cell<usize>,
}

/// Why a connection is closed that had to begin with a PROXY protocol header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unannounced {
    /// Its peer is none whose word is believed.
    Untrusted,
    /// It begins with something else.
    Missing,
    /// It begins with something that is nearly one.
    Malformed,
    /// It was late.
    Timeout,
    /// The connection had ended before it was whole.
    Ended,
}

impl Unannounced {
    /// All of them, in their order, and how they are labelled.
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Untrusted, "untrusted"),
        (Self::Missing, "missing"),
        (Self::Malformed, "malformed"),
        (Self::Timeout, "timeout"),
        (Self::Ended, "ended"),
    ];
}

/// What is counted of one route.
#[derive(Debug)]
pub struct RouteTally {
    /// What logs call it.
    pub name: Arc<str>,
    /// By place in [`CODES`].
    codes: [Count; CODES.len()],
    received: Count,
    sent: Count,
    /// The last generation that it was served in.
    served_in: Cell<usize>,
}

/// What is counted of the connections of one stream.
#[derive(Debug)]
pub struct StreamTally {
    /// What logs call it.
    pub name: Arc<str>,
    /// Those that have begun.
    begun: Count,
    /// Those that there are.
    open: Count,
    /// Octets from clients, as they are passed on.
    pub received: Count,
    /// Octets to clients, likewise.
    pub sent: Count,
    /// See [`RouteTally::served_in`].
    served_in: Cell<usize>,
}

/// A connection of a stream, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the connection has ended"]
pub struct OpenStream(Rc<StreamTally>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.take_one();
    }
}

impl StreamTally {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            begun: Count::default(),
            open: Count::default(),
            received: Count::default(),
            sent: Count::default(),
            served_in: Cell::new(0),
        }
    }

    /// A connection has begun.
    pub fn opened(self: &Rc<Self>) -> OpenStream {
        self.begun.add(1);
        self.open.add(1);
        OpenStream(self.clone())
    }

    fn totals(&self) -> StreamTotals {
        StreamTotals {
            name: self.name.clone(),
            begun: self.begun.get(),
            open: self.open.get(),
            received: self.received.get(),
            sent: self.sent.get(),
        }
    }
}

/// What is counted of one upstream.
#[derive(Debug)]
pub struct UpstreamTally {
    /// What the file calls it.
    pub name: Arc<str>,
    /// By [`UpstreamEvent`].
    events: [Count; UpstreamEvent::ALL.len()],
    /// Exchanges, from the request head to their end.
    pub requests: Histogram,
    /// Connections that were made.
    pub connects: Histogram,
    /// Exchanges, from the request head to the origin's final response head.
    pub first_octets: Histogram,
    /// Waits for a connection where there may be no more.
    pub queued: Histogram,
    /// Connections that there are.
    open: Count,
    /// See [`RouteTally::served_in`].
    served_in: Cell<usize>,
}

/// What happens between the gateway and an upstream, and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamEvent {
    /// A try at an endpoint has begun.
    Attempt,
    /// A request is tried again.
    Retry,
    /// A further try was not made because the budget for them was used up.
    BudgetExhausted,
    /// A request went to a further endpoint while it was with another.
    Hedge,
    /// And that one was the first to answer.
    HedgeWon,
    /// A connection was made.
    Opened,
    /// A connection that had idled was taken.
    Reused,
    /// Such a connection was not good any more, and the request was sent again.
    StaleReplay,
}

impl UpstreamEvent {
    /// All of them, in their order: the names of the counters, and what they say.
    pub(super) const ALL: [(Self, &'static str, &'static str); 8] = [
        (
            Self::Attempt,
            "osier_attempts_total",
            "Tries at an endpoint, the first of each request included.",
        ),
        (
            Self::Retry,
            "osier_retries_total",
            "Tries beyond the first, because it failed.",
        ),
        (
            Self::BudgetExhausted,
            "osier_retry_budget_exhausted_total",
            "Further tries that were not made because the budget for them was used up.",
        ),
        (
            Self::Hedge,
            "osier_hedges_total",
            "Tries at a further endpoint because the answer was late.",
        ),
        (
            Self::HedgeWon,
            "osier_hedges_won_total",
            "Hedges that were answered first.",
        ),
        (
            Self::Opened,
            "osier_origin_connections_opened_total",
            "Connections made to endpoints.",
        ),
        (
            Self::Reused,
            "osier_origin_connections_reused_total",
            "Idle connections to endpoints that were taken for another request.",
        ),
        (
            Self::StaleReplay,
            "osier_stale_replays_total",
            "Requests that met an idle connection that had ended, and were sent again.",
        ),
    ];
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            ended: zeros(),
            full: Count::default(),
            crowded: Count::default(),
            unannounced: zeros(),
            handshakes: zeros(),
            cancels: Count::default(),
            in_flight: Count::default(),
            other: Rc::new(RouteTally::new(RouteTally::OTHER.into())),
            routes: RefCell::default(),
            upstreams: RefCell::default(),
            streams: RefCell::default(),
            generation: Cell::new(0),
        }
    }
}

impl Counters {
    /// Another configuration is served from here on: what it names is asked for next.
    pub fn renew(&self) {
        self.generation.set(self.generation.get().wrapping_add(1));
    }

    /// Forgets names that were not asked for since [`Counters::renew`] and that nothing holds, where they are many.
    pub fn forget(&self) {
        let now = self.generation.get();
        let of_route =
            |tally: &Rc<RouteTally>| (Rc::strong_count(tally) > 1, tally.served_in.get());
        forget(&mut self.routes.borrow_mut(), now, of_route);
        let of_upstream =
            |tally: &Rc<UpstreamTally>| (Rc::strong_count(tally) > 1, tally.served_in.get());
        forget(&mut self.upstreams.borrow_mut(), now, of_upstream);
        let of_stream =
            |tally: &Rc<StreamTally>| (Rc::strong_count(tally) > 1, tally.served_in.get());
        forget(&mut self.streams.borrow_mut(), now, of_stream);
    }

    /// The numbers of the route of this name.
    #[must_use]
    pub fn route(&self, name: &Arc<str>) -> Rc<RouteTally> {
        let mut routes = self.routes.borrow_mut();
        let known = routes
            .entry(name.clone())
            .or_insert_with(|| Rc::new(RouteTally::new(name.clone())));
        known.served_in.set(self.generation.get());
        known.clone()
    }

    /// The numbers of what no route is for.
    #[must_use]
    pub fn other(&self) -> &RouteTally {
        &self.other
    }

    /// The numbers of the upstream of this name.
    #[must_use]
    pub fn upstream(&self, name: &Arc<str>) -> Rc<UpstreamTally> {
        let mut upstreams = self.upstreams.borrow_mut();
        let known = upstreams
            .entry(name.clone())
            .or_insert_with(|| Rc::new(UpstreamTally::new(name.clone())));
        known.served_in.set(self.generation.get());
        known.clone()
    }

    /// The numbers of the stream of this name.
    #[must_use]
    pub fn stream(&self, name: &Arc<str>) -> Rc<StreamTally> {
        let mut streams = self.streams.borrow_mut();
        let known = streams
            .entry(name.clone())
            .or_insert_with(|| Rc::new(StreamTally::new(name.clone())));
        known.served_in.set(self.generation.get());
        known.clone()
    }

    /// An exchange begins; it has ended when this is dropped.
    pub fn begin(&self) -> UnderWay<'_> {
        self.in_flight.add(1);
        UnderWay(&self.in_flight)
    }

    /// An exchange has not ended as it should.
    pub fn ended(&self, cause: Cause) {
        if let Some(count) = self.ended.get(cause as usize) {
            count.add(1);
        }
    }

    /// A TLS handshake with a client has come to this.
    pub fn handshake(&self, outcome: Handshake) {
        if let Some(count) = self.handshakes.get(outcome as usize) {
            count.add(1);
        }
    }

    /// A branch was cancelled.
    pub fn canceled(&self) {
        self.cancels.add(1);
    }

    /// No descriptor is left for a client.
    pub fn refused_full(&self) {
        self.full.add(1);
    }

    /// A client's address has enough connections.
    pub fn refused_crowded(&self) {
        self.crowded.add(1);
    }

    /// A connection was closed for want of a PROXY protocol header.
    pub fn unannounced(&self, why: Unannounced) {
        if let Some(count) = self.unannounced.get(why as usize) {
            count.add(1);
        }
    }

    /// All of it as it is now, but what only the gateway knows: sessions, and what idles.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let routes = self.routes.borrow();
        let upstreams = self.upstreams.borrow();
        let streams = self.streams.borrow();
        Snapshot {
            streams: streams.values().map(|tally| tally.totals()).collect(),
            routes: routes.values().map(|tally| tally.totals()).collect(),
            other: self.other.totals(),
            upstreams: upstreams.values().map(|tally| tally.totals()).collect(),
            ended: read(&self.ended),
            full: self.full.get(),
            crowded: self.crowded.get(),
            unannounced: read(&self.unannounced),
            handshakes: read(&self.handshakes),
            cancels: self.cancels.get(),
            in_flight: self.in_flight.get(),
            sessions: 0,
        }
    }
}

/// Forgets those that were gone first, of those that are neither served now nor held by anybody.
fn forget<T>(
    known: &mut BTreeMap<Arc<str>, T>,
    now: usize,
    held_and_served_in: impl Fn(&T) -> (bool, usize),
) {
    let mut gone: Vec<_> = known
        .iter()
        .filter_map(|(name, it)| {
            let (is_held, served_in) = held_and_served_in(it);
            (!is_held && served_in != now).then(|| (served_in, name.clone()))
        })
        .collect();
    let Some(many) = gone.len().checked_sub(GONE_KEPT) else {
        return;
    };
    gone.sort_unstable();
    for (_, name) in gone.into_iter().take(many) {
        known.remove(&name);
    }
}

/// An exchange that runs, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the exchange has ended"]
pub struct UnderWay<'a>(&'a Count);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.take_one();
    }
}

/// A connection to an origin, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the connection is gone"]
pub struct OpenConnection(Rc<UpstreamTally>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.take_one();
    }
}

impl RouteTally {
    /// How what no route is for is labelled. A route of that very name is counted there too.
    pub const OTHER: &'static str = "other";

    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            codes: zeros(),
            received: Count::default(),
            sent: Count::default(),
            served_in: Cell::new(0),
        }
    }

    /// An exchange has ended with this status, after so many octets of content.
    pub fn ended(&self, status: u16, received: u64, sent: u64) {
        if let Some(count) = self.codes.get(code(status)) {
            count.add(1);
        }
        self.received.add(received);
        self.sent.add(sent);
    }

    fn totals(&self) -> RouteTotals {
        RouteTotals {
            name: self.name.clone(),
            codes: read(&self.codes),
            received: self.received.get(),
            sent: self.sent.get(),
        }
    }
}

/// The status's place in [`CODES`].
fn code(status: u16) -> usize {
    match status {
        499 => 5,
        500.. => 4,
        400.. => 3,
        300.. => 2,
        200.. => 1,
        _ => 0,
    }
}

impl UpstreamTally {
    fn new(name: Arc<str>) -> Self {
        Self {
            name,
            events: zeros(),
            requests: Histogram::default(),
            connects: Histogram::default(),
            first_octets: Histogram::default(),
            queued: Histogram::default(),
            open: Count::default(),
            served_in: Cell::new(0),
        }
    }

    /// This has happened.
    pub fn note(&self, event: UpstreamEvent) {
        if let Some(count) = self.events.get(event as usize) {
            count.add(1);
        }
    }

    /// A connection was made, which took so long. It is gone when what this returns is dropped.
    pub fn opened(self: &Rc<Self>, took: Duration) -> OpenConnection {
        self.note(UpstreamEvent::Opened);
        self.connects.observe(took);
        self.open.add(1);
        OpenConnection(self.clone())
    }

    /// An exchange has ended, so long after its request head, of which the origin's response head took so much.
    pub fn ended(&self, total: Option<Duration>, first: Option<Duration>) {
        if let Some(total) = total {
            self.requests.observe(total);
        }
        if let Some(first) = first {
            self.first_octets.observe(first);
        }
    }

    fn totals(&self) -> UpstreamTotals {
        UpstreamTotals {
            name: self.name.clone(),
            events: read(&self.events),
            requests: self.requests.read(),
            connects: self.connects.read(),
            first_octets: self.first_octets.read(),
            queued: self.queued.read(),
            open: self.open.get(),
            idle: 0,
        }
    }
}
