//! What is answered, and how it is written: whole, with its length, or as a stream of pieces that goes on.

use std::fmt;
use std::io;
use std::pin::Pin;

use async_io::Timer;
use futures_lite::{AsyncReadExt, AsyncWriteExt, Stream, StreamExt, future};

use super::PATIENCE;
use crate::clock;
use crate::http::head::{Version, reason_of};
use crate::net::listener::AsyncStream;
use crate::proxy::answer::http_date;

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The methods that would do, where this one does not.
    pub(super) allow: Option<&'static str>,
    pub(super) content_type: &'static str,
    /// What a browser may load and run for it, where that is anything at all.
    pub(super) policy: Option<String>,
    pub(super) content: String,
}

/// The policy of what is no page.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

impl Response {
    pub(super) fn text(status: u16, content: impl Into<String>) -> Self {
        Self {
            status,
            allow: None,
            content_type: "text/plain; charset=utf-8",
            policy: None,
            content: content.into(),
        }
    }

    pub(super) fn not_meant() -> Self {
        Self::text(
            403,
            "what changes something needs the field `Osier-Admin: 1`\n",
        )
    }

    pub(super) fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::text(405, format!("{allow} would do\n"))
        }
    }

    pub(super) fn json(status: u16, content: String) -> Self {
        Self {
            status,
            allow: None,
            content_type: "application/json",
            policy: None,
            content,
        }
    }
}

/// The pieces of a response that goes on, one after the other. None is empty.
pub(super) type Pieces<'a> = Pin<Box<dyn Stream<Item = Vec<u8>> + 'a>>;

/// A response whose content is written as it comes to be.
pub(super) struct Streamed<'a> {
    pub(super) content_type: &'static str,
    /// It goes on until whoever asked leaves: so it is looked whether they did.
    pub(super) is_endless: bool,
    pub(super) pieces: Pieces<'a>,
}

impl fmt::Debug for Streamed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed")
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// What a request comes to.
#[derive(Debug)]
pub(super) enum Reply<'a> {
    /// All of it is there, and so is its length.
    Whole(Response),
    /// It goes on.
    Stream(Streamed<'a>),
}

impl From<Response> for Reply<'_> {
    fn from(response: Response) -> Self {
        Self::Whole(response)
    }
}

/// How a reply is written to whoever asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// What the client speaks: HTTP/1.0 knows no chunks.
    pub(super) version: Version,
    /// Only the head is wanted.
    pub(super) is_head: bool,
    /// The connection stays.
    pub(super) persists: bool,
}

impl Manner {
    /// Says how it ends: nobody knows what the client wanted.
    pub(super) const LAST: Self = Self {
        version: Version::Http11,
        is_head: false,
        persists: false,
    };

    /// So a stream is written: where there are no chunks, the close is its end.
    fn streaming(self) -> Self {
        Self {
            persists: self.persists && self.version == Version::Http11,
            ..self
        }
    }
}

/// Writes a reply. True: the connection may carry another one.
///
/// # Errors
/// Nobody is there any more.
pub(super) async fn write(
    stream: &mut Box<dyn AsyncStream>,
    reply: Reply<'_>,
    manner: Manner,
) -> io::Result<bool> {
    match reply {
        Reply::Whole(response) => {
            stream.write_all(&whole(&response, manner)).await?;
            stream.flush().await?;
            Ok(manner.persists)
        }
        Reply::Stream(streamed) => write_pieces(stream, streamed, manner.streaming()).await,
    }
}

async fn write_pieces(
    stream: &mut Box<dyn AsyncStream>,
    mut streamed: Streamed<'_>,
    manner: Manner,
) -> io::Result<bool> {
    let is_chunked = manner.version == Version::Http11;
    let coding = if is_chunked {
        "Transfer-Encoding: chunked\r\n"
    } else {
        ""
    };
    let head = head(200, streamed.content_type, coding, NOTHING, manner.persists);
    stream.write_all(&head).await?;
    if manner.is_head {
        stream.flush().await?;
        return Ok(manner.persists);
    }
    while let Some(piece) = next(stream, &mut streamed).await {
        let mut octets = Vec::with_capacity(piece.len() + 20);
        if is_chunked {
            let size = format!("{:x}\r\n", piece.len());
            octets.extend_from_slice(size.as_bytes());
        }
        octets.extend_from_slice(&piece);
        if is_chunked {
            octets.extend_from_slice(b"\r\n");
        }
        send(stream, &octets).await?;
    }
    if is_chunked {
        stream.write_all(b"0\r\n\r\n").await?;
        stream.flush().await?;
    }
    Ok(manner.persists)
}

/// The next piece; none if there is none, or if nobody waits for it any longer.
async fn next(stream: &mut Box<dyn AsyncStream>, streamed: &mut Streamed<'_>) -> Option<Vec<u8>> {
    if !streamed.is_endless {
        return streamed.pieces.next().await;
    }
    let left = async {
        let mut room = [0; 512];
        // What else it asks for would never have its turn.
        while matches!(stream.read(&mut room).await, Ok(1..)) {}
        None
    };
    future::or(streamed.pieces.next(), left).await
}

/// Writes octets to somebody who reads them in time.
async fn send(stream: &mut Box<dyn AsyncStream>, octets: &[u8]) -> io::Result<()> {
    let sending = async {
        stream.write_all(octets).await?;
        stream.flush().await
    };
    future::or(sending, async {
        Timer::after(PATIENCE).await;
        Err(io::ErrorKind::TimedOut.into())
    })
    .await
}

fn whole(response: &Response, manner: Manner) -> Vec<u8> {
    let Response {
        status,
        allow,
        content_type,
        policy,
        content,
    } = response;
    let allow = allow.map_or_else(String::new, |methods| format!("Allow: {methods}\r\n"));
    let fields = format!("Content-Length: {}\r\n{allow}", content.len());
    let policy = policy.as_deref().unwrap_or(NOTHING);
    let mut octets = head(*status, content_type, &fields, policy, manner.persists);
    if !manner.is_head {
        octets.extend_from_slice(content.as_bytes());
    }
    octets
}

/// A head; `fields` are those that only this response has, each with its line end.
fn head(status: u16, content_type: &str, fields: &str, policy: &str, persists: bool) -> Vec<u8> {
    let connection = if persists {
        ""
    } else {
        "Connection: close\r\n"
    };
    format!(
        "HTTP/1.1 {status} {}\r\nDate: {}\r\nContent-Type: {content_type}\r\n{fields}\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n\
         {connection}\r\n",
        reason_of(status),
        http_date(clock::wall()),
    )
    .into_bytes()
}
