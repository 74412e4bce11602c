//! A session's task, as far as its waits know of it.
//!
//! A session and all its exchanges are the work of one task, and nearly every wait of theirs is over before anything ends
//! it. So the task is named to the session's node once, and woken whenever something below that ends; and it has one alarm
//! for all deadlines that it waits for. A wait then leaves nothing anywhere that would have to be taken away again.

use std::cell::{OnceCell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll, Waker, ready};
use std::time::Instant;

use crate::clock::Alarm;
use crate::context::{Context, Done};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Task {
    /// What wakes it. // from its first turn on
    waker: OnceCell<Waker>,
    /// Rings at the earliest moment that anything here waits for, or before.
    alarm: RefCell<Alarm>,
}

impl Task {
    /// The task that polls works for `ctx`, and for what is derived from it afterwards.
    pub(super) fn work_for(&self, ctx: &Context, cx: &task::Context<'_>) {
        ctx.set_task(self.waker.get_or_init(|| cx.waker().clone()));
    }

    /// Ready when `ctx` has ended. `done` is used where somebody else polls, or works for the context: whoever awaits
    /// several futures at once may do that with wakers of its own.
    pub(super) fn poll_done(
        &self,
        ctx: &Context,
        done: &mut Option<Done>,
        cx: &mut task::Context<'_>,
    ) -> Poll<()> {
        let is_this = |waker: &Waker| waker.will_wake(cx.waker());
        if !ctx.has_task() || !self.waker.get().is_some_and(is_this) {
            let done = done.get_or_insert_with(|| ctx.done());
            return Pin::new(done).poll(cx).map(|_| ());
        }
        loop {
            if ctx.err().is_some() {
                return Poll::Ready(());
            }
            let Some(deadline) = ctx.deadline() else {
                return Poll::Pending;
            };
            ready!(self.poll_until(deadline, cx));
        }
    }

    /// Ready at or after `until`, which may be another moment at each poll.
    pub(super) fn poll_until(&self, until: Instant, cx: &mut task::Context<'_>) -> Poll<()> {
        self.alarm.borrow_mut().poll_until(until, cx)
    }
}
