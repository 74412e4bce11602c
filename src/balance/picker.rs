//! One worker's choice among the endpoints of one upstream.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hash::{self, Fitness, Seed};
use super::load::Load;
use super::policy::{Policy, RoundRobin};
use super::state::State;
use crate::clock;

/// An endpoint to choose.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it is called; keys are given to names.
    pub name: Arc<str>,
    /// How much it gets, beside the others. 0: nothing.
    pub weight: u32,
    /// It gets something only when all of lower tiers are out. 0: at once.
    pub tier: u16,
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
    seeds: Vec<Seed>,
    /// The tiers there are, the lowest first.
    tiers: Vec<u16>,
    /// How much each has to do, beside one another.
    loads: Vec<Load>,
    slow_start: Duration,
    turns: RoundRobin,
    /// Who may have something, while nothing has changed.
    roster: RefCell<Roster>,
    drawn: Cell<u64>,
}

/// Who may have something, and how much.
#[derive(Debug, Default)]
struct Roster {
    /// A weight for each candidate, less while it has just come back. 0: it gets nothing.
    weights: Vec<u32>,
    /// For each candidate its weight and those of all before it.
    sums: Vec<u64>,
    /// Those that are not 0 are all the same.
    is_even: bool,
    /// Those that are not 0, the greatest first, with whose they are; for [`Policy::Hash`] only.
    classes: Vec<Class>,
    /// How many changes there had been when this was made, and until when it holds if there is none.
    holds: Option<(usize, Instant)>,
}

/// Candidates of the same weight: of them the greatest number fits a key best.
#[derive(Debug)]
struct Class {
    weight: u32,
    /// The number of each's name.
    seeds: Vec<Seed>,
    /// Which each is.
    members: Vec<usize>,
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
        let mut tiers: Vec<u16> = candidates.iter().map(|it| it.tier).collect();
        tiers.sort_unstable();
        tiers.dedup();
        Self {
            policy,
            tiers,
            seeds: candidates
                .iter()
                .map(|it| Seed::of(it.name.as_bytes()))
                .collect(),
            loads: candidates.iter().map(|it| it.state.load()).collect(),
            turns: RoundRobin::new(weights, turn),
            candidates,
            slow_start,
            roster: RefCell::default(),
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
        if let Some(at) = ask.preferred.filter(|at| !ask.avoid.contains(at)) {
            // One that drains keeps those who are there.
            if all.get(at).is_some_and(|it| {
                it.weight > 0 && it.state.is_healthy() && !it.state.is_ejected(ask.now)
            }) {
                return Some(at);
            }
        }
        if !ask.avoid.is_empty() {
            return self.choose(ask, &self.roster(ask));
        }
        let mut roster = self.roster.borrow_mut();
        if !roster
            .holds
            .is_some_and(|(changes, until)| changes == State::changes() && ask.now < until)
        {
            *roster = self.roster(ask);
        }
        self.choose(ask, &roster)
    }

    /// Who may have something now: those of the first tier in which there is somebody who was not tried yet, or else of
    /// the first in which there is somebody at all.
    fn roster(&self, ask: &Ask<'_>) -> Roster {
        // Before anything is looked at: what changes meanwhile is seen the next time.
        let changes = State::changes();
        let tiers = || self.tiers.iter().map(|tier| Some(*tier));
        let usable = [true, false].into_iter().flat_map(|is_fresh| {
            let tiers = tiers();
            tiers.map(move |tier| (is_fresh, tier))
        });
        // All are out: it is more likely that we are wrong than that nobody is there.
        let doubtful = [(true, None), (false, None)];
        let mut weights = Vec::with_capacity(self.candidates.len());
        for (is_fresh, tier) in usable.chain(doubtful) {
            weights.clear();
            weights.extend(self.candidates.iter().enumerate().map(|(at, it)| {
                let may = match tier {
                    Some(tier) => it.tier == tier && it.state.is_usable(ask.now),
                    None => !it.state.is_draining(),
                };
                let may = may && !(is_fresh && ask.avoid.contains(&at));
                if may { self.weight(it, ask.now) } else { 0 }
            }));
            if weights.iter().any(|weight| *weight > 0) {
                break;
            }
        }
        let mut some = weights.iter().filter(|weight| **weight > 0);
        let first = some.next();
        let is_even = some.all(|weight| Some(weight) == first);
        let mut sum = 0;
        let sums = weights.iter().map(|weight| {
            sum += u64::from(*weight);
            sum
        });
        let all = self.candidates.iter();
        let hold = all.map(|it| it.state.holds(self.slow_start, ask.now));
        let hold = hold.min().unwrap_or(Duration::ZERO);
        Roster {
            sums: sums.collect(),
            is_even,
            classes: match self.policy {
                Policy::Hash => self.classes(&weights),
                _ => Vec::new(),
            },
            holds: (!hold.is_zero()).then(|| (changes, clock::later(ask.now, hold))),
            weights,
        }
    }

    /// The candidates by weight, the heaviest first.
    fn classes(&self, weights: &[u32]) -> Vec<Class> {
        let mut classes: BTreeMap<Reverse<u32>, (Vec<Seed>, Vec<usize>)> = BTreeMap::new();
        let all = weights.iter().zip(&self.seeds).enumerate();
        for (at, (weight, seed)) in all.filter(|(_, (weight, _))| **weight > 0) {
            let (seeds, members) = classes.entry(Reverse(*weight)).or_default();
            seeds.push(*seed);
            members.push(at);
        }
        let class = |(Reverse(weight), (seeds, members))| Class {
            weight,
            seeds,
            members,
        };
        classes.into_iter().map(class).collect()
    }

    fn choose(&self, ask: &Ask<'_>, roster: &Roster) -> Option<usize> {
        match self.policy {
            Policy::RoundRobin if roster.is_even => {
                self.turns.pick_even(|at| roster.weight(at) > 0)
            }
            Policy::RoundRobin => self.turns.pick_by(|at| roster.weight(at)),
            Policy::First => (0..self.candidates.len()).find(|at| roster.weight(*at) > 0),
            Policy::Random => self.draw(roster, None),
            Policy::LeastConn => self.least(roster),
            Policy::P2c => self.better(roster, |state| state.in_flight()),
            Policy::Ewma => self.better(roster, |state| state.cost(ask.now)),
            Policy::Hash => self.fittest(roster, hash::of(ask.key)),
        }
    }

    /// The weight of one, less while it has just come back.
    fn weight(&self, it: &Candidate, now: Instant) -> u32 {
        if it.weight == 0 || self.slow_start.is_zero() {
            return it.weight;
        }
        let share = u64::from(it.state.share(self.slow_start, now));
        // In finer parts, so that a weight of 1 has some too.
        u32::try_from(u64::from(it.weight) * share)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// The one that has the fewest requests for its weight.
    fn least(&self, roster: &Roster) -> Option<usize> {
        let count = self.loads.len();
        let first = usize::try_from(self.number() % count.max(1) as u64).unwrap_or(0);
        let mut best: Option<(usize, u64, u64)> = None;
        // Of equals a different one each time.
        for range in [first..count, 0..first] {
            let loads = self.loads.get(range.clone()).unwrap_or_default();
            let weights = roster.weights.get(range.clone()).unwrap_or_default();
            for (at, (load, weight)) in range.zip(loads.iter().zip(weights)) {
                let (load, weight) = (load.get() as u64 + 1, u64::from(*weight));
                let is_less = |least: u64, of: u64| match roster.is_even {
                    true => load < least,
                    false => load.saturating_mul(of) < least.saturating_mul(weight),
                };
                if weight == 0 || !best.is_none_or(|(_, least, of)| is_less(least, of)) {
                    continue;
                }
                if load == 1 && roster.is_even {
                    // Nobody has less.
                    return Some(at);
                }
                best = Some((at, load, weight));
            }
        }
        best.map(|(at, ..)| at)
    }

    /// The one that fits this key best.
    fn fittest(&self, roster: &Roster, key: u64) -> Option<usize> {
        let (first, others) = roster.classes.split_first()?;
        let (number, mut best) = first.greatest(key)?;
        if others.is_empty() {
            return Some(best);
        }
        let mut fitness = Fitness::of(number, first.weight);
        for class in others {
            let (number, at) = class.greatest(key)?;
            let other = Fitness::of(number, class.weight);
            if other.is_better_than(fitness) {
                (fitness, best) = (other, at);
            }
        }
        Some(best)
    }

    /// The one of two, drawn by weight, that has less to do.
    fn better(&self, roster: &Roster, of: impl Fn(&State) -> usize) -> Option<usize> {
        let one = self.draw(roster, None)?;
        let Some(other) = self.draw(roster, Some(one)) else {
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
    fn draw(&self, roster: &Roster, but: Option<usize>) -> Option<usize> {
        const TRIES: usize = 8;
        let total = roster.sums.last().copied().unwrap_or(0);
        for _ in 0..TRIES {
            let drawn = self.number().checked_rem(total)?;
            let at = roster.sums.partition_point(|sum| *sum <= drawn);
            if but != Some(at) {
                return Some(at);
            }
        }
        // It is nearly the only one.
        (0..self.candidates.len()).find(|at| but != Some(*at) && roster.weight(*at) > 0)
    }

    /// A number drawn from all there are.
    fn number(&self) -> u64 {
        let number = self.drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.drawn.set(number);
        hash::mixed(number)
    }
}

impl Class {
    /// The greatest number that this key and a member make, in its upper half, and which member that is.
    fn greatest(&self, key: u64) -> Option<(u64, usize)> {
        const MEMBER: u64 = u32::MAX as u64;
        // Which member it is goes along in the lower half: a maximum of numbers has no branch that is guessed wrong.
        let mut greatest = 0;
        for (member, seed) in self.seeds.iter().enumerate() {
            greatest = greatest.max(seed.with(key) & !MEMBER | member as u64);
        }
        let member = usize::try_from(greatest & MEMBER).ok()?;
        Some((greatest, *self.members.get(member)?))
    }
}

impl Roster {
    fn weight(&self, at: usize) -> u32 {
        self.weights.get(at).copied().unwrap_or(0)
    }
}
