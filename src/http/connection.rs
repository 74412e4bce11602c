//! Whether a connection may carry another exchange. RFC 9112 §9.3 and §9.6.
//!
//! It judges heads; whether the body was read to its end is the caller's knowledge.

use super::field::{Fields, Name};
use super::framing::{Framed, Framing};
use super::head::{RequestHead, ResponseHead, Version};

/// Why a connection ends after this exchange. A verdict, not an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// `Connection: close` was sent.
    CloseOption,
    /// HTTP/1.0 without `Connection: keep-alive`.
    Http10,
    /// Only the end of the connection delimits the content.
    UntilClose,
    /// The connection changed its protocol.
    Tunnel,
}

impl CloseReason {
    /// One clause for the log.
    #[must_use]
    pub fn explain(&self) -> &'static str {
        match self {
            Self::CloseOption => "the message says connection: close",
            Self::Http10 => "http/1.0 without keep-alive",
            Self::UntilClose => "the content ends with the connection",
            Self::Tunnel => "the connection changed its protocol",
        }
    }
}

/// Whether the connection may carry another exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may.
    Reuse,
    /// It ends, and why.
    Close(CloseReason),
}

impl Verdict {
    /// Whether it may.
    #[must_use]
    pub fn is_reuse(self) -> bool {
        self == Self::Reuse
    }
}

/// What the request says about its connection.
///
/// # Source
/// RFC 9112 §9.3; HTTP/1.0 persists only by `keep-alive` (Appendix C.2.2).
#[must_use]
pub fn request_persistence(head: &RequestHead) -> Verdict {
    persistence(head.version(), head.fields())
}

/// What the response says about its connection.
///
/// # Source
/// RFC 9112 §9.3, §6.3 rule 8; RFC 9110 §15.2.2.
#[must_use]
pub fn response_persistence(head: &ResponseHead, framed: &Framed) -> Verdict {
    if head.status() == 101 {
        return Verdict::Close(CloseReason::Tunnel);
    }
    if framed.framing() == Framing::UntilClose {
        return Verdict::Close(CloseReason::UntilClose);
    }
    persistence(head.version(), head.fields())
}

/// The rule both directions share: `close` wins, then the version decides.
fn persistence(version: Version, fields: &Fields) -> Verdict {
    let mut has_close = false;
    let mut has_keep_alive = false;
    if fields.find(Name::Connection).is_some() {
        for option in fields.list(Name::Connection.as_str()) {
            has_close |= option.eq_ignore_ascii_case(b"close");
            has_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }
    match version {
        _ if has_close => Verdict::Close(CloseReason::CloseOption),
        Version::Http10 if !has_keep_alive => Verdict::Close(CloseReason::Http10),
        Version::Http10 | Version::Http11 => Verdict::Reuse,
    }
}
