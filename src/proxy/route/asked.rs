//! What routes look at in a request, and whether the matchers beside host and path hold for it.
//!
//! Pure comparison of octets; nothing here knows of other routes or of precedence.

use std::net::IpAddr;

use super::matchers::Matchers;
use super::why::Why;
use crate::http::{Fields, query};

/// The longest host that a pattern is compared with, in octets: no name is longer. Source: RFC 1035 §2.3.4.
pub(super) const HOST_OCTETS_MAX: usize = 255;

/// What routes look at in a request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The host without its port, in any case, perhaps with the dot of the root; an IPv6 address in its brackets.
    /// Empty: there is none.
    pub host: &'a [u8],
    /// The path in normal form, as [`crate::http::path::normalise`] gives it; empty for `*`.
    pub path: &'a [u8],
    /// The method, as it was sent: methods are case-sensitive.
    pub method: &'a [u8],
    /// The field lines.
    pub fields: &'a Fields,
    /// The query without its `?`, still encoded.
    pub query: &'a [u8],
    /// Where the client is; `None` where that has no address, as behind a Unix socket.
    pub client: Option<IpAddr>,
}

impl Asked<'_> {
    /// The host as patterns spell it: in lower case, without the dot of the root. Empty where it is too long for any.
    pub(super) fn host_in<'b>(&self, buffer: &'b mut [u8; HOST_OCTETS_MAX]) -> &'b [u8] {
        let host = self.host.strip_suffix(b".").unwrap_or(self.host);
        let Some(lower) = buffer.get_mut(..host.len()) else {
            return &[];
        };
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        lower
    }

    /// Which of the matchers beside host and path does not hold; `None`: all do.
    pub(super) fn miss<'m>(&self, matchers: &'m Matchers) -> Option<Why<'m>> {
        let methods = &matchers.methods;
        if !methods.is_empty() && !methods.iter().any(|own| own.as_bytes() == self.method) {
            return Some(Why::Method);
        }
        let header = |(name, value): &(&String, &String)| {
            let mut lines = self.fields.get_all(name.as_str());
            !lines.any(|line| line == value.as_bytes())
        };
        if let Some((name, _)) = matchers.headers.iter().find(header) {
            return Some(Why::Header(name));
        }
        let query = |(name, value): &(&String, &String)| {
            let first = query::first(self.query, name.as_bytes());
            !first.is_some_and(|first| query::decodes_to(first, value.as_bytes()))
        };
        if let Some((name, _)) = matchers.queries.iter().find(query) {
            return Some(Why::Query(name));
        }
        let clients = &matchers.clients;
        let is_in = |client| clients.iter().any(|network| network.contains(client));
        if !clients.is_empty() && !self.client.is_some_and(is_in) {
            return Some(Why::Client);
        }
        None
    }
}
