//! Functions that run when a context ends.

use super::*;
use crate::clock::TestClock;
use crate::context::{View, ViewOptions};
use futures_lite::future::block_on;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::mpsc;

#[test]
fn it_runs_after_the_end_on_a_thread_of_its_own() {
    let (ctx, cancel) = background().with_cancel();
    let (ran, runs) = mpsc::channel();
    let seen = ctx.clone();
    let stop = ctx.after_func(move || {
        let _ = ran.send((seen.err(), std::thread::current().id()));
    });
    assert!(runs.try_recv().is_err());
    cancel.cancel();
    let (error, thread) = runs.recv().unwrap();
    assert_eq!(error, CANCELED);
    assert_ne!(thread, std::thread::current().id());
    assert!(!stop.stop());
    block_on(ctx.emptied());
}

#[test]
fn it_runs_at_once_below_an_ended_node() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    let (ran, runs) = mpsc::channel();
    ctx.after_func(move || ran.send(()).unwrap());
    runs.recv().unwrap();
}

#[test]
fn it_runs_at_the_deadline_with_nobody_looking() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let (ran, runs) = mpsc::channel();
    let stop = ctx.after_func(move || ran.send(()).unwrap());
    assert_eq!(clock.armed_count(), 1);
    clock.advance(ms(9));
    assert!(runs.try_recv().is_err());
    clock.advance(ms(1));
    runs.recv().unwrap();
    assert_eq!(clock.armed_count(), 0);
    assert!(!stop.stop());
}

#[test]
fn a_real_clock_runs_it_too() {
    let (ctx, _cancel) = background().with_timeout(ms(2));
    let (ran, runs) = mpsc::channel();
    ctx.after_func(move || ran.send(()).unwrap());
    runs.recv().unwrap();
}

#[test]
fn stopped_it_never_runs_and_leaves_nothing() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    let held = Arc::new(());
    let captured = held.clone();
    let stop = ctx.after_func(move || drop(captured));
    assert_eq!(ctx.node.child_count(), 1);
    assert_eq!(
        View::of(&ctx, &ViewOptions::default()).nodes()[1].kind,
        "after_func"
    );
    assert!(stop.stop());
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!((ctx.node.child_count(), clock.armed_count()), (0, 0));
    assert!(!stop.stop());
    cancel.cancel();
}

#[test]
fn a_deadline_that_nobody_saw_was_before_the_stop() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let (ran, runs) = mpsc::channel();
    let stop = {
        // Registered where timers are forgotten.
        let _lost = TestClock::install();
        ctx.after_func(move || ran.send(()).unwrap())
    };
    clock.advance(ms(10));
    assert!(runs.try_recv().is_err());
    assert!(!stop.stop());
    runs.recv().unwrap();
}

#[test]
fn below_what_never_ends_nothing_is_registered() {
    let held = Arc::new(());
    for ctx in [background(), background().without_cancel()] {
        let captured = held.clone();
        let stop = ctx.after_func(move || drop(captured));
        assert_eq!(ctx.node.child_count(), 0);
        assert_eq!((stop.stop(), stop.stop()), (true, false));
        let stop = ctx.after_func_on(|_| panic!("nothing to spawn"), || ());
        assert_eq!((stop.stop(), stop.stop()), (true, false));
    }
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_registration_keeps_no_memory_after_the_end() {
    let (ctx, cancel) = background().with_cancel();
    let held = Arc::new(());
    let weak = Arc::downgrade(&ctx.node);
    for _ in 0..10 {
        let captured = held.clone();
        ctx.after_func(move || drop(captured));
    }
    cancel.cancel();
    block_on(ctx.emptied());
    drop((ctx, cancel));
    // The last thread may still be returning from the drop of its node.
    while weak.upgrade().is_some() || Arc::strong_count(&held) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn run_and_stop_at_once_agree_on_one() {
    for _ in 0..300 {
        let (ctx, cancel) = background().with_cancel();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let stop = ctx.after_func(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let stopped = std::thread::scope(|scope| {
            scope.spawn(|| cancel.cancel());
            stop.stop()
        });
        block_on(ctx.emptied());
        assert_eq!(runs.load(Ordering::SeqCst), usize::from(!stopped));
    }
}

#[test]
fn registering_while_it_ends_runs_once() {
    for _ in 0..300 {
        let (ctx, cancel) = background().with_cancel();
        let (ran, runs) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| cancel.cancel());
            ctx.after_func(move || ran.send(()).unwrap());
        });
        assert_eq!(runs.iter().count(), 1);
    }
}

#[test]
fn on_an_executor_it_is_a_task() {
    let executor = smol::LocalExecutor::new();
    let ran = Rc::new(Cell::new(0));
    let (ctx, cancel) = background().with_cancel();
    let register = || {
        let ran = ran.clone();
        ctx.after_func_on(
            |task| executor.spawn(task).detach(),
            move || ran.set(ran.get() + 1),
        )
    };
    let (run, stopped) = (register(), register());
    while executor.try_tick() {}
    assert_eq!(ran.get(), 0);
    assert!(stopped.stop());
    assert!(!stopped.stop());
    while executor.try_tick() {}
    assert_eq!(ctx.node.child_count(), 1);
    cancel.cancel();
    while executor.try_tick() {}
    assert_eq!((ran.get(), ctx.node.child_count()), (1, 0));
    assert!(!run.stop());
}
