use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::balance::State;
use crate::clock::{self, TestClock};
use crate::limit::Permits;
use crate::net::pool::{Keepalive, Pool, Pooled};
use crate::net::stream::{Hangup, Stream};

/// A connection of which only matters whether something shows up on it.
#[derive(Debug, Clone, Default)]
struct Quiet {
    disturbed: Rc<Cell<bool>>,
}

impl Stream for Quiet {
    fn poll_readable(&self, _cx: &mut Context<'_>) -> Poll<()> {
        if self.disturbed.get() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn poll_read(&self, _cx: &mut Context<'_>, _into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(
        &self,
        _cx: &mut Context<'_>,
        _pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_shutdown(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_hangup(&self, _cx: &mut Context<'_>) -> Poll<Hangup> {
        Poll::Pending
    }
}

fn pooled() -> (Rc<Cell<bool>>, Box<Pooled<Quiet>>) {
    let stream = Quiet::default();
    let disturbed = stream.disturbed.clone();
    (
        disturbed,
        Box::new(Pooled {
            told: None,
            stream,
            since: clock::now(),
            exchanges: 0,
            permit: None,
            open: None,
            counted: Arc::new(State::default()).connected(),
            generation: 0,
        }),
    )
}

#[test]
fn the_connection_used_last_is_taken_first_and_a_disturbed_one_never() {
    let _clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let shelf = pool.shelf(Keepalive::default(), &State::default());
    let (_, first) = pooled();
    let (disturbed, second) = pooled();
    shelf.put(first);
    shelf.put(second);
    disturbed.set(true);
    assert_eq!(
        shelf.take(None).map(|pooled| pooled.exchanges),
        Some(1),
        "the first: the second has ended"
    );
    assert!(shelf.take(None).is_none());
}

#[test]
fn nothing_idles_longer_or_grows_older_than_it_may() {
    let clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let keepalive = Keepalive {
        max_age: Duration::from_secs(30),
        ..Keepalive::default()
    };
    let shelf = pool.shelf(keepalive, &State::default());
    shelf.put(pooled().1);
    clock.advance(Duration::from_secs(21));
    assert!(
        shelf.take(None).is_none(),
        "it idled for more than 20 seconds"
    );
    let (_, old) = pooled();
    clock.advance(Duration::from_secs(31));
    shelf.put(old);
    assert_eq!(pool.idle_count(), 0, "it is older than 30 seconds");
}

#[test]
fn the_keeper_closes_what_ended_and_what_is_due() {
    let clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let state = State::default();
    let keepalive = Keepalive {
        max_idle: 2,
        ..Keepalive::default()
    };
    let shelf = pool.shelf(keepalive, &state);
    let mut keeper = pin!(pool.keep());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(keeper.as_mut().poll(&mut cx).is_pending());
    let (disturbed, one) = pooled();
    for pooled in [pooled().1, one, pooled().1] {
        shelf.put(pooled);
    }
    assert_eq!(pool.idle_count(), 3, "the third has been of use just now");
    assert!(keeper.as_mut().poll(&mut cx).is_pending());
    clock.advance(Duration::from_secs(1));
    assert!(keeper.as_mut().poll(&mut cx).is_pending());
    assert_eq!(
        pool.idle_count(),
        2,
        "the one that idled longest makes room"
    );
    disturbed.set(true);
    assert!(keeper.as_mut().poll(&mut cx).is_pending());
    assert_eq!(pool.idle_count(), 1);
    assert_eq!(
        clock.armed_count(),
        1,
        "the keeper waits for the other one's time"
    );
    clock.advance(Duration::from_secs(20));
    assert!(keeper.as_mut().poll(&mut cx).is_pending());
    assert_eq!((pool.idle_count(), clock.armed_count()), (0, 0));
}

#[test]
fn a_shelf_that_nobody_holds_takes_its_connections_along() {
    let _clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let shelf = Rc::new(pool.shelf(Keepalive::default(), &State::default()));
    let other = pool.shelf(Keepalive::default(), &State::default());
    let held = shelf.clone();
    shelf.put(pooled().1);
    other.put(pooled().1);
    drop(shelf);
    held.put(pooled().1);
    assert_eq!((held.idle_count(), pool.idle_count()), (2, 3));
    drop(held);
    assert_eq!(pool.idle_count(), 1);
}

#[test]
fn a_shelf_goes_by_what_it_was_told_last() {
    let clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let shelf = pool.shelf(Keepalive::default(), &State::default());
    shelf.set(
        Keepalive {
            idle: Duration::from_secs(1),
            ..Keepalive::default()
        },
        None,
    );
    shelf.put(pooled().1);
    clock.advance(Duration::from_secs(1));
    assert!(shelf.take(None).is_none());
}

#[test]
fn idle_connections_give_their_permits_to_all_who_wait() {
    let _clock = TestClock::install();
    let pool = Rc::new(Pool::default());
    let shelf = pool.shelf(Keepalive::default(), &State::default());
    let permits = Permits::new(3, 10);
    shelf.set(Keepalive::default(), Some(permits.clone()));
    let mut keeping = pin!(pool.keep());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(keeping.as_mut().poll(&mut cx).is_pending());
    for _ in 0..3 {
        let (_, mut one) = pooled();
        one.permit = permits.try_acquire();
        shelf.put(one);
    }
    assert_eq!(permits.held(), 3);
    let waiting = [permits.acquire().unwrap(), permits.acquire().unwrap()];
    assert!(keeping.as_mut().poll(&mut cx).is_pending());
    assert_eq!(pool.idle_count(), 1, "one that nobody wants stays");
    for waiting in waiting {
        let mut waiting = pin!(waiting);
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
    }
}
