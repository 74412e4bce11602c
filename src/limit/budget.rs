//! How many further tries a route may have, in proportion to its requests.
//!
//! When an origin fails, every request that is tried again is load that comes on top, just when there is too much of it.
//! So a try beyond the first has to be paid for: each request brings a share of one, and a few in each second are free,
//! for routes that have few requests.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::clock;

/// A whole try, in the unit of account.
const TRY: u32 = 1000;
/// How many tries may be saved up.
const SAVED_MAX: u32 = 100 * TRY;
/// How many tries each second brings, whatever the requests; as many are kept at most.
const FREE_PER_SECOND: u32 = 10;

/// One route's budget in one worker.
#[derive(Debug)]
pub struct RetryBudget {
    /// What each request brings, in thousandths of a try.
    share: u32,
    saved: Cell<u32>,
    free: Cell<u32>,
    /// When the free ones were counted last.
    counted: Cell<Instant>,
}

impl RetryBudget {
    /// `share`: how many tries each request brings, in thousandths.
    #[must_use]
    pub fn new(share: u32) -> Self {
        Self {
            share: share.min(TRY),
            saved: Cell::new(0),
            free: Cell::new(FREE_PER_SECOND * TRY),
            counted: Cell::new(clock::now()),
        }
    }

    /// A request has come.
    pub fn earn(&self) {
        self.saved
            .set((self.saved.get() + self.share).min(SAVED_MAX));
    }

    /// Pays for one further try. False: there is not enough left.
    #[must_use]
    pub fn spend(&self, now: Instant) -> bool {
        let most = FREE_PER_SECOND * TRY;
        let since = now.saturating_duration_since(self.counted.get());
        let since = since.min(Duration::from_secs(1)).as_millis();
        let earned = u32::try_from(since).unwrap_or(0) * FREE_PER_SECOND;
        if earned > 0 {
            self.counted.set(now);
            self.free.set((self.free.get() + earned).min(most));
        }
        for purse in [&self.free, &self.saved] {
            if let Some(left) = purse.get().checked_sub(TRY) {
                purse.set(left);
                return true;
            }
        }
        false
    }
}
