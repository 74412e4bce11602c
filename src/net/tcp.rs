//! A worker's own connections, TCP or unix: a non-blocking socket in the worker's reactor.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::net::{self, SendFlags, Shutdown};

use super::stream::{Hangup, Stream};
use crate::runtime::pipe::Pipe;
use crate::runtime::reactor::{Reactor, Source};

/// A connection registered in a worker's reactor.
#[derive(Debug)]
pub struct Socket {
    source: Source<OwnedFd>,
}

impl Socket {
    /// Registers a connection that was just accepted: it can be written until a write says otherwise.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn accepted(fd: OwnedFd, reactor: &Rc<Reactor>) -> io::Result<Self> {
        let source = reactor.register(fd)?;
        source.suppose_writable();
        Ok(Self { source })
    }

    /// Registers a connection whose connect is under way: wait for [`Socket::poll_connected`] first.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn connecting(fd: OwnedFd, reactor: &Rc<Reactor>) -> io::Result<Self> {
        Ok(Self {
            source: reactor.register(fd)?,
        })
    }

    /// Ready when the connect under way has succeeded or failed.
    ///
    /// # Errors
    /// Why it failed.
    pub fn poll_connected(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match self.source.poll_writable(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let outcome = net::sockopt::socket_error(self.source.get_ref());
                Poll::Ready(outcome.and_then(|result| result).map_err(io::Error::from))
            }
        }
    }

    /// Receives into `into`, which has room. Returns how many octets; 0 is the peer's end.
    #[cfg(feature = "tls")]
    pub(super) fn poll_receive(
        &self,
        cx: &task::Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source.poll_read_with(cx, |fd| {
            let received = net::recv(fd, &mut *into, net::RecvFlags::empty())?.0;
            Ok((received, received < into.len()))
        })
    }

    /// Something may be there to be received, as far as is known without asking.
    #[cfg(feature = "tls")]
    pub(super) fn may_receive(&self) -> bool {
        self.source.is_readable()
    }

    /// The connection is gone in both directions.
    #[cfg(feature = "tls")]
    pub(super) fn is_reset(&self) -> bool {
        self.source.is_reset()
    }
}

impl Socket {
    /// Where the peer connected to, where that has an address.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        let address = net::getsockname(self.source.get_ref()).ok()?;
        SocketAddr::try_from(address).ok()
    }

    /// Puts what has arrived into `into`, in place of what is there, and leaves it to be read. At most as much as
    /// `into` has capacity for. 0 is the peer's end.
    ///
    /// # Errors
    /// What the system says of the connection.
    pub fn poll_peek(
        &self,
        cx: &mut task::Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        self.source.poll_read_with(cx, |fd| {
            into.clear();
            let (seen, _) = net::recv(fd, spare_capacity(into), net::RecvFlags::PEEK)?;
            // What comes behind these octets is news.
            Ok((seen, true))
        })
    }

    /// Takes this many octets, which a peek has shown, away.
    ///
    /// # Errors
    /// What the system says of the connection; `UnexpectedEof` where they are not there.
    pub fn discard(&self, mut count: usize) -> io::Result<()> {
        let mut scratch = [0; 256];
        while count > 0 {
            let room = count.min(scratch.len());
            let room = scratch.get_mut(..room).unwrap_or_default();
            match net::recv(self.source.get_ref(), room, net::RecvFlags::empty())? {
                (0, _) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (taken, _) => count = count.saturating_sub(taken),
            }
        }
        // There may be more behind them.
        self.source.suppose_readable();
        Ok(())
    }

    /// What a peek has shown is to be looked at once more, though nothing has come behind it.
    pub fn look_again(&self) {
        self.source.suppose_readable();
    }

    /// The peer's end has been seen: nothing comes behind what a peek shows now.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.source.is_fin()
    }
}

impl Stream for Socket {
    fn poll_readable(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        self.source.poll_readable(cx)
    }

    fn poll_read(&self, cx: &mut task::Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        if into.len() == into.capacity() {
            into.reserve(1);
        }
        let room = into.capacity() - into.len();
        self.source.poll_read_with(cx, |fd| {
            let (received, _) = net::recv(fd, spare_capacity(into), net::RecvFlags::empty())?;
            Ok((received, received < room))
        })
    }

    fn poll_write(
        &self,
        cx: &mut task::Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.source.poll_write_with(cx, |fd| {
            let taken = match pieces {
                [piece] => net::send(fd, piece, SendFlags::NOSIGNAL)?,
                pieces => rustix::io::writev(fd, pieces)?,
            };
            Ok((taken, taken < offered))
        })
    }

    fn poll_shutdown(&self, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match net::shutdown(self.source.get_ref(), Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    fn poll_disturbed(&self, cx: &mut task::Context<'_>) -> Poll<()> {
        // After a read that took all it could hold, or went through a pipe, only another one tells.
        let peeked = self.source.poll_read_with(cx, |fd| {
            net::recv(fd, &mut [0_u8; 1], net::RecvFlags::PEEK).map(|_| ((), false))
        });
        peeked.map(|_| ())
    }

    fn can_splice(&self) -> bool {
        true
    }

    fn poll_fill(
        &self,
        cx: &mut task::Context<'_>,
        pipe: &mut Pipe,
        octets_max: usize,
    ) -> Poll<io::Result<usize>> {
        // A pipe has room for so many pieces, whatever their size: less than was asked for does not mean drained.
        self.source
            .poll_read_with(cx, |fd| Ok((pipe.fill(fd, octets_max)?, false)))
    }

    fn poll_drain(&self, cx: &mut task::Context<'_>, pipe: &mut Pipe) -> Poll<io::Result<usize>> {
        let offered = pipe.held();
        self.source.poll_write_with(cx, |fd| {
            let taken = pipe.drain(fd)?;
            Ok((taken, taken < offered))
        })
    }

    fn abort(&self) {
        // A unix socket takes it, and closes as always: it has no reset.
        let _ = net::sockopt::set_socket_linger(self.source.get_ref(), Some(Duration::ZERO));
    }

    fn poll_hangup(&self, cx: &mut task::Context<'_>) -> Poll<Hangup> {
        if self.source.is_reset() {
            return Poll::Ready(Hangup::Reset);
        }
        match self.source.poll_fin(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                // An end may be followed by a reset, which whoever goes on after the end is to be woken for.
                let _ = self.source.poll_reset(cx);
                let unread = rustix::io::ioctl_fionread(self.source.get_ref()).unwrap_or(0);
                Poll::Ready(if unread == 0 {
                    Hangup::Ended
                } else {
                    Hangup::EndedBehind(unread)
                })
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}
