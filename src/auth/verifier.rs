//! The one thread that verifies passwords, and what is asked before and after.
//!
//! Verifying takes up to a second of a core, on purpose. One thread, and a queue that is short, bound what strangers can
//! make the machine spend. Where many of one client's passwords were wrong, no more of them are looked at for a while,
//! right or wrong, so that guessing is slow; nobody else is held up by that.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};

use super::cache::{Cache, Fingerprint, Secret};
use super::{Credentials, Users};
use crate::clock;
use crate::limit::{Key, Limiter, Rate, RateLimit};

/// How many may wait for the thread.
const QUEUE_MAX: usize = 64;
/// How many right ones are known, and how many wrong ones.
const KNOWN_MAX: usize = 4096;
/// How many clients' failures are counted.
const CLIENTS_MAX: usize = 16_384;
/// How many failures a client has, all at once or in a minute.
const FAILURES: u32 = 10;
/// Blowfish has 4 KiB of tables; this is ample.
const STACK_OCTETS: usize = 256 * 1024;

/// Verifies credentials. Cloned, it is the same one.
///
/// Its thread begins with the first that it has to verify, and ends after the last handle is gone.
#[derive(Clone)]
pub struct Verifier {
    shared: Arc<Shared>,
}

/// What all handles share. With the last of them it is dropped, and the thread ends.
struct Shared {
    book: Arc<Book>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        lock(&self.book.queue).is_over = true;
        self.book.woken.notify_all();
    }
}

/// What the thread and those who ask it both know.
struct Book {
    /// LOCK: nothing else is locked while it is.
    queue: Mutex<Queue>,
    /// There is a job, or it is over.
    woken: Condvar,
    secret: Secret,
    /// LOCK: nothing else is locked while it is.
    cache: Mutex<Cache>,
    failures: Limiter,
}

#[derive(Default)]
struct Queue {
    /// At most `QUEUE_MAX`.
    jobs: VecDeque<Job>,
    has_thread: bool,
    is_over: bool,
}

struct Job {
    users: Arc<Users>,
    who: Credentials,
    client: Option<IpAddr>,
    answer: Sender<Verdict>,
}

/// What is said of credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They are right.
    Right,
    /// They are not.
    Wrong,
    /// Too many of the client's were wrong; nothing is said of these.
    Limited {
        /// When it may try again.
        retry_after: Duration,
    },
}

/// What comes of asking.
#[derive(Debug)]
pub enum Asked {
    /// It was known.
    Known(Verdict),
    /// The thread will say.
    Waiting(Waiting),
}

/// A place in the thread's queue. Dropped, it is given up: what has not begun is not done.
#[derive(Debug)]
#[must_use = "dropping it gives it up"]
pub struct Waiting(Receiver<Verdict>);

/// Enough wait already, or there is no thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFull;

impl Verifier {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        let failures = Limiter::new(RateLimit {
            rate: Some(Rate {
                requests: FAILURES,
                period: Duration::from_secs(60),
                burst: FAILURES,
            }),
            keys_max: CLIENTS_MAX,
            ..RateLimit::default()
        });
        let book = Arc::new(Book {
            queue: Mutex::default(),
            woken: Condvar::new(),
            secret: Secret::default(),
            cache: Mutex::new(Cache::new(KNOWN_MAX)),
            failures,
        });
        Self {
            shared: Arc::new(Shared { book }),
        }
    }

    /// Asks whether `who` is one of `users`. Does not wait.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn ask(
        &self,
        users: &Arc<Users>,
        who: Credentials,
        client: Option<IpAddr>,
    ) -> Result<Asked, QueueFull> {
        let book = &self.shared.book;
        let fingerprint = book.secret.fingerprint(users, &who);
        if let Some(verdict) = book.known(fingerprint, client) {
            return Ok(Asked::Known(verdict));
        }
        let (answer, waiting) = async_channel::bounded(1);
        let job = Job {
            users: users.clone(),
            who,
            client,
            answer,
        };
        {
            let mut queue = lock(&book.queue);
            if queue.jobs.len() >= QUEUE_MAX {
                // Those that nobody waits for any more are no reason to turn others away.
                queue.jobs.retain(|job| !job.answer.is_closed());
            }
            if queue.jobs.len() >= QUEUE_MAX {
                return Err(QueueFull);
            }
            if !queue.has_thread {
                start(book.clone())?;
                queue.has_thread = true;
            }
            queue.jobs.push_back(job);
        }
        book.woken.notify_one();
        Ok(Asked::Waiting(Waiting(waiting)))
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Waiting {
    /// What the thread says.
    ///
    /// # Errors
    /// There is no thread any more.
    pub async fn verdict(self) -> Result<Verdict, QueueFull> {
        self.0.recv().await.map_err(|_| QueueFull)
    }
}

impl Book {
    /// The thread.
    fn verify(&self) {
        while let Some(job) = self.next() {
            if job.answer.is_closed() {
                continue;
            }
            // Somebody before it may have asked the same, or the client may have failed too often meanwhile.
            let fingerprint = self.secret.fingerprint(&job.users, &job.who);
            let verdict = self.known(fingerprint, job.client).unwrap_or_else(|| {
                let is_right = job.users.has(&job.who.user, &job.who.password);
                lock(&self.cache).put(fingerprint, is_right, clock::now());
                self.judged(is_right, job.client)
            });
            let _ = job.answer.try_send(verdict);
        }
    }

    /// The next job. `None`: there are no handles any more.
    fn next(&self) -> Option<Job> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_over {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            let woken = self.woken.wait(queue);
            queue = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What can be said without verifying.
    fn known(&self, fingerprint: Fingerprint, client: Option<IpAddr>) -> Option<Verdict> {
        let now = clock::now();
        if let Err(refused) = self.failures.look(key(client), now) {
            let retry_after = refused.retry_after;
            return Some(Verdict::Limited { retry_after });
        }
        let is_right = lock(&self.cache).find(fingerprint, now)?;
        Some(self.judged(is_right, client))
    }

    /// Counts a failure.
    fn judged(&self, is_right: bool, client: Option<IpAddr>) -> Verdict {
        if is_right {
            return Verdict::Right;
        }
        // One that is not admitted is as limited as it can be.
        let _ = self.failures.admit(key(client), clock::now());
        Verdict::Wrong
    }
}

fn start(book: Arc<Book>) -> Result<(), QueueFull> {
    let thread = thread::Builder::new()
        .name("osier-auth".to_owned())
        .stack_size(STACK_OCTETS);
    let started = thread.spawn(move || book.verify());
    started.map(|_| ()).map_err(|_| QueueFull)
}

/// Who comes by a unix socket has no address: they are one.
fn key<'a>(client: Option<IpAddr>) -> Key<'a> {
    client.map_or(Key::Whole, Key::Ip)
}

/// Nothing that is done with it locked leaves it half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl fmt::Display for QueueFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many wait for their passwords to be verified")
    }
}

impl std::error::Error for QueueFull {}
