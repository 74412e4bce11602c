//! What tokio-util's `CancellationToken` costs, for the rows of `cargo bench --bench context`: one line per row, its
//! name and nanoseconds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 15;
const MILLION: usize = 1_000_000;

fn main() {
    let parent = CancellationToken::new();
    row("child + cancel + drop", || {
        let child = parent.child_token();
        child.cancel();
        drop(black_box(child));
    });
    row("err of a live node", || {
        black_box(black_box(&parent).is_cancelled());
    });
    let rounds = (0..5).map(|_| {
        let top = CancellationToken::new();
        let nodes: Vec<_> = (0..MILLION).map(|_| top.child_token()).collect();
        let begun = Instant::now();
        top.cancel();
        let nanos = nanos(begun.elapsed()) / MILLION as f64;
        drop(nodes);
        nanos
    });
    print("cancel a million siblings", rounds.collect());
}

/// Repeats `work` so often that a round takes some milliseconds.
fn row(name: &str, mut work: impl FnMut()) {
    let mut time = |count: u32| {
        let begun = Instant::now();
        for _ in 0..count {
            work();
        }
        begun.elapsed()
    };
    let mut count = 1000;
    while time(count) < Duration::from_millis(5) {
        count *= 2;
    }
    let rounds = (0..ROUNDS).map(|_| nanos(time(count)) / f64::from(count));
    print(name, rounds.collect());
}

fn print(name: &str, mut rounds: Vec<f64>) {
    rounds.sort_by(f64::total_cmp);
    println!("{name}\t{:.1}", rounds[rounds.len() / 2]);
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
