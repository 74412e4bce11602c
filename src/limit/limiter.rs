//! A route's limiter: so many requests per time and so many at a time, for each key, for all workers together.
//!
//! # When there are too many keys
//!
//! It remembers so many keys as it was told at most, by a 64-bit hash under a secret of this process: nobody can make
//! two keys collide, nor choose where a key is kept. A key that has not been of use for as long as its burst takes to
//! be earned anew is forgotten, which nobody notices. With more keys than that in use, each new one takes the place of
//! another one, the least limited of a few, which begins anew. Whoever is at its limit is the last to be forgotten: to
//! get its own key forgotten, a client has to fill the table with thousands of others that are limited as much as it.
//! Keys with requests in flight are never forgotten: where nothing else is found a new key is refused.

use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sync::{Mutex, lock};
use super::table::{Entry, Table};
use super::{Gcra, Key, Rate};
use crate::clock;

/// What a limiter allows. Equal settings, and it may be kept over a reload with all it remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How often, for each key.
    pub rate: Option<Rate>,
    /// How many at a time, for each key.
    pub concurrent: Option<u32>,
    /// How many keys are remembered at most; zero is read as one. 32 octets each, taken when they come and kept from then
    /// on: 2 MiB for all of the default. One is enough for [`Key::Whole`].
    pub keys_max: usize,
}

impl Default for RateLimit {
    /// No limits, 65,536 keys.
    fn default() -> Self {
        Self {
            rate: None,
            concurrent: None,
            keys_max: 65_536,
        }
    }
}

/// A limiter. Cloned, it is the same one.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
}

impl Limiter {
    /// A limiter that has seen nobody.
    #[must_use]
    pub fn new(settings: RateLimit) -> Self {
        let shard_count = 1
            << (settings.keys_max / SHARD_KEYS)
                .clamp(1, SHARDS_MAX)
                .ilog2();
        let shard = || Mutex::new(Table::new(settings.keys_max / shard_count));
        Self {
            shared: Arc::new(Shared {
                settings,
                gcra: settings.rate.map(Gcra::new),
                since: clock::now(),
                hasher: RandomState::new(),
                shards: (0..shard_count).map(|_| shard()).collect(),
            }),
        }
    }

    /// Admits a request of `key`, or refuses it.
    ///
    /// `now` may lag behind other threads' by a moment, which is charged to the client. A refused request changes
    /// nothing. Allocates only where a key is new, and then seldom.
    ///
    /// # Errors
    /// [`Refused`]: which limit, and when to come again.
    pub fn admit(&self, key: Key<'_>, now: Instant) -> Result<Admitted, Refused> {
        let fingerprint = self.shared.fingerprint(key);
        let now = self.shared.nanos(now);
        let mut table = lock(self.shared.shard(fingerprint));
        if let Some(entry) = table.find(fingerprint) {
            self.shared.charge(entry, now)?;
        } else {
            let mut entry = Entry::new(fingerprint);
            self.shared.charge(&mut entry, now)?;
            if !table.insert(entry, now) {
                return Err(Refused::without_a_time(Limit::Keys));
            }
        }
        let holds = self.shared.settings.concurrent.is_some();
        Ok(Admitted {
            held: holds.then(|| (self.shared.clone(), fingerprint)),
        })
    }

    /// Whether a request of `key` would be admitted. Nothing is counted.
    ///
    /// # Errors
    /// As [`Limiter::admit`] would give it.
    pub fn look(&self, key: Key<'_>, now: Instant) -> Result<(), Refused> {
        let fingerprint = self.shared.fingerprint(key);
        let now = self.shared.nanos(now);
        let found = lock(self.shared.shard(fingerprint))
            .find(fingerprint)
            .copied();
        let mut entry = found.unwrap_or_else(|| Entry::new(fingerprint));
        self.shared.charge(&mut entry, now)
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &RateLimit {
        &self.shared.settings
    }

    /// Whether the other one allows the same.
    #[must_use]
    pub fn same_settings(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.shared
            .shards
            .iter()
            .map(|shard| lock(shard).len())
            .sum()
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Limiter").field(self.settings()).finish()
    }
}

/// A request that was admitted. It is in flight until this is dropped.
#[must_use = "dropping it says that the request has ended"]
pub struct Admitted {
    /// Where it counts as in flight, and under which fingerprint. None where that is not limited.
    held: Option<(Arc<Shared>, u64)>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some((shared, fingerprint)) = &self.held else {
            return;
        };
        let mut table = lock(shared.shard(*fingerprint));
        // It is there: an entry with requests in flight is never taken out.
        if let Some(entry) = table.find(*fingerprint) {
            entry.in_flight = entry.in_flight.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admitted")
    }
}

/// A request that was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// By which limit.
    pub by: Limit,
    /// When to come again. Exact for a rate; nobody knows when a request ends, so for the others it is a second.
    pub retry_after: Duration,
}

/// What a request can be refused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// So many per time.
    Rate,
    /// So many at a time.
    Concurrent,
    /// So many keys with requests in flight.
    Keys,
}

impl Refused {
    fn without_a_time(by: Limit) -> Self {
        Self {
            by,
            retry_after: Duration::from_secs(1),
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.by {
            Limit::Rate => "too many requests",
            Limit::Concurrent => "too many requests in flight",
            Limit::Keys => "too many clients with requests in flight",
        })
    }
}

impl Error for Refused {}

struct Shared {
    settings: RateLimit,
    /// The settings' rate, made ready.
    gcra: Option<Gcra>,
    /// Where its nanoseconds begin.
    since: Instant,
    /// Has the secret.
    hasher: RandomState,
    /// As many as a power of two.
    /// LOCK: one at a time, and nothing else is locked while it is.
    shards: Box<[Mutex<Table>]>,
}

impl Shared {
    /// Counts a request on what is remembered of its key, or leaves that as it is.
    fn charge(&self, entry: &mut Entry, now: u64) -> Result<(), Refused> {
        if let Some(concurrent) = self.settings.concurrent {
            if entry.in_flight >= concurrent {
                return Err(Refused::without_a_time(Limit::Concurrent));
            }
        }
        if let Some(gcra) = &self.gcra {
            let by = Limit::Rate;
            gcra.check(&mut entry.tat, now)
                .map_err(|retry_after| Refused { by, retry_after })?;
        }
        // Nobody takes it off again where it is not limited.
        entry.in_flight += u32::from(self.settings.concurrent.is_some());
        Ok(())
    }

    fn fingerprint(&self, key: Key<'_>) -> u64 {
        match key {
            // One number each: hashed faster than octets. Of another size for each family, so that they do not meet.
            Key::Ip(ip) => match super::Network::from(ip) {
                super::Network::V4(octets) => self.hasher.hash_one(u32::from_be_bytes(octets)),
                super::Network::V6(octets) => self.hasher.hash_one(u64::from_be_bytes(octets)),
            },
            Key::Octets(octets) => self.hasher.hash_one(octets),
            Key::Whole => 0,
        }
    }

    fn shard(&self, fingerprint: u64) -> &Mutex<Table> {
        let index = (fingerprint >> 32) as usize & (self.shards.len() - 1);
        &self.shards[index]
    }

    /// A time before the limiter's own is its own.
    fn nanos(&self, now: Instant) -> u64 {
        let nanos = now.saturating_duration_since(self.since).as_nanos();
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

/// How many shards at most: some times as many as there are workers on what osier runs on.
const SHARDS_MAX: usize = 16;

/// How many keys a shard is worth having for.
const SHARD_KEYS: usize = 64;
