//! New connections to origins.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

use super::address::Address;
use super::connection::Connection;
use super::stream::Stream;
use super::tcp::Socket;
use super::tls::origin::Toward;
#[cfg(feature = "tls")]
use super::tls::stream::TlsStream;
use crate::clock;
use crate::runtime::worker::Worker;

/// Makes connections to origins: a worker's sockets, or whatever a library user has.
pub trait Dial {
    /// What a connection is.
    type Stream: Stream + 'static;

    /// Connects to `to`. Takes as long as it takes: the caller bounds it by dropping it.
    ///
    /// # Errors
    /// Why there is no connection.
    fn dial(&self, to: &Address) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Puts TLS on a connection that was just made, as `with` says. The handshake comes next, by
    /// [`Stream::poll_handshake`].
    ///
    /// # Errors
    /// `Unsupported`: these connections have no TLS. Or it cannot begin.
    fn secure(&self, stream: Self::Stream, with: &Toward) -> io::Result<Self::Stream> {
        let _ = (stream, with);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// How long an address is waited for before the next one is tried too (RFC 8305 §5).
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// Connects to whichever of the addresses answers first. They are begun one after the other: the next one when the one
/// before it has failed, or has not answered for a while.
///
/// # Errors
/// None of them could be connected to: why the last could not.
pub async fn dial_any<D: Dial>(dial: &D, addresses: &[Address]) -> io::Result<D::Stream> {
    if let [address] = addresses {
        return dial.dial(address).await;
    }
    let mut rest = in_turns(addresses).into_iter();
    let mut under_way: Vec<Dialing<'_, D::Stream>> = Vec::new();
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        match rest.next() {
            Some(address) => under_way.push(Box::pin(dial.dial(address))),
            None if under_way.is_empty() => return Err(failed),
            None => {}
        }
        let mut alarm = clock::sleep(NEXT_AFTER);
        let (is_last, tries) = (rest.len() == 0, &mut under_way);
        let event = poll_fn(|cx| {
            for (place, connecting) in tries.iter_mut().enumerate() {
                if let Poll::Ready(connected) = connecting.as_mut().poll(cx) {
                    return Poll::Ready(Some((place, connected)));
                }
            }
            match is_last {
                true => Poll::Pending,
                false => Pin::new(&mut alarm).poll(cx).map(|()| None),
            }
        });
        match event.await {
            Some((_, Ok(stream))) => return Ok(stream),
            Some((place, Err(error))) => {
                drop(under_way.swap_remove(place));
                failed = error;
            }
            None => {}
        }
    }
}

/// A connection that is being made.
type Dialing<'a, S> = Pin<Box<dyn Future<Output = io::Result<S>> + 'a>>;

/// The families in turns, beginning with that of the first address (RFC 8305 §4).
fn in_turns(addresses: &[Address]) -> Vec<&Address> {
    let is_v6 = |address: &Address| matches!(address, Address::Inet(addr) if addr.is_ipv6());
    let first = addresses.first().is_some_and(is_v6);
    let (one, other): (Vec<_>, Vec<_>) = addresses.iter().partition(|it| is_v6(it) == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut all = Vec::new();
    while one.len() + other.len() > 0 {
        all.extend(one.next());
        all.extend(other.next());
    }
    all
}

/// Dials with a worker's sockets.
#[derive(Debug, Clone)]
pub struct Dialer {
    worker: Rc<Worker>,
}

impl Dialer {
    /// Dials from this worker.
    #[must_use]
    pub fn new(worker: Rc<Worker>) -> Self {
        Self { worker }
    }
}

impl Dial for Dialer {
    type Stream = Connection;

    async fn dial(&self, to: &Address) -> io::Result<Connection> {
        self.connect(to).await.map(Connection::Plain)
    }

    #[cfg(feature = "tls")]
    fn secure(&self, stream: Connection, with: &Toward) -> io::Result<Connection> {
        let Connection::Plain(socket) = stream else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let (config, name) = with.parts();
        Ok(TlsStream::client(socket, config, name)?.into())
    }
}

impl Dialer {
    /// A plain connection.
    async fn connect(&self, to: &Address) -> io::Result<Socket> {
        let (fd, connected) = match to {
            Address::Inet(addr) => {
                let family = if addr.is_ipv4() {
                    AddressFamily::INET
                } else {
                    AddressFamily::INET6
                };
                let fd = socket(family, Some(ipproto::TCP))?;
                // A head and its body are one write already; nothing gains from waiting for more.
                sockopt::set_tcp_nodelay(&fd, true)?;
                let connected = net::connect(&fd, addr);
                (fd, connected)
            }
            Address::Unix(path) => {
                let fd = socket(AddressFamily::UNIX, None)?;
                let connected = net::connect(&fd, &SocketAddrUnix::new(path)?);
                (fd, connected)
            }
        };
        match connected {
            Ok(()) => Socket::accepted(fd, self.worker.reactor()),
            Err(Errno::INPROGRESS) => {
                let socket = Socket::connecting(fd, self.worker.reactor())?;
                poll_fn(|cx| socket.poll_connected(cx)).await?;
                Ok(socket)
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn socket(family: AddressFamily, protocol: Option<net::Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        protocol,
    )?)
}
