//! Which route answers: the rules one by one, then all of them against an obvious table.

mod matchers;
mod properties;
mod table;
mod why;

use std::net::IpAddr;

use super::{Asked, HostPattern, Matchers, PathPattern};
use crate::http::Fields;

/// A route as people write it: `*.` in front of a host, `*` behind a path; empty: any.
fn route(hosts: &[&str], path: &str) -> Matchers {
    let host = |host: &&str| match host.strip_prefix("*.") {
        Some(host) => HostPattern::Below(host.to_owned()),
        None => HostPattern::Exact((*host).to_owned()),
    };
    let path = match path.strip_suffix('*') {
        _ if path.is_empty() => None,
        Some(path) => Some(PathPattern::Prefix(path.to_owned())),
        None => Some(PathPattern::Exact(path.to_owned())),
    };
    Matchers {
        hosts: hosts.iter().map(host).collect(),
        path,
        ..Matchers::default()
    }
}

/// A request, owned, so that tests can take their time.
#[derive(Debug, Clone)]
struct Request {
    host: String,
    path: String,
    method: String,
    fields: Fields,
    query: String,
    client: Option<IpAddr>,
}

impl Request {
    /// A GET without anything else.
    fn get(host: &str, path: &str) -> Self {
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
            method: "GET".to_owned(),
            fields: Fields::new(),
            query: String::new(),
            client: None,
        }
    }

    fn method(mut self, method: &str) -> Self {
        self.method = method.to_owned();
        self
    }

    fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(name, value).unwrap();
        self
    }

    fn query(mut self, query: &str) -> Self {
        self.query = query.to_owned();
        self
    }

    fn client(mut self, client: &str) -> Self {
        self.client = Some(client.parse().unwrap());
        self
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            host: self.host.as_bytes(),
            path: self.path.as_bytes(),
            method: self.method.as_bytes(),
            fields: &self.fields,
            query: self.query.as_bytes(),
            client: self.client,
        }
    }
}
