//! In the place of `osier::clock`: time stands still, at a moment that each thread may choose for itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use loom::cell::Cell;

loom::thread_local! {
    static AHEAD: Cell<Duration> = Cell::new(Duration::ZERO);
}

pub(crate) fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    start + AHEAD.with(|ahead| ahead.get())
}

/// Moves this thread's clock.
pub(crate) fn advance(by: Duration) {
    AHEAD.with(|ahead| ahead.set(ahead.get() + by));
}

pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    from + by
}

pub(crate) fn sleep(duration: Duration) -> Sleep {
    sleep_until(now() + duration)
}

pub(crate) fn sleep_until(at: Instant) -> Sleep {
    Sleep(at)
}

/// A timer that nobody fires: the models look at the clock themselves.
#[derive(Debug)]
pub(crate) struct Sleep(Instant);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<()> {
        if now() >= self.0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
