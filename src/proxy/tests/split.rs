use proptest::prelude::*;

use crate::proxy::split::Split;

#[test]
fn a_place_without_weight_is_never_picked() {
    let split = Split::new([0, 1, 0]);
    for draw in [0, 1, u32::MAX / 2, u32::MAX] {
        assert_eq!(split.pick(draw), Some(1));
    }
    assert_eq!(Split::new([0]).pick(7), None);
    assert_eq!(Split::new([0, 0]).pick(7), None);
    assert_eq!(Split::new([]).pick(7), None);
}

proptest! {
    #[test]
    fn shares_are_kept_to_a_request_in_a_hundred(weights in prop::collection::vec(0..100_u32, 1..6), first in any::<u32>()) {
        let split = Split::new(weights.iter().copied());
        let total: u32 = weights.iter().sum();
        let mut counts = vec![0_u32; weights.len()];
        const DRAWS: u32 = 10_000;
        for step in 0..DRAWS {
            // As a worker draws.
            let draw = first.wrapping_add(step.wrapping_mul(0x9e37_79b9));
            match split.pick(draw) {
                Some(place) => counts[place] += 1,
                None => prop_assert_eq!(total, 0),
            }
        }
        for (count, weight) in counts.iter().zip(&weights) {
            let share = f64::from(*weight) / f64::from(total.max(1));
            let got = f64::from(*count) / f64::from(DRAWS);
            prop_assert!((got - share).abs() < 0.01, "{} instead of {}", got, share);
        }
    }
}
