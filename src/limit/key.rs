//! Who is counted as one.

use std::net::IpAddr;

/// Whom a request is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key<'a> {
    /// The client's [`Network`].
    Ip(IpAddr),
    /// What a field or a cookie says. Only a hash is kept, under a secret of this process.
    Octets(&'a [u8]),
    /// Everybody together.
    Whole,
}

/// The addresses that are counted as one client: an IPv4 address, or an IPv6 network of 64 bits.
///
/// A host has all of its IPv6 network's addresses to choose from (RFC 4291 §2.5.1, RFC 8981), so counting single ones
/// counts nobody. An IPv4 address that came in an IPv6 socket (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// The address.
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}
