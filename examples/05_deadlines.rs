//! Deadlines, and who owns them.
//!
//!     cargo run --example 05_deadlines
//!
//! A deadline only ever gets earlier on the way down. Asking for more time than the parent has changes nothing, and the
//! tree says whose deadline it is that counts. The clock is a virtual one, so nothing here takes time.
//!
//! Live: the lesson `deadline` on the page of `osier demo` shows the same with real requests.

use std::time::Duration;

use osier::clock::TestClock;
use osier::context::{Context, ContextError, View, ViewOptions, background};

fn main() {
    let clock = TestClock::install();
    let (request, _request) = background()
        .named("request", "GET /")
        .with_timeout_cause(ms(300), "the client waits 300 ms");
    let (patient, _patient) = request
        .named("attempt", "patient")
        .with_timeout_cause(ms(5000), "origin is slow");
    let (hasty, _hasty) = request
        .named("attempt", "hasty")
        .with_timeout_cause(ms(100), "origin is slow");

    println!("At the start:\n");
    show(&request, &[&patient, &hasty]);
    assert_eq!(owner(&patient), request.id());
    assert_eq!(owner(&hasty), hasty.id());
    // Nobody waits, so there is no timer: a deadline is a number in its node.
    assert_eq!(clock.armed_count(), 0);

    clock.advance(ms(100));
    println!("\nAfter 100 ms: the hasty attempt is over, what is beside and above it is not.\n");
    show(&request, &[&patient, &hasty]);
    assert_eq!(hasty.err(), Some(ContextError::DeadlineExceeded));
    assert_eq!((request.err(), patient.err()), (None, None));

    clock.advance(ms(200));
    println!("\nAfter 300 ms: the patient one ends as well, and blames the request.\n");
    show(&request, &[&patient, &hasty]);
    let cause = patient.cause().expect("its time is over");
    assert_eq!(cause.origin().id, request.id());
    assert_eq!(
        cause.brief().to_string(),
        "context deadline exceeded: the client waits 300 ms"
    );
}

fn show(request: &Context, attempts: &[&Context]) {
    println!("{}", View::of(request, &ViewOptions::default()));
    for attempt in attempts {
        let owner = attempt.deadline_owner().expect("both have a deadline");
        let whose = if owner.id() == attempt.id() {
            "its own"
        } else {
            "the request's"
        };
        println!(
            "{:>8}: the deadline that counts is {whose}",
            attempt.label()
        );
    }
}

fn owner(ctx: &Context) -> u64 {
    ctx.deadline_owner().map_or(0, |owner| owner.id())
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
