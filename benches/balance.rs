//! What picking an endpoint costs: 100 upstreams of 100 endpoints each, asked in turn.
//!
//!     cargo bench --bench balance                all rows
//!     cargo bench --bench balance -- hash        those with `hash` in their name
//!
//! Each row is the median of several rounds, with the fastest beside it. The clock stands still for a round, as a
//! worker's does for a turn of its loop.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use osier::balance::{Ask, Candidate, Eject, Picker, Policy, State};

const UPSTREAMS: usize = 100;
const ENDPOINTS: usize = 100;
const ROUNDS: usize = 15;
const PICKS: usize = 100_000;
const TARGET: f64 = 200.0;

fn main() {
    // Cargo itself passes `--bench`.
    let mut args = std::env::args().skip(1);
    let wanted = args.find(|arg| !arg.starts_with('-')).unwrap_or_default();
    println!(
        "{:<46} {:>10} {:>10} {:>8}",
        "ns per pick", "median", "fastest", "target"
    );
    let policies = Policy::WORDS.into_iter().chain([("hash", Policy::Hash)]);
    for (word, policy) in policies {
        for (of, weigh) in [
            ("even", even as fn(usize) -> u32),
            ("uneven", uneven as fn(usize) -> u32),
        ] {
            row(&wanted, &format!("{word}, {of} weights"), || {
                upstreams(policy, weigh)
            });
        }
    }
    row(&wanted, "least_conn, all are busy", || {
        let all = upstreams(Policy::LeastConn, even);
        let states = all.iter().flat_map(|(_, states)| states);
        states.for_each(|state| std::mem::forget(state.begin()));
        all
    });
    row(&wanted, "round_robin, one is left alone", || {
        let all = upstreams(Policy::RoundRobin, even);
        let eject = Eject {
            failures: 1,
            ..Eject::default()
        };
        for (_, states) in &all {
            let peers = states.iter().map(|state| &**state);
            if let Some(first) = states.first() {
                first.failed(Some(&eject), osier::clock::now(), peers);
            }
        }
        all
    });
}

fn even(_: usize) -> u32 {
    1
}

fn uneven(at: usize) -> u32 {
    1 + u32::from(at % 3 == 0)
}

type Upstream = (Picker, Vec<Arc<State>>);

fn upstreams(policy: Policy, weigh: fn(usize) -> u32) -> Vec<Upstream> {
    let upstream = |number: usize| {
        let states: Vec<Arc<State>> = (0..ENDPOINTS).map(|_| Arc::default()).collect();
        let candidates = states.iter().enumerate().map(|(at, state)| Candidate {
            name: format!("10.0.{number}.{at}:80").into(),
            weight: weigh(at),
            tier: 0,
            state: state.clone(),
        });
        let picker = Picker::new(policy, candidates.collect(), Duration::ZERO, number);
        (picker, states)
    };
    (0..UPSTREAMS).map(upstream).collect()
}

fn row(wanted: &str, name: &str, make: impl Fn() -> Vec<Upstream>) {
    if !name.contains(wanted) {
        return;
    }
    let _clock = osier::clock::TestClock::install();
    let all = make();
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&all)).collect();
    rounds.sort_by(f64::total_cmp);
    let median = rounds.get(ROUNDS / 2).copied().unwrap_or_default();
    let fastest = rounds.first().copied().unwrap_or_default();
    let verdict = if median <= TARGET { "" } else { "  missed" };
    println!("{name:<46} {median:>10.1} {fastest:>10.1} <= {TARGET}{verdict}");
}

/// Nanoseconds per pick, with the request beginning and ending at the endpoint.
fn round(all: &[Upstream]) -> f64 {
    let keys: Vec<[u8; 8]> = (0..256_u64).map(|key| (key * 7919).to_be_bytes()).collect();
    let begun = Instant::now();
    for (picks, (picker, states)) in (0..PICKS).zip(all.iter().cycle()) {
        let picked = picker.pick(&Ask {
            now: osier::clock::now(),
            key: keys.get(picks % 256).map_or(&[], |key| key.as_slice()),
            avoid: &[],
            preferred: None,
        });
        drop(black_box(
            picked
                .and_then(|at| states.get(at))
                .map(|state| state.begin()),
        ));
    }
    begun.elapsed().as_nanos() as f64 / PICKS as f64
}
