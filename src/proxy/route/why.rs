//! Why a route does not answer a request.

use std::fmt;

use super::matchers::{HostPattern, Matchers, PathPattern};
use super::table::{Asked, Table, normal_host, query_holds};

/// How many routes are explained that do not answer.
const OTHERS_MAX: usize = 20;

/// Why a route does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is for other hosts.
    Host,
    /// It is for another path.
    Path,
    /// It is for other methods.
    Method,
    /// This field is not there, or has another value.
    Header(String),
    /// This query parameter is not there, or has another value.
    Query(String),
    /// It is for clients elsewhere.
    Client,
    /// It matches, and the one that answers is more specific.
    LessSpecific,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => f.write_str("it is for another host"),
            Self::Path => f.write_str("it is for another path"),
            Self::Method => f.write_str("it is for other methods"),
            Self::Header(name) => write!(f, "the field `{name}` is not as it wants it"),
            Self::Query(name) => write!(f, "the query parameter `{name}` is not as it wants it"),
            Self::Client => f.write_str("it is for clients elsewhere"),
            Self::LessSpecific => f.write_str("it matches too, and is less specific"),
        }
    }
}

/// What a table makes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The place of the route that answers.
    pub found: Option<usize>,
    /// Those that do not, the nearest first, with the reason.
    pub others: Vec<(usize, Why)>,
    /// How many more there are.
    pub left_out: usize,
}

impl Table {
    /// Which route answers, and why the others do not. Looks at all of them: not for the request's way.
    #[must_use]
    pub fn explain(&self, asked: &Asked<'_>) -> Explanation {
        let found = self.find(asked);
        let others = self.routes().iter().enumerate();
        let mut others: Vec<(usize, Why)> = others
            .filter(|(index, _)| Some(*index) != found)
            .map(|(index, route)| (index, why_not(route, asked)))
            .collect();
        others.sort_by_key(|(_, why)| match why {
            Why::LessSpecific => 0,
            Why::Method | Why::Header(_) | Why::Query(_) | Why::Client => 1,
            Why::Path => 2,
            Why::Host => 3,
        });
        let left_out = others.len().saturating_sub(OTHERS_MAX);
        others.truncate(OTHERS_MAX);
        Explanation {
            found,
            others,
            left_out,
        }
    }
}

fn why_not(route: &Matchers, asked: &Asked<'_>) -> Why {
    let mut octets = [0; 255];
    let host = normal_host(asked.host, &mut octets);
    let is_host = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(exact) => exact.as_bytes().eq_ignore_ascii_case(host),
        HostPattern::Below(parent) => {
            let below = host.len().checked_sub(parent.len());
            let split = below.and_then(|at| host.split_at_checked(at));
            split.is_some_and(|(below, rest)| {
                rest.eq_ignore_ascii_case(parent.as_bytes())
                    && below.len() > 1
                    && below.ends_with(b".")
            })
        }
    };
    if !route.hosts.is_empty() && !route.hosts.iter().any(is_host) {
        return Why::Host;
    }
    let is_path = match &route.path {
        None => true,
        Some(PathPattern::Exact(path)) => path.as_bytes() == asked.path,
        Some(PathPattern::Prefix(path)) => asked.path.starts_with(path.as_bytes()),
    };
    if !is_path {
        return Why::Path;
    }
    rest(route, asked).unwrap_or(Why::LessSpecific)
}

/// Which of the matchers beside host and path does not hold, if one does not.
#[inline]
pub(super) fn rest(route: &Matchers, asked: &Asked<'_>) -> Option<Why> {
    let is_method = |method: &String| method.as_bytes() == asked.method;
    if !route.methods.is_empty() && !route.methods.iter().any(is_method) {
        return Some(Why::Method);
    }
    if !route.clients.is_empty() {
        let is_near = |ip| route.clients.iter().any(|network| network.contains(ip));
        if !asked.client.is_some_and(is_near) {
            return Some(Why::Client);
        }
    }
    for (name, value) in &route.headers {
        let mut lines = asked.fields.get_all(name);
        if !lines.any(|line| line == value.as_bytes()) {
            return Some(Why::Header(name.clone()));
        }
    }
    for (name, value) in &route.queries {
        if !query_holds(asked.query, name, value) {
            return Some(Why::Query(name.clone()));
        }
    }
    None
}
