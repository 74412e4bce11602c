//! What the log will say of an exchange, and what is counted of it.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::error::Error;
use super::gateway::Heads;
use super::session::Session;
use crate::clock;
use crate::http::field::{Fields, Name};
use crate::log::{Record, trace_id};
use crate::metrics::{Cause, Counters, RouteTally, UpstreamTally};
use crate::net::dialer::Dial;

/// What is known of an exchange so far, for the log and for the counters.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) exchange: u64,
    pub(super) started: Option<Instant>,
    pub(super) status: u16,
    pub(super) route: Option<Rc<RouteTally>>,
    pub(super) upstream: Option<Rc<UpstreamTally>>,
    pub(super) endpoint: Option<Rc<str>>,
    pub(super) client: Option<IpAddr>,
    pub(super) attempts: u32,
    /// The last attempt's connection had carried others.
    pub(super) reused: Option<bool>,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) connect: Option<Duration>,
    pub(super) first: Option<Duration>,
    pub(super) cause: Option<String>,
    /// The same, as it is counted.
    pub(super) ended: Option<Cause>,
}

impl Told {
    /// Why it did not end as it should.
    pub(super) fn blame(&mut self, error: &Error) {
        self.cause = Some(error.cause().into_owned());
        self.ended = Some(error.counted());
    }
}

/// Counts an exchange or a tunnel that is over, and writes the access record.
pub(super) fn record<C, D: Dial>(session: &Session<C, D>, heads: &Heads, told: &Told) {
    let gateway = &*session.gateway;
    let started = told.started.unwrap_or_else(clock::now);
    let total = clock::now().saturating_duration_since(started);
    count(gateway.counters(), told, total);
    if !gateway.scribe.is_on() {
        return;
    }
    let mut record = Record {
        client: told
            .client
            .or_else(|| session.peer.map(|peer| peer.ip().to_canonical())),
        exchange: told.exchange,
        status: told.status,
        route: told.route.as_ref().map_or("", |route| &route.name),
        upstream: told.upstream.as_ref().map_or("", |it| &it.name),
        endpoint: told.endpoint.as_deref().unwrap_or(""),
        attempts: told.attempts,
        reused: told.reused,
        received: told.received,
        sent: told.sent,
        connect: told.connect,
        first: told.first,
        total,
        cause: told.cause.as_deref(),
        ..Record::default()
    };
    // Without a node no head was read, or not to its end.
    if told.exchange != 0 {
        let (request, out) = (&heads.request, heads.request_out.fields());
        let fields = request.fields();
        record.method = request.method();
        record.target = request.target();
        record.version = Some(request.version());
        record.host = request
            .authority()
            .map_or(b"", |authority| authority.octets);
        // As the origin was told, or else as the client had it.
        let id = out.first(Name::XRequestId);
        let id = id.or_else(|| fields.first(Name::XRequestId));
        record.request_id = id.unwrap_or_default();
        record.referer = last(fields, Name::Referer);
        record.user_agent = last(fields, Name::UserAgent);
        let sent = out.first(Name::Traceparent);
        let traceparent = sent.unwrap_or_else(|| last(fields, Name::Traceparent));
        record.trace_id = trace_id(traceparent);
    }
    let first = gateway.scribe.record(&record);
    if first {
        gateway.log_recorded();
    }
}

/// Counts what is over, after so long.
fn count(counters: &Counters, told: &Told, total: Duration) {
    let route = told.route.as_deref().unwrap_or_else(|| counters.other());
    route.ended(told.status, told.received, told.sent);
    if let Some(cause) = told.ended {
        counters.ended(cause);
    }
    // Where nothing was asked of the upstream, nothing is said of it.
    if let Some(upstream) = told.upstream.as_ref().filter(|_| told.attempts > 0) {
        // How long a tunnel lasts is no measure of how long it took.
        upstream.ended((told.status != 101).then_some(total), told.first);
    }
}

/// The value of the last line of `name`; empty where there is none.
fn last(fields: &Fields, name: Name) -> &[u8] {
    fields.all(name).next_back().unwrap_or_default()
}
