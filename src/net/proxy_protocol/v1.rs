//! Version 1: a line of text (§2.1).
//!
//! `PROXY TCP4 SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT CRLF`, `PROXY TCP6 …` alike, or `PROXY UNKNOWN` and
//! anything up to the CRLF. One blank between the words, numbers without leading zeros.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Addresses, Header, Parsed, Sin};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line there can be, with its CRLF.
pub(super) const OCTETS_MAX: usize = 107;

pub(super) fn parse(input: &[u8]) -> Result<Parsed, Sin> {
    let within = input.get(..OCTETS_MAX).unwrap_or(input);
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return match within.len() {
            OCTETS_MAX => Err(Sin::TooLong),
            _ => Ok(Parsed::Partial),
        };
    };
    let line = within.get(SIGNATURE.len()..end).unwrap_or_default();
    Ok(Parsed::Complete(read(line)?, end + 2))
}

/// What stands between the signature and the CRLF.
fn read(line: &[u8]) -> Result<Header, Sin> {
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Ok(Header::Local);
    }
    let text = std::str::from_utf8(line).map_err(|_| Sin::Malformed)?;
    let mut words = text.split(' ');
    let family = words.next();
    let (Some(source), Some(destination), Some(from), Some(to), None) = (
        words.next(),
        words.next(),
        words.next(),
        words.next(),
        words.next(),
    ) else {
        return Err(match family {
            Some("TCP4" | "TCP6") => Sin::Malformed,
            _ => Sin::Unknown,
        });
    };
    let (source, destination) = match family {
        Some("TCP4") => (ip::<Ipv4Addr>(source)?, ip::<Ipv4Addr>(destination)?),
        Some("TCP6") => (ip::<Ipv6Addr>(source)?, ip::<Ipv6Addr>(destination)?),
        _ => return Err(Sin::Unknown),
    };
    Ok(Header::Inet(Addresses {
        source: SocketAddr::new(source, port(from)?),
        destination: SocketAddr::new(destination, port(to)?),
    }))
}

fn ip<T: FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, Sin> {
    text.parse::<T>().map(T::into).map_err(|_| Sin::Malformed)
}

fn port(text: &str) -> Result<u16, Sin> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
    let is_plain = is_plain && (text == "0" || !text.starts_with('0'));
    let port = text.parse().ok().filter(|_| is_plain);
    port.ok_or(Sin::Malformed)
}

pub(super) fn write(header: &Header, to: &mut Vec<u8>) {
    // A `Vec` takes everything.
    let _ = match header {
        Header::Local | Header::Unix => to.write_all(b"PROXY UNKNOWN\r\n"),
        Header::Inet(Addresses {
            source,
            destination,
        }) => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            write!(
                to,
                "PROXY {family} {} {} {} {}\r\n",
                source.ip(),
                destination.ip(),
                source.port(),
                destination.port()
            )
        }
    };
}
