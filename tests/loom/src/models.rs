//! The models, each a few threads at work on a small tree.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{self, Poll, Wake, Waker};
use std::time::Duration;

use loom::thread;

use crate::clock;
use crate::context::{Cancel, Change, Context, ContextError, View, ViewOptions, Watch, background};

/// Name, preemptions, model.
pub(crate) const ALL: &[(&str, usize, fn())] = &[
    ("cancel_parent_and_child", 3, cancel_parent_and_child),
    ("cancel_seen_from_beside", 2, cancel_seen_from_beside),
    ("cancel_watched", 4, cancel_watched),
    ("cancel_tells_its_cause", 3, cancel_tells_its_cause),
    ("cancel_one_node_twice", 5, cancel_one_node_twice),
    ("create_during_cancel", 3, create_during_cancel),
    ("create_below_during_cancel", 3, create_below_during_cancel),
    (
        "create_first_child_during_cancel",
        5,
        create_first_child_during_cancel,
    ),
    ("drop_between_the_passes", 3, drop_between_the_passes),
    ("expiry_against_cancel", 3, expiry_against_cancel),
    (
        "expiry_against_cancel_above",
        3,
        expiry_against_cancel_above,
    ),
    ("task_named_against_cancel", 4, task_named_against_cancel),
    ("task_told_of_what_ends_below", 3, task_told_of_what_ends_below),
    ("listen_against_cancel", 4, listen_against_cancel),
    (
        "listen_twice_against_cancel",
        2,
        listen_twice_against_cancel,
    ),
    (
        "drain_against_create_and_listen",
        3,
        drain_against_create_and_listen,
    ),
    ("drain_against_cancel", 5, drain_against_cancel),
    ("emptied_against_drop", 5, emptied_against_drop),
    (
        "merge_ended_from_both_sides",
        3,
        merge_ended_from_both_sides,
    ),
    ("merge_made_during_cancel", 3, merge_made_during_cancel),
    ("reuse_during_cancel", 3, reuse_during_cancel),
    ("reuse_of_one_waited_for", 2, reuse_of_one_waited_for),
    ("last_drop_against_find", 4, last_drop_against_find),
    (
        "last_cancel_dropped_against_find",
        4,
        last_cancel_dropped_against_find,
    ),
    ("last_drop_against_stop", 5, last_drop_against_stop),
    (
        "watch_counts_each_change_once",
        3,
        watch_counts_each_change_once,
    ),
    ("watch_begun_during_changes", 3, watch_begun_during_changes),
    ("watch_waits_for_a_receipt", 3, watch_waits_for_a_receipt),
];

/// Counts executions. Of the standard library: loom's own begin anew each time.
#[derive(Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A future and whether it was woken since it was polled last.
pub(crate) struct Waiting<F> {
    future: F,
    woken: Arc<Flag>,
}

#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn is_up(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<F: Future + Unpin> Waiting<F> {
    pub(crate) fn new(future: F) -> Self {
        Self {
            future,
            woken: Arc::default(),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.woken.clone());
        Pin::new(&mut self.future).poll(&mut task::Context::from_waker(&waker))
    }

    /// After everything has happened: whoever had to wait was woken, and is ready now.
    pub(crate) fn finish(mut self, pending: bool) -> F::Output {
        assert!(
            !pending || self.woken.0.load(Ordering::SeqCst),
            "slept through it"
        );
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("woken for nothing"),
        }
    }
}

/// A future that waits already.
pub(crate) fn waiting<F: Future + Unpin>(future: F) -> Waiting<F> {
    let mut waiting = Waiting::new(future);
    assert!(waiting.poll().is_pending());
    waiting
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn three() -> [(Context, Cancel); 3] {
    let a = background().with_cancel();
    let b = a.0.with_cancel();
    let c = b.0.with_cancel();
    [a, b, c]
}

fn origin(ctx: &Context) -> u64 {
    ctx.cause().unwrap().origin().id
}

fn cancel_parent_and_child() {
    let [(a, a_cancel), (b, b_cancel), (c, _c)] = three();
    let waiter = waiting(c.done());
    let seen = c.clone();
    let child = thread::spawn(move || {
        b_cancel.cancel();
        // Whoever of the two ended b: what is below has ended when either returns.
        assert!(seen.err().is_some());
        b_cancel
    });
    a_cancel.cancel();
    assert!(b.err().is_some() && c.err().is_some());
    let _b_cancel = child.join().unwrap();
    assert_eq!(waiter.finish(true), ContextError::Canceled);
    assert_eq!(origin(&a), a.id());
    assert!(origin(&b) == a.id() || origin(&b) == b.id());
    assert_eq!(origin(&c), origin(&b));
}

fn cancel_seen_from_beside() {
    let [(a, a_cancel), (b, b_cancel), (c, _c)] = three();
    let top = thread::spawn(move || {
        a_cancel.cancel();
        a_cancel
    });
    let middle = thread::spawn(move || {
        b_cancel.cancel();
        b_cancel
    });
    // Nobody sees an ended node above a live one.
    if a.err().is_some() {
        assert!(b.err().is_some() && c.err().is_some());
    }
    if b.err().is_some() {
        assert!(c.err().is_some());
    }
    let _handles = (top.join().unwrap(), middle.join().unwrap());
}

fn cancel_watched() {
    let [(a, cancel), (b, _b), (c, _c)] = three();
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    if a.err().is_some() {
        assert!(b.err().is_some());
    }
    if b.err().is_some() {
        assert!(c.err().is_some());
    }
    let _cancel = ending.join().unwrap();
}

fn cancel_tells_its_cause() {
    let (top, cancel) = background().with_cancel();
    let (below, _below) = top.with_cancel();
    let ending = thread::spawn(move || {
        cancel.cancel_because("told");
        cancel
    });
    if below.err().is_some() {
        assert!(below.cause().unwrap().brief().to_string().ends_with("told"));
    }
    let _cancel = ending.join().unwrap();
}

fn cancel_one_node_twice() {
    let (ctx, cancel) = background().with_cancel();
    let waiter = waiting(ctx.done());
    let cancel = Arc::new(cancel);
    let other = cancel.clone();
    let thread = thread::spawn(move || {
        let nodes = other.cancel_because("other").nodes;
        drop(other);
        nodes
    });
    let mine = cancel.cancel_because("mine").nodes;
    let said = ctx.cause().unwrap().brief().to_string();
    assert_eq!(mine + thread.join().unwrap(), 1);
    assert_eq!(ctx.cause().unwrap().brief().to_string(), said);
    assert_eq!(said.ends_with("mine"), mine == 1);
    assert_eq!(waiter.finish(true), ContextError::Canceled);
}

fn create_during_cancel() {
    let (parent, cancel) = background().with_cancel();
    let (_elder, _keep) = parent.with_cancel();
    let id = parent.id();
    let ending = thread::spawn(move || {
        cancel.cancel_because("race");
        cancel
    });
    let (child, _child) = parent.with_cancel();
    let mut waiter = Waiting::new(child.done());
    let pending = waiter.poll().is_pending();
    let _cancel = ending.join().unwrap();
    assert_eq!(waiter.finish(pending), ContextError::Canceled);
    assert_eq!(origin(&child), id);
}

fn create_first_child_during_cancel() {
    let (parent, cancel) = background().with_cancel();
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    let (child, _child) = parent.with_cancel();
    if parent.err().is_some() {
        assert!(child.err().is_some());
    }
    let _cancel = ending.join().unwrap();
    assert!(child.err().is_some());
}

fn create_below_during_cancel() {
    let (top, cancel) = background().with_cancel();
    let (parent, _parent) = top.with_cancel();
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    let (child, _child) = parent.with_cancel();
    let mut waiter = Waiting::new(child.done());
    let pending = waiter.poll().is_pending();
    let _cancel = ending.join().unwrap();
    assert_eq!(waiter.finish(pending), ContextError::Canceled);
    assert_eq!(origin(&child), top.id());
}

fn drop_between_the_passes() {
    let [(a, a_cancel), (b, b_cancel), (c, c_cancel)] = three();
    let waiter = waiting(c.done());
    let dropping = thread::spawn(move || drop((c, c_cancel, b_cancel, b)));
    a_cancel.cancel();
    dropping.join().unwrap();
    assert_eq!(waiter.finish(true), ContextError::Canceled);
    assert!(waiting_for_nobody(&a));
}

fn waiting_for_nobody(ctx: &Context) -> bool {
    Waiting::new(ctx.emptied()).poll().is_ready()
}

/// Whoever names a task sees the end, or the task is woken by it.
fn task_named_against_cancel() {
    let (top, cancel) = background().with_cancel();
    let (session, _session) = top.with_cancel();
    let ending = thread::spawn(move || cancel.cancel());
    let flag = Arc::<Flag>::default();
    session.set_task(&Waker::from(flag.clone()));
    let (below, _below) = session.with_cancel();
    let is_seen = below.err().is_some();
    ending.join().unwrap();
    assert!(is_seen || flag.is_up(), "slept through it");
    assert!(below.err().is_some());
}

/// One end from above and one below: by each the task is woken after it can be seen.
fn task_told_of_what_ends_below() {
    let (session, session_cancel) = background().with_cancel();
    let flag = Arc::<Flag>::default();
    session.set_task(&Waker::from(flag.clone()));
    let (below, below_cancel) = session.with_cancel();
    let ending = thread::spawn(move || below_cancel.cancel());
    session_cancel.cancel();
    assert!(session.err().is_some() && below.err().is_some());
    ending.join().unwrap();
    assert!(flag.is_up(), "slept through it");
}

fn expiry_against_cancel() {
    let (ctx, cancel) = background().with_timeout(ms(10));
    let (child, _child) = ctx.with_cancel();
    let waiter = waiting(child.done());
    let late = ctx.clone();
    let looking = thread::spawn(move || {
        clock::advance(ms(10));
        late.err().unwrap()
    });
    cancel.cancel_because("early");
    let mine = ctx.err().unwrap();
    assert_eq!(looking.join().unwrap(), mine);
    assert_eq!(ctx.cause().unwrap().kind(), mine);
    assert_eq!((child.err(), origin(&child)), (Some(mine), ctx.id()));
    assert_eq!(waiter.finish(true), mine);
}

fn expiry_against_cancel_above() {
    let (top, cancel) = background().with_cancel();
    let (ctx, _ctx) = top.with_timeout(ms(10));
    let (below, _below) = ctx.with_cancel();
    let late = below.clone();
    let looking = thread::spawn(move || {
        clock::advance(ms(10));
        late.err().unwrap()
    });
    cancel.cancel();
    let mine = below.err().unwrap();
    assert_eq!(looking.join().unwrap(), mine);
    assert_eq!(
        (ctx.err(), top.err()),
        (Some(mine), Some(ContextError::Canceled))
    );
    let ender = if mine.is_timeout() { &ctx } else { &top };
    assert_eq!(origin(&below), ender.id());
}

fn listen_against_cancel() {
    let (ctx, cancel) = background().with_cancel();
    let mut waiter = Waiting::new(ctx.done());
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    let pending = waiter.poll().is_pending();
    let _cancel = ending.join().unwrap();
    assert_eq!(waiter.finish(pending), ContextError::Canceled);
}

fn listen_twice_against_cancel() {
    let (parent, cancel) = background().with_cancel();
    let (ctx, _ctx) = parent.with_cancel();
    let (mut mine, mut other) = (Waiting::new(ctx.done()), Waiting::new(ctx.done()));
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    let listening = thread::spawn(move || {
        let pending = other.poll().is_pending();
        (other, pending)
    });
    let pending = mine.poll().is_pending();
    let _cancel = ending.join().unwrap();
    let (other, other_pending) = listening.join().unwrap();
    assert_eq!(mine.finish(pending), ContextError::Canceled);
    assert_eq!(other.finish(other_pending), ContextError::Canceled);
}

fn drain_against_create_and_listen() {
    let (parent, cancel) = background().with_cancel();
    let (elder, _elder) = parent.with_cancel();
    let mut waiter = Waiting::new(elder.draining());
    let draining = thread::spawn(move || {
        cancel.drain();
        cancel
    });
    let pending = waiter.poll().is_pending();
    let (child, _child) = parent.with_cancel();
    let _cancel = draining.join().unwrap();
    waiter.finish(pending);
    assert!(child.is_draining() && child.err().is_none());
}

fn drain_against_cancel() {
    let (parent, cancel) = background().with_cancel();
    let (child, child_cancel) = parent.with_cancel();
    let (drains, ends) = (waiting(child.draining()), waiting(child.done()));
    let draining = thread::spawn(move || {
        cancel.drain();
        cancel
    });
    child_cancel.cancel();
    let _cancel = draining.join().unwrap();
    drains.finish(true);
    assert_eq!(ends.finish(true), ContextError::Canceled);
    assert_eq!(parent.err(), None);
}

fn emptied_against_drop() {
    let (parent, _parent) = background().with_cancel();
    let (child, cancel) = parent.with_cancel();
    let (below, below_cancel) = child.with_cancel();
    let dropping = thread::spawn(move || drop((below, below_cancel)));
    let mut waiter = Waiting::new(parent.emptied());
    let pending = waiter.poll().is_pending();
    assert!(pending);
    drop((child, cancel));
    dropping.join().unwrap();
    waiter.finish(pending);
}

fn merge_ended_from_both_sides() {
    let (a, a_cancel) = background().with_cancel();
    let (b, b_cancel) = background().with_cancel();
    let merged = Context::any([&a, &b]);
    let (below, _below) = merged.with_cancel();
    let waiter = waiting(below.done());
    let other = thread::spawn(move || {
        b_cancel.cancel();
        b_cancel
    });
    a_cancel.cancel();
    assert!(merged.err().is_some() && below.err().is_some());
    let said = origin(&below);
    let _b_cancel = other.join().unwrap();
    assert_eq!(waiter.finish(true), ContextError::Canceled);
    assert_eq!((origin(&below), origin(&merged)), (said, said));
}

fn merge_made_during_cancel() {
    let (a, _a) = background().with_cancel();
    let (b, b_cancel) = background().with_cancel();
    let id = b.id();
    let ending = thread::spawn(move || {
        b_cancel.cancel();
        b_cancel
    });
    let merged = Context::any([&a, &b]);
    if b.err().is_some() {
        assert!(merged.err().is_some());
    }
    let mut waiter = Waiting::new(merged.done());
    let pending = waiter.poll().is_pending();
    let _b_cancel = ending.join().unwrap();
    assert_eq!(waiter.finish(pending), ContextError::Canceled);
    assert_eq!(origin(&merged), id);
}

/// The sweep that comes by may hold the node that is dropped, or meet the one that is made of it.
fn reuse_during_cancel() {
    let (top, cancel) = background().with_cancel();
    let (old, old_cancel) = top.with_cancel();
    let old_id = old.id();
    let ending = thread::spawn(move || {
        cancel.cancel_because("race");
        cancel
    });
    drop((old, old_cancel));
    let (new, _new) = top.with_cancel();
    let (below, _below) = new.with_cancel();
    assert_ne!(new.id(), old_id);
    if top.err().is_some() {
        assert!(new.err().is_some() && below.err().is_some());
    }
    let _cancel = ending.join().unwrap();
    assert_eq!((new.err(), origin(&new)), (below.err(), top.id()));
    drop((new, _new, below, _below));
    assert!(waiting_for_nobody(&top));
}

/// An event that is used again wakes those who listen now.
fn reuse_of_one_waited_for() {
    let (top, cancel) = background().with_cancel();
    let (old, old_cancel) = top.with_cancel();
    let waiter = waiting(old.done());
    old_cancel.cancel();
    assert_eq!(waiter.finish(true), ContextError::Canceled);
    drop((old, old_cancel));
    let ending = thread::spawn(move || {
        cancel.cancel();
        cancel
    });
    let (new, _new) = top.with_cancel();
    let mut waiter = Waiting::new(new.done());
    let pending = waiter.poll().is_pending();
    let _cancel = ending.join().unwrap();
    assert_eq!(waiter.finish(pending), ContextError::Canceled);
}

/// Whoever finds a node while its last handle is dropped has a node that is still in the tree, or none.
fn last_drop_against_find() {
    let (top, cancel) = background().with_cancel();
    let (old, old_cancel) = top.with_cancel();
    let id = old.id();
    old_cancel.detach();
    let seen = top.clone();
    let finding = thread::spawn(move || seen.descendant(id));
    drop(old);
    let found = finding.join().unwrap();
    let (new, _new) = top.with_cancel();
    cancel.cancel();
    assert!(new.id() != id && new.err().is_some());
    if let Some(found) = found {
        assert_eq!(found.id(), id);
        assert_eq!((found.err(), origin(&found)), (new.err(), top.id()));
    }
    drop((new, _new));
    assert!(waiting_for_nobody(&top));
}

/// As before, with a handle that cancels: who found the node sees that.
fn last_cancel_dropped_against_find() {
    let (top, _top) = background().with_cancel();
    let (old, old_cancel) = top.with_cancel();
    let id = old.id();
    drop(old);
    let seen = top.clone();
    let finding = thread::spawn(move || seen.descendant(id));
    drop(old_cancel);
    if let Some(found) = finding.join().unwrap() {
        assert_eq!((found.id(), origin(&found)), (id, id));
    }
    assert!(waiting_for_nobody(&top));
}

/// A registration is known besides the tree: its node is not used again while it is.
fn last_drop_against_stop() {
    let (top, _top) = background().with_cancel();
    let mut task = None;
    let stop = top.after_func_on(|made| task = Some(made), || ());
    let seen = top.clone();
    let stopping = thread::spawn(move || {
        // Loom does not see that a `Stop` looks for its node, so that is tied to a look at the list, which it sees.
        waiting_for_nobody(&seen);
        stop.stop();
        stop
    });
    drop(task);
    let (new, _new) = top.with_cancel();
    let stop = stopping.join().unwrap();
    assert!(!stop.stop());
    // The old node was taken out of the list once, and this one not at all.
    assert!(new.err().is_none() && top.descendant(new.id()).is_some());
    drop((new, _new));
    assert!(waiting_for_nobody(&top));
}

/// How many of these changes are about the node.
fn told(changes: &[Change], id: u64) -> usize {
    let is_of = |change: &&Change| match change {
        Change::Made(made) => made.id == id,
        Change::Ended(ended) => ended.id == id,
        Change::Drained(it) | Change::Gone(it) => *it == id,
    };
    changes.iter().filter(is_of).count()
}

/// Each change is told or counted as lost, and that once, by each of two watches that have too little room, while one
/// of them is emptied and one goes.
fn watch_counts_each_change_once() {
    let (top, _top) = background().with_cancel();
    let mut watch = Watch::with_capacity(Some(&top), 2);
    let other = Watch::with_capacity(Some(&top), 1);
    let maker = {
        let top = top.clone();
        thread::spawn(move || drop(top.with_cancel()))
    };
    let dropper = thread::spawn(move || drop(other));
    let mut seen = watch.take().len();
    drop(top.with_cancel());
    maker.join().unwrap();
    dropper.join().unwrap();
    seen += watch.take().len();
    // Two nodes were made, and both are gone.
    assert_eq!(seen as u64 + watch.lost(), 4);
    drop(top.with_cancel());
    assert_eq!(watch.take().len(), 2);
}

/// A node that is made, cancelled and dropped while a watch begins: what the picture does not have is told afterwards,
/// and what the picture has as it was is not forgotten.
fn watch_begun_during_changes() {
    let (top, _top) = background().with_cancel();
    let (old, old_cancel) = top.with_cancel();
    let old_id = old.id();
    let seen = top.clone();
    let changing = thread::spawn(move || {
        old_cancel.cancel();
        drop((old, old_cancel));
        let (new, new_cancel) = seen.with_cancel();
        new_cancel.detach();
        new
    });
    let mut watch = Watch::of(&top);
    let view = View::of(&top, &ViewOptions::default());
    let new = changing.join().unwrap();
    let changes = watch.take();
    let shown = |id| view.nodes().iter().find(|node| node.id == id);
    assert!(shown(new.id()).is_some() || told(&changes, new.id()) == 1);
    assert!(told(&changes, new.id()) <= 1);
    let ends = |change: &Change| matches!(change, Change::Ended(it) if it.id == old_id);
    let goes = |change: &Change| matches!(change, Change::Gone(it) if *it == old_id);
    let count = |is: &dyn Fn(&Change) -> bool| changes.iter().filter(|it| is(it)).count();
    let (ended, gone) = (count(&ends), count(&goes));
    assert!(ended <= 1 && gone <= 1);
    match shown(old_id).map(|node| node.state) {
        Some("live") => assert!(ended == 1 && gone == 1),
        Some(_) => assert_eq!(gone, 1),
        None => {}
    }
    assert_eq!(watch.lost(), 0);
}

/// What comes after a cancel that is at work is told after it, and a cancel not without its receipt.
fn watch_waits_for_a_receipt() {
    let [a, b, c] = three();
    drop(c);
    let mut watch = Watch::of(&a.0);
    let (top, below) = (a.0.id(), b.0.id());
    let dropping = {
        let (ctx, cancel) = b;
        let waiter = waiting(ctx.done());
        thread::spawn(move || {
            cancel.detach();
            drop((waiter, ctx));
        })
    };
    let cancelling = thread::spawn(move || a.1.cancel());
    let mut changes = watch.take();
    dropping.join().unwrap();
    let receipt = cancelling.join().unwrap();
    // What was taken with the cancel before comes first.
    changes.extend(watch.take());
    changes.extend(watch.take());
    assert_eq!((told(&changes, top), told(&changes, below)), (1, 1));
    let told_of = changes.iter().find_map(|change| match change {
        Change::Ended(ended) => Some(ended.receipt),
        _ => None,
    });
    assert_eq!(told_of, Some(Some(receipt)));
}
