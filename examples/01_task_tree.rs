//! A task tree: m tasks with n subtasks each, of which one branch is cancelled.
//!
//!     cargo run --example 01_task_tree           three tasks with three subtasks each
//!     cargo run --example 01_task_tree -- 2 5    two tasks with five
//!
//! Read the two trees side by side: the branch in the middle ends with all that is below it. The root above it and the
//! tasks beside it still have somebody waiting in every node, because their work goes on.

use std::rc::Rc;

use osier::context::{Cancel, Context, View, ViewOptions, background};
use smol::{LocalExecutor, future};

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<usize>());
    let mut next = || args.next().unwrap_or(Ok(3));
    let (Ok(tasks), Ok(subtasks)) = (next(), next()) else {
        eprintln!("usage: 01_task_tree [TASKS [SUBTASKS]]");
        std::process::exit(2);
    };
    let executor = Rc::new(LocalExecutor::new());
    future::block_on(executor.run(show(&executor, tasks.max(1), subtasks)));
}

async fn show(executor: &LocalExecutor<'_>, tasks: usize, subtasks: usize) {
    let (root, _stop_all) = background().named("program", "01_task_tree").with_cancel();
    let branches: Vec<Cancel> = (1..=tasks)
        .map(|number| start(executor, &root, number, subtasks))
        .collect();
    settle(executor).await;
    println!(
        "Before: every node lives, and in each one a task waits.\n\n{}",
        picture(&root)
    );

    let middle = &branches[tasks / 2];
    let receipt = middle.cancel_because("not needed any more");
    println!(
        "Cancelled {} {}: {} nodes ended, {} tasks woken, {} level(s) down, in {:?}.\n",
        middle.context().kind(),
        middle.context().label(),
        receipt.nodes,
        receipt.waiters,
        receipt.depth,
        receipt.took,
    );
    println!(
        "At once: the branch has ended, its tasks have not run yet.\n\n{}",
        picture(&root)
    );

    settle(executor).await;
    println!(
        "\nAfter: they let go of their nodes. What is above and beside lives on.\n\n{}",
        picture(&root)
    );
}

/// Starts a task with its subtasks, and returns the power to end them all.
fn start(executor: &LocalExecutor<'_>, root: &Context, number: usize, subtasks: usize) -> Cancel {
    let (task, cancel) = root.named("task", number.to_string()).with_cancel();
    for part in 1..=subtasks {
        let (subtask, keep) = task
            .named("subtask", format!("{number}.{part}"))
            .with_cancel();
        executor
            .spawn(async move { work(&subtask, keep).await })
            .detach();
    }
    let own = cancel.context().clone();
    executor.spawn(async move { say_why(&own).await }).detach();
    cancel
}

/// Stands for work that takes long: it waits for its context to end.
async fn work(ctx: &Context, _keep: Cancel) {
    say_why(ctx).await;
}

async fn say_why(ctx: &Context) {
    // The work itself never ends here, so the context's end is the only way out.
    let ended = ctx.run(future::pending::<()>()).await;
    if let (Err(error), Some(cause)) = (ended, ctx.cause()) {
        println!(
            "    {} {} stops: {error}, because of {}#{}",
            ctx.kind(),
            ctx.label(),
            cause.origin().kind,
            cause.origin().id
        );
    }
}

/// Lets the tasks run until nothing moves.
async fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}

fn picture(ctx: &Context) -> View {
    View::of(ctx, &ViewOptions::default())
}
