//! Connections of the control side: one at a time, off the workers.

use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use async_io::Async;
use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};

use super::address::Address;
use super::listener::AsyncStream;
#[cfg(feature = "tls")]
use super::tls::control::Secured;
use super::tls::origin::Toward;

/// Connects to `address`. Takes as long as it takes: the caller bounds it by dropping it.
///
/// # Errors
/// Why there is no connection.
pub async fn connect(address: &Address) -> io::Result<Box<dyn AsyncStream>> {
    Ok(match address {
        Address::Inet(addr) => Box::new(Async::<TcpStream>::connect(*addr).await?),
        Address::Unix(path) => Box::new(Async::<UnixStream>::connect(path).await?),
    })
}

/// A connection to an origin, for one request and its answer.
pub enum Line {
    /// In the clear.
    Plain(Box<dyn AsyncStream>),
    /// By TLS.
    #[cfg(feature = "tls")]
    Tls(Box<Secured>),
}

impl Line {
    /// Connects to `address`, says `front` in the clear, and agrees on keys where `tls` wants that. Takes as long as it takes: the caller bounds it
    /// by dropping it.
    ///
    /// # Errors
    /// Why there is no connection.
    pub async fn connect(
        address: &Address,
        front: &[u8],
        tls: Option<&Toward>,
    ) -> io::Result<Self> {
        let mut stream = connect(address).await?;
        if !front.is_empty() {
            stream.write_all(front).await?;
            stream.flush().await?;
        }
        match tls {
            None => Ok(Self::Plain(stream)),
            #[cfg(feature = "tls")]
            Some(with) => Ok(Self::Tls(Box::new(Secured::begin(stream, with).await?))),
            #[cfg(not(feature = "tls"))]
            Some(never) => match *never {},
        }
    }

    /// # Errors
    /// What the system says of the connection.
    pub async fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write_all(octets).await,
        }
    }

    /// Reads what is there; 0 is the end.
    ///
    /// # Errors
    /// What the system says of the connection.
    pub async fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into).await,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.read(into).await,
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}
