//! Who ended it, why, where and when; and what the cancel did.
//!
//!     cargo run --example 07_cause_and_receipt
//!
//! `err` is for programs and has two values. `cause` is for people: reason, node, place in the source, age. `cancel`
//! answers too: with a receipt.
//!
//! Live: the lesson `hedge` on the page of `osier demo` shows the same with real requests.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use osier::clock::TestClock;
use osier::context::{Context, ContextError, Dropped, Reason, background};

/// A reason of the program's own, to be recognised again.
#[derive(Debug, PartialEq)]
struct ClientGone {
    octets_sent: u64,
}

impl fmt::Display for ClientGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client gone after {} octets", self.octets_sent)
    }
}

impl Error for ClientGone {}

fn main() {
    let clock = TestClock::install();
    let (session, cancel) = background().named("session", "10.0.0.7").with_cancel();
    let (exchange, _exchange) = session.named("exchange", "GET /film").with_cancel();
    let attempts = [1, 2].map(|n| exchange.named("attempt", n.to_string()).with_cancel());

    // The first cause is the cause.
    let receipt = cancel.cancel_because(Reason::new(ClientGone { octets_sent: 4096 }));
    let late = attempts[0].1.cancel_because("too late to matter");
    clock.advance(Duration::from_millis(3));

    println!(
        "Cancelled a session: {} nodes, {} levels below it.",
        receipt.nodes, receipt.depth
    );
    println!(
        "Cancelled an attempt below it afterwards: {} nodes.\n",
        late.nodes
    );
    println!(
        "What an attempt knows:\n    err    {:?}",
        attempts[1].0.err()
    );
    println!("    cause  {}\n", told(&attempts[1].0));

    assert_eq!((receipt.nodes, receipt.depth, late.nodes), (4, 2, 0));
    for (attempt, _) in &attempts {
        assert_eq!(attempt.err(), Some(ContextError::Canceled));
        let cause = attempt.cause().expect("it has ended");
        assert_eq!(cause.origin().id, session.id());
        // Do not compare texts: ask for the type.
        let gone = cause
            .reason()
            .and_then(|reason| reason.downcast_ref::<ClientGone>());
        assert_eq!(gone, Some(&ClientGone { octets_sent: 4096 }));
    }

    // A handle that is dropped says where it was made.
    let (job, handle) = background().named("job", "nightly").with_cancel();
    let line = line!() - 1;
    drop(handle);
    println!("A handle was dropped:\n    cause  {}", told(&job));
    let cause = job.cause().expect("it has ended");
    let dropped = cause
        .reason()
        .and_then(|reason| reason.downcast_ref::<Dropped>());
    assert_eq!(dropped.map(|dropped| dropped.made_at().line()), Some(line));

    // A deadline says what it is for.
    let (query, _query) = background().with_timeout_cause(Duration::from_millis(20), "slow query");
    clock.advance(Duration::from_millis(20));
    println!("A deadline passed:\n    cause  {}", told(&query));
    assert!(query.err().is_some_and(ContextError::is_timeout));
}

fn told(ctx: &Context) -> String {
    ctx.cause()
        .map_or_else(|| "it lives".to_owned(), |cause| cause.to_string())
}
