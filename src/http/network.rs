//! Networks of addresses: who is trusted, who is let in, whose requests a route takes.
//!
//! Pure arithmetic on addresses; nothing here knows of sockets. Source: RFC 4632 §3.1, RFC 4291 §2.3 and §2.5.5.2.

use super::number::parse_decimal;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network of addresses, as `10.0.0.0/8` names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    /// Its first address: no bit behind the prefix is set. Invariant: an IPv4 address where all of its addresses are.
    address: IpAddr,
    /// How many bits all of its addresses have in common; at most those of the address.
    prefix: u8,
}

impl Network {
    /// The networks that nobody on the internet has: loopback, private use, link-local, unique local.
    pub const PRIVATE: [&'static str; 7] = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
    ];

    /// Those networks.
    #[must_use]
    pub fn private() -> Vec<Self> {
        let networks = Self::PRIVATE.into_iter();
        networks.filter_map(|text| text.parse().ok()).collect()
    }

    /// `address` lies in it. An IPv4 address in an IPv6 coat is what it wears the coat over.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.covers(address.to_canonical())
    }

    /// Some address lies in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        // Of two networks that meet, the one with fewer bits in common holds all of the other.
        if self.prefix <= other.prefix {
            self.covers(other.address)
        } else {
            other.covers(self.address)
        }
    }

    /// The first bits of `address` are those of the network.
    fn covers(&self, address: IpAddr) -> bool {
        let prefix = u32::from(self.prefix);
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                // No bit in common: no bit can differ.
                let shifted = differ.checked_shr(32_u32.saturating_sub(prefix));
                shifted.unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                let shifted = differ.checked_shr(128_u32.saturating_sub(prefix));
                shifted.unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    /// Reads `ADDRESS/PREFIX`, or an address alone.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => max,
            Some(prefix) => parse_decimal(prefix.as_bytes())
                .ok()
                .and_then(|bits| u8::try_from(bits).ok())
                .filter(|bits| *bits <= max)
                .ok_or(NetworkError::Prefix { max })?,
        };
        let first = masked(address, prefix);
        if first != address {
            return Err(NetworkError::NotFirst { first, prefix });
        }
        // An IPv4 network in an IPv6 coat: its addresses are compared without the coat.
        let coat = max.saturating_sub(32);
        Ok(match address.to_canonical() {
            plain @ IpAddr::V4(_) if prefix >= coat => Self {
                address: plain,
                prefix: prefix.saturating_sub(coat),
            },
            _ => Self { address, prefix },
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Why a text names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// No address stands in front.
    Address,
    /// What stands behind the slash is no number, or a larger one.
    Prefix {
        /// The largest.
        max: u8,
    },
    /// The address has bits behind the prefix: it names a host, or another network.
    NotFirst {
        /// The first address of the network that was likely meant.
        first: IpAddr,
        /// Its prefix.
        prefix: u8,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => {
                f.write_str("expected a network such as `10.0.0.0/8`, an address, or `private`")
            }
            Self::Prefix { max } => write!(f, "behind the slash: a number from 0 to {max}"),
            Self::NotFirst { first, prefix } => write!(f, "did you mean `{first}/{prefix}`?"),
        }
    }
}

impl std::error::Error for NetworkError {}

/// `address` with nothing but its first `prefix` bits.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix));
            IpAddr::V4((u32::from(address) & mask.unwrap_or(0)).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix));
            IpAddr::V6((u128::from(address) & mask.unwrap_or(0)).into())
        }
    }
}
