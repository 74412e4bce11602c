//! A simulation of one worker: virtual time, a network in memory, and everything that happens drawn from a seed.
//!
//! The proxy is the real one, from the session down; what is played is everything around it. Each seed is a site, some
//! origins, some clients and what befalls them. The same seed is the same run, event by event.
//!
//!     cargo test --test sim                    the usual seeds
//!     OSIER_SEEDS=5000 cargo test --test sim   so many
//!     OSIER_SEED=17 cargo test --test sim      this one alone, with its trace

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets the unexpected has failed"
)]

mod cases;
mod client;
mod dice;
mod hostile;
mod net;
mod origin;
mod plan;
mod records;
mod talk;
mod trace;
mod turns;
mod verdict;
mod wire;
mod world;

use std::env;
use std::panic::{self, AssertUnwindSafe};

use dice::Dice;
use records::Book;
use world::Report;

/// How many seeds are run where nobody says how many.
const SEEDS: u64 = 300;

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().expect("a number of seeds, or a seed"))
}

/// Runs one seed. A panic is a fault like any other.
fn run(seed: u64, book: &mut Book, is_traced: bool) -> Report {
    let ran = AssertUnwindSafe(|| world::run(&Dice::new(seed), book, is_traced));
    panic::catch_unwind(ran).unwrap_or_else(|_| Report {
        hash: 0,
        faults: vec!["a panic".to_owned()],
        trace: String::new(),
        requests: 0,
        elapsed: std::time::Duration::ZERO,
    })
}

/// What there is to know of a seed that fails.
fn told(seed: u64, report: &Report) -> String {
    let faults = report.faults.join("\n    ");
    format!("seed {seed}: {faults}\n  again: OSIER_SEED={seed} cargo test --test sim\n")
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_is_left() {
    let mut book = Book::open();
    if let Some(seed) = number("OSIER_SEED") {
        let report = run(seed, &mut book, true);
        println!("{}", report.trace);
        assert!(report.faults.is_empty(), "{}", told(seed, &report));
        return;
    }
    let (mut requests, mut elapsed) = (0, std::time::Duration::ZERO);
    let seeds = number("OSIER_SEEDS").unwrap_or(SEEDS);
    let mut failed = Vec::new();
    for seed in 0..seeds {
        let report = run(seed, &mut book, false);
        if !report.faults.is_empty() {
            failed.push(told(seed, &report));
        }
        requests += report.requests;
        elapsed += report.elapsed;
    }
    let count = failed.len();
    failed.truncate(10);
    assert!(
        count == 0,
        "{count} of {seeds} seeds\n{}",
        failed.join("\n")
    );
    println!(
        "{seeds} seeds, {requests} requests, {} s of their time",
        elapsed.as_secs()
    );
    assert!(requests > seeds as usize, "too little has happened");
}

#[test]
fn whoever_is_hostile_leaves_nothing_either() {
    let heads = [
        &b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early\r\n\r\nHTTP/1.0 404 No\r\n\r\nabc",
    ];
    let mut book = Book::open();
    for seed in 0..200 {
        let dice = Dice::new(seed);
        let mut input = dice.octets(dice.between(3, 60));
        for _ in 0..dice.between(1, 6) {
            input.extend_from_slice(dice.pick(&heads));
        }
        for _ in 0..dice.below(4) {
            let at = dice.below(input.len());
            input[at] = dice.below(256) as u8;
        }
        let report = hostile::run(&input, &mut book, false);
        assert!(report.faults.is_empty(), "seed {seed}: {:?}", report.faults);
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut book = Book::open();
    for seed in 0..20 {
        let [once, again] = [0, 1].map(|_| run(seed, &mut book, false));
        assert_eq!(once.hash, again.hash, "seed {seed}");
        assert_eq!(once.faults, again.faults, "seed {seed}");
    }
}
