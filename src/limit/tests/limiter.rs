use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::{SECOND, ms, rate};
use crate::clock::{self, TestClock};
use crate::limit::{Admitted, Key, Limit, Limiter, RateLimit};

fn at_a_rate(burst: u32, keys_max: usize) -> Limiter {
    Limiter::new(RateLimit {
        rate: Some(rate(10, SECOND, burst)),
        concurrent: None,
        keys_max,
    })
}

fn at_a_time(concurrent: u32, keys_max: usize) -> Limiter {
    Limiter::new(RateLimit {
        rate: None,
        concurrent: Some(concurrent),
        keys_max,
    })
}

fn client(n: u32) -> Key<'static> {
    Key::Ip(Ipv4Addr::from(n).into())
}

/// By what it was refused, and in how many milliseconds to come again.
fn refused(limiter: &Limiter, key: Key<'_>) -> Option<(Limit, u128)> {
    let refused = limiter.admit(key, clock::now()).err()?;
    Some((refused.by, refused.retry_after.as_millis()))
}

fn admit(limiter: &Limiter, key: Key<'_>) -> Admitted {
    limiter.admit(key, clock::now()).unwrap()
}

#[test]
fn each_key_has_a_burst_of_its_own() {
    let clock = TestClock::install();
    let limiter = at_a_rate(2, 100);
    for n in 0..10 {
        let spent = [(); 3].map(|()| refused(&limiter, client(n)));
        assert_eq!(spent, [None, None, Some((Limit::Rate, 100))]);
    }
    clock.advance(ms(100));
    assert_eq!(refused(&limiter, client(3)), None);
    assert_eq!(refused(&limiter, client(3)), Some((Limit::Rate, 100)));
}

#[test]
fn looking_counts_nothing_and_says_what_admitting_would() {
    let clock = TestClock::install();
    let limiter = at_a_rate(2, 100);
    let look = || limiter.look(client(1), clock::now()).err();
    assert_eq!((look(), limiter.key_count()), (None, 0));
    let _first = admit(&limiter, client(1));
    assert_eq!([look(), look(), look()], [None; 3]);
    let _second = admit(&limiter, client(1));
    let told = look();
    assert_eq!(told, limiter.admit(client(1), clock::now()).err());
    assert_eq!(told.map(|told| told.retry_after), Some(ms(100)));
    clock.advance(ms(100));
    assert_eq!(look(), None);
}

#[test]
fn keys_of_different_sorts_are_different() {
    let _clock = TestClock::install();
    let limiter = at_a_rate(1, 100);
    let v6 = |n| Key::Ip(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, n, 0, 0, 0, 1)));
    let keys = [
        Key::Whole,
        client(0),
        v6(0),
        v6(1),
        Key::Octets(b""),
        Key::Octets(&[0; 4]),
    ];
    for key in keys {
        assert_eq!(refused(&limiter, key), None, "{key:?}");
        assert!(refused(&limiter, key).is_some(), "{key:?}");
    }
    assert_eq!(limiter.key_count(), keys.len());
}

#[test]
fn an_ipv6_client_that_changes_its_address_is_the_same() {
    let _clock = TestClock::install();
    let limiter = at_a_rate(3, 100);
    let ip = |n| Key::Ip(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, n, n, n, n)));
    assert_eq!(
        (0..100)
            .filter(|n| refused(&limiter, ip(*n)).is_none())
            .count(),
        3
    );
}

#[test]
fn so_many_at_a_time_until_one_ends() {
    let limiter = at_a_time(2, 100);
    let (first, _second) = (admit(&limiter, client(1)), admit(&limiter, client(1)));
    assert_eq!(
        refused(&limiter, client(1)),
        Some((Limit::Concurrent, 1000))
    );
    assert_eq!(refused(&limiter, client(2)), None);
    drop(first);
    let _third = admit(&limiter, client(1));
    assert_eq!(
        refused(&limiter, client(1)),
        Some((Limit::Concurrent, 1000))
    );
}

#[test]
fn a_guard_outlives_its_limiter_and_its_thread() {
    let limiter = at_a_time(1, 1);
    let admitted = admit(&limiter, Key::Whole);
    let same = limiter.clone();
    drop(limiter);
    thread::spawn(move || drop(admitted)).join().unwrap();
    assert_eq!(refused(&same, Key::Whole), None);
}

/// Each limit leaves the other one's count alone when it refuses.
#[test]
fn a_refused_request_costs_nothing() {
    let _clock = TestClock::install();
    let limiter = Limiter::new(RateLimit {
        rate: Some(rate(10, SECOND, 2)),
        concurrent: Some(1),
        keys_max: 1,
    });
    let first = admit(&limiter, Key::Whole);
    for _ in 0..10 {
        assert_eq!(
            refused(&limiter, Key::Whole),
            Some((Limit::Concurrent, 1000))
        );
    }
    drop(first);
    drop(admit(&limiter, Key::Whole));
    for _ in 0..10 {
        assert_eq!(refused(&limiter, Key::Whole), Some((Limit::Rate, 100)));
    }
}

#[test]
fn without_limits_nobody_is_refused() {
    let limiter = Limiter::new(RateLimit::default());
    let admitted: Vec<_> = (0..1000).map(|_| admit(&limiter, Key::Whole)).collect();
    assert_eq!(admitted.len(), 1000);
}

#[test]
fn none_at_a_time_is_none() {
    let limiter = at_a_time(0, 10);
    assert_eq!(
        refused(&limiter, client(1)),
        Some((Limit::Concurrent, 1000))
    );
    assert_eq!(limiter.key_count(), 0, "who is refused is not remembered");
}

#[test]
fn there_are_never_more_keys_than_were_allowed() {
    let _clock = TestClock::install();
    for keys_max in [0, 1, 63, 64, 200, 1000, 5000] {
        let limiter = at_a_rate(2, keys_max);
        for n in 0..10_000 {
            assert_eq!(refused(&limiter, client(n)), None, "a new key is admitted");
        }
        let count = limiter.key_count();
        assert!(count <= keys_max.max(1), "{count} of {keys_max}");
        assert!(count >= keys_max * 9 / 10, "{count} of {keys_max}");
    }
}

#[test]
fn keys_that_are_over_are_forgotten() {
    let clock = TestClock::install();
    let limiter = at_a_rate(2, 65_536);
    for n in 0..100_000 {
        clock.advance(ms(1));
        assert_eq!(refused(&limiter, client(n)), None);
    }
    assert!(
        limiter.key_count() < 300,
        "100 matter, not {}",
        limiter.key_count()
    );
}

/// A client at its limit that comes with other keys does not get its own forgotten.
#[test]
fn a_flood_of_keys_does_not_reset_a_limited_one() {
    let _clock = TestClock::install();
    for keys_max in [16, 1024] {
        let limiter = at_a_rate(10, keys_max);
        while refused(&limiter, client(1)).is_none() {}
        for n in 2..50_000 {
            assert_eq!(refused(&limiter, client(n)), None);
            if n % 100 == 0 {
                assert!(
                    refused(&limiter, client(1)).is_some(),
                    "forgotten after {n}"
                );
            }
        }
    }
}

#[test]
fn a_flood_of_keys_does_not_reset_one_with_requests_in_flight() {
    let limiter = at_a_time(1, 16);
    let _held = admit(&limiter, client(1));
    for n in 2..10_000 {
        assert_eq!(refused(&limiter, client(n)), None);
    }
    assert_eq!(
        refused(&limiter, client(1)),
        Some((Limit::Concurrent, 1000))
    );
}

#[test]
fn with_nothing_but_requests_in_flight_a_new_key_is_refused() {
    let limiter = at_a_time(2, 8);
    let held: Vec<_> = (0..8).map(|n| admit(&limiter, client(n))).collect();
    assert_eq!(refused(&limiter, client(8)), Some((Limit::Keys, 1000)));
    assert_eq!(refused(&limiter, client(3)), None, "who is known is not");
    drop(held);
    assert_eq!(refused(&limiter, client(8)), None);
}

#[test]
fn a_time_before_the_limiter_was_made_is_its_beginning() {
    let _clock = TestClock::install();
    let (limiter, now) = (at_a_rate(1, 1), clock::now());
    let before = now.checked_sub(ms(20)).unwrap();
    assert!(limiter.admit(Key::Whole, before).is_ok());
    assert_eq!(
        limiter.admit(Key::Whole, now).unwrap_err().retry_after,
        ms(100)
    );
}

#[test]
fn a_jump_of_decades_gives_one_burst() {
    let clock = TestClock::install();
    let limiter = at_a_rate(3, 1);
    for _ in 0..4 {
        let admitted = (0..10).filter(|_| refused(&limiter, Key::Whole).is_none());
        assert_eq!(admitted.count(), 3);
        clock.advance(Duration::from_secs(20 * 365 * 86_400));
    }
}

#[test]
fn equal_settings_are_the_same() {
    let limiter = at_a_rate(3, 10);
    assert!(limiter.same_settings(&at_a_rate(3, 10)));
    assert!(!limiter.same_settings(&at_a_rate(4, 10)));
    assert!(!limiter.same_settings(&at_a_rate(3, 11)));
    assert!(!limiter.same_settings(&at_a_time(3, 10)));
}

/// Runs `work` on some threads that begin together, and adds up what they return.
fn on_threads(work: impl Fn(u32) -> usize + Sync) -> usize {
    let (start, work) = (Barrier::new(8), &work);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    work(n)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

#[test]
fn threads_together_get_one_burst_while_time_stands_still() {
    let (limiter, now) = (at_a_rate(1000, 65_536), clock::now());
    let count = |key| (0..500).filter(|_| limiter.admit(key, now).is_ok()).count();
    assert_eq!(on_threads(|_| count(client(1))), 1000);
    assert_eq!(on_threads(|n| count(client(n + 10))), 8 * 500);
}

#[test]
fn threads_together_get_one_burst_of_each_of_many_keys() {
    let (limiter, now) = (at_a_rate(5, 65_536), clock::now());
    let admitted = on_threads(|from| {
        let keys = (0..4000).map(|n| client((n + from * 500) % 4000));
        keys.filter(|key| limiter.admit(*key, now).is_ok()).count()
    });
    assert_eq!(admitted, 4000 * 5);
}

#[test]
fn threads_together_hold_so_many_at_a_time_and_give_all_back() {
    let (limiter, now) = (at_a_time(100, 65_536), clock::now());
    let all_hold = Barrier::new(8);
    for _ in 0..3 {
        let held = on_threads(|_| {
            let held: Vec<_> = (0..50)
                .filter_map(|_| limiter.admit(client(1), now).ok())
                .collect();
            all_hold.wait();
            held.len()
        });
        assert_eq!(held, 100);
    }
    // Coming and going, beside each other and beside other keys.
    on_threads(|n| {
        (0..1000)
            .filter(|i| limiter.admit(client(i % 3 + n / 4), now).is_ok())
            .count()
    });
    let held: Vec<_> = (0..200)
        .filter_map(|_| limiter.admit(client(1), now).ok())
        .collect();
    assert_eq!(held.len(), 100);
}
