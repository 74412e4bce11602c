//! Who asks, when proxies that are trusted stand in between: the rightmost address that is not one of theirs.
//!
//! A forwarding field is read from the right, for each proxy adds to the right what it saw itself. An element is
//! believed only where the one who added it is trusted; left of the first that is not lies what anybody may have
//! written, and it is never looked at, so that nothing there, well formed or not, changes the answer. Which of the two
//! fields is read is the configuration's to say: one that the trusted proxies do not write is the client's own.
//! Source: RFC 7239 §4, §5.2, §6 and §7.4; RFC 9110 §5.6.1, §5.6.4.

use super::field::{Fields, Name, is, trim};
use super::network::Network;
use super::number::parse_decimal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The client's address by X-Forwarded-For, where `peer` is who the connection is from.
///
/// `peer` itself unless it is trusted. Where an element is no address, the address right of it: that much is known.
/// Where all are trusted, the leftmost. Never an IPv4 address in an IPv6 coat.
#[must_use]
pub fn by_x_forwarded_for(peer: IpAddr, fields: &Fields, trusted: &[Network]) -> IpAddr {
    // The field has no grammar that knows quotes: to honour them would let a client join its words with a proxy's.
    let elements = fields
        .all(Name::XForwardedFor)
        .rev()
        .flat_map(|line| line.rsplit(|octet| *octet == b','));
    walk(peer, elements, parse_node, trusted)
}

/// The client's address by Forwarded; else as [`by_x_forwarded_for`].
///
/// # Source
/// RFC 7239 §4, §5.2.
#[must_use]
pub fn by_forwarded(peer: IpAddr, fields: &Fields, trusted: &[Network]) -> IpAddr {
    let elements = fields
        .all(Name::Forwarded)
        .rev()
        .flat_map(|line| FromRight {
            rest: line,
            at: b',',
        });
    walk(peer, elements, parse_for, trusted)
}

/// Goes from address to address while the one it stands on is trusted.
fn walk<'a>(
    peer: IpAddr,
    elements: impl Iterator<Item = &'a [u8]>,
    parse: fn(&'a [u8]) -> Option<IpAddr>,
    trusted: &[Network],
) -> IpAddr {
    let mut client = peer.to_canonical();
    let elements = elements.map(trim).filter(|element| !element.is_empty());
    for element in elements {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        let Some(address) = parse(element) else { break };
        client = address.to_canonical();
    }
    client
}

/// The address of the `for` of one element of Forwarded; none where it has none, or two, or hides who it is.
fn parse_for(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = FromRight {
        rest: element,
        at: b';',
    }
    .filter_map(|pair| {
        let pair = trim(pair);
        let equals = pair.iter().position(|octet| *octet == b'=')?;
        let (name, value) = pair.split_at_checked(equals)?;
        is(name, b"for").then(|| {
            value
                .split_first()
                .map_or(&[][..], |(_equals, value)| value)
        })
    });
    let node = nodes.next()?;
    if nodes.next().is_some() {
        return None;
    }
    match node {
        // An address needs no escape; one that has some is not taken for what it might mean.
        [b'"', inside @ .., b'"'] => parse_node(inside),
        bare => parse_node(bare),
    }
}

/// Reads an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`,
/// `[2001:db8::1]:80`. The port may be an obfuscated one (RFC 7239 §6).
fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    if let Some(inside) = text.strip_prefix('[') {
        let (address, rest) = inside.split_once(']')?;
        let is_port = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        return is_port
            .then(|| address.parse::<Ipv6Addr>().ok())?
            .map(IpAddr::V6);
    }
    match text.split_once(':') {
        Some((address, port)) if is_port(port) => address.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        _ => text.parse().ok(),
    }
}

/// Whether `text` is a port, or a name in its place: `_` and what follows it.
fn is_port(text: &str) -> bool {
    let is_hidden = |name: &str| {
        let mut octets = name.bytes();
        !name.is_empty()
            && octets
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'-'))
    };
    match text.strip_prefix('_') {
        Some(name) => is_hidden(name),
        None => parse_decimal(text.as_bytes()).is_ok_and(|port| port <= u64::from(u16::MAX)),
    }
}

/// The parts of a line between separators outside of quotes, the rightmost first.
///
/// From the right, because only there it is known that one who is trusted wrote it: a quote that somebody opened
/// further left, and did not close, cannot swallow what is right of it.
struct FromRight<'a> {
    /// What has not been split yet.
    rest: &'a [u8],
    /// What separates.
    at: u8,
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut is_quoted = false;
        let mut before = self.rest;
        while let [left @ .., octet] = before {
            match octet {
                // Inside of quotes a quote that is escaped is none.
                b'"' if !(is_quoted && is_escaped(left)) => is_quoted = !is_quoted,
                octet if *octet == self.at && !is_quoted => {
                    let part = self.rest.get(before.len()..);
                    self.rest = left;
                    return part;
                }
                _ => {}
            }
            before = left;
        }
        Some(std::mem::take(&mut self.rest))
    }
}

/// Whether what follows `left` is escaped: an odd number of backslashes stands before it.
fn is_escaped(left: &[u8]) -> bool {
    let count = left
        .iter()
        .rev()
        .take_while(|octet| **octet == b'\\')
        .count();
    count % 2 == 1
}
