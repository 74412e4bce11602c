//! The control side: signals, the admin interface, the drain.

use std::future::pending;
use std::io;
use std::time::Duration;

use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt, future};
use smol::LocalExecutor;

use super::{Order, Server};
use crate::admin::{Admin, Condition};
use crate::context::Reason;
use crate::proxy::error::Drained;

/// How long what was cancelled at the end of the grace may take to be gone.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// The signals that the control side follows, from here on.
pub(super) fn signals() -> io::Result<Signals> {
    Signals::new([Signal::Term, Signal::Int, Signal::Hup, Signal::Usr1])
}

/// How far the server is. It goes down this list, and may leave steps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Told to stop, and accepting for a little while yet.
    Leaving,
    /// Accepting nothing; what runs may end.
    Draining,
    /// What still runs has been cancelled.
    Canceled,
}

/// What ends a wait of the control side.
enum Event {
    /// A signal to stop.
    Stop(Signal),
    /// A [`Stopper`](super::Stopper) to stop.
    Asked,
    /// A worker has ended.
    Ended,
    /// The phase has lasted as long as it may.
    TimeOver,
}

/// Serves the admin interface and follows signals until every worker has ended. False: some have not, and are not
/// waited for any longer.
pub(super) async fn run(server: &mut Server, admin: &Admin, signals: Signals) -> io::Result<bool> {
    let executor = LocalExecutor::new();
    let listener = match &server.admin {
        Some(bound) => Some(bound.async_listener()?),
        None => None,
    };
    let accepting = async {
        let Some(listener) = listener else {
            return pending().await;
        };
        loop {
            match listener.accept().await {
                Ok((stream, local)) => executor.spawn(admin.serve(stream, local)).detach(),
                Err(_) => drop(Timer::after(Duration::from_millis(100)).await),
            }
        }
    };
    let control = Control {
        left: server.workers.len(),
        server,
        signals,
        phase: Phase::Serving,
        timer: None,
    };
    executor
        .run(accepting.or(async { Ok(control.follow().await) }))
        .await
}

/// The control side at work.
struct Control<'a> {
    server: &'a mut Server,
    signals: Signals,
    /// How many workers have not ended.
    left: usize,
    phase: Phase,
    /// The end of the phase.
    timer: Option<Timer>,
}

impl Control<'_> {
    async fn follow(mut self) -> bool {
        while self.left > 0 {
            match self.next().await {
                Event::Stop(signal) => {
                    if !self.step(&format!("{signal:?}")) {
                        return false;
                    }
                }
                Event::Asked if self.phase == Phase::Serving => {
                    self.step("asked to stop");
                }
                Event::Asked => {}
                Event::TimeOver => {
                    if !self.step("time is over") {
                        return false;
                    }
                }
                Event::Ended => {
                    self.left -= 1;
                    // One that failed; the others are not left alone.
                    if self.left > 0 && self.phase < Phase::Draining {
                        self.drain();
                    }
                }
            }
        }
        true
    }

    /// One phase further. False: there is none.
    fn step(&mut self, why: &str) -> bool {
        let (delay, grace) = (self.server.delay, self.server.grace);
        match self.phase {
            Phase::Serving if !delay.is_zero() => {
                self.server.log.info(format_args!(
                    "{why}: leaving; accepting for {delay:?} more, then draining, for {grace:?} at most"
                ));
                self.server.condition.reach(Condition::LEAVING);
                self.server.tell(&Order::Part);
                self.enter(Phase::Leaving, delay);
            }
            Phase::Serving | Phase::Leaving => {
                self.server
                    .log
                    .info(format_args!("{why}: draining, for {grace:?} at most"));
                self.drain();
            }
            Phase::Draining => {
                let reason = Reason::Static(Drained::REASON);
                let receipt = self.server.cancel.cancel_because(reason);
                self.server.log.info(format_args!(
                    "the grace is over: {} nodes cancelled",
                    receipt.nodes
                ));
                self.enter(Phase::Canceled, AFTER_CANCEL);
            }
            Phase::Canceled => {
                self.server.log.warn("ending with sessions that do not end");
                return false;
            }
        }
        true
    }

    fn drain(&mut self) {
        self.server.condition.reach(Condition::DRAINING);
        for order in self.server.listening.shut_all() {
            self.server.tell(&order);
        }
        self.server.tell(&Order::Drain);
        self.enter(Phase::Draining, self.server.grace);
    }

    fn enter(&mut self, phase: Phase, lasting: Duration) {
        self.phase = phase;
        self.timer = Some(Timer::after(lasting));
    }

    async fn next(&mut self) -> Event {
        let server = &*self.server;
        let signaled = async {
            loop {
                match self.signals.next().await {
                    Some(Ok(signal @ (Signal::Term | Signal::Int))) => return Event::Stop(signal),
                    Some(Ok(Signal::Usr1)) => server.log.reopen(),
                    Some(Ok(Signal::Hup)) => server
                        .log
                        .info("Hup: there is no configuration file to read again"),
                    Some(_) => {}
                    None => pending().await,
                }
            }
        };
        let ended = async {
            match server.ended.recv().await {
                Ok(_) => Event::Ended,
                Err(_) => pending().await,
            }
        };
        let asked = async {
            match server.stop.1.recv().await {
                Ok(()) => Event::Asked,
                Err(_) => pending().await,
            }
        };
        let over = async {
            match &mut self.timer {
                Some(timer) => drop(timer.await),
                None => pending().await,
            }
            Event::TimeOver
        };
        future::or(future::or(signaled, asked), future::or(ended, over)).await
    }
}
