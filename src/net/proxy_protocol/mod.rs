//! The PROXY protocol: what a proxy in front says of the client, before the connection's first octet.
//!
//! Pure: octets in, a [`Header`] or what is wrong with it out; and a [`Header`] in, octets out. A header is as long as it
//! has to be and no longer, so what follows it is left to whoever reads on.
//!
//! # Source
//! "The PROXY protocol, Versions 1 & 2", <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

mod crc32c;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// The octets of a header at most: those of [`Version::V2`] with this much behind their fixed part.
pub const OCTETS_MAX: usize = v2::FIXED + v2::BODY_MAX;

/// What a proxy in front says of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Nothing: the connection is the proxy's own (`LOCAL`, such as a health check), or of a kind that it has no words
    /// for (`UNKNOWN`, `UNSPEC`, datagrams). The connection's own addresses stand.
    Local,
    /// The client came by TCP.
    Inet(Addresses),
    /// The client came by a unix socket, and has no address that means anything here.
    Unix,
}

/// Where a connection comes from, and where it went. Both of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

impl Addresses {
    /// Both in the same family: IPv4 where both are, else IPv6, in which an IPv4 address has a form of its own
    /// (RFC 4291 §2.5.5.2).
    #[must_use]
    pub fn new(source: SocketAddr, destination: SocketAddr) -> Self {
        let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
        let (from, to) = match (from, to) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (from, to),
            _ => (widened(from), widened(to)),
        };
        Self {
            source: SocketAddr::new(from, source.port()),
            destination: SocketAddr::new(to, destination.port()),
        }
    }
}

fn widened(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().into(),
        IpAddr::V6(_) => ip,
    }
}

/// Which form a header has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// A line of text (§2.1), of 107 octets at most.
    V1,
    /// Binary (§2.2).
    V2,
}

/// What [`parse`] made of the octets so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a header, and are not one yet.
    Partial,
    /// They begin with this header, which has so many octets.
    Complete(Header, usize),
}

/// Reads the header at the front of `input`, which is everything that has come so far.
///
/// # Errors
/// Whatever comes behind these octets, there is no header at their front: a [`Sin`] says why.
pub fn parse(input: &[u8]) -> Result<Parsed, Sin> {
    if begins(input, v1::SIGNATURE) {
        v1::parse(input)
    } else if begins(input, v2::SIGNATURE) {
        v2::parse(input)
    } else {
        Err(Sin::Missing)
    }
}

/// `input` and `signature` are the same, as far as there is of both.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    let common = input.len().min(signature.len());
    input.get(..common) == signature.get(..common)
}

impl Header {
    /// Appends the header in this form.
    pub fn write(&self, version: Version, to: &mut Vec<u8>) {
        match version {
            Version::V1 => v1::write(self, to),
            Version::V2 => v2::write(self, to),
        }
    }
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sin {
    /// The connection begins with something else.
    Missing,
    /// It has begun, and has no end within the octets that it may have.
    TooLong,
    /// It breaks the grammar of its version.
    Malformed,
    /// Its version, command, family or protocol is none that may be sent (§2.2).
    Unknown,
    /// Its checksum says that it was damaged on the way (§2.2.3).
    Checksum,
}

impl fmt::Display for Sin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the connection does not begin with a PROXY protocol header",
            Self::TooLong => "the PROXY protocol header is too long",
            Self::Malformed => "the PROXY protocol header is malformed",
            Self::Unknown => "the PROXY protocol header is of an unknown kind",
            Self::Checksum => "the PROXY protocol header's checksum is wrong",
        })
    }
}

impl std::error::Error for Sin {}
