//! Whole exchanges, both sides hostile, over the connections of the simulation: see `tests/sim/hostile.rs`.

#![no_main]
#![allow(dead_code, reason = "what only the simulation's own test needs")]

#[path = "../../sim/client.rs"]
mod client;
#[path = "../../sim/dice.rs"]
mod dice;
#[path = "../../sim/hostile.rs"]
mod hostile;
#[path = "../../sim/net.rs"]
mod net;
#[path = "../../sim/origin.rs"]
mod origin;
#[path = "../../sim/plan.rs"]
mod plan;
#[path = "../../sim/records.rs"]
mod records;
#[path = "../../sim/talk.rs"]
mod talk;
#[path = "../../sim/trace.rs"]
mod trace;
#[path = "../../sim/turns.rs"]
mod turns;
#[path = "../../sim/verdict.rs"]
mod verdict;
#[path = "../../sim/wire.rs"]
mod wire;
#[path = "../../sim/world.rs"]
mod world;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use records::Book;

thread_local! {
    static BOOK: RefCell<Book> = RefCell::new(Book::open());
}

fuzz_target!(|input: &[u8]| {
    let is_traced = std::env::var_os("OSIER_TRACE").is_some();
    let report = BOOK.with_borrow_mut(|book| hostile::run(input, book, is_traced));
    assert!(report.faults.is_empty(), "{}\n{}", report.trace, report.faults.join("\n"));
});
