//! What 02_done_channel does, with a context: one thing to pass, however deep.
//!
//!     cargo run --example 04_context
//!
//! Each task takes a context and waits on that alone. Whom it belongs to, who else stops, why and when is the tree's
//! affair, and the tree can be looked at.
//!
//! Live: the lesson `cancel` on the page of `osier demo` shows the same with real requests.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::context::{Cancel, Context, View, ViewOptions, background};
use smol::{LocalExecutor, future};

fn main() {
    let ticks = one_worker();
    let stopped = many_workers(3, 3);
    assert_eq!((ticks, stopped), (3, 3));
}

/// A worker that does something every second, until its context ends.
fn one_worker() -> usize {
    println!("One worker, one context:");
    let clock = TestClock::install();
    let executor = LocalExecutor::new();
    let (ctx, cancel) = background().with_cancel();
    let worker = executor.spawn(async move {
        let mut ticks = 0;
        while ctx.run(clock::sleep(Duration::from_secs(1))).await.is_ok() {
            ticks += 1;
            println!("    tick {ticks}");
        }
        println!("    told to stop: {}", why(&ctx));
        ticks
    });
    for _ in 0..3 {
        settle(&executor);
        clock.advance(Duration::from_secs(1));
    }
    settle(&executor);
    cancel.cancel_because("three ticks are enough");
    settle(&executor);
    future::block_on(worker)
}

/// Tasks with subtasks, of which the second task is told to stop. Returns how many subtasks stopped.
fn many_workers(tasks: usize, subtasks: usize) -> usize {
    println!("\n{tasks} tasks with {subtasks} subtasks each:");
    let executor = LocalExecutor::new();
    let stopped = Rc::new(Cell::new(0));
    let (root, stop_all) = background().named("program", "").with_cancel();
    let mut branches: Vec<Cancel> = Vec::new();
    for task in 1..=tasks {
        let (branch, cancel) = root.named("task", task.to_string()).with_cancel();
        branches.push(cancel);
        for subtask in 1..=subtasks {
            let name = format!("{task}.{subtask}");
            let (ctx, keep) = branch.named("subtask", name).with_cancel();
            let stopped = stopped.clone();
            let work = async move {
                // A handle that is dropped cancels: the subtask owns its own.
                let _keep = keep;
                ctx.done().await;
                println!("    subtask {} stops: {}", ctx.label(), why(&ctx));
                stopped.set(stopped.get() + 1);
            };
            executor.spawn(work).detach();
        }
    }
    settle(&executor);
    let receipt = branches[1].cancel_because("not needed any more");
    settle(&executor);
    let count = stopped.get();
    println!(
        "    One cancel ended {} nodes and woke {} tasks. These still run:\n",
        receipt.nodes, receipt.waiters
    );
    println!("{}", View::of(&root, &ViewOptions::default()));
    assert_eq!((receipt.nodes, receipt.waiters), (subtasks + 1, subtasks));
    stop_all.cancel_because("the program ends");
    settle(&executor);
    assert_eq!(stopped.get(), tasks * subtasks);
    count
}

fn why(ctx: &Context) -> String {
    match ctx.cause() {
        Some(cause) => cause.to_string(),
        None => "it lives".to_owned(),
    }
}

fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}
