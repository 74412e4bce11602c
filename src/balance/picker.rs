//! One worker's choice among the endpoints of one upstream.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hash;
use super::policy::{Policy, RoundRobin};
use super::state::State;

/// An endpoint to choose.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it is called; keys are given to names.
    pub name: Arc<str>,
    /// How much it gets, beside the others. 0: nothing.
    pub weight: u32,
    /// It gets something only when all that are none are out.
    pub backup: bool,
    /// What the process knows of it.
    pub state: Arc<State>,
}

/// What is asked of a [`Picker`].
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// When.
    pub now: Instant,
    /// Whose request it is, for [`Policy::Hash`].
    pub key: &'a [u8],
    /// The endpoints that were tried already: they are taken only where there is no other.
    pub avoid: &'a [usize],
    /// The endpoint that the client had before.
    pub preferred: Option<usize>,
}

/// Picks endpoints.
#[derive(Debug)]
pub struct Picker {
    policy: Policy,
    candidates: Vec<Candidate>,
    /// A number for each name.
    seeds: Vec<u64>,
    slow_start: Duration,
    turns: RoundRobin,
    /// All have the same weight, which is not 0.
    is_even: bool,
    drawn: Cell<u64>,
}

impl Picker {
    /// `turn`: with which endpoint this worker begins.
    #[must_use]
    pub fn new(
        policy: Policy,
        candidates: Vec<Candidate>,
        slow_start: Duration,
        turn: usize,
    ) -> Self {
        let weights = candidates.iter().map(|it| it.weight);
        let first = candidates.first().map_or(0, |it| it.weight);
        Self {
            policy,
            seeds: candidates
                .iter()
                .map(|it| hash::of(it.name.as_bytes()))
                .collect(),
            turns: RoundRobin::new(weights, turn),
            is_even: first > 0 && candidates.iter().all(|it| it.weight == first),
            candidates,
            slow_start,
            drawn: Cell::new(hash::mixed(turn as u64)),
        }
    }

    /// It goes by keys.
    #[must_use]
    pub fn needs_key(&self) -> bool {
        self.policy == Policy::Hash
    }

    /// It goes by how long answers took.
    #[must_use]
    pub fn needs_latency(&self) -> bool {
        self.policy == Policy::Ewma
    }

    /// Picks an endpoint. `None`: there is none that may have anything.
    #[must_use]
    pub fn pick(&self, ask: &Ask<'_>) -> Option<usize> {
        let all = &self.candidates;
        if let [only] = all.as_slice() {
            return (only.weight > 0 && !only.state.is_draining()).then_some(0);
        }
        let is_usable = |at: usize| all.get(at).is_some_and(|it| it.state.is_usable(ask.now));
        let is_fresh = |at: usize| !ask.avoid.contains(&at);
        let is_backup = |at: usize| all.get(at).is_some_and(|it| it.backup);
        let is_staying = |at: usize| all.get(at).is_some_and(|it| !it.state.is_draining());
        if let Some(at) = ask.preferred.filter(|at| is_fresh(*at)) {
            // One that drains keeps those who are there.
            if all.get(at).is_some_and(|it| {
                it.weight > 0 && it.state.is_healthy() && !it.state.is_ejected(ask.now)
            }) {
                return Some(at);
            }
        }
        self.choose(ask, |at| is_fresh(at) && !is_backup(at) && is_usable(at))
            .or_else(|| self.choose(ask, |at| is_fresh(at) && is_backup(at) && is_usable(at)))
            .or_else(|| self.choose(ask, |at| !is_backup(at) && is_usable(at)))
            .or_else(|| self.choose(ask, is_usable))
            // All are out: it is more likely that we are wrong than that nobody is there.
            .or_else(|| self.choose(ask, |at| is_fresh(at) && is_staying(at)))
            .or_else(|| self.choose(ask, is_staying))
    }

    fn choose(&self, ask: &Ask<'_>, may: impl Fn(usize) -> bool) -> Option<usize> {
        let may = |at: usize| may(at) && self.weight(at, ask.now) > 0;
        match self.policy {
            Policy::RoundRobin => self.turns.pick_by(|at| match may(at) {
                true => self.weight(at, ask.now),
                false => 0,
            }),
            Policy::First => (0..self.candidates.len()).find(|at| may(*at)),
            Policy::Random => self.draw(ask.now, &may, None),
            Policy::LeastConn => {
                let load = |at: usize| self.load(at, ask.now, |state| state.in_flight() + 1);
                let count = self.candidates.len();
                let first = usize::try_from(self.number() % count.max(1) as u64).unwrap_or(0);
                // Of equals a different one each time.
                let from_there = (first..count).chain(0..first).filter(|at| may(*at));
                from_there.min_by(|a, b| load(*a).total_cmp(&load(*b)))
            }
            Policy::P2c => self.better(ask.now, &may, |state| state.in_flight() + 1),
            Policy::Ewma => self.better(ask.now, &may, |state| state.cost(ask.now) + 1),
            Policy::Hash => {
                let key = hash::of(ask.key);
                let fitness = |at: usize| {
                    let seed = self.seeds.get(at).copied().unwrap_or(0);
                    let number = hash::mixed(key ^ seed);
                    match self.is_even {
                        true => number as f64,
                        false => hash::fitness(number, self.weight(at, ask.now)),
                    }
                };
                let all = (0..self.candidates.len()).filter(|at| may(*at));
                let fits = all.map(|at| (at, fitness(at)));
                fits.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
            }
        }
    }

    /// The weight of one, less while it has just come back.
    fn weight(&self, at: usize, now: Instant) -> u32 {
        let Some(it) = self.candidates.get(at) else {
            return 0;
        };
        if it.weight == 0 || self.slow_start.is_zero() {
            return it.weight;
        }
        let share = u64::from(it.state.share(self.slow_start, now));
        // In finer parts, so that a weight of 1 has some too.
        u32::try_from(u64::from(it.weight) * share)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    fn load(&self, at: usize, now: Instant, of: impl Fn(&State) -> usize) -> f64 {
        let state = self.candidates.get(at).map(|it| &*it.state);
        state.map_or(f64::MAX, of_weight(of, self.weight(at, now)))
    }

    /// The one of two, drawn by weight, that has less to do.
    fn better(
        &self,
        now: Instant,
        may: &impl Fn(usize) -> bool,
        of: impl Fn(&State) -> usize + Copy,
    ) -> Option<usize> {
        let one = self.draw(now, may, None)?;
        let Some(other) = self.draw(now, may, Some(one)) else {
            return Some(one);
        };
        // Both were drawn by their weights already.
        let load = |at: usize| {
            self.candidates
                .get(at)
                .map_or(usize::MAX, |it| of(&it.state))
        };
        Some(if load(other) < load(one) { other } else { one })
    }

    /// One that is drawn by weight.
    fn draw(
        &self,
        now: Instant,
        may: &impl Fn(usize) -> bool,
        but: Option<usize>,
    ) -> Option<usize> {
        const TRIES: usize = 4;
        let count = self.candidates.len() as u64;
        let may = |at: usize| but != Some(at) && may(at);
        if self.is_even && self.slow_start.is_zero() {
            for _ in 0..TRIES {
                let at = usize::try_from(self.number() % count.max(1)).unwrap_or(0);
                if may(at) {
                    return Some(at);
                }
            }
        }
        let weight = |at: usize| {
            if may(at) {
                u64::from(self.weight(at, now))
            } else {
                0
            }
        };
        let total: u64 = (0..self.candidates.len()).map(weight).sum();
        let mut left = self.number().checked_rem(total)?;
        (0..self.candidates.len()).find(|at| {
            let weight = weight(*at);
            let is_it = left < weight;
            left = left.saturating_sub(weight);
            is_it
        })
    }

    /// A number drawn from all there are.
    fn number(&self) -> u64 {
        let number = self.drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.drawn.set(number);
        hash::mixed(number)
    }
}

/// What `of` says of a state, for each part of the weight.
fn of_weight(of: impl Fn(&State) -> usize, weight: u32) -> impl Fn(&State) -> f64 {
    move |state| of(state) as f64 / f64::from(weight.max(1))
}
