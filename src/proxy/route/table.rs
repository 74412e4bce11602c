//! The table: from a request to the one route that answers it.
//!
//! Of all routes that match the whole request the most specific answers: host exact, then longest wildcard, then none;
//! then path exact, then longest prefix, then none; then the higher priority; then the larger number of further
//! matchers. The table is walked in this order, so the first route that fits is the one. A route whose host is more
//! specific but whose other matchers fail leaves the request to the less specific ones.
//! Nothing here knows what a route does with a request.

use std::cmp::Reverse;

use super::asked::{Asked, HOST_OCTETS_MAX};
use super::index::Index;
use super::matchers::{HostPattern, Matchers, PathPattern};

/// Routes, found by request. A look-up allocates nothing, and costs the same however many hosts and paths there are.
#[derive(Debug, Default)]
pub struct Table {
    /// As they were given.
    routes: Vec<Matchers>,
    /// By host, then by path; what is left are routes that only priority and further matchers tell apart.
    /// Invariant: these stand in the order in which they are asked.
    hosts: Index<Index<Vec<usize>>>,
}

impl Table {
    /// Makes the table of `routes`. Their order means nothing, unless two tie: then the first comes first.
    #[must_use]
    pub fn new(routes: Vec<Matchers>) -> Self {
        let mut hosts = Index::default();
        // In the order in which they are asked, so every list grows in it.
        let mut order: Vec<_> = routes.iter().enumerate().collect();
        order.sort_by_cached_key(|(_, route)| Reverse((route.priority, route.further())));
        for (place, route) in order {
            if route.hosts.is_empty() {
                add(hosts.any(), route, place);
            }
            for host in &route.hosts {
                let paths = match host {
                    HostPattern::Exact(host) => hosts.whole(host),
                    HostPattern::Below(host) => hosts.part(host),
                };
                add(paths, route, place);
            }
        }
        Self { routes, hosts }
    }

    /// The route that answers: its place in the list that the table was made of. `None`: no route matches.
    #[must_use]
    pub fn find(&self, asked: &Asked<'_>) -> Option<usize> {
        let mut buffer = [0; HOST_OCTETS_MAX];
        let host = asked.host_in(&mut buffer);
        let fits = |place: &usize| {
            let route = self.routes.get(*place);
            route.is_some_and(|route| asked.miss(route).is_none())
        };
        self.hosts.find(host, below, |paths| {
            paths.find(asked.path, prefix, |places| {
                places.iter().copied().find(fits)
            })
        })
    }

    /// The routes, in the order in which they were given.
    #[must_use]
    pub fn routes(&self) -> &[Matchers] {
        &self.routes
    }
}

/// Puts the route at `place` under its path.
fn add(paths: &mut Index<Vec<usize>>, route: &Matchers, place: usize) {
    let places = match &route.path {
        Some(PathPattern::Exact(path)) => paths.whole(path),
        Some(PathPattern::Prefix(path)) => paths.part(path),
        None => paths.any(),
    };
    // A host that is named twice is one host.
    if places.last() != Some(&place) {
        places.push(place);
    }
}

/// The last so many octets of a host, if a label ends before them.
fn below(host: &[u8], octets: usize) -> Option<&[u8]> {
    match host.split_at_checked(host.len().checked_sub(octets)?)? {
        ([_, .., b'.'], rest) => Some(rest),
        _ => None,
    }
}

/// The first so many octets of a path, if a segment ends with them.
fn prefix(path: &[u8], octets: usize) -> Option<&[u8]> {
    path.get(..octets).filter(|start| start.ends_with(b"/"))
}
