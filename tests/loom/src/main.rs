//! Models of the context tree and of the limits, for loom: every order in which the steps of a few threads can happen.
//!
//!     cd tests/loom && cargo run --release             all models
//!     cd tests/loom && cargo run --release -- cancel   those with `cancel` in their name
//!
//! The files are osier's own, by their path; what they take from `context/sync.rs` and `limit/sync.rs` is loom's here. The configuration
//! beside this crate sets `--cfg loom`. A model that fails panics with what it found.

#[allow(dead_code, reason = "the models use a part of it")]
mod clock;
#[path = "../../../src/context/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the models use a part of it")]
mod context;
#[path = "../../../src/limit/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the models use a part of it")]
mod limit;
mod limit_models;
mod models;
mod shim;

use std::time::Instant;

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let models = models::ALL
        .iter()
        .chain(limit_models::ALL)
        .filter(|(name, ..)| name.contains(&wanted));
    let mut count = 0;
    for (name, preemptions, model) in models {
        let (begun, executions) = (Instant::now(), models::Counter::default());
        let counter = executions.clone();
        let mut builder = loom::model::Builder::new();
        // Bugs of this sort show with two or three preemptions; all of them would take for ever.
        builder.preemption_bound = Some(*preemptions);
        builder.max_branches = 100_000;
        builder.check(move || {
            counter.add();
            model();
        });
        println!(
            "{name}: {} executions, {:.1?}",
            executions.get(),
            begun.elapsed()
        );
        count += 1;
    }
    println!("{count} models hold");
}
