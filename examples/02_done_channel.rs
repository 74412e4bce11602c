//! Telling tasks to stop with a channel that is closed, and why that stops scaling.
//!
//!     cargo run --example 02_done_channel
//!
//! One worker and one channel are fine. Then three tasks with three subtasks each shall stop together or one task at a
//! time: now each subtask watches two channels, and on the next level it would be three. Go on with 04_context.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use osier::clock::{self, TestClock};
use smol::{LocalExecutor, future};

fn main() {
    let ticks = one_worker();
    let (watched, stopped) = many_workers(3, 3);
    assert_eq!(ticks, 3);
    // Nine subtasks with two receivers each; three of them stopped with their branch.
    assert_eq!((watched, stopped), (18, 3));
}

/// A worker that does something every second, until the channel is closed.
fn one_worker() -> usize {
    println!("One worker, one channel:");
    let clock = TestClock::install();
    let executor = LocalExecutor::new();
    let (done, stop) = bounded::<()>(1);
    let worker = executor.spawn(async move {
        let mut ticks = 0;
        // Nobody ever sends: the end of the channel is the signal, because everyone hears it.
        while !future::or(closed(&stop), tick()).await {
            ticks += 1;
            println!("    tick {ticks}");
        }
        println!("    told to stop");
        ticks
    });
    for _ in 0..3 {
        settle(&executor);
        clock.advance(Duration::from_secs(1));
    }
    settle(&executor);
    drop(done);
    settle(&executor);
    future::block_on(worker)
}

async fn closed(stop: &Receiver<()>) -> bool {
    let _ = stop.recv().await;
    true
}

async fn tick() -> bool {
    clock::sleep(Duration::from_secs(1)).await;
    false
}

/// Tasks with subtasks, of which the second task is told to stop. Returns how many receivers are watched, and how many
/// subtasks stopped.
fn many_workers(tasks: usize, subtasks: usize) -> (usize, usize) {
    println!("\n{tasks} tasks with {subtasks} subtasks each:");
    let executor = LocalExecutor::new();
    let stopped = Rc::new(Cell::new(0));
    let (stop_all, all) = bounded::<()>(1);
    let mut watched = 0;
    let mut branches: Vec<Sender<()>> = Vec::new();
    for task in 1..=tasks {
        let (stop_branch, branch) = bounded::<()>(1);
        branches.push(stop_branch);
        for subtask in 1..=subtasks {
            // Every level above a task is one more channel that it has to be given, and to watch.
            let (all, branch, stopped) = (all.clone(), branch.clone(), stopped.clone());
            watched += 2;
            let work = async move {
                future::or(closed(&all), closed(&branch)).await;
                println!("    subtask {task}.{subtask} stops; it cannot tell for whom, or why");
                stopped.set(stopped.get() + 1);
            };
            executor.spawn(work).detach();
        }
    }
    settle(&executor);
    branches.remove(1).close();
    settle(&executor);
    let count = stopped.get();
    println!(
        "    {watched} receivers for {} subtasks. Nobody can name those that still run: {} of them.",
        tasks * subtasks,
        tasks * subtasks - count
    );
    println!(
        "    A deadline, a reason, a third level: each is one more thing to pass to everyone."
    );
    stop_all.close();
    settle(&executor);
    (watched, count)
}

fn settle(executor: &LocalExecutor<'_>) {
    while executor.try_tick() {}
}
