//! When a certificate is renewed, and when it is tried again. Pure.

use std::time::{Duration, SystemTime};

use crate::net::tls::certificate::Facts;

/// The first pause behind an authority that was not there: a network that comes up later than this process does.
const UNREACHED: Duration = Duration::from_secs(5);
/// The longest.
const UNREACHED_MAX: Duration = Duration::from_secs(10 * 60);
/// The first pause behind an authority that did not want to. They count: Let's Encrypt lets five fail in an hour.
const REFUSED: Duration = Duration::from_secs(3 * 60);
/// The longest.
const REFUSED_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// In how long a certificate is to be renewed: when two thirds of its time are over.
pub(super) fn due_in(facts: &Facts, now: SystemTime) -> Duration {
    let whole = facts.until.duration_since(facts.from).unwrap_or_default();
    let due = facts.until.checked_sub(whole / 3).unwrap_or(facts.from);
    due.duration_since(now).unwrap_or_default()
}

/// Tries that have failed, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Tries {
    unreached: u32,
    refused: u32,
}

impl Tries {
    /// One more has. How long it is until the next: twice as long each time, for either reason by itself.
    pub(super) fn failed(&mut self, is_refusal: bool) -> Duration {
        let (count, first, longest) = match is_refusal {
            true => (&mut self.refused, REFUSED, REFUSED_MAX),
            false => (&mut self.unreached, UNREACHED, UNREACHED_MAX),
        };
        let pause = first.saturating_mul(2_u32.saturating_pow(*count));
        *count = count.saturating_add(1);
        pause.min(longest)
    }
}
