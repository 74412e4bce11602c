//! The picture of the tree.

use super::*;
use crate::clock::TestClock;
use crate::context::{Key, View, ViewOptions};

static USER: Key<String> = Key::new("user");

fn look(ctx: &Context) -> View {
    View::of(ctx, &ViewOptions::default())
}

#[test]
fn text_shows_one_node_a_line() {
    let clock = TestClock::install();
    let (server, _s) = background().named("server", "demo").with_cancel();
    let (slow, _a) = server.named("session", "a").with_timeout(ms(5000));
    let (left, cancel) = slow.named("exchange", "GET /x").with_cancel();
    let (inner, _i) = left.named("attempt", "").with_cancel();
    let _value = server.with_value(&USER, "secret".into());
    clock.advance(ms(12));
    cancel.cancel_because("client closed");
    let line = line!() - 1;
    let [s, a, x, i, v] = [&server, &slow, &left, &inner, &_value].map(Context::id);
    let expected = format!(
        "server#{s} demo  12 ms old\n\
         ├─ session#{a} a  12 ms old, 4.98 s left\n\
         │  └─ exchange#{x} GET /x  12 ms old, canceled: client closed at {}:{line}\n\
         │     └─ attempt#{i}  12 ms old, canceled with exchange#{x}\n\
         └─ value#{v} user  12 ms old\n",
        file!()
    );
    assert_eq!(look(&server).to_text(), expected);
    assert!(!look(&server).to_json().contains("secret"));
}

#[test]
fn json_has_the_agreed_shape() {
    let clock = TestClock::install();
    let (ctx, cancel) = background()
        .named("exchange", "GET \"\\\u{1}<é")
        .with_timeout(ms(5000));
    let (child, _c) = ctx.named("attempt", "").with_cancel();
    clock.advance(ms(12));
    let (id, below) = (ctx.id(), child.id());
    let expected = format!(
        "{{\"id\":{id},\"kind\":\"exchange\",\"label\":\"GET \\\"\\\\\\u0001\\u003cé\",\"state\":\"live\",\
         \"age_ms\":12,\"deadline_ms\":4988,\"deadline_owner\":{id},\"cause\":null,\"waiters\":0,\"children\":[\
         {{\"id\":{below},\"kind\":\"attempt\",\"label\":\"\",\"state\":\"live\",\"age_ms\":12,\"deadline_ms\":4988,\
         \"deadline_owner\":{id},\"cause\":null,\"waiters\":0,\"children\":[]}}]}}"
    );
    assert_eq!(look(&ctx).to_json(), expected);
    cancel.cancel_because("over");
    assert!(look(&child).to_json().contains("\"state\":\"canceled\""));
    assert!(
        look(&child)
            .to_json()
            .contains("\"cause\":\"context canceled: over (origin exchange#")
    );
}

#[test]
fn tsv_has_a_line_of_nine_fields_for_each_node() {
    let clock = TestClock::install();
    let (server, _s) = background().named("server", "demo").with_cancel();
    let (slow, _a) = server.named("session", "a b").with_timeout(ms(5000));
    let (task, _t) = slow.named("task", "").with_cancel();
    let (other, cancel) = server.with_cancel();
    cancel.cancel();
    clock.advance(ms(12));
    let [s, a, t, o] = [&server, &slow, &task, &other].map(Context::id);
    let expected = format!(
        "0\t{s}\tserver\tlive\t12\t-\t-\t0\tdemo\n\
         1\t{a}\tsession\tlive\t12\t4988\t{a}\t0\ta b\n\
         2\t{t}\ttask\tlive\t12\t4988\t{a}\t0\t-\n\
         1\t{o}\tcancel\tcanceled\t12\t-\t-\t0\t-\n"
    );
    assert_eq!(look(&server).to_tsv(), expected);
}

#[test]
fn what_is_cut_off_is_counted() {
    let (top, _t) = background().with_cancel();
    let fan: Vec<_> = (0..50).map(|_| top.with_cancel()).collect();
    let below: Vec<_> = (0..50).map(|_| fan[0].0.with_cancel()).collect();
    let view = View::of(
        &top,
        &ViewOptions {
            nodes_max: 41,
            ..ViewOptions::default()
        },
    );
    assert_eq!(
        (
            view.nodes().len(),
            view.nodes()[0].more,
            view.nodes()[1].more
        ),
        (41, 10, below.len())
    );
    assert!(view.to_json().ends_with("],\"more\":10}"));
    assert!(view.to_text().ends_with("└─ … 10 more\n"));
    let view = View::of(
        &top,
        &ViewOptions {
            depth: Some(1),
            ..ViewOptions::default()
        },
    );
    assert_eq!((view.nodes().len(), view.nodes()[1].more), (51, 50));
}

#[test]
fn looking_is_enough_for_a_deadline_to_be_seen() {
    let clock = TestClock::install();
    let (top, _t) = background().with_cancel();
    let (_late, _l) = top.with_timeout(ms(1));
    clock.advance(ms(1));
    assert_eq!(look(&top).nodes()[1].state, "expired");
}

#[test]
fn a_deep_tree_is_drawn_on_a_small_stack() {
    on_small_stack(|| {
        let (top, _t) = background().with_cancel();
        let mut chain = vec![top.with_cancel()];
        for depth in 1..2000 {
            chain.push(chain[depth - 1].0.with_cancel());
        }
        let view = look(&top);
        assert_eq!(view.nodes().len(), 2001);
        assert_eq!(view.to_json().matches("\"id\"").count(), 2001);
        assert_eq!(view.to_text().lines().count(), 2001);
        assert_eq!(view.to_tsv().lines().count(), 2001);
        assert_eq!(view.to_dot().matches(" -> ").count(), 2000);
        assert_eq!(view.to_mermaid().matches(" --> ").count(), 2000);
    });
}

#[test]
fn the_view_does_not_keep_what_it_saw() {
    let (top, _t) = background().with_cancel();
    let (child, cancel) = top.with_cancel();
    let view = look(&top);
    drop((child, cancel));
    assert_eq!((view.nodes().len(), top.node.child_count()), (2, 0));
}

#[test]
fn a_node_is_found_by_its_number() {
    let [(a, _a), (b, _b), (c, _c)] = three();
    assert_eq!(a.descendant(c.id()).unwrap().id(), c.id());
    assert_eq!(b.descendant(b.id()).unwrap().id(), b.id());
    assert!(b.descendant(a.id()).is_none());
}

#[test]
fn what_was_derived_from_an_ended_node_is_seen_below_it() {
    let (top, _top) = background().with_cancel();
    let mut ctx = top.clone();
    for _ in 0..10 {
        // The handle is dropped, which ends the node before it has a child.
        ctx = ctx.with_cancel().0;
    }
    let view = View::of(&top, &ViewOptions::default());
    assert_eq!(view.nodes().len(), 11, "{}", view.to_text());
}
