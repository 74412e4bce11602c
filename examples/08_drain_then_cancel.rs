//! Two signals in one tree: first "no new work, please", then "stop".
//!
//!     cargo run --example 08_drain_then_cancel
//!
//! A server with three sessions is told to leave. The idle session goes at once, the busy one finishes its request and
//! goes, the third never would: it is cancelled when the time is over. Time is virtual.
//!
//! Live: the lesson `drain` on the page of `osier demo` shows the same with real requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::context::{Cancel, Context, View, ViewOptions, background};
use smol::{LocalExecutor, future};

const GRACE: Duration = Duration::from_secs(10);

type Log = Rc<RefCell<Vec<String>>>;

fn main() {
    let clock = TestClock::install();
    let executor = LocalExecutor::new();
    let log = Log::default();
    let (server, stop) = background().named("server", "").with_cancel();
    for (name, request) in [("idle", 0), ("busy", 4), ("endless", 3600)] {
        let (ctx, keep) = server.named("session", name).with_cancel();
        let log = log.clone();
        let work = session(ctx, keep, Duration::from_secs(request), log);
        executor.spawn(work).detach();
    }
    settle(&executor);

    let receipt = stop.drain();
    println!(
        "Told {} nodes to drain:\n\n{}",
        receipt.nodes,
        picture(&server)
    );
    assert_eq!(receipt.nodes, 4);
    assert!(server.is_draining() && server.err().is_none());

    let leave = executor.spawn(leave(server.clone(), stop));
    while !leave.is_finished() {
        settle(&executor);
        clock.advance_to_next();
    }
    let stubborn = future::block_on(leave);
    println!("\nLast to go: {stubborn}");
    assert_eq!(
        *log.borrow(),
        [
            "idle leaves",
            "busy leaves",
            "endless was stopped: grace is over"
        ]
    );
    assert_eq!(stubborn, "endless");
}

/// Serves one request, then waits for the next, which never comes here.
async fn session(ctx: Context, _keep: Cancel, request: Duration, log: Log) {
    let served = ctx.run(clock::sleep(request)).await;
    if served.is_ok() {
        // Between requests, and only there, a session minds the softer signal.
        ctx.draining().await;
    }
    let line = match ctx.cause().as_ref().and_then(|cause| cause.reason()) {
        Some(reason) => format!("{} was stopped: {reason}", ctx.label()),
        None => format!("{} leaves", ctx.label()),
    };
    println!("    {line}");
    log.borrow_mut().push(line);
}

/// Waits until all have left, but not for ever. Returns who had to be stopped.
async fn leave(server: Context, stop: Cancel) -> String {
    let Err(alive) = server.emptied_within(GRACE).await else {
        return "nobody".to_owned();
    };
    println!("    after {GRACE:?}: {alive}");
    stop.cancel_because("grace is over");
    server.emptied().await;
    alive
        .nodes()
        .iter()
        .map(|node| node.label.as_str())
        .collect()
}

fn picture(ctx: &Context) -> View {
    View::of(ctx, &ViewOptions::default())
}

fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}
