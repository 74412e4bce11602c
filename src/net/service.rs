//! The endpoints behind the name of a service: those that its SRV records name (RFC 2782).
//!
//! A target is one of them once it has an address, and stays one for as long as a record names it: its last addresses
//! are kept as a host's are.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::address::Address;
use super::names::{Addresses, Lookup};
use crate::clock;

/// How long the targets of one answer are looked up. Those that are left are looked up the next time.
const ROUND: Duration = Duration::from_secs(10);
/// How long at most an answer holds, whatever it says.
const HOLDS_MAX: Duration = Duration::from_secs(60 * 60);
/// What a weight is multiplied by beside a record of weight 0, so that this one has a very small chance.
const FINER: u32 = 32;

/// What is known of a service's name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Records {
    /// One for each target; none: there is no such service.
    pub all: Vec<Record>,
    /// How long they hold.
    pub ttl: Duration,
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `HOST:PORT`, in lower case.
    pub target: String,
    /// The lowest is served first.
    pub priority: u16,
    /// How much it gets, beside others of its priority.
    pub weight: u32,
}

/// A target with an address.
#[derive(Debug, Clone)]
pub struct Instance {
    /// `HOST:PORT`.
    pub authority: Arc<str>,
    /// Where it is.
    pub addresses: Addresses,
    /// How many priorities are lower than its own.
    pub tier: u16,
    /// How much it gets, beside others of its tier; never 0.
    pub weight: u32,
}

impl Instance {
    fn is_same(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.authority.clone(), it.tier, it.weight);
        of(self) == of(other)
    }
}

/// A service. Cloned, it is the same.
#[derive(Clone)]
pub struct Service(pub(super) Arc<Shared>);

pub(super) struct Shared {
    name: String,
    /// A lookup has ended, well or not.
    is_known: AtomicBool,
    /// LOCK: nothing else is locked while it is.
    current: Mutex<Arc<[Instance]>>,
    known: Condvar,
}

impl Service {
    /// The service of this name. It is not looked up before somebody [watches](super::names::Names::watch_service) it.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self(Arc::new(Shared {
            name: name.to_owned(),
            is_known: AtomicBool::new(false),
            current: Mutex::new(Arc::default()),
            known: Condvar::new(),
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its endpoints, as they are known now.
    #[must_use]
    pub fn get(&self) -> Arc<[Instance]> {
        self.current().clone()
    }

    /// The first lookup has ended, well or not.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.0.is_known.load(Ordering::Acquire)
    }

    /// Waits for the first lookup to end, but not beyond `until`.
    pub fn wait(&self, until: Instant) {
        let mut current = self.current();
        while !self.is_known() {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.known.wait_timeout(current, left);
            current = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn current(&self) -> MutexGuard<'_, Arc<[Instance]>> {
        let current = &self.0.current;
        current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So it is from now on. True: that is otherwise than before.
    fn set(&self, instances: Vec<Instance>) -> bool {
        let mut current = self.current();
        let is_same = current.len() == instances.len()
            && current.iter().zip(&instances).all(|(a, b)| a.is_same(b));
        if !is_same {
            *current = instances.into();
        }
        !is_same
    }

    pub(super) fn note_known(&self) {
        // Whoever waits looks while it holds the lock.
        let _current = self.current();
        self.0.is_known.store(true, Ordering::Release);
        self.0.known.notify_all();
    }

    /// Has the targets looked up, and the service be those that have an address. Returns whether that is otherwise than
    /// before, and what is to be said of the others.
    pub(super) fn follow(&self, records: &Records, lookup: Lookup) -> (bool, Vec<String>) {
        let (before, until) = (self.get(), clock::later(clock::now(), ROUND));
        let (mut there, mut lost) = (Vec::new(), Vec::new());
        let mut hosts: Vec<(&str, Vec<Address>)> = Vec::new();
        for record in &records.all {
            let (host, port) = record.target.rsplit_once(':').unwrap_or_default();
            let port = port.parse().unwrap_or_default();
            let known = hosts.iter().find(|(it, _)| *it == host);
            let found = match known {
                Some((_, found)) => Ok(found.clone()),
                None if clock::now() >= until => Err("there was no time to look it up".to_owned()),
                None => lookup(&record.target).map_err(|error| error.to_string()),
            };
            let old = before.iter().find(|it| *it.authority == *record.target);
            let addresses = match (found, old) {
                (Ok(found), old) => {
                    if known.is_none() {
                        hosts.push((host, found.clone()));
                    }
                    let found = found.iter().map(|it| it.with_port(port)).collect();
                    Some(Addresses::renewed(old.map(|it| &it.addresses), found))
                }
                (Err(why), old) => {
                    lost.push(why);
                    old.map(|it| it.addresses.clone())
                }
            };
            there.extend(addresses.map(|addresses| (record, addresses)));
        }
        (self.set(ranked(there)), lost)
    }
}

impl Records {
    /// Until when they need not be asked for again.
    pub(super) fn hold_until(&self, now: Instant) -> Instant {
        clock::later(now, self.ttl.min(HOLDS_MAX))
    }
}

/// Priorities as tiers, and weights as an endpoint's.
fn ranked(there: Vec<(&Record, Addresses)>) -> Vec<Instance> {
    let mut priorities: Vec<u16> = there.iter().map(|(record, _)| record.priority).collect();
    priorities.sort_unstable();
    priorities.dedup();
    let weigh = |record: &Record| {
        let mut peers = there.iter().map(|(peer, _)| peer);
        let is_peer = |peer: &&&Record| peer.priority == record.priority;
        let (zero, some) = peers
            .by_ref()
            .filter(is_peer)
            .fold((false, false), |(zero, some), peer| {
                (zero || peer.weight == 0, some || peer.weight > 0)
            });
        match (zero, some) {
            (true, true) => (record.weight * FINER).max(1),
            _ => record.weight.max(1),
        }
    };
    let weights: Vec<u32> = there.iter().map(|(record, _)| weigh(record)).collect();
    let instance = |((record, addresses), weight): ((&Record, Addresses), u32)| Instance {
        tier: priorities
            .binary_search(&record.priority)
            .map_or(u16::MAX, |rank| u16::try_from(rank).unwrap_or(u16::MAX)),
        authority: record.target.as_str().into(),
        addresses,
        weight,
    };
    there.into_iter().zip(weights).map(instance).collect()
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.0.name)
            .field("current", &*self.current())
            .finish_non_exhaustive()
    }
}
