//! Work for two: it ends with the first of them.
//!
//!     cargo run --example 10_merge
//!
//! A cache is filled on behalf of a client, and by a server that may shut down. `Context::any` derives one node from
//! both trees. It costs no task, no thread, and ends in the same sweep as what it came from.

use std::time::Duration;

use osier::clock::TestClock;
use osier::context::{Context, ContextError, Key, View, ViewOptions, background};

static USER: Key<&str> = Key::new("user");

fn main() {
    let clock = TestClock::install();
    let (server, shut_down) = background().named("server", "").with_cancel();
    let (client, _client) = background()
        .with_value(&USER, "ada")
        .named("client", "ada")
        .with_timeout_cause(Duration::from_secs(2), "ada is impatient");

    let fill = Context::any([&client, &server]);
    let (part, _part) = fill.named("part", "1").with_cancel();
    // Values come from the first, the earliest deadline from any.
    assert_eq!(part.value(&USER), Some(&"ada"));
    assert_eq!(part.deadline(), client.deadline());
    println!(
        "Before, seen from either side:\n\n{}\n{}",
        picture(&client),
        picture(&server)
    );

    let receipt = shut_down.cancel_because("shutting down");
    println!(
        "The server shut down: {} nodes ended.\n\n{}",
        receipt.nodes,
        picture(&client)
    );
    assert_eq!(receipt.nodes, 3);
    assert_eq!(part.err(), Some(ContextError::Canceled));
    let cause = part.cause().expect("it has ended");
    assert_eq!(cause.origin().id, server.id());
    // Merging is no bond between those that were merged.
    assert_eq!(client.err(), None);

    let (other_server, _other) = background().with_cancel();
    let fill = Context::any([&other_server, &client]);
    clock.advance(Duration::from_secs(2));
    let cause = fill.cause().expect("ada's time is over");
    println!("Another one: {cause}");
    assert_eq!(fill.err(), Some(ContextError::DeadlineExceeded));
    assert_eq!(
        cause.brief().to_string(),
        "context deadline exceeded: ada is impatient"
    );
    assert_eq!(other_server.err(), None);
}

fn picture(ctx: &Context) -> View {
    View::of(ctx, &ViewOptions::default())
}
