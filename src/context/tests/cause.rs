//! What a cause tells.

use super::*;
use crate::clock::{TestClock, now};
use crate::context::{Dropped, Reason};
use std::error::Error;
use std::fmt;
use std::io;

#[derive(Debug, PartialEq)]
struct Gone(u16);

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gone {}", self.0)
    }
}

impl Error for Gone {}

#[test]
fn every_reason_comes_back() {
    static LASTING: Gone = Gone(1);
    let check = |reason: Reason, printed: &str, code: Option<u16>| {
        let (ctx, cancel) = background().with_cancel();
        cancel.cancel_because(reason);
        let cause = ctx.cause().unwrap();
        let given = cause.reason().unwrap();
        assert_eq!(given.to_string(), printed);
        assert_eq!(given.downcast_ref::<Gone>().map(|gone| gone.0), code);
        assert_eq!(cause.source().unwrap().to_string(), printed);
    };
    check("a text".into(), "a text", None);
    check(String::from("a string").into(), "a string", None);
    check((&LASTING).into(), "gone 1", Some(1));
    check(Reason::Static(&LASTING), "gone 1", Some(1));
    check(Reason::new(Gone(2)), "gone 2", Some(2));
    check(Arc::new(Gone(3)).into(), "gone 3", Some(3));
    let shared: Arc<dyn Error + Send + Sync> = Arc::new(Gone(4));
    check(shared.into(), "gone 4", Some(4));
    let boxed: Box<dyn Error + Send + Sync> = Box::new(Gone(5));
    check(boxed.into(), "gone 5", Some(5));
}

#[test]
fn a_cause_prints_as_one_line() {
    let clock = TestClock::install();
    let (ctx, cancel) = background().named("exchange", "GET /\n").with_cancel();
    clock.advance(ms(2));
    cancel.cancel_because("client closed");
    let (line, file) = (line!() - 1, file!());
    clock.advance(ms(3));
    let id = ctx.id();
    let expected = format!(
        "context canceled: client closed (origin exchange#{id} GET /\\n at {file}:{line}, 3 ms ago)"
    );
    assert_eq!(ctx.cause().unwrap().to_string(), expected);
    assert_eq!(ctx.cause().unwrap().at(), now() - ms(3));
}

#[test]
fn a_dropped_handle_tells_where_it_was_made() {
    let (ctx, cancel) = background().named("job", "").with_cancel();
    let line = line!() - 1;
    drop(cancel);
    let cause = ctx.cause().unwrap();
    assert_eq!(
        cause.brief().to_string(),
        format!("context canceled: dropped; made at {}:{line}", file!())
    );
    assert_eq!(
        cause
            .reason()
            .unwrap()
            .downcast_ref::<Dropped>()
            .unwrap()
            .made_at()
            .line(),
        line
    );
}

#[test]
fn a_deadline_tells_where_it_was_set() {
    let _clock = TestClock::install();
    let (ctx, _cancel) = background().with_timeout(ms(0));
    let line = line!() - 1;
    assert_eq!(ctx.cause().unwrap().location().unwrap().line(), line);
    assert!(ctx.cause().unwrap().reason().is_none());
}

#[test]
fn errors_print_as_in_go_and_become_io_errors() {
    let check = |error: ContextError, printed: &str, kind: io::ErrorKind| {
        assert_eq!(error.to_string(), printed);
        let io = io::Error::from(error);
        assert_eq!(io.kind(), kind);
        assert_eq!(
            io.get_ref().unwrap().downcast_ref::<ContextError>(),
            Some(&error)
        );
    };
    check(
        ContextError::Canceled,
        "context canceled",
        io::ErrorKind::Other,
    );
    check(
        ContextError::DeadlineExceeded,
        "context deadline exceeded",
        io::ErrorKind::TimedOut,
    );
}

#[test]
fn a_reason_may_use_the_tree_when_it_is_dropped() {
    #[derive(Debug)]
    struct Holder {
        _held: (Context, Cancel),
    }
    impl fmt::Display for Holder {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("holder")
        }
    }
    impl Error for Holder {}
    let (parent, parent_cancel) = background().with_cancel();
    let sibling = parent.with_cancel();
    let (_ctx, cancel) =
        parent.with_timeout_cause(ms(60_000), Reason::new(Holder { _held: sibling }));
    // The reason that was kept for the deadline goes, and takes a node with it.
    cancel.cancel();
    assert_eq!(parent.node.child_count(), 1);
    parent_cancel.cancel();
}
