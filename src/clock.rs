//! The only place that asks for the time.
//!
//! [`now`] and [`sleep_until`] go to the [`Driver`] of the thread they are called on: a worker installs its own timers
//! and a `now` that it reads once per turn of its loop, a test installs a [`TestClock`]; a thread without a driver
//! uses the operating system's monotonic clock and async-io's timers. Wall time is never used for a deadline; the one
//! question about it, [`wall`], is for stamps that people and `Date` fields carry.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// Timers and a notion of now, for the thread that [`install`]ed it. What time it is, a driver says by [`set_now`].
pub trait Driver {
    /// The current time, asked once, by [`install`].
    fn now(&self) -> Instant;

    /// Wakes `waker` once, at or after `at`. The key names the timer until it fired or was disarmed.
    fn arm(&self, at: Instant, waker: &Waker) -> u64;

    /// Replaces the waker of an armed timer. A key that fired already is ignored.
    fn rewake(&self, key: u64, waker: &Waker);

    /// Forgets a timer. A key that fired already is ignored.
    fn disarm(&self, key: u64);
}

thread_local! {
    static DRIVER: RefCell<Option<Installed>> = const { RefCell::new(None) };
    /// What a driver said last that it is: asked for many times per request, so nothing is called for it.
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
    /// What the wall clock read when it was first asked after that.
    static WALL: Cell<Option<SystemTime>> = const { Cell::new(None) };
}

/// Every driver that was ever installed has its own number, so that a timer armed on one thread is not looked up in
/// the driver of another.
static NEXT_DRIVER: AtomicU32 = AtomicU32::new(1);

#[derive(Clone)]
struct Installed {
    /// From [`NEXT_DRIVER`].
    id: u32,
    /// Where this thread's time comes from.
    driver: Rc<dyn Driver>,
}

/// Makes `driver` this thread's source of time until the guard is dropped; then the one before it is back.
pub fn install(driver: Rc<dyn Driver>) -> Guard {
    let id = NEXT_DRIVER.fetch_add(1, Ordering::Relaxed);
    let now = NOW.replace(Some(driver.now()));
    WALL.set(None);
    let before = DRIVER.with(|slot| slot.borrow_mut().replace(Installed { id, driver }));
    Guard { before, now }
}

/// Moves the time of the calling thread's clock, which stands still in between: for its [`Driver`], once per turn of the
/// loop. May lag behind the real time by up to one turn, never be ahead of it. Without a driver this does nothing.
pub fn set_now(now: Instant) {
    NOW.set(NOW.get().map(|_| now));
    WALL.set(None);
}

/// Undoes one [`install`] when dropped. Drop guards in the reverse order of their making.
#[must_use = "dropping the guard uninstalls the driver"]
pub struct Guard {
    /// What [`install`] replaced.
    before: Option<Installed>,
    /// The time it had said.
    now: Option<Instant>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let before = self.before.take();
        NOW.set(self.now);
        WALL.set(None);
        // A thread that is ending may have torn its thread-locals down already; then there is nothing to restore.
        let _ = DRIVER.try_with(|slot| *slot.borrow_mut() = before);
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clock::Guard")
    }
}

/// The time on this thread's clock.
#[must_use]
pub fn now() -> Instant {
    NOW.get().unwrap_or_else(monotonic)
}

/// The operating system's monotonic clock itself: for drivers, and for whoever asks how far behind one is. Everything
/// else asks [`now`].
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The same clock as a number of microseconds, as other processes of this machine read it too.
#[cfg(target_os = "linux")]
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u64::try_from(now.tv_nsec).unwrap_or_default();
    seconds.saturating_mul(1_000_000) + nanos / 1000
}

/// How long the processors were busy with this process.
#[cfg(target_os = "linux")]
#[must_use]
pub fn process_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(used.tv_sec).unwrap_or_default(),
        u32::try_from(used.tv_nsec).unwrap_or_default(),
    )
}

/// The wall clock, for log stamps and `Date` fields. It may jump; nothing may wait for it. Where a [`Driver`] says what
/// time it is, it is read once per turn at most, as [`now`] is: what is done in the same turn has the same stamp.
#[must_use]
pub fn wall() -> SystemTime {
    if NOW.get().is_none() {
        return SystemTime::now();
    }
    WALL.get().unwrap_or_else(|| {
        let wall = SystemTime::now();
        WALL.set(Some(wall));
        wall
    })
}

/// A future that is ready at or after `at` on this thread's clock. Nothing is armed before its first poll.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep {
        at,
        armed: Armed::No,
    }
}

/// [`sleep_until`] now plus `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(later(now(), duration))
}

/// `from + duration`, or a time about 30 years ahead where the sum is beyond what the clock can say.
#[must_use]
pub fn later(from: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);
    from.checked_add(duration)
        .or_else(|| from.checked_add(FAR))
        .unwrap_or(from)
}

/// The future of [`sleep_until`]. It may be moved between threads; it is armed anew where it is polled next.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    /// When to be ready.
    at: Instant,
    /// Where the wake-up is registered, if it is.
    armed: Armed,
}

#[derive(Debug)]
enum Armed {
    No,
    /// In the driver with this number, under this key.
    Driver {
        id: u32,
        key: u64,
    },
    /// In async-io's reactor. Behind a box, for it is large, and a worker's waits have none.
    Io(Box<async_io::Timer>),
}

impl Sleep {
    /// When this future is ready.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    fn disarm(&mut self) {
        if let Armed::Driver { id, key } = self.armed {
            with_driver(|installed| {
                if let Some(i) = installed.filter(|i| i.id == id) {
                    i.driver.disarm(key);
                }
            });
        }
        self.armed = Armed::No;
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if now() >= this.at {
            this.disarm();
            return Poll::Ready(());
        }
        let at = this.at;
        with_driver(|installed| match (installed, &mut this.armed) {
            (Some(i), Armed::Driver { id, key }) if i.id == *id => {
                i.driver.rewake(*key, cx.waker());
                Poll::Pending
            }
            (Some(i), armed) => {
                let key = i.driver.arm(at, cx.waker());
                *armed = Armed::Driver { id: i.id, key };
                Poll::Pending
            }
            (None, Armed::Io(timer)) => Pin::new(timer).poll(cx).map(|_| ()),
            (None, armed) => {
                let mut timer = async_io::Timer::at(at);
                let polled = Pin::new(&mut timer).poll(cx).map(|_| ());
                *armed = Armed::Io(Box::new(timer));
                polled
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

/// An alarm of one task, that is set again and again, nearly always for later than before, and seldom rings.
///
/// It is armed anew only when it has rung, or when it is set for earlier. So it may wake its task too early, which costs
/// nothing, but not too late; setting it for later costs nothing; and one is enough for all that a task waits for. It stays
/// with the thread on which it was armed.
#[derive(Debug, Default)]
pub struct Alarm {
    /// What is armed, and whom it wakes. // from the first poll on, until it has rung
    armed: Option<(Sleep, Waker)>,
}

impl Alarm {
    /// Ready at or after `until`, which may be another moment at each poll.
    pub fn poll_until(&mut self, until: Instant, cx: &mut task::Context<'_>) -> Poll<()> {
        let now = now();
        if now >= until {
            return Poll::Ready(());
        }
        if let Some((sleep, waker)) = &self.armed {
            if now < sleep.at && sleep.at <= until && waker.will_wake(cx.waker()) {
                return Poll::Pending;
            }
        }
        let sleep = match self.armed.take() {
            Some((sleep, _)) if now < sleep.at && sleep.at <= until => sleep,
            _ => sleep_until(until),
        };
        let (sleep, _) = self.armed.insert((sleep, cx.waker().clone()));
        Pin::new(sleep).poll(cx)
    }
}

fn with_driver<R>(mut f: impl FnMut(Option<&Installed>) -> R) -> R {
    let asked = DRIVER.try_with(|slot| f(slot.borrow().as_ref()));
    // A driver may be asked while its own thread ends (a timer dropped by another thread-local): then there is none.
    asked.unwrap_or_else(|_| f(None))
}

/// Time that moves only when told to: for tests, and for examples that should not wait.
///
/// ```
/// use std::time::Duration;
/// let clock = osier::clock::TestClock::install();
/// let start = osier::clock::now();
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(osier::clock::now() - start, Duration::from_secs(3600));
/// ```
#[derive(Debug)]
pub struct TestClock {
    /// What the thread's clock reads.
    time: Rc<TestTime>,
    /// Uninstalls it.
    _guard: Guard,
}

impl TestClock {
    /// Installs a clock for this thread that stands still at the present moment.
    #[must_use]
    pub fn install() -> Self {
        let time = Rc::new(TestTime {
            now: Cell::new(monotonic()),
            next_key: Cell::new(1),
            timers: RefCell::new(BTreeMap::new()),
        });
        Self {
            _guard: install(time.clone()),
            time,
        }
    }

    /// Moves time forward and wakes, in the order of their deadlines, the timers that are due by then.
    pub fn advance(&self, by: Duration) {
        self.time.move_to(later(self.time.now.get(), by));
    }

    /// Jumps to the earliest armed timer and fires it. False, and nothing moves, when none is armed.
    pub fn advance_to_next(&self) -> bool {
        let next = self.time.timers.borrow().keys().next().map(|(at, _)| *at);
        next.map(|at| self.time.move_to(at)).is_some()
    }

    /// How many timers are armed.
    #[must_use]
    pub fn armed_count(&self) -> usize {
        self.time.timers.borrow().len()
    }
}

#[derive(Debug)]
struct TestTime {
    now: Cell<Instant>,
    next_key: Cell<u64>,
    timers: RefCell<BTreeMap<(Instant, u64), Waker>>,
}

impl TestTime {
    fn move_to(&self, to: Instant) {
        loop {
            let due = self
                .timers
                .borrow()
                .keys()
                .next()
                .copied()
                .filter(|(at, _)| *at <= to);
            let Some(first) = due else { break };
            // Each timer fires at its own moment, so that what it wakes reads the time it waited for.
            self.now.set(self.now.get().max(first.0));
            set_now(self.now.get());
            let waker = self.timers.borrow_mut().remove(&first);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        self.now.set(self.now.get().max(to));
        set_now(self.now.get());
    }

    fn find(&self, key: u64) -> Option<(Instant, u64)> {
        self.timers
            .borrow()
            .keys()
            .find(|(_, k)| *k == key)
            .copied()
    }
}

impl Driver for TestTime {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn arm(&self, at: Instant, waker: &Waker) -> u64 {
        let key = self.next_key.get();
        self.next_key.set(key + 1);
        self.timers.borrow_mut().insert((at, key), waker.clone());
        key
    }

    fn rewake(&self, key: u64, waker: &Waker) {
        if let Some(at) = self.find(key) {
            self.timers.borrow_mut().insert(at, waker.clone());
        }
    }

    fn disarm(&self, key: u64) {
        if let Some(at) = self.find(key) {
            self.timers.borrow_mut().remove(&at);
        }
    }
}
