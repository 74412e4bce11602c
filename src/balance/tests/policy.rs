use crate::balance::policy::RoundRobin;

fn picks(turns: &RoundRobin, weights: &[u32], count: usize) -> Vec<usize> {
    let pick = |_| turns.pick_by(|index| weights[index]);
    (0..count).filter_map(pick).collect()
}

#[test]
fn every_endpoint_has_its_turn() {
    let turns = RoundRobin::new([1; 3], 1);
    assert_eq!(picks(&turns, &[1; 3], 6), [1, 2, 0, 1, 2, 0]);
}

#[test]
fn without_endpoints_or_weights_there_is_none() {
    assert_eq!(picks(&RoundRobin::new([], 7), &[], 1), [0_usize; 0]);
    assert_eq!(picks(&RoundRobin::new([0, 0], 3), &[0, 0], 1), [0_usize; 0]);
}

#[test]
fn turns_go_by_weight_and_are_spread() {
    let weights = [5, 1, 1, 0];
    let turns = RoundRobin::new(weights, 0);
    assert_eq!(picks(&turns, &weights, 7), [0, 0, 1, 0, 2, 0, 0]);
}

proptest::proptest! {
    #[test]
    fn every_round_keeps_the_weights(weights in proptest::collection::vec(0..20_u32, 1..8), first in 0..20_usize) {
        let turns = RoundRobin::new(weights.iter().copied(), first);
        let round: u32 = weights.iter().sum();
        let mut counts = vec![0; weights.len()];
        for index in picks(&turns, &weights, round as usize) {
            counts[index] += 1;
        }
        proptest::prop_assert_eq!(counts, weights);
    }
}
