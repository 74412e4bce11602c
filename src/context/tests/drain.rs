//! The softer signal, and waiting until nothing is left.

use super::*;
use crate::clock::TestClock;
use crate::context::{Draining, Receipt, StillAlive};
use futures_lite::future::{block_on, poll_once};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task;

fn ready(future: impl Future) -> bool {
    block_on(poll_once(future)).is_some()
}

#[test]
fn a_drain_tells_the_subtree_and_ends_nothing() {
    let [(a, _a), (b, b_cancel), (c, _c)] = three();
    let (beside, _beside) = a.with_cancel();
    let receipt = b_cancel.drain();
    assert_eq!((receipt.nodes, receipt.waiters, receipt.depth), (2, 0, 1));
    let draining = [&a, &b, &c, &beside].map(Context::is_draining);
    assert_eq!(draining, [false, true, true, false]);
    assert_eq!([b.err(), c.err()], [None, None]);
    let again = b_cancel.drain();
    assert_eq!((again.nodes, again.waiters), (0, 0));
}

#[test]
fn what_is_derived_from_a_draining_node_is_born_draining() {
    let (ctx, cancel) = background().with_cancel();
    cancel.drain();
    let (child, _child) = ctx.with_cancel();
    assert!(child.is_draining());
    assert!(ready(child.draining()));
    assert!(!ctx.without_cancel().is_draining());
    assert!(child.err().is_none());
}

#[test]
fn a_drain_stops_at_a_shield() {
    let (ctx, cancel) = background().with_cancel();
    let shielded = ctx.without_cancel();
    let (below, _below) = shielded.with_cancel();
    assert_eq!(cancel.drain().nodes, 1);
    assert!(!shielded.is_draining() && !below.is_draining());
}

#[test]
fn whoever_is_woken_by_a_drain_sees_all_of_it() {
    struct Witness(AtomicUsize, Vec<Context>);
    impl Wake for Witness {
        fn wake(self: Arc<Self>) {
            assert!(self.1.iter().all(Context::is_draining));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (top, cancel) = background().with_cancel();
    let children: Vec<_> = (0..50).map(|_| top.with_cancel()).collect();
    let all: Vec<Context> = std::iter::once(&top)
        .chain(children.iter().map(|(ctx, _)| ctx))
        .cloned()
        .collect();
    let witness = Arc::new(Witness(AtomicUsize::new(0), all.clone()));
    let waker = witness.clone().into();
    let mut cx = task::Context::from_waker(&waker);
    let mut waiting: Vec<Draining> = all.iter().map(Context::draining).collect();
    for draining in &mut waiting {
        assert!(Pin::new(draining).poll(&mut cx).is_pending());
    }
    assert_eq!(cancel.drain().waiters, 51);
    assert_eq!(witness.0.load(Ordering::SeqCst), 51);
    assert!(waiting.into_iter().all(ready));
}

#[test]
fn draining_ends_with_the_node_and_done_does_not_end_with_a_drain() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    let mut draining = pin!(ctx.draining());
    assert!(!ready(draining.as_mut()));
    clock.advance(ms(10));
    assert!(ready(draining) && ctx.is_draining());
    assert_eq!(cancel.drain(), Receipt::default());

    let (ctx, cancel) = background().with_cancel();
    let mut done = pin!(ctx.done());
    assert!(!ready(done.as_mut()));
    cancel.drain();
    assert!(!ready(done.as_mut()));
    cancel.cancel();
    assert!(ready(done));
}

#[test]
fn a_child_made_during_a_drain_drains() {
    for _ in 0..1000 {
        let (parent, cancel) = background().with_cancel();
        std::thread::scope(|scope| {
            let drain = scope.spawn(|| cancel.drain());
            let children: Vec<_> = (0..5).map(|_| parent.with_cancel()).collect();
            drain.join().unwrap();
            assert!(children.iter().all(|(child, _)| child.is_draining()));
        });
    }
}

#[test]
fn a_chain_drains_on_a_small_stack() {
    on_small_stack(|| {
        let (top, cancel) = background().with_cancel();
        let mut chain = vec![top.with_cancel()];
        for depth in 1..10_000 {
            chain.push(chain[depth - 1].0.with_cancel());
        }
        let receipt = cancel.drain();
        assert_eq!((receipt.nodes, receipt.depth), (10_001, 10_000));
    });
}

#[test]
fn emptied_is_ready_when_the_last_descendant_is_gone() {
    let [(a, _a), (b, b_cancel), (c, c_cancel)] = three();
    let (bell, waker) = Bell::new();
    let mut cx = task::Context::from_waker(&waker);
    let mut emptied = a.emptied();
    assert!(Pin::new(&mut emptied).poll(&mut cx).is_pending());
    drop((b, b_cancel));
    assert!(Pin::new(&mut emptied).poll(&mut cx).is_pending());
    drop(c_cancel);
    assert_eq!(bell.rings(), 0);
    drop(c);
    assert_eq!(bell.rings(), 1);
    assert!(Pin::new(&mut emptied).poll(&mut cx).is_ready());
    assert!(ready(background().emptied()));
}

#[test]
fn emptied_is_seen_by_a_thread() {
    for _ in 0..500 {
        let (top, _cancel) = background().with_cancel();
        let handles: Vec<_> = (0..4).map(|_| top.with_cancel()).collect();
        std::thread::scope(|scope| {
            for handle in handles {
                scope.spawn(move || drop(handle));
            }
            block_on(top.emptied());
        });
        assert_eq!(top.node.child_count(), 0);
    }
}

#[test]
fn emptied_within_names_those_who_stay() {
    let clock = TestClock::install();
    let (top, cancel) = background().named("server", "s").with_cancel();
    let (session, _s) = top.named("session", "a:1").with_cancel();
    let (exchange, _e) = session.named("exchange", "GET /").with_cancel();
    let mut wait = pin!(top.emptied_within(ms(50)));
    assert!(!ready(wait.as_mut()));
    cancel.cancel();
    clock.advance(ms(50));
    let error: StillAlive = block_on(wait).unwrap_err();
    let seen: Vec<_> = error
        .nodes()
        .iter()
        .map(|node| {
            (
                node.id,
                node.kind,
                node.label.as_str(),
                node.age,
                node.state,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (session.id(), "session", "a:1", ms(50), "canceled"),
            (exchange.id(), "exchange", "GET /", ms(50), "canceled")
        ]
    );
    assert_eq!(error.nodes()[1].path, exchange.to_string());
    assert_eq!(
        error.to_string(),
        format!(
            "2 still alive: session#{} a:1 (canceled, 50 ms old), exchange#{} GET / (canceled, 50 ms old)",
            session.id(),
            exchange.id()
        )
    );
    drop((session, _s, exchange, _e));
    assert!(block_on(top.emptied_within(ms(50))).is_ok());
    assert_eq!(clock.armed_count(), 0);
}

#[test]
fn of_very_many_only_the_first_are_described() {
    let _clock = TestClock::install();
    let (top, _cancel) = background().with_cancel();
    let _children: Vec<_> = (0..1000).map(|_| top.with_cancel()).collect();
    let error = block_on(top.emptied_within(ms(0))).unwrap_err();
    assert_eq!((error.nodes().len(), error.count()), (256, 1000));
    assert!(error.to_string().ends_with(", and 992 more"));
}
