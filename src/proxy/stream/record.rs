//! What the log says of a stream, and what is counted of it beside its octets.

use super::Visit;
use crate::clock;
use crate::log::Record;
use crate::net::dialer::Dial;
use crate::proxy::record::Told;

/// Counts a stream that is over, and writes the access record. `name`: what its client asked for by TLS.
pub(super) fn record<C, D: Dial>(visit: &Visit<'_, C, D>, told: &Told, name: Option<&str>) {
    let gateway = visit.gateway;
    if let Some(cause) = told.ended {
        gateway.counters().ended(cause);
    }
    if !gateway.scribe.is_on() {
        return;
    }
    let record = Record {
        client: told.client,
        exchange: told.exchange,
        stream: &visit.rules.name,
        host: name.unwrap_or_default().as_bytes(),
        upstream: told.upstream.as_ref().map_or("", |it| &it.name),
        endpoint: told.endpoint.as_deref().unwrap_or(""),
        attempts: told.attempts,
        received: told.received,
        sent: told.sent,
        connect: told.connect,
        total: clock::now().saturating_duration_since(visit.started),
        cause: told.cause.as_deref(),
        ..Record::default()
    };
    if gateway.scribe.record(&record) {
        gateway.log_recorded();
    }
}
