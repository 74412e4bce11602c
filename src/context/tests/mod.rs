//! The laws of the tree, one test each, and what its parts promise each other.

mod after;
mod any;
mod cause;
mod census;
mod done;
mod drain;
mod inert;
mod label;
mod node;
mod story;
mod sweep;
mod task;
mod value;
mod view;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::{Cancel, Context, ContextError, background, todo};

/// A waker that counts.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Bell {
    fn new() -> (Arc<Self>, Waker) {
        let bell = Arc::new(Self::default());
        (bell.clone(), bell.into())
    }

    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs `test` on a thread with the smallest stack that is in use anywhere.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(64 << 10)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const CANCELED: Option<ContextError> = Some(ContextError::Canceled);
const EXPIRED: Option<ContextError> = Some(ContextError::DeadlineExceeded);

/// A parent with a child that has a child.
fn three() -> [(Context, Cancel); 3] {
    let a = background().with_cancel();
    let b = a.0.with_cancel();
    let c = b.0.with_cancel();
    [a, b, c]
}
