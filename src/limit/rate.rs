//! Requests per time: the generic cell rate algorithm, and nothing else.
//!
//! All that is remembered of a client is one time, its *theoretical arrival time*: when the next request would come if
//! all before it had come evenly spaced. A request that comes later than that is in time. One that comes earlier is ahead
//! of its time, and may be so by as much as the burst allows.
//! Source: ITU-T I.371 (the virtual scheduling algorithm).

use std::time::Duration;

/// How often: so many requests per period, and so many at once after a while of none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests per period. Zero is read as one.
    pub requests: u32,
    /// The period. Zero is read as a nanosecond.
    pub period: Duration,
    /// How many may come at once. Zero is read as one.
    pub burst: u32,
}

/// A [`Rate`] made ready for asking.
///
/// Times are nanoseconds since any moment that stays the same, below 2^63 (292 years: from there on time stands still).
/// A request's share of the period is rounded up to whole nanoseconds, so the rate is never more than was said, and
/// less by one nanosecond per request at most: nothing at 1/day or 1000/s, 0.1 % near 1,000,000/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gcra {
    /// Between two requests that come evenly, in nanoseconds.
    /// Invariant: 0 < interval <= ahead_max <= `SPAN_MAX`.
    interval: u64,
    /// How far ahead of now a theoretical arrival time may be: the whole burst, in nanoseconds.
    ahead_max: u64,
}

impl Gcra {
    /// Makes a rate ready.
    ///
    /// More than 73 years between two requests is as 73 years, and a burst that takes longer than that to be earned
    /// anew is cut to what does not.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let period = rate.period.as_nanos().max(1);
        let interval = period.div_ceil(u128::from(rate.requests.max(1)));
        let interval = u64::try_from(interval).unwrap_or(SPAN_MAX).min(SPAN_MAX);
        let ahead_max = interval.saturating_mul(u64::from(rate.burst.max(1)));
        Self {
            interval,
            ahead_max: ahead_max.min(SPAN_MAX),
        }
    }

    /// Asks for one request at `now`. `tat` is what is remembered: zero for whoever is new, moved on if it is admitted.
    ///
    /// In any span of time, however requests come, at most the burst and the span's share of the rate are admitted.
    ///
    /// # Errors
    /// How long to wait: after exactly that a request is admitted, if no other one came first. `tat` is as it was.
    pub fn check(&self, tat: &mut u64, now: u64) -> Result<(), Duration> {
        let now = now.min(NOW_MAX);
        let next = (*tat).max(now).saturating_add(self.interval);
        let early = (next - now).saturating_sub(self.ahead_max);
        if early > 0 {
            return Err(Duration::from_nanos(early));
        }
        *tat = next;
        Ok(())
    }

    /// Whether whoever has this theoretical arrival time is admitted as if it were new.
    #[must_use]
    pub fn is_as_new(tat: u64, now: u64) -> bool {
        tat <= now
    }
}

/// The latest time. What is added to it are two spans at most, which does not overflow.
const NOW_MAX: u64 = u64::MAX / 2;

/// The longest span counted with.
const SPAN_MAX: u64 = u64::MAX / 8;
