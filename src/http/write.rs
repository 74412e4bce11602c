//! Heads to octets. Nothing is written that was not checked when it entered the head, and no head without a [`Framed`].
//!
//! The writer alone says how the message is framed and what becomes of the connection: Content-Length,
//! Transfer-Encoding, Connection and its kin in a head are passed over, and said again from what is known.
//! Source: RFC 9112 §2.1, §3, §4, §6, §9.6; RFC 9110 §7.6.1, §7.8, §10.1.4.

use super::field::{Fields, Name, Names};
use super::framing::{Framed, Framing};
use super::head::{RequestHead, ResponseHead};
use super::number::write_decimal;

/// What a response says about its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionOption {
    /// Nothing: an HTTP/1.1 connection stays.
    None,
    /// `close`.
    Close,
    /// `keep-alive`: an HTTP/1.0 client's connection stays.
    KeepAlive,
}

/// Appends a request head as HTTP/1.1.
///
/// Fields in their order, then one framing field as `framed` says, then Connection for TE and Upgrade if the head has
/// them. Content-Length, Transfer-Encoding and the connection fields of `head` are passed over; Trailer too, unless
/// the content is chunked.
pub fn write_request(head: &RequestHead, framed: &Framed, buf: &mut Vec<u8>) {
    match head.method.as_slice() {
        b"GET" => buf.extend_from_slice(b"GET "),
        method => {
            buf.extend_from_slice(method);
            buf.push(b' ');
        }
    }
    buf.extend_from_slice(&head.target);
    buf.extend_from_slice(b" HTTP/1.1\r\n");
    write_fields(head.fields(), framed, buf);
    write_framing(framed, buf);
    write_options(head.fields(), ConnectionOption::None, buf);
    buf.extend_from_slice(b"\r\n");
}

/// Appends a response head as HTTP/1.1, whatever version it came in.
///
/// As [`write_request`]. Content until close always says `close`, and a 101 says `Upgrade` and nothing else.
///
/// # Source
/// RFC 9110 §6.2: a server answers in its own highest version of the client's major one.
pub fn write_response(
    head: &ResponseHead,
    framed: &Framed,
    connection: ConnectionOption,
    buf: &mut Vec<u8>,
) {
    let is_until_close = framed.framing() == Framing::UntilClose;
    let connection = match head.status {
        101 => ConnectionOption::None,
        _ if is_until_close => ConnectionOption::Close,
        _ => connection,
    };
    write_status_line(head, buf);
    write_fields(head.fields(), framed, buf);
    write_framing(framed, buf);
    write_options(head.fields(), connection, buf);
    buf.extend_from_slice(b"\r\n");
}

/// Appends an interim response head (1xx but 101). It has no content and says nothing about the connection.
///
/// An HTTP/1.0 client must not be sent one (RFC 9110 §15.2): the caller asks for the client's version first.
pub fn write_interim(head: &ResponseHead, buf: &mut Vec<u8>) {
    write_status_line(head, buf);
    write_fields(head.fields(), &Framed::none(), buf);
    buf.extend_from_slice(b"\r\n");
}

/// Appends `HTTP/1.1 200 OK CRLF`.
fn write_status_line(head: &ResponseHead, buf: &mut Vec<u8>) {
    if (head.status, head.reason.as_slice()) == (200, b"OK") {
        buf.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    buf.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(u64::from(head.status), buf);
    buf.push(b' ');
    buf.extend_from_slice(&head.reason);
    buf.extend_from_slice(b"\r\n");
}

/// Appends the fields that are not the writer's own to say.
#[inline]
fn write_fields(fields: &Fields, framed: &Framed, buf: &mut Vec<u8>) {
    let is_chunked = framed.framing() == Framing::Chunked;
    fields.write(OWN.with_if(!is_chunked, Name::Trailer), buf);
}

/// Appends the one framing field, or none.
fn write_framing(framed: &Framed, buf: &mut Vec<u8>) {
    if framed.framing() == Framing::Chunked {
        buf.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    } else if let Some(octets) = framed.length_field() {
        buf.extend_from_slice(b"Content-Length: ");
        write_decimal(octets, buf);
        buf.extend_from_slice(b"\r\n");
    }
}

/// Appends Connection with every option that applies, or nothing.
#[inline]
fn write_options(fields: &Fields, connection: ConnectionOption, buf: &mut Vec<u8>) {
    if connection != ConnectionOption::None || fields.has_any(ANNOUNCED) {
        write_some_options(fields, connection, buf);
    }
}

/// Appends Connection with every option that applies.
fn write_some_options(fields: &Fields, connection: ConnectionOption, buf: &mut Vec<u8>) {
    let said: &[u8] = match connection {
        ConnectionOption::None => b"",
        ConnectionOption::Close => b"close",
        ConnectionOption::KeepAlive => b"keep-alive",
    };
    let te: &[u8] = if fields.has(Name::Te) { b"TE" } else { b"" };
    let upgrade: &[u8] = if fields.has(Name::Upgrade) {
        b"Upgrade"
    } else {
        b""
    };

    let mut before: &[u8] = b"Connection: ";
    for option in [said, te, upgrade] {
        if !option.is_empty() {
            buf.extend_from_slice(before);
            buf.extend_from_slice(option);
            before = b", ";
        }
    }
    buf.extend_from_slice(b"\r\n");
}

/// The fields the writer says itself, whatever a head says.
const OWN: Names = Names::of(&[
    Name::ContentLength,
    Name::TransferEncoding,
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
]);

/// The fields that Connection has to announce.
const ANNOUNCED: Names = Names::of(&[Name::Te, Name::Upgrade]);
