//! Shares: which of several places a request goes to, by weight.

/// Places with weights, for instance `9` and `1` for a canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// The sums of the weights up to each place, itself included; never falling.
    sums: Vec<u64>,
}

impl Split {
    /// Places of these weights. A weight of 0 is never picked.
    #[must_use]
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let sums = weights.into_iter().scan(0_u64, |sum, weight| {
            *sum += u64::from(weight);
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// The place that `draw`, a number drawn from all there are, falls on. `None` where all weights are 0.
    #[must_use]
    pub fn pick(&self, draw: u32) -> Option<usize> {
        let total = *self.sums.last()?;
        if self.sums.len() == 1 {
            return (total > 0).then_some(0);
        }
        // The draw as a fraction of all draws, times the total: no place gets more than its share by a remainder.
        let at = u64::try_from((u128::from(draw) * u128::from(total)) >> 32).unwrap_or(0);
        let place = self.sums.partition_point(|sum| *sum <= at);
        (place < self.sums.len()).then_some(place)
    }
}
