//! What is counted: by each worker for itself, in plain cells, and summed only when somebody asks. Pure.
//!
//! [`Counters`] are one worker's: nothing in them is atomic, nothing allocates while requests go on, and a number is
//! found by a handle that the caller has already ([`RouteTally`], [`UpstreamTally`]). A [`Snapshot`] is plain data that
//! may cross threads; those of all workers are [merged](Snapshot::merge), and [written](Snapshot::write) in the text format
//! of Prometheus. Two of them, one after the other, tell [rates and quantiles](UpstreamRates).
//!
//! Every label comes from a configured name, or from a set that is fixed here: what clients send makes no series.

mod cause;
mod counters;
mod handshake;
mod histogram;
mod rates;
mod snapshot;
mod text;

#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use counters::{
    Counters, OpenConnection, OpenStream, RouteTally, StreamTally, Unannounced, UnderWay,
    UpstreamEvent, UpstreamTally,
};
pub use handshake::Handshake;
pub use histogram::{BOUNDS, Distribution, Histogram};
pub use rates::UpstreamRates;
pub use snapshot::{CODES, RouteTotals, Snapshot, StreamTotals, UpstreamTotals};
pub use text::{Kind, Page, Seconds};

use std::cell::Cell;

/// One number that only its own thread changes.
#[derive(Debug, Default)]
pub struct Count(Cell<u64>);

impl Count {
    /// So many more.
    pub fn add(&self, more: u64) {
        self.0.set(self.0.get().wrapping_add(more));
    }

    /// One less, of what may become less.
    fn take_one(&self) {
        self.0.set(self.0.get().wrapping_sub(1));
    }

    /// How many there are.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Numbers that nothing was added to yet.
fn zeros<const N: usize>() -> [Count; N] {
    std::array::from_fn(|_| Count::default())
}

fn read<const N: usize>(counts: &[Count; N]) -> [u64; N] {
    std::array::from_fn(|at| counts.get(at).map_or(0, Count::get))
}

/// Adds `more` place by place.
fn add<const N: usize>(sums: &mut [u64; N], more: &[u64; N]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum = sum.wrapping_add(*more);
    }
}

/// What came on top of `before`. Nothing, where a number has begun anew.
fn since<const N: usize>(now: &[u64; N], before: &[u64; N]) -> [u64; N] {
    let mut more = *now;
    for (now, before) in more.iter_mut().zip(before) {
        *now = now.saturating_sub(*before);
    }
    more
}
