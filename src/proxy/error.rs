//! Why an exchange did not end as it should: whose doing, in which phase, and whether another attempt may help.
//!
//! An error carries facts. Which status a client sees for it is decided in `answer.rs` alone.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::time::Duration;
use std::{fmt, io};

use super::timeout::Timeout;
use crate::context::{Cause, Context};
use crate::metrics;
use crate::net::fault::Fault;

/// Why an exchange did not end as it should.
#[derive(Debug)]
pub struct Error {
    /// Whose doing it was.
    pub side: Side,
    /// What was going on.
    pub phase: Phase,
    /// Whether another attempt may help.
    pub retry: Retry,
    /// What happened.
    pub what: What,
}

/// Whose doing it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client's.
    Client,
    /// Ours, or our operator's.
    Gateway,
    /// The origin's.
    Origin,
}

/// What was going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client's request head was read and judged.
    Head,
    /// A connection to an origin was made.
    Connect,
    /// The request was sent.
    Send,
    /// The response head was waited for.
    Await,
    /// A body was carried.
    Body,
}

/// Whether another attempt may help, and is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No: it would end the same way, or the request may have been acted on.
    Never,
    /// Yes, whatever the request: the origin has not seen an octet of it.
    Always,
    /// If the request is idempotent: the origin may have seen it.
    IfIdempotent,
}

/// What happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum What {
    /// The peer ended or reset the connection where it should not have.
    Gone,
    /// The connection could not be made, or failed.
    Io(io::Error),
    /// One of our timeouts ran out.
    Timeout(Timeout),
    /// The drain's grace is over.
    Drain,
    /// Someone cancelled the branch, and gave this reason.
    Canceled(String),
    /// The message broke a rule: its name, and the status the rule's RFC gives for a request that does.
    Sin {
        /// The name of the sin.
        name: Cow<'static, str>,
        /// What a client that sinned is answered.
        status: u16,
    },
    /// A hook rejected the response, and said why.
    Rejected(String),
    /// What our configuration adds to a message is not allowed in one.
    Config(String),
    /// The request's body is larger than it may be.
    BodyLimit,
    /// No route is for the request.
    NoRoute,
    /// Its client has asked for too much.
    Limited {
        /// When it may try again.
        retry_after: Duration,
    },
    /// There is no endpoint to try.
    NoEndpoint,
    /// All connections to the endpoint are in use, and enough wait for one.
    QueueFull,
    /// The origin answered with a status that the route says to try again on.
    Status(u16),
    /// The client is not let in.
    Denied,
    /// The client has not said who it is, or not well.
    Unauthorized,
    /// Enough passwords wait to be verified.
    AuthQueueFull,
    /// Memory for another exchange is not there now.
    Shed,
}

impl Error {
    /// The client is not there any more.
    #[must_use]
    pub fn client_gone(phase: Phase) -> Self {
        Self {
            side: Side::Client,
            phase,
            retry: Retry::Never,
            what: What::Gone,
        }
    }

    /// The client's message broke a rule.
    #[must_use]
    pub fn client_sin(phase: Phase, name: impl Into<Cow<'static, str>>, status: u16) -> Self {
        let what = match status {
            413 => What::BodyLimit,
            _ => What::Sin {
                name: name.into(),
                status,
            },
        };
        Self {
            side: Side::Client,
            phase,
            retry: Retry::Never,
            what,
        }
    }

    /// The client asked for what it does not get.
    #[must_use]
    pub fn client(phase: Phase, what: What) -> Self {
        Self {
            side: Side::Client,
            phase,
            retry: Retry::Never,
            what,
        }
    }

    /// The origin's message broke a rule.
    #[must_use]
    pub fn origin_sin(phase: Phase, name: impl Into<Cow<'static, str>>) -> Self {
        let what = What::Sin {
            name: name.into(),
            status: 502,
        };
        Self {
            side: Side::Origin,
            phase,
            retry: Retry::Never,
            what,
        }
    }

    /// The origin failed.
    #[must_use]
    pub fn origin(phase: Phase, retry: Retry, what: What) -> Self {
        Self {
            side: Side::Origin,
            phase,
            retry,
            what,
        }
    }

    /// Our own doing.
    #[must_use]
    pub fn gateway(phase: Phase, what: What) -> Self {
        Self {
            side: Side::Gateway,
            phase,
            retry: Retry::Never,
            what,
        }
    }

    /// What an ended node says of why it ended.
    #[must_use]
    pub fn ended(ctx: &Context, phase: Phase) -> Self {
        match ctx.cause() {
            Some(cause) => Self::from_cause(&cause, phase),
            None => Self::gateway(phase, What::Canceled(String::new())),
        }
    }

    fn from_cause(cause: &Cause, phase: Phase) -> Self {
        let Some(reason) = cause.reason() else {
            return Self::gateway(phase, What::Canceled(cause.kind().to_string()));
        };
        if let Some(timeout) = reason.downcast_ref::<Timeout>() {
            return Self::timeout(*timeout, phase);
        }
        if reason.is::<ClientGone>() {
            return Self::client_gone(phase);
        }
        if reason.is::<Drained>() {
            return Self::gateway(phase, What::Drain);
        }
        Self::gateway(phase, What::Canceled(reason.to_string()))
    }

    fn timeout(timeout: Timeout, phase: Phase) -> Self {
        let (side, retry) = match timeout {
            Timeout::Header
            | Timeout::Hello
            | Timeout::Handshake
            | Timeout::Idle
            | Timeout::ClientBody
            | Timeout::Linger => (Side::Client, Retry::Never),
            Timeout::Connect => (Side::Origin, Retry::Always),
            Timeout::Response | Timeout::Try => (Side::Origin, Retry::IfIdempotent),
            Timeout::OriginBody | Timeout::Errand => (Side::Origin, Retry::Never),
            Timeout::Request
            | Timeout::Total
            | Timeout::Asked
            | Timeout::Queue
            | Timeout::Verify
            | Timeout::Tunnel
            | Timeout::TunnelMax => (Side::Gateway, Retry::Never),
        };
        Self {
            side,
            phase,
            retry,
            what: What::Timeout(timeout),
        }
    }

    /// What of TLS went wrong with the origin, if that is what happened.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match (&self.what, self.side) {
            (What::Io(error), Side::Origin) => Fault::of(error),
            _ => None,
        }
    }

    /// The one word, or two with a colon between, that logs and `Proxy-Status` say.
    #[must_use]
    pub fn cause(&self) -> Cow<'static, str> {
        if let Some(fault) = self.fault() {
            return format!("tls:{}", fault.word).into();
        }
        match (&self.what, self.side) {
            (What::Gone | What::Io(_), Side::Client) => "client_gone".into(),
            (What::Gone, _) => "origin_closed".into(),
            (What::Io(_), _) if self.phase == Phase::Connect => "connect_refused".into(),
            (What::Io(_), _) => "origin_closed".into(),
            (What::Timeout(timeout), _) => match timeout {
                Timeout::Request => "deadline:request".into(),
                Timeout::Total => "deadline:total".into(),
                Timeout::Header | Timeout::Hello | Timeout::Handshake => "header_timeout".into(),
                Timeout::Idle => "idle_timeout".into(),
                Timeout::ClientBody => "client_body_timeout".into(),
                Timeout::OriginBody => "response_body_timeout".into(),
                Timeout::Connect => "connect_timeout".into(),
                Timeout::Response => "response_timeout".into(),
                Timeout::Tunnel => "tunnel_timeout".into(),
                Timeout::TunnelMax => "tunnel_max".into(),
                Timeout::Linger => "linger_timeout".into(),
                Timeout::Asked => "deadline:header".into(),
                Timeout::Try => "response_timeout".into(),
                Timeout::Queue => "queue_timeout".into(),
                Timeout::Errand | Timeout::Verify => "auth_timeout".into(),
            },
            (What::Drain, _) => "drain".into(),
            (What::Canceled(reason), _) => format!("admin:{reason}").into(),
            (What::Sin { name, .. }, Side::Origin) => format!("origin_protocol:{name}").into(),
            (What::Sin { name, .. }, _) => name.clone(),
            (What::Rejected(why), _) => format!("rejected:{why}").into(),
            (What::Config(why), _) => format!("config:{why}").into(),
            (What::BodyLimit, _) => "body_limit".into(),
            (What::NoRoute, _) => "no_route".into(),
            (What::Limited { .. }, _) => "limited".into(),
            (What::NoEndpoint, _) => "no_endpoint".into(),
            (What::Shed, _) => "shed".into(),
            (What::QueueFull, _) => "queue_full".into(),
            (What::Status(status), _) => format!("origin_status:{status}").into(),
            (What::Denied, _) => "denied".into(),
            (What::Unauthorized, _) => "auth".into(),
            (What::AuthQueueFull, _) => "auth_queue_full".into(),
        }
    }

    /// The same as it is counted: up to the colon, and one word for all that a client's message can do wrong.
    #[must_use]
    pub fn counted(&self) -> metrics::Cause {
        use metrics::Cause as Counted;
        if self.fault().is_some() {
            return Counted::Tls;
        }
        match (&self.what, self.side) {
            (What::Gone | What::Io(_), Side::Client) => Counted::ClientGone,
            (What::Gone, _) => Counted::OriginClosed,
            (What::Io(_), _) if self.phase == Phase::Connect => Counted::ConnectRefused,
            (What::Io(_), _) => Counted::OriginClosed,
            (What::Timeout(timeout), _) => match timeout {
                Timeout::Request | Timeout::Total | Timeout::Asked => Counted::Deadline,
                Timeout::Header | Timeout::Hello | Timeout::Handshake => Counted::HeaderTimeout,
                Timeout::Idle => Counted::IdleTimeout,
                Timeout::ClientBody => Counted::ClientBodyTimeout,
                Timeout::OriginBody => Counted::ResponseBodyTimeout,
                Timeout::Connect => Counted::ConnectTimeout,
                Timeout::Response | Timeout::Try => Counted::ResponseTimeout,
                Timeout::Tunnel => Counted::TunnelTimeout,
                Timeout::TunnelMax => Counted::TunnelMax,
                Timeout::Linger => Counted::LingerTimeout,
                Timeout::Queue => Counted::QueueTimeout,
                Timeout::Errand | Timeout::Verify => Counted::AuthTimeout,
            },
            (What::Drain, _) => Counted::Drain,
            (What::Canceled(_), _) => Counted::Admin,
            (What::Sin { .. }, Side::Origin) => Counted::OriginProtocol,
            (What::Sin { .. }, _) => Counted::ClientProtocol,
            (What::Rejected(_), _) => Counted::Rejected,
            (What::Config(_), _) => Counted::Config,
            (What::BodyLimit, _) => Counted::BodyLimit,
            (What::NoRoute, _) => Counted::NoRoute,
            (What::Limited { .. }, _) => Counted::Limited,
            (What::NoEndpoint, _) => Counted::NoEndpoint,
            (What::Shed, _) => Counted::Shed,
            (What::QueueFull, _) => Counted::QueueFull,
            (What::Status(_), _) => Counted::OriginStatus,
            (What::Denied, _) => Counted::Denied,
            (What::Unauthorized, _) => Counted::Auth,
            (What::AuthQueueFull, _) => Counted::AuthQueueFull,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause())?;
        match &self.what {
            What::Io(error) => write!(f, " ({error})"),
            _ => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.what {
            What::Io(error) => Some(error),
            What::Timeout(timeout) => Some(timeout),
            _ => None,
        }
    }
}

/// The reason a branch is cancelled with when its client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientGone;

impl ClientGone {
    /// As a reason that costs no allocation.
    pub const REASON: &'static Self = &Self;
}

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client gone")
    }
}

impl StdError for ClientGone {}

/// The reason an attempt is cancelled with when another one was answered first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgeLost;

impl HedgeLost {
    /// As a reason that costs no allocation.
    pub const REASON: &'static Self = &Self;
}

impl fmt::Display for HedgeLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another attempt was answered first")
    }
}

impl StdError for HedgeLost {}

/// The reason everything is cancelled with that has not ended when the drain's grace is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained;

impl Drained {
    /// As a reason that costs no allocation.
    pub const REASON: &'static Self = &Self;
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("drain: the grace is over")
    }
}

impl StdError for Drained {}
