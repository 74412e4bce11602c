//! How nodes are made, linked and dropped.

use super::*;
use crate::clock::{TestClock, now};
use crate::context::node::Node;
use crate::context::{Key, Label, Reason};
use std::fmt;

#[test]
fn a_node_takes_at_most_160_octets_with_its_counters() {
    let counters = 2 * size_of::<usize>();
    println!("node: {} octets", size_of::<Node>() + counters);
    assert!(size_of::<Node>() + counters <= 160);
}

#[test]
fn handles_may_go_anywhere() {
    fn check<T: Send + Sync + Unpin + 'static>() {}
    fn check_future<T: Send + Unpin + 'static>() {}
    check::<Context>();
    check::<Cancel>();
    check_future::<crate::context::Done>();
}

#[test]
fn roots_never_end_and_hold_nothing() {
    for root in [background(), todo()] {
        let (_child, _cancel) = root.with_cancel();
        assert_eq!((root.err(), root.deadline()), (None, None));
        assert!(root.cause().is_none());
        assert_eq!(root.node.child_count(), 0);
    }
}

#[test]
fn a_fresh_child_lives() {
    let (ctx, _cancel) = background().with_cancel();
    assert_eq!(ctx.err(), None);
    assert!(ctx.cause().is_none());
}

#[test]
fn ids_are_never_shared() {
    let mut ids: Vec<u64> = std::thread::scope(|scope| {
        let make = || {
            (0..1000)
                .map(|_| background().with_cancel().0.id())
                .collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8000);
    assert!(!ids.contains(&0));
}

#[test]
fn a_thousand_children_leave_nothing_behind() {
    let (ctx, _cancel) = background().with_cancel();
    let children: Vec<_> = (0..1000).map(|_| ctx.with_cancel()).collect();
    assert_eq!(ctx.node.child_count(), 1000);
    drop(children);
    assert_eq!(ctx.node.child_count(), 0);
    assert!(
        ctx.node.list_capacity() <= 128,
        "{}",
        ctx.node.list_capacity()
    );
}

#[test]
fn children_may_go_in_any_order() {
    let (ctx, _cancel) = background().with_cancel();
    let mut children: Vec<Option<_>> = (0..500).map(|_| Some(ctx.with_cancel())).collect();
    // A step that is prime to the length visits every index once.
    for step in 0..500 {
        children[step * 7 % 500] = None;
        let left: Vec<u64> = children
            .iter()
            .flatten()
            .map(|(child, _)| child.id())
            .collect();
        let listed: Vec<u64> =
            crate::context::View::of(&ctx, &crate::context::ViewOptions::default()).nodes()[1..]
                .iter()
                .map(|node| node.id)
                .collect();
        assert_eq!(listed, left);
    }
}

#[test]
fn a_list_that_never_empties_does_not_grow() {
    let (ctx, _cancel) = background().with_cancel();
    let _elder = ctx.with_cancel();
    let mut running = std::collections::VecDeque::new();
    for _ in 0..100_000 {
        running.push_back(ctx.with_cancel());
        if running.len() > 10 {
            running.pop_front();
        }
    }
    assert!(
        ctx.node.list_capacity() <= 256,
        "{}",
        ctx.node.list_capacity()
    );
}

#[test]
fn an_ended_node_stays_in_the_list_until_its_handles_are_gone() {
    let (ctx, _cancel) = background().with_cancel();
    let (child, cancel) = ctx.with_cancel();
    cancel.cancel();
    drop(cancel);
    assert_eq!(ctx.node.child_count(), 1);
    drop(child);
    assert_eq!(ctx.node.child_count(), 0);
}

#[test]
fn a_deadline_is_never_later_than_the_parents() {
    let _clock = TestClock::install();
    let (early, late) = (now() + ms(10), now() + ms(20));
    let (parent, _a) = background().with_deadline(early);
    let (child, _b) = parent.with_deadline(late);
    assert_eq!(child.deadline(), Some(early));
    assert_eq!(child.deadline_owner().unwrap().id(), parent.id());

    let (parent, _c) = background().with_deadline(late);
    let (child, _d) = parent.with_deadline(early);
    let (heir, _e) = child.with_cancel();
    assert_eq!(heir.deadline(), Some(early));
    assert_eq!(heir.deadline_owner().unwrap().id(), child.id());

    // Of two equal ones, the nearer is the owner.
    let (equal, _f) = child.with_deadline(early);
    assert_eq!(equal.deadline_owner().unwrap().id(), equal.id());
}

#[test]
fn any_moment_is_kept_exactly() {
    let _clock = TestClock::install();
    for at in [
        now(),
        now() - ms(5),
        now() + Duration::from_secs(1 << 30),
        now() + Duration::from_nanos(1),
    ] {
        let (ctx, _cancel) = background().with_deadline(at);
        assert_eq!(ctx.deadline(), Some(at));
    }
    let (ctx, _cancel) = background().with_timeout(Duration::MAX);
    assert_eq!(ctx.err(), None);
}

#[test]
fn a_chain_is_dropped_on_a_small_stack() {
    on_small_stack(|| {
        let (mut ctx, cancel) = background().with_cancel();
        cancel.detach();
        for _ in 0..100_000 {
            let (child, cancel) = ctx.with_cancel();
            cancel.detach();
            ctx = child;
        }
        drop(ctx);
    });
}

#[test]
fn the_path_reads_as_in_go() {
    static USER: Key<u8> = Key::new("user");
    let _clock = TestClock::install();
    let (a, _a) = background().with_cancel();
    let (b, _b) = a.with_timeout(ms(1500));
    let c = b.with_value(&USER, 7);
    assert_eq!(
        c.to_string(),
        "context.Background.WithCancel.WithDeadline(1.50 s).WithValue(user)"
    );
    let (d, _d) = todo().named("job", "a\nb").with_cancel();
    assert_eq!(d.to_string(), format!("context.TODO.job#{}(a\\nb)", d.id()));
    assert_eq!(
        (background().to_string(), todo().to_string()),
        ("context.Background".into(), "context.TODO".into())
    );
}

/// A node that is kept for another use keeps nothing of its caller's.
#[test]
fn what_a_node_held_goes_when_the_node_goes() {
    use std::sync::atomic::AtomicBool;
    static HELD: Key<Arc<AtomicBool>> = Key::new("held");
    #[derive(Debug)]
    struct Sorry(#[allow(dead_code, reason = "only held")] Arc<AtomicBool>);
    impl fmt::Display for Sorry {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("sorry")
        }
    }
    impl std::error::Error for Sorry {}

    let held = Arc::new(AtomicBool::new(false));
    let (parent, _parent) = background().with_cancel();
    let value = parent.with_value(&HELD, held.clone());
    let said = parent.with_cancel();
    said.1.cancel_because(Reason::new(Sorry(held.clone())));
    let ready =
        parent.with_timeout_cause(Duration::from_secs(3600), Reason::new(Sorry(held.clone())));
    let function = parent.with_cancel();
    let kept = held.clone();
    let stop = function.0.after_func(move || drop(kept));
    assert_eq!(Arc::strong_count(&held), 5);
    stop.stop();
    drop((value, said, ready, function));
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(parent.node.child_count(), 0);
}

#[test]
fn a_node_made_of_another_is_nothing_like_it() {
    static NUMBER: Key<u32> = Key::new("number");
    let (parent, _parent) = background().with_cancel();
    for round in 0..200 {
        let (old, cancel) = parent
            .named("exchange", Label::from("GET /".to_owned()))
            .with_timeout_cause(Duration::from_secs(3600), "late");
        let below = old.with_value(&NUMBER, round);
        let beside = [(); 3].map(|()| below.with_cancel());
        cancel.drain();
        cancel.cancel_because("enough");
        drop((old, cancel, below, beside));

        let (new, cancel) = parent.with_cancel();
        assert_eq!(
            (new.kind(), new.label(), new.deadline()),
            ("cancel", "", None)
        );
        assert_eq!((new.err(), new.is_draining()), (None, false));
        assert_eq!((new.value(&NUMBER), new.node.child_count()), (None, 0));
        cancel.cancel();
        assert_eq!(new.cause().unwrap().brief().to_string(), "context canceled");
    }
}

/// Values may hold contexts, whose drop makes and drops others in turn.
#[test]
fn a_value_may_hold_nodes() {
    static HELD: Key<Nested> = Key::new("held");
    struct Nested(Context);
    impl Drop for Nested {
        fn drop(&mut self) {
            let (ctx, _cancel) = self.0.with_cancel();
            assert!(ctx.err().is_none());
        }
    }
    let (top, _top) = background().with_cancel();
    let (parent, cancel) = background().with_cancel();
    cancel.detach();
    for _ in 0..100 {
        let (inner, _inner) = top.with_cancel();
        inner.with_value(&HELD, Nested(parent.with_value(&HELD, Nested(top.clone()))));
    }
    assert_eq!((top.node.child_count(), parent.node.child_count()), (0, 0));
}

/// Handles may be dropped, and nodes made, while the thread's own storage is torn down.
#[test]
fn nodes_may_go_with_their_thread() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) };
    }
    struct Late(Context, #[allow(dead_code, reason = "only held")] Context);
    impl Drop for Late {
        fn drop(&mut self) {
            let (ctx, _cancel) = self.0.with_cancel();
            assert!(ctx.err().is_none());
        }
    }
    let (top, _top) = background().with_cancel();
    for early in [true, false] {
        let top = top.clone();
        let thread = std::thread::spawn(move || {
            // Which of the two is torn down first follows from which is used first.
            if early {
                KEPT.with(|kept| assert!(kept.borrow().is_none()));
            }
            let child = top.with_cancel().0;
            drop(top.with_cancel());
            KEPT.set(Some(Late(top, child)));
        });
        thread.join().unwrap();
    }
    assert_eq!(top.node.child_count(), 0);
}
