//! How one of an upstream's endpoints is picked.

use std::cell::RefCell;

/// Each endpoint in its turn; one of twice the weight has twice the turns, spread as evenly as can be.
///
/// The smooth weighted round robin: every pick gives each endpoint its weight as credit, takes the one that has most,
/// and has it pay for all.
#[derive(Debug)]
pub struct RoundRobin {
    turns: RefCell<Vec<Turn>>,
}

/// An endpoint's.
#[derive(Debug, Clone, Copy)]
struct Turn {
    /// 0: it is never picked.
    weight: u32,
    /// What it has earned and not spent. Over all endpoints the sum is 0.
    credit: i64,
}

impl RoundRobin {
    /// Turns over endpoints of these weights, `first` picks on (workers begin at different ones).
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u32>, first: usize) -> Self {
        let turn = |weight| Turn { weight, credit: 0 };
        let turns: Vec<_> = weights.into_iter().map(turn).collect();
        let picks = first.checked_rem(turns.len()).unwrap_or(0);
        let this = Self {
            turns: RefCell::new(turns),
        };
        for _ in 0..picks {
            this.pick(&[]);
        }
        this
    }

    /// Picks the next endpoint that is not in `avoid`, or, where all are, the next. `None` without endpoints.
    ///
    /// `avoid` holds the endpoints that this exchange has tried already.
    pub fn pick(&self, avoid: &[usize]) -> Option<usize> {
        let mut turns = self.turns.borrow_mut();
        if let [turn] = turns.as_slice() {
            return (turn.weight > 0).then_some(0);
        }
        spend(&mut turns, |index| !avoid.contains(&index)).or_else(|| spend(&mut turns, |_| true))
    }
}

/// One pick among those that `may` be picked.
fn spend(turns: &mut [Turn], may: impl Fn(usize) -> bool) -> Option<usize> {
    let mut total: i64 = 0;
    let mut best: Option<(usize, i64)> = None;
    for (index, turn) in turns.iter_mut().enumerate() {
        if turn.weight == 0 || !may(index) {
            continue;
        }
        total = total.saturating_add(i64::from(turn.weight));
        turn.credit = turn.credit.saturating_add(i64::from(turn.weight));
        // Of equals the first.
        if best.is_none_or(|(_, credit)| turn.credit > credit) {
            best = Some((index, turn.credit));
        }
    }
    let (index, credit) = best?;
    turns.get_mut(index)?.credit = credit.saturating_sub(total);
    Some(index)
}
