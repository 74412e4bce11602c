//! Values → octets: heads onto the wire.
//!
//! Only a framed head can be written, and the one framing field comes from the [`Framed`], never from the fields. The
//! version is always ours: HTTP/1.1 (RFC 9110 §2.5). CR, LF and NUL cannot occur: heads admit none. RFC 9112 §2.1.

use super::field::{Entry, Fields, Name};
use super::framing::{Framed, Framing};
use super::head::{RequestHead, ResponseHead};
use super::number::Decimal;

/// The `Connection` field of a response, which the gateway alone decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionOption {
    /// No field: the version's default holds.
    None,
    /// `close`.
    Close,
    /// `keep-alive`, for clients of HTTP/1.0.
    KeepAlive,
    /// `upgrade`, of a 101.
    Upgrade,
}

/// Appends a request head to `buf`.
///
/// # Source
/// RFC 9112 §3, §5, §6.
pub fn write_request(out: &RequestHead, framed: &Framed, buf: &mut Vec<u8>) {
    let target = if out.target().is_empty() {
        b"/"
    } else {
        out.target()
    };
    for part in [out.method(), b" ", target, b" HTTP/1.1\r\n"] {
        buf.extend_from_slice(part);
    }
    write_fields(out.fields(), buf, |line| !is_framing(line.id));
    write_framing(framed, buf);
    buf.extend_from_slice(b"\r\n");
}

/// Appends the head of a final response, or of a 101, to `buf`. Content that ends with the connection closes it.
///
/// # Source
/// RFC 9112 §4, §5, §6, §9.6.
pub fn write_response(
    head: &ResponseHead,
    framed: &Framed,
    connection: ConnectionOption,
    buf: &mut Vec<u8>,
) {
    write_status_line(head, buf);
    write_fields(head.fields(), buf, |line| {
        !is_framing(line.id) && line.id != Name::Connection
    });
    write_framing(framed, buf);
    let must_close = framed.framing() == Framing::UntilClose;
    buf.extend_from_slice(match connection {
        _ if must_close => b"Connection: close\r\n".as_slice(),
        ConnectionOption::Close => b"Connection: close\r\n",
        ConnectionOption::KeepAlive => b"Connection: keep-alive\r\n",
        ConnectionOption::Upgrade => b"Connection: upgrade\r\n",
        ConnectionOption::None => b"",
    });
    buf.extend_from_slice(b"\r\n");
}

/// Appends the head of an interim response to `buf`: it frames nothing and decides nothing about the connection.
///
/// # Source
/// RFC 9110 §15.2.
pub fn write_interim(head: &ResponseHead, buf: &mut Vec<u8>) {
    write_status_line(head, buf);
    write_fields(head.fields(), buf, |line| {
        !is_framing(line.id) && line.id != Name::Connection
    });
    buf.extend_from_slice(b"\r\n");
}

/// Appends `HTTP/1.1 SP status SP reason CRLF`.
fn write_status_line(head: &ResponseHead, buf: &mut Vec<u8>) {
    let status = Decimal::new(u64::from(head.status()));
    for part in [b"HTTP/1.1 ", status.as_ref(), b" ", head.reason(), b"\r\n"] {
        buf.extend_from_slice(part);
    }
}

/// Appends the lines that `keep`.
fn write_fields(fields: &Fields, buf: &mut Vec<u8>, keep: impl Fn(&Entry<'_>) -> bool) {
    buf.reserve(fields.octets_count().saturating_add(ROOM));
    for line in fields.entries().filter(keep) {
        buf.extend_from_slice(line.name);
        buf.extend_from_slice(b": ");
        buf.extend_from_slice(line.value);
        buf.extend_from_slice(b"\r\n");
    }
}

/// Appends the one framing field, if there is one.
fn write_framing(framed: &Framed, buf: &mut Vec<u8>) {
    if framed.framing() == Framing::Chunked {
        buf.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if let Some(length) = framed.length_field() {
        buf.extend_from_slice(b"Content-Length: ");
        buf.extend_from_slice(Decimal::new(length).as_ref());
        buf.extend_from_slice(b"\r\n");
    }
}

/// Whether a field is written from the [`Framed`] only.
fn is_framing(name: Name) -> bool {
    matches!(name, Name::ContentLength | Name::TransferEncoding)
}

/// Octets reserved for what is not a field.
const ROOM: usize = 96;
