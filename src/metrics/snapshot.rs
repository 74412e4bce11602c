//! What was counted up to a moment: plain data, of one worker or of all.

use std::cmp::Ordering;
use std::sync::Arc;

use super::counters::{Unannounced, UpstreamEvent};
use super::text::{Kind, Page};
use super::{Cause, Distribution, Handshake, add};

/// What statuses are told apart.
pub const CODES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "499"];

/// What was counted up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// By name, in order.
    pub routes: Vec<RouteTotals>,
    /// What no route was for.
    pub other: RouteTotals,
    /// By name, in order.
    pub upstreams: Vec<UpstreamTotals>,
    /// By name, in order.
    pub streams: Vec<StreamTotals>,
    /// By [`Cause`].
    pub(super) ended: [u64; Cause::ALL.len()],
    pub(super) full: u64,
    pub(super) crowded: u64,
    /// By [`Unannounced`].
    pub(super) unannounced: [u64; Unannounced::ALL.len()],
    /// By [`Handshake`].
    pub(super) handshakes: [u64; Handshake::ALL.len()],
    /// Branches that were cancelled.
    pub cancels: u64,
    /// Exchanges that ran.
    pub in_flight: u64,
    /// Client connections.
    pub sessions: u64,
}

/// What was counted of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTotals {
    /// What logs call it.
    pub name: Arc<str>,
    /// Exchanges, by place in [`CODES`].
    pub codes: [u64; CODES.len()],
    /// Octets of content from clients.
    pub received: u64,
    /// Octets of content to clients.
    pub sent: u64,
}

/// What was counted of the connections of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamTotals {
    /// What logs call it.
    pub name: Arc<str>,
    /// Those that began.
    pub begun: u64,
    /// Those that there were.
    pub open: u64,
    /// Octets from clients.
    pub received: u64,
    /// Octets to clients.
    pub sent: u64,
}

/// What was counted of one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTotals {
    /// What the file calls it.
    pub name: Arc<str>,
    /// By [`UpstreamEvent`].
    pub(super) events: [u64; UpstreamEvent::ALL.len()],
    /// Exchanges, from the request head to their end.
    pub requests: Distribution,
    /// Connections that were made.
    pub connects: Distribution,
    /// Exchanges, from the request head to the origin's final response head.
    pub first_octets: Distribution,
    /// Waits for a connection where there may be no more.
    pub queued: Distribution,
    /// Connections that there were.
    pub open: u64,
    /// Those of them that idled.
    pub idle: u64,
}

impl Default for Snapshot {
    /// Nothing.
    fn default() -> Self {
        super::Counters::default().snapshot()
    }
}

/// What has a name and can be summed with its like.
trait Totals: Clone {
    fn name(&self) -> &str;
    fn merge(&mut self, other: &Self);
}

impl Totals for RouteTotals {
    fn name(&self) -> &str {
        &self.name
    }

    fn merge(&mut self, other: &Self) {
        add(&mut self.codes, &other.codes);
        self.received = self.received.wrapping_add(other.received);
        self.sent = self.sent.wrapping_add(other.sent);
    }
}

impl Totals for StreamTotals {
    fn name(&self) -> &str {
        &self.name
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.begun, other.begun),
            (&mut self.open, other.open),
            (&mut self.received, other.received),
            (&mut self.sent, other.sent),
        ] {
            *sum = sum.wrapping_add(more);
        }
    }
}

impl Totals for UpstreamTotals {
    fn name(&self) -> &str {
        &self.name
    }

    fn merge(&mut self, other: &Self) {
        add(&mut self.events, &other.events);
        self.requests.merge(&other.requests);
        self.connects.merge(&other.connects);
        self.first_octets.merge(&other.first_octets);
        self.queued.merge(&other.queued);
        self.open = self.open.wrapping_add(other.open);
        self.idle = self.idle.wrapping_add(other.idle);
    }
}

/// Sums two lists that are in order of their names: into one that is.
fn merge<T: Totals>(one: &mut Vec<T>, other: &[T]) {
    let mut rest = std::mem::take(one).into_iter().peekable();
    for more in other {
        while let Some(before) = rest.next_if(|it| it.name() < more.name()) {
            one.push(before);
        }
        match rest.next_if(|it| it.name().cmp(more.name()) == Ordering::Equal) {
            Some(mut same) => {
                same.merge(more);
                one.push(same);
            }
            None => one.push(more.clone()),
        }
    }
    one.extend(rest);
}

impl RouteTotals {
    /// How many exchanges have ended.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.codes
            .iter()
            .fold(0, |sum, more| sum.wrapping_add(*more))
    }
}

impl UpstreamTotals {
    /// How often this has happened.
    #[must_use]
    pub fn count(&self, event: UpstreamEvent) -> u64 {
        self.events.get(event as usize).copied().unwrap_or(0)
    }
}

impl Snapshot {
    /// This and what another worker counted.
    pub fn merge(&mut self, other: &Self) {
        merge(&mut self.routes, &other.routes);
        self.other.merge(&other.other);
        merge(&mut self.upstreams, &other.upstreams);
        merge(&mut self.streams, &other.streams);
        add(&mut self.ended, &other.ended);
        add(&mut self.unannounced, &other.unannounced);
        add(&mut self.handshakes, &other.handshakes);
        for (sum, more) in [
            (&mut self.full, other.full),
            (&mut self.crowded, other.crowded),
            (&mut self.cancels, other.cancels),
            (&mut self.in_flight, other.in_flight),
            (&mut self.sessions, other.sessions),
        ] {
            *sum = sum.wrapping_add(more);
        }
    }

    /// Of a worker that has ended, what it counted is left, and nothing of what it had.
    pub fn retire(&mut self) {
        (self.in_flight, self.sessions) = (0, 0);
        for upstream in &mut self.upstreams {
            (upstream.open, upstream.idle) = (0, 0);
        }
        for stream in &mut self.streams {
            stream.open = 0;
        }
    }

    /// Exchanges that ended for this cause.
    #[must_use]
    pub fn ended(&self, cause: Cause) -> u64 {
        self.ended.get(cause as usize).copied().unwrap_or(0)
    }

    /// The upstream of this name.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<&UpstreamTotals> {
        self.upstreams.iter().find(|it| &*it.name == name)
    }

    /// Writes all of it.
    pub fn write(&self, page: &mut Page) {
        self.write_routes(page);
        self.write_ends(page);
        self.write_unannounced(page);
        self.write_upstreams(page);
        self.write_streams(page);
        page.family(
            "osier_tls_handshakes_total",
            Kind::Counter,
            "TLS handshakes with clients, by what came of them.",
        );
        for ((_, word), count) in Handshake::ALL.iter().zip(self.handshakes) {
            page.sample(&[("outcome", word)], count);
        }
        page.family(
            "osier_sessions",
            Kind::Gauge,
            "Client connections, idle ones included.",
        );
        page.sample(&[], self.sessions);
    }

    /// What is counted by route. A code that was never answered with has no line, but 2xx.
    fn write_routes(&self, page: &mut Page) {
        let mut routes = self.routes.clone();
        merge(&mut routes, std::slice::from_ref(&self.other));
        page.family(
            "osier_requests_total",
            Kind::Counter,
            "Requests that have been answered or have failed, by route and class of status; 499: the client had gone.",
        );
        for route in &routes {
            for (code, count) in CODES.iter().zip(route.codes) {
                if count > 0 || *code == "2xx" {
                    page.sample(&[("route", &route.name), ("code", code)], count);
                }
            }
        }
        page.family(
            "osier_requests_in_flight",
            Kind::Gauge,
            "Requests that are being served now.",
        );
        page.sample(&[], self.in_flight);
        page.family(
            "osier_received_bytes_total",
            Kind::Counter,
            "Octets of content received from clients.",
        );
        for route in &routes {
            page.sample(&[("route", &route.name)], route.received);
        }
        page.family(
            "osier_sent_bytes_total",
            Kind::Counter,
            "Octets of content sent to clients.",
        );
        for route in &routes {
            page.sample(&[("route", &route.name)], route.sent);
        }
    }

    fn write_ends(&self, page: &mut Page) {
        page.family(
            "osier_ended_total",
            Kind::Counter,
            "Requests, tunnels and streams that did not end as they should, by cause: the log's word, up to its colon.",
        );
        for (cause, word) in Cause::ALL {
            page.sample(&[("cause", word)], self.ended(cause));
        }
        page.family(
            "osier_sheds_total",
            Kind::Counter,
            "What was refused for want of something: buffers, a place in a queue, a descriptor, connections of one address.",
        );
        for (reason, count) in [
            ("buffers", self.ended(Cause::Shed)),
            ("queue", self.ended(Cause::QueueFull)),
            ("auth_queue", self.ended(Cause::AuthQueueFull)),
            ("descriptors", self.full),
            ("per_ip", self.crowded),
        ] {
            page.sample(&[("reason", reason)], count);
        }
    }

    /// Connections that were closed for want of a PROXY protocol header.
    fn write_unannounced(&self, page: &mut Page) {
        page.family(
            "osier_proxy_protocol_refused_total",
            Kind::Counter,
            "Connections that were closed because no PROXY protocol header came that is believed, by reason.",
        );
        for ((_, reason), count) in Unannounced::ALL.into_iter().zip(self.unannounced) {
            page.sample(&[("reason", reason)], count);
        }
    }

    fn write_streams(&self, page: &mut Page) {
        type Which = fn(&StreamTotals) -> u64;
        let families: [(&str, Kind, &str, Which); 4] = [
            (
                "osier_streams_total",
                Kind::Counter,
                "Connections of streams that have begun, by the stream's first address.",
                |it| it.begun,
            ),
            (
                "osier_streams_open",
                Kind::Gauge,
                "Connections of streams that there are.",
                |it| it.open,
            ),
            (
                "osier_stream_received_bytes_total",
                Kind::Counter,
                "Octets that streams have passed on from clients.",
                |it| it.received,
            ),
            (
                "osier_stream_sent_bytes_total",
                Kind::Counter,
                "Octets that streams have passed on to clients.",
                |it| it.sent,
            ),
        ];
        for (name, kind, help, which) in families {
            page.family(name, kind, help);
            for stream in &self.streams {
                page.sample(&[("stream", &stream.name)], which(stream));
            }
        }
    }

    fn write_upstreams(&self, page: &mut Page) {
        for (event, name, help) in UpstreamEvent::ALL {
            page.family(name, Kind::Counter, help);
            for upstream in &self.upstreams {
                page.sample(&[("upstream", &upstream.name)], upstream.count(event));
            }
        }
        page.family(
            "osier_origin_connections",
            Kind::Gauge,
            "Connections to endpoints: all that are open, and those of them that idle.",
        );
        for upstream in &self.upstreams {
            for (state, count) in [("open", upstream.open), ("idle", upstream.idle)] {
                page.sample(&[("upstream", &upstream.name), ("state", state)], count);
            }
        }
        type Which = fn(&UpstreamTotals) -> &Distribution;
        let histograms: [(&str, &str, Which); 4] = [
            (
                "osier_request_duration_seconds",
                "From the request head to the end of the exchange; tunnels are left out.",
                |it| &it.requests,
            ),
            (
                "osier_first_octet_duration_seconds",
                "From the request head to the final response head of the origin.",
                |it| &it.first_octets,
            ),
            (
                "osier_connect_duration_seconds",
                "How long it took to make a connection.",
                |it| &it.connects,
            ),
            (
                "osier_queue_wait_seconds",
                "How long requests waited for a connection where there may be no more, got or not.",
                |it| &it.queued,
            ),
        ];
        for (name, help, which) in histograms {
            page.family(name, Kind::Histogram, help);
            for upstream in &self.upstreams {
                page.histogram(&[("upstream", &upstream.name)], which(upstream));
            }
        }
    }
}
