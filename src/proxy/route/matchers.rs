//! Which requests a route is for, as plain data.

use std::collections::BTreeMap;
use std::fmt;

use crate::http::network::Network;

/// Which requests a route is for: those that fit all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matchers {
    /// One of these hosts; empty: any.
    pub hosts: Vec<HostPattern>,
    /// This path; `None`: any.
    pub path: Option<PathPattern>,
    /// One of these methods; empty: any.
    pub methods: Vec<String>,
    /// Each of these fields has this value. Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Each of these query parameters has this value.
    pub queries: BTreeMap<String, String>,
    /// The client is in one of these networks; empty: anywhere.
    pub clients: Vec<Network>,
    /// Of routes with equally specific host and path the one with the higher priority answers.
    pub priority: i32,
}

impl Matchers {
    /// How many matchers there are beside host and path: methods and clients count one each, however many there are;
    /// fields and query parameters one for every name.
    #[must_use]
    pub fn further(&self) -> usize {
        usize::from(!self.methods.is_empty())
            + self.headers.len()
            + self.queries.len()
            + usize::from(!self.clients.is_empty())
    }
}

impl fmt::Display for Matchers {
    /// A short name, by which logs call the route: `GET,POST app.example.com/api/* +2`.
    ///
    /// The methods, if any; the first host, and how many more there are; the path; how many matchers there are beside
    /// these. A route for every host and path is `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        match self.hosts.as_slice() {
            [] => {}
            [host] => write!(f, "{host}")?,
            [host, more @ ..] => write!(f, "{host},+{}", more.len())?,
        }
        match &self.path {
            Some(path) => write!(f, "{path}")?,
            None if self.hosts.is_empty() => f.write_str("*")?,
            None => {}
        }
        match self.headers.len() + self.queries.len() + usize::from(!self.clients.is_empty()) {
            0 => Ok(()),
            more => write!(f, " +{more}"),
        }
    }
}

/// A host, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// Every host below this one, at any depth, but not itself: `*.example.com` is `Below("example.com")`.
    Below(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(host) => write!(f, "*.{host}"),
        }
    }
}

/// A path, in the normal form that routing works on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathPattern {
    /// This path.
    Exact(String),
    /// Every path that begins so; it ends in a slash. `/api/*` is `Prefix("/api/")`: `/api/` and all below it, and not
    /// `/api`, which is another resource.
    Prefix(String),
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Prefix(path) => write!(f, "{path}*"),
        }
    }
}
