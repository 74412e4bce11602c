//! A worker's life: it opens its doors, serves, drains on order, and says when it has ended.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::thread;

use async_channel::{Receiver, Sender};

use super::Order;
use super::accept::Door;
use crate::context::Context;
use crate::log::{Log, Scribe};
use crate::net::dialer::Dialer;
use crate::net::listener::Bound;
use crate::proxy::gateway::{Gateway, Rules};
use crate::runtime::buffer::Budget;
use crate::runtime::worker::Worker;

/// A worker's stack. Its tasks live on the heap; what is deep is only the poll of one of them.
const STACK_OCTETS: usize = 512 * 1024;

/// All that a worker is given when it starts.
pub(super) struct Post {
    pub(super) index: usize,
    pub(super) listeners: Vec<(Bound, Context)>,
    /// The server's node.
    pub(super) ctx: Context,
    pub(super) rules: Arc<Rules>,
    pub(super) budget: Arc<Budget>,
    pub(super) log: Log,
    pub(super) connections_max: usize,
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
            self.rules,
            Dialer::new(worker.clone()),
            worker.buffers().clone(),
            Scribe::new(self.log),
            self.index,
        ));
        let door = Rc::new(Door::new(
            worker.clone(),
            gateway.clone(),
            self.connections_max,
        ));
        let mut listeners = Vec::new();
        for (bound, ctx) in self.listeners {
            listeners.push((bound.listener(self.index, worker.reactor())?, ctx));
        }
        let keeper = gateway.clone();
        let (node, stop) = self.ctx.named("task", "origin connections").with_cancel();
        let keeping = node.clone();
        worker.spawn(async move {
            let _ = keeping.run(keeper.pool().keep()).await;
        });
        let flusher = gateway.clone();
        worker.spawn(async move {
            let _ = node.run(flusher.keep_log()).await;
        });
        let inbox = self.inbox;
        worker.run(async {
            {
                let mut accepting: Vec<_> = listeners
                    .iter()
                    .map(|(listener, ctx)| Box::pin(door.accept(listener, ctx)))
                    .collect();
                let mut order = pin!(inbox.recv());
                poll_fn(|cx| {
                    for accepting in &mut accepting {
                        let _ = accepting.as_mut().poll(cx);
                    }
                    // The control side gone is an order too.
                    order.as_mut().poll(cx).map(|order| match order {
                        Ok(Order::Drain) | Err(_) => {}
                    })
                })
                .await;
            }
            for (listener, ctx) in listeners {
                door.accept_waiting(&listener, &ctx).await;
                listener.close();
            }
            // What was just accepted begins before it is told.
            crate::runtime::worker::breathe().await;
            gateway.drain();
            poll_fn(|cx| match gateway.poll_emptied(cx) {
                Poll::Ready(()) if door.is_empty() => Poll::Ready(()),
                Poll::Ready(()) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            })
            .await;
            // The tasks that are left hold the gateway, which holds the worker, which holds them: they end here, so
            // that everything goes, and what was recorded last is written.
            stop.cancel();
            crate::runtime::worker::breathe().await;
        })
    }
}
