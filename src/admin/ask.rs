//! The other end: asks an admin interface from outside, as the command line does.

use std::io::{self, Read as _, Write as _};
use std::time::Duration;

use super::PATIENCE;
use crate::http::body::Decoder;
use crate::http::framing::response_framing;
use crate::http::head::{Parsed, ResponseHead};
use crate::http::limits::Limits;
use crate::net::address::Address;

/// Asks an admin interface from outside, and returns the content of its answer: what the command line does.
///
/// # Errors
/// It cannot be reached, or answered with a status other than 200: then the error says what it said, and is of the kind
/// `NotFound` where that was 404.
pub fn ask(address: &Address, method: &str, path: &str, body: &str) -> io::Result<String> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    match address {
        Address::Inet(addr) => {
            let mut stream = std::net::TcpStream::connect_timeout(addr, Duration::from_secs(3))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut answer)?;
        }
        Address::Unix(path) => {
            let mut stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut answer)?;
        }
    }
    let mut head = ResponseHead::default();
    let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let parsed = head
        .parse(&answer, &Limits::default())
        .map_err(|error| broken(error.to_string()))?;
    let Parsed::Complete(consumed) = parsed else {
        return Err(broken("it closed before it answered".to_owned()));
    };
    let content = content_of(&head, method, answer.get(consumed..).unwrap_or_default())
        .map_err(|why| broken(why.to_owned()))?;
    if head.status() == 200 {
        Ok(content)
    } else {
        let kind = match head.status() {
            404 => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        Err(io::Error::new(kind, content.trim_end().to_owned()))
    }
}

/// The content, without the coding that a long one comes in.
fn content_of(
    head: &ResponseHead,
    method: &str,
    mut octets: &[u8],
) -> Result<String, &'static str> {
    let framed = response_framing(head, method.as_bytes()).map_err(|error| error.sin())?;
    let mut decoder = Decoder::new(&framed, &Limits::default());
    let mut content = Vec::new();
    while !decoder.is_done() {
        let decoded = decoder.decode(octets).map_err(|error| error.sin())?;
        content.extend_from_slice(decoded.data);
        let consumed = decoded.consumed;
        octets = octets.get(consumed..).unwrap_or_default();
        if consumed == 0 && !decoder.is_done() {
            decoder.finish_eof().map_err(|error| error.sin())?;
            break;
        }
    }
    Ok(String::from_utf8_lossy(&content).into_owned())
}
