//! What Go promises of its contexts, in 115 sentences, each with a test here, and what osier makes of it.
//!
//! The table in the documentation of `osier::context::laws` has Go's own test for each. Where Rust's types leave nothing
//! to break, the test shows what they do instead. Laws 9 and 114 count allocations: they are in `tests/alloc.rs`, which
//! has the allocator for it.

#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::future::Future;
use std::io::{self, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::ops::Deref;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use osier::clock::{TestClock, now};
use osier::context::{
    Cancel, Context, ContextError, Key, Receipt, View, ViewNode, ViewOptions, background, todo,
};
use smol::future::{block_on, poll_once};

const CANCELED: Option<ContextError> = Some(ContextError::Canceled);
const EXPIRED: Option<ContextError> = Some(ContextError::DeadlineExceeded);

static NAME: Key<&str> = Key::new("name");
static NUMBER: Key<u32> = Key::new("number");
static OTHER_NUMBER: Key<u32> = Key::new("number");
static WIDE_NUMBER: Key<u64> = Key::new("number");

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn is_ready(future: impl Future) -> bool {
    block_on(poll_once(future)).is_some()
}

/// What the cause says in a few words; nothing while the node lives.
fn brief(ctx: &Context) -> Option<String> {
    ctx.cause().map(|cause| cause.brief().to_string())
}

fn says(text: &str) -> Option<String> {
    Some(format!("context canceled: {text}"))
}

fn plain(error: ContextError) -> Option<String> {
    Some(error.to_string())
}

fn nodes_below(ctx: &Context) -> Vec<ViewNode> {
    View::of(ctx, &ViewOptions::default())
        .nodes()
        .iter()
        .skip(1)
        .cloned()
        .collect()
}

/// How many children could still be cancelled: what Go keeps in its set of children.
fn live_children(ctx: &Context) -> usize {
    let below = nodes_below(ctx);
    let children = below.iter().filter(|node| node.depth == 1);
    children.filter(|node| node.cause.is_none()).count()
}

/// Somebody's own type around a context, as a library might have it.
struct Wrapper(Context);

impl Deref for Wrapper {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(test);
    thread.unwrap().join().unwrap();
}

// Roots.

#[test]
fn law_001_background_is_never_done() {
    assert!(!is_ready(background().done()));
}

#[test]
fn law_002_background_prints_its_name() {
    assert_eq!(background().to_string(), "context.Background");
}

#[test]
fn law_003_todo_is_never_done() {
    assert!(!is_ready(todo().done()));
}

#[test]
fn law_004_todo_prints_its_name() {
    assert_eq!(todo().to_string(), "context.TODO");
}

#[test]
fn law_005_roots_have_no_err() {
    assert_eq!((background().err(), todo().err()), (None, None));
}

#[test]
fn law_006_roots_have_no_cause() {
    assert!(background().cause().is_none() && todo().cause().is_none());
}

#[test]
fn law_007_roots_have_no_deadline() {
    assert_eq!((background().deadline(), todo().deadline()), (None, None));
}

#[test]
fn law_008_roots_have_no_values() {
    let _somewhere_else = background().with_value(&NUMBER, 1);
    assert_eq!(
        (background().value(&NUMBER), todo().value(&NAME)),
        (None, None)
    );
}

// Cancelling.

#[test]
fn law_010_a_fresh_child_is_not_done() {
    let (ctx, _cancel) = background().with_cancel();
    assert!(!is_ready(ctx.done()));
    assert_eq!(ctx.err(), None);
}

#[test]
fn law_011_a_fresh_child_can_be_waited_for() {
    let (ctx, cancel) = background().with_cancel();
    let mut done = pin!(ctx.done());
    assert!(!is_ready(done.as_mut()));
    cancel.cancel();
    assert!(is_ready(done));
}

#[test]
fn law_012_cancel_has_worked_when_it_returns() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    assert_eq!(ctx.err(), CANCELED);
    assert!(is_ready(ctx.done()));
}

#[test]
fn law_013_a_wrapper_and_what_is_derived_through_it_end_too() {
    let (ctx, cancel) = background().with_cancel();
    let wrapper = Wrapper(ctx);
    let (below, _below) = wrapper.with_cancel();
    cancel.cancel();
    assert_eq!((wrapper.err(), below.err()), (CANCELED, CANCELED));
}

#[test]
fn law_014_a_second_cancel_does_nothing() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel_because("first");
    assert_eq!(cancel.cancel_because("second"), Receipt::default());
    assert_eq!((ctx.err(), brief(&ctx)), (CANCELED, says("first")));
}

#[test]
fn law_015_cancel_does_not_wait_for_the_work() {
    let (ctx, cancel) = background().with_cancel();
    let alive = Arc::new(());
    let held = alive.clone();
    let mut work = pin!(ctx.run(async move {
        let _held = held;
        std::future::pending::<()>().await;
    }));
    assert!(!is_ready(work.as_mut()));
    cancel.cancel();
    assert_eq!(Arc::strong_count(&alive), 2);
    assert_eq!(block_on(work), Err(ContextError::Canceled));
}

#[test]
fn law_016_many_threads_may_cancel_at_once() {
    let (ctx, cancel) = background().with_cancel();
    let ended: usize = thread::scope(|scope| {
        let threads = [0; 8].map(|_| scope.spawn(|| cancel.cancel().nodes));
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!((ended, ctx.err()), (1, CANCELED));
}

#[test]
fn law_017_an_err_never_changes() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    cancel.cancel();
    assert_eq!(ctx.err(), CANCELED);
    clock.advance(ms(10));
    assert_eq!(ctx.err(), CANCELED);
}

#[test]
fn law_018_every_done_is_the_same_signal() {
    let (ctx, cancel) = background().with_cancel();
    let (mut first, mut second) = (pin!(ctx.done()), pin!(ctx.done()));
    assert!(!is_ready(first.as_mut()) && !is_ready(second.as_mut()));
    assert_eq!(cancel.cancel().waiters, 2);
    assert!(is_ready(first.as_mut()) && is_ready(second) && is_ready(ctx.done()));
    // Ready is not used up by being seen.
    assert!(is_ready(first));
}

#[test]
fn law_019_a_cancel_node_prints_after_its_parent() {
    let (ctx, _cancel) = background().with_cancel();
    assert_eq!(ctx.to_string(), "context.Background.WithCancel");
}

#[test]
fn law_020_below_an_ended_parent_a_child_is_done_at_once() {
    let (parent, cancel) = background().with_cancel();
    cancel.cancel();
    let (child, _child) = parent.with_cancel();
    assert!(is_ready(child.done()));
}

#[test]
fn law_021_it_has_the_parents_err() {
    let _clock = TestClock::install();
    let (canceled, cancel) = background().with_cancel();
    cancel.cancel();
    let (expired, _expired) = background().with_timeout(ms(0));
    let check = |parent: &Context, err| assert_eq!(parent.with_cancel().0.err(), err);
    check(&canceled, CANCELED);
    check(&expired, EXPIRED);
}

#[test]
fn law_022_it_has_the_parents_cause() {
    let (parent, cancel) = background().with_cancel();
    cancel.cancel_because("closing");
    let (child, _child) = parent.with_cancel();
    assert_eq!(brief(&child), says("closing"));
    assert_eq!(child.cause().unwrap().origin().id, parent.id());
}

#[test]
fn law_023_a_child_made_while_the_parent_ends_has_ended() {
    for _ in 0..500 {
        let (parent, cancel) = background().with_cancel();
        thread::scope(|scope| {
            let ending = scope.spawn(|| cancel.cancel_because("race"));
            let (child, keep) = parent.with_cancel();
            ending.join().unwrap();
            assert_eq!(brief(&child), says("race"));
            drop(keep);
        });
    }
}

#[test]
fn law_024_there_is_always_a_parent() {
    // A method needs its object. What stands for "no parent yet" is a root.
    let derive: fn(&Context) -> (Context, Cancel) = Context::with_cancel;
    assert_eq!(derive(&todo()).0.to_string(), "context.TODO.WithCancel");
}

// Linkage and leaks.

#[test]
fn law_025_a_parent_finishes_all_that_is_below() {
    let (parent, cancel) = background().with_cancel();
    let (child, _child) = parent.with_cancel();
    let value = parent.with_value(&NUMBER, 1);
    let (timed, _timed) = value.with_timeout(Duration::from_secs(3600));
    let (ran, runs) = mpsc::channel();
    parent.after_func(move || ran.send(()).unwrap());
    cancel.cancel();
    assert_eq!([child.err(), value.err(), timed.err()], [CANCELED; 3]);
    runs.recv().unwrap();
}

#[test]
fn law_026_a_value_in_between_does_not_cut_the_link() {
    let (parent, cancel) = background().with_cancel();
    let (child, _child) = parent
        .with_value(&NUMBER, 1)
        .with_value(&NAME, "a")
        .with_cancel();
    assert_eq!(cancel.cancel().depth, 3);
    assert_eq!(child.cause().unwrap().origin().id, parent.id());
}

#[test]
fn law_027_an_ended_parent_has_nobody_left_to_cancel() {
    let (parent, cancel) = background().with_cancel();
    let _children = [0; 5].map(|_| parent.with_cancel());
    assert_eq!(live_children(&parent), 5);
    cancel.cancel();
    assert_eq!(live_children(&parent), 0);
}

#[test]
fn law_028_a_value_below_an_ended_parent_is_done_at_once() {
    let (parent, cancel) = background().with_cancel();
    cancel.cancel();
    let value = parent.with_value(&NUMBER, 1);
    assert!(is_ready(value.done()));
    assert_eq!(value.value(&NUMBER), Some(&1));
}

#[test]
fn law_029_an_ended_child_leaves_its_parent() {
    let (parent, _parent) = background().with_cancel();
    let (child, cancel) = parent.with_cancel();
    cancel.cancel();
    // It can be cancelled no more; it is seen until its last handle is gone.
    assert_eq!((live_children(&parent), nodes_below(&parent).len()), (0, 1));
    drop((child, cancel));
    assert_eq!(nodes_below(&parent).len(), 0);
}

#[test]
fn law_030_a_child_does_not_end_its_parent() {
    let (parent, _parent) = background().with_cancel();
    let (child, cancel) = parent.with_cancel();
    cancel.cancel();
    assert_eq!((child.err(), parent.err()), (CANCELED, None));
}

#[test]
fn law_031_a_cancelled_timeout_leaves_its_parent_too() {
    let (parent, _parent) = background().with_cancel();
    let (_child, cancel) = parent.with_timeout(Duration::from_secs(3600));
    assert_eq!(live_children(&parent), 1);
    cancel.cancel();
    assert_eq!(live_children(&parent), 0);
}

#[test]
fn law_032_a_stopped_function_leaves_its_parent() {
    let (parent, _parent) = background().with_cancel();
    let stop = parent.after_func(|| ());
    assert_eq!(live_children(&parent), 1);
    stop.stop();
    assert_eq!(nodes_below(&parent).len(), 0);
}

#[test]
fn law_033_roots_hold_no_children() {
    let (_child, _cancel) = background().with_cancel();
    assert_eq!(nodes_below(&background()).len(), 0);
}

#[test]
fn law_034_a_hundred_nodes_cancelled_in_any_order() {
    let mut dice = Dice(34);
    let mut nodes = vec![background().with_cancel()];
    for index in 1..100 {
        let above = nodes[(index - 1) / 4].0.with_cancel();
        nodes.push(above);
    }
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    for index in 0..order.len() {
        order.swap(index, dice.below(100));
    }
    thread::scope(|scope| {
        for index in order {
            let nodes = &nodes;
            scope.spawn(move || nodes[index].1.cancel());
        }
        for (ctx, _) in &nodes {
            assert_eq!(block_on(ctx.done()), ContextError::Canceled);
        }
    });
}

#[test]
fn law_035_cancels_that_wait_for_each_other_do_not_lock_up() {
    for _ in 0..200 {
        let (parent, parent_cancel) = background().with_cancel();
        let (child, child_cancel) = parent.with_cancel();
        thread::scope(|scope| {
            scope.spawn(|| {
                parent.wait();
                child_cancel.cancel();
            });
            scope.spawn(|| parent_cancel.cancel());
            assert_eq!(child.wait(), ContextError::Canceled);
        });
    }
}

/// Thirty and more layers of all sorts; the leaf is last. Values are `NAME` and `NUMBER`, the last set wins.
fn layers(dice: &mut Dice, timeouts: bool) -> (Vec<Context>, Vec<Option<Cancel>>, Option<u32>) {
    let (mut nodes, mut cancels) = (vec![background()], vec![None]);
    let mut number = None;
    for layer in 0..30 + u32::try_from(dice.below(20)).unwrap() {
        let above = &nodes[nodes.len() - 1];
        let (ctx, cancel) = match dice.below(3) {
            0 => {
                number = Some(layer);
                (above.with_value(&NUMBER, layer), None)
            }
            1 => {
                let (ctx, cancel) = above.with_cancel();
                (ctx, Some(cancel))
            }
            _ => {
                let wait = if timeouts {
                    10 + dice.below(10)
                } else {
                    3_600_000
                };
                let (ctx, cancel) = above.with_timeout(ms(wait.try_into().unwrap()));
                (ctx, Some(cancel))
            }
        };
        nodes.push(ctx);
        cancels.push(cancel);
    }
    (nodes, cancels, number)
}

#[test]
fn law_036_any_layer_finishes_the_leaf() {
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let (nodes, cancels, _) = layers(&mut dice, false);
        let leaf = &nodes[nodes.len() - 1];
        let cancels: Vec<_> = cancels.iter().flatten().collect();
        assert_eq!(leaf.err(), None);
        cancels[dice.below(cancels.len())].cancel();
        assert!(is_ready(leaf.done()));
        assert_eq!(leaf.err(), CANCELED);
    }
}

#[test]
fn law_037_values_are_there_before_and_after() {
    for seed in 0..50 {
        let mut dice = Dice(seed);
        let (nodes, cancels, number) = layers(&mut dice, false);
        let leaf = &nodes[nodes.len() - 1];
        assert_eq!(leaf.value(&NUMBER).copied(), number);
        cancels.iter().flatten().next().unwrap().cancel();
        assert_eq!(leaf.value(&NUMBER).copied(), number);
    }
}

#[test]
fn law_038_layers_of_timeouts_finish_the_leaf() {
    let clock = TestClock::install();
    for seed in 0..50 {
        let (nodes, _cancels, number) = layers(&mut Dice(seed), true);
        let leaf = &nodes[nodes.len() - 1];
        let mut done = pin!(leaf.done());
        assert!(!is_ready(done.as_mut()));
        clock.advance(ms(20));
        assert_eq!(block_on(done), ContextError::DeadlineExceeded);
        assert_eq!(leaf.value(&NUMBER).copied(), number);
    }
}

#[test]
fn law_039_a_deep_chain_prints_from_its_root() {
    let (nodes, _cancels, _) = layers(&mut Dice(39), false);
    let printed = nodes[nodes.len() - 1].to_string();
    assert!(printed.starts_with("context.Background."), "{printed}");
}

// Deadlines.

#[test]
fn law_040_a_deadline_ends_its_node() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_deadline(now() + ms(50));
    let mut done = pin!(ctx.done());
    assert!(!is_ready(done.as_mut()));
    clock.advance(ms(50));
    assert_eq!(block_on(done), ContextError::DeadlineExceeded);
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn law_041_a_wrapper_sees_it_too() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(50));
    let wrapper = Wrapper(ctx);
    clock.advance(ms(50));
    assert_eq!(wrapper.err(), EXPIRED);
}

#[test]
fn law_042_a_longer_deadline_does_not_outlive_the_parent() {
    let clock = TestClock::install();
    let (parent, _parent) = background().with_timeout(ms(50));
    let (child, _child) = parent.with_timeout(ms(500));
    let mut done = pin!(child.done());
    assert!(!is_ready(done.as_mut()));
    clock.advance(ms(50));
    assert_eq!(block_on(done), ContextError::DeadlineExceeded);
    assert_eq!(child.cause().unwrap().origin().id, parent.id());
}

#[test]
fn law_043_a_deadline_in_the_past_has_passed_at_return() {
    let (ctx, _cancel) = background().with_deadline(now() - ms(1));
    assert!(is_ready(ctx.done()));
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn law_044_a_deadline_of_now_has_passed_at_return() {
    let _clock = TestClock::install();
    let (ctx, _cancel) = background().with_deadline(now());
    assert!(is_ready(ctx.done()));
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn law_045_a_deadline_is_inherited() {
    let at = now() + ms(60_000);
    let (ctx, _cancel) = background().with_deadline(at);
    let (child, _child) = ctx.with_value(&NUMBER, 1).with_cancel();
    assert_eq!((ctx.deadline(), child.deadline()), (Some(at), Some(at)));
}

#[test]
fn law_046_the_earlier_deadline_holds() {
    let (early, late) = (now() + ms(60_000), now() + ms(90_000));
    for (above, below) in [(early, late), (late, early)] {
        let (parent, _parent) = background().with_deadline(above);
        let (child, _child) = parent.with_deadline(below);
        assert_eq!(child.deadline(), Some(early));
    }
}

#[test]
fn law_047_a_deadline_that_cannot_be_first_is_nobodys() {
    let clock = TestClock::install();
    let (parent, _parent) = background().with_timeout(ms(10));
    let (child, _child) = parent.with_timeout(ms(20));
    assert_eq!(child.deadline_owner().unwrap().id(), parent.id());
    // Nor is there a timer before somebody waits.
    assert_eq!(clock.armed_count(), 0);
}

#[test]
fn law_048_of_equal_deadlines_the_child_has_its_own() {
    let at = now() + ms(60_000);
    let (parent, _parent) = background().with_deadline(at);
    let (child, _child) = parent.with_deadline(at);
    assert_eq!(child.deadline_owner().unwrap().id(), child.id());
}

#[test]
fn law_049_a_timeout_is_a_deadline_from_now() {
    let _clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(70));
    assert_eq!(ctx.deadline(), Some(now() + ms(70)));
}

#[test]
fn law_050_a_cancel_before_the_deadline_is_a_cancel() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(50));
    cancel.cancel();
    assert_eq!(ctx.err(), CANCELED);
    clock.advance(ms(50));
    assert_eq!(ctx.err(), CANCELED);
}

#[test]
fn law_051_a_cancel_leaves_no_timer() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(50));
    let mut done = pin!(ctx.done());
    assert!(!is_ready(done.as_mut()));
    assert_eq!(clock.armed_count(), 1);
    cancel.cancel();
    assert!(is_ready(done.as_mut()));
    assert_eq!(clock.armed_count(), 0);
}

#[test]
fn law_052_a_cancel_after_expiry_is_too_late() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(50));
    clock.advance(ms(50));
    // Nobody has looked yet: the moment of the deadline counts, not that of the look.
    assert_eq!(cancel.cancel(), Receipt::default());
    assert_eq!(ctx.err(), EXPIRED);
}

#[test]
fn law_053_a_deadline_prints_what_is_left() {
    let _clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(1500));
    assert_eq!(ctx.to_string(), "context.Background.WithDeadline(1.50 s)");
}

#[test]
fn law_054_deadline_exceeded_is_a_timeout() {
    assert!(ContextError::DeadlineExceeded.is_timeout());
    assert!(!ContextError::Canceled.is_timeout());
}

#[test]
fn law_055_deadline_exceeded_is_an_error_of_the_network() {
    let error = io::Error::from(ContextError::DeadlineExceeded);
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), "context deadline exceeded");
}

#[test]
fn law_056_a_deadline_needs_a_parent() {
    let derive: fn(&Context, std::time::Instant) -> (Context, Cancel) = Context::with_deadline;
    assert_eq!(derive(&todo(), now()).0.err(), EXPIRED);
}

// Values.

#[test]
fn law_057_a_node_finds_its_own_value() {
    assert_eq!(background().with_value(&NAME, "a").value(&NAME), Some(&"a"));
}

#[test]
fn law_058_a_node_finds_the_values_above() {
    let ctx = background().with_value(&NAME, "a").with_value(&NUMBER, 1);
    let (below, _below) = ctx.with_cancel();
    assert_eq!(
        (below.value(&NAME), below.value(&NUMBER)),
        (Some(&"a"), Some(&1))
    );
}

#[test]
fn law_059_keys_of_different_types_are_different() {
    let ctx = background().with_value(&NUMBER, 1);
    assert_eq!(
        (NUMBER.name(), ctx.value(&WIDE_NUMBER)),
        (WIDE_NUMBER.name(), None)
    );
}

#[test]
fn law_060_keys_of_one_type_are_different() {
    let ctx = background().with_value(&NUMBER, 1);
    assert_eq!(ctx.value(&OTHER_NUMBER), None);
}

#[test]
fn law_061_a_value_shadows_below_only() {
    let above = background().with_value(&NUMBER, 1);
    let below = above.with_value(&NUMBER, 2);
    assert_eq!(
        (above.value(&NUMBER), below.value(&NUMBER)),
        (Some(&1), Some(&2))
    );
}

#[test]
fn law_062_a_value_can_be_hidden() {
    let above = background().with_value(&NUMBER, 1);
    let below = above.without_value(&NUMBER);
    assert_eq!(
        (above.value(&NUMBER), below.value(&NUMBER)),
        (Some(&1), None)
    );
}

#[test]
fn law_063_values_are_found_through_a_wrapper() {
    let wrapper = Wrapper(background().with_value(&NUMBER, 1));
    let (below, _below) = wrapper.with_cancel();
    assert_eq!(
        (wrapper.value(&NUMBER), below.value(&NUMBER)),
        (Some(&1), Some(&1))
    );
}

#[test]
fn law_064_values_come_through_without_cancel() {
    let ctx = background().with_value(&NUMBER, 1).without_cancel();
    assert_eq!(ctx.value(&NUMBER), Some(&1));
}

#[test]
fn law_065_values_survive_every_end() {
    let _clock = TestClock::install();
    let (canceled, cancel) = background().with_value(&NUMBER, 1).with_cancel();
    cancel.cancel();
    let (expired, _expired) = background().with_value(&NUMBER, 2).with_timeout(ms(0));
    assert_eq!(
        (canceled.err(), canceled.value(&NUMBER)),
        (CANCELED, Some(&1))
    );
    assert_eq!((expired.err(), expired.value(&NUMBER)), (EXPIRED, Some(&2)));
}

#[test]
fn law_066_every_key_can_be_compared() {
    // A key is told apart by which static it is, so that values of any type may have one.
    static FUNCTION: Key<fn() -> u32> = Key::new("function");
    static SLICE: Key<Vec<f64>> = Key::new("slice");
    let ctx = background()
        .with_value(&FUNCTION, || 7)
        .with_value(&SLICE, vec![f64::NAN]);
    assert_eq!(ctx.value(&FUNCTION).unwrap()(), 7);
    assert!(ctx.value(&SLICE).unwrap()[0].is_nan());
}

#[test]
fn law_067_there_is_always_a_key() {
    // A reference to a static cannot be missing.
    let find: fn(&Context, &'static Key<u32>) -> bool = |ctx, key| ctx.value(key).is_some();
    assert!(!find(&background(), &NUMBER));
}

#[test]
fn law_068_a_value_needs_a_parent() {
    let derive: fn(&Context, &'static Key<u32>, u32) -> Context = Context::with_value;
    assert_eq!(derive(&background(), &NUMBER, 1).value(&NUMBER), Some(&1));
}

#[test]
fn law_069_a_value_prints_its_key_and_not_itself() {
    static SECRET: Key<String> = Key::new("token");
    let ctx = background().with_value(&SECRET, "hunter2".to_owned());
    assert_eq!(ctx.to_string(), "context.Background.WithValue(token)");
    let (view, debug) = (View::of(&ctx, &ViewOptions::default()), format!("{ctx:?}"));
    for printed in [
        view.to_text(),
        view.to_json(),
        view.to_dot(),
        view.to_mermaid(),
        debug,
    ] {
        assert!(!printed.contains("hunter2"), "{printed}");
    }
}

#[test]
fn law_070_a_value_stays_the_same() {
    let ctx = background().with_value(&NAME, "a");
    let (first, second) = (ctx.value(&NAME).unwrap(), ctx.value(&NAME).unwrap());
    assert!(std::ptr::eq(first, second));
}

#[test]
fn law_071_a_deep_lookup_takes_no_stack() {
    on_small_stack(|| {
        let mut ctx = background().with_value(&NAME, "top");
        for depth in 0..100_000 {
            ctx = ctx.with_value(&NUMBER, depth);
        }
        assert_eq!(
            (ctx.value(&NAME), ctx.value(&WIDE_NUMBER)),
            (Some(&"top"), None)
        );
    });
}

// Causes.

/// A parent and a child, cancelled one after the other with these reasons; what the child says.
fn child_after(
    first_is_parent: bool,
    parent_says: Option<&'static str>,
    child_says: Option<&'static str>,
) -> Option<String> {
    let (parent, parent_cancel) = background().with_cancel();
    let (child, child_cancel) = parent.with_cancel();
    let cancel = |cancel: &Cancel, reason: Option<&'static str>| match reason {
        Some(reason) => cancel.cancel_because(reason),
        None => cancel.cancel(),
    };
    if first_is_parent {
        cancel(&parent_cancel, parent_says);
        cancel(&child_cancel, child_says);
    } else {
        cancel(&child_cancel, child_says);
        cancel(&parent_cancel, parent_says);
    }
    brief(&child)
}

#[test]
fn law_072_a_plain_cancel_is_its_own_cause() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    assert_eq!(ctx.cause().unwrap().kind(), ContextError::Canceled);
    assert_eq!(brief(&ctx), plain(ContextError::Canceled));
}

#[test]
fn law_073_a_cancel_with_a_reason_is_canceled_because_of_it() {
    #[derive(Debug)]
    struct Parent(u8);
    impl std::fmt::Display for Parent {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "parent {}", self.0)
        }
    }
    impl std::error::Error for Parent {}
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel_because(osier::context::Reason::new(Parent(7)));
    assert_eq!((ctx.err(), brief(&ctx)), (CANCELED, says("parent 7")));
    let cause = ctx.cause().unwrap();
    assert_eq!(
        cause.reason().unwrap().downcast_ref::<Parent>().unwrap().0,
        7
    );
}

#[test]
fn law_074_a_cancel_without_a_reason_has_none() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    assert!(ctx.cause().unwrap().reason().is_none());
}

#[test]
fn law_075_after_the_parents_cause_the_childs_is_late() {
    assert_eq!(
        child_after(true, Some("parent"), Some("child")),
        says("parent")
    );
}

#[test]
fn law_076_before_the_parents_cause_the_childs_stays() {
    assert_eq!(
        child_after(false, Some("parent"), Some("child")),
        says("child")
    );
}

#[test]
fn law_077_the_parents_cause_before_a_plain_cancel_stays() {
    assert_eq!(child_after(true, Some("parent"), None), says("parent"));
}

#[test]
fn law_078_the_parents_cause_after_a_plain_cancel_is_late() {
    assert_eq!(
        child_after(false, Some("parent"), None),
        plain(ContextError::Canceled)
    );
}

#[test]
fn law_079_the_childs_cause_after_a_plain_parent_is_late() {
    assert_eq!(
        child_after(true, None, Some("child")),
        plain(ContextError::Canceled)
    );
}

#[test]
fn law_080_the_childs_cause_before_a_plain_parent_stays() {
    assert_eq!(child_after(false, None, Some("child")), says("child"));
}

#[test]
fn law_081_an_expired_timeout_says_so_for_good() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    clock.advance(ms(10));
    for _ in 0..2 {
        assert_eq!(
            (ctx.err(), brief(&ctx)),
            (EXPIRED, plain(ContextError::DeadlineExceeded))
        );
        cancel.cancel();
    }
}

#[test]
fn law_082_a_timeout_cancelled_early_is_canceled() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout(ms(10));
    cancel.cancel();
    clock.advance(ms(10));
    assert_eq!(
        (ctx.err(), brief(&ctx)),
        (CANCELED, plain(ContextError::Canceled))
    );
}

#[test]
fn law_083_an_expired_timeout_gives_its_reason() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout_cause(ms(10), "too slow");
    clock.advance(ms(10));
    let expected = Some("context deadline exceeded: too slow".to_owned());
    assert_eq!((ctx.err(), brief(&ctx)), (EXPIRED, expected));
}

#[test]
fn law_084_a_cancel_does_not_use_the_timeouts_reason() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().with_timeout_cause(ms(10), "too slow");
    cancel.cancel();
    clock.advance(ms(10));
    assert_eq!(
        (ctx.err(), brief(&ctx)),
        (CANCELED, plain(ContextError::Canceled))
    );
}

#[test]
fn law_085_an_expired_child_keeps_its_reason() {
    let clock = TestClock::install();
    let (parent, cancel) = background().with_cancel();
    let (child, _child) = parent.with_timeout_cause(ms(10), "too slow");
    clock.advance(ms(10));
    cancel.cancel_because("finished early");
    let expected = Some("context deadline exceeded: too slow".to_owned());
    assert_eq!((child.err(), brief(&child)), (EXPIRED, expected));
    assert_eq!(brief(&parent), says("finished early"));
}

#[test]
fn law_086_a_parent_that_was_first_gives_its_own() {
    let clock = TestClock::install();
    let (parent, cancel) = background().with_cancel();
    let (child, _child) = parent.with_timeout_cause(ms(10), "too slow");
    cancel.cancel_because("finished early");
    clock.advance(ms(10));
    assert_eq!(
        (child.err(), brief(&child)),
        (CANCELED, says("finished early"))
    );
}

#[test]
fn law_087_there_is_no_cause_before_the_end() {
    let (parent, cancel) = background().with_cancel();
    let wrapper = Wrapper(parent);
    let (child, _child) = wrapper.with_timeout_cause(Duration::from_secs(3600), "kept");
    assert!(child.cause().is_none() && wrapper.cause().is_none());
    cancel.cancel();
    assert!(child.cause().is_some());
}

#[test]
fn law_088_a_cause_is_none_or_the_last_word() {
    for _ in 0..200 {
        let (ctx, cancel) = background().with_cancel();
        let (child, _child) = ctx.with_cancel();
        thread::scope(|scope| {
            scope.spawn(|| cancel.cancel_because("the one"));
            let said = loop {
                if let Some(said) = brief(&child) {
                    break said;
                }
                std::hint::spin_loop();
            };
            assert_eq!(Some(said), says("the one"));
        });
    }
}

#[test]
fn law_089_a_parents_deadline_reaches_the_child_as_such() {
    let clock = TestClock::install();
    let (parent, _parent) = background().with_timeout(ms(10));
    let (child, _child) = parent.with_cancel();
    clock.advance(ms(10));
    assert_eq!(child.err(), EXPIRED);
}

#[test]
fn law_090_an_earlier_deadline_above_is_told_with_its_reason() {
    // Go loses the reason of both. Here the deadline that passed tells whose it is and why it was set.
    let clock = TestClock::install();
    let (parent, _parent) = background().with_timeout_cause(ms(10), "budget of the request");
    let (child, _child) = parent.with_timeout_cause(ms(20), "slow origin");
    assert_eq!(child.deadline_owner().unwrap().id(), parent.id());
    clock.advance(ms(20));
    let expected = "context deadline exceeded: budget of the request";
    assert_eq!(brief(&child).as_deref(), Some(expected));
    assert_eq!(child.cause().unwrap().origin().id, parent.id());
}

// WithoutCancel.

#[test]
fn law_091_nothing_comes_through_without_cancel() {
    let clock = TestClock::install();
    let (parent, cancel) = background().with_timeout(ms(10));
    let (expired, _expired) = background().with_timeout(ms(10));
    let before = parent.without_cancel();
    let timed = expired.without_cancel();
    cancel.cancel_because("not for them");
    clock.advance(ms(10));
    let after = parent.without_cancel();
    for ctx in [&before, &timed, &after] {
        assert_eq!((ctx.err(), ctx.deadline(), brief(ctx)), (None, None, None));
        assert!(!is_ready(ctx.done()));
    }
}

#[test]
fn law_092_values_come_through_without_cancel() {
    let parent = background().with_value(&NAME, "a").with_value(&NUMBER, 1);
    let ctx = parent.without_cancel();
    assert_eq!(ctx.value(&NAME), parent.value(&NAME));
    assert_eq!(ctx.value(&NUMBER), parent.value(&NUMBER));
    assert_eq!(ctx.value(&WIDE_NUMBER), None);
}

#[test]
fn law_093_below_it_one_can_cancel_again() {
    let (parent, parent_cancel) = background().with_cancel();
    let (child, child_cancel) = parent.without_cancel().with_cancel();
    parent_cancel.cancel();
    assert_eq!(child.err(), None);
    child_cancel.cancel();
    assert_eq!(child.err(), CANCELED);
}

#[test]
fn law_094_it_prints_after_its_parent() {
    let ctx = background().without_cancel();
    assert_eq!(ctx.to_string(), "context.Background.WithoutCancel");
}

// AfterFunc.

/// A function that tells when it runs, and what hears it.
fn told() -> (impl FnOnce() + Send + 'static, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel();
    (move || tell.send(()).unwrap(), told)
}

/// Whether the function was dropped without a word.
fn is_dropped(told: &mpsc::Receiver<()>) -> bool {
    told.try_recv() == Err(mpsc::TryRecvError::Disconnected)
}

#[test]
fn law_095_it_runs_after_the_cancel_and_not_before() {
    let (ctx, cancel) = background().with_cancel();
    let (tell, told) = told();
    ctx.after_func(tell);
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
    cancel.cancel();
    told.recv().unwrap();
}

#[test]
fn law_096_it_runs_after_a_timeout() {
    let clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(10));
    let (tell, told) = told();
    ctx.after_func(tell);
    assert_eq!(told.try_recv(), Err(mpsc::TryRecvError::Empty));
    clock.advance(ms(10));
    told.recv().unwrap();
}

#[test]
fn law_097_below_an_ended_node_it_runs_at_once_elsewhere() {
    let (ctx, cancel) = background().with_cancel();
    cancel.cancel();
    let (tell, told) = mpsc::channel();
    ctx.after_func(move || tell.send(thread::current().id()).unwrap());
    assert_ne!(told.recv().unwrap(), thread::current().id());
}

#[test]
fn law_098_stopped_before_it_never_runs() {
    let (ctx, cancel) = background().with_cancel();
    let (tell, told) = told();
    assert!(ctx.after_func(tell).stop());
    assert!(is_dropped(&told));
    cancel.cancel();
}

#[test]
fn law_099_stopped_after_it_started_is_too_late() {
    let (ctx, cancel) = background().with_cancel();
    let (tell, told) = told();
    let stop = ctx.after_func(tell);
    cancel.cancel();
    told.recv().unwrap();
    assert!(!stop.stop());
}

#[test]
fn law_100_a_second_stop_stops_nothing() {
    let (ctx, _cancel) = background().with_cancel();
    let stop = ctx.after_func(|| ());
    assert_eq!((stop.stop(), stop.stop()), (true, false));
}

#[test]
fn law_101_cancel_does_not_wait_for_it() {
    let (ctx, cancel) = background().with_cancel();
    let (release, wait) = mpsc::channel::<()>();
    let (tell, told) = told();
    ctx.after_func(move || {
        wait.recv().unwrap();
        tell();
    });
    cancel.cancel();
    release.send(()).unwrap();
    told.recv().unwrap();
}

#[test]
fn law_102_stop_does_not_wait_for_it() {
    let (ctx, cancel) = background().with_cancel();
    let (release, wait) = mpsc::channel::<()>();
    let (tell, told) = told();
    let stop = ctx.after_func(move || {
        tell();
        let _ = wait.recv();
    });
    cancel.cancel();
    told.recv().unwrap();
    assert!(!stop.stop());
    drop(release);
}

#[test]
fn law_103_several_are_independent() {
    let (ctx, cancel) = background().with_cancel();
    let ((tell_a, told_a), (tell_b, told_b)) = (told(), told());
    let stop = ctx.after_func(tell_a);
    ctx.after_func(tell_b);
    assert!(stop.stop());
    cancel.cancel();
    told_b.recv().unwrap();
    assert!(is_dropped(&told_a));
}

#[test]
fn law_104_it_runs_exactly_once() {
    for _ in 0..100 {
        let (ctx, cancel) = background().with_cancel();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = runs.clone();
        let stop = ctx.after_func(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let stopped = thread::scope(|scope| {
            scope.spawn(|| cancel.cancel());
            scope.spawn(|| cancel.cancel());
            stop.stop()
        });
        // The registration is below the context until the function has returned.
        block_on(ctx.emptied());
        assert_eq!(runs.load(Ordering::SeqCst) + usize::from(stopped), 1);
    }
}

#[test]
fn law_105_below_what_never_ends_nothing_is_registered() {
    let ctx = background().with_value(&NUMBER, 1);
    let (tell, told) = told();
    let stop = ctx.after_func(tell);
    assert!(nodes_below(&ctx).is_empty() && is_dropped(&told));
    assert!(stop.stop());
}

#[test]
fn law_106_it_can_merge_interrupt_and_wake() {
    // Merge: the second context ends the child of the first.
    let (a, _a) = background().with_cancel();
    let (b, b_cancel) = background().with_cancel();
    let (merged, merged_cancel) = a.with_cancel();
    let cause_of = b.clone();
    b.after_func(move || {
        let reason = cause_of.cause().map(|cause| cause.brief().to_string());
        merged_cancel.cancel_because(reason.unwrap_or_default());
    });
    b_cancel.cancel_because("b");
    assert_eq!(merged.wait(), ContextError::Canceled);
    assert_eq!(brief(&merged), says("context canceled: b"));
    assert_eq!(a.err(), None);

    // Interrupt a read.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _silent = listener.accept().unwrap();
    let (ctx, cancel) = background().with_cancel();
    let interrupted = stream.try_clone().unwrap();
    ctx.after_func(move || interrupted.shutdown(Shutdown::Both).unwrap());
    cancel.cancel();
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);

    // Wake whoever waits for a condition.
    let (ctx, cancel) = background().with_cancel();
    let condition = Arc::new((Mutex::new(()), Condvar::new()));
    let woken = condition.clone();
    ctx.after_func(move || {
        let _guard = woken.0.lock().unwrap();
        woken.1.notify_all();
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut guard = condition.0.lock().unwrap();
            while ctx.err().is_none() {
                guard = condition.1.wait(guard).unwrap();
            }
        });
        cancel.cancel();
    });
}

// Custom contexts. Osier's kinds of nodes are a closed set: what is left is a wrapper, and a signal of one's own that is
// bridged into the tree by a task or a function.

/// Somebody's own cancellation: a flag that can be waited for.
#[derive(Default)]
struct Foreign {
    flag: AtomicBool,
    event: event_listener::Event,
}

impl Foreign {
    fn end(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    async fn ended(&self) {
        while !self.flag.load(Ordering::SeqCst) {
            let listener = self.event.listen();
            if self.flag.load(Ordering::SeqCst) {
                return;
            }
            listener.await;
        }
    }
}

/// A child of `parent` that ends with `foreign` too: one task, and no thread.
fn bridge(parent: &Context, foreign: &Arc<Foreign>, executor: &smol::LocalExecutor<'_>) -> Context {
    let (ctx, cancel) = parent.with_cancel();
    let foreign = foreign.clone();
    let task = executor.spawn(async move {
        // Ends with the child as well, so that nothing is left of the bridge.
        let watched = cancel.context().clone();
        if watched.run(foreign.ended()).await.is_ok() {
            cancel.cancel_because("foreign");
        }
    });
    task.detach();
    ctx
}

fn settle(executor: &smol::LocalExecutor<'_>) {
    while executor.try_tick() {}
}

#[test]
fn law_107_a_wrapper_costs_nothing() {
    let (parent, cancel) = background().with_cancel();
    let wrapper = Wrapper(parent.clone());
    let (child, _child) = wrapper.with_cancel();
    assert_eq!(nodes_below(&parent).len(), 1);
    cancel.cancel();
    assert_eq!(child.err(), CANCELED);
}

#[test]
fn law_108_a_foreign_signal_costs_one_watcher() {
    let executor = smol::LocalExecutor::new();
    let foreign = Arc::new(Foreign::default());
    let ctx = bridge(&background(), &foreign, &executor);
    settle(&executor);
    assert_eq!(foreign.event.total_listeners(), 1);
    foreign.end();
    settle(&executor);
    assert_eq!(ctx.err(), CANCELED);
    assert_eq!(Arc::strong_count(&foreign), 1);
}

#[test]
fn law_109_a_foreign_signal_ends_what_is_below_with_its_cause() {
    let executor = smol::LocalExecutor::new();
    let (parent, cancel) = background().with_cancel();
    let foreign = Arc::new(Foreign::default());
    let first = bridge(&parent, &foreign, &executor);
    let (below, _below) = first.with_cancel();
    foreign.end();
    settle(&executor);
    assert_eq!((brief(&below), parent.err()), (says("foreign"), None));
    let second = bridge(&parent, &Arc::default(), &executor);
    cancel.cancel_because("parent");
    assert_eq!(brief(&second), says("parent"));
}

#[test]
fn law_110_no_thread_is_needed_to_listen() {
    // In all three cases what listens is a node or a task.
    let executor = smol::LocalExecutor::new();
    let foreign = Arc::new(Foreign::default());
    let ctx = bridge(&background(), &foreign, &executor);
    let (child, _child) = ctx.with_cancel();
    let (timed, _timed) = ctx.with_timeout(Duration::from_secs(3600));
    let (tell, told) = told();
    ctx.after_func_on(|task| executor.spawn(task).detach(), tell);
    settle(&executor);
    assert_eq!(foreign.event.total_listeners(), 1);
    foreign.end();
    settle(&executor);
    assert_eq!((child.err(), timed.err()), (CANCELED, CANCELED));
    told.try_recv().unwrap();
}

#[test]
fn law_111_an_ended_child_listens_no_more() {
    let executor = smol::LocalExecutor::new();
    let (parent, cancel) = background().with_cancel();
    let foreign = Arc::new(Foreign::default());
    let _ctx = bridge(&parent, &foreign, &executor);
    settle(&executor);
    assert_eq!(foreign.event.total_listeners(), 1);
    cancel.cancel();
    settle(&executor);
    assert_eq!(foreign.event.total_listeners(), 0);
    assert_eq!(Arc::strong_count(&foreign), 1);
}

#[test]
fn law_112_a_childs_cause_leaves_the_foreign_parent_alone() {
    let wrapper = Wrapper(background().with_cancel().0);
    // Its handle was dropped: that is a cancel too.
    assert_eq!(wrapper.err(), CANCELED);
    let before = brief(&wrapper);
    let (child, cancel) = wrapper.with_cancel();
    cancel.cancel_because("child");
    assert_eq!(brief(&wrapper), before);
    assert_eq!(child.cause().unwrap().origin().id, wrapper.id());
}

// Memory order.

#[test]
fn law_113_where_there_is_an_err_done_is_ready() {
    for _ in 0..500 {
        let (parent, cancel) = background().with_cancel();
        let (ctx, _ctx) = parent.with_cancel();
        thread::scope(|scope| {
            scope.spawn(|| cancel.cancel());
            while ctx.err().is_none() {
                std::hint::spin_loop();
            }
            assert!(is_ready(ctx.done()) && ctx.cause().is_some());
        });
    }
}

#[test]
fn law_115_everything_may_be_called_at_once() {
    fn check<T: Send + Sync>(_: &T) {}
    let (top, cancel) = background()
        .with_value(&NUMBER, 1)
        .with_timeout(ms(3_600_000));
    check(&top);
    check(&cancel);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let (child, keep) = top.with_cancel();
                    let both = Context::any([&child, &top.without_cancel()]);
                    let _ = (child.deadline(), child.value(&NUMBER), child.to_string());
                    let _ = (both.err(), child.cause(), is_ready(child.draining()));
                    let _ = View::of(&top, &ViewOptions::default());
                    child.after_func(|| ()).stop();
                    drop(keep);
                    assert_eq!((child.err(), both.err()), (CANCELED, CANCELED));
                }
            });
        }
        scope.spawn(|| cancel.drain());
        scope.spawn(|| cancel.cancel());
    });
    assert!(top.is_draining());
}

#[test]
fn every_law_has_its_test_and_its_line_in_the_table() {
    let tests = concat!(include_str!("context_go.rs"), include_str!("../alloc.rs"));
    let table = include_str!("../../src/context/laws.md");
    let mut laws = 0;
    for line in table
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`law_"))
    {
        laws += 1;
        let name = line.split('`').nth(1).unwrap();
        assert!(name.starts_with(&format!("law_{laws:03}_")), "{line}");
        assert!(line.starts_with(&format!("| {laws} |")), "{line}");
        assert!(tests.contains(&format!("fn {name}()")), "{line}");
    }
    assert_eq!(laws, 115);
}
