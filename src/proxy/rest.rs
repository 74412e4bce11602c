//! When a worker has come to rest.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::clock;

/// Without a request for so long, a worker is at rest. It is looked as often: it may be twice as long until that is seen.
const QUIET: Duration = Duration::from_secs(10);
/// The same for a worker that has only begun: by then the start is over, for the other threads too.
const BEGUN: Duration = Duration::from_millis(500);

/// Notes that requests come, and says when none has come for a while.
#[derive(Debug)]
pub(super) struct Rest {
    /// One has come since that was looked at.
    is_stirred: Cell<bool>,
    /// How long it is waited for the next look: [`BEGUN`], then [`QUIET`].
    quiet: Cell<Duration>,
    /// Who waits for the first.
    keeper: RefCell<Option<Waker>>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            // By the start itself.
            is_stirred: Cell::new(true),
            quiet: Cell::new(BEGUN),
            keeper: RefCell::default(),
        }
    }
}

impl Rest {
    /// A request has come, or another configuration.
    pub(super) fn stir(&self) {
        if !self.is_stirred.replace(true) {
            if let Some(keeper) = self.keeper.borrow_mut().take() {
                keeper.wake();
            }
        }
    }

    /// Returns when requests have come, and then none for ten seconds, or up to twenty; the first time when the worker has begun, and
    /// none has come for half a second. Whoever rests already is not woken for it.
    pub(super) async fn reached(&self) {
        poll_fn(|cx| {
            if self.is_stirred.get() {
                return Poll::Ready(());
            }
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        while self.is_stirred.replace(false) {
            clock::sleep(self.quiet.replace(QUIET)).await;
        }
    }
}
