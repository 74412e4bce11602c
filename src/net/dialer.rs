//! New connections to origins.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};

use super::address::Address;
use super::stream::Stream;
use super::tcp::Socket;
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
    type Stream = Socket;

    async fn dial(&self, to: &Address) -> io::Result<Socket> {
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
