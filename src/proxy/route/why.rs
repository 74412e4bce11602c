//! Why a route was not the one that answers: for people, who ask about one request and can wait.
//!
//! Every route is looked at, the nearest are told. Which one answers is the table's say, and is only repeated here.

use std::cmp::Reverse;
use std::fmt;

use super::asked::{Asked, HOST_OCTETS_MAX};
use super::matchers::{HostPattern, Matchers, PathPattern};
use super::table::Table;

/// So many routes that do not answer are told of, the nearest ones.
const TOLD_MAX: usize = 20;

/// Which route answers a request, and why the others do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'t> {
    /// The route that answers, as [`Table::find`] says.
    pub found: Option<usize>,
    /// Others with what keeps each from answering, the nearest first; at most 20.
    pub others: Vec<(usize, Why<'t>)>,
    /// How many more there are.
    pub left_out: usize,
}

/// Why a route does not answer: the first of its matchers, in this order, that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why<'t> {
    /// The host is none of its hosts.
    Host,
    /// The path is not its path.
    Path,
    /// The method is none of its methods.
    Method,
    /// No line of this field has its value.
    Header(&'t str),
    /// This query parameter does not have its value.
    Query(&'t str),
    /// The client is in none of its networks.
    Client,
    /// It matches, and another that matches comes first.
    LessSpecific,
}

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("is for another host"),
            Self::Path => f.write_str("is for another path"),
            Self::Method => f.write_str("is for another method"),
            Self::Header(name) => write!(f, "asks for another value of the field `{name}`"),
            Self::Query(name) => write!(f, "asks for another value of the parameter `{name}`"),
            Self::Client => f.write_str("is for clients of other networks"),
            Self::LessSpecific => f.write_str("matches too, but is less specific"),
        }
    }
}

impl Table {
    /// Says which route answers and why the others do not. Looks at every route; not for the path of requests.
    ///
    /// The nearest are those of which most matchers hold; of those that fail by host or by path alike, those that have
    /// most of it in common with the request.
    #[must_use]
    pub fn explain(&self, asked: &Asked<'_>) -> Explanation<'_> {
        let found = self.find(asked);
        let mut buffer = [0; HOST_OCTETS_MAX];
        let host = asked.host_in(&mut buffer);
        let mut others: Vec<_> = self
            .routes()
            .iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != found)
            .map(|(place, route)| (nearness(route, host, asked), place))
            .collect();
        others.sort_unstable_by_key(|(nearness, place)| (Reverse(*nearness), *place));
        let left_out = others.len().saturating_sub(TOLD_MAX);
        others.truncate(TOLD_MAX);
        let others = others.into_iter().map(|((why, _), place)| (place, why));
        Explanation {
            found,
            others: others.collect(),
            left_out,
        }
    }
}

/// What fails first, and how many octets of it agree; the later, and the more, the nearer.
fn nearness<'m>(route: &'m Matchers, host: &[u8], asked: &Asked<'_>) -> (Why<'m>, usize) {
    if !route.hosts.is_empty() && !route.hosts.iter().any(|own| is_host(own, host)) {
        let of = |own: &HostPattern| {
            let (HostPattern::Exact(own) | HostPattern::Below(own)) = own;
            common(own.bytes().rev(), host.iter().rev())
        };
        return (Why::Host, route.hosts.iter().map(of).max().unwrap_or(0));
    }
    match &route.path {
        Some(path) if !is_path(path, asked.path) => {
            let (PathPattern::Exact(path) | PathPattern::Prefix(path)) = path;
            (Why::Path, common(path.bytes(), asked.path.iter()))
        }
        _ => (asked.miss(route).unwrap_or(Why::LessSpecific), 0),
    }
}

/// Whether the pattern names `host`, which is in lower case.
fn is_host(pattern: &HostPattern, host: &[u8]) -> bool {
    match pattern {
        HostPattern::Exact(own) => own.as_bytes() == host,
        HostPattern::Below(own) => {
            let labels = host.strip_suffix(own.as_bytes());
            labels.is_some_and(|labels| labels.len() > 1 && labels.ends_with(b"."))
        }
    }
}

/// Whether the pattern names `path`.
fn is_path(pattern: &PathPattern, path: &[u8]) -> bool {
    match pattern {
        PathPattern::Exact(own) => own.as_bytes() == path,
        PathPattern::Prefix(own) => path.starts_with(own.as_bytes()),
    }
}

/// How many octets are the same before one differs.
fn common<'a>(one: impl Iterator<Item = u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other).take_while(|(a, b)| a == *b).count()
}
