use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use crate::limit::{Acquire, Permit, Permits, QueueFull};

/// Counts how often it was woken.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn rung(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll(waiting: &mut Acquire, bell: &Arc<Bell>) -> Poll<Permit> {
    let waker = Waker::from(bell.clone());
    Pin::new(waiting).poll(&mut Context::from_waker(&waker))
}

#[test]
fn there_are_so_many_and_the_rest_wait_in_turn() {
    let permits = Permits::new(2, 10);
    let (one, _two) = (
        permits.try_acquire().unwrap(),
        permits.try_acquire().unwrap(),
    );
    assert!(permits.try_acquire().is_none());
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let (mut first, mut second) = (permits.acquire().unwrap(), permits.acquire().unwrap());
    assert!(poll(&mut first, &bells[0]).is_pending());
    assert!(poll(&mut second, &bells[1]).is_pending());
    assert_eq!((permits.waiting(), permits.held()), (2, 2));
    drop(one);
    assert_eq!((bells[0].rung(), bells[1].rung()), (1, 0));
    assert!(
        permits.try_acquire().is_none(),
        "it is the first one's already"
    );
    assert!(poll(&mut second, &bells[1]).is_pending());
    let Poll::Ready(permit) = poll(&mut first, &bells[0]) else {
        panic!("it has none")
    };
    assert_eq!((permits.waiting(), permits.held()), (1, 2));
    drop(permit);
    assert!(poll(&mut second, &bells[1]).is_ready());
    assert_eq!((permits.waiting(), permits.held()), (0, 1));
}

#[test]
fn who_leaves_the_queue_passes_on_what_it_was_given() {
    let permits = Permits::new(1, 10);
    let held = permits.try_acquire().unwrap();
    let bell = Arc::new(Bell::default());
    let (mut first, mut second) = (permits.acquire().unwrap(), permits.acquire().unwrap());
    let mut third = permits.acquire().unwrap();
    for waiting in [&mut first, &mut second, &mut third] {
        assert!(poll(waiting, &bell).is_pending());
    }
    drop(second);
    drop(held);
    drop(first);
    assert!(poll(&mut third, &bell).is_ready());
    assert_eq!((permits.waiting(), permits.held()), (0, 0));
}

#[test]
fn a_full_queue_says_so() {
    let permits = Permits::new(1, 1);
    let _held = permits.try_acquire().unwrap();
    let _waiting = permits.acquire().unwrap();
    assert_eq!(permits.acquire().err(), Some(QueueFull));
    let none = Permits::new(1, 0);
    let _held = none.try_acquire().unwrap();
    assert_eq!(none.acquire().err(), Some(QueueFull));
}

#[test]
fn who_keeps_idle_connections_hears_that_somebody_waits() {
    let permits = Permits::new(1, 10);
    let held = permits.try_acquire().unwrap();
    let keeper = Arc::new(Bell::default());
    let waker = Waker::from(keeper.clone());
    let quiet = permits.watch(&waker).unwrap();
    assert_eq!(permits.watch(&waker), Some(quiet));
    assert!(permits.is_still(quiet));
    let waiting = permits.acquire().unwrap();
    assert_eq!(keeper.rung(), 1);
    assert!(!permits.is_still(quiet), "the watch is over");
    assert_eq!(permits.watch(&waker), None, "somebody waits already");
    drop(held);
    let quiet = permits.watch(&waker);
    let quiet = quiet.expect("nobody has to wait any longer");
    drop(waiting);
    assert!(permits.is_still(quiet));
}

#[test]
fn more_of_them_wake_who_waits_and_fewer_take_none_away() {
    let permits = Permits::new(1, 10);
    let held = permits.try_acquire().unwrap();
    let bell = Arc::new(Bell::default());
    let mut waiting = permits.acquire().unwrap();
    assert!(poll(&mut waiting, &bell).is_pending());
    permits.set(2, 10);
    let Poll::Ready(other) = poll(&mut waiting, &bell) else {
        panic!("there are two")
    };
    permits.set(1, 10);
    assert_eq!((permits.held(), permits.max()), (2, 1));
    drop(held);
    assert!(permits.try_acquire().is_none());
    drop(other);
    assert!(permits.try_acquire().is_some());
}

#[test]
fn threads_share_them_and_none_is_lost() {
    let permits = Permits::new(3, 1000);
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let permit = match permits.try_acquire() {
                        Some(permit) => permit,
                        None => futures_lite::future::block_on(permits.acquire().unwrap()),
                    };
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                    drop(permit);
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 3);
    assert_eq!((permits.waiting(), permits.held()), (0, 0));
}
