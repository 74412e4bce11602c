//! How slowly content may come, or go: what drips just often enough never stalls, and would have no end.
//!
//! Whoever is waited for has so much time: that of a stall, and a second more for each `rate` octets that it has sent or
//! taken. Only waiting for it is charged, so nobody pays for how slow the other side is.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::clock;

/// The time there is at the beginning where a body may stall for ever.
const FIRST: Duration = Duration::from_secs(30);

/// What one side of a body has left.
#[derive(Debug)]
pub(super) struct Pace {
    /// Octets in a second. `None`: it may be as slow as it likes.
    rate: Option<NonZeroU64>,
    /// How long it may stall.
    stall: Option<Duration>,
    /// Octets that it has sent, or taken.
    octets: Cell<u64>,
    /// For how long it was waited for.
    waited: Cell<Duration>,
}

impl Pace {
    /// At the beginning of a body.
    pub(super) fn new(rate: Option<NonZeroU64>, stall: Option<Duration>) -> Self {
        Self {
            rate,
            stall,
            octets: Cell::new(0),
            waited: Cell::new(Duration::ZERO),
        }
    }

    /// How long it may be waited for now.
    pub(super) fn limit(&self) -> Option<Duration> {
        let Some(rate) = self.rate else {
            return self.stall;
        };
        let millis = u128::from(self.octets.get()).saturating_mul(1000) / u128::from(rate.get());
        let earned = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let all = self.stall.unwrap_or(FIRST).saturating_add(earned);
        let left = all.saturating_sub(self.waited.get());
        Some(self.stall.map_or(left, |stall| stall.min(left)))
    }

    /// It was waited for since then.
    pub(super) fn charge(&self, since: Instant) {
        if self.rate.is_some() {
            let took = clock::now().saturating_duration_since(since);
            self.waited.set(self.waited.get().saturating_add(took));
        }
    }

    /// So many octets came, or went.
    pub(super) fn earn(&self, octets: usize) {
        let octets = self.octets.get().saturating_add(octets as u64);
        self.octets.set(octets);
    }
}
