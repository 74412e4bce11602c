//! What a watch tells. Other tests make nodes at the same time, so each looks at a tree of
//! its own, and knows only how much is lost at least. That each change is told or counted once, a model shows.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task;
use std::thread;

use super::*;
use crate::clock::TestClock;
use crate::context::{Change, Dropped, Ended, Label, View, ViewOptions, Watch};

/// One test at a time: what one has no room for is counted by the others.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tree() -> (Context, Cancel, Watch) {
    let (top, keep) = background().named("server", "test").with_cancel();
    let watch = Watch::of(&top);
    (top, keep, watch)
}

/// The changes in short.
fn short(changes: &[Change]) -> Vec<(&'static str, u64)> {
    let of = |change: &Change| match change {
        Change::Made(made) => ("made", made.id),
        Change::Ended(ended) => ("ended", ended.id),
        Change::Drained(id) => ("drained", *id),
        Change::Gone(id) => ("gone", *id),
    };
    changes.iter().map(of).collect()
}

fn end_in(changes: &[Change]) -> &Ended {
    let end = changes.iter().find_map(|change| match change {
        Change::Ended(ended) => Some(&**ended),
        _ => None,
    });
    end.expect("it has ended")
}

#[test]
fn a_life_is_told_in_its_order() {
    let _alone = alone();
    let (top, _keep, mut watch) = tree();
    let (request, cancel) = top.named("request", "GET /").with_timeout(ms(60_000));
    let (attempt, keep) = request.named("attempt", "").with_cancel();
    let (_bell, waker) = Bell::new();
    let mut done = attempt.done();
    assert!(
        Pin::new(&mut done)
            .poll(&mut task::Context::from_waker(&waker))
            .is_pending()
    );
    let receipt = cancel.cancel_because("client closed");
    let (id, below) = (request.id(), attempt.id());
    drop((attempt, keep, done));
    drop((request, cancel));
    let changes = watch.take();
    assert_eq!(
        short(&changes),
        [
            ("made", id),
            ("made", below),
            ("ended", id),
            ("gone", below),
            ("gone", id)
        ]
    );
    let Change::Made(made) = &changes[0] else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (made.parent, made.kind, made.label.as_str()),
        (top.id(), "request", "GET /")
    );
    assert!(made.deadline.is_some() && made.deadline_owner == Some(id));
    let Change::Made(made) = &changes[1] else {
        panic!("{changes:?}")
    };
    assert_eq!((made.parent, made.deadline_owner), (id, Some(id)));
    let end = end_in(&changes);
    assert_eq!(end.receipt, Some(receipt));
    assert_eq!((receipt.nodes, receipt.waiters, receipt.depth), (2, 1, 1));
    assert_eq!(
        end.cause.brief().to_string(),
        "context canceled: client closed"
    );
    assert!(watch.take().is_empty());
}

#[test]
fn a_node_goes_once_whichever_way() {
    let _alone = alone();
    let (top, _keep, mut watch) = tree();
    let made = thread::scope(|scope| {
        let work = scope.spawn(|| {
            let mut ids = Vec::new();
            // More than a thread spares, so that some are used again and some are dropped.
            for _ in 0..3 {
                let many: Vec<_> = (0..100).map(|_| top.with_cancel()).collect();
                ids.extend(many.iter().map(|(ctx, _)| ctx.id()));
            }
            let (detached, cancel) = top.with_cancel();
            cancel.detach();
            // A registration is known besides the tree.
            let stop = detached.after_func_on(drop, || ());
            drop(stop);
            ids.push(detached.id());
            ids
        });
        work.join().unwrap()
    });
    let changes = short(&watch.take());
    for id in made {
        let of_it: Vec<_> = changes.iter().filter(|(_, it)| *it == id).collect();
        assert_eq!(of_it.first(), Some(&&("made", id)));
        assert_eq!(of_it.iter().filter(|(what, _)| *what == "gone").count(), 1);
    }
    let count = |what| changes.iter().filter(|(it, _)| *it == what).count();
    assert_eq!((count("made"), count("gone")), (302, 302));
}

#[test]
fn the_top_is_told_of_too() {
    let _alone = alone();
    let (top, keep, mut watch) = tree();
    let id = top.id();
    drop(keep);
    drop(top);
    let changes = watch.take();
    assert_eq!(short(&changes), [("ended", id), ("gone", id)]);
    let end = end_in(&changes);
    assert!(end.cause.reason().unwrap().is::<Dropped>() && end.receipt.is_some());
}

#[test]
fn a_deadline_is_told_where_it_was() {
    let _alone = alone();
    let clock = TestClock::install();
    let (top, _keep, mut watch) = tree();
    let (slow, _slow) = top.with_timeout(ms(10));
    let (below, _below) = slow.with_cancel();
    clock.advance(ms(20));
    assert_eq!(below.err(), EXPIRED);
    let changes = watch.take();
    assert_eq!(short(&changes)[2..], [("ended", slow.id())]);
    let end = end_in(&changes);
    assert_eq!(end.cause.kind(), ContextError::DeadlineExceeded);
    assert!(end.receipt.is_none());
}

#[test]
fn what_ended_by_itself_below_is_told_too() {
    let _alone = alone();
    let clock = TestClock::install();
    let (top, _keep, mut watch) = tree();
    let (above, cancel) = top.with_cancel();
    let (due, _due) = above.with_timeout(ms(10));
    let (_other, _other_cancel) = above.with_cancel();
    let merged = Context::any([&top, &above]);
    watch.take();
    clock.advance(ms(20));
    cancel.cancel_because("over");
    let changes = watch.take();
    assert_eq!(
        short(&changes),
        [
            ("ended", above.id()),
            ("ended", due.id()),
            ("ended", merged.id())
        ]
    );
    let origins: Vec<u64> = changes
        .iter()
        .map(|change| match change {
            Change::Ended(ended) => ended.cause.origin().id,
            _ => 0,
        })
        .collect();
    assert_eq!(origins, [above.id(), due.id(), above.id()]);
    let late = Context::any([&top, &above]);
    let changes = watch.take();
    assert_eq!(short(&changes), [("made", late.id()), ("ended", late.id())]);
}

#[test]
fn a_drain_is_told_once() {
    let _alone = alone();
    let (top, _keep, mut watch) = tree();
    let (above, cancel) = top.with_cancel();
    let (_below, _below_cancel) = above.with_cancel();
    watch.take();
    cancel.drain();
    cancel.drain();
    assert_eq!(short(&watch.take()), [("drained", above.id())]);
}

#[test]
fn what_is_too_much_is_counted() {
    let _alone = alone();
    let (top, _keep, mut roomy) = tree();
    let mut small = Watch::with_capacity(Some(&top), 10);
    for _ in 0..20 {
        drop(top.with_cancel());
    }
    assert!(small.take().len() == 10 && small.lost() >= 30);
    assert_eq!(roomy.take().len(), 40);
    // Now it has room again.
    let late = top.with_cancel();
    assert_eq!(short(&small.take()), [("made", late.0.id())]);
}

#[test]
fn nobody_has_room() {
    let _alone = alone();
    let (top, _keep) = background().with_cancel();
    let mut small = Watch::with_capacity(Some(&top), 1);
    let none = Watch::with_capacity(Some(&top), 0);
    for _ in 0..20 {
        drop(top.with_cancel());
    }
    // What others do meanwhile may be counted, too.
    assert!(small.lost() >= 39 && none.lost() >= 40);
    assert_eq!(small.take().len(), 1);
}

#[test]
fn long_names_take_room() {
    let _alone = alone();
    let (top, _keep, _roomy) = tree();
    let mut small = Watch::with_capacity(Some(&top), 4);
    let long = "x".repeat(100_000);
    let nodes: Vec<_> = (0..4)
        .map(|_| top.named("long", Label::new(&long)).with_cancel())
        .collect();
    assert_eq!(small.take().len(), 1);
    assert!(small.lost() >= 3);
    drop(nodes);
    assert_eq!(small.take().len(), 4);
}

#[test]
fn other_trees_are_not_told_of() {
    let _alone = alone();
    let (top, _keep, mut watch) = tree();
    let mut all = Watch::with_capacity(None, 1 << 16);
    let (other, _other) = background().with_cancel();
    let (_below, _below_cancel) = other.with_cancel();
    assert!(watch.take().is_empty());
    assert!(short(&all.take()).contains(&("made", other.id())));
    drop(top);
}

#[test]
fn what_is_too_deep_is_counted() {
    let _alone = alone();
    let (top, _keep, mut watch) = tree();
    let mut chain = vec![top.with_cancel()];
    for _ in 0..99 {
        let next = chain.last().unwrap().0.with_cancel();
        chain.push(next);
    }
    let told = watch.take().len();
    assert!(told == 64 && watch.lost() >= 36, "{told}");
}

#[test]
fn what_comes_after_a_cancel_at_work_waits_for_its_receipt() {
    let _alone = alone();
    struct Looks(Mutex<(Watch, Vec<Change>)>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {
            let (watch, seen) = &mut *self.0.lock().unwrap();
            seen.extend(watch.take());
        }
    }
    let (top, _keep, watch) = tree();
    let (ctx, cancel) = top.with_cancel();
    let looks = Arc::new(Looks(Mutex::new((watch, Vec::new()))));
    let mut done = ctx.done();
    let waker = Waker::from(looks.clone());
    assert!(
        Pin::new(&mut done)
            .poll(&mut task::Context::from_waker(&waker))
            .is_pending()
    );
    cancel.cancel();
    let (watch, seen) = &mut *looks.0.lock().unwrap();
    assert_eq!(short(seen), [("made", ctx.id())]);
    let changes = watch.take();
    assert_eq!(short(&changes), [("ended", ctx.id())]);
    assert_eq!(end_in(&changes).receipt.unwrap().waiters, 1);
}

#[test]
fn a_cancel_that_panics_leaves_no_receipt() {
    let _alone = alone();
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let (top, _keep, mut watch) = tree();
    let (ctx, cancel) = top.with_cancel();
    let mut done = ctx.done();
    let waker = Waker::from(Arc::new(Panics));
    let _ = Pin::new(&mut done).poll(&mut task::Context::from_waker(&waker));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cancel.cancel()));
    assert!(panicked.is_err());
    // The event does not survive it whole, and its listener would find that out.
    std::mem::forget(done);
    assert!(end_in(&watch.take()).receipt.is_none());
}

#[test]
fn watches_come_and_go_while_changes_do() {
    let _alone = alone();
    let (top, _keep) = background().with_cancel();
    let mut watch = Watch::with_capacity(Some(&top), 100_000);
    let per_thread = 2000;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..per_thread {
                    drop(top.with_cancel());
                }
            });
        }
        scope.spawn(|| {
            for round in 0..200 {
                let mut short_lived = Watch::with_capacity(Some(&top), round % 7);
                short_lived.take();
                assert!(short_lived.lost() < u64::MAX / 2);
            }
        });
    });
    let changes = short(&watch.take());
    assert_eq!(changes.len(), 3 * 2 * per_thread);
    let mut alive = std::collections::HashSet::new();
    for (what, id) in changes {
        assert!(if what == "made" {
            alive.insert(id)
        } else {
            alive.remove(&id)
        });
    }
    assert!(alive.is_empty());
}

#[test]
fn a_picture_and_what_is_told_after_it_miss_nothing() {
    let _alone = alone();
    let (top, _keep) = background().with_cancel();
    for _ in 0..200 {
        let (ctx, cancel) = top.with_cancel();
        let id = ctx.id();
        thread::scope(|scope| {
            scope.spawn(move || {
                cancel.cancel();
                drop((ctx, cancel));
            });
            let mut watch = Watch::of(&top);
            let view = View::of(&top, &ViewOptions::default());
            let mut told = Vec::new();
            let shown = view.nodes().iter().find(|node| node.id == id);
            let is_live = shown.is_some_and(|node| node.state == "live");
            let is_there = shown.is_some();
            while (is_live && !told.contains(&("ended", id)))
                || (is_there && !told.contains(&("gone", id)))
            {
                told.extend(short(&watch.take()));
                thread::yield_now();
            }
        });
    }
}

#[test]
fn a_deep_chain_may_be_watched() {
    let _alone = alone();
    on_small_stack(|| {
        let (top, _keep, mut watch) = tree();
        let mut last = top.clone();
        for _ in 0..10_000 {
            let (next, cancel) = last.with_cancel();
            cancel.detach();
            last = next;
        }
        drop(last);
        assert_eq!(watch.take().len(), 128);
        assert!(watch.lost() >= 20_000 - 128);
    });
}
