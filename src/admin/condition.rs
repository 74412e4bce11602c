//! How far a server is on its way to its end: what the probes answer.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far a server is on its way to its end. It only ever goes forward.
#[derive(Debug, Default)]
pub struct Condition(AtomicU8);

impl Condition {
    /// It serves: `/readyz` and `/healthz` answer 200.
    pub const SERVING: u8 = 0;
    /// It still accepts, but is about to end: `/readyz` answers 503.
    pub const LEAVING: u8 = 1;
    /// It accepts nothing new: `/healthz` answers 503 too.
    pub const DRAINING: u8 = 2;

    /// One of the constants.
    #[must_use]
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// A word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.get() {
            Self::SERVING => "serving",
            Self::LEAVING => "leaving",
            _ => "draining",
        }
    }

    /// From now on it is so far, unless it was further already.
    pub fn reach(&self, condition: u8) {
        self.0.fetch_max(condition, Ordering::Relaxed);
    }
}
