//! Version 2: binary (§2.2).
//!
//! Twelve octets of signature; version and command; family and protocol; the length of what follows: addresses, then
//! type-length-value vectors, which are skipped, but for the checksum.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Addresses, Header, Parsed, Sin, crc32c};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The octets in front of the addresses.
pub(super) const FIXED: usize = 16;

/// The addresses and vectors may have so many octets. The largest that proxies send are a certificate.
pub(super) const BODY_MAX: usize = 8 * 1024;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// The type of the vector that holds the checksum, PP2_TYPE_CRC32C (§2.2.3).
const CHECKSUM: u8 = 0x03;

pub(super) fn parse(input: &[u8]) -> Result<Parsed, Sin> {
    let Some(&[command, family, high, low]) = input.get(SIGNATURE.len()..FIXED) else {
        // What is wrong already need not be waited for.
        return match input.get(SIGNATURE.len()) {
            Some(&command) if command != LOCAL && command != PROXY => Err(Sin::Unknown),
            _ => Ok(Parsed::Partial),
        };
    };
    if command != LOCAL && command != PROXY {
        return Err(Sin::Unknown);
    }
    let addresses_octets = addresses_octets(family).ok_or(Sin::Unknown)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > BODY_MAX {
        return Err(Sin::TooLong);
    }
    let is_local = command == LOCAL;
    if !is_local && length < addresses_octets {
        return Err(Sin::Malformed);
    }
    let consumed = FIXED + length;
    let (Some(whole), Some(body)) = (input.get(..consumed), input.get(FIXED..consumed)) else {
        return Ok(Parsed::Partial);
    };
    if is_local {
        // What follows is to be skipped, whatever it is.
        return Ok(Parsed::Complete(Header::Local, consumed));
    }
    let (addresses, vectors) = body.split_at_checked(addresses_octets).unwrap_or_default();
    skip(whole, vectors)?;
    let header = match family {
        0x11 | 0x21 => Header::Inet(inet(addresses).ok_or(Sin::Malformed)?),
        0x31 => Header::Unix,
        // Unspecified, or datagrams: nothing that this connection could carry.
        _ => Header::Local,
    };
    Ok(Parsed::Complete(header, consumed))
}

/// How many octets the addresses of a family and protocol have; `None` where there is no such thing.
fn addresses_octets(family: u8) -> Option<usize> {
    match family {
        0x00 => Some(0),
        0x11 | 0x12 => Some(12),
        0x21 | 0x22 => Some(36),
        0x31 | 0x32 => Some(216),
        _ => None,
    }
}

fn inet(octets: &[u8]) -> Option<Addresses> {
    let (ips, ports) = octets.split_at_checked(octets.len().checked_sub(4)?)?;
    let (from, to) = ips.split_at_checked(ips.len() / 2)?;
    let &[a, b, c, d] = ports else { return None };
    Some(Addresses {
        source: SocketAddr::new(ip(from)?, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(ip(to)?, u16::from_be_bytes([c, d])),
    })
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|ip| Ipv4Addr::from(ip).into());
    let v6 = || <[u8; 16]>::try_from(octets).map(|ip| Ipv6Addr::from(ip).into());
    v4.or_else(|_| v6()).ok()
}

/// Walks over the vectors, and verifies the checksum where one of them has it. `whole` ends with them.
fn skip(whole: &[u8], vectors: &[u8]) -> Result<(), Sin> {
    let mut rest = vectors;
    while !rest.is_empty() {
        let Some((&[kind, high, low], behind)) = rest.split_first_chunk::<3>() else {
            return Err(Sin::Malformed);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (value, next) = behind.split_at_checked(length).ok_or(Sin::Malformed)?;
        if kind == CHECKSUM {
            let said = <[u8; 4]>::try_from(value).map_err(|_| Sin::Malformed)?;
            let at = whole.len() - behind.len();
            let before = whole.get(..at).unwrap_or_default();
            // It is of the header in which it is zero itself.
            let sum = crc32c::of([before, &[0; 4], next]);
            if sum != u32::from_be_bytes(said) {
                return Err(Sin::Checksum);
            }
        }
        rest = next;
    }
    Ok(())
}

pub(super) fn write(header: &Header, to: &mut Vec<u8>) {
    to.extend_from_slice(SIGNATURE);
    let Header::Inet(Addresses {
        source,
        destination,
    }) = header
    else {
        // Of a client without an address there is nothing to say, but that it is one.
        let command = match header {
            Header::Unix => PROXY,
            _ => LOCAL,
        };
        return to.extend_from_slice(&[command, 0, 0, 0]);
    };
    let mut ips = Vec::with_capacity(32);
    for address in [source, destination] {
        match address.ip() {
            IpAddr::V4(ip) => ips.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => ips.extend_from_slice(&ip.octets()),
        }
    }
    let (family, length) = match source {
        SocketAddr::V4(_) => (0x11, 12),
        SocketAddr::V6(_) => (0x21, 36),
    };
    to.extend_from_slice(&[PROXY, family, 0, length]);
    to.append(&mut ips);
    to.extend_from_slice(&source.port().to_be_bytes());
    to.extend_from_slice(&destination.port().to_be_bytes());
}
