//! A moment in eight octets.
//!
//! [`Instant`] takes sixteen, and a node keeps two or three of them. A [`Stamp`] counts nanoseconds from a moment far
//! before the process started, so that deadlines in the past keep their exact value too. This file only converts: the
//! time itself comes from [`clock::now`].

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::clock;

/// Nanoseconds since [`epoch`]; [`Stamp::NEVER`] is after every moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp(u64);

impl Stamp {
    /// No moment at all: the deadline of a node that has none.
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// The present, by this thread's clock.
    #[inline]
    pub(super) fn now() -> Self {
        thread_local! {
            /// The moment asked for last: a worker's clock stands still for a whole turn.
            static LAST: Cell<Option<(Instant, Stamp)>> = const { Cell::new(None) };
        }
        let now = clock::now();
        let convert = |last: &Cell<Option<(Instant, Self)>>| match last.get() {
            Some((at, stamp)) if at == now => stamp,
            _ => {
                let stamp = Self::from(now);
                last.set(Some((now, stamp)));
                stamp
            }
        };
        // While a thread ends, its cell is gone.
        LAST.try_with(convert).unwrap_or_else(|_| now.into())
    }

    /// This stamp plus some microseconds.
    pub(super) fn plus_micros(self, micros: u64) -> Self {
        Self(
            self.0
                .saturating_add(micros.saturating_mul(1000))
                .min(u64::MAX - 1),
        )
    }

    /// How many microseconds after `earlier` this is; zero if it is not.
    pub(super) fn micros_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }

    /// How long after `earlier` this is; zero if it is not.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// As an [`Instant`]; none for [`Stamp::NEVER`].
    pub(super) fn to_instant(self) -> Option<Instant> {
        if self == Self::NEVER {
            None
        } else {
            epoch().checked_add(Duration::from_nanos(self.0))
        }
    }
}

impl From<Instant> for Stamp {
    #[inline]
    fn from(at: Instant) -> Self {
        let span = at.saturating_duration_since(epoch());
        let nanos = span
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(span.subsec_nanos()));
        // The last value means never, so a moment centuries ahead is the one before it.
        Self(nanos.min(u64::MAX - 1))
    }
}

/// What stamps count from: the middle of their range is the first moment anybody asked for.
fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    *EPOCH.get_or_init(|| {
        let now = clock::now();
        now.checked_sub(Duration::from_nanos(1 << 62))
            .unwrap_or(now)
    })
}
