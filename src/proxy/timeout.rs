//! The timeouts, their defaults, and the reason each gives to the deadline it becomes.

use std::fmt;
use std::time::Duration;

/// How long each part of an exchange may take. `None` is off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the final response head: queue, connect, all attempts. Starts when the request head is in.
    pub request: Option<Duration>,
    /// The whole exchange, with its bodies.
    pub total: Option<Duration>,
    /// The whole request head, not each read of it; and before the first one a TLS handshake.
    pub header: Option<Duration>,
    /// A client's connection between two requests.
    pub idle: Option<Duration>,
    /// A body without progress, in each direction.
    pub body: Option<Duration>,
    /// A new connection to an origin.
    pub connect: Option<Duration>,
    /// From the last request octet sent to the first octet of the final response head.
    pub response: Option<Duration>,
    /// A tunnel without octets in either direction.
    pub tunnel: Option<Duration>,
    /// The whole life of a tunnel.
    pub tunnel_max: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |count| Some(Duration::from_secs(count));
        Self {
            request: seconds(60),
            total: None,
            header: seconds(10),
            idle: seconds(60),
            body: seconds(30),
            connect: seconds(3),
            response: seconds(30),
            tunnel: seconds(3600),
            tunnel_max: None,
        }
    }
}

/// Which timeout a deadline stands for: the reason in the cause of what it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// [`Timeouts::request`].
    Request,
    /// [`Timeouts::total`].
    Total,
    /// [`Timeouts::header`].
    Header,
    /// [`Timeouts::idle`].
    Idle,
    /// [`Timeouts::body`], of the client's body.
    ClientBody,
    /// [`Timeouts::body`], of the origin's body.
    OriginBody,
    /// [`Timeouts::connect`].
    Connect,
    /// [`Timeouts::response`].
    Response,
    /// [`Timeouts::tunnel`].
    Tunnel,
    /// [`Timeouts::tunnel_max`].
    TunnelMax,
    /// How long a TLS client may take for its first message, where that says where it goes.
    Hello,
    /// How long a connection that is being closed is still read.
    Linger,
    /// What the client said that it would wait, in a field that is believed.
    Asked,
    /// [`Retry::per_try`](super::retry::Retry::per_try).
    Try,
    /// How long a request waits for a connection that it may have.
    Queue,
    /// How long a subrequest, such as that of forward authentication, may take.
    Errand,
    /// How long a password may wait to be verified.
    Verify,
    /// How long a client and we may take to agree on keys: [`Timeouts::header`] too.
    Handshake,
}

impl Timeout {
    /// What the node that has this deadline is called in the tree: what is waited for.
    #[must_use]
    pub fn waits_for(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Total => "total",
            Self::Header => "request head",
            Self::Idle => "next request",
            Self::ClientBody => "request body",
            Self::OriginBody => "response body",
            Self::Connect => "connect",
            Self::Response => "response head",
            Self::Tunnel => "tunnel octets",
            Self::TunnelMax => "tunnel",
            Self::Hello => "ClientHello",
            Self::Linger => "client's end",
            Self::Asked => "what the client waits for",
            Self::Try => "try",
            Self::Queue => "connection permit",
            Self::Errand => "subrequest",
            Self::Verify => "basic auth",
            Self::Handshake => "tls handshake",
        }
    }

    /// This timeout as a reason that costs no allocation.
    #[must_use]
    pub fn as_static(self) -> &'static Self {
        match self {
            Self::Request => &Self::Request,
            Self::Total => &Self::Total,
            Self::Header => &Self::Header,
            Self::Idle => &Self::Idle,
            Self::ClientBody => &Self::ClientBody,
            Self::OriginBody => &Self::OriginBody,
            Self::Connect => &Self::Connect,
            Self::Response => &Self::Response,
            Self::Tunnel => &Self::Tunnel,
            Self::TunnelMax => &Self::TunnelMax,
            Self::Hello => &Self::Hello,
            Self::Linger => &Self::Linger,
            Self::Asked => &Self::Asked,
            Self::Try => &Self::Try,
            Self::Queue => &Self::Queue,
            Self::Errand => &Self::Errand,
            Self::Verify => &Self::Verify,
            Self::Handshake => &Self::Handshake,
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "request budget spent",
            Self::Total => "total budget spent",
            Self::Header => "request head too slow",
            Self::Idle => "no further request",
            Self::ClientBody => "request body stalled",
            Self::OriginBody => "response body stalled",
            Self::Connect => "connect too slow",
            Self::Response => "response head too slow",
            Self::Tunnel => "tunnel idle",
            Self::TunnelMax => "tunnel too old",
            Self::Hello => "ClientHello too slow",
            Self::Linger => "client does not close",
            Self::Asked => "the client's own deadline is over",
            Self::Try => "try too slow",
            Self::Queue => "no connection became free",
            Self::Errand => "subrequest too slow",
            Self::Verify => "password not verified in time",
            Self::Handshake => "tls handshake too slow",
        })
    }
}

impl std::error::Error for Timeout {}
