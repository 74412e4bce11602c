//! The roll call: who asks the workers whether they are there, and what is made of the answer.

use std::convert::Infallible;
use std::future::pending;

use async_channel::Sender;
use async_io::Timer;
use futures_lite::future;

use super::Order;
use super::notify::Notify;

/// All workers, by the channels they are told things over.
pub(super) struct Roll {
    orders: Vec<Sender<Order>>,
}

impl Roll {
    pub(super) fn new(orders: impl Iterator<Item = Sender<Order>>) -> Self {
        Self {
            orders: orders.collect(),
        }
    }

    /// Calls each worker, and waits until it has answered or ended. True: all have answered, so all that they were
    /// ordered before is done.
    pub(super) async fn call(&self) -> bool {
        // All are asked before any answer is waited for.
        let asked: Vec<_> = self.orders.iter().map(ask).collect();
        let mut all = true;
        for (orders, answered) in self.orders.iter().zip(asked) {
            let answered = async { answered.recv().await.is_ok() };
            let ended = async {
                orders.closed().await;
                false
            };
            all &= future::or(answered, ended).await;
        }
        all
    }

    /// Tells a service manager that all is well, as often as it wants to hear it; but only after all workers that have
    /// not ended have said so: one that hangs keeps the word back.
    pub(super) async fn watch(&self, notify: &Notify) -> Infallible {
        let Some(period) = notify.watchdog_period() else {
            return pending().await;
        };
        loop {
            Timer::after(period).await;
            self.call().await;
            notify.watchdog();
        }
    }
}

fn ask(orders: &Sender<Order>) -> async_channel::Receiver<()> {
    let (answer, answered) = async_channel::bounded(1);
    // One that has ended cannot be told.
    let _ = orders.try_send(Order::Ping(answer));
    answered
}
