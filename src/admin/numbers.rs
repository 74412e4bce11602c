//! The numbers that `/events` tells each second: what there is now, and what came since it told last.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::desk::{Desk, push_json};
use super::metrics::NODES_MAX;
use super::tree::count;
use crate::clock;
use crate::context::Context;
use crate::metrics::{Snapshot, UpstreamRates};

/// Who tells how it goes just now, again and again: what came since it told last.
#[derive(Debug, Default)]
pub struct Numbers {
    before: Option<(Instant, Snapshot)>,
}

impl Numbers {
    /// The members `nodes`, `in_flight` and `upstreams` of a JSON object. At first no rates are known.
    pub async fn members(&mut self, desk: &Desk, root: &Context) -> String {
        let total = desk.report().await.total;
        let now = clock::now();
        let rates = match &self.before {
            Some((at, before)) => {
                let apart = now.saturating_duration_since(*at);
                UpstreamRates::between(before, &total, apart)
            }
            None => Vec::new(),
        };
        let mut out = String::from("\"nodes\":{");
        let census = count(root, NODES_MAX).await;
        for (index, (kind, count)) in census.kinds.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            push_json(&mut out, kind);
            let _ = write!(out, ":{count}");
        }
        let _ = write!(out, "}},\"in_flight\":{},\"upstreams\":[", total.in_flight);
        for (index, (name, endpoints)) in desk.status().upstreams.iter().enumerate() {
            out.push_str(if index == 0 {
                "{\"name\":"
            } else {
                ",{\"name\":"
            });
            push_json(&mut out, name);
            let in_flight: usize = endpoints.iter().map(|it| it.state.in_flight()).sum();
            let _ = write!(out, ",\"in_flight\":{in_flight}");
            push_rates(&mut out, rates.iter().find(|it| *it.name == **name));
            out.push('}');
        }
        out.push(']');
        self.before = Some((now, total));
        out
    }
}

fn push_rates(out: &mut String, rates: Option<&UpstreamRates>) {
    let _ = write!(
        out,
        ",\"per_s\":{:.1}",
        rates.map_or(0.0, |rates| rates.per_s)
    );
    let quantiles: [(&str, Option<Duration>); 3] = [
        ("p50_ms", rates.and_then(|it| it.p50)),
        ("p90_ms", rates.and_then(|it| it.p90)),
        ("p99_ms", rates.and_then(|it| it.p99)),
    ];
    for (name, took) in quantiles {
        match took {
            Some(took) => {
                let _ = write!(out, ",\"{name}\":{:.3}", took.as_secs_f64() * 1000.0);
            }
            None => {
                let _ = write!(out, ",\"{name}\":null");
            }
        }
    }
}
