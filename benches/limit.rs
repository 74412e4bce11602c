//! What a limiter costs per request.
//!
//!     cargo bench --bench limit                all rows
//!     cargo bench --bench limit -- full        those with `full` in their name
//!
//! Each row is the median of several rounds, with the fastest beside it. Every key is the address of a client, and every
//! admitted request ends at once. With several threads a row is the time of one thread for one request, while the others
//! are at it too: on a machine with fewer cores than threads that is mostly the time of the others.

#![allow(
    clippy::unwrap_used,
    reason = "what is measured is right, or there is nothing to measure"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use osier::limit::{Key, Limiter, PerAddress, Rate, RateLimit};

const ROUNDS: usize = 15;
const KEYS_MAX: usize = 65_536;
const THREADS: u32 = 4;

fn main() {
    // Cargo itself passes `--bench`.
    let mut args = std::env::args().skip(1);
    let wanted = args.find(|arg| !arg.starts_with('-')).unwrap_or_default();
    let bench = Bench { wanted };
    println!(
        "{:<46} {:>10} {:>10} {:>8}",
        "ns per request", "median", "fastest", "target"
    );
    one_thread(&bench);
    several_threads(&bench);
}

fn one_thread(bench: &Bench) {
    let limiters = [
        ("a rate", limiter(u32::MAX, None)),
        ("a rate, so many at a time", limiter(u32::MAX, Some(100))),
        ("a rate, all refused", limiter(1, None)),
    ];
    for (name, limiter) in limiters {
        for (keys, of) in [(1, "one key"), (10_000, "10,000 keys")] {
            let mut clients = Clients::new(keys);
            let name = format!("{name}, {of}");
            bench.row(&name, Some(150.0), || ask(&limiter, clients.next()));
        }
    }
    // Every key is a new one: what it takes the place of is no better.
    let full = limiter(u32::MAX, None);
    let mut clients = Clients::new(u32::MAX);
    (0..KEYS_MAX * 2).for_each(|_| ask(&full, clients.next()));
    bench.row("a rate, full table, new keys", None, || {
        ask(&full, clients.next())
    });
    let mut clients = Clients::new(1_000_000);
    bench.row("a rate, full table, a million keys in turn", None, || {
        ask(&full, clients.next());
    });
    let connections = PerAddress::new();
    let mut clients = Clients::new(10_000);
    bench.row("a connection comes and goes", None, || {
        drop(black_box(
            connections.enter(Ipv4Addr::from(clients.next()).into(), 10),
        ));
    });
}

fn several_threads(bench: &Bench) {
    for (keys, of) in [(1, "one key"), (10_000, "10,000 keys")] {
        let limiter = limiter(u32::MAX, Some(100));
        let name = format!("{THREADS} threads, so many at a time, {of}");
        bench.threads(&name, |thread| {
            let limiter = limiter.clone();
            let mut clients = Clients::new(keys);
            clients.at = thread * 1000;
            move || ask(&limiter, clients.next())
        });
    }
}

/// Under a clock that stands still none of its requests is ever earned back.
fn limiter(burst: u32, concurrent: Option<u32>) -> Limiter {
    let rate = Rate {
        requests: 1,
        period: Duration::from_millis(10),
        burst,
    };
    Limiter::new(RateLimit {
        rate: Some(rate),
        concurrent,
        keys_max: KEYS_MAX,
    })
}

fn ask(limiter: &Limiter, client: u32) {
    let key = Key::Ip(Ipv4Addr::from(client).into());
    drop(black_box(limiter.admit(key, now())));
}

/// A worker's clock stands still for a turn of its loop.
fn now() -> Instant {
    osier::clock::now()
}

/// So many clients, in a turn that jumps.
struct Clients {
    count: u32,
    at: u32,
}

impl Clients {
    fn new(count: u32) -> Self {
        Self { count, at: 0 }
    }

    fn next(&mut self) -> u32 {
        self.at = self.at.wrapping_add(7919);
        self.at % self.count
    }
}

struct Bench {
    /// What the names of rows must contain.
    wanted: String,
}

impl Bench {
    /// Repeats `work` so often that a round takes some milliseconds.
    fn row(&self, name: &str, target: Option<f64>, mut work: impl FnMut()) {
        if !name.contains(&self.wanted) {
            return;
        }
        let _clock = osier::clock::TestClock::install();
        let mut count = 1000;
        while time(count, &mut work) < Duration::from_millis(5) {
            count *= 2;
        }
        let rounds = (0..ROUNDS).map(|_| nanos(time(count, &mut work)) / f64::from(count));
        print(name, target, rounds.collect());
    }

    /// The same on several threads, each with what `make` makes for it.
    fn threads<W: FnMut()>(&self, name: &str, make: impl Fn(u32) -> W + Sync) {
        if !name.contains(&self.wanted) {
            return;
        }
        let count = 200_000;
        let round = || {
            let start = Barrier::new(THREADS as usize);
            let on_thread = |thread| {
                let _clock = osier::clock::TestClock::install();
                let mut work = make(thread);
                start.wait();
                nanos(time(count, &mut work)) / f64::from(count)
            };
            thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|thread| scope.spawn(move || on_thread(thread)))
                    .collect();
                let times = threads.into_iter().map(|thread| thread.join().unwrap());
                times.sum::<f64>() / f64::from(THREADS)
            })
        };
        print(name, None, (0..ROUNDS).map(|_| round()).collect());
    }
}

fn time(count: u32, work: &mut impl FnMut()) -> Duration {
    let begun = Instant::now();
    (0..count).for_each(|_| work());
    begun.elapsed()
}

fn print(name: &str, target: Option<f64>, mut rounds: Vec<f64>) {
    rounds.sort_by(f64::total_cmp);
    let (median, fastest) = (rounds[rounds.len() / 2], rounds[0]);
    let verdict = match target {
        None => String::new(),
        Some(target) if median <= target => format!("<= {target}"),
        Some(target) => format!("<= {target}  missed"),
    };
    println!("{name:<46} {median:>10.1} {fastest:>10.1} {verdict:>8}");
}

fn nanos(span: Duration) -> f64 {
    span.as_secs_f64() * 1e9
}
