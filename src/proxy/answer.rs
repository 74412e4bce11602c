//! What a client is told when osier itself answers: the only place where a status is chosen.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::error::{Error, Side, What};
use super::timeout::Timeout;
use crate::clock;
use crate::http::field::Fields;
use crate::http::head::{RequestHead, Version, reason_of as reason};
use crate::net::fault::FaultKind;

/// After how long a client that met a 503 may try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An answer of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// What went wrong, as `Proxy-Status` and the body say it; empty for an answer that is no error.
    pub cause: String,
    /// The RFC 9209 error type that fits best.
    pub error_type: Option<&'static str>,
    /// The content, where it is not made from the status and the cause.
    pub content: Option<Vec<u8>>,
    /// Further fields; a Content-Type stands in for `text/plain`.
    pub fields: Fields,
}

/// The methods that may be forwarded; CONNECT is the one that no target here allows.
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE";

/// What a TRACE does not give back (RFC 9110 §9.3.8).
const SECRETS: [&[u8]; 3] = [b"authorization", b"cookie", b"proxy-authorization"];

/// How the client's connection goes on behind an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// It stays: HTTP/1.1.
    Persist,
    /// It stays: HTTP/1.0 wants to be told.
    KeepAlive,
    /// It ends.
    Close,
}

/// The answer for an error, or `None` where nobody is left to be answered.
#[must_use]
pub fn for_error(error: &Error) -> Option<Answer> {
    let status = status(error)?;
    Some(Answer {
        status,
        cause: error.cause().into_owned(),
        error_type: error_type(error),
        content: None,
        fields: fields(error),
    })
}

/// The status an error is recorded with: 499 where there is nobody to be answered.
#[must_use]
pub fn recorded_status(error: &Error) -> u16 {
    status(error).unwrap_or(499)
}

fn status(error: &Error) -> Option<u16> {
    Some(match (&error.what, error.side) {
        (What::Gone | What::Io(_), Side::Client) => return None,
        (What::Timeout(timeout), _) => match timeout {
            Timeout::Header | Timeout::ClientBody => 408,
            Timeout::Idle | Timeout::Linger | Timeout::Handshake => return None,
            Timeout::Queue | Timeout::Verify => 503,
            _ => 504,
        },
        (What::Sin { status, .. }, Side::Client) => *status,
        (What::Gone | What::Io(_) | What::Sin { .. } | What::Rejected(_), _) => 502,
        (What::BodyLimit, _) => 413,
        (What::Config(_), _) => 500,
        (
            What::Drain
            | What::Canceled(_)
            | What::NoEndpoint
            | What::Shed
            | What::QueueFull
            | What::AuthQueueFull,
            _,
        ) => 503,
        (What::Status(status), _) => *status,
        (What::Denied, _) => 403,
        (What::Unauthorized, _) => 401,
        (What::NoRoute, _) => 404,
        (What::Limited { .. }, _) => 429,
    })
}

/// RFC 9209 §2.3.
fn error_type(error: &Error) -> Option<&'static str> {
    if let Some(fault) = error.fault() {
        return Some(match fault.kind {
            FaultKind::Certificate => "tls_certificate_error",
            FaultKind::Alert => "tls_alert_received",
            FaultKind::Protocol => "tls_protocol_error",
            FaultKind::Ended => "connection_terminated",
        });
    }
    Some(match (&error.what, error.side) {
        (What::Timeout(Timeout::Connect), _) => "connection_timeout",
        (
            What::Timeout(
                Timeout::Response
                | Timeout::Request
                | Timeout::Total
                | Timeout::Asked
                | Timeout::Try
                | Timeout::Errand,
            ),
            _,
        ) => "http_response_timeout",
        (What::Timeout(Timeout::Queue) | What::QueueFull, _) => "connection_limit_reached",
        (What::Timeout(Timeout::OriginBody), _) => "connection_read_timeout",
        (What::Timeout(Timeout::Verify) | What::AuthQueueFull, _) => "proxy_internal_error",
        (What::Timeout(_), _) => "http_request_error",
        (What::Io(_), Side::Origin) if error.phase == super::error::Phase::Connect => {
            "connection_refused"
        }
        (What::Gone, Side::Origin) => "http_response_incomplete",
        (What::Io(_), Side::Origin) => "connection_terminated",
        (What::Sin { .. }, Side::Origin) => "http_protocol_error",
        (What::Sin { .. } | What::BodyLimit, _) => "http_request_error",
        (What::Rejected(_), _) => "http_response_status",
        (What::Config(_), _) => "proxy_configuration_error",
        (What::NoEndpoint, _) => "destination_unavailable",
        (What::Shed, _) => "connection_limit_reached",
        (What::NoRoute, _) => "destination_not_found",
        (What::Limited { .. } | What::Denied | What::Unauthorized, _) => "http_request_denied",
        (What::Status(_), _) => "http_response_status",
        (What::Drain | What::Canceled(_), _) => "proxy_internal_response",
        _ => return None,
    })
}

/// When a client may try again, where that is known to be soon, and how it says who it is.
fn fields(error: &Error) -> Fields {
    let mut fields = Fields::new();
    if matches!(error.what, What::Unauthorized) {
        // RFC 9110 §11.6.1, RFC 7617 §2.1.
        let _ = fields.push(
            "WWW-Authenticate",
            r#"Basic realm="osier", charset="UTF-8""#,
        );
    }
    let after = match &error.what {
        What::Limited { retry_after } => *retry_after,
        _ if status(error) == Some(503) => RETRY_AFTER,
        _ => return fields,
    };
    // Whole seconds, and never so few that the next try comes too early.
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let _ = fields.push("Retry-After", seconds.max(1).to_string());
    fields
}

impl Answer {
    /// A plain answer that is no error: what `respond` sends.
    #[must_use]
    pub fn respond(status: u16, content: Vec<u8>) -> Self {
        Self {
            status,
            cause: String::new(),
            error_type: None,
            content: Some(content),
            fields: Fields::new(),
        }
    }

    /// What an OPTIONS or a TRACE gets that may be forwarded no further (RFC 9110 §7.6.2): what is allowed, or what came.
    #[must_use]
    pub fn of_the_last(request: &RequestHead) -> Self {
        if request.method() != b"TRACE" {
            let mut answer = Self::respond(200, Vec::new());
            let _ = answer.fields.set("Allow", ALLOW);
            return answer;
        }
        let version: &[u8] = match request.version() {
            Version::Http10 => b" HTTP/1.0\r\n",
            Version::Http11 => b" HTTP/1.1\r\n",
        };
        let mut content = [b"TRACE ", request.target(), version].concat();
        let is_secret = |name: &[u8]| SECRETS.iter().any(|it| name.eq_ignore_ascii_case(it));
        for (name, value) in request.fields().iter().filter(|(name, _)| !is_secret(name)) {
            for part in [name, b": ", value, b"\r\n"] {
                content.extend_from_slice(part);
            }
        }
        content.extend_from_slice(b"\r\n");
        let mut answer = Self::respond(200, content);
        let _ = answer.fields.set("Content-Type", "message/http");
        answer
    }

    /// Tells the client to go to `location`, which makes a field value.
    #[must_use]
    pub fn redirect(status: u16, location: Vec<u8>) -> Self {
        let mut answer = Self::respond(status, Vec::new());
        let _ = answer.fields.set("Location", location);
        answer
    }

    /// Writes the whole message to `out`: head and, unless the request was HEAD, content. Returns the octets of the
    /// content written.
    pub fn write(&self, is_head: bool, connection: Connection, out: &mut Vec<u8>) -> usize {
        let content = match &self.content {
            Some(content) => content.clone(),
            None => {
                let (reason, cause) = (reason(self.status), line(&self.cause));
                format!("{} {reason}: {cause}\n", self.status).into_bytes()
            }
        };
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let _ = write!(head, "Date: {}\r\n", http_date(clock::wall()));
        // RFC 9110 §15.3.5, §15.4.5: these two have no content, whatever is configured.
        let has_content = !matches!(self.status, 204 | 304);
        if has_content {
            if self.fields.get("content-type").is_none() && !content.is_empty() {
                head.push_str("Content-Type: text/plain; charset=utf-8\r\n");
            }
            let _ = write!(head, "Content-Length: {}\r\n", content.len());
        }
        if !self.cause.is_empty() {
            head.push_str("Proxy-Status: osier");
            if let Some(error_type) = self.error_type {
                let _ = write!(head, "; error={error_type}");
            }
            head.push_str("; details=\"");
            push_quoted(&mut head, &self.cause);
            head.push_str("\"\r\n");
        }
        if self.status == 405 {
            // RFC 9110 §15.5.6 wants the list.
            let _ = write!(head, "Allow: {ALLOW}\r\n");
        }
        match connection {
            Connection::Persist => {}
            Connection::KeepAlive => head.push_str("Connection: keep-alive\r\n"),
            Connection::Close => head.push_str("Connection: close\r\n"),
        }
        out.extend_from_slice(head.as_bytes());
        for (name, value) in self.fields.iter() {
            for part in [name, b": ", value, b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        if is_head || !has_content {
            return 0;
        }
        out.extend_from_slice(&content);
        content.len()
    }
}

/// A cause as it stands in a line of text: whoever reads that may do so on a terminal.
fn line(cause: &str) -> Cow<'_, str> {
    if !cause.contains(char::is_control) {
        return cause.into();
    }
    let mut line = String::new();
    for character in cause.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.into()
}

/// A quoted string of RFC 8941 takes printable ASCII; the rest is left out.
fn push_quoted(head: &mut String, text: &str) {
    for character in text.chars().filter(|c| matches!(c, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            head.push('\\');
        }
        head.push(character);
    }
}

/// A `Date` field value.
#[must_use]
pub fn http_date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time.max(SystemTime::UNIX_EPOCH))
}
