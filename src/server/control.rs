//! The control side: signals, the admin interface, the drain, the handing over.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt, future};
use smol::LocalExecutor;

#[cfg(feature = "tls")]
use super::certificates::{self, Marks};
use super::handoff::{self, HandoffError, Successor};
use super::passed::Role;
use super::reload::Mark;
use super::roll::Roll;
use super::{Order, Server, StartError, is_missing};
use crate::admin::desk::{Reload, Reloaded};
use crate::admin::{Admin, Condition};
use crate::context::Reason;
use crate::net::listener::Bound;
use crate::proxy::error::Drained;

/// How long what was cancelled at the end of the grace may take to be gone.
const AFTER_CANCEL: Duration = Duration::from_secs(5);
/// How often an address that no interface has is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How often a watched file is looked at.
const WATCH: Duration = Duration::from_millis(500);

/// The signals that the control side follows, from here on.
pub(super) fn signals() -> io::Result<Signals> {
    Signals::new([
        Signal::Term,
        Signal::Int,
        Signal::Hup,
        Signal::Usr1,
        Signal::Usr2,
    ])
}

/// How far the server is. It goes down this list, and may leave steps out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// Told to stop, and accepting for a little while yet.
    Leaving,
    /// Another process listens; who is still here is served once more.
    Retired,
    /// Accepting nothing; what runs may end.
    Draining,
    /// What still runs has been cancelled.
    Canceled,
}

/// The wait for a new process to serve.
type Handoff = Pin<Box<dyn Future<Output = Result<Successor, HandoffError>>>>;

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
    /// A signal to be replaced.
    Replace,
    /// A new process serves, or there is none.
    Replaced(Result<Successor, HandoffError>),
    /// All workers are at work.
    Begun,
    /// The configuration is to be read again: why, and who wants to know what came of it.
    Reload(&'static str, Option<Reload>),
    /// It is time to try missing addresses again.
    Retry,
    /// The endpoints of a service are others.
    Resolved,
    /// The files of certificates have changed, and look like this now.
    #[cfg(feature = "tls")]
    Certificates(Marks),
}

/// Serves the admin interface and follows signals until every worker has ended. False: some have not, and are not
/// waited for any longer.
pub(super) async fn run(server: &mut Server, admin: &Admin, signals: Signals) -> io::Result<bool> {
    let executor = LocalExecutor::new();
    let listener = match &server.admin {
        Some(bound) => Some(bound.async_listener()?),
        None => None,
    };
    let (shut, shutting) = async_channel::bounded::<Infallible>(1);
    let accepting = async {
        if let Some(listener) = listener {
            let accepting = async {
                loop {
                    match listener.accept().await {
                        Ok((stream, ends)) => executor.spawn(admin.serve(stream, ends)).detach(),
                        Err(_) => drop(Timer::after(Duration::from_millis(100)).await),
                    }
                }
            };
            let shut = async {
                let Err(_) = shutting.recv().await;
            };
            accepting.or(shut).await;
            admin.shut();
        }
        pending().await
    };
    let roll = Roll::new(server.workers.iter().map(|hand| hand.orders.clone()));
    let notify = server.notify.clone();
    let predecessor = server.predecessor.take();
    let (serving, begun) = async_channel::bounded(1);
    // As long as the control side works, so does this: it has nothing to end with.
    let telling = async {
        if roll.call().await {
            if let Some(predecessor) = predecessor {
                predecessor.take_over().await;
            }
            let _ = serving.try_send(());
        }
        match roll.watch(&notify).await {}
    };
    let seen = server.seen.take();
    #[cfg(feature = "acme")]
    let asker = server.asker();
    let control = Control {
        left: server.workers.len(),
        server,
        signals,
        phase: Phase::Serving,
        timer: None,
        begun,
        handoff: None,
        seen,
        #[cfg(feature = "tls")]
        certificates: Marks::new(),
        #[cfg(feature = "tls")]
        certificates_clock: Timer::interval(certificates::WATCH),
        retry: Timer::interval(RETRY),
        admin: Some(shut),
    };
    let working = accepting
        .or(telling)
        .or(async { Ok(control.follow().await) });
    #[cfg(feature = "acme")]
    let working = working.or(async { match asker.work().await {} });
    // Not `executor.run`, which is for much work: it has a queue of its own, and room for four of what it is given.
    let tasks = async {
        loop {
            executor.tick().await;
        }
    };
    working.or(tasks).await
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
    /// Says once that all workers are at work, and that nobody else is.
    begun: Receiver<()>,
    /// A new process that is about to take over.
    handoff: Option<Handoff>,
    /// When missing addresses are tried again.
    retry: Timer,
    /// The configuration file, as it was when it was read last.
    seen: Option<Mark>,
    /// The files of certificates likewise. Nothing at first: they may have changed since they were read.
    #[cfg(feature = "tls")]
    certificates: Marks,
    /// When they are looked at.
    #[cfg(feature = "tls")]
    certificates_clock: Timer,
    /// Keeps the admin interface open.
    admin: Option<Sender<Infallible>>,
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
                Event::Begun => {
                    if self.phase == Phase::Serving {
                        self.server.notify.ready(self.server.status());
                        #[cfg(feature = "acme")]
                        self.server.begin_asking();
                    }
                }
                Event::Reload(why, asker) => {
                    // It needs as much room as all else here, and seldom: it has its own then.
                    let reloaded = Box::pin(self.reload(why)).await;
                    if let Some(asker) = asker {
                        let _ = asker.try_send(reloaded);
                    }
                }
                Event::Replace => self.replace(),
                Event::Replaced(result) => {
                    self.handoff = None;
                    match result {
                        Ok(successor) => self.retire(successor),
                        Err(error) => self
                            .server
                            .log
                            .warn(format_args!("Usr2: {error}; this process goes on")),
                    }
                }
                Event::Retry => self.retry(),
                Event::Resolved if self.phase <= Phase::Leaving => {
                    Box::pin(self.server.follow()).await;
                }
                Event::Resolved => {}
                #[cfg(feature = "tls")]
                Event::Certificates(marks) => {
                    if self.phase <= Phase::Leaving {
                        self.server.renew().await;
                    }
                    self.certificates = marks;
                }
                Event::Ended => {
                    self.left -= 1;
                    // One that failed; the others are not left alone.
                    if self.left > 0 && self.phase < Phase::Retired {
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
        // A new process that does not serve yet is not needed any more.
        self.handoff = None;
        match self.phase {
            Phase::Serving if !delay.is_zero() => {
                self.server.log.info(format_args!(
                    "{why}: leaving; accepting for {delay:?} more, then draining, for {grace:?} at most"
                ));
                self.server.condition.reach(Condition::LEAVING);
                self.server.notify.stopping();
                self.server.tell(&Order::Part);
                self.enter(Phase::Leaving, delay);
            }
            Phase::Serving | Phase::Leaving => {
                self.server
                    .log
                    .info(format_args!("{why}: draining, for {grace:?} at most"));
                self.drain();
            }
            Phase::Draining | Phase::Retired => {
                let reason = Reason::Static(Drained::REASON);
                let receipt = self.server.cancel.cancel_because(reason);
                self.server.desk.note_cancel();
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
        #[cfg(feature = "acme")]
        self.server.end_asking();
        self.server.condition.reach(Condition::DRAINING);
        self.server.notify.stopping();
        self.server.missing.clear();
        for order in self.server.listening.shut_all() {
            self.server.tell(&order);
        }
        self.server.tell(&Order::Drain);
        self.enter(Phase::Draining, self.server.grace);
    }

    /// Reads the configuration again, and says what came of it.
    async fn reload(&mut self, why: &str) -> Reloaded {
        if self.phase != Phase::Serving {
            return Reloaded::Refused("this process is ending".to_owned());
        }
        // Who sent a signal may be waiting for both words.
        self.server.notify.reloading();
        // Before it is read: what is written meanwhile is another change.
        self.seen = self.server.mark();
        let reloaded = self.server.reload().await;
        let log = &self.server.log;
        match &reloaded {
            Reloaded::Done {
                generation,
                changes,
                warnings,
            } => {
                let what = match changes.as_slice() {
                    [] => "nothing changed".to_owned(),
                    changes => changes.join(", "),
                };
                log.info(format_args!(
                    "{why}: reloaded, generation {generation}: {what}"
                ));
                for warning in warnings {
                    log.warn(format_args!("{why}: {warning}"));
                }
            }
            Reloaded::Refused(why_not) => {
                log.error(format_args!("{why}: not reloaded:\n{}", why_not.trim_end()));
            }
        }
        self.server.notify.ready(self.server.status());
        reloaded
    }

    /// Starts the process that is to take over, unless there is a reason not to.
    fn replace(&mut self) {
        let log = &self.server.log;
        if self.phase != Phase::Serving {
            return log.warn("Usr2: refused, this process is ending");
        }
        if self.handoff.is_some() {
            return log.warn("Usr2: refused, a new process is starting already");
        }
        if let Some(why) = handoff::refusal() {
            return log.warn(format_args!("Usr2: refused: {why}"));
        }
        let Some(replacement) = &self.server.replacement else {
            return log.warn("Usr2: refused, this program does not say how it is replaced");
        };
        log.info(format_args!("Usr2: starting {replacement}"));
        let inside = self.server.inside.clone();
        let listening = self.server.listening.bound();
        let offers = listening
            .map(|bound| handoff::offer(Role::Listen, bound))
            .chain(
                self.server
                    .admin
                    .iter()
                    .map(|bound| handoff::offer(Role::Admin, bound)),
            );
        self.handoff = Some(Box::pin(replacement.start(offers.collect(), inside)));
    }

    /// Another process serves: it gets the name and the sockets, and this one ends with its sessions.
    fn retire(&mut self, successor: Successor) {
        let (server, pid) = (&mut *self.server, successor.pid());
        // Before anybody hears of it: who asks then is told that it was the last time.
        server.tell(&Order::Retire);
        #[cfg(feature = "acme")]
        server.end_asking();
        server.log.info(format_args!(
            "Usr2: process {pid} serves now; ending with the sessions that are here, after {:?} at most",
            server.grace
        ));
        server.condition.reach(Condition::DRAINING);
        server.notify.main_pid(pid);
        server.listening.leave();
        server.missing.clear();
        server.admin = None;
        self.admin = None;
        successor.confirm();
        self.enter(Phase::Retired, self.server.grace);
    }

    /// Tries the missing addresses again.
    fn retry(&mut self) {
        let server = &mut *self.server;
        for (address, said) in std::mem::take(&mut server.missing) {
            match Bound::bind(&address, server.capacity.workers) {
                Ok(bound) => {
                    server.log.info(format_args!("listening on {address} too"));
                    let order = server.listening.open(&server.ctx, bound);
                    server.tell(&order);
                    server.notify.status(server.status());
                }
                Err(error) => {
                    let kind = error.kind();
                    if kind != said && !is_missing(&error) {
                        let error = StartError::Bind(address.clone(), error);
                        server.log.info(format_args!("{error}; it is tried again"));
                    }
                    server.missing.push((address, kind));
                }
            }
        }
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
                    Some(Ok(Signal::Usr2)) => return Event::Replace,
                    Some(Ok(Signal::Hup)) => return Event::Reload("Hup", None),
                    Some(_) => {}
                    None => pending().await,
                }
            }
        };
        let ended = heard(&server.ended, Event::Ended);
        let asked = heard(&server.stop.1, Event::Asked);
        let begun = heard(&self.begun, Event::Begun);
        let over = async {
            match &mut self.timer {
                Some(timer) => drop(timer.await),
                None => pending().await,
            }
            Event::TimeOver
        };
        let replaced = async {
            match &mut self.handoff {
                Some(handoff) => Event::Replaced(handoff.await),
                None => pending().await,
            }
        };
        let reload = async {
            match server.asked_to_reload.recv().await {
                Ok(asker) => Event::Reload("asked to reload", Some(asker)),
                Err(_) => pending().await,
            }
        };
        let changed = async {
            if !server.file.as_ref().is_some_and(|file| file.watch) {
                return pending().await;
            }
            loop {
                Timer::after(WATCH).await;
                let mark = server.mark();
                // A file that is being written is left alone until it has stood still for a moment.
                if mark.is_some() && mark != self.seen {
                    Timer::after(WATCH).await;
                    if server.mark() == mark {
                        return Event::Reload("the file has changed", None);
                    }
                }
            }
        };
        let retry = async {
            if server.missing.is_empty() {
                return pending().await;
            }
            self.retry.next().await;
            Event::Retry
        };
        let told = future::or(future::or(signaled, asked), future::or(begun, replaced));
        let resolved = heard(server.lookups.changed(), Event::Resolved);
        #[cfg(feature = "tls")]
        let changed = changed.or(async {
            let (seen, clock) = (&self.certificates, &mut self.certificates_clock);
            let marks = certificates::changed(server.file.as_ref(), seen, clock);
            Event::Certificates(marks.await)
        });
        let timed = future::or(future::or(over, retry), changed);
        future::or(
            future::or(told, future::or(reload, resolved)),
            future::or(ended, timed),
        )
        .await
    }
}

/// The event, when the channel says something. One that says nothing more is no event.
async fn heard<T>(channel: &Receiver<T>, event: Event) -> Event {
    match channel.recv().await {
        Ok(_) => event,
        Err(_) => pending().await,
    }
}
