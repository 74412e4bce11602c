//! Request targets in their four forms, and `uri-host [":" port]`.
//!
//! It sorts and checks; it never decodes or normalises: what passes is forwarded octet for octet. RFC 9112 §3.2,
//! RFC 9110 §4.2, RFC 3986 §3.2.2.

use std::net::Ipv6Addr;

use super::error::HeadError;
use super::field::octet_set;
use super::number::hex_value;

/// A request-target in one of its four forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// `/path?query`.
    Origin {
        /// From the slash to before the `?`.
        path: &'a [u8],
        /// After the `?`; `None` without one.
        query: Option<&'a [u8]>,
    },
    /// `http://authority/path?query`.
    Absolute {
        /// `http` or `https`, in any case.
        scheme: &'a [u8],
        /// `uri-host [":" port]`, never empty.
        authority: &'a [u8],
        /// From the slash to before the `?`; may be empty.
        path: &'a [u8],
        /// After the `?`; `None` without one.
        query: Option<&'a [u8]>,
    },
    /// `uri-host ":" port`, only for CONNECT.
    Authority(&'a [u8]),
    /// `*`, only for OPTIONS.
    Asterisk,
}

impl<'a> Target<'a> {
    /// Sorts and checks a target.
    ///
    /// # Errors
    /// - [`HeadError::BadTarget`]: none of the forms, a space, a control or a `#`. 400.
    /// - [`HeadError::BadAuthority`]: userinfo, an empty host, a bad port. 400.
    /// - [`HeadError::TargetNotForMethod`]: `*` without OPTIONS, CONNECT with another form. 400.
    ///
    /// # Source
    /// RFC 9112 §3.2.
    pub fn parse(method: &[u8], target: &'a [u8]) -> Result<Self, HeadError> {
        if target
            .iter()
            .any(|&octet| octet <= b' ' || octet == 0x7f || octet == b'#')
        {
            return Err(HeadError::BadTarget);
        }
        let sorted = Self::sort(method, target).ok_or(HeadError::BadTarget)?;
        match sorted {
            Self::Authority(authority) if !has_port(authority) => Err(HeadError::BadAuthority),
            Self::Authority(authority) | Self::Absolute { authority, .. }
                if authority.is_empty() || !is_host(authority) =>
            {
                Err(HeadError::BadAuthority)
            }
            Self::Origin { .. } | Self::Absolute { .. } if method == b"CONNECT" => {
                Err(HeadError::TargetNotForMethod)
            }
            Self::Asterisk if method != b"OPTIONS" => Err(HeadError::TargetNotForMethod),
            sorted => Ok(sorted),
        }
    }

    /// Sorts by form alone, without checking the authority or the method.
    pub(crate) fn sort(method: &[u8], target: &'a [u8]) -> Option<Self> {
        if target.first() == Some(&b'/') {
            let (path, query) = split_query(target);
            return Some(Self::Origin { path, query });
        }
        if target == b"*" {
            return Some(Self::Asterisk);
        }
        if let Some((scheme, rest)) = split_scheme(target) {
            let end = rest
                .iter()
                .position(|&octet| octet == b'/' || octet == b'?')
                .unwrap_or(rest.len());
            let (authority, rest) = rest.split_at_checked(end)?;
            let (path, query) = split_query(rest);
            return Some(Self::Absolute {
                scheme,
                authority,
                path,
                query,
            });
        }
        (method == b"CONNECT").then_some(Self::Authority(target))
    }

    /// The path without the query: `/` for an absolute target without one, empty for an authority.
    #[must_use]
    pub fn path(&self) -> &'a [u8] {
        match self {
            Self::Absolute { path: [], .. } => b"/",
            Self::Origin { path, .. } | Self::Absolute { path, .. } => path,
            Self::Authority(_) => b"",
            Self::Asterisk => b"*",
        }
    }

    /// What follows the `?`; `None` without one.
    #[must_use]
    pub fn query(&self) -> Option<&'a [u8]> {
        match self {
            Self::Origin { query, .. } | Self::Absolute { query, .. } => *query,
            Self::Authority(_) | Self::Asterisk => None,
        }
    }

    /// The authority the target names itself, if it does.
    #[must_use]
    pub fn authority(&self) -> Option<&'a [u8]> {
        match self {
            Self::Absolute { authority, .. } | Self::Authority(authority) => Some(authority),
            Self::Origin { .. } | Self::Asterisk => None,
        }
    }
}

/// Whether `octets` is `uri-host [":" port]`; empty is allowed, as in an empty Host field.
///
/// # Source
/// RFC 9110 §7.2, RFC 3986 §3.2.2 and §3.2.3. No userinfo, no zone, no IPvFuture.
#[must_use]
pub fn is_host(octets: &[u8]) -> bool {
    if octets.is_empty() {
        return true;
    }
    let (host_is_good, rest) = match octets {
        [b'[', inner @ ..] => {
            let Some(end) = inner.iter().position(|&octet| octet == b']') else {
                return false;
            };
            let (address, rest) = inner.split_at_checked(end).unwrap_or_default();
            (is_ipv6(address), rest.get(1..).unwrap_or_default())
        }
        _ => {
            let end = octets
                .iter()
                .position(|&octet| octet == b':')
                .unwrap_or(octets.len());
            let (name, rest) = octets.split_at_checked(end).unwrap_or_default();
            (is_reg_name(name), rest)
        }
    };
    host_is_good
        && match rest {
            [] => true,
            [b':', port @ ..] => is_port(port),
            _ => false,
        }
}

/// Whether an authority ends in a colon and a port that is not empty.
fn has_port(authority: &[u8]) -> bool {
    authority
        .rsplit(|&octet| octet == b':')
        .next()
        .is_some_and(|port| port.len() < authority.len() && !port.is_empty() && is_port(port))
}

/// Whether a name is `reg-name`, not empty.
fn is_reg_name(name: &[u8]) -> bool {
    let plain = |octet: &u8| REG_NAME.get(usize::from(*octet)).is_some_and(|&yes| yes);
    if name.iter().all(plain) {
        return !name.is_empty();
    }
    // Slow path: percent-encoded triplets among the plain octets.
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, rest @ ..]
                if hex_value(*high).is_some() && hex_value(*low).is_some() =>
            {
                rest
            }
            [octet, rest @ ..] if plain(octet) => rest,
            _ => return false,
        };
    }
}

/// Whether `octets` is an IPv6 address without its brackets.
fn is_ipv6(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Whether `octets` is a port: digits up to 65535, possibly none.
fn is_port(octets: &[u8]) -> bool {
    octets.is_empty()
        || super::number::parse_decimal(octets).is_ok_and(|port| port <= u64::from(u16::MAX))
}

/// Splits `http://` or `https://` off.
fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    [(4usize, 7usize), (5, 8)]
        .into_iter()
        .find_map(|(scheme_end, start)| {
            let scheme = target.get(..scheme_end)?;
            let known =
                scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
            let separated = target.get(scheme_end..start)? == b"://";
            (known && separated).then_some((scheme, target.get(start..)?))
        })
}

/// Splits a path from its query.
pub(crate) fn split_query(octets: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(at) = octets.iter().position(|&octet| octet == b'?') else {
        return (octets, None);
    };
    let (path, rest) = octets.split_at_checked(at).unwrap_or_default();
    (path, rest.get(1..))
}

/// The octets of a reg-name apart from percent-encoded ones: unreserved and sub-delims.
const REG_NAME: [bool; 256] = octet_set(b"-._~!$&'()*+,;=");
