use crate::balance::policy::RoundRobin;

#[test]
fn every_endpoint_has_its_turn() {
    let turns = RoundRobin::new(3, 1);
    let picked: Vec<_> = (0..6).filter_map(|_| turns.pick(&[])).collect();
    assert_eq!(picked, [1, 2, 0, 1, 2, 0]);
}

#[test]
fn what_was_tried_is_passed_over_while_there_is_another() {
    let turns = RoundRobin::new(3, 0);
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
    assert_eq!(RoundRobin::new(0, 7).pick(&[]), None);
}
