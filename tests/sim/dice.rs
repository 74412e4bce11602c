//! Where everything that happens by chance comes from: one seed, or octets that somebody chose.
//!
//! Whoever draws has a clone of the same dice, so the draws of a run are one sequence. Octets that were given are used
//! first (a fuzzer steers with them), and what a seed makes comes behind them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// The dice of one run. Cloned, they are the same.
#[derive(Clone)]
pub(crate) struct Dice(Rc<RefCell<Source>>);

struct Source {
    /// Of the generator (splitmix64).
    state: u64,
    /// Used before it.
    chosen: VecDeque<u8>,
}

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self::chosen(seed, &[])
    }

    /// Dice that fall as these octets say, for as long as there are some.
    pub(crate) fn chosen(seed: u64, octets: &[u8]) -> Self {
        Self(Rc::new(RefCell::new(Source {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d,
            chosen: octets.iter().copied().collect(),
        })))
    }

    /// A number from all there are.
    pub(crate) fn number(&self) -> u64 {
        let mut source = self.0.borrow_mut();
        source.state = source.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = source.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub(crate) fn below(&self, end: usize) -> usize {
        let chosen = self.0.borrow_mut().chosen.pop_front();
        let number = chosen.map_or_else(|| self.number(), u64::from);
        number.checked_rem(end as u64).unwrap_or(0) as usize
    }

    /// A number from `first` to `last`.
    pub(crate) fn between(&self, first: usize, last: usize) -> usize {
        first + self.below(last.saturating_sub(first) + 1)
    }

    /// True `percent` times of a hundred.
    pub(crate) fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A duration of whole milliseconds.
    pub(crate) fn millis(&self, first: usize, last: usize) -> Duration {
        Duration::from_millis(self.between(first, last) as u64)
    }

    /// Any octets.
    pub(crate) fn octets(&self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}
