//! Values.

use super::*;
use crate::context::Key;

static USER: Key<String> = Key::new("user");
static TRACE: Key<u64> = Key::new("user");
static NEVER_SET: Key<u64> = Key::new("never");

#[test]
fn values_are_found_here_and_above() {
    let (a, _a) = background().with_value(&USER, "ada".into()).with_cancel();
    let b = a.with_value(&TRACE, 7);
    assert_eq!(b.value(&USER).unwrap(), "ada");
    assert_eq!(b.value(&TRACE), Some(&7));
    assert_eq!(
        (
            a.value(&TRACE),
            b.value(&NEVER_SET),
            background().value(&USER)
        ),
        (None, None, None)
    );
}

#[test]
fn a_value_shadows_below_and_nowhere_else() {
    let top = background().with_value(&TRACE, 1);
    let shadow = top.with_value(&TRACE, 2);
    let beside = top.with_value(&USER, "bob".into());
    assert_eq!(
        [&top, &shadow, &beside].map(|ctx| ctx.value(&TRACE).copied()),
        [Some(1), Some(2), Some(1)]
    );
}

#[test]
fn values_survive_the_end() {
    let (ctx, cancel) = background().with_value(&TRACE, 1).with_cancel();
    cancel.cancel();
    assert_eq!(ctx.value(&TRACE), Some(&1));
}

#[test]
fn a_value_node_ends_with_its_parent() {
    let (ctx, cancel) = background().with_cancel();
    let carrier = ctx.with_value(&TRACE, 1);
    assert_eq!(cancel.cancel().nodes, 2);
    assert_eq!(carrier.err(), CANCELED);
}

#[test]
fn a_value_goes_with_its_node() {
    static HELD: Key<Arc<()>> = Key::new("held");
    let held = Arc::new(());
    let ctx = background().with_value(&HELD, held.clone());
    assert_eq!(Arc::strong_count(&held), 2);
    drop(ctx);
    assert_eq!(Arc::strong_count(&held), 1);
}

#[test]
fn a_deep_lookup_takes_no_stack() {
    on_small_stack(|| {
        let mut ctx = background().with_value(&TRACE, 9);
        for _ in 0..100_000 {
            ctx = ctx.with_value(&USER, String::new());
        }
        assert_eq!(ctx.value(&TRACE), Some(&9));
    });
}

#[test]
fn a_hidden_value_is_hidden_below_only() {
    static A: Key<u8> = Key::new("a");
    static B: Key<u8> = Key::new("b");
    let top = background().with_value(&A, 1).with_value(&B, 2);
    let hidden = top.without_value(&A);
    let again = hidden.with_value(&A, 3);
    assert_eq!((top.value(&A), top.value(&B)), (Some(&1), Some(&2)));
    assert_eq!((hidden.value(&A), hidden.value(&B)), (None, Some(&2)));
    assert_eq!(again.value(&A), Some(&3));
}
