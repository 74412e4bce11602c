//! Persistence: may the connection carry another exchange? This file decides it, and no other.
//!
//! A verdict is not an error: it comes after an exchange that went well. It speaks of one side's connection, from what
//! that side said; the proxy adds its own reasons (draining, a body left unread).
//! Source: RFC 9112 §9.3, §9.6; RFC 9110 §7.6.1, §7.8.

use super::field::Name;
use super::framing::{Framed, Framing};
use super::head::{RequestHead, ResponseHead, Version};
use std::fmt;

/// Why a connection carries no further exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client said `Connection: close`.
    ClientAsked,
    /// The origin said `Connection: close`.
    OriginAsked,
    /// The client speaks HTTP/1.0 and did not say `keep-alive`.
    ClientHttp10,
    /// The origin speaks HTTP/1.0 and did not say `keep-alive`.
    OriginHttp10,
    /// The content lasts until the connection closes.
    UntilClose,
    /// A response that has no content announced some: who knows what follows it.
    ContentAnnounced,
    /// The connection speaks another protocol now.
    Switched,
}

impl CloseReason {
    /// The reason as a sentence for people.
    #[must_use]
    pub fn explain(&self) -> &'static str {
        match self {
            Self::ClientAsked => "the client asked to close the connection",
            Self::OriginAsked => "the origin asked to close the connection",
            Self::ClientHttp10 => "the client speaks HTTP/1.0 without keep-alive",
            Self::OriginHttp10 => "the origin speaks HTTP/1.0 without keep-alive",
            Self::UntilClose => "the content lasts until the connection closes",
            Self::ContentAnnounced => "content was announced where none may be",
            Self::Switched => "the connection speaks another protocol now",
        }
    }

    /// The reason in `snake_case`, for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ClientAsked => "client_asked",
            Self::OriginAsked => "origin_asked",
            Self::ClientHttp10 => "client_http10",
            Self::OriginHttp10 => "origin_http10",
            Self::UntilClose => "until_close",
            Self::ContentAnnounced => "content_announced",
            Self::Switched => "switched",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.explain())
    }
}

/// May the connection carry another exchange?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Reuse,
    /// It may not.
    Close(CloseReason),
}

impl Verdict {
    /// Whether the connection may carry another exchange.
    #[must_use]
    pub fn is_reuse(&self) -> bool {
        matches!(self, Self::Reuse)
    }
}

/// What a request says about the client's connection.
///
/// `close` ends it in every version; HTTP/1.1 stays by default, HTTP/1.0 only with `keep-alive`.
///
/// # Source
/// RFC 9112 §9.3.
#[must_use]
pub fn request_persistence(head: &RequestHead) -> Verdict {
    let options = head.options();
    if options.close {
        Verdict::Close(CloseReason::ClientAsked)
    } else if head.version() == Version::Http11 || options.keep_alive {
        Verdict::Reuse
    } else {
        Verdict::Close(CloseReason::ClientHttp10)
    }
}

/// What a final response says about the origin's connection, once its content was read to the end.
///
/// A 204 or 304 that announces a coding, or a 204 that announces octets, closes: origins that send such a head have
/// been known to send the content as well.
///
/// # Source
/// RFC 9112 §9.3, §6.3; RFC 9110 §15.2.2 for 101.
#[must_use]
pub fn response_persistence(head: &ResponseHead, framed: &Framed) -> Verdict {
    let options = head.options();
    let reason = if head.status() == 101 {
        CloseReason::Switched
    } else if framed.framing() == Framing::UntilClose {
        CloseReason::UntilClose
    } else if announces_content(head) {
        CloseReason::ContentAnnounced
    } else if options.close {
        CloseReason::OriginAsked
    } else if head.version() == Version::Http10 && !options.keep_alive {
        CloseReason::OriginHttp10
    } else {
        return Verdict::Reuse;
    };
    Verdict::Close(reason)
}

/// Whether a 101 grants what was asked: it names a protocol of the request that was sent, and says `upgrade`.
///
/// Input: the request as it went to the origin, not as it came. Only after this is true may a tunnel begin.
///
/// # Source
/// RFC 9110 §7.8, §15.2.2.
#[must_use]
pub fn grants_upgrade(sent: &RequestHead, response: &ResponseHead) -> bool {
    let granted = response.fields();
    let mut protocols = granted.items(Name::Upgrade).peekable();
    response.status() == 101
        && response.version() == Version::Http11
        && protocols.peek().is_some()
        && protocols.all(|protocol| {
            sent.fields()
                .items(Name::Upgrade)
                .any(|asked| asked.eq_ignore_ascii_case(protocol))
        })
        && response.options().upgrade
}

/// Whether a response announces content that its status does not have.
fn announces_content(head: &ResponseHead) -> bool {
    let fields = head.fields();
    let has_octets = || fields.all(Name::ContentLength).any(|value| value != b"0");
    match head.status() {
        204 => fields.has(Name::TransferEncoding) || has_octets(),
        304 => fields.has(Name::TransferEncoding),
        _ => false,
    }
}
