//! The task that works for a branch, and is told of its ends.

use super::*;
use crate::clock::TestClock;

/// A node with a task, and something below it.
fn with_task() -> (Arc<Bell>, [(Context, Cancel); 3]) {
    let (bell, waker) = Bell::new();
    let a = background().with_cancel();
    a.0.set_task(&waker);
    let b = a.0.with_cancel();
    let c = b.0.with_cancel();
    (bell, [a, b, c])
}

#[test]
fn whatever_ends_below_wakes_it_once() {
    for place in 0..3 {
        let (bell, nodes) = with_task();
        let receipt = nodes[place].1.cancel();
        assert_eq!(bell.rings(), 1, "of {place}");
        assert_eq!((receipt.nodes, receipt.waiters), (3 - place, 1));
        // What is beside and above lives on, and nobody is told twice.
        nodes[place].1.cancel();
        assert_eq!(bell.rings(), 1);
    }
}

#[test]
fn what_ends_above_wakes_it_with_all_marked() {
    let (top, cancel) = background().with_cancel();
    let (bell, waker) = Bell::new();
    let (session, _session) = top.with_cancel();
    session.set_task(&waker);
    let (below, _below) = session.with_cancel();
    let (beside, _beside) = background().with_cancel();
    assert_eq!(cancel.cancel().waiters, 1);
    assert_eq!(bell.rings(), 1);
    assert_eq!((below.err(), beside.err()), (CANCELED, None));
}

#[test]
fn of_nested_tasks_each_is_told_of_its_own() {
    let (bell, [(_a, a_cancel), (b, b_cancel), (c, c_cancel)]) = with_task();
    let (inner, waker) = Bell::new();
    b.set_task(&waker);
    // Derived before, it has the same task above, and is found where it begins.
    drop(c_cancel);
    assert_eq!((bell.rings(), inner.rings()), (0, 1));
    b_cancel.cancel();
    assert_eq!((bell.rings(), inner.rings()), (0, 2));
    a_cancel.cancel();
    assert_eq!((bell.rings(), inner.rings()), (1, 2));
    assert_eq!(c.err(), CANCELED);
}

#[test]
fn what_was_derived_before_has_no_task() {
    let [(a, _a), (b, b_cancel), _c] = three();
    let (bell, waker) = Bell::new();
    a.set_task(&waker);
    assert!(a.has_task() && !b.has_task());
    assert!(a.with_cancel().0.has_task() && a.without_cancel().has_task());
    b_cancel.cancel();
    assert_eq!(bell.rings(), 0);
}

#[test]
fn an_end_that_came_first_is_there_to_be_asked_for() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    let (bell, waker) = Bell::new();
    ctx.set_task(&waker);
    assert_eq!((ctx.err(), bell.rings()), (CANCELED, 0));
}

#[test]
fn a_root_keeps_no_task() {
    let (_bell, waker) = Bell::new();
    background().set_task(&waker);
    assert!(!background().has_task());
}

#[test]
fn another_task_takes_the_place_of_the_one_before() {
    let (bell, [(a, cancel), _b, _c]) = with_task();
    let (other, waker) = Bell::new();
    a.set_task(&waker);
    cancel.cancel();
    assert_eq!((bell.rings(), other.rings()), (0, 1));
}

#[test]
fn what_ends_with_one_beside_it_wakes_its_own_task() {
    let (bell, [(_a, _a_cancel), (b, _b), _c]) = with_task();
    let (beside, cancel) = background().with_cancel();
    let merged = Context::any([&b, &beside]);
    cancel.cancel();
    assert_eq!((merged.err(), b.err()), (CANCELED, None));
    assert_eq!(bell.rings(), 1);
}

#[test]
fn a_deadline_that_somebody_notices_wakes_it() {
    let clock = TestClock::install();
    let (bell, [_a, _b, (c, _c)]) = with_task();
    let (late, _late) = c.with_timeout(ms(10));
    clock.advance(ms(10));
    assert_eq!((clock.armed_count(), bell.rings()), (0, 0));
    assert_eq!((late.err(), bell.rings()), (EXPIRED, 1));
}

#[test]
fn a_shield_keeps_ends_away_and_the_task() {
    let (bell, [(_a, a_cancel), (b, _b), _c]) = with_task();
    let shielded = b.without_cancel();
    let (own, cancel) = shielded.with_cancel();
    cancel.cancel();
    assert_eq!((own.err(), bell.rings()), (CANCELED, 1));
    a_cancel.cancel();
    assert_eq!((shielded.err(), bell.rings()), (None, 2));
}

#[test]
fn the_waker_goes_with_the_node() {
    let (bell, waker) = Bell::new();
    let (ctx, cancel) = background().with_cancel();
    ctx.set_task(&waker);
    drop(waker);
    assert_eq!(Arc::strong_count(&bell), 2);
    drop((cancel, ctx));
    assert_eq!(Arc::strong_count(&bell), 1);
    assert!(!background().with_cancel().0.has_task(), "of the same node");
}

#[test]
fn it_counts_as_one_that_waits() {
    let (_bell, [(a, _a), _b, _c]) = with_task();
    assert_eq!(a.node.waiter_count(), 1);
}
