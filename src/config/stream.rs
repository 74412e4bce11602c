//! `[[stream]]`: connections that carry no HTTP.

use super::check::Check;
use super::diagnostic::Diagnostic;
use super::model::{Stream, StreamLimits};
use super::raw::RawStream;
use super::route::host_pattern;
use super::table::Written;
use super::upstream::Upstreams;
use super::value;
use crate::proxy::route::HostPattern;
use crate::proxy::site::{HashBy, StreamTimeouts};
use crate::proxy::timeout::Timeouts;

/// The names of a stream's timeouts.
pub(super) const TIMEOUTS: [&str; 4] = ["header", "connect", "idle", "total"];

impl Check<'_> {
    /// `above`: the global timeouts and connections per address, which hold where it says nothing.
    pub(super) fn stream(
        &self,
        raw: &RawStream,
        upstreams: &mut Upstreams,
        (timeouts, per_ip): (&Timeouts, Option<usize>),
    ) -> Stream {
        let addresses = self.addresses(raw.addr.as_ref(), raw.has_addr, raw.at, "stream");
        let proxy_protocol = raw.proxy_protocol.as_ref().filter(|flag| flag.value);
        self.somebody_is_trusted(proxy_protocol, &addresses);
        let to = raw.to.as_ref();
        let to = to.and_then(|to| self.stream_to(to, upstreams));
        if raw.to.is_none() && !raw.has_to && !raw.has_sni {
            self.error(
                raw.at,
                "a `[[stream]]` that goes nowhere",
                "add `to = \"HOST:PORT\"` or `sni = { … }`",
            );
        }
        Stream {
            to,
            sni: raw.has_sni.then(|| self.server_names(raw, upstreams)),
            proxy_protocol: proxy_protocol.is_some(),
            retry: raw.retry.as_ref().is_some_and(|retry| retry.value),
            allow: self.networks(raw.allow.as_ref()),
            deny: self.networks(raw.deny.as_ref()),
            timeouts: self.stream_timeouts(raw, timeouts),
            limits: StreamLimits {
                per_ip: raw
                    .per_ip
                    .as_ref()
                    .and_then(|per_ip| self.count_or_unlimited(per_ip))
                    .unwrap_or(per_ip),
            },
            addresses,
        }
    }

    fn stream_timeouts(&self, raw: &RawStream, above: &Timeouts) -> StreamTimeouts {
        let of = |name: &str, usual| {
            let mut all = raw.timeouts.iter();
            let written = all.find(|(key, _)| *key == name).map(|(_, it)| it);
            self.parsed(written, value::timeout).unwrap_or(usual)
        };
        StreamTimeouts {
            header: of("header", above.header),
            connect: of("connect", above.connect),
            // A stream idles as a tunnel does, not as a client between two requests.
            idle: of("idle", above.tunnel),
            total: of("total", above.tunnel_max),
        }
    }

    fn server_names(
        &self,
        raw: &RawStream,
        upstreams: &mut Upstreams,
    ) -> Vec<(Option<HostPattern>, usize)> {
        let mut names: Vec<(Option<HostPattern>, usize)> = Vec::new();
        if raw.sni.is_empty() {
            self.error(raw.at, "`stream.sni` names nothing", "an empty table");
        }
        for pair in &raw.sni {
            let key = pair.value.clone().map(|_| pair.name.clone());
            let key = Written { at: key.key, ..key };
            let pattern = match pair.name.as_str() {
                "*" => Some(None),
                _ => self.parsed(Some(&key), server_name).map(Some),
            };
            let upstream = self.stream_to(&pair.value, upstreams);
            let (Some(pattern), Some(upstream)) = (pattern, upstream) else {
                continue;
            };
            if names.iter().any(|(known, _)| *known == pattern) {
                let message = format!("the name `{}` is there twice", pair.name);
                self.error(key.at, message, "names have no upper and lower case");
            }
            names.push((pattern, upstream));
        }
        names
    }

    /// The upstream that a stream's connections go to.
    fn stream_to(&self, to: &Written<String>, upstreams: &mut Upstreams) -> Option<usize> {
        if to.value.contains("://") {
            self.refuse(
                to,
                "`HOST:PORT`, `unix:PATH` or an upstream's name: no HTTP goes there",
            );
            return None;
        }
        let index = upstreams.find(self, to)?;
        let upstream = upstreams.get(index)?;
        let by = match &upstream.balance.hash {
            HashBy::Ip => None,
            HashBy::Header(_) | HashBy::Cookie(_) | HashBy::Path => {
                Some(upstream.balance.to_string())
            }
        };
        if let Some(by) = by {
            let message = format!("`{by}` of the upstream `{}`: a stream has none", to.value);
            self.found
                .push(Diagnostic::warning(to.at, message).label("all go to one endpoint"));
        }
        Some(index)
    }
}

/// A name to match, as TLS clients send it.
fn server_name(text: &str) -> Result<HostPattern, String> {
    let pattern = host_pattern(text)?;
    let (HostPattern::Exact(name) | HostPattern::Below(name)) = &pattern;
    match name.is_ascii() && !name.starts_with('[') {
        true => Ok(pattern),
        false => Err("clients send names in ASCII (`xn--…`), and no addresses".to_owned()),
    }
}
