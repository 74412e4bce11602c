//! What the proxy asks of a connection: five questions, all by shared reference, so that both directions of one
//! connection can be driven by one task at the same time.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{self, Poll};

use super::handshake::HandshakeError;
use crate::runtime::pipe::Pipe;

/// A connection of octets, both ways, to one peer. One task at a time waits on it.
pub trait Stream {
    /// Ready when a read would not wait: octets, the end or an error are there. Needs no buffer.
    fn poll_readable(&self, cx: &mut task::Context<'_>) -> Poll<()>;

    /// Appends what has arrived to the spare capacity of `into`. Returns how many octets; 0 is the peer's end.
    ///
    /// # Errors
    /// What the system says of the connection, once.
    fn poll_read(&self, cx: &mut task::Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>>;

    /// Writes from the pieces, in order. Returns how many octets were taken, which may be fewer than there are.
    ///
    /// What was taken is on its way: nothing has to be flushed. For that, a connection that encrypts may hold the last
    /// octet of a write back until those before it are with the system, and has that octet then; so the next write
    /// begins with what was not taken, or the connection is not written to any more.
    ///
    /// # Errors
    /// What the system says of the connection.
    fn poll_write(
        &self,
        cx: &mut task::Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Ends this side's direction (FIN): the peer reads an end, and may go on writing.
    ///
    /// # Errors
    /// What the system says of the connection.
    fn poll_shutdown(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>>;

    /// Ready when the peer has ended its direction or the connection is gone. Takes no octet away from
    /// [`Stream::poll_read`]. While it says that the peer's direction has ended, it wakes the task once more when the
    /// connection is reset behind that.
    fn poll_hangup(&self, cx: &mut task::Context<'_>) -> Poll<Hangup>;

    /// Octets can go through a pipe to and from this connection, by [`Stream::poll_fill`] and [`Stream::poll_drain`].
    fn can_splice(&self) -> bool {
        false
    }

    /// Moves up to `octets_max` octets that have arrived into the empty `pipe`, without a copy of them. Returns how
    /// many; 0 is the peer's end.
    ///
    /// # Errors
    /// What the system says of the connection; `Unsupported` unless [`Stream::can_splice`].
    fn poll_fill(
        &self,
        _cx: &mut task::Context<'_>,
        _pipe: &mut Pipe,
        _octets_max: usize,
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Writes from `pipe`, without a copy of it. Returns how many octets were taken.
    ///
    /// # Errors
    /// What the system says of the connection; `Unsupported` unless [`Stream::can_splice`].
    fn poll_drain(&self, _cx: &mut task::Context<'_>, _pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    /// Ready when something really is there to be read, where [`Stream::poll_readable`] may only suppose so. For a
    /// connection on which nothing should be.
    fn poll_disturbed(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        self.poll_readable(cx)
    }

    /// Ready when the connection is what it is to be: the peers have agreed on keys, and each is who it says. Comes
    /// before everything else where [`Stream::is_secure`].
    ///
    /// # Errors
    /// Why they did not agree, which the peer is told; the connection can only be ended, and read until the peer has done
    /// so too. A client that speaks plain HTTP is no
    /// error: it can be read and answered, and the connection is not [`Stream::is_secure`] from then on.
    fn poll_handshake(&self, _cx: &mut task::Context<'_>) -> Poll<Result<(), HandshakeError>> {
        Poll::Ready(Ok(()))
    }

    /// Nobody between the peers can read what they say: to clients it is `https`.
    fn is_secure(&self) -> bool {
        false
    }

    /// The handshake went on from where an earlier one of the same peers had come to.
    fn is_resumed(&self) -> bool {
        false
    }

    /// Whom the peer's certificate, which was verified, names (RFC 4514); none: it has shown none.
    fn peer_subject(&self) -> Option<&str> {
        None
    }

    /// Makes the coming close a reset, so that the peer cannot take what it has received for the whole. Where a
    /// connection has no such thing, its end has to do.
    fn abort(&self) {}
}

/// What [`Stream::poll_hangup`] saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hangup {
    /// The peer ended its direction, and nothing it sent before is left to read.
    Ended,
    /// The peer ended its direction behind octets that are not read yet (a pipelined request, say): at least so many.
    EndedBehind(u64),
    /// The connection is gone in both directions.
    Reset,
}

/// [`Stream::poll_readable`] as a future.
pub async fn readable(stream: &impl Stream) {
    poll_fn(|cx| stream.poll_readable(cx)).await;
}

/// [`Stream::poll_read`] as a future.
///
/// # Errors
/// As there.
pub async fn read(stream: &impl Stream, into: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|cx| stream.poll_read(cx, into)).await
}

/// [`Stream::poll_handshake`] as a future.
///
/// # Errors
/// As there.
pub async fn handshake(stream: &impl Stream) -> Result<(), HandshakeError> {
    poll_fn(|cx| stream.poll_handshake(cx)).await
}

/// [`Stream::poll_shutdown`] as a future.
///
/// # Errors
/// As there.
pub async fn shutdown(stream: &impl Stream) -> io::Result<()> {
    poll_fn(|cx| stream.poll_shutdown(cx)).await
}

/// Writes all of the pieces, in order.
///
/// # Errors
/// What the system says of the connection; `WriteZero` when it takes nothing any more.
pub async fn write_all(stream: &impl Stream, mut pieces: &mut [IoSlice<'_>]) -> io::Result<()> {
    // Empty pieces in front would look like a connection that takes nothing.
    IoSlice::advance_slices(&mut pieces, 0);
    while !pieces.is_empty() {
        let taken = poll_fn(|cx| stream.poll_write(cx, pieces)).await?;
        if taken == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut pieces, taken);
    }
    Ok(())
}
