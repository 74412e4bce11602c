//! Traps, each with the way out.
//!
//!     cargo run --example 12_traps
//!
//! Every function below first falls into the trap and then does it right; the asserts tell which is which.

use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::context::{Cancel, Context, ContextError, Key, View, ViewOptions, background};
use smol::{LocalExecutor, future};

fn main() {
    handle_thrown_away();
    handle_given_up();
    nesting_in_a_loop();
    longer_than_the_parent();
    cancel_is_not_join();
    waiting_for_oneself();
    asking_for_the_wrong_thing();
    parameters_in_disguise();
    work_that_never_looks();
}

/// `_` is not a name: the handle is dropped on the spot, and dropping it cancels.
fn handle_thrown_away() {
    title("a handle thrown away");
    let (trapped, _) = background().with_cancel();
    println!(
        "trap:    let (ctx, _) = …        {:?} at birth",
        trapped.err()
    );
    assert_eq!(trapped.err(), Some(ContextError::Canceled));

    let (ctx, _keep) = background().with_cancel();
    println!(
        "way out: let (ctx, _keep) = …    {:?} until the end of the scope",
        ctx.err()
    );
    assert_eq!(ctx.err(), None);
}

/// What is detached can only be ended from above. Without an above it is there for ever.
fn handle_given_up() {
    title("a handle given up");
    let (trapped, cancel) = background().with_cancel();
    cancel.detach();
    println!("trap:    detached below a root: nothing can end it");
    assert!(trapped.err().is_none() && trapped.deadline().is_none());

    let (parent, stop) = background().with_cancel();
    let (ctx, cancel) = parent.with_cancel();
    cancel.detach();
    stop.cancel();
    println!("way out: detach only below something that ends");
    assert_eq!(ctx.err(), Some(ContextError::Canceled));
}

/// Deriving from what was derived last makes a chain that grows with every turn, and holds all of it.
fn nesting_in_a_loop() {
    title("deriving in a loop");
    let (top, _top) = background().with_cancel();
    let mut ctx = top.clone();
    for turn in 0..100 {
        ctx = ctx
            .named("turn", turn.to_string())
            .with_timeout(Duration::from_secs(60))
            .0;
    }
    let depth = View::of(&top, &ViewOptions::default()).nodes().len() - 1;
    println!("trap:    ctx = ctx.with_timeout(…)          {depth} nodes, one below the other");
    assert_eq!(depth, 100);
    // And each handle was dropped in its turn, so the last node was born cancelled.
    assert_eq!(ctx.err(), Some(ContextError::Canceled));
    drop(ctx);

    for turn in 0..100 {
        let (_ctx, _cancel) = top
            .named("turn", turn.to_string())
            .with_timeout(Duration::from_secs(60));
    }
    let left = View::of(&top, &ViewOptions::default()).nodes().len() - 1;
    println!("way out: let (ctx, _c) = top.with_timeout   {left} nodes left after the loop");
    assert_eq!(left, 0);
}

/// A child never has more time than its parent. What must outlive it needs a shield, and its own deadline.
fn longer_than_the_parent() {
    title("a timeout longer than the parent's");
    let clock = TestClock::install();
    let (request, _request) = background().with_timeout(Duration::from_secs(1));
    let (trapped, _t) = request.with_timeout(Duration::from_secs(60));
    let (audit, _a) = request
        .without_cancel()
        .with_timeout(Duration::from_secs(60));
    clock.advance(Duration::from_secs(2));
    println!(
        "trap:    request.with_timeout(60 s)                    {:?} after 2 s",
        trapped.err()
    );
    println!(
        "way out: request.without_cancel().with_timeout(60 s)   {:?}",
        audit.err()
    );
    assert_eq!(trapped.err(), Some(ContextError::DeadlineExceeded));
    assert_eq!(audit.err(), None);
}

/// When `cancel` returns, everything has been told. Nothing need have stopped.
fn cancel_is_not_join() {
    title("cancel is not join");
    let executor = LocalExecutor::new();
    let (top, cancel) = background().with_cancel();
    let (ctx, keep) = top.with_cancel();
    let task = executor.spawn(work(ctx, keep));
    settle(&executor);
    cancel.cancel();
    println!(
        "trap:    cancelled; the task is finished: {}",
        task.is_finished()
    );
    assert!(!task.is_finished());

    future::block_on(executor.run(top.emptied()));
    println!("way out: top.emptied().await; the task is gone");
    assert!(future::block_on(future::poll_once(task)).is_some());
}

async fn work(ctx: Context, _keep: Cancel) {
    ctx.done().await;
}

/// A task that holds a child of what it waits for waits for itself.
fn waiting_for_oneself() {
    title("waiting for oneself");
    let clock = TestClock::install();
    let (top, _top) = background().with_cancel();
    let (own, _own) = top.named("waiter", "me").with_cancel();
    let mut wait = Box::pin(top.emptied_within(Duration::from_secs(1)));
    assert!(future::block_on(future::poll_once(&mut wait)).is_none());
    clock.advance(Duration::from_secs(1));
    let Err(alive) = future::block_on(wait) else {
        panic!("this very function holds a child");
    };
    println!("trap:    {alive}");
    assert_eq!(alive.nodes()[0].label, "me");

    drop((own, _own));
    println!("way out: wait from above, or let go of the child first");
    assert!(future::block_on(future::poll_once(top.emptied())).is_some());
}

/// `cause` tells a story and may be anything; `err` is what to decide by.
fn asking_for_the_wrong_thing() {
    title("deciding by the text of a cause");
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel_because("deadline of the batch exceeded");
    let text = ctx
        .cause()
        .map(|cause| cause.to_string())
        .unwrap_or_default();
    println!(
        "trap:    text.contains(\"deadline\")   {}",
        text.contains("deadline")
    );
    println!(
        "way out: err().is_timeout()          {:?}",
        ctx.err().map(ContextError::is_timeout)
    );
    assert!(text.contains("deadline"));
    assert_eq!(ctx.err(), Some(ContextError::Canceled));
}

/// A value that a function cannot do without is a parameter.
fn parameters_in_disguise() {
    static LIMIT: Key<usize> = Key::new("limit");
    fn trapped(ctx: &Context) -> Option<usize> {
        ctx.value(&LIMIT).map(|limit| limit * 2)
    }
    fn honest(_ctx: &Context, limit: usize) -> usize {
        limit * 2
    }
    title("parameters in disguise");
    println!(
        "trap:    f(ctx)          {:?}, and nothing said that it needs a limit",
        trapped(&background())
    );
    println!("way out: f(ctx, limit)   {}", honest(&background(), 4));
    assert_eq!(
        (trapped(&background()), honest(&background(), 4)),
        (None, 8)
    );
}

/// A context stops nobody. Long work has to look, by `run` where it waits and by `err` where it computes.
fn work_that_never_looks() {
    title("work that never looks");
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(Duration::from_secs(5));
    let step = || clock.advance(Duration::from_secs(1));
    let deaf = (0..20).inspect(|_| step()).count();
    println!(
        "trap:    a loop that does not ask      {deaf} steps, {:?}",
        ctx.err()
    );

    let begun = clock::now();
    let (ctx, _cancel) = background().with_timeout(Duration::from_secs(5));
    let heard = (0..20)
        .take_while(|_| ctx.err().is_none())
        .inspect(|_| step())
        .count();
    println!(
        "way out: while ctx.err().is_none()    {heard} steps, {:?}",
        clock::now() - begun
    );
    assert_eq!((deaf, heard), (20, 5));
}

fn title(text: &str) {
    println!("\n— {text} —");
}

fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}
