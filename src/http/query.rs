//! Queries, as far as routes look into them: `name=value` pairs with `&` between them.
//!
//! Nothing is copied: names and values are compared as they are decoded. HTTP gives a query no structure; this is the
//! one that forms give it. Source: RFC 3986 §3.4; WHATWG URL §5.1 (application/x-www-form-urlencoded parsing).

use super::path::escaped;

/// The value of the first pair whose name decodes to `name`, still encoded; empty where the pair has no `=`.
///
/// The first, because two that ask for different values of one name must never both be right.
#[must_use]
pub fn first<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let pairs = query
        .split(|octet| *octet == b'&')
        .filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let mut parts = pair.splitn(2, |octet| *octet == b'=');
            (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            )
        })
        .find(|(key, _)| decodes_to(key, name))
        .map(|(_, value)| value)
}

/// Whether `encoded`, with its escapes decoded and `+` read as a space, is `plain`. What is no escape stays as it is.
#[must_use]
pub fn decodes_to(encoded: &[u8], plain: &[u8]) -> bool {
    let (mut rest, mut plain) = (encoded, plain.iter());
    while let [first, after @ ..] = rest {
        rest = after;
        let octet = match (*first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, beyond @ ..]) => match escaped(*high, *low) {
                Some(octet) => {
                    rest = beyond;
                    octet
                }
                None => b'%',
            },
            (octet, _) => octet,
        };
        if plain.next() != Some(&octet) {
            return false;
        }
    }
    plain.next().is_none()
}
