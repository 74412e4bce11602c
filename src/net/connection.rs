//! A worker's connection, plain or with TLS: one type for clients and origins, so that the proxy exists once.

use std::io::{self, IoSlice};
use std::task::{self, Poll};

use super::handshake::HandshakeError;
use super::stream::{Hangup, Stream};
use super::tcp::Socket;
#[cfg(feature = "tls")]
use super::tls::stream::TlsStream;
use crate::runtime::pipe::Pipe;

/// A connection of a worker.
#[derive(Debug)]
pub enum Connection {
    /// The socket itself.
    Plain(Socket),
    /// TLS on a socket.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

impl From<Socket> for Connection {
    fn from(socket: Socket) -> Self {
        Self::Plain(socket)
    }
}

#[cfg(feature = "tls")]
impl From<TlsStream> for Connection {
    fn from(stream: TlsStream) -> Self {
        Self::Tls(Box::new(stream))
    }
}

/// The same question to whichever it is.
macro_rules! ask {
    ($self:ident, $stream:ident => $question:expr) => {
        match $self {
            Self::Plain($stream) => $question,
            #[cfg(feature = "tls")]
            Self::Tls($stream) => $question,
        }
    };
}

impl Stream for Connection {
    fn poll_readable(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        ask!(self, stream => stream.poll_readable(cx))
    }

    fn poll_read(&self, cx: &mut task::Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        ask!(self, stream => stream.poll_read(cx, into))
    }

    fn poll_write(
        &self,
        cx: &mut task::Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ask!(self, stream => stream.poll_write(cx, pieces))
    }

    fn poll_shutdown(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        ask!(self, stream => stream.poll_shutdown(cx))
    }

    fn poll_hangup(&self, cx: &mut task::Context<'_>) -> Poll<Hangup> {
        ask!(self, stream => stream.poll_hangup(cx))
    }

    fn can_splice(&self) -> bool {
        ask!(self, stream => stream.can_splice())
    }

    fn poll_fill(
        &self,
        cx: &mut task::Context<'_>,
        pipe: &mut Pipe,
        octets_max: usize,
    ) -> Poll<io::Result<usize>> {
        ask!(self, stream => stream.poll_fill(cx, pipe, octets_max))
    }

    fn poll_drain(&self, cx: &mut task::Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        ask!(self, stream => stream.poll_drain(cx, pipe))
    }

    fn poll_disturbed(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        ask!(self, stream => stream.poll_disturbed(cx))
    }

    fn poll_handshake(&self, cx: &mut task::Context<'_>) -> Poll<Result<(), HandshakeError>> {
        ask!(self, stream => stream.poll_handshake(cx))
    }

    fn is_secure(&self) -> bool {
        ask!(self, stream => stream.is_secure())
    }

    fn is_resumed(&self) -> bool {
        ask!(self, stream => stream.is_resumed())
    }

    fn peer_subject(&self) -> Option<&str> {
        ask!(self, stream => stream.peer_subject())
    }

    fn abort(&self) {
        ask!(self, stream => stream.abort());
    }
}
