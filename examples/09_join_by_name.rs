//! Waiting until everything below is gone, and being told who is not.
//!
//!     cargo run --example 09_join_by_name
//!
//! A cancel does not wait for the work to stop. `emptied` does: a task that owns its context is a node below it, until
//! it has returned. If it takes too long, `emptied_within` names those who are still there.

use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::context::{Cancel, Context, background};
use smol::{LocalExecutor, future};

fn main() {
    let clock = TestClock::install();
    let executor = LocalExecutor::new();
    let (top, cancel) = background().named("import", "books").with_cancel();
    for (file, tidy_up) in [("a.csv", 0), ("b.csv", 2), ("c.csv", 30)] {
        let (ctx, keep) = top.named("file", file).with_cancel();
        let work = import(ctx, keep, Duration::from_secs(tidy_up));
        executor.spawn(work).detach();
    }
    settle(&executor);

    cancel.cancel_because("disk full");
    println!("Cancelled. All nodes have ended; that is not yet all tasks:");
    let join = {
        let top = top.clone();
        executor.spawn(async move { top.emptied_within(Duration::from_secs(5)).await })
    };
    settle(&executor);
    clock.advance(Duration::from_secs(2));
    settle(&executor);
    clock.advance(Duration::from_secs(3));
    settle(&executor);
    let Err(alive) = future::block_on(join) else {
        panic!("c.csv takes half a minute");
    };
    println!("\nAfter five seconds: {alive}");
    for node in alive.nodes() {
        println!("    {}", node.path);
    }
    assert_eq!(alive.count(), 1);
    assert_eq!(alive.nodes()[0].label, "c.csv");
    assert_eq!(alive.nodes()[0].state, "canceled");
    assert_eq!(alive.nodes()[0].age, Duration::from_secs(5));

    clock.advance(Duration::from_secs(25));
    settle(&executor);
    assert!(future::block_on(future::poll_once(top.emptied())).is_some());
    println!("\nAfter thirty: nobody is left.");
}

/// Reads until it is told to stop, and then needs a while to tidy up. It owns its context, so it is seen until the end.
async fn import(ctx: Context, _keep: Cancel, tidy_up: Duration) {
    ctx.done().await;
    clock::sleep(tidy_up).await;
    println!("    {} is tidy after {tidy_up:?}", ctx.label());
}

fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}
