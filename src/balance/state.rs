//! What the whole process knows of one endpoint.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::load::Load;
use crate::clock;

/// Its probes fail.
const DOWN: usize = 1;
/// It failed too often and is left alone for a while.
const EJECTED: usize = 2;
/// It gets nothing new: somebody said so.
const DRAINING: usize = 4;
/// It has come back, and slow start has not been looked at since.
const RISING: usize = 8;

/// After how long a latency that was seen counts for half.
const HALF_LIFE: Duration = Duration::from_secs(7);
/// The least share of an endpoint that has just come back, of [`State::WHOLE`].
const SHARE_MIN: u32 = 100;

/// How often any endpoint of the process has come, gone, or begun to rise: so rarely that one number does for all.
static CHANGES: AtomicUsize = AtomicUsize::new(0);

/// When an endpoint that fails is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eject {
    /// So many failures in a row,
    pub failures: u32,
    /// within this time,
    pub within: Duration,
    /// and it gets nothing for so long.
    pub time: Duration,
    /// Of a hundred endpoints, how many may be left alone at a time; one may always be, beside another.
    pub max_percent: u32,
}

impl Default for Eject {
    fn default() -> Self {
        Self {
            failures: 3,
            within: Duration::from_secs(10),
            time: Duration::from_secs(10),
            max_percent: 50,
        }
    }
}

/// What the whole process knows of one endpoint. It is kept over reloads.
#[derive(Debug)]
pub struct State {
    /// What is wrong with it. 0, nearly always: nothing.
    trouble: AtomicUsize,
    in_flight: Load,
    /// In microseconds; 0: never seen.
    latency: AtomicUsize,
    /// When that was, in milliseconds since `since`.
    latency_at: AtomicUsize,
    /// How many times it failed in a row.
    failing: AtomicUsize,
    failures: AtomicUsize,
    ejections: AtomicUsize,
    /// How many connections there are to it.
    open: AtomicUsize,
    since: Instant,
    /// LOCK: nothing else is locked while it is.
    rare: Mutex<Rare>,
}

#[derive(Debug, Default)]
struct Rare {
    /// When the first of the failures in a row was.
    first_failure: Option<Instant>,
    ejected_until: Option<Instant>,
    up_since: Option<Instant>,
    /// How many probes in a row said otherwise than what holds.
    against: u32,
    /// How many connections idle, place by place.
    idle: Vec<Weak<AtomicUsize>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            trouble: AtomicUsize::new(0),
            in_flight: Load::new(),
            latency: AtomicUsize::new(0),
            latency_at: AtomicUsize::new(0),
            failing: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            ejections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            since: clock::now(),
            rare: Mutex::default(),
        }
    }
}

/// A request that is with an endpoint, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the request has ended"]
pub struct InFlight<'a>(&'a State);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.sub();
    }
}

/// A connection to an endpoint, until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the connection is closed"]
pub struct Open(Arc<State>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// A whole share; see [`State::share`].
    pub const WHOLE: u32 = 1024;

    fn rare(&self) -> MutexGuard<'_, Rare> {
        self.rare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, bit: usize, is_on: bool) -> bool {
        let before = match is_on {
            true => self.trouble.fetch_or(bit, Ordering::Relaxed),
            false => self.trouble.fetch_and(!bit, Ordering::Relaxed),
        };
        let is_other = (before & bit != 0) != is_on;
        if is_other {
            // Whoever sees the new number sees the new trouble.
            CHANGES.fetch_add(1, Ordering::Release);
        }
        is_other
    }

    /// How often any endpoint has come or gone. While that stays the same, and all that matter
    /// [hold](Self::holds), so does what they say of themselves.
    pub(super) fn changes() -> usize {
        CHANGES.load(Ordering::Acquire)
    }

    /// For how long it stays as it is, unless it changes by what happens: zero while it rises.
    pub(super) fn holds(&self, slow_start: Duration, now: Instant) -> Duration {
        let trouble = self.trouble.load(Ordering::Relaxed);
        if trouble & RISING != 0 && !slow_start.is_zero() {
            return Duration::ZERO;
        }
        if trouble & EJECTED == 0 {
            return Duration::MAX;
        }
        let until = self.rare().ejected_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// A request goes to it.
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.add();
        InFlight(self)
    }

    /// How many requests are with it.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// The count of those, for whoever compares many.
    pub(super) fn load(&self) -> Load {
        self.in_flight.clone()
    }

    /// A connection to it was made.
    pub fn connected(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    /// How many connections there are to it.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// A number that one place alone writes: how many connections idle there. It counts for as long as it lives.
    #[must_use]
    pub fn idle_place(&self) -> Arc<AtomicUsize> {
        let place = Arc::new(AtomicUsize::new(0));
        let mut rare = self.rare();
        rare.idle.retain(|place| place.strong_count() > 0);
        rare.idle.push(Arc::downgrade(&place));
        place
    }

    /// How many connections to it idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        let rare = self.rare();
        let places = rare.idle.iter().filter_map(Weak::upgrade);
        places.map(|place| place.load(Ordering::Relaxed)).sum()
    }

    /// Its probes do not fail.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.trouble.load(Ordering::Relaxed) & DOWN == 0
    }

    /// It gets nothing new.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.trouble.load(Ordering::Relaxed) & DRAINING != 0
    }

    /// It is left alone, for now.
    #[must_use]
    pub fn is_ejected(&self, now: Instant) -> bool {
        if self.trouble.load(Ordering::Relaxed) & EJECTED == 0 {
            return false;
        }
        let mut rare = self.rare();
        if rare.ejected_until.is_some_and(|until| now < until) {
            return true;
        }
        rare.ejected_until = None;
        rare.up_since = Some(now);
        self.set(EJECTED, false);
        self.set(RISING, true);
        false
    }

    /// Requests may go to it.
    #[must_use]
    pub fn is_usable(&self, now: Instant) -> bool {
        let trouble = self.trouble.load(Ordering::Relaxed);
        trouble & !RISING == 0 || (trouble & (DOWN | DRAINING) == 0 && !self.is_ejected(now))
    }

    /// How many requests of its weight it gets, in parts of [`State::WHOLE`]: fewer for the time of `slow_start` since
    /// it has come back.
    #[must_use]
    pub fn share(&self, slow_start: Duration, now: Instant) -> u32 {
        if self.trouble.load(Ordering::Relaxed) & RISING == 0 || slow_start.is_zero() {
            return Self::WHOLE;
        }
        let up = self.rare().up_since;
        let up = up.map_or(slow_start, |since| now.saturating_duration_since(since));
        if up >= slow_start {
            self.set(RISING, false);
            return Self::WHOLE;
        }
        let part = up.as_millis() * u128::from(Self::WHOLE) / slow_start.as_millis().max(1);
        u32::try_from(part).unwrap_or(Self::WHOLE).max(SHARE_MIN)
    }

    /// A probe went well or not. After `rise` good ones, or `fall` bad ones, in a row it is otherwise than before: then
    /// this says how.
    pub fn probed(&self, is_well: bool, rise: u32, fall: u32, now: Instant) -> Option<bool> {
        let mut rare = self.rare();
        if is_well == self.is_healthy() {
            rare.against = 0;
            return None;
        }
        rare.against += 1;
        if rare.against < if is_well { rise } else { fall } {
            return None;
        }
        rare.against = 0;
        if is_well {
            rare.up_since = Some(now);
            self.set(RISING, true);
        }
        self.set(DOWN, !is_well);
        Some(is_well)
    }

    /// Nobody probes it any more.
    pub fn unprobed(&self) {
        self.rare().against = 0;
        self.set(DOWN, false);
    }

    /// Gives it nothing new, or something again. False: so it was already.
    pub fn set_draining(&self, is_draining: bool, now: Instant) -> bool {
        if !is_draining && self.is_draining() {
            self.rare().up_since = Some(now);
            self.set(RISING, true);
        }
        self.set(DRAINING, is_draining)
    }

    /// A request to it went well.
    pub fn succeeded(&self) {
        if self.failing.load(Ordering::Relaxed) != 0 {
            self.failing.store(0, Ordering::Relaxed);
        }
    }

    /// A request to it failed by its doing. True: it is left alone from now on, by the rules of `eject`. `peers` are all
    /// of the upstream's endpoints, this one among them.
    pub fn failed<'a>(
        &self,
        eject: Option<&Eject>,
        now: Instant,
        peers: impl Iterator<Item = &'a Self>,
    ) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let Some(eject) = eject else { return false };
        let (mut count, mut ejected) = (0_usize, 0_usize);
        for peer in peers {
            count += 1;
            ejected += usize::from(!std::ptr::eq(peer, self) && peer.is_ejected(now));
        }
        let mut rare = self.rare();
        let first = rare.first_failure;
        let is_row = self.failing.load(Ordering::Relaxed) > 0
            && first.is_some_and(|at| now.saturating_duration_since(at) <= eject.within);
        if !is_row {
            rare.first_failure = Some(now);
            self.failing.store(0, Ordering::Relaxed);
        }
        let failing = self.failing.fetch_add(1, Ordering::Relaxed) + 1;
        let most = (count * eject.max_percent as usize / 100).max(1);
        let is_ejected = self.trouble.load(Ordering::Relaxed) & EJECTED != 0;
        if failing < eject.failures as usize || is_ejected || count < 2 || ejected >= most {
            return false;
        }
        self.failing.store(0, Ordering::Relaxed);
        rare.ejected_until = Some(clock::later(now, eject.time));
        self.ejections.fetch_add(1, Ordering::Relaxed);
        self.set(EJECTED, true)
    }

    /// How many requests failed by its doing.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    /// How many times it was left alone.
    #[must_use]
    pub fn ejections(&self) -> usize {
        self.ejections.load(Ordering::Relaxed)
    }

    fn millis(&self, now: Instant) -> usize {
        let age = now.saturating_duration_since(self.since);
        let millis = age.as_secs().saturating_mul(1000) + u64::from(age.subsec_millis());
        usize::try_from(millis).unwrap_or(usize::MAX)
    }

    /// It took so long to answer. What is longer than before counts at once, what is shorter little by little.
    pub fn observe(&self, latency: Duration, now: Instant) {
        let seen = usize::try_from(latency.as_micros())
            .unwrap_or(usize::MAX)
            .max(1);
        let millis = self.millis(now);
        let faded = self.latency(millis);
        self.latency.store(faded.max(seen), Ordering::Relaxed);
        self.latency_at.store(millis, Ordering::Relaxed);
    }

    /// Its latency in microseconds, faded by the time up to these milliseconds.
    fn latency(&self, millis: usize) -> usize {
        let latency = self.latency.load(Ordering::Relaxed);
        let at = self.latency_at.load(Ordering::Relaxed);
        faded(latency, millis.saturating_sub(at))
    }

    /// How long a further request would take, as far as anyone can tell. One of which nothing is known is tried; until
    /// that is answered, everybody else is better: it may never be.
    #[must_use]
    pub fn cost(&self, now: Instant) -> usize {
        let in_flight = self.in_flight();
        let millis = self.millis(now);
        if in_flight == 0 {
            return self.latency(millis);
        }
        match self.latency.load(Ordering::Relaxed) {
            0 => (usize::MAX / 2).saturating_add(in_flight),
            // However long ago it was seen, what it has to do counts.
            _ => self.latency(millis).max(1).saturating_mul(in_flight + 1),
        }
    }
}

/// What is left of a number that was seen `age` milliseconds ago: half after [`HALF_LIFE`], a quarter after twice that,
/// and between those points on a straight line.
fn faded(number: usize, age: usize) -> usize {
    const HALF: usize = HALF_LIFE.as_millis() as usize;
    let (halves, rest) = (age / HALF, age % HALF);
    let halved = u32::try_from(halves).ok();
    let whole = halved.and_then(|halves| number.checked_shr(halves));
    let whole = whole.unwrap_or(0);
    let less = (whole as u64 / 2).saturating_mul(rest as u64) / HALF as u64;
    whole - usize::try_from(less).unwrap_or(whole).min(whole)
}
