//! Networks of addresses: who is trusted, who is let in, whose requests a route takes.
//!
//! Pure arithmetic on addresses; nothing here knows of sockets. Source: RFC 4632 §3.1, RFC 4291 §2.3 and §2.5.5.2.

use super::number::parse_decimal;
use std::net::IpAddr;

/// A network of addresses, as `10.0.0.0/8` names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Any address of it. Invariant: an IPv4 address where all of its addresses are.
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

    /// Reads `ADDRESS/PREFIX`, or an address alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(parse_decimal(prefix.as_bytes()).ok()?)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok()?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(max), |prefix| u8::try_from(prefix).ok())?;
        if prefix > max {
            return None;
        }
        // An IPv4 network in an IPv6 coat: its addresses are compared without the coat.
        let coat = max.saturating_sub(32);
        match address.to_canonical() {
            plain @ IpAddr::V4(_) if prefix >= coat => Some(Self {
                address: plain,
                prefix: prefix.saturating_sub(coat),
            }),
            _ => Some(Self { address, prefix }),
        }
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
