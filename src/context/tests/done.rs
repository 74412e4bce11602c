//! Waiting.

use super::*;
use crate::clock::TestClock;
use futures_lite::future::{self, block_on, poll_once};
use std::future::Future;
use std::pin::{Pin, pin};
use std::task;

#[test]
fn done_wakes_on_cancel_and_stays_ready() {
    let (ctx, cancel) = background().with_cancel();
    let (bell, waker) = Bell::new();
    let mut cx = task::Context::from_waker(&waker);
    let mut done = ctx.done();
    assert!(Pin::new(&mut done).poll(&mut cx).is_pending());
    assert_eq!(bell.rings(), 0);
    cancel.cancel();
    assert_eq!(bell.rings(), 1);
    for _ in 0..2 {
        assert!(Pin::new(&mut done).poll(&mut cx).is_ready());
    }
}

#[test]
fn done_outlives_every_handle() {
    let (ctx, cancel) = background().with_cancel();
    let done = ctx.done();
    drop(ctx);
    drop(cancel);
    assert_eq!(block_on(done), ContextError::Canceled);
}

#[test]
fn a_timer_is_armed_only_while_somebody_waits() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let (heir, _heir) = ctx.with_cancel();
    let (bell, waker) = Bell::new();
    let mut cx = task::Context::from_waker(&waker);
    assert_eq!(clock.armed_count(), 0);
    let mut done = heir.done();
    assert!(Pin::new(&mut done).poll(&mut cx).is_pending());
    assert_eq!(clock.armed_count(), 1);
    clock.advance(ms(10));
    assert_eq!(bell.rings(), 1);
    assert_eq!(
        Pin::new(&mut done).poll(&mut cx),
        task::Poll::Ready(ContextError::DeadlineExceeded)
    );
    assert_eq!(clock.armed_count(), 0);
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn a_dropped_wait_leaves_no_timer() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let mut done = ctx.done();
    assert!(block_on(poll_once(&mut done)).is_none());
    assert_eq!(clock.armed_count(), 1);
    drop(done);
    assert_eq!((clock.armed_count(), ctx.node.waiter_count()), (0, 0));
}

#[test]
fn roots_are_waited_for_in_vain() {
    assert!(block_on(poll_once(background().done())).is_none());
    assert_eq!(background().node.waiter_count(), 0);
}

#[test]
fn run_looks_at_the_node_first() {
    let (ctx, cancel) = background().with_cancel();
    assert_eq!(block_on(ctx.run(async { 7 })), Ok(7));
    assert_eq!(ctx.node.waiter_count(), 0);
    cancel.cancel();
    let never = future::poll_fn(|_| -> task::Poll<()> { panic!("polled after the end") });
    assert_eq!(block_on(ctx.run(never)), Err(ContextError::Canceled));
}

#[test]
fn run_ends_with_the_node_and_drops_the_work() {
    let (ctx, cancel) = background().with_cancel();
    let held = Arc::new(());
    let inner = held.clone();
    let mut run = pin!(ctx.run(async move {
        future::pending::<()>().await;
        drop(inner);
    }));
    assert!(block_on(poll_once(run.as_mut())).is_none());
    cancel.cancel();
    assert_eq!(block_on(run.as_mut()), Err(ContextError::Canceled));
}

#[test]
fn run_ends_at_the_deadline() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let mut run = pin!(ctx.run(future::pending::<()>()));
    assert!(block_on(poll_once(run.as_mut())).is_none());
    assert!(clock.advance_to_next());
    assert_eq!(block_on(run), Err(ContextError::DeadlineExceeded));
}

#[test]
fn a_real_clock_ends_a_wait_too() {
    let (ctx, _cancel) = background().with_timeout(ms(2));
    assert_eq!(block_on(ctx.done()), ContextError::DeadlineExceeded);
}
