use std::sync::Arc;
use std::time::Duration;

use crate::context::{Key, background, story};

static USER: Key<&str> = Key::new("user");
static TOKEN: Key<String> = Key::new("token");

#[test]
fn values_are_told_by_their_keys_and_never_by_what_they_are() {
    let (server, _stop) = background().named("server", "s").with_cancel();
    let outer = server.with_value(&USER, "ada");
    let between = outer.with_value(&TOKEN, "tr0ub4dor".to_owned());
    let inner = between.with_value(&USER, "grace");
    let (leaf, _end) = inner.named("exchange", "GET /").with_cancel();
    let told = story::to_json(&Arc::clone(&leaf.node));
    let values = [
        (&inner, "user", false),
        (&between, "token", false),
        (&outer, "user", true),
    ]
    .map(|(at, key, shadowed)| {
        format!(
            "{{\"key\":\"{key}\",\"node\":{},\"shadowed\":{shadowed}}}",
            at.id()
        )
    });
    let expected = format!("\"values\":[{}]", values.join(","));
    assert!(told.contains(&expected), "{told}");
    for secret in ["ada", "grace", "tr0ub4dor"] {
        assert!(!told.contains(secret), "{told}");
    }
    let hidden = leaf.without_value(&TOKEN);
    let told = story::to_json(&Arc::clone(&hidden.node));
    let token = format!(
        "{{\"key\":\"token\",\"node\":{},\"shadowed\":true}}",
        between.id()
    );
    assert!(told.contains(&token), "{told}");
}

#[test]
fn an_end_is_told_with_where_it_began_and_whose_deadline_it_was() {
    let (server, stop) = background()
        .named("server", "s")
        .with_timeout(Duration::from_secs(3600));
    let (exchange, _end) = server.named("exchange", "GET /\"\n").with_cancel();
    let told = story::to_json(&Arc::clone(&exchange.node));
    assert!(told.contains("\"cause\":null"), "{told}");
    let owner = format!("\"deadline_owner\":{}", server.id());
    assert!(
        told.contains(&owner) && told.contains("\"own_deadline\":true"),
        "{told}"
    );
    assert!(told.contains("\"label\":\"GET /\\\"\\u000a\""), "{told}");
    stop.cancel_because("<seen> enough");
    let told = story::to_json(&Arc::clone(&exchange.node));
    let begun = format!("\"error\":\"canceled\",\"origin\":{}", server.id());
    assert!(
        told.contains(&begun) && told.contains("\\u003cseen> enough"),
        "{told}"
    );
    assert!(
        told.contains("\"state\":\"canceled\"") && told.contains("story.rs:"),
        "{told}"
    );
}
