//! Who is picked, and who is not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balance::{Ask, Candidate, Eject, Picker, Policy, State};
use crate::clock;

const ALL: [Policy; 7] = [
    Policy::RoundRobin,
    Policy::LeastConn,
    Policy::P2c,
    Policy::Ewma,
    Policy::Random,
    Policy::First,
    Policy::Hash,
];

fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let one = |(index, weight): (usize, &u32)| Candidate {
        name: format!("10.0.0.{index}:80").into(),
        weight: *weight,
        tier: 0,
        state: Arc::new(State::default()),
    };
    weights.iter().enumerate().map(one).collect()
}

fn picker(policy: Policy, candidates: &[Candidate]) -> Picker {
    Picker::new(policy, candidates.to_vec(), Duration::ZERO, 0)
}

fn ask(now: Instant) -> Ask<'static> {
    Ask {
        now,
        key: b"",
        avoid: &[],
        preferred: None,
    }
}

/// How often each is picked, by requests of different keys.
fn counts(picker: &Picker, count: usize, picks: usize) -> Vec<usize> {
    let now = clock::now();
    let mut counts = vec![0; count];
    for key in 0..picks {
        let key = key.to_string();
        let ask = Ask {
            key: key.as_bytes(),
            ..ask(now)
        };
        counts[picker.pick(&ask).unwrap()] += 1;
    }
    counts
}

#[test]
fn shares_are_fair_to_a_hundredth() {
    for policy in ALL.into_iter().filter(|it| *it != Policy::First) {
        let all = candidates(&[1; 4]);
        for count in counts(&picker(policy, &all), 4, 400_000) {
            assert!(count.abs_diff(100_000) < 1000, "{policy:?}: {count}");
        }
    }
}

#[test]
fn shares_go_by_weight() {
    for policy in [Policy::RoundRobin, Policy::Random, Policy::Hash] {
        let all = candidates(&[1, 3, 0]);
        let counts = counts(&picker(policy, &all), 3, 400_000);
        assert!(counts[0].abs_diff(100_000) < 1000, "{policy:?}: {counts:?}");
        assert_eq!(counts[2], 0, "{policy:?}");
    }
    let all = candidates(&[1, 3]);
    let load: Vec<_> = (0..3).map(|_| all[1].state.begin()).collect();
    let busy = picker(Policy::LeastConn, &all);
    assert_eq!(busy.pick(&ask(clock::now())), Some(0), "one of 3 has 3");
    let _one = all[0].state.begin();
    assert_eq!(
        busy.pick(&ask(clock::now())),
        Some(1),
        "2 of 1 against 4 of 3"
    );
    drop(load);
    assert_eq!(all[1].state.in_flight(), 0);
}

#[test]
fn whoever_has_less_to_do_is_picked_of_two() {
    let all = candidates(&[1; 2]);
    let _busy = all[0].state.begin();
    let now = clock::now();
    for policy in [Policy::P2c, Policy::LeastConn] {
        let picker = picker(policy, &all);
        assert!(
            (0..50).all(|_| picker.pick(&ask(now)) == Some(1)),
            "{policy:?}"
        );
    }
    let (slow, fast) = (&all[0].state, &all[1].state);
    slow.observe(Duration::from_millis(200), now);
    fast.observe(Duration::from_millis(2), now);
    let ewma = picker(Policy::Ewma, &all);
    assert!((0..50).all(|_| ewma.pick(&ask(now)) == Some(1)));
    // What it was long ago counts for nothing, what it has to do still does.
    let later = now + Duration::from_secs(600);
    assert!(slow.cost(later) <= 2);
}

#[test]
fn when_one_leaves_only_its_keys_move() {
    let weights = [1, 2, 1, 3, 1];
    let all = candidates(&weights);
    let before = picker(Policy::Hash, &all);
    let mut fewer = all.clone();
    fewer.remove(2);
    let after = picker(Policy::Hash, &fewer);
    let now = clock::now();
    for key in 0..10_000 {
        let key = key.to_string();
        let ask = Ask {
            key: key.as_bytes(),
            ..ask(now)
        };
        let had = before.pick(&ask).unwrap();
        let has = after.pick(&ask).unwrap();
        if had != 2 {
            assert_eq!(all[had].name, fewer[has].name);
        }
    }
}

#[test]
fn what_was_tried_is_passed_over_while_there_is_another() {
    let all = candidates(&[1; 3]);
    let now = clock::now();
    for policy in ALL {
        let picker = picker(policy, &all);
        let avoiding = |avoid| picker.pick(&Ask { avoid, ..ask(now) });
        assert_eq!(avoiding(&[2, 0]), Some(1), "{policy:?}");
        assert!(avoiding(&[0, 1, 2]).is_some(), "{policy:?}");
    }
}

#[test]
fn backups_wait_until_all_others_are_out() {
    let mut all = candidates(&[1; 3]);
    all[2].tier = 1;
    let now = clock::now();
    for policy in ALL {
        let picker = picker(policy, &all);
        assert!(
            (0..20).all(|_| picker.pick(&ask(now)) != Some(2)),
            "{policy:?}"
        );
    }
    for one in &all[..2] {
        assert_eq!(one.state.probed(false, 1, 1, now), Some(false));
    }
    for policy in ALL {
        assert_eq!(picker(policy, &all).pick(&ask(now)), Some(2), "{policy:?}");
    }
    // And with that one out too, all are used, but for those that drain.
    all[2].state.probed(false, 1, 1, now);
    assert!(all[1].state.set_draining(true, now));
    for policy in ALL {
        let picker = picker(policy, &all);
        let picked: Vec<_> = (0..50)
            .filter_map(|key: u32| {
                let key = key.to_string();
                picker.pick(&Ask {
                    key: key.as_bytes(),
                    ..ask(now)
                })
            })
            .collect();
        assert_eq!(picked.len(), 50, "{policy:?}");
        assert!(!picked.contains(&1), "{policy:?}");
    }
}

#[test]
fn of_several_tiers_the_lowest_in_which_somebody_is_well_has_all() {
    let mut all = candidates(&[1; 4]);
    for (one, tier) in all.iter_mut().zip([7, 0, 7, 3]) {
        one.tier = tier;
    }
    let now = clock::now();
    for policy in ALL {
        let picker = picker(policy, &all);
        let avoiding = |avoid| picker.pick(&Ask { avoid, ..ask(now) });
        assert_eq!(avoiding(&[]), Some(1), "{policy:?}");
        assert_eq!(avoiding(&[1]), Some(3), "{policy:?}");
        assert_eq!(avoiding(&[3, 1, 0]), Some(2), "{policy:?}");
        assert_eq!(avoiding(&[0, 1, 2, 3]), Some(1), "{policy:?}");
    }
    all[1].state.probed(false, 1, 1, now);
    all[3].state.set_draining(true, now);
    for policy in ALL {
        let picker = picker(policy, &all);
        for _ in 0..20 {
            assert!(matches!(picker.pick(&ask(now)), Some(0 | 2)), "{policy:?}");
        }
    }
}

#[test]
fn one_of_which_nothing_is_known_gets_one_request_until_that_is_answered() {
    let all = candidates(&[1; 2]);
    let now = clock::now();
    let picker = picker(Policy::Ewma, &all);
    all[1].state.observe(Duration::from_millis(900), now);
    assert_eq!(picker.pick(&ask(now)), Some(0), "it may be better");
    let _unanswered = all[0].state.begin();
    assert!((0..50).all(|_| picker.pick(&ask(now)) == Some(1)));
}

#[test]
fn who_drains_keeps_only_those_who_were_there() {
    let all = candidates(&[1; 2]);
    let now = clock::now();
    all[0].state.set_draining(true, now);
    let turns = picker(Policy::RoundRobin, &all);
    assert_eq!(turns.pick(&ask(now)), Some(1));
    let there = Ask {
        preferred: Some(0),
        ..ask(now)
    };
    assert_eq!(turns.pick(&there), Some(0));
    let tried = Ask {
        avoid: &[0],
        ..there
    };
    assert_eq!(turns.pick(&tried), Some(1));
    let alone = candidates(&[1]);
    alone[0].state.set_draining(true, now);
    assert_eq!(picker(Policy::First, &alone).pick(&ask(now)), None);
}

#[test]
fn who_comes_back_begins_slowly() {
    let all = candidates(&[1; 2]);
    let (start, now) = (Duration::from_secs(10), clock::now());
    let picker = Picker::new(Policy::RoundRobin, all.clone(), start, 0);
    let state = &all[0].state;
    assert_eq!(state.share(start, now), State::WHOLE, "it was never out");
    state.probed(false, 1, 1, now);
    state.probed(true, 1, 1, now);
    let share = |at: Instant| {
        let picks = (0..1000).filter(|_| picker.pick(&ask(at)) == Some(0));
        picks.count()
    };
    assert!((85..100).contains(&share(now)), "a tenth beside one");
    let half = share(now + Duration::from_secs(5));
    assert!((330..337).contains(&half), "{half}");
    assert_eq!(share(now + start), 500);
}

#[test]
fn so_many_failures_in_a_row_and_it_is_left_alone_for_a_while() {
    let all = candidates(&[1; 3]);
    let now = clock::now();
    let eject = Eject::default();
    let fail = |at: usize, now: Instant| {
        let peers = all.iter().map(|it| &*it.state);
        all[at].state.failed(Some(&eject), now, peers)
    };
    assert!(!fail(0, now) && !fail(0, now));
    all[0].state.succeeded();
    assert!(!fail(0, now) && !fail(0, now), "the row was broken");
    assert!(fail(0, now) && all[0].state.is_ejected(now));
    // A half of three, rounded down, is one.
    assert!(!(0..10).any(|_| fail(1, now)));
    let later = now + eject.time;
    assert!(!all[0].state.is_ejected(later) && all[0].state.is_usable(later));
    let far = later + Duration::from_secs(11);
    assert!(
        !fail(2, later) && !fail(2, later) && !fail(2, far),
        "too far apart"
    );
    assert_eq!(all[0].state.ejections(), 1);
    // Whoever is alone is not left alone.
    let alone = State::default();
    let peers = || std::iter::once(&alone);
    assert!(!(0..10).any(|_| alone.failed(Some(&eject), now, peers())));
}

#[test]
fn a_probe_has_to_say_it_so_many_times_in_a_row() {
    let (state, now) = (State::default(), clock::now());
    assert_eq!(state.probed(false, 2, 3, now), None);
    assert_eq!(state.probed(false, 2, 3, now), None);
    assert_eq!(state.probed(true, 2, 3, now), None);
    assert_eq!(state.probed(false, 2, 3, now), None);
    assert_eq!(state.probed(false, 2, 3, now), None);
    assert_eq!(state.probed(false, 2, 3, now), Some(false));
    assert!(!state.is_healthy() && !state.is_usable(now));
    assert_eq!(state.probed(true, 2, 3, now), None);
    assert_eq!(state.probed(true, 2, 3, now), Some(true));
    assert!(state.is_usable(now));
}
