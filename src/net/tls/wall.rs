//! What time it is for whoever verifies certificates.
//!
//! A machine without a clock that outlives a power cut starts in 1970, and every certificate is not valid yet. What this
//! program was built from is older than it is, so a clock that says something earlier is wrong; until it is right the
//! date of the build is the better guess.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use crate::clock;

/// 2026-11-28, in seconds since 1970: no build of this source is older. A release moves it on.
///
/// A number in the source, and no build script that asks for the time: the same source makes the same program.
const SOURCE: u64 = 1_795_824_000;

/// When this program was built, in seconds since 1970: what the builder said in `SOURCE_DATE_EPOCH`, where it is later
/// than the source.
pub const BUILT: u64 = match option_env!("SOURCE_DATE_EPOCH") {
    Some(text) => later(seconds(text.as_bytes()), SOURCE),
    None => SOURCE,
};

const fn later(a: u64, b: u64) -> u64 {
    if a > b { a } else { b }
}

/// Decimal digits; 0 for what is none.
pub(super) const fn seconds(mut text: &[u8]) -> u64 {
    let mut sum: u64 = 0;
    while let [digit @ b'0'..=b'9', rest @ ..] = text {
        sum = sum
            .saturating_mul(10)
            .saturating_add((*digit - b'0') as u64);
        text = rest;
    }
    if text.is_empty() { sum } else { 0 }
}

/// How early it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Floor {
    /// As early as the clock says.
    None,
    /// Not before this many seconds since 1970.
    At(u64),
}

impl Default for Floor {
    /// The build's.
    fn default() -> Self {
        Self::At(BUILT)
    }
}

impl Floor {
    /// The time, but not before the floor.
    #[must_use]
    pub fn now(self) -> SystemTime {
        match self {
            Self::None => clock::wall(),
            Self::At(seconds) => clock::wall().max(UNIX_EPOCH + Duration::from_secs(seconds)),
        }
    }

    /// The clock says that it is earlier than it can be.
    #[must_use]
    pub fn is_above_the_clock(self) -> bool {
        self.now() > clock::wall()
    }
}

impl TimeProvider for Floor {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.now().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}
