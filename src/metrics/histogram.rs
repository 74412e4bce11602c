//! How long things took, in buckets that are the same for all of them.
//!
//! The bounds go up in steps of 1, 2, 5 from a tenth of a millisecond, which is about what a worker's clock tells apart, to
//! twenty seconds, and then to a minute, which is what a request has by default. So a quantile is told to within a factor
//! of 2.5 at the worst, and much better where the times within a bucket lie evenly.

use std::time::Duration;

use super::{Count, add, read, since, zeros};

/// The upper bounds: in nanoseconds, and in seconds as they are written.
pub const BOUNDS: [(u64, &str); 18] = [
    (100_000, "0.0001"),
    (200_000, "0.0002"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_000_000, "0.002"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (20_000_000, "0.02"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (200_000_000, "0.2"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_000_000_000, "2"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (20_000_000_000, "20"),
    (60_000_000_000, "60"),
];

/// One for each bound, and one for what is above them all.
const BUCKETS: usize = BOUNDS.len() + 1;

/// Times as they are seen, on one thread.
#[derive(Debug)]
pub struct Histogram {
    /// Those up to a bound, and above the one before it.
    buckets: [Count; BUCKETS],
    /// In nanoseconds.
    sum: Count,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: zeros(),
            sum: Count::default(),
        }
    }
}

impl Histogram {
    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        let nanos = nanos(took);
        if let Some(bucket) = self.buckets.get(bucket(nanos)) {
            bucket.add(1);
        }
        self.sum.add(nanos);
    }

    /// What was seen so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        Distribution {
            buckets: read(&self.buckets),
            sum: self.sum.get(),
        }
    }
}

/// The bounds alone: what is looked through lies close together.
const NANOS: [u64; BOUNDS.len()] = {
    let mut nanos = [0; BOUNDS.len()];
    let mut at = 0;
    while at < nanos.len() {
        nanos[at] = BOUNDS[at].0;
        at += 1;
    }
    nanos
};

/// The bucket for a time: looked for from the shortest on, because most are short. A table of logarithms cost twice as
/// many instructions.
fn bucket(nanos: u64) -> usize {
    let at = NANOS.iter().position(|bound| nanos <= *bound);
    at.unwrap_or(NANOS.len())
}

fn nanos(took: Duration) -> u64 {
    took.as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(took.subsec_nanos()))
}

/// What a [`Histogram`] had seen at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Distribution {
    /// Those up to a bound, and above the one before it; the last: above them all.
    buckets: [u64; BUCKETS],
    /// In nanoseconds.
    sum: u64,
}

impl Distribution {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |sum, more| sum.wrapping_add(*more))
    }

    /// How long all of them took together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum)
    }

    /// How many there were up to each bound, and how many in all.
    pub fn cumulated(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let bounds = BOUNDS.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        let mut sum: u64 = 0;
        bounds.zip(self.buckets).map(move |(bound, more)| {
            sum = sum.wrapping_add(more);
            (bound, sum)
        })
    }

    /// These and the others.
    pub fn merge(&mut self, other: &Self) {
        add(&mut self.buckets, &other.buckets);
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Those that were seen after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            buckets: since(&self.buckets, &before.buckets),
            sum: self.sum.saturating_sub(before.sum),
        }
    }

    /// How long it took at most for this share of them, as if they lay evenly in each bucket. Of what is above the last
    /// bound nothing is known but that. `None`: there were none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = share.clamp(0.0, 1.0) * count as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for ((bound, _), here) in BOUNDS.iter().zip(self.buckets) {
            let (bound, here) = (*bound as f64, here as f64);
            if here > 0.0 && below + here >= rank {
                let nanos = lower + (bound - lower) * ((rank - below) / here);
                return Some(Duration::from_nanos(nanos as u64));
            }
            (below, lower) = (below + here, bound);
        }
        let (last, _) = BOUNDS.last()?;
        Some(Duration::from_nanos(*last))
    }
}
