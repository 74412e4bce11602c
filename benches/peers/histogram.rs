//! Times in logarithmic buckets, each of 64 linear ones: no percentile is off by more than 1.6 %.

use std::time::Duration;

/// How many linear buckets every power of two has, as a power of two.
const FINE_BITS: u32 = 6;
/// 2^40 ns are 18 minutes; no run is as long.
const POWERS: u32 = 40;

#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; index(1 << POWERS) + 1],
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let index = index(nanos.min(1 << POWERS));
        self.counts[index] += 1;
        self.total += 1;
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
    }

    /// Microseconds below which `part` of all times are; `None` when there are none.
    pub(crate) fn micros(&self, part: f64) -> Option<f64> {
        let wanted = ((self.total as f64) * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Some(upper(index) as f64 / 1000.0);
            }
        }
        None
    }
}

/// The bucket of a time.
fn index(nanos: u64) -> usize {
    let power = (nanos >> FINE_BITS)
        .checked_ilog2()
        .map_or(0, |log| log + 1);
    let fine = nanos >> power;
    ((u64::from(power) << FINE_BITS) + fine) as usize
}

/// The longest time that falls into a bucket.
fn upper(index: usize) -> u64 {
    let index = index as u64;
    let power = (index >> FINE_BITS).saturating_sub(1);
    let fine = index - (power << FINE_BITS);
    ((fine + 1) << power) - 1
}
