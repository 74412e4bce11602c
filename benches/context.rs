//! What the tree costs: every context row of the targets.
//!
//!     cargo bench --bench context               all rows
//!     cargo bench --bench context -- million    those with `million` in their name
//!
//! Each row is the median of several rounds, with the fastest round beside it: on a busy machine the two differ. Rows
//! marked `worker` run under a clock that is read once per turn, as on a worker; the others ask the system's clock
//! whenever a node is made or a deadline is looked at. The first rows are not osier's: they tell how fast the machine is.
//!
//! Beside a row stands what the same costs with Go's `context` and tokio-util's `CancellationToken`, measured in the
//! same run by the programs of `benches/peers`, where there is a Go toolchain and where Cargo can build the other.

// Shared with the bench of the proxies, which uses all of it.
#[allow(dead_code, reason = "the bench uses a part of it")]
#[path = "peers/toolchain.rs"]
mod toolchain;

use std::collections::HashMap;
use std::future::Future;
use std::hint::black_box;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{self, Waker};
use std::time::{Duration, Instant};

use osier::clock::TestClock;
use osier::context::{Cancel, Context, Key, background};

static NUMBER: Key<u64> = Key::new("number");
static MISSING: Key<u64> = Key::new("missing");

const ROUNDS: usize = 15;
const MILLION: usize = 1_000_000;
/// Far enough that it never passes here.
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let mut bench = Bench {
        // Cargo itself passes `--bench`.
        wanted: std::env::args()
            .skip(1)
            .find(|arg| !arg.starts_with('-'))
            .unwrap_or_default(),
        missed: 0,
        go: others("Go's context", go()),
        tokens: others("tokio-util's CancellationToken", tokens()),
    };
    println!(
        "{:<46} {:>10} {:>10} {:>10} {:>10} {:>8}",
        "ns per operation", "median", "fastest", "Go", "tokio-util", "target"
    );
    machine(&mut bench);
    one_node(&mut bench);
    asking(&mut bench);
    values(&mut bench);
    request(&mut bench);
    millions(&mut bench);
    println!("\n{} of the rows with a target missed it", bench.missed);
}

/// How fast the machine is at what a node is made of.
fn machine(bench: &mut Bench) {
    bench.row("(machine) allocate and free 160 octets", None, || {
        black_box(Box::new([0u64; 20]));
    });
    bench.row("(machine) Arc::clone and drop", None, {
        let shared = Arc::new(0);
        move || drop(black_box(shared.clone()))
    });
    bench.row("(machine) Instant::now", None, || {
        black_box(Instant::now());
    });
}

fn one_node(bench: &mut Bench) {
    let child = |parent: &Context| {
        let (ctx, cancel) = parent.with_cancel();
        cancel.cancel();
        drop(black_box((ctx, cancel)));
    };
    let timed = |parent: &Context| {
        let (ctx, cancel) = parent.with_timeout(HOUR);
        cancel.cancel();
        drop(black_box((ctx, cancel)));
    };
    let root = background();
    let (parent, _parent) = background().with_cancel();
    let (busy, _busy) = background().with_cancel();
    let _siblings: Vec<_> = (0..10).map(|_| busy.with_cancel()).collect();
    bench.row("child + cancel + drop, below a root", None, || child(&root));
    bench.row("child + cancel + drop", None, || child(&parent));
    bench.row("child + cancel + drop, beside ten", None, || child(&busy));
    bench.row("child with timeout + cancel + drop", None, || {
        timed(&parent)
    });
    bench.row("child with a waiter + cancel + drop", None, || {
        let (ctx, cancel) = parent.with_cancel();
        let mut done = ctx.done();
        let mut cx = task::Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut done).poll(&mut cx).is_pending());
        cancel.cancel();
        drop(black_box((ctx, cancel, done)));
    });
    let _clock = TestClock::install();
    bench.row("worker: child + cancel + drop", Some(60.0), || {
        child(&parent)
    });
    bench.row(
        "worker: child with timeout + cancel + drop",
        Some(80.0),
        || timed(&parent),
    );
}

fn asking(bench: &mut Bench) {
    let (ctx, _cancel) = background().with_cancel();
    let (timed, _timed) = background().with_timeout(HOUR);
    let (over, cancel) = background().with_cancel();
    cancel.cancel();
    bench.row("err of a live node", Some(2.0), || {
        black_box(black_box(&ctx).err());
    });
    bench.row("err of an ended node", Some(2.0), || {
        black_box(black_box(&over).err());
    });
    bench.row("err of a live node with a deadline", None, || {
        black_box(black_box(&timed).err());
    });
    bench.row("run of a ready future", None, || {
        let mut run = std::pin::pin!(ctx.run(std::future::ready(7)));
        let mut cx = task::Context::from_waker(Waker::noop());
        assert!(black_box(run.as_mut().poll(&mut cx)).is_ready());
    });
    let _clock = TestClock::install();
    bench.row("worker: err with a deadline", None, || {
        black_box(black_box(&timed).err());
    });
}

/// A value at the top of a chain of nodes.
fn below_value(depth: usize) -> (Context, Vec<Cancel>) {
    let mut ctx = background().with_value(&NUMBER, 7);
    let mut keep = Vec::new();
    for _ in 1..depth {
        let (below, cancel) = ctx.with_cancel();
        keep.push(cancel);
        ctx = below;
    }
    (ctx, keep)
}

fn values(bench: &mut Bench) {
    // A key that is set somewhere, so that looking for it is not answered by its never having been used.
    let _elsewhere = background().with_value(&MISSING, 1);
    for depth in [1, 4, 16] {
        let (ctx, _keep) = below_value(depth);
        bench.row(&format!("value at depth {depth}"), None, || {
            black_box(black_box(&ctx).value(&NUMBER));
        });
    }
    let (ctx, _keep) = below_value(100);
    bench.row("missing value at depth 100", Some(5.0), || {
        black_box(black_box(&ctx).value(&MISSING));
    });
}

fn request(bench: &mut Bench) {
    let (session, _session) = background().named("session", "").with_cancel();
    let one = || {
        let (exchange, done) = session.named("exchange", "GET /").with_timeout(HOUR);
        let carrying = exchange.with_value(&NUMBER, 17);
        let (attempt, tried) = carrying.named("attempt", "1").with_timeout(HOUR / 2);
        black_box(attempt.err());
        tried.cancel();
        done.cancel();
        drop(black_box((exchange, carrying, attempt)));
    };
    bench.row("request + value + attempt, two timeouts", None, one);
    let _clock = TestClock::install();
    bench.row("worker: request + value + attempt", None, one);
}

/// Rows of one operation on a million nodes, per node.
fn millions(bench: &mut Bench) {
    bench.million(
        "cancel a million siblings",
        Some(20.0),
        fan,
        |(cancel, _)| cancel.cancel().nodes,
    );
    bench.million("cancel a chain of a million", None, chain, |(cancel, _)| {
        cancel.cancel().nodes
    });
    bench.million("drain a million siblings", None, fan, |(cancel, _)| {
        cancel.drain().nodes
    });
    bench.million("make a million siblings", None, || (), |()| fan().1.len());
    bench.million("drop a million ended siblings", None, ended_fan, |nodes| {
        let count = nodes.len();
        drop(std::mem::take(nodes));
        count
    });
}

fn fan() -> (Cancel, Vec<Context>) {
    let (top, cancel) = background().with_cancel();
    let nodes = (1..MILLION).map(|_| {
        let (ctx, cancel) = top.with_cancel();
        cancel.detach();
        ctx
    });
    let nodes = nodes.collect();
    (cancel, nodes)
}

fn ended_fan() -> Vec<Context> {
    let (cancel, nodes) = fan();
    cancel.cancel();
    nodes
}

fn chain() -> (Cancel, Vec<Context>) {
    let (top, cancel) = background().with_cancel();
    let mut nodes = vec![top];
    for depth in 1..MILLION {
        let (ctx, cancel) = nodes[depth - 1].with_cancel();
        cancel.detach();
        nodes.push(ctx);
    }
    (cancel, nodes)
}

/// The rows that a program measured: lines of a name, a tab and nanoseconds.
type Others = HashMap<String, String>;

fn go() -> Result<PathBuf, String> {
    let compiler = toolchain::on_path("go").ok_or("no Go toolchain on PATH")?;
    toolchain::go(&compiler, "context")
}

fn tokens() -> Result<PathBuf, String> {
    toolchain::rust("tokens")
}

/// Runs a program that measures somebody else's context. Without it the column stays empty, and it is said why.
fn others(name: &str, program: Result<PathBuf, String>) -> Others {
    let run = |program: PathBuf| {
        let output = Command::new(program).output();
        output.map_err(|error| error.to_string())
    };
    let output = match program.and_then(run) {
        Ok(output) => output,
        Err(why) => {
            println!("missing: {name}: {why}");
            return Others::new();
        }
    };
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(row, nanos)| (row.to_owned(), nanos.to_owned()))
        .collect()
}

struct Bench {
    /// What the names of rows must contain.
    wanted: String,
    /// How many rows were slower than their target.
    missed: usize,
    /// Go's rows.
    go: Others,
    /// tokio-util's.
    tokens: Others,
}

impl Bench {
    /// Repeats `work` so often that a round takes some milliseconds.
    fn row(&mut self, name: &str, target: Option<f64>, mut work: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
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
        let rounds = rounds.collect();
        self.print(name, target, rounds);
    }

    /// One operation a round, on what `make` made; it returns on how many nodes.
    fn million<T>(
        &mut self,
        name: &str,
        target: Option<f64>,
        make: impl Fn() -> T,
        work: impl Fn(&mut T) -> usize,
    ) {
        if !name.contains(&self.wanted) {
            return;
        }
        let mut rounds = Vec::new();
        for _ in 0..5 {
            let mut made = make();
            let begun = Instant::now();
            let count = work(&mut made);
            let took = begun.elapsed();
            rounds.push(nanos(took) / f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        }
        self.print(name, target, rounds);
    }

    fn print(&mut self, name: &str, target: Option<f64>, mut rounds: Vec<f64>) {
        rounds.sort_by(f64::total_cmp);
        let (median, fastest) = (rounds[rounds.len() / 2], rounds[0]);
        let verdict = match target {
            None => String::new(),
            Some(target) if median <= target => format!("<= {target}"),
            Some(target) => {
                self.missed += 1;
                format!("<= {target}  missed")
            }
        };
        // A row under a worker's clock is the same operation.
        let plain = name.trim_start_matches("worker: ");
        let beside = |others: &Others| others.get(plain).cloned().unwrap_or_default();
        let (go, tokens) = (beside(&self.go), beside(&self.tokens));
        println!("{name:<46} {median:>10.1} {fastest:>10.1} {go:>10} {tokens:>10} {verdict:>8}");
    }
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
