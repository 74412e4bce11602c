//! How one of an upstream's endpoints is picked.

use std::cell::{Cell, RefCell};

/// How one is picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Each in its turn, by weight.
    #[default]
    RoundRobin,
    /// Whoever has the fewest requests for its weight.
    LeastConn,
    /// Of two that are drawn, whoever has fewer requests.
    P2c,
    /// Of two that are drawn, whoever would answer sooner, by how long it took lately.
    Ewma,
    /// Whoever is drawn.
    Random,
    /// The first that is well.
    First,
    /// Whoever fits the request's key best (rendezvous hashing).
    Hash,
}

impl Policy {
    /// Those that need no key, with their names.
    pub const WORDS: [(&str, Self); 6] = [
        ("round_robin", Self::RoundRobin),
        ("least_conn", Self::LeastConn),
        ("p2c", Self::P2c),
        ("ewma", Self::Ewma),
        ("random", Self::Random),
        ("first", Self::First),
    ];
}

/// Each endpoint in its turn; one of twice the weight has twice the turns, spread as evenly as can be.
///
/// The smooth weighted round robin: every pick gives each endpoint its weight as credit, takes the one that has most,
/// and has it pay for all.
#[derive(Debug)]
pub struct RoundRobin {
    turns: RefCell<Vec<Turn>>,
    /// Whose turn it is where all weigh the same.
    next: Cell<usize>,
}

/// An endpoint's.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    /// What it has earned and not spent. Over all endpoints the sum is 0.
    credit: i64,
}

impl RoundRobin {
    /// Turns over endpoints of these weights, `first` picks on (workers begin at different ones).
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u32>, first: usize) -> Self {
        let weights: Vec<u32> = weights.into_iter().collect();
        let picks = first.checked_rem(weights.len()).unwrap_or(0);
        let this = Self {
            turns: RefCell::new(vec![Turn::default(); weights.len()]),
            next: Cell::new(picks),
        };
        for _ in 0..picks {
            this.pick_by(|index| weights.get(index).copied().unwrap_or(0));
        }
        this
    }

    /// Picks the next of those whose weight, as it is now, is not 0.
    pub fn pick_by(&self, weight: impl Fn(usize) -> u32) -> Option<usize> {
        spend(&mut self.turns.borrow_mut(), weight)
    }

    /// Picks the next of those that `has` a weight, which is the same for all of them: what [`RoundRobin::pick_by`] would
    /// come to, without a walk over all.
    pub fn pick_even(&self, has: impl Fn(usize) -> bool) -> Option<usize> {
        let (count, next) = (self.turns.borrow().len(), self.next.get());
        let index = (next..count).chain(0..next).find(|index| has(*index))?;
        self.next.set((index + 1) % count);
        Some(index)
    }
}

/// One pick among those that have a weight.
///
/// What credits add up to is bounded by the weights, which are 32 bits each: 64 bits hold it.
fn spend(turns: &mut [Turn], weight: impl Fn(usize) -> u32) -> Option<usize> {
    let (mut total, mut most) = (0_i64, i64::MIN);
    // Without a branch for each, and so in two walks: the first only looks how much the best one has.
    for (index, turn) in turns.iter_mut().enumerate() {
        let weight = i64::from(weight(index));
        total = total.wrapping_add(weight);
        turn.credit = turn.credit.wrapping_add(weight);
        most = most.max(if weight > 0 { turn.credit } else { i64::MIN });
    }
    // Of equals the first.
    let mut all = turns.iter_mut().enumerate();
    let (index, turn) = all.find(|(index, turn)| turn.credit == most && weight(*index) > 0)?;
    turn.credit = most.wrapping_sub(total);
    Some(index)
}
