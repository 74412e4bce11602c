//! How nodes are made, linked and dropped.

use super::*;
use crate::clock::{TestClock, now};
use crate::context::node::Node;

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
    static USER: crate::context::Key<u8> = crate::context::Key::new("user");
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
