//! What the log will say of an exchange.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gateway::Heads;
use super::session::Session;
use crate::clock;
use crate::http::field::Name;
use crate::log::{Record, trace_id};
use crate::net::dialer::Dial;

/// What is known of an exchange so far, for the log.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) exchange: u64,
    pub(super) started: Option<Instant>,
    pub(super) status: u16,
    pub(super) route: Option<Arc<str>>,
    pub(super) upstream: Option<Arc<str>>,
    pub(super) endpoint: Option<Arc<str>>,
    pub(super) client: Option<IpAddr>,
    pub(super) attempts: u32,
    /// The last attempt's connection had carried others.
    pub(super) reused: Option<bool>,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) connect: Option<Duration>,
    pub(super) first: Option<Duration>,
    pub(super) cause: Option<String>,
}

/// Writes the access record.
pub(super) fn record<C, D: Dial>(session: &Session<C, D>, heads: &Heads, told: &Told) {
    let gateway = &*session.gateway;
    if !gateway.scribe.is_on() {
        return;
    }
    let started = told.started.unwrap_or_else(clock::now);
    let mut record = Record {
        client: told
            .client
            .or_else(|| session.peer.map(|peer| peer.ip().to_canonical())),
        exchange: told.exchange,
        status: told.status,
        route: told.route.as_deref().unwrap_or(""),
        upstream: told.upstream.as_deref().unwrap_or(""),
        endpoint: told.endpoint.as_deref().unwrap_or(""),
        attempts: told.attempts,
        reused: told.reused,
        received: told.received,
        sent: told.sent,
        connect: told.connect,
        first: told.first,
        total: clock::now().saturating_duration_since(started),
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
        // One walk for all three: nobody classifies these names.
        let mut traceparent: &[u8] = b"";
        for (name, value) in fields.iter() {
            match name.len() {
                7 if name.eq_ignore_ascii_case(b"referer") => record.referer = value,
                10 if name.eq_ignore_ascii_case(b"user-agent") => record.user_agent = value,
                11 if name.eq_ignore_ascii_case(b"traceparent") => traceparent = value,
                _ => {}
            }
        }
        record.trace_id = trace_id(out.get("traceparent").unwrap_or(traceparent));
    }
    let first = gateway.scribe.record(&record);
    if first {
        gateway.log_recorded();
    }
}
