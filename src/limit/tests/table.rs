use std::collections::HashMap;

use proptest::prelude::*;

use crate::limit::table::{Entry, Table};

fn entry(fingerprint: u64, tat: u64, in_flight: u32) -> Entry {
    let mut entry = Entry::new(fingerprint);
    (entry.tat, entry.in_flight) = (tat, in_flight);
    entry
}

#[test]
fn an_entry_takes_24_octets() {
    assert_eq!(size_of::<Entry>(), 24);
}

#[test]
fn what_was_added_is_found() {
    let mut table = Table::new(1000);
    // Three of them to a chain, at least.
    let fingerprint = |n: u64| n / 3 + ((n % 3) << 40);
    for n in 0..1000 {
        assert!(table.find(fingerprint(n)).is_none());
        assert!(table.insert(entry(fingerprint(n), n + 1, 0), 0));
    }
    for n in 0..1000 {
        assert_eq!(table.find(fingerprint(n)).unwrap().tat, n + 1);
    }
    assert_eq!(table.len(), 1000);
}

#[test]
fn what_is_as_good_as_new_goes_when_others_come() {
    let mut table = Table::new(10_000);
    for n in 0..1000 {
        table.insert(entry(n, 5, 0), 0);
    }
    for n in 1000..1200 {
        table.insert(entry(n, 15, 0), 10);
    }
    assert_eq!(table.len(), 200, "all that were over by then");
    assert!((1000..1200).all(|n| table.find(n).is_some()));
}

#[test]
fn in_a_full_table_the_one_closest_to_new_makes_room() {
    let mut table = Table::new(4);
    for (fingerprint, tat) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        table.insert(entry(fingerprint, tat, 0), 0);
    }
    assert!(table.insert(entry(5, 50, 0), 0));
    assert!(table.find(2).is_none() && table.len() == 4);
    assert!(table.insert(entry(6, 1, 0), 0));
    assert!(table.find(3).is_none() && table.len() == 4);
    assert!(table.insert(entry(7, 1, 0), 0));
    assert!(
        table.find(6).is_none(),
        "the newest is no better than others"
    );
}

#[test]
fn with_requests_in_flight_nothing_goes() {
    let mut table = Table::new(4);
    for n in 0..4 {
        table.insert(entry(n, 0, 1), 0);
    }
    assert!(!table.insert(entry(9, 0, 1), 100));
    assert!((0..4).all(|n| table.find(n).is_some()) && table.find(9).is_none());
    table.find(2).unwrap().in_flight = 0;
    assert!(table.insert(entry(9, 0, 1), 100));
    assert!(table.find(2).is_none() && table.find(9).is_some());
}

/// Wherever it is, a few tries find the only one that may go; one try is a bounded number of looks.
#[test]
fn the_hand_finds_who_may_go_among_many_that_may_not() {
    let mut table = Table::new(1000);
    for n in 0..1000 {
        table.insert(entry(n, 0, 1), 0);
    }
    let tries = (0..1000).map(|n| {
        table.find(n).unwrap().in_flight = 0;
        let tries = (1..).find(|_| table.insert(entry(n + 1000, 0, 1), 0));
        assert!(table.find(n).is_none() && table.find(n + 1000).is_some());
        tries.unwrap()
    });
    assert_eq!(tries.max(), Some(1000_usize.div_ceil(64)));
}

proptest! {
    /// Beside a map without a bound: what is found is as it was left, and only what may go is gone.
    #[test]
    fn like_a_map_that_forgets(
        entries_max in 1..40_usize,
        steps in prop::collection::vec((0..60_u64, 0..50_u64, 0..2_u32, 0..4_u64), 1..400),
    ) {
        let (mut table, mut map, mut now) = (Table::new(entries_max), HashMap::new(), 0);
        for (key, ahead, in_flight, gap) in steps {
            now += gap;
            // Chains of several, also in a large table.
            let fingerprint = (key % 7) | (key << 32);
            let is_known = match table.find(fingerprint) {
                Some(found) => {
                    prop_assert_eq!(map.get(&fingerprint), Some(&(found.tat, found.in_flight)));
                    (found.tat, found.in_flight) = (now + ahead, in_flight);
                    true
                }
                None => {
                    let busy = map.get(&fingerprint).is_some_and(|(_, in_flight)| *in_flight > 0);
                    prop_assert!(!busy, "forgotten in flight");
                    table.insert(entry(fingerprint, now + ahead, in_flight), now)
                }
            };
            if is_known {
                map.insert(fingerprint, (now + ahead, in_flight));
            } else {
                prop_assert!(map.values().filter(|(_, in_flight)| *in_flight > 0).count() >= entries_max);
            }
            prop_assert!(table.len() <= entries_max);
            let found = map.iter().filter(|(key, (tat, in_flight))| {
                table.find(**key).is_some_and(|e| (e.tat, e.in_flight) == (*tat, *in_flight))
            });
            prop_assert_eq!(found.count(), table.len());
        }
    }
}
