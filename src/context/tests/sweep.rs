//! How nodes end.

use super::*;
use crate::clock::{TestClock, now};
use crate::context::{Done, Key, Receipt};
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task;

#[test]
fn cancelling_twice_is_once() {
    let (ctx, cancel) = background().with_cancel();
    assert_eq!(cancel.cancel_because("first").nodes, 1);
    assert_eq!(cancel.cancel_because("second"), Receipt::default());
    assert_eq!(ctx.err(), CANCELED);
    assert_eq!(
        ctx.cause().unwrap().brief().to_string(),
        "context canceled: first"
    );
}

#[test]
fn a_child_of_a_cancelled_parent_is_born_cancelled() {
    let (parent, cancel) = background().with_cancel();
    cancel.cancel_because("over");
    let (child, _cancel) = parent.with_timeout(ms(5));
    assert_eq!(child.err(), CANCELED);
    assert_eq!(child.cause().unwrap().origin().id, parent.id());
}

#[test]
fn what_is_above_and_beside_lives_on() {
    let (parent, _p) = background().with_cancel();
    let [(a, _a), (b, b_cancel), (c, _c)] = [0, 1, 2].map(|_| parent.with_cancel());
    let (below, _below) = b.with_cancel();
    assert_eq!(b_cancel.cancel().nodes, 2);
    assert_eq!(
        [a.err(), b.err(), c.err(), below.err(), parent.err()],
        [None, CANCELED, None, CANCELED, None]
    );
}

#[test]
fn the_first_cause_wins() {
    let [(a, a_cancel), (b, b_cancel), (c, _c_cancel)] = three();
    b_cancel.cancel_because("child");
    a_cancel.cancel_because("parent");
    let brief = |ctx: &Context| ctx.cause().unwrap().brief().to_string();
    assert_eq!(brief(&a), "context canceled: parent");
    assert_eq!(brief(&b), "context canceled: child");
    assert_eq!(brief(&c), "context canceled: child");
}

#[test]
fn dropping_the_handle_cancels_and_detaching_does_not() {
    let (ctx, cancel) = background().with_cancel();
    drop(cancel);
    assert_eq!(ctx.err(), CANCELED);
    let (ctx, cancel) = background().with_cancel();
    cancel.detach();
    assert_eq!(ctx.err(), None);
}

#[test]
fn a_handle_held_alone_cancels_nobody_but_is_dropped_all_the_same() {
    let (parent, _p) = background().with_cancel();
    let (ctx, cancel) = parent.with_cancel();
    drop(ctx);
    drop(cancel);
    assert_eq!(parent.node.child_count(), 0);
}

#[test]
fn a_receipt_counts_nodes_waiters_and_levels() {
    let [(_a, cancel), (b, _b), (c, _c)] = three();
    let (_beside, _keep) = b.with_cancel();
    let (_, waker) = Bell::new();
    let mut cx = task::Context::from_waker(&waker);
    let mut done: Vec<Done> = vec![b.done(), b.done(), c.done()];
    for done in &mut done {
        assert!(Pin::new(done).poll(&mut cx).is_pending());
    }
    let receipt = cancel.cancel();
    assert_eq!((receipt.nodes, receipt.waiters, receipt.depth), (4, 3, 2));
}

#[test]
fn the_power_of_a_handle_is_its_subtree() {
    let [(a, a_cancel), (b, b_cancel), (c, _c)] = three();
    assert!(b_cancel.cancel_descendant(a.id(), "up").is_none());
    assert_eq!(a_cancel.cancel_descendant(b.id(), "down").unwrap().nodes, 2);
    assert!(a_cancel.cancel_descendant(c.id(), "again").is_none());
    assert_eq!((a.err(), c.err()), (None, CANCELED));
    assert!(a_cancel.cancel_descendant(a.id(), "itself").is_some());
}

#[test]
fn a_deadline_ends_the_subtree_of_its_owner() {
    let clock = TestClock::install();
    let (a, _a) = background().with_cancel();
    let (b, _b) = a.with_timeout_cause(ms(10), "too slow");
    let (c, _c) = b.with_timeout_cause(ms(20), "slower");
    clock.advance(ms(9));
    assert_eq!(c.err(), None);
    clock.advance(ms(1));
    assert_eq!([a.err(), b.err(), c.err()], [None, EXPIRED, EXPIRED]);
    let cause = c.cause().unwrap();
    assert_eq!(
        cause.brief().to_string(),
        "context deadline exceeded: too slow"
    );
    assert_eq!(
        (cause.origin().id, Some(cause.at())),
        (b.id(), b.deadline())
    );
}

#[test]
fn a_deadline_in_the_past_or_now_has_passed_at_return() {
    let _clock = TestClock::install();
    assert_eq!(background().with_deadline(now() - ms(1)).0.err(), EXPIRED);
    assert_eq!(background().with_timeout(ms(0)).0.err(), EXPIRED);
}

#[test]
fn a_cancel_after_the_deadline_is_too_late() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    clock.advance(ms(10));
    // Nobody looked in between.
    assert_eq!(cancel.cancel(), Receipt::default());
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn a_cancel_before_the_deadline_is_the_end() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout_cause(ms(10), "too slow");
    cancel.cancel();
    clock.advance(ms(20));
    assert_eq!(ctx.err(), CANCELED);
    assert!(ctx.cause().unwrap().reason().is_none());
}

#[test]
fn a_child_that_expired_unseen_keeps_that_when_the_parent_is_cancelled() {
    let clock = TestClock::install();
    let (parent, cancel) = background().with_cancel();
    let (child, _c) = parent.with_timeout_cause(ms(10), "too slow");
    let (below, _b) = child.with_cancel();
    clock.advance(ms(10));
    cancel.cancel_because("finished early");
    assert_eq!(
        [parent.err(), child.err(), below.err()],
        [CANCELED, EXPIRED, EXPIRED]
    );
    assert_eq!(
        below.cause().unwrap().brief().to_string(),
        "context deadline exceeded: too slow"
    );
}

#[test]
fn whoever_wakes_sees_the_whole_subtree_ended_in_the_order_of_creation() {
    static LOG: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());
    /// When woken, writes down its number and how many nodes still live.
    struct Witness(usize, Vec<Context>);
    impl Wake for Witness {
        fn wake(self: Arc<Self>) {
            let alive = self.1.iter().filter(|ctx| ctx.err().is_none()).count();
            LOG.lock().unwrap().push((self.0, alive));
        }
    }
    let (top, cancel) = background().with_cancel();
    let children: Vec<_> = (0..40).map(|_| top.with_cancel()).collect();
    let grandchildren: Vec<_> = children
        .iter()
        .map(|(child, _)| child.with_cancel())
        .collect();
    let order =
        std::iter::once(&top).chain(children.iter().chain(&grandchildren).map(|(ctx, _)| ctx));
    let all: Vec<Context> = order.cloned().collect();
    let mut waiting: Vec<Done> = all.iter().map(Context::done).collect();
    for (number, done) in waiting.iter_mut().enumerate() {
        let waker = Arc::new(Witness(number, all.clone())).into();
        assert!(
            Pin::new(done)
                .poll(&mut task::Context::from_waker(&waker))
                .is_pending()
        );
    }
    assert_eq!(cancel.cancel().waiters, 81);
    let expected: Vec<_> = (0..81).map(|number| (number, 0)).collect();
    assert_eq!(*LOG.lock().unwrap(), expected);
}

#[test]
fn a_waker_may_use_the_tree_it_is_woken_by() {
    struct Gardener(Mutex<Vec<(Context, Cancel)>>, Context);
    impl Wake for Gardener {
        fn wake(self: Arc<Self>) {
            let (child, _cancel) = self.1.with_cancel();
            assert_eq!(child.err(), CANCELED);
            self.0.lock().unwrap().clear();
        }
    }
    let (top, cancel) = background().with_cancel();
    let kept = (0..10).map(|_| top.with_cancel()).collect();
    let mut done = top.done();
    let waker = Arc::new(Gardener(Mutex::new(kept), top.clone())).into();
    assert!(
        Pin::new(&mut done)
            .poll(&mut task::Context::from_waker(&waker))
            .is_pending()
    );
    assert_eq!(cancel.cancel().nodes, 11);
    assert_eq!(top.node.child_count(), 0);
}

#[test]
fn a_chain_and_a_fan_end_on_a_small_stack() {
    on_small_stack(|| {
        const COUNT: usize = 100_000;
        let (top, cancel) = background().with_cancel();
        let mut chain = vec![top.with_cancel()];
        for depth in 1..COUNT {
            chain.push(chain[depth - 1].0.with_cancel());
        }
        let receipt = cancel.cancel();
        assert_eq!((receipt.nodes, receipt.depth), (COUNT + 1, COUNT));
        drop((top, chain));

        let (top, cancel) = background().with_cancel();
        let fan: Vec<_> = (0..COUNT).map(|_| top.with_cancel()).collect();
        assert_eq!(cancel.cancel().nodes, COUNT + 1);
        drop(fan);
        assert_eq!(top.node.child_count(), 0);
    });
}

#[test]
fn a_child_made_while_its_parent_ends_has_ended() {
    for _ in 0..2000 {
        let (parent, cancel) = background().with_cancel();
        std::thread::scope(|scope| {
            scope.spawn(|| cancel.cancel_because("race"));
            let children: Vec<_> = (0..5).map(|_| parent.with_cancel()).collect();
            while parent.err().is_none() {
                std::hint::spin_loop();
            }
            for (child, _) in &children {
                assert_eq!(child.err(), CANCELED);
                assert_eq!(
                    child.cause().unwrap().brief().to_string(),
                    "context canceled: race"
                );
            }
        });
    }
}

#[test]
fn nobody_sees_an_ended_node_above_a_live_one() {
    for _ in 0..1000 {
        let [(a, a_cancel), (b, b_cancel), (c, _c)] = three();
        let fan: Vec<_> = (0..20).map(|_| c.with_cancel()).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| a_cancel.cancel());
            scope.spawn(|| b_cancel.cancel());
            for seen in [&c, &b, &a] {
                while seen.err().is_none() {
                    std::hint::spin_loop();
                }
                assert!(fan.iter().all(|(ctx, _)| ctx.err() == CANCELED));
            }
        });
    }
}

#[test]
fn many_ends_at_once_wake_everybody() {
    static KEY: Key<usize> = Key::new("number");
    for round in 0..200 {
        let (top, top_cancel) = background().with_cancel();
        let mut nodes = vec![(top, top_cancel)];
        for index in 1..60 {
            let above = nodes[(index - 1) / 4].0.with_value(&KEY, index);
            nodes.push(above.with_cancel());
        }
        std::thread::scope(|scope| {
            for (ctx, _) in nodes.iter().skip(1).step_by(7) {
                scope.spawn(|| futures_lite::future::block_on(ctx.done()));
            }
            for offset in 0..3 {
                let nodes = &nodes;
                scope.spawn(move || {
                    for step in 0..60 {
                        nodes[(step * 7 + offset + round) % 60].1.cancel();
                    }
                });
            }
        });
        assert!(nodes.iter().all(|(ctx, _)| ctx.err() == CANCELED));
    }
}

#[test]
fn handles_dropped_during_a_sweep_strand_nobody() {
    for _ in 0..500 {
        let (top, cancel) = background().with_cancel();
        let mut handles: Vec<_> = (0..8).map(|_| top.with_cancel()).collect();
        std::thread::scope(|scope| {
            for (ctx, _) in &handles {
                let done = ctx.done();
                scope.spawn(|| futures_lite::future::block_on(done));
            }
            scope.spawn(|| cancel.cancel());
            handles.clear();
        });
        assert_eq!(top.node.child_count(), 0);
    }
}

#[test]
fn without_cancel_keeps_values_and_nothing_else() {
    static KEY: Key<u8> = Key::new("kept");
    let _clock = TestClock::install();
    let (top, cancel) = background().with_value(&KEY, 1).with_timeout(ms(10));
    let shielded = top.without_cancel();
    let (below, below_cancel) = shielded.with_cancel();
    cancel.cancel();
    let late = top.without_cancel();
    for ctx in [&shielded, &below, &late] {
        assert_eq!(
            (ctx.err(), ctx.deadline(), ctx.value(&KEY)),
            (None, None, Some(&1))
        );
        assert!(ctx.cause().is_none());
    }
    below_cancel.cancel();
    assert_eq!((below.err(), shielded.err()), (CANCELED, None));
}

#[test]
fn a_thread_may_wait() {
    let (ctx, cancel) = background().with_cancel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ctx.wait());
        cancel.cancel();
        assert_eq!(waiting.join().unwrap(), ContextError::Canceled);
    });
}
