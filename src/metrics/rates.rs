//! How it goes just now: what came between two snapshots.

use std::sync::Arc;
use std::time::Duration;

use super::Snapshot;

/// How it goes with one upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamRates {
    /// What the file calls it.
    pub name: Arc<str>,
    /// How many exchanges ended in a second.
    pub per_s: f64,
    /// How long half of them took at most; `None`: there were none.
    pub p50: Option<Duration>,
    /// And nine in ten.
    pub p90: Option<Duration>,
    /// And ninety-nine in a hundred.
    pub p99: Option<Duration>,
}

impl UpstreamRates {
    /// Of each upstream of `now`, since `before`, which was so long ago.
    #[must_use]
    pub fn between(before: &Snapshot, now: &Snapshot, apart: Duration) -> Vec<Self> {
        let of = |it: &super::UpstreamTotals| {
            let old = before.upstream(&it.name).map(|it| it.requests);
            let new = it.requests.since(&old.unwrap_or_default());
            let seconds = apart.as_secs_f64();
            Self {
                name: it.name.clone(),
                per_s: match seconds > 0.0 {
                    true => new.count() as f64 / seconds,
                    false => 0.0,
                },
                p50: new.quantile(0.50),
                p90: new.quantile(0.90),
                p99: new.quantile(0.99),
            }
        };
        now.upstreams.iter().map(of).collect()
    }
}
