//! When a request is tried again, and what that costs.

use std::time::Duration;

use super::error::{Error, Phase, Retry as Allowed, What};
use super::timeout::Timeout;

/// When and how often a route's requests are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many tries an exchange has, the first included. One on a connection that had gone stale does not count.
    pub attempts_max: u32,
    /// What a further try may mend.
    pub on: On,
    /// How long one try may take until its final response head; never longer than the exchange has.
    pub per_try: Option<Duration>,
    /// How many further tries there may be for a thousand requests, beside ten a second; `None`: any number.
    pub budget: Option<u32>,
    /// How many octets of content are kept to be sent again.
    pub replay_max: usize,
    /// How long the first pause is, where a further try has to wait; the next is twice as long. Give or take a half.
    pub pause: Duration,
}

/// What a further try may mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct On {
    /// No connection could be made.
    pub connect: bool,
    /// A connection that had idled was closed by the time it was used.
    pub stale: bool,
    /// A new connection was closed before the first octet of a response.
    pub closed: bool,
    /// The response, or the try, took too long.
    pub timeout: bool,
    /// The origin answered with one of these.
    pub statuses: Vec<u16>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 2,
            on: On {
                connect: true,
                stale: true,
                closed: true,
                timeout: false,
                statuses: Vec::new(),
            },
            per_try: None,
            budget: Some(200),
            replay_max: 64 * 1024,
            pause: Duration::from_millis(25),
        }
    }
}

/// What a try failed of, as far as another may mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    Connect,
    Stale,
    Closed,
    Timeout,
    /// This status, which the route says to try again on; that was settled when it was seen.
    Status,
}

impl Flaw {
    /// What `error` is, of an attempt on a connection that had carried others or had not. `None`: nothing to mend.
    pub(super) fn of(error: &Error, was_reused: bool, is_idempotent: bool) -> Option<Self> {
        match error.retry {
            Allowed::Always => {}
            Allowed::IfIdempotent if is_idempotent => {}
            _ => return None,
        }
        match (&error.what, error.phase) {
            (What::Status(_), _) => Some(Self::Status),
            (What::Io(_), Phase::Connect) | (What::Timeout(Timeout::Connect), _) => {
                Some(Self::Connect)
            }
            (What::Timeout(_), _) => Some(Self::Timeout),
            (What::Gone | What::Io(_), _) if was_reused => Some(Self::Stale),
            (What::Gone | What::Io(_), _) => Some(Self::Closed),
            _ => None,
        }
    }
}

impl On {
    pub(super) fn covers(&self, flaw: Flaw) -> bool {
        match flaw {
            Flaw::Connect => self.connect,
            Flaw::Stale => self.stale,
            Flaw::Closed => self.closed,
            Flaw::Timeout => self.timeout,
            Flaw::Status => true,
        }
    }
}

/// How long the pause before the `nth` further try is. `draw`: a number drawn from all there are, so that those who
/// failed together do not come back together.
pub(super) fn pause(first: Duration, nth: u32, draw: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(10);
    let doubled = first.saturating_mul(1 << nth.saturating_sub(1).min(16));
    // From a half to one and a half, in thousandths.
    let part = 500 + ((u64::from(draw) * 1000) >> 32) as u32;
    (doubled.min(LONGEST) * part / 1000).min(LONGEST)
}
