//! An hour in a test that takes no time.
//!
//!     cargo run --example 11_virtual_clock
//!
//! Whatever waits asks this thread's clock: contexts, timers, the code below. A `TestClock` stands still until it is
//! told to move, so order and time are exactly the same in every run.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use osier::clock::{self, TestClock};
use osier::context::{Context, ContextError, background};
use smol::{LocalExecutor, future};

fn main() {
    let real = clock::monotonic();
    let clock = TestClock::install();
    let start = clock::now();
    let executor = LocalExecutor::new();
    let tries = Rc::new(RefCell::new(Vec::new()));

    let (ctx, _cancel) = background().with_timeout(Duration::from_secs(3600));
    let work = executor.spawn(retry(ctx, start, tries.clone()));
    // Run until nothing moves, then jump to the next timer: that is the whole driver.
    let mut jumps = 0;
    loop {
        while executor.try_tick() {}
        if work.is_finished() || !clock.advance_to_next() {
            break;
        }
        jumps += 1;
    }
    let ended = future::block_on(work);

    println!("tries at second {:?}", tries.borrow());
    println!("ended after {:?}: {ended}", clock::now() - start);
    println!(
        "{jumps} jumps; on the wall it took {:?}",
        clock::monotonic() - real
    );
    assert_eq!(
        *tries.borrow(),
        [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 2047]
    );
    assert_eq!(ended, ContextError::DeadlineExceeded);
    assert_eq!(clock::now() - start, Duration::from_secs(3600));
    // What had to wait has let go of its timers.
    assert_eq!(clock.armed_count(), 0);
    assert!(clock::monotonic() - real < Duration::from_secs(60));
}

/// Tries something that never works, and waits twice as long each time.
async fn retry(ctx: Context, start: Instant, tries: Rc<RefCell<Vec<u64>>>) -> ContextError {
    let mut pause = Duration::from_secs(1);
    loop {
        tries.borrow_mut().push((clock::now() - start).as_secs());
        if let Err(error) = ctx.run(clock::sleep(pause)).await {
            return error;
        }
        pause *= 2;
    }
}
