//! Where exchanges run: memory that one of them leaves to the next.
//!
//! What an exchange keeps between its waits is about 5 KiB, nearly all of it the state of its future. Made anew for
//! each, that would be built on the stack, copied and, under many connections, cold; kept by each session, it would be
//! most of what an idle client costs. So the future here does not end with its exchange: it waits for the next one,
//! whichever session that belongs to. A session has a stage only while an exchange of it runs, and the stage that was
//! left last is taken first, while it is still in the processor's cache.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::exchange::{self, Next};
use super::gateway::Heads;
use super::session::Session;
use crate::clock;
use crate::net::dialer::Dial;
use crate::net::stream::Stream;
use crate::runtime::buffer::Buffer;

/// How many stages a worker keeps that nobody is on.
const SPARES_KEPT: usize = 64;
/// For how long a stage beyond those has to be unneeded to go.
const UNUSED: Duration = Duration::from_secs(1);
/// See [`Stages::tidy`]: with what hangs on them, a few MiB.
const MANY: usize = 512;

/// A future that runs one exchange after the other, and never ends.
struct Stage<C, D: Dial> {
    desk: Rc<Desk<C, D>>,
    run: Pin<Box<dyn Future<Output = ()>>>,
}

/// What goes in and out of the stages of a worker. One is enough for all of them, and is in the processor's cache then: what
/// lies on it is taken before the poll that brings it has ended.
struct Desk<C, D: Dial> {
    /// Whose exchange is next, and what its client has sent of it already.
    next: Cell<Option<Order<C, D>>>,
    /// How it ended, and what its client has sent beyond it.
    over: Cell<Option<Outcome<D>>>,
}

type Order<C, D> = (Rc<Session<C, D>>, Option<Buffer>);
type Outcome<D> = (Next<<D as Dial>::Stream>, Option<Buffer>);

impl<C, D: Dial> Default for Desk<C, D> {
    fn default() -> Self {
        Self {
            next: Cell::new(None),
            over: Cell::new(None),
        }
    }
}

impl<C: Stream + 'static, D: Dial + 'static> Stage<C, D> {
    fn new(desk: Rc<Desk<C, D>>) -> Self {
        let inside = desk.clone();
        let run = Box::pin(async move {
            let mut heads = Box::<Heads>::default();
            loop {
                // Its one caller polls it when there is something, and only then.
                let next = poll_fn(|_| inside.next.take().map_or(Poll::Pending, Poll::Ready));
                let (session, mut input) = next.await;
                let next = exchange::run(&session, &mut input, &mut heads).await;
                heads.renew();
                drop(session);
                inside.over.set(Some((next, input)));
            }
        });
        Self { desk, run }
    }
}

/// The stages of one worker that nobody is on.
#[derive(Default)]
pub(super) struct Stages {
    /// Of the types that sessions have here: in practice of one.
    spares: RefCell<Vec<Box<dyn Any>>>,
    /// For each of these types.
    desks: RefCell<Vec<Rc<dyn Any>>>,
    /// How few of them there were, since [`Stages::tidy`] looked last: so many were not needed.
    spares_min: Cell<usize>,
    /// How many sessions and stages have gone since [`Stages::tidy`] said so.
    gone: Cell<usize>,
    /// Who waits for something to tidy up.
    keeper: RefCell<Option<Waker>>,
}

impl Stages {
    fn take<C: Stream + 'static, D: Dial + 'static>(&self) -> Box<Stage<C, D>> {
        let mut spares = self.spares.borrow_mut();
        let spare = spares.pop();
        self.spares_min.set(self.spares_min.get().min(spares.len()));
        drop(spares);
        spare
            .and_then(|spare| spare.downcast().ok())
            .unwrap_or_else(|| Box::new(Stage::new(self.desk())))
    }

    fn desk<C: Stream + 'static, D: Dial + 'static>(&self) -> Rc<Desk<C, D>> {
        let mut desks = self.desks.borrow_mut();
        let known = desks.iter().find_map(|desk| desk.clone().downcast().ok());
        known.unwrap_or_else(|| {
            let desk = Rc::<Desk<C, D>>::default();
            desks.push(desk.clone());
            desk
        })
    }

    fn put(&self, stage: Box<dyn Any>) {
        let mut spares = self.spares.borrow_mut();
        spares.push(stage);
        if spares.len() > SPARES_KEPT {
            self.wake_keeper();
        }
    }

    /// Notes that a session has ended.
    pub(super) fn note_end(&self) {
        self.gone.set(self.gone.get() + 1);
        if self.gone.get() >= MANY {
            self.wake_keeper();
        }
    }

    fn wake_keeper(&self) {
        if let Some(keeper) = self.keeper.borrow_mut().take() {
            keeper.wake();
        }
    }

    /// Gives stages back that were not needed for a while. Returns whenever so much has gone, sessions or stages, that
    /// the allocator had better hand on what is free now.
    pub(super) async fn tidy(&self) {
        loop {
            let has_surplus = || self.spares.borrow().len() > SPARES_KEPT;
            poll_fn(|cx| {
                if has_surplus() || self.gone.get() >= MANY {
                    return Poll::Ready(());
                }
                *self.keeper.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            })
            .await;
            self.spares_min.set(usize::MAX);
            clock::sleep(UNUSED).await;
            let unused = self.spares_min.get().min(self.spares.borrow().len());
            let surplus = unused.saturating_sub(SPARES_KEPT);
            // Not borrowed while they go. Those that were used longest ago lie first.
            let surplus: Vec<_> = self.spares.borrow_mut().drain(..surplus).collect();
            self.gone.set(self.gone.get() + surplus.len());
            drop(surplus);
            if self.gone.get() >= MANY {
                self.gone.set(0);
                return;
            }
        }
    }
}

/// Runs the next exchange of `session`, of whose request `input` is the beginning. Gives how it ended and what the
/// client has sent beyond it. Dropped before that, it takes the exchange with it, and the stage.
pub(super) async fn perform<C: Stream + 'static, D: Dial + 'static>(
    session: &Rc<Session<C, D>>,
    input: Option<Buffer>,
) -> (Next<D::Stream>, Option<Buffer>) {
    session.gateway.rest.stir();
    let stages = &session.gateway.stages;
    let mut stage = stages.take::<C, D>();
    let mut order = Some((session.clone(), input));
    let over = poll_fn(|cx| {
        if let Some(order) = order.take() {
            stage.desk.next.set(Some(order));
        }
        let _ = stage.run.as_mut().poll(cx);
        stage.desk.over.take().map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    stages.put(stage);
    over
}
