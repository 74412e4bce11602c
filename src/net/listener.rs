//! Listening sockets: bound before any worker starts, accepted from by every worker.

use std::ffi::OsStr;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{self, Poll};

use async_io::Async;
use futures_lite::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt,
};

use super::address::Address;
use crate::runtime::reactor::{Reactor, Source};

/// How many connections the kernel holds for us that we have not accepted yet.
const BACKLOG: i32 = 4096;

/// The sockets of one address: one for each worker where the kernel can spread connections over them, else one that
/// all share.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What was asked for.
    pub asked: Address,
    /// Where it listens, with the port that was really given.
    pub address: Address,
    /// Usually one per worker, or one for all; sockets that were passed on may be any number.
    sockets: Vec<Arc<OwnedFd>>,
    /// How many workers share them.
    workers: usize,
    /// What it made in the file system.
    file: Option<SocketFile>,
}

impl Bound {
    /// Binds `address` for so many workers.
    ///
    /// # Errors
    /// What the system says; `AddrInUse` also where another process shares its port with strangers.
    pub fn bind(address: &Address, workers: usize) -> io::Result<Self> {
        match address {
            Address::Inet(addr) => Self::bind_inet(*addr, workers),
            Address::Unix(path) => {
                let fd = open(AddressFamily::UNIX, None)?;
                let unix = SocketAddrUnix::new(path)?;
                // A path that nobody listens on any more is what a process leaves behind that was killed.
                match net::bind(&fd, &unix) {
                    Err(Errno::ADDRINUSE) => {
                        let probe = open(AddressFamily::UNIX, None)?;
                        if net::connect(&probe, &unix) != Err(Errno::CONNREFUSED) {
                            return Err(Errno::ADDRINUSE.into());
                        }
                        std::fs::remove_file(path)?;
                        net::bind(&fd, &unix)?;
                    }
                    bound => bound?,
                }
                net::listen(&fd, BACKLOG)?;
                Ok(Self {
                    asked: address.clone(),
                    address: address.clone(),
                    sockets: vec![Arc::new(fd)],
                    workers,
                    file: SocketFile::at(path),
                })
            }
        }
    }

    /// Takes up sockets that listen already and were passed to this process, for so many workers. `is_ours`: the file of
    /// a unix socket goes with it.
    ///
    /// # Errors
    /// What the system says of one of them.
    pub fn adopt(
        asked: &Address,
        passed: Vec<OwnedFd>,
        is_ours: bool,
        workers: usize,
    ) -> io::Result<Self> {
        let first = passed.first().ok_or(io::ErrorKind::NotFound)?;
        let address = local_address(first)?;
        for socket in &passed {
            rustix::io::ioctl_fionbio(socket, true)?;
            if matches!(address, Address::Inet(_)) {
                sockopt::set_tcp_nodelay(socket, true)?;
            }
        }
        let file = match &address {
            Address::Unix(path) if is_ours => SocketFile::at(path),
            _ => None,
        };
        let mut sockets: Vec<_> = passed.into_iter().map(Arc::new).collect();
        // Those that already share the port may be joined by more. Where they may not, there are fewer than workers.
        if let Address::Inet(addr) = address {
            let is_shared = |socket: &Arc<OwnedFd>| sockopt::socket_reuseport(socket) == Ok(true);
            while sockets.len() < workers && sockets.iter().all(is_shared) {
                let Ok(socket) = inet(addr, true) else { break };
                net::listen(&socket, BACKLOG)?;
                sockets.push(Arc::new(socket));
            }
        }
        Ok(Self {
            asked: asked.clone(),
            address,
            sockets,
            workers,
            file,
        })
    }

    /// The sockets, to be passed on.
    #[must_use]
    pub fn sockets(&self) -> &[Arc<OwnedFd>] {
        &self.sockets
    }

    fn bind_inet(addr: SocketAddr, workers: usize) -> io::Result<Self> {
        // With SO_REUSEPORT the bind would succeed beside another process of the same user, which would then take half
        // of our connections. The first bind is without, so that a taken port is seen.
        let asked = Address::Inet(addr);
        let first = inet(addr, false)?;
        let addr = local_addr(&first)?;
        if workers <= 1 {
            net::listen(&first, BACKLOG)?;
            return Ok(Self {
                asked,
                address: Address::Inet(addr),
                sockets: vec![Arc::new(first)],
                workers,
                file: None,
            });
        }
        drop(first);
        let mut sockets = Vec::with_capacity(workers);
        for _ in 0..workers {
            sockets.push(Arc::new(inet(addr, true)?));
        }
        // Only now: a connection that came to the first while the others were not yet there would be spread anew.
        for socket in &sockets {
            net::listen(socket, BACKLOG)?;
        }
        Ok(Self {
            asked,
            address: Address::Inet(addr),
            sockets,
            workers,
            file: None,
        })
    }

    /// What one worker accepts from: a socket of its own, or one that it shares; several, where there are more sockets
    /// than workers.
    ///
    /// # Errors
    /// What epoll_ctl says.
    pub fn listeners(&self, worker: usize, reactor: &Rc<Reactor>) -> io::Result<Vec<Listener>> {
        let count = self.sockets.len();
        let (first, step) = if count < self.workers {
            (worker.checked_rem(count).unwrap_or(0), count)
        } else {
            (worker, self.workers)
        };
        let mine = self.sockets.iter().skip(first).step_by(step.max(1));
        mine.map(|socket| {
            let source = reactor.register_listener(socket.clone())?;
            // What came before it was registered is no event.
            source.suppose_readable();
            Ok(Listener {
                source,
                unix: matches!(self.address, Address::Unix(_)),
            })
        })
        .collect()
    }

    /// What it made in the file system, where it made something.
    #[must_use]
    pub fn file(&self) -> Option<&SocketFile> {
        self.file.as_ref()
    }
}

impl Bound {
    /// The first socket, to be accepted from on async-io's reactor: for the control side.
    ///
    /// # Errors
    /// No descriptor is left for a second handle to it.
    pub fn async_listener(&self) -> io::Result<AsyncListener> {
        let socket = self
            .sockets
            .first()
            .ok_or(io::ErrorKind::NotFound)?
            .try_clone()?;
        Ok(match self.address {
            Address::Inet(_) => AsyncListener::Inet(Async::new(TcpListener::from(socket))?),
            Address::Unix(_) => AsyncListener::Unix(Async::new(UnixListener::from(socket))?),
        })
    }
}

/// A listening socket on async-io's reactor.
#[derive(Debug)]
pub enum AsyncListener {
    /// TCP.
    Inet(Async<TcpListener>),
    /// A unix socket.
    Unix(Async<UnixListener>),
}

/// A connection on async-io's reactor.
pub trait AsyncStream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncStream for S {}

/// Where a connection begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Our address.
    pub local: SocketAddr,
    /// The other side's.
    pub peer: SocketAddr,
}

impl AsyncListener {
    /// The next connection, and the addresses of its ends, where they have some.
    ///
    /// # Errors
    /// What accept says.
    pub async fn accept(&self) -> io::Result<(Box<dyn AsyncStream>, Option<Ends>)> {
        match self {
            Self::Inet(listener) => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.get_ref().local_addr()?;
                Ok((Box::new(stream), Some(Ends { local, peer })))
            }
            Self::Unix(listener) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

/// The file of a unix socket that this process bound, to be removed when nobody listens any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode: another process may have put another socket there since.
    identity: (u64, u64),
}

impl SocketFile {
    /// The file that is at `path` now.
    fn at(path: &Path) -> Option<Self> {
        Some(Self {
            path: path.to_owned(),
            identity: identity(path)?,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, if it is still the same file.
    pub fn remove(&self) {
        if identity(&self.path) == Some(self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

fn open(family: AddressFamily, protocol: Option<net::Protocol>) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(net::socket_with(
        family,
        SocketType::STREAM,
        flags,
        protocol,
    )?)
}

fn inet(addr: SocketAddr, shared: bool) -> io::Result<OwnedFd> {
    let family = if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let fd = open(family, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if shared {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    if addr.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, true)?;
    }
    // Accepted sockets inherit it.
    sockopt::set_tcp_nodelay(&fd, true)?;
    net::bind(&fd, &addr)?;
    Ok(fd)
}

/// Where a listening stream socket listens.
///
/// # Errors
/// It is something else.
pub fn local_address(fd: impl AsFd) -> io::Result<Address> {
    let fd = fd.as_fd();
    let other = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    if sockopt::socket_type(fd)? != SocketType::STREAM || !sockopt::socket_acceptconn(fd)? {
        return Err(other("it is no listening stream socket"));
    }
    let any = net::getsockname(fd)?;
    if let Ok(addr) = SocketAddr::try_from(any.clone()) {
        return Ok(Address::Inet(addr));
    }
    let unix = SocketAddrUnix::try_from(any)?;
    let path = unix.path().ok_or_else(|| other("it has no path"))?;
    Ok(Address::Unix(OsStr::from_bytes(path.to_bytes()).into()))
}

fn local_addr(fd: &OwnedFd) -> io::Result<SocketAddr> {
    SocketAddr::try_from(net::getsockname(fd)?).map_err(io::Error::from)
}

/// One worker's end of a listening socket.
#[derive(Debug)]
pub struct Listener {
    source: Source<Arc<OwnedFd>>,
    unix: bool,
}

/// What came in.
#[derive(Debug)]
pub struct Accepted {
    /// The connection, non-blocking.
    pub fd: OwnedFd,
    /// Who it is, where it has an address (a unix peer has none).
    pub peer: Option<SocketAddr>,
}

impl Listener {
    /// Ready when a connection waits to be accepted. It stays there: another worker may take it first.
    pub fn poll_waiting(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_read_with(cx, |fd| {
            let mut asked = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
            match poll(&mut asked, Some(&Timespec::default()))? {
                0 => Err(Errno::AGAIN),
                _ => Ok(((), false)),
            }
        })
    }

    /// Takes the next connection.
    ///
    /// # Errors
    /// What accept says of the listener; a connection that was gone before it could be accepted is passed over.
    /// After an error for want of descriptors or memory, wait a while before asking again.
    pub fn poll_accept(&self, cx: &mut task::Context<'_>) -> Poll<io::Result<Accepted>> {
        self.source
            .poll_read_with(cx, |fd| Ok((self.accept(fd)?, false)))
    }

    /// Stops listening on this worker, and returns what came before that, as far as the system's queue goes: nobody is
    /// told of it any more. What comes later is for those who listen on.
    pub fn close(self) -> impl Iterator<Item = Accepted> {
        // First out of epoll: of several who share a socket one is woken per connection, and that was perhaps us.
        self.source.unregister();
        (0..BACKLOG).map_while(move |_| self.accept(self.source.get_ref().as_fd()).ok())
    }

    fn accept(&self, fd: BorrowedFd<'_>) -> rustix::io::Result<Accepted> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        loop {
            // One question to the system, with the peer's address in its answer.
            return match net::acceptfrom_with(fd, flags) {
                Ok((fd, peer)) => Ok(Accepted {
                    fd,
                    peer: self.peer(peer),
                }),
                Err(
                    Errno::INTR
                    | Errno::CONNABORTED
                    | Errno::PROTO
                    | Errno::HOSTUNREACH
                    | Errno::NETUNREACH,
                ) => continue,
                Err(error) => Err(error),
            };
        }
    }

    fn peer(&self, peer: Option<SocketAddrAny>) -> Option<SocketAddr> {
        if self.unix {
            None
        } else {
            let peer = SocketAddr::try_from(peer?).ok()?;
            // A socket for both versions, as systemd makes them, dresses up IPv4 addresses.
            Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
        }
    }
}
