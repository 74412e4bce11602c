//! The table of routes: from a request to the most specific route that matches all of it.
//!
//! Of all routes that match the whole request the most specific answers: host exact, then the longest wildcard, then
//! none; then path exact, then the longest prefix, then none; then `priority`; then the number of further matchers.
//!
//! Hosts and paths are looked up by hash, so that ten thousand routes cost what ten cost. Routes that share host and
//! path and differ in method, fields, query or client are gone through one by one.

use std::collections::HashMap;
use std::net::IpAddr;

use super::matchers::{HostPattern, Matchers, PathPattern};
use crate::http::field::Fields;
use crate::http::query;

/// RFC 1035 §2.3.4: no host is longer.
const HOST_OCTETS_MAX: usize = 255;

/// What a table is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The host the request is for, in any case, without a port; empty where there is none. A dot at its end does not
    /// count.
    pub host: &'a [u8],
    /// The path, normalised; empty for a request that has none (`OPTIONS *`).
    pub path: &'a [u8],
    /// The method.
    pub method: &'a [u8],
    /// The request's fields.
    pub fields: &'a Fields,
    /// The query, without its `?`.
    pub query: &'a [u8],
    /// The client; none where it has no address, and then no matcher for clients holds.
    pub client: Option<IpAddr>,
}

/// The routes of a gateway.
#[derive(Debug, Clone, Default)]
pub struct Table {
    routes: Vec<Matchers>,
    /// By host in lower case.
    exact: HashMap<Box<[u8]>, Paths>,
    /// By what the host has to be below of.
    below: HashMap<Box<[u8]>, Paths>,
    any: Paths,
}

/// The routes that have one host pattern in common, by path.
#[derive(Debug, Clone, Default)]
struct Paths {
    exact: HashMap<Box<[u8]>, Vec<usize>>,
    prefix: HashMap<Box<[u8]>, Vec<usize>>,
    /// The lengths of the prefixes there are, the longest first: no more than these are looked up, however many
    /// slashes a client sends.
    lengths: Vec<usize>,
    any: Vec<usize>,
}

impl Table {
    /// A table of these routes, which are known by their places from here on.
    #[must_use]
    pub fn new(routes: Vec<Matchers>) -> Self {
        let mut table = Self::default();
        for (index, matchers) in routes.iter().enumerate() {
            if matchers.hosts.is_empty() {
                table.any.insert(matchers, index);
            }
            for host in &matchers.hosts {
                let paths = match host {
                    HostPattern::Exact(host) => table.exact.entry(lower(host)),
                    HostPattern::Below(host) => table.below.entry(lower(host)),
                };
                paths.or_default().insert(matchers, index);
            }
        }
        let groups = table.exact.values_mut().chain(table.below.values_mut());
        for paths in groups.chain([&mut table.any]) {
            paths.sort(&routes);
        }
        table.routes = routes;
        table
    }

    /// The place of the route that answers, if one does. Allocates nothing.
    #[must_use]
    pub fn find(&self, asked: &Asked<'_>) -> Option<usize> {
        let mut octets = [0; HOST_OCTETS_MAX];
        let host = normal_host(asked.host, &mut octets);
        let of = |paths: &Paths| paths.find(&self.routes, asked);
        if let Some(found) = self.exact.get(host).and_then(of) {
            return Some(found);
        }
        let mut rest = host;
        while let Some(dot) = rest.iter().position(|octet| *octet == b'.') {
            // A wildcard stands for at least one octet.
            rest = rest.get(dot + 1..).unwrap_or_default();
            if dot + rest.len() + 1 == host.len() && dot == 0 {
                continue;
            }
            if let Some(found) = self.below.get(rest).and_then(of) {
                return Some(found);
            }
        }
        of(&self.any)
    }

    /// The routes, in the order they are known by.
    #[must_use]
    pub fn routes(&self) -> &[Matchers] {
        &self.routes
    }
}

impl Paths {
    fn insert(&mut self, matchers: &Matchers, index: usize) {
        let routes = match &matchers.path {
            Some(PathPattern::Exact(path)) => self.exact.entry(path.as_bytes().into()).or_default(),
            Some(PathPattern::Prefix(path)) => {
                if !self.lengths.contains(&path.len()) {
                    self.lengths.push(path.len());
                }
                self.prefix.entry(path.as_bytes().into()).or_default()
            }
            None => &mut self.any,
        };
        // A route may name a host twice.
        if routes.last() != Some(&index) {
            routes.push(index);
        }
    }

    /// Puts the more specific first.
    fn sort(&mut self, all: &[Matchers]) {
        let rank = |index: &usize| {
            let matchers = all.get(*index);
            matchers.map(|matchers| std::cmp::Reverse((matchers.priority, matchers.further())))
        };
        let groups = self.exact.values_mut().chain(self.prefix.values_mut());
        for routes in groups.chain([&mut self.any]) {
            routes.sort_by_key(rank);
        }
        self.lengths.sort_unstable_by(|one, other| other.cmp(one));
    }

    fn find(&self, all: &[Matchers], asked: &Asked<'_>) -> Option<usize> {
        let of = |routes: &Vec<usize>| {
            let mut routes = routes.iter().copied();
            routes.find(|index| {
                all.get(*index)
                    .is_some_and(|route| rest_holds(route, asked))
            })
        };
        if let Some(found) = self.exact.get(asked.path).and_then(of) {
            return Some(found);
        }
        for length in &self.lengths {
            let Some(begin) = asked.path.get(..*length) else {
                continue;
            };
            // Prefixes end where a segment does.
            if begin.last() != Some(&b'/') {
                continue;
            }
            if let Some(found) = self.prefix.get(begin).and_then(of) {
                return Some(found);
            }
        }
        of(&self.any)
    }
}

/// The matchers beside host and path hold.
pub(super) fn rest_holds(route: &Matchers, asked: &Asked<'_>) -> bool {
    super::why::rest(route, asked).is_none()
}

/// `host` in lower case and without the dot of the root. A host that cannot be one is none.
pub(super) fn normal_host<'a>(host: &[u8], octets: &'a mut [u8; HOST_OCTETS_MAX]) -> &'a [u8] {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let Some(place) = octets.get_mut(..host.len()) else {
        return b"";
    };
    place.copy_from_slice(host);
    place.make_ascii_lowercase();
    place
}

/// The value of the first pair of a query that has this name is this one.
pub(super) fn query_holds(asked: &[u8], name: &str, value: &str) -> bool {
    let found = query::first(asked, name.as_bytes());
    found.is_some_and(|found| query::decodes_to(found, value.as_bytes()))
}

fn lower(host: &str) -> Box<[u8]> {
    host.to_ascii_lowercase().into_bytes().into()
}
