//! Upstreams: those with a section, and the addresses that routes name themselves.

use std::collections::HashMap;

use super::check::{Check, Scope};
use super::diagnostic::{Diagnostic, Span};
use super::later;
use super::model::{Endpoint, Keepalive, Share, Upstream};
use super::raw::{RawKeepalive, RawShare, RawUpstream};
use super::suggest::nearest;
use super::table::Written;
use super::value;

/// A weight above this is a mistake; sums of them stay in 32 bits.
const WEIGHT_MAX: i64 = 65_535;

/// The upstreams, while routes name them.
pub(super) struct Upstreams {
    list: Vec<Upstream>,
    /// Which of them has a name.
    by_name: HashMap<String, usize>,
    /// Where each section's name is, and whether a route goes there.
    sections: Vec<(Span, bool)>,
}

impl Upstreams {
    pub(super) fn new(check: &Check<'_>, raw: &[Written<RawUpstream>]) -> Self {
        let list: Vec<_> = raw.iter().map(|raw| check.upstream(raw)).collect();
        let names = list.iter().map(|upstream| upstream.name.clone());
        Self {
            by_name: names.zip(0..).collect(),
            list,
            sections: raw.iter().map(|raw| (raw.key, false)).collect(),
        }
    }

    /// All of them, those with a section first.
    pub(super) fn finish(self, check: &Check<'_>) -> Vec<Upstream> {
        for (upstream, (at, is_used)) in self.list.iter().zip(&self.sections) {
            if !is_used {
                let message = format!("no route goes to the upstream `{}`", upstream.name);
                check.found.push(
                    Diagnostic::warning(*at, message)
                        .label("unused")
                        .help("name it in a route's `to`, or take it out"),
                );
            }
        }
        self.list
    }

    /// The upstream that a route's `to` names: by name, or by address.
    fn find(&mut self, check: &Check<'_>, to: &Written<String>) -> Option<usize> {
        if let Some(index) = self.by_name.get(&to.value).copied() {
            if let Some((_, is_used)) = self.sections.get_mut(index) {
                *is_used = true;
            }
            return Some(index);
        }
        if !to.value.contains([':', '/']) {
            self.dangling(check, to);
            return None;
        }
        let (authority, base_path) = check.parsed(Some(to), value::origin)?;
        let endpoint = Endpoint {
            authority,
            base_path,
            weight: 1,
        };
        let name = endpoint.to_string();
        // Two spellings of one address are one upstream.
        if let Some(known) = self.by_name.get(&name) {
            return Some(*known);
        }
        let index = self.list.len();
        self.by_name.insert(name.clone(), index);
        self.list.push(Upstream {
            name,
            is_implicit: true,
            endpoints: vec![endpoint],
            keepalive: Keepalive::default(),
            timeouts: super::TimeoutChanges::default(),
            limits: super::LimitChanges::default(),
        });
        Some(index)
    }

    fn dangling(&mut self, check: &Check<'_>, to: &Written<String>) {
        let names: Vec<_> = self
            .list
            .iter()
            .filter(|upstream| !upstream.is_implicit)
            .map(|upstream| upstream.name.as_str())
            .collect();
        let near = nearest(&to.value, names.iter().copied());
        let label = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "not defined".to_owned(),
        };
        let help = if names.is_empty() {
            format!(
                "add `[upstream.{}]`, or write an address such as `{0}:8080`",
                to.value
            )
        } else {
            format!("upstreams: {}; an address has a port", names.join(", "))
        };
        // It was hardly meant to be unused: one mistake, one message.
        let index = near.and_then(|near| self.by_name.get(near).copied());
        check.found.push(
            Diagnostic::error(to.at, format!("there is no upstream `{}`", to.value))
                .label(label)
                .help(help),
        );
        if let Some((_, is_used)) = index.and_then(|index| self.sections.get_mut(index)) {
            *is_used = true;
        }
    }
}

impl Check<'_> {
    fn upstream(&self, raw: &Written<RawUpstream>) -> Upstream {
        let name = &raw.name;
        let plain =
            |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(plain) {
            self.error(
                raw.key,
                format!("`{name}` is no name for an upstream"),
                "letters, digits, `_`, `-` and `.`",
            );
        }
        let section = &raw.value;
        if !section.has_to {
            self.error(
                section.at,
                format!("the upstream `{name}` is nowhere"),
                "add `to = \"HOST:PORT\"`",
            );
        }
        self.balance(section.balance.as_ref());
        Upstream {
            name: name.clone(),
            is_implicit: false,
            endpoints: self.endpoints(section.to.as_ref()),
            keepalive: section
                .keepalive
                .as_ref()
                .map(|keepalive| self.keepalive(&keepalive.value))
                .unwrap_or_default(),
            timeouts: self.timeouts(&section.timeouts, Scope::Upstream),
            limits: self.limits(&section.limits, Scope::Upstream),
        }
    }

    fn balance(&self, written: Option<&Written<String>>) {
        let Some(written) = written else { return };
        let word = written.value.split(':').next().unwrap_or_default();
        if later::BALANCE.contains(&word) {
            self.error(
                written.at,
                later::message(&written.value),
                "there is `round_robin`",
            );
        } else {
            self.choice(Some(written), &[("round_robin", ())]);
        }
    }

    fn endpoints(&self, written: Option<&Written<Vec<RawShare>>>) -> Vec<Endpoint> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        let Some(written) = written else {
            return endpoints;
        };
        for share in &written.value {
            let weight = self.weight(share);
            let Some((authority, base_path)) = self.parsed(share.to.as_ref(), value::origin) else {
                continue;
            };
            let endpoint = Endpoint {
                authority,
                base_path,
                weight,
            };
            if let (Some(to), true) = (&share.to, contains(&endpoints, &endpoint)) {
                self.error(
                    to.at,
                    format!("`{endpoint}` is there twice"),
                    "give it a `weight` instead",
                );
            }
            endpoints.push(endpoint);
        }
        self.some_weight(written, endpoints.iter().map(|endpoint| endpoint.weight));
        endpoints
    }

    fn weight(&self, share: &RawShare) -> u32 {
        self.number(share.weight.as_ref(), 0..=WEIGHT_MAX)
            .unwrap_or(1)
    }

    /// Something gets something.
    fn some_weight(
        &self,
        written: &Written<Vec<RawShare>>,
        mut weights: impl ExactSizeIterator<Item = u32>,
    ) {
        if written.value.is_empty() {
            if self.is_empty_list(written.at) {
                self.error(
                    written.at,
                    format!("`{}` names nothing", written.name),
                    "an empty list",
                );
            }
        } else if weights.len() > 0 && weights.all(|weight| weight == 0) {
            let weight = written.value.iter().find_map(|share| share.weight.as_ref());
            self.error(
                weight.map_or(written.at, |weight| weight.at),
                format!("`{}`: every weight is 0", written.name),
                "nothing would go anywhere",
            );
        }
    }

    fn keepalive(&self, raw: &RawKeepalive) -> Keepalive {
        let usual = Keepalive::default();
        let positive = |text: &str| match value::duration(text)? {
            std::time::Duration::ZERO => Err("to keep none: `max_idle = 0`".to_owned()),
            duration => Ok(duration),
        };
        Keepalive {
            idle: self
                .parsed(raw.idle.as_ref(), positive)
                .unwrap_or(usual.idle),
            max_idle: self
                .number(raw.max_idle.as_ref(), 0..=100_000)
                .unwrap_or(usual.max_idle),
            max_age: self
                .parsed(raw.max_age.as_ref(), positive)
                .unwrap_or(usual.max_age),
        }
    }

    /// A route's `to`.
    pub(super) fn shares(
        &self,
        written: &Written<Vec<RawShare>>,
        upstreams: &mut Upstreams,
    ) -> Vec<Share> {
        let mut shares: Vec<Share> = Vec::new();
        for share in &written.value {
            let weight = self.weight(share);
            let Some(to) = &share.to else { continue };
            let Some(upstream) = upstreams.find(self, to) else {
                continue;
            };
            if shares.iter().any(|share| share.upstream == upstream) {
                let message = format!("the route goes to `{}` twice", to.value);
                self.error(to.at, message, "give it a `weight` instead");
            }
            shares.push(Share { upstream, weight });
        }
        self.some_weight(written, shares.iter().map(|share| share.weight));
        shares
    }
}

fn contains(endpoints: &[Endpoint], endpoint: &Endpoint) -> bool {
    let mut endpoints = endpoints.iter();
    endpoints
        .any(|other| other.authority == endpoint.authority && other.base_path == endpoint.base_path)
}
