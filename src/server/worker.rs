//! A worker's life: it serves at the doors it is told to open, drains on order, and says when it has ended.

use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::thread;

use async_channel::{Receiver, Sender};
use futures_lite::Stream as _;

use super::Order;
use super::accept::Door;
use crate::context::Context;
use crate::limit::PerAddress;
use crate::log::{Log, Scribe};
use crate::net::dialer::Dialer;
use crate::net::listener::{Bound, Listener};
use crate::proxy::gateway::Gateway;
use crate::proxy::site::Site;
use crate::runtime::buffer::Budget;
use crate::runtime::trim;
use crate::runtime::worker::{Worker, breathe};

/// A worker's stack. Its tasks live on the heap; what is deep is only the poll of one of them.
const STACK_OCTETS: usize = 512 * 1024;

/// All that a worker is given when it starts.
pub(super) struct Post {
    pub(super) index: usize,
    /// The server's node.
    pub(super) ctx: Context,
    pub(super) site: Arc<Site>,
    pub(super) budget: Arc<Budget>,
    pub(super) log: Log,
    pub(super) connections_max: usize,
    pub(super) per_address: PerAddress,
    pub(super) inbox: Receiver<Order>,
    pub(super) last_word: Sender<usize>,
}

impl Post {
    pub(super) fn start(self) -> io::Result<thread::JoinHandle<()>> {
        let name = format!("osier-{}", self.index);
        thread::Builder::new()
            .name(name)
            .stack_size(STACK_OCTETS)
            .spawn(move || {
                let (index, last_word, log) =
                    (self.index, self.last_word.clone(), self.log.clone());
                if let Err(error) = self.work() {
                    log.error(format_args!("worker {index} has ended: {error}"));
                }
                let _ = last_word.try_send(index);
            })
    }

    fn work(self) -> io::Result<()> {
        let worker = Rc::new(Worker::new(self.index, self.budget)?);
        let gateway = Rc::new(Gateway::new(
            self.site,
            Dialer::new(worker.clone()),
            worker.buffers().clone(),
            Scribe::new(self.log),
            self.index,
        ));
        let door = Rc::new(Door::new(
            worker.clone(),
            gateway.clone(),
            self.connections_max,
            self.per_address,
        ));
        let keeper = gateway.clone();
        let (node, stop) = self.ctx.named("task", "origin connections").with_cancel();
        let keeping = node.clone();
        worker.spawn(async move {
            let _ = keeping.run(keeper.pool().keep()).await;
        });
        let employer = worker.clone();
        gateway.employ(node.clone(), move |task| employer.spawn(task));
        let tidied = gateway.clone();
        let tidying = node.clone();
        worker.spawn(async move {
            let tidying = tidying.run(async {
                loop {
                    tidied.tidy().await;
                    trim::give_back();
                }
            });
            let _ = tidying.await;
        });
        let (rested, resting, tired) = (gateway.clone(), node.clone(), worker.clone());
        worker.spawn(async move {
            let resting = resting.run(async {
                loop {
                    rested.rest().await;
                    trim::give_back();
                    tired.let_go_of_code();
                }
            });
            let _ = resting.await;
        });
        let flusher = gateway.clone();
        worker.spawn(async move {
            let _ = node.run(flusher.keep_log()).await;
        });
        let shift = Shift {
            index: self.index,
            worker: worker.clone(),
            gateway,
            door,
            openings: Vec::new(),
            inbox: Box::pin(self.inbox),
            alone: false,
            ending: false,
        };
        worker.run(async {
            shift.work().await?;
            // The tasks that are left hold the gateway, which holds the worker, which holds them: they end here, so
            // that everything goes, and what was recorded last is written.
            stop.cancel();
            breathe().await;
            Ok(())
        })?
    }
}

/// A worker at work: what it accepts from, and what it is told.
struct Shift {
    index: usize,
    worker: Rc<Worker>,
    gateway: Rc<Gateway<Dialer>>,
    door: Rc<Door>,
    openings: Vec<Opening>,
    inbox: Pin<Box<Receiver<Order>>>,
    /// The control side has gone.
    alone: bool,
    /// The worker ends when its last session has.
    ending: bool,
}

/// One socket that is accepted from.
struct Opening {
    /// The address's number, which others of its sockets have too.
    id: usize,
    listener: Rc<Listener>,
    /// The address's node.
    ctx: Context,
    /// The loop that accepts. Never ready.
    accepting: Pin<Box<dyn Future<Output = ()>>>,
}

impl Shift {
    async fn work(mut self) -> io::Result<()> {
        while let Some(order) = self.next().await {
            match order {
                Order::Listen { id, bound, ctx } => self.open(id, &bound, &ctx)?,
                Order::Unlisten { id } => self.shut(|opening| opening.id == id),
                Order::Ping(answer) => drop(answer.try_send(())),
                Order::Report(question) => question.answer(self.gateway.snapshot()),
                Order::Serve(site) => self.gateway.adopt(site),
                Order::Part => self.gateway.part(),
                Order::Retire => {
                    self.shut(|_| true);
                    self.gateway.part();
                    self.ending = true;
                }
                Order::Drain => {
                    self.shut(|_| true);
                    // What was just accepted begins before it is told.
                    breathe().await;
                    self.gateway.drain();
                    self.ending = true;
                }
            }
        }
        Ok(())
    }

    /// The next order; accepts meanwhile. None: the last session of a worker that is to end has ended.
    async fn next(&mut self) -> Option<Order> {
        poll_fn(|cx| {
            for opening in &mut self.openings {
                let _ = opening.accepting.as_mut().poll(cx);
            }
            if !self.alone {
                if let Poll::Ready(order) = self.inbox.as_mut().poll_next(cx) {
                    // The control side gone is an order too.
                    self.alone = order.is_none();
                    return Poll::Ready(Some(order.unwrap_or(Order::Drain)));
                }
            }
            if !self.ending {
                return Poll::Pending;
            }
            ready!(self.gateway.poll_emptied(cx));
            if self.door.is_empty() {
                return Poll::Ready(None);
            }
            // Accepted, and not yet begun.
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    /// # Errors
    /// The worker can accept from nothing at all. While it accepts from another address, it only says so.
    fn open(&mut self, id: usize, bound: &Bound, ctx: &Context) -> io::Result<()> {
        let listeners = match bound.listeners(self.index, self.worker.reactor()) {
            Ok(listeners) => listeners,
            Err(error) if self.openings.is_empty() => return Err(error),
            Err(error) => {
                let address = &bound.address;
                self.gateway
                    .say(&format!("cannot accept from {address}: {error}"));
                return Ok(());
            }
        };
        for listener in listeners.into_iter().map(Rc::new) {
            let (door, from, node) = (self.door.clone(), listener.clone(), ctx.clone());
            self.openings.push(Opening {
                id,
                listener,
                ctx: ctx.clone(),
                accepting: Box::pin(async move { door.accept(&from, id, &node).await }),
            });
        }
        Ok(())
    }

    fn shut(&mut self, which: impl Fn(&Opening) -> bool) {
        let openings = mem::take(&mut self.openings);
        let (shut, open): (Vec<_>, _) = openings.into_iter().partition(which);
        self.openings = open;
        for opening in shut {
            drop(opening.accepting);
            // The loop that is gone held it too; now nobody else does.
            if let Some(listener) = Rc::into_inner(opening.listener) {
                self.door.shut(listener, opening.id, &opening.ctx);
            }
        }
    }
}
