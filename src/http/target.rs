//! Request-targets and authorities: which of the four forms, and what its parts are.
//!
//! Pure grammar: nothing here knows of fields, routes or connections. The parts are slices of the input, octet for
//! octet as they came. Source: RFC 9112 §3.2, RFC 9110 §4.2 and §7.2, RFC 3986 §3.2 and §3.3.

use super::error::TargetError;
use super::number::parse_decimal;
use std::net::Ipv6Addr;

/// A request-target in one of its four forms (RFC 9112 §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`, the usual form.
    Origin {
        /// From the first `/` up to `?` or the end; never empty.
        path: &'a [u8],
        /// What follows the first `?`, without it; may be empty.
        query: Option<&'a [u8]>,
    },
    /// `http://host/path?query`; its authority wins over Host.
    Absolute {
        /// `http` or `https`, in the case it came.
        scheme: &'a [u8],
        /// Never empty.
        authority: Authority<'a>,
        /// From the first `/`; empty when the target has none.
        path: &'a [u8],
        /// As for [`Target::Origin`].
        query: Option<&'a [u8]>,
    },
    /// `host:port`, for CONNECT only.
    Authority {
        /// With a port.
        authority: Authority<'a>,
    },
    /// `*`, for OPTIONS only.
    Asterisk,
}

impl<'a> Target<'a> {
    /// The path: `/` where an absolute-form has none, empty for the forms that never have one.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        match *self {
            Self::Absolute { path: [], .. } => b"/",
            Self::Origin { path, .. } | Self::Absolute { path, .. } => path,
            Self::Authority { .. } | Self::Asterisk => b"",
        }
    }

    /// The query without its `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Origin { query, .. } | Self::Absolute { query, .. } => query,
            Self::Authority { .. } | Self::Asterisk => None,
        }
    }

    /// The authority, in the two forms that have one.
    #[must_use]
    pub fn authority(&self) -> Option<Authority<'a>> {
        match *self {
            Self::Absolute { authority, .. } | Self::Authority { authority } => Some(authority),
            Self::Origin { .. } | Self::Asterisk => None,
        }
    }
}

/// `uri-host [ ":" port ]`, without userinfo (RFC 9110 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// All of it, as it came.
    pub octets: &'a [u8],
    /// The host; an IPv6 literal keeps its brackets. Empty only in an empty Host.
    pub host: &'a [u8],
    /// The port, where one is given.
    pub port: Option<u16>,
}

/// Reads a request-target.
///
/// Which forms are allowed depends on the method: CONNECT takes authority-form only, `*` goes with OPTIONS only.
/// In path and query every visible ASCII octet but `#` passes: user agents send some that RFC 3986 wants encoded, and
/// none of them delimits anything in HTTP. A `%` in the path must be followed by two HEXDIG.
///
/// # Errors
/// [`TargetError`], each 400 to the client.
///
/// # Source
/// RFC 9112 §3.2.
pub fn parse_target<'a>(method: &[u8], target: &'a [u8]) -> Result<Target<'a>, TargetError> {
    if !target.iter().all(|octet| is_target_octet(*octet)) {
        return Err(TargetError::BadOctet);
    }
    if method == b"CONNECT" {
        let authority = parse_authority(target).map_err(|_| TargetError::ConnectNotAuthority)?;
        return match authority.port {
            Some(_) => Ok(Target::Authority { authority }),
            None => Err(TargetError::ConnectNotAuthority),
        };
    }
    match target {
        [] => Err(TargetError::Empty),
        b"*" if method == b"OPTIONS" => Ok(Target::Asterisk),
        b"*" => Err(TargetError::AsteriskNotOptions),
        [b'/', ..] => {
            let (path, query) = split_query(target)?;
            Ok(Target::Origin { path, query })
        }
        _ => parse_absolute(target),
    }
}

/// Checks a request-target; as [`parse_target`], but nothing is taken apart.
///
/// # Errors
/// As [`parse_target`].
#[inline]
pub(super) fn check_target(method: &[u8], target: &[u8]) -> Result<(), TargetError> {
    // A path without escapes has nothing to look at but its octets.
    let is_plain = target.first() == Some(&b'/')
        && method != b"CONNECT"
        && target.iter().all(|octet| is_in(*octet, PLAIN_TARGET));
    if is_plain {
        return Ok(());
    }
    parse_target(method, target).map(|_| ())
}

/// Reads `scheme "://" authority path [ "?" query ]`.
fn parse_absolute(target: &[u8]) -> Result<Target<'_>, TargetError> {
    let colon = target
        .windows(3)
        .position(|three| three == b"://")
        .ok_or(TargetError::BadForm)?;
    let (scheme, rest) = target.split_at_checked(colon).ok_or(TargetError::BadForm)?;
    if !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https") {
        let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
        return Err(if is_scheme {
            TargetError::BadScheme
        } else {
            TargetError::BadForm
        });
    }
    let rest = rest.strip_prefix(b"://").ok_or(TargetError::BadForm)?;
    let end = rest
        .iter()
        .position(|octet| matches!(octet, b'/' | b'?'))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).ok_or(TargetError::BadForm)?;

    // §4.2.1 of RFC 9110: an http URI with an empty host is invalid.
    if authority.is_empty() {
        return Err(TargetError::BadAuthority);
    }
    let authority = parse_authority(authority)?;
    let (path, query) = split_query(rest)?;
    Ok(Target::Absolute {
        scheme,
        authority,
        path,
        query,
    })
}

/// Splits a path from its query at the first `?` and checks the escapes of the path.
fn split_query(target: &[u8]) -> Result<(&[u8], Option<&[u8]>), TargetError> {
    let mut parts = target.splitn(2, |octet| *octet == b'?');
    let path = parts.next().unwrap_or_default();
    if !has_whole_escapes(path) {
        return Err(TargetError::BadPercent);
    }
    Ok((path, parts.next()))
}

/// Reads `uri-host [ ":" port ]`: the value of Host, the authority of a target, or one from a configuration.
///
/// The empty authority is allowed (an empty Host is how a client says that the target has none). An empty port
/// (`host:`) is allowed and means none, as RFC 3986 §3.2.3 has it. A port without a host is refused.
///
/// # Errors
/// - [`TargetError::Userinfo`]: an `@`.
/// - [`TargetError::BadAuthority`]: everything else that is not in the grammar, and a port above 65535.
///
/// # Source
/// RFC 9110 §7.2, RFC 3986 §3.2.2 and §3.2.3.
pub fn parse_authority(octets: &[u8]) -> Result<Authority<'_>, TargetError> {
    // A name or an IPv4 address, and perhaps a port: nearly always that is all there is.
    let host_octets = octets.iter().position(|octet| !is_in(*octet, PLAIN_HOST));
    let host_octets = host_octets.unwrap_or(octets.len());
    let (host, port) = octets
        .split_at_checked(host_octets)
        .unwrap_or((octets, &[]));
    let port = match (host, port) {
        ([_, ..], []) => Some(None),
        ([_, ..], [b':', digits @ ..]) => parse_port(digits).ok().map(Some),
        _ => None,
    };
    match port {
        Some(port) => Ok(Authority { octets, host, port }),
        None => parse_any_authority(octets),
    }
}

/// Reads any authority, the rare ones too: an IPv6 address, escapes, an empty host or port; and names what is wrong.
fn parse_any_authority(octets: &[u8]) -> Result<Authority<'_>, TargetError> {
    if octets.contains(&b'@') {
        return Err(TargetError::Userinfo);
    }
    let (host, port) = split_port(octets)?;
    let is_host = match host {
        [b'[', literal @ .., b']'] => is_ip_literal(literal),
        _ => is_reg_name(host),
    };
    let is_port_alone = host.is_empty() && port.is_some();
    if !is_host || is_port_alone {
        return Err(TargetError::BadAuthority);
    }
    let port = match port {
        None | Some([]) => None,
        Some(digits) => Some(parse_port(digits)?),
    };
    Ok(Authority { octets, host, port })
}

/// Reads a port: decimal, at most 65535.
#[inline]
fn parse_port(digits: &[u8]) -> Result<u16, TargetError> {
    let number = parse_decimal(digits).map_err(|_| TargetError::BadAuthority)?;
    u16::try_from(number).map_err(|_| TargetError::BadAuthority)
}

/// Splits an authority at the colon before its port; the colons in brackets are not that.
fn split_port(octets: &[u8]) -> Result<(&[u8], Option<&[u8]>), TargetError> {
    let host_octets = match octets {
        [b'[', ..] => octets
            .iter()
            .position(|octet| *octet == b']')
            .map(|bracket| bracket.saturating_add(1)),
        _ => Some(
            octets
                .iter()
                .position(|octet| *octet == b':')
                .unwrap_or(octets.len()),
        ),
    };
    let (host, rest) = host_octets
        .and_then(|count| octets.split_at_checked(count))
        .ok_or(TargetError::BadAuthority)?;
    match rest {
        [] => Ok((host, None)),
        [b':', port @ ..] => Ok((host, Some(port))),
        _ => Err(TargetError::BadAuthority),
    }
}

/// Whether `host` is a reg-name or an IPv4 address: `*( unreserved / pct-encoded / sub-delims )`.
fn is_reg_name(host: &[u8]) -> bool {
    host.iter().all(|octet| {
        is_unreserved(*octet)
            || matches!(
                octet,
                b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            )
    }) && has_whole_escapes(host)
}

/// Whether the inside of brackets is an IPv6 address (no zone) or an IPvFuture.
fn is_ip_literal(literal: &[u8]) -> bool {
    let is_ipv6 = std::str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    is_ipv6 || is_ip_future(literal)
}

/// `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )`.
fn is_ip_future(literal: &[u8]) -> bool {
    let [b'v' | b'V', rest @ ..] = literal else {
        return false;
    };
    let mut parts = rest.splitn(2, |octet| *octet == b'.');
    let (version, address) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    !version.is_empty()
        && version.iter().all(u8::is_ascii_hexdigit)
        && !address.is_empty()
        && address
            .iter()
            .all(|octet| *octet == b':' || (*octet != b'%' && is_reg_name(&[*octet])))
}

/// Whether every `%` is followed by two HEXDIG.
fn has_whole_escapes(octets: &[u8]) -> bool {
    let mut parts = octets.split(|octet| *octet == b'%');
    parts.next();
    parts.all(|part| matches!(part, [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()))
}

/// Whether `octet` may stand in a request-target: VCHAR without `#`.
#[inline]
pub(super) const fn is_target_octet(octet: u8) -> bool {
    matches!(octet, 0x21..=0x7e) && octet != b'#'
}

/// ALPHA, DIGIT, `-`, `.`, `_`, `~` (RFC 3986 §2.3).
#[inline]
pub(super) const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}

/// Whether `octet` is in one of `classes`.
#[inline]
fn is_in(octet: u8, classes: u8) -> bool {
    // There are 256 octets, and as many places.
    CLASSES
        .get(usize::from(octet))
        .is_some_and(|class| class & classes != 0)
}

/// Class: may stand in a request-target and starts no escape.
const PLAIN_TARGET: u8 = 1;

/// Class: unreserved, as nearly every octet of a host is.
const PLAIN_HOST: u8 = 2;

/// The classes of each octet.
static CLASSES: [u8; 256] = classes();

/// Makes [`CLASSES`].
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "runs in the compiler, which checks both"
)]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut octet: u8 = 0;
    loop {
        if is_target_octet(octet) && octet != b'%' {
            classes[octet as usize] |= PLAIN_TARGET;
        }
        if is_unreserved(octet) {
            classes[octet as usize] |= PLAIN_HOST;
        }
        if octet == u8::MAX {
            return classes;
        }
        octet += 1;
    }
}
