//! The models of the limits: a few threads that ask one limiter.
//!
//! Each has so few keys that there is one shard: which one a key is in depends on a secret, and loom wants every
//! execution to be the same.

use std::time::Duration;

use loom::thread;

use crate::clock;
use crate::limit::{Admitted, Key, Limit, Limiter, Rate, RateLimit};

/// Name, preemptions, model.
pub(crate) const ALL: &[(&str, usize, fn())] = &[
    ("limit_two_for_one_place", 5, two_for_one_place),
    ("limit_end_against_admit", 5, end_against_admit),
    ("limit_end_against_another_key", 5, end_against_another_key),
    (
        "limit_three_for_a_burst_of_two",
        3,
        three_for_a_burst_of_two,
    ),
];

const A: Key<'static> = Key::Octets(b"a");
const B: Key<'static> = Key::Octets(b"b");

fn limiter(burst: u32, concurrent: Option<u32>, keys_max: usize) -> Limiter {
    let rate = Rate {
        requests: 1,
        period: Duration::from_secs(1),
        burst,
    };
    Limiter::new(RateLimit {
        rate: Some(rate),
        concurrent,
        keys_max,
    })
}

fn admit(limiter: &Limiter, key: Key<'_>) -> Result<Admitted, Limit> {
    limiter
        .admit(key, clock::now())
        .map_err(|refused| refused.by)
}

fn two_for_one_place() {
    let limiter = limiter(9, Some(1), 2);
    let same = limiter.clone();
    let other = thread::spawn(move || admit(&same, A));
    let mine = admit(&limiter, A);
    let other = other.join().unwrap();
    assert_eq!(mine.is_ok(), other.is_err());
    let refused = mine.as_ref().err().or(other.as_ref().err());
    assert_eq!(refused, Some(&Limit::Concurrent));
    drop((mine, other));
    assert!(admit(&limiter, A).is_ok());
}

/// Whoever comes while a request ends finds its place free or taken, and afterwards it is free.
fn end_against_admit() {
    let limiter = limiter(9, Some(1), 2);
    let held = admit(&limiter, A).unwrap();
    let ending = thread::spawn(move || drop(held));
    let mine = admit(&limiter, A);
    assert_ne!(mine.as_ref().err(), Some(&Limit::Keys));
    ending.join().unwrap();
    drop(mine);
    let _first = admit(&limiter, A).unwrap();
    assert_eq!(admit(&limiter, A).err(), Some(Limit::Concurrent));
}

/// There is room for one key. It is given to the other one when the first has ended, and not before, and the guard of
/// the first gives nothing back that is the other one's.
fn end_against_another_key() {
    let limiter = limiter(9, Some(1), 1);
    let held = admit(&limiter, A).unwrap();
    let ending = thread::spawn(move || drop(held));
    let mine = admit(&limiter, B);
    assert_ne!(mine.as_ref().err(), Some(&Limit::Concurrent));
    ending.join().unwrap();
    assert_eq!(limiter.key_count(), 1);
    if mine.is_ok() {
        assert_eq!(admit(&limiter, B).err(), Some(Limit::Concurrent));
        assert_eq!(admit(&limiter, A).err(), Some(Limit::Keys));
    }
    drop(mine);
    assert!(admit(&limiter, B).is_ok());
}

fn three_for_a_burst_of_two() {
    let limiter = limiter(2, None, 1);
    let others = [limiter.clone(), limiter.clone()]
        .map(|same| thread::spawn(move || admit(&same, Key::Whole).is_ok()));
    let mine = admit(&limiter, Key::Whole).is_ok();
    let others = others.map(|other| other.join().unwrap());
    let admitted = others.iter().filter(|is| **is).count() + usize::from(mine);
    assert_eq!(admitted, 2);
}
