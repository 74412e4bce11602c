//! What the log will say of an exchange.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gateway::Heads;
use super::session::Session;
use crate::clock;
use crate::log::Record;
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
    let (method, target, host): (&[u8], &[u8], &[u8]) = match told.exchange {
        0 => (b"", b"", b""),
        _ => (
            heads.request.method(),
            heads.request.target(),
            heads
                .request
                .authority()
                .map_or(b"", |authority| authority.octets),
        ),
    };
    let first = gateway.scribe.record(&Record {
        client: told
            .client
            .or_else(|| session.peer.map(|peer| peer.ip().to_canonical())),
        exchange: told.exchange,
        method,
        target,
        host,
        status: told.status,
        endpoint: told.endpoint.as_deref().unwrap_or(""),
        attempts: told.attempts,
        received: told.received,
        sent: told.sent,
        connect: told.connect,
        first: told.first,
        total: clock::now().saturating_duration_since(started),
        cause: told.cause.as_deref(),
        request_id: heads
            .request_out
            .fields()
            .get("x-request-id")
            .unwrap_or(b""),
    });
    if first {
        gateway.log_recorded();
    }
}
