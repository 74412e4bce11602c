//! The control side: signals, the admin interface, the drain.

use std::future::pending;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_io::Timer;
use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt, future};
use smol::LocalExecutor;

use super::{Order, Server};
use crate::admin::Admin;
use crate::context::Reason;
use crate::proxy::error::Drained;

/// How long what was cancelled at the end of the grace may take to be gone.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// The signals that the control side follows, from here on.
pub(super) fn signals() -> io::Result<Signals> {
    Signals::new([Signal::Term, Signal::Int, Signal::Hup, Signal::Usr1])
}

/// What ends a wait of the control side.
enum Event {
    /// A signal to drain.
    Stop(Signal),
    /// A [`Stopper`](super::Stopper) to drain.
    Asked,
    /// A worker has ended.
    Ended,
    /// The time is over.
    TimeOver,
}

/// Serves the admin interface and follows signals until every worker has ended. False: some have not, and are not
/// waited for any longer.
pub(super) async fn run(server: &Server, admin: &Admin, mut signals: Signals) -> io::Result<bool> {
    let executor = LocalExecutor::new();
    if let Some(bound) = &server.admin {
        let listener = bound.async_listener()?;
        let executor = &executor;
        let accepting = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, local)) => executor.spawn(admin.serve(stream, local)).detach(),
                    Err(_) => drop(Timer::after(Duration::from_millis(100)).await),
                }
            }
        };
        return executor
            .run(accepting.or(follow(server, &mut signals)))
            .await;
    }
    executor.run(follow(server, &mut signals)).await
}

async fn follow(server: &Server, signals: &mut Signals) -> io::Result<bool> {
    let mut left = server.workers.len();
    // Until told to stop.
    loop {
        match next(server, signals, None).await {
            Event::Stop(signal) => {
                server.log.info(format_args!(
                    "{signal:?}: draining, for {:?} at most",
                    server.grace
                ));
                break;
            }
            Event::Asked => {
                server.log.info(format_args!(
                    "asked to stop: draining, for {:?} at most",
                    server.grace
                ));
                break;
            }
            Event::Ended => {
                left -= 1;
                if left == 0 {
                    return Ok(true);
                }
                // It failed; the others are not left alone.
                break;
            }
            Event::TimeOver => {}
        }
    }
    server.draining.store(true, Ordering::Relaxed);
    for hand in &server.workers {
        let _ = hand.orders.try_send(Order::Drain);
    }
    let mut grace = Timer::after(server.grace);
    let mut canceled = false;
    while left > 0 {
        match next(server, signals, Some(&mut grace)).await {
            Event::Ended => left -= 1,
            Event::Asked => {}
            Event::Stop(_) | Event::TimeOver if canceled => {
                server.log.warn("ending with sessions that do not end");
                return Ok(false);
            }
            Event::Stop(_) | Event::TimeOver => {
                canceled = true;
                let receipt = server
                    .cancel
                    .cancel_because(Reason::Static(Drained::REASON));
                server.log.warn(format_args!(
                    "the grace is over: {} nodes cancelled",
                    receipt.nodes
                ));
                grace = Timer::after(AFTER_CANCEL);
            }
        }
    }
    Ok(true)
}

async fn next(server: &Server, signals: &mut Signals, timer: Option<&mut Timer>) -> Event {
    let signaled = async {
        loop {
            match signals.next().await {
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
        match timer {
            Some(timer) => drop(timer.await),
            None => pending().await,
        }
        Event::TimeOver
    };
    future::or(future::or(signaled, asked), future::or(ended, over)).await
}
