//! What is told of one exchange.

use std::net::IpAddr;
use std::time::Duration;

use crate::http::head::Version;

/// What is said of one exchange when it has ended.
///
/// Whatever a client can choose may be any octets: each format writes them so that a record stays one line and each
/// value within its bounds.
#[derive(Debug, Clone, Default)]
pub struct Record<'a> {
    /// The client's address, where it has one.
    pub client: Option<IpAddr>,
    /// The stream that it is a connection of, in place of an exchange: then there is no request, `host` is the name that
    /// its client asked for by TLS, and `exchange` is the id of the tunnel's node.
    pub stream: &'a str,
    /// The id of the exchange's node in the tree; 0 where no request head could be read.
    pub exchange: u64,
    /// The request's method as received.
    pub method: &'a [u8],
    /// The request-target as received.
    pub target: &'a [u8],
    /// The version the request was in, where there is one.
    pub version: Option<Version>,
    /// The authority the request was for.
    pub host: &'a [u8],
    /// The request's Referer. Only [`Format::Combined`](super::Format::Combined) has it.
    pub referer: &'a [u8],
    /// The request's User-Agent. Only [`Format::Combined`](super::Format::Combined) has it.
    pub user_agent: &'a [u8],
    /// The request's id, where it has one.
    pub request_id: &'a [u8],
    /// The id of the trace it belongs to, where it has one: see [`trace_id`].
    pub trace_id: &'a [u8],
    /// What the client was answered; 499 where it did not wait for it.
    pub status: u16,
    /// Content octets from the client.
    pub received: u64,
    /// Content octets to the client.
    pub sent: u64,
    /// The route that matched, where one did.
    pub route: &'a str,
    /// The upstream the route leads to, where it leads to one.
    pub upstream: &'a str,
    /// The endpoint of the last attempt, where there was one.
    pub endpoint: &'a str,
    /// How many attempts there were.
    pub attempts: u32,
    /// The last attempt went over a connection that had carried others; `None` where it got no connection.
    pub reused: Option<bool>,
    /// How long it was queued for an endpoint, where it was.
    pub queue: Option<Duration>,
    /// From the request head to the connection to the origin.
    pub connect: Option<Duration>,
    /// From the request head to the response head.
    pub first: Option<Duration>,
    /// From the request head to the end.
    pub total: Duration,
    /// Why it ended, where that is not the message's own end.
    pub cause: Option<&'a str>,
}

/// The trace id in a `traceparent` field's value: 32 lower case hexadecimal digits, not all zero. Empty where the value
/// is not valid.
///
/// # Source
/// W3C Trace Context, §3.2: version, trace-id, parent-id, trace-flags. A later version may have more behind them.
#[must_use]
pub fn trace_id(traceparent: &[u8]) -> &[u8] {
    const LEN: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
    let is_hex = |part: &[u8]| {
        part.iter()
            .all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |part: &[u8]| part.iter().all(|octet| *octet == b'0');
    let Some((known, more)) = traceparent.split_at_checked(LEN) else {
        return b"";
    };
    let mut parts = known.split(|octet| *octet == b'-');
    let (Some(version), Some(trace), Some(parent), Some(flags), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return b"";
    };
    let lengths = [version.len(), trace.len(), parent.len(), flags.len()];
    let fits = more.is_empty() || (version != b"00" && more.starts_with(b"-"));
    let is_valid = lengths == [2, 32, 16, 2]
        && [version, trace, parent, flags].into_iter().all(is_hex)
        && version != b"ff"
        && !is_zero(trace)
        && !is_zero(parent)
        && fits;
    if is_valid { trace } else { b"" }
}
