use crate::balance::policy::RoundRobin;

#[test]
fn every_endpoint_has_its_turn() {
    let turns = RoundRobin::new([1; 3], 1);
    let picked: Vec<_> = (0..6).filter_map(|_| turns.pick(&[])).collect();
    assert_eq!(picked, [1, 2, 0, 1, 2, 0]);
}

#[test]
fn what_was_tried_is_passed_over_while_there_is_another() {
    let turns = RoundRobin::new([1; 3], 0);
    assert_eq!(turns.pick(&[0]), Some(1));
    assert_eq!(turns.pick(&[2, 0]), Some(1));
    assert_eq!(
        turns.pick(&[0, 1, 2]),
        Some(2),
        "with all tried, the next in turn"
    );
}

#[test]
fn without_endpoints_there_is_none() {
    assert_eq!(RoundRobin::new([], 7).pick(&[]), None);
}

#[test]
fn turns_go_by_weight_and_are_spread() {
    let turns = RoundRobin::new([5, 1, 1, 0], 0);
    let picked: Vec<_> = (0..7).filter_map(|_| turns.pick(&[])).collect();
    assert_eq!(picked, [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(RoundRobin::new([0], 0).pick(&[]), None);
    assert_eq!(RoundRobin::new([0, 0], 3).pick(&[]), None);
}

proptest::proptest! {
    #[test]
    fn every_round_keeps_the_weights(weights in proptest::collection::vec(0..20_u32, 1..8), first in 0..20_usize) {
        let turns = RoundRobin::new(weights.iter().copied(), first);
        let round: u32 = weights.iter().sum();
        let mut counts = vec![0; weights.len()];
        for _ in 0..round {
            counts[turns.pick(&[]).unwrap()] += 1;
        }
        proptest::prop_assert_eq!(counts, weights);
    }
}
