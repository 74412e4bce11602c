//! What was verified lately. Passwords are not kept: only what they hash to under a secret of this process.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use super::{Credentials, Users};
use crate::clock;

/// For how long a right password is known.
pub(super) const RIGHT_FOR: Duration = Duration::from_secs(300);
/// For how long a wrong one is.
pub(super) const WRONG_FOR: Duration = Duration::from_secs(5);

/// What credentials of one file hash to: 128 bits, so that nobody finds others that do by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u64, u64);

/// Makes fingerprints.
#[derive(Debug, Default)]
pub(super) struct Secret(RandomState, RandomState);

impl Secret {
    pub(super) fn fingerprint(&self, users: &Users, who: &Credentials) -> Fingerprint {
        let half = |secret: &RandomState| {
            let mut hasher = secret.build_hasher();
            hasher.write_usize(users.generation());
            // No name has a colon, so no other pair is the same.
            hasher.write(&who.user);
            hasher.write(b":");
            hasher.write(&who.password);
            hasher.finish()
        };
        Fingerprint(half(&self.0), half(&self.1))
    }
}

/// What is known. Right and wrong ones have places of their own: guessing makes nobody forgotten who was right.
#[derive(Debug)]
pub(super) struct Cache {
    right: Known,
    wrong: Known,
}

/// Until when each is known.
#[derive(Debug)]
struct Known {
    until: HashMap<Fingerprint, Instant>,
    /// How many there may be.
    max: usize,
    /// For how long.
    lasts: Duration,
}

impl Cache {
    /// An empty one, for so many of each.
    pub(super) fn new(max: usize) -> Self {
        let known = |lasts| Known {
            until: HashMap::new(),
            max: max.max(1),
            lasts,
        };
        Self {
            right: known(RIGHT_FOR),
            wrong: known(WRONG_FOR),
        }
    }

    /// Whether they are right, if that is known.
    pub(super) fn find(&self, who: Fingerprint, now: Instant) -> Option<bool> {
        if self.right.has(who, now) {
            return Some(true);
        }
        self.wrong.has(who, now).then_some(false)
    }

    pub(super) fn put(&mut self, who: Fingerprint, is_right: bool, now: Instant) {
        match is_right {
            true => self.right.put(who, now),
            false => self.wrong.put(who, now),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.right.until.len() + self.wrong.until.len()
    }
}

impl Known {
    fn has(&self, who: Fingerprint, now: Instant) -> bool {
        self.until.get(&who).is_some_and(|until| now < *until)
    }

    fn put(&mut self, who: Fingerprint, now: Instant) {
        if self.until.len() >= self.max && !self.until.contains_key(&who) {
            self.until.retain(|_, until| now < *until);
        }
        if self.until.len() >= self.max && !self.until.contains_key(&who) {
            // All last equally long: who goes first is the oldest.
            let oldest = self.until.iter().min_by_key(|(_, until)| **until);
            if let Some(oldest) = oldest.map(|(who, _)| *who) {
                self.until.remove(&oldest);
            }
        }
        self.until.insert(who, clock::later(now, self.lasts));
    }
}
