use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::clock::Driver;
use crate::runtime::timer::Timers;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counter() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), count.into())
}

#[test]
fn what_is_due_fires_and_the_rest_waits() {
    let (timers, (count, waker)) = (Timers::default(), counter());
    let now = timers.now();
    timers.arm(now, &waker);
    timers.arm(now + Duration::from_secs(3600), &waker);
    assert_eq!(timers.fire(), 1);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert_eq!(timers.next(), Some(now + Duration::from_secs(3600)));
}

#[test]
fn what_is_disarmed_never_fires_even_when_its_slot_is_used_again() {
    let (timers, (count, waker)) = (Timers::default(), counter());
    let now = timers.now();
    let first = timers.arm(now, &waker);
    timers.disarm(first);
    let second = timers.arm(now + Duration::from_secs(3600), &waker);
    // The key of a timer that is gone does nothing to its successor.
    timers.disarm(first);
    timers.rewake(first, Waker::noop());
    assert_eq!((timers.fire(), timers.armed_count()), (0, 1));
    timers.disarm(second);
    assert_eq!((timers.armed_count(), timers.next()), (0, None));
    assert_eq!(count.0.load(Ordering::Relaxed), 0);
}

#[test]
fn a_million_timers_that_never_fire_leave_nothing_behind() {
    let (timers, (_, waker)) = (Timers::default(), counter());
    let at = timers.now() + Duration::from_secs(60);
    for _ in 0..1_000_000 {
        let key = timers.arm(at, &waker);
        timers.disarm(key);
    }
    assert_eq!(timers.armed_count(), 0);
    assert!(timers.entry_count() <= 64, "{}", timers.entry_count());
}
