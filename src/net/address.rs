//! Where to listen and where to connect: `IP:PORT`, `NAME:PORT`, `unix:PATH`.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// An address of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Inet(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

impl Address {
    /// This address on another port; a unix address stays what it is.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        match self {
            Self::Inet(addr) => Self::Inet(SocketAddr::new(addr.ip(), port)),
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }

    /// Only processes on this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Inet(addr) => addr.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(addr) => addr.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self::Inet(addr)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// Reads `IP:PORT`, `[IPv6]:PORT`, `unix:PATH`, `localhost:PORT`, or `:PORT` for all addresses.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(AddressError::NoPath)
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        if let Some(port) = text.strip_prefix(':') {
            let port = port
                .parse()
                .map_err(|_| AddressError::BadPort(port.to_owned()))?;
            return Ok(Self::Inet(SocketAddr::from(([0, 0, 0, 0], port))));
        }
        if let Ok(addr) = text.parse() {
            return Ok(Self::Inet(addr));
        }
        match text.rsplit_once(':') {
            None => Err(AddressError::NoPort(text.to_owned())),
            Some((_, port)) if port.parse::<u16>().is_err() => {
                Err(AddressError::BadPort(port.to_owned()))
            }
            Some(("localhost", port)) => Ok(Self::Inet(SocketAddr::from((
                [127, 0, 0, 1],
                port.parse()
                    .map_err(|_| AddressError::BadPort(port.to_owned()))?,
            )))),
            Some((name, _)) => Err(AddressError::NotAnAddress(name.to_owned())),
        }
    }
}

/// `HOST:PORT` without port and brackets; `None` of `unix:PATH`.
#[must_use]
pub fn host_of(authority: &str) -> Option<&str> {
    let (host, _) = authority.rsplit_once(':')?;
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    (!authority.starts_with("unix:")).then(|| inner.unwrap_or(host))
}

/// Asks the system's resolver for the addresses of `host:port`. It may take seconds: never on a worker.
///
/// # Errors
/// [`AddressError::Unresolved`] with what the resolver said.
pub fn resolve(authority: &str) -> Result<Vec<Address>, AddressError> {
    let unresolved = |why: String| AddressError::Unresolved(authority.to_owned(), why);
    let found: Vec<Address> = authority
        .to_socket_addrs()
        .map_err(|error| unresolved(error.to_string()))?
        .map(Address::from)
        .collect();
    if found.is_empty() {
        Err(unresolved("no address".to_owned()))
    } else {
        Ok(found)
    }
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// `unix:` with nothing behind it.
    NoPath,
    /// No `:PORT` at the end.
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    BadPort(String),
    /// A name where an address is needed.
    NotAnAddress(String),
    /// The resolver found nothing for a name: the name, and what it said.
    Unresolved(String, String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPath => f.write_str("`unix:` needs a path behind it"),
            Self::NoPort(text) => write!(f, "`{text}` has no port; write `{text}:8080`"),
            Self::BadPort(port) => write!(f, "`{port}` is no port; write a number from 0 to 65535"),
            Self::NotAnAddress(name) => write!(
                f,
                "`{name}` is no address; write an IP address, or unix:PATH"
            ),
            Self::Unresolved(name, why) => write!(f, "`{name}` does not resolve: {why}"),
        }
    }
}

impl std::error::Error for AddressError {}
