//! What a client's octets go through: a socket, or TLS on one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::tls;

/// How a client of TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handshake {
    /// As if it had never been there.
    Full,
    /// By a ticket.
    Resumed,
}

/// Where a client connects to, and what it speaks there.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// `None`: in the clear.
    pub(crate) tls: Option<tls::Client>,
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

#[derive(Debug)]
pub(crate) enum Wire {
    Clear(TcpStream),
    Tls(Box<tls::Session>),
}

impl Wire {
    /// Begins to connect.
    pub(crate) fn connect(to: &Target) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        match connect(&socket, &to.address) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = TcpStream::from(socket);
        Ok(match &to.tls {
            None => Self::Clear(socket),
            Some(client) => Self::Tls(Box::new(client.begin(socket)?)),
        })
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(session) => &session.socket,
        }
    }

    /// Reads once, into some part of `scratch`. Nothing is the end.
    pub(crate) fn read<'a>(&mut self, scratch: &'a mut [u8]) -> io::Result<&'a [u8]> {
        match self {
            Self::Clear(socket) => {
                let count = socket.read(scratch)?;
                Ok(&scratch[..count])
            }
            Self::Tls(session) => session.read(scratch),
        }
    }

    /// Takes some of `octets`, which may be with the system only after [`Wire::flush`].
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Clear(socket) => socket.write(octets),
            Self::Tls(session) => session.write(octets),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Clear(_) => Ok(()),
            Self::Tls(session) => session.flush(),
        }
    }

    /// It has taken octets that are not with the system.
    pub(crate) fn has_output(&self) -> bool {
        match self {
            Self::Clear(_) => false,
            Self::Tls(session) => session.has_output(),
        }
    }
}
