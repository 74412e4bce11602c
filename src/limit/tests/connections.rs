use std::net::IpAddr;
use std::sync::Barrier;
use std::thread;

use crate::limit::{Entered, PerAddress};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn numbered(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}

#[test]
fn so_many_of_one_client_until_one_ends() {
    let connections = PerAddress::new();
    let first = connections.enter(ip("192.0.2.1"), 2);
    let second = connections.enter(ip("::ffff:192.0.2.1"), 2);
    assert!(first.is_some() && second.is_some());
    assert!(connections.enter(ip("192.0.2.1"), 2).is_none());
    assert!(connections.enter(ip("192.0.2.2"), 2).is_some());
    drop(first);
    assert!(connections.enter(ip("192.0.2.1"), 2).is_some());
}

#[test]
fn an_ipv6_client_is_its_network() {
    let connections = PerAddress::new();
    let _first = connections.enter(ip("2001:db8::1"), 1);
    assert!(connections.enter(ip("2001:db8::2"), 1).is_none());
    assert!(connections.enter(ip("2001:db8:0:1::1"), 1).is_some());
}

#[test]
fn none_allowed_is_none() {
    assert!(PerAddress::new().enter(ip("192.0.2.1"), 0).is_none());
}

/// A reload may change it.
#[test]
fn the_limit_is_the_one_that_holds_when_a_connection_comes() {
    let connections = PerAddress::new();
    let _held: Vec<_> = (0..5)
        .filter_map(|_| connections.enter(numbered(1), 5))
        .collect();
    assert!(connections.enter(numbered(1), 3).is_none());
    assert!(connections.enter(numbered(1), 6).is_some());
}

#[test]
fn who_has_none_is_not_remembered() {
    let connections = PerAddress::new();
    let held: Vec<_> = (0..10_000)
        .filter_map(|n| connections.enter(numbered(n % 5000), 2))
        .collect();
    assert_eq!((held.len(), connections.client_count()), (10_000, 5000));
    drop(held);
    assert_eq!(connections.client_count(), 0);
    assert!(connections.enter(numbered(1), 0).is_none());
    assert_eq!(connections.client_count(), 0);
}

#[test]
fn memory_goes_with_those_it_was_for() {
    let connections = PerAddress::new();
    let mut held: Vec<_> = (0..10_000)
        .filter_map(|n| connections.enter(numbered(n), 1))
        .collect();
    assert!(connections.capacity() >= 10_000);
    held.truncate(100);
    assert!(connections.capacity() < 1600, "{}", connections.capacity());
    let is_counted = |n| connections.enter(numbered(n), 1).is_none();
    assert!((0..100).all(is_counted), "and with no others");
}

#[test]
fn threads_together_have_so_many() {
    let (connections, all_hold) = (PerAddress::new(), Barrier::new(8));
    for _ in 0..3 {
        let counts: usize = thread::scope(|scope| {
            let enter = || {
                let held: Vec<Entered> = (0..50)
                    .filter_map(|_| connections.enter(numbered(1), 100))
                    .collect();
                all_hold.wait();
                held.len()
            };
            let threads = [(); 8].map(|()| scope.spawn(enter));
            threads.map(|thread| thread.join().unwrap()).iter().sum()
        });
        assert_eq!((counts, connections.client_count()), (100, 0));
    }
}
