//! The path that routes see: one spelling for all that mean the same.
//!
//! Routing must not be told apart from what an origin takes a path for, so it works on a normalised copy; what is sent
//! is another file's concern. A path that is normal already, as nearly every one is, is used where it lies.
//! Pure grammar: nothing here knows of queries, routes or origins.
//! Source: RFC 3986 §6.2.2 and §5.2.4; the merging of slashes is a house rule for routing.

use super::number::hex_value;
use super::target::is_unreserved;

/// The normalised spelling of `path`: itself where it is normal, else a copy in `buffer`, which loses what it held.
///
/// Input: the path of a target, with whole escapes. The rules are those of [`normalise_path`]. Allocates only where
/// `buffer` is too small.
#[must_use]
pub fn normalise<'a>(path: &'a [u8], buffer: &'a mut Vec<u8>) -> &'a [u8] {
    if is_normal(path) {
        return path;
    }
    buffer.clear();
    normalise_path(path, buffer);
    buffer
}

/// Whether `path` is spelled as [`normalise_path`] would spell it. One pass, no copy.
#[must_use]
pub fn is_normal(path: &[u8]) -> bool {
    if path.first() != Some(&b'/') {
        return false;
    }
    let mut rest = path;
    while let [octet, after @ ..] = rest {
        let is_wrong = match (octet, after) {
            (b'/', [b'/', ..]) => true,
            (b'/', [b'.', ..]) => is_dot_segment(after),
            (b'%', [high, low, ..]) => is_wrong_escape(*high, *low),
            _ => false,
        };
        if is_wrong {
            return false;
        }
        rest = after;
    }
    true
}

/// Whether `path` is not what routes see: for a configuration that refuses such paths.
#[must_use]
pub fn differs(path: &[u8]) -> bool {
    !is_normal(path)
}

/// Whether a path hides `/`, `\` or NUL in an escape, or has a plain `\`: some origins read them as separators.
///
/// For a configuration that refuses such paths; the grammar allows them, and normalising leaves them.
#[must_use]
pub fn has_encoded_separator(path: &[u8]) -> bool {
    path.contains(&b'\\')
        || path.windows(3).any(|three| match three {
            [b'%', high, low] => matches!(escaped(*high, *low), Some(b'/' | b'\\' | 0)),
            _ => false,
        })
}

/// What is left of a normalised `path` without `prefix`: from the slash behind it, or `/`.
///
/// Only whole segments are taken off, and a path that does not begin with them is returned as it is.
/// A slash at the end of `prefix` does not count.
#[must_use]
pub fn strip<'a>(path: &'a [u8], prefix: &[u8]) -> &'a [u8] {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    match path.strip_prefix(prefix) {
        Some([]) => b"/",
        Some(rest @ [b'/', ..]) => rest,
        _ => path,
    }
}

/// Appends the path that routes are matched against.
///
/// Input: the path of a target, from its first `/`. Escapes of unreserved octets are decoded, the hexadecimal digits
/// of the others made upper case; repeated slashes become one; dot segments are resolved, never above the root.
/// `%2F` stays what it is: it is not a slash. The result is never longer than the input, or `/`.
///
/// # Source
/// RFC 3986 §6.2.2 and §5.2.4.
pub fn normalise_path(path: &[u8], out: &mut Vec<u8>) {
    let floor = out.len();
    let mut segments = path.split(|octet| *octet == b'/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        let start = out.len();
        out.push(b'/');
        decode_unreserved(segment, out);
        match out.get(start..).unwrap_or_default() {
            b"/" | b"/." => out.truncate(start),
            b"/.." => {
                out.truncate(start);
                remove_last_segment(floor, out);
            }
            _ => continue,
        }
        // A path that ends in a dot segment or a slash names a directory: the slash stays.
        if is_last {
            out.push(b'/');
        }
    }
}

/// Whether a segment, given with all that follows it, is `.` or `..`.
fn is_dot_segment(rest: &[u8]) -> bool {
    matches!(
        rest,
        [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..]
    )
}

/// Whether an escape is one that normalising would change. What is none is left as it is.
fn is_wrong_escape(high: u8, low: u8) -> bool {
    escaped(high, low).is_some_and(|octet| {
        is_unreserved(octet) || high.is_ascii_lowercase() || low.is_ascii_lowercase()
    })
}

/// Takes the last `/segment` off `out`, but nothing below `floor`.
fn remove_last_segment(floor: usize, out: &mut Vec<u8>) {
    let written = out.get(floor..).unwrap_or_default();
    let keep = written
        .iter()
        .rposition(|octet| *octet == b'/')
        .unwrap_or(0);
    out.truncate(floor.saturating_add(keep));
}

/// Appends `segment` with its escapes of unreserved octets decoded and all others in upper case.
fn decode_unreserved(segment: &[u8], out: &mut Vec<u8>) {
    let mut rest = segment;
    while let [first, after @ ..] = rest {
        rest = after;
        if let (b'%', [high, low, after @ ..]) = (*first, rest) {
            if let Some(octet) = escaped(*high, *low) {
                rest = after;
                if is_unreserved(octet) {
                    out.push(octet);
                } else {
                    out.extend_from_slice(&[
                        b'%',
                        high.to_ascii_uppercase(),
                        low.to_ascii_uppercase(),
                    ]);
                }
                continue;
            }
        }
        out.push(*first);
    }
}

/// The octet that two HEXDIG stand for.
pub(super) fn escaped(high: u8, low: u8) -> Option<u8> {
    Some((hex_value(high)? << 4) | hex_value(low)?)
}
