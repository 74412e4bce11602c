//! The models of the limits: a few threads that ask one limiter.
//!
//! Each has so few keys that there is one shard: which one a key is in depends on a secret, and loom wants every
//! execution to be the same.

use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use loom::thread;

use crate::clock;
use crate::limit::{Acquire, Admitted, Key, Limit, Limiter, Permit, Permits, Rate, RateLimit};
use crate::models::{Flag, Waiting, waiting};

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
    ("permits_never_one_too_many", 4, never_one_too_many),
    ("permits_given_back_reach_who_waits", 4, given_back_reach_who_waits),
    ("permits_of_who_leaves_go_on", 3, of_who_leaves_go_on),
    ("permits_keepers_hear_who_waits", 4, keepers_hear_who_waits),
    ("permits_more_of_them", 4, more_of_them),
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

/// Somebody who has asked for a permit, and has it at once or waits.
struct Came {
    waits: Waiting<Acquire>,
    at_once: Option<Permit>,
}

impl Came {
    fn ask(permits: &Permits) -> Self {
        let mut waits = Waiting::new(permits.acquire().unwrap());
        let at_once = match waits.poll() {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        };
        Self { waits, at_once }
    }

    /// After everything has happened.
    fn permit(self) -> Permit {
        let waits = self.waits;
        self.at_once.unwrap_or_else(|| waits.finish(true))
    }
}

fn never_one_too_many() {
    let permits = Permits::new(1, 0);
    let same = permits.clone();
    let other = thread::spawn(move || same.try_acquire());
    let mine = permits.try_acquire();
    let other = other.join().unwrap();
    assert_eq!(mine.is_some(), other.is_none());
    drop((mine, other));
    assert_eq!(permits.held(), 0);
}

/// Whoever waits is woken by the permit that is given back, however the two meet.
fn given_back_reach_who_waits() {
    let permits = Permits::new(1, 1);
    let held = permits.try_acquire().unwrap();
    let giving = thread::spawn(move || drop(held));
    let waits = Came::ask(&permits);
    giving.join().unwrap();
    drop(waits.permit());
    assert_eq!((permits.held(), permits.waiting()), (0, 0));
}

/// Of two who wait the first leaves while its permit comes: it goes to the second.
fn of_who_leaves_go_on() {
    let permits = Permits::new(1, 2);
    let held = permits.try_acquire().unwrap();
    let leaves = waiting(permits.acquire().unwrap());
    let stays = waiting(permits.acquire().unwrap());
    let giving = thread::spawn(move || drop(held));
    drop(leaves);
    giving.join().unwrap();
    drop(stays.finish(true));
    assert_eq!((permits.held(), permits.waiting()), (0, 0));
}

/// Whoever keeps an idle connection is told of somebody who waits, or finds out by asking.
fn keepers_hear_who_waits() {
    let permits = Permits::new(1, 1);
    let idle = permits.try_acquire().unwrap();
    let same = permits.clone();
    let keeper = thread::spawn(move || {
        let bell = Arc::<Flag>::default();
        let quiet = same.watch(&Waker::from(bell.clone()));
        let somebody_waits = quiet.is_none_or(|quiet| !same.is_still(quiet));
        (somebody_waits, bell, idle)
    });
    let waits = waiting(permits.acquire().unwrap());
    let (somebody_waits, bell, idle) = keeper.join().unwrap();
    assert!(somebody_waits || bell.is_up());
    drop(idle);
    drop(waits.finish(true));
}

fn more_of_them() {
    let permits = Permits::new(0, 1);
    let same = permits.clone();
    let setting = thread::spawn(move || same.set(1, 1));
    let waits = Came::ask(&permits);
    setting.join().unwrap();
    drop(waits.permit());
}
