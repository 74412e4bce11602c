use proptest::prelude::*;

use crate::balance::hash::Fitness;

/// `-weight / ln(part)`, with the part that a number is.
fn fitness(number: u64, weight: u32) -> f64 {
    let part = ((number >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    -f64::from(weight) / part.ln()
}

proptest! {
    /// The way around the logarithm leads where the logarithm does, for numbers far from and near to the greatest.
    #[test]
    fn who_fits_better_is_who_has_the_greater_fitness(
        one in any::<u64>(),
        other in any::<u64>(),
        near in 0_u32..64,
        weights in (1..1000_u32, 1..1000_u32),
    ) {
        for (one, other) in [(one, other), (!(one >> near), !(other >> near)), (one >> near, other)] {
            let (left, right) = (fitness(one, weights.0), fitness(other, weights.1));
            prop_assume!((left - right).abs() > 1e-6 * left.max(right));
            let is_better = Fitness::of(one, weights.0).is_better_than(Fitness::of(other, weights.1));
            prop_assert_eq!(is_better, left > right, "{} {}", left, right);
        }
    }
}
