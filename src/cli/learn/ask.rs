//! One request on a connection of its own, as any client would send it.

use std::io;
use std::time::Duration;

use futures_lite::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::net::TcpStream;
use smol::net::unix::UnixStream;

use crate::clock;
use crate::http::head::{Parsed, ResponseHead};
use crate::http::limits::Limits;
use crate::net::address::Address;

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content: String,
    /// From the first octet sent to the last one read.
    pub(super) took: Duration,
}

impl Answer {
    /// The first line of the content: osier's own answers say there why.
    pub(super) fn line(&self) -> &str {
        self.content.lines().next().unwrap_or_default()
    }
}

/// Asks for `target`, and reads until the gateway closes.
pub(super) async fn ask(
    gateway: &Address,
    target: &str,
    fields: &[(&str, &str)],
) -> io::Result<Answer> {
    match gateway {
        Address::Inet(addr) => over(TcpStream::connect(addr).await?, target, fields).await,
        Address::Unix(path) => over(UnixStream::connect(path).await?, target, fields).await,
    }
}

async fn over(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    target: &str,
    fields: &[(&str, &str)],
) -> io::Result<Answer> {
    let mut request =
        format!("GET {target} HTTP/1.1\r\nHost: lesson.example\r\nConnection: close\r\n");
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let begun = clock::now();
    stream.write_all(request.as_bytes()).await?;
    let mut octets = Vec::new();
    stream.read_to_end(&mut octets).await?;
    let took = clock::now().saturating_duration_since(begun);

    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut head = ResponseHead::default();
    match head.parse(&octets, &Limits::default()) {
        Ok(Parsed::Complete(consumed)) => Ok(Answer {
            status: head.status(),
            content: String::from_utf8_lossy(octets.get(consumed..).unwrap_or_default())
                .into_owned(),
            took,
        }),
        Ok(Parsed::Partial) => Err(broken("it closed before it answered")),
        Err(error) => Err(broken(&error.to_string())),
    }
}
