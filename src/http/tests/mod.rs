//! The tests of this room, one file per source file; then the corpus and the properties.

mod body;
mod client;
mod connection;
mod corpus;
mod deadline;
mod diagnose;
mod field;
mod forward;
mod framing;
mod head;
mod network;
mod number;
mod path;
mod properties;
mod query;
mod scanner;
mod target;
mod write;

use super::{HeadError, Limits, Parsed, RequestHead, ResponseHead};

/// Parses a request head that must be whole.
fn request(octets: impl AsRef<[u8]>) -> Result<RequestHead, HeadError> {
    let mut head = RequestHead::new();
    match head.parse(octets.as_ref(), &Limits::default())? {
        Parsed::Complete(_) => Ok(head),
        Parsed::Partial => panic!("cut: {}", octets.as_ref().escape_ascii()),
    }
}

/// Parses a response head that must be whole.
fn response(octets: impl AsRef<[u8]>) -> Result<ResponseHead, HeadError> {
    let mut head = ResponseHead::new();
    match head.parse(octets.as_ref(), &Limits::default())? {
        Parsed::Complete(_) => Ok(head),
        Parsed::Partial => panic!("cut: {}", octets.as_ref().escape_ascii()),
    }
}

/// A request head with these field lines beside Host.
fn with_fields(lines: &str) -> RequestHead {
    request(format!("POST /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n")).unwrap()
}

/// A response head with these field lines.
fn status_with(status: u16, lines: &str) -> ResponseHead {
    response(format!("HTTP/1.1 {status} X\r\n{lines}\r\n")).unwrap()
}

/// Octets as text that a failed test can show.
fn text(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}
