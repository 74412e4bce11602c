//! What is known of a request, for the holes of templates.

use std::io::Write as _;
use std::net::IpAddr;

use super::template::{Hole, Part, Template};
use crate::http::head::RequestHead;

/// A request, as far as templates may ask about it.
///
/// What a client brings cannot break out of where it is put: heads that parse hold no control octets in targets, hosts
/// or methods, and a request id with any is not kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) client: Option<IpAddr>,
    pub(super) request: &'a RequestHead,
    /// Normalised, without the query.
    pub(super) path: &'a [u8],
    pub(super) request_id: &'a [u8],
    pub(super) upstream: &'a str,
    /// What the client's connection is.
    pub(super) scheme: &'static str,
    /// Whom the client's certificate names.
    pub(super) subject: Option<&'a str>,
}

impl Facts<'_> {
    /// Appends `template`, filled in.
    pub(super) fn write(&self, template: &Template, out: &mut Vec<u8>) {
        for part in &template.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Hole(hole) => self.fill(*hole, out),
            }
        }
    }

    fn fill(&self, hole: Hole, out: &mut Vec<u8>) {
        let form = self.request.form().ok();
        let query = || form.and_then(|form| form.query());
        match hole {
            Hole::ClientIp => match self.client {
                Some(ip) => drop(write!(out, "{ip}")),
                None => out.extend_from_slice(b"unix"),
            },
            Hole::ClientSubject => {
                out.extend_from_slice(self.subject.unwrap_or_default().as_bytes());
            }
            Hole::Host => {
                let host = self.request.authority().map_or(&b""[..], |it| it.host);
                out.extend_from_slice(host);
            }
            Hole::Method => out.extend_from_slice(self.request.method()),
            Hole::Path => out.extend_from_slice(self.path),
            Hole::Query => out.extend_from_slice(query().unwrap_or_default()),
            Hole::RequestId => out.extend_from_slice(self.request_id),
            Hole::Scheme => out.extend_from_slice(self.scheme.as_bytes()),
            Hole::Upstream => out.extend_from_slice(self.upstream.as_bytes()),
            Hole::Uri => {
                out.extend_from_slice(form.map_or(&b"/"[..], |form| form.path()));
                if let Some(query) = query() {
                    out.push(b'?');
                    out.extend_from_slice(query);
                }
            }
        }
    }
}
