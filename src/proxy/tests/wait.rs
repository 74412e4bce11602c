use std::future::{Future, pending, ready};
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use crate::clock::TestClock;
use crate::context::{self, Reason};
use crate::proxy::error::{ClientGone, Drained, Phase};
use crate::proxy::timeout::Timeout;
use crate::proxy::wait::within;

const LIMIT: (Timeout, Option<Duration>) = (Timeout::Response, Some(Duration::from_secs(30)));

#[test]
fn work_that_need_not_wait_makes_no_node_and_arms_no_timer() {
    let clock = TestClock::install();
    let (ctx, _cancel) = context::background().with_cancel();
    let mut cx = TaskContext::from_waker(Waker::noop());
    let work = pin!(ready(7));
    let mut waiting = pin!(within(&ctx, Phase::Await, LIMIT, work));
    assert!(matches!(waiting.as_mut().poll(&mut cx), Poll::Ready(Ok(7))));
    assert_eq!(clock.armed_count(), 0);
}

#[test]
fn a_wait_shows_in_the_tree_and_ends_at_its_deadline() {
    let clock = TestClock::install();
    let (ctx, _cancel) = context::background().with_cancel();
    let mut cx = TaskContext::from_waker(Waker::noop());
    let work = pin!(pending::<()>());
    let mut waiting = pin!(within(&ctx, Phase::Await, LIMIT, work));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    let picture = context::View::of(&ctx, &context::ViewOptions::default()).to_text();
    assert!(picture.contains("response head"), "{picture}");
    clock.advance(Duration::from_secs(30));
    let Poll::Ready(Err(error)) = waiting.as_mut().poll(&mut cx) else {
        panic!("it goes on")
    };
    assert_eq!(error.cause(), "response_timeout");
    assert_eq!(ctx.err(), None, "the one above lives on");
}

#[test]
fn who_ended_the_branch_is_who_is_named() {
    for (reason, cause) in [
        (Reason::Static(ClientGone::REASON), "client_gone"),
        (Reason::Static(Drained::REASON), "drain"),
        (Reason::from("enough"), "admin:enough"),
        (Reason::Static(Timeout::Total.as_static()), "deadline:total"),
    ] {
        let _clock = TestClock::install();
        let (ctx, cancel) = context::background().with_cancel();
        let mut cx = TaskContext::from_waker(Waker::noop());
        let work = pin!(pending::<()>());
        let mut waiting = pin!(within(&ctx, Phase::Await, LIMIT, work));
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        cancel.cancel_because(reason);
        let Poll::Ready(Err(error)) = waiting.as_mut().poll(&mut cx) else {
            panic!("it goes on")
        };
        assert_eq!(error.cause(), cause);
    }
}
