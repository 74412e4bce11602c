//! How one of an upstream's endpoints is picked.

use std::cell::Cell;

/// Each endpoint in its turn.
#[derive(Debug)]
pub struct RoundRobin {
    /// How many endpoints there are.
    endpoint_count: usize,
    /// Whose turn it is.
    next: Cell<usize>,
}

impl RoundRobin {
    /// Turns over so many endpoints, beginning with `first` (workers begin at different ones).
    #[must_use]
    pub fn new(endpoint_count: usize, first: usize) -> Self {
        Self {
            endpoint_count,
            next: Cell::new(first.checked_rem(endpoint_count).unwrap_or(0)),
        }
    }

    /// Picks the next endpoint that is not in `avoid`, or, where all are, the next. `None` without endpoints.
    ///
    /// `avoid` holds the endpoints that this exchange has tried already.
    pub fn pick(&self, avoid: &[usize]) -> Option<usize> {
        if self.endpoint_count == 0 {
            return None;
        }
        let first = self.next.get();
        let turn = |offset: usize| (first + offset) % self.endpoint_count;
        let picked = (0..self.endpoint_count)
            .map(turn)
            .find(|index| !avoid.contains(index))
            .unwrap_or(first);
        self.next.set((picked + 1) % self.endpoint_count);
        Some(picked)
    }
}
