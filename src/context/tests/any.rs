//! Merged nodes.

use super::*;
use crate::clock::TestClock;
use crate::context::{Key, View, ViewOptions};
use futures_lite::future::{block_on, poll_once};
use std::pin::pin;

#[test]
fn the_first_end_is_the_end_with_its_cause() {
    for first in 0..3 {
        let sources = [0, 1, 2].map(|_| background().with_cancel());
        let merged = Context::any(sources.iter().map(|(ctx, _)| ctx));
        let (below, _below) = merged.with_cancel();
        assert_eq!(merged.err(), None);
        let receipt = sources[first].1.cancel_because("first");
        assert_eq!((receipt.nodes, receipt.depth), (3, 2));
        for (_, cancel) in &sources {
            cancel.cancel_because("later");
        }
        for ctx in [&merged, &below] {
            let cause = ctx.cause().unwrap();
            assert_eq!(cause.origin().id, sources[first].0.id());
            assert_eq!(cause.brief().to_string(), "context canceled: first");
        }
    }
}

#[test]
fn a_source_that_has_ended_already_ends_it_at_birth() {
    let clock = TestClock::install();
    let (live, _live) = background().with_cancel();
    let (over, cancel) = background().with_cancel();
    cancel.cancel_because("over");
    let (late, _late) = background().with_timeout(ms(5));
    clock.advance(ms(5));
    for (sources, error, origin) in [
        ([&live, &over], CANCELED, &over),
        ([&over, &live], CANCELED, &over),
        ([&live, &late], EXPIRED, &late),
        ([&late, &live], EXPIRED, &late),
        ([&over, &late], CANCELED, &over),
    ] {
        let merged = Context::any(sources);
        assert_eq!(merged.err(), error);
        assert_eq!(merged.cause().unwrap().origin().id, origin.id());
    }
}

#[test]
fn the_earliest_deadline_holds_and_has_its_owner() {
    let clock = TestClock::install();
    let (a, _a) = background().with_timeout(ms(30));
    let (b, _b) = background().with_timeout_cause(ms(10), "b is short");
    let (c, _c) = background().with_cancel();
    for order in [[&a, &b, &c], [&c, &b, &a], [&b, &a, &c]] {
        let merged = Context::any(order);
        assert_eq!(merged.deadline(), b.deadline());
        assert_eq!(merged.deadline_owner().unwrap().id(), b.id());
    }
    let merged = Context::any([&a, &b, &c]);
    let mut done = pin!(merged.done());
    assert!(block_on(poll_once(done.as_mut())).is_none());
    clock.advance(ms(10));
    assert_eq!(block_on(done), ContextError::DeadlineExceeded);
    assert_eq!(
        merged.cause().unwrap().brief().to_string(),
        "context deadline exceeded: b is short"
    );
    assert_eq!([a.err(), b.err(), c.err()], [None, EXPIRED, None]);
}

#[test]
fn values_come_from_the_first() {
    static NAME: Key<&str> = Key::new("name");
    let a = background().with_value(&NAME, "a");
    let b = background().with_value(&NAME, "b");
    assert_eq!(Context::any([&a, &b]).value(&NAME), Some(&"a"));
    assert_eq!(
        Context::any([&background(), &b, &a]).value(&NAME),
        Some(&"b")
    );
}

#[test]
fn nothing_merged_never_ends() {
    for merged in [
        Context::any([]),
        Context::any([&background(), &todo()]),
        Context::any([&background()]),
    ] {
        assert_eq!((merged.err(), merged.deadline()), (None, None));
        assert_eq!(merged.kind(), "any");
    }
}

#[test]
fn a_merged_node_leaves_nothing_behind_and_is_counted_everywhere() {
    let (a, _a) = background().with_cancel();
    let (b, _b) = background().with_cancel();
    let merged = Context::any([&a, &b, &a]);
    assert_eq!([a.node.child_count(), b.node.child_count()], [1, 1]);
    assert!(block_on(poll_once(b.emptied())).is_none());
    drop(merged);
    assert_eq!([a.node.child_count(), b.node.child_count()], [0, 0]);
    assert!(block_on(poll_once(b.emptied())).is_some());
}

#[test]
fn a_drain_comes_through_from_any_side() {
    let (a, _a) = background().with_cancel();
    let (b, b_cancel) = background().with_cancel();
    let before = Context::any([&a, &b]);
    b_cancel.drain();
    let after = Context::any([&a, &b]);
    assert!(before.is_draining() && after.is_draining() && !a.is_draining());
}

#[test]
fn a_view_shows_a_merged_node_once() {
    let (top, _top) = background().named("top", "").with_cancel();
    let (a, _a) = top.with_cancel();
    let (b, b_cancel) = top.with_cancel();
    let merged = Context::any([&a, &b]);
    let (below, _below) = merged.with_cancel();
    b_cancel.cancel_because("b");
    let view = View::of(&top, &ViewOptions::default());
    let ids: Vec<u64> = view.nodes().iter().map(|node| node.id).collect();
    assert_eq!(
        ids,
        [top.id(), a.id(), b.id(), merged.id(), below.id()],
        "{view}"
    );
    assert!(view.nodes().iter().all(|node| node.more == 0));
    let shown = view.nodes()[3].cause.as_ref().unwrap();
    assert_eq!(shown.origin().id, b.id());
    assert_eq!(view.nodes()[1].state, "live");
    assert_eq!(top.descendant(below.id()).unwrap().id(), below.id());
    assert_eq!(
        merged.to_string(),
        format!("context.Background.top#{}().WithCancel.Any", top.id())
    );
}

#[test]
fn a_ladder_of_merges_is_no_explosion() {
    let (top, cancel) = background().with_cancel();
    // Shielded, so that they are no children of one end.
    let mut step = [top.without_cancel(), top.without_cancel()];
    let mut all = vec![];
    for _ in 0..60 {
        let next = [Context::any(&step), Context::any(&step)];
        all.extend(step);
        step = next;
    }
    assert_eq!(View::of(&top, &ViewOptions::default()).nodes().len(), 123);
    assert!(top.descendant(u64::MAX).is_none());
    assert_eq!(
        cancel.cancel_descendant(all[0].id(), "rung").unwrap().nodes,
        121
    );
}

#[test]
fn a_long_line_of_merges_is_dropped_on_a_small_stack() {
    on_small_stack(|| {
        let (live, _live) = background().with_cancel();
        let (mut last, cancel) = background().with_cancel();
        for _ in 0..20_000 {
            last = Context::any([&live, &last]);
        }
        assert_eq!(cancel.cancel().nodes, 20_001);
        drop(last);
        assert_eq!(live.node.child_count(), 0);
    });
}

#[test]
fn ends_from_all_sides_at_once_agree_on_one() {
    for _ in 0..1000 {
        let (a, a_cancel) = background().with_cancel();
        let (b, b_cancel) = background().with_cancel();
        let merged = Context::any([&a, &b]);
        let (below, _below) = merged.with_cancel();
        std::thread::scope(|scope| {
            scope.spawn(|| a_cancel.cancel_because("a"));
            scope.spawn(|| b_cancel.cancel_because("b"));
            let error = block_on(below.done());
            assert_eq!((Some(error), merged.err()), (CANCELED, CANCELED));
            let said = |ctx: &Context| ctx.cause().unwrap().origin().id;
            assert_eq!(said(&below), said(&merged));
        });
    }
}

#[test]
fn merging_while_a_source_ends_ends() {
    for _ in 0..1000 {
        let (a, _a) = background().with_cancel();
        let (b, b_cancel) = background().with_cancel();
        std::thread::scope(|scope| {
            let cancel = scope.spawn(|| b_cancel.cancel());
            let merged = Context::any([&a, &b]);
            cancel.join().unwrap();
            assert_eq!(merged.err(), CANCELED);
            assert_eq!(merged.cause().unwrap().origin().id, b.id());
        });
    }
}
