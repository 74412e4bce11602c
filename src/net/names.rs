//! The addresses behind a name: looked up on a thread of its own, never by who needs them.
//!
//! The last good answer is kept. A name is looked up again each so often, at once when `/etc/hosts` or
//! `/etc/resolv.conf` has changed, and sooner while it has no answer at all.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use event_listener::Event;

use super::address::{Address, AddressError, resolve};
use crate::clock;

/// What tells how names are resolved. Looked at while names are watched.
const FILES: [&str; 2] = ["/etc/hosts", "/etc/resolv.conf"];
/// How often it is.
const LOOK: Duration = Duration::from_secs(2);
/// How soon a name that has never resolved is tried again; twice as long each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The resolver's thread does little.
const STACK_OCTETS: usize = 256 * 1024;

/// The addresses of an endpoint, in the order to try them. Cloned, they are the same.
#[derive(Clone)]
pub struct Addresses(Arc<Shared>);

struct Shared {
    /// What is looked up; `None`: nothing, they never change.
    name: Option<String>,
    /// How many times they have changed.
    generation: AtomicUsize,
    /// A lookup has ended, well or not.
    is_known: AtomicBool,
    known: Event,
    /// LOCK: held to copy a pointer.
    current: Mutex<Arc<[Address]>>,
}

impl From<Vec<Address>> for Addresses {
    /// Addresses that never change.
    fn from(addresses: Vec<Address>) -> Self {
        Self::new(None, addresses, true)
    }
}

impl Addresses {
    fn new(name: Option<String>, addresses: Vec<Address>, is_known: bool) -> Self {
        Self(Arc::new(Shared {
            name,
            generation: AtomicUsize::new(0),
            is_known: AtomicBool::new(is_known),
            known: Event::new(),
            current: Mutex::new(addresses.into()),
        }))
    }

    /// Those of `host:port` or `unix:PATH`. A name is not looked up before somebody [watches](Names::watch) it.
    #[must_use]
    pub fn of(authority: &str) -> Self {
        match authority.parse::<Address>() {
            // What `localhost` is says /etc/hosts; it may well be both families.
            Ok(address) if !authority.starts_with([':', 'l']) => vec![address].into(),
            _ => Self::new(Some(authority.to_owned()), Vec::new(), false),
        }
    }

    /// Those of `host:port` or `unix:PATH`, looked up now; it may take seconds.
    ///
    /// # Errors
    /// As [`resolve`].
    pub fn resolved(authority: &str) -> Result<Self, AddressError> {
        let addresses = Self::of(authority);
        if let Some(name) = &addresses.0.name {
            addresses.set(resolve(name)?);
        }
        Ok(addresses)
    }

    /// As they are known now.
    #[must_use]
    pub fn get(&self) -> Arc<[Address]> {
        self.current().clone()
    }

    /// How many times they have changed.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The name behind them, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Waits until the first lookup has ended, well or not.
    pub async fn known(&self) {
        while !self.0.is_known.load(Ordering::Acquire) {
            let listener = self.0.known.listen();
            if self.0.is_known.load(Ordering::Acquire) {
                return;
            }
            listener.await;
        }
    }

    fn current(&self) -> MutexGuard<'_, Arc<[Address]>> {
        let current = &self.0.current;
        current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So they are from now on. True: that is otherwise than before.
    fn set(&self, addresses: Vec<Address>) -> bool {
        let mut current = self.current();
        // The same ones in another order are no news: they are turned round from answer to answer.
        let is_same = current.len() == addresses.len()
            && addresses.iter().all(|address| current.contains(address));
        if !is_same {
            *current = addresses.into();
            self.0.generation.fetch_add(1, Ordering::Release);
        }
        drop(current);
        self.note_known();
        !is_same
    }

    fn note_known(&self) {
        self.0.is_known.store(true, Ordering::Release);
        self.0.known.notify(usize::MAX);
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses")
            .field("name", &self.0.name)
            .field("current", &*self.current())
            .finish_non_exhaustive()
    }
}

/// What looks names up.
pub type Lookup = fn(&str) -> Result<Vec<Address>, AddressError>;

/// The thread that looks names up. It ends when this is dropped.
#[derive(Debug)]
pub struct Names {
    watch: mpsc::Sender<Watched>,
}

/// A name that is looked up again and again, for as long as somebody has its addresses.
struct Watched {
    addresses: Weak<Shared>,
    every: Duration,
    /// When it is looked up next.
    due: Instant,
    /// After how long it is tried again while it has no answer.
    retry: Duration,
    /// What was said of it last.
    said: Option<String>,
}

impl Names {
    /// `say` is told what has changed, and what does not resolve.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(say: impl Fn(&str) + Send + 'static) -> std::io::Result<Self> {
        Self::start_with(resolve, say)
    }

    /// As [`Names::start`], with another way to look names up.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        lookup: Lookup,
        say: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (watch, asked) = mpsc::channel();
        let thread = thread::Builder::new().name("osier-names".to_owned());
        let thread = thread.stack_size(STACK_OCTETS);
        thread.spawn(move || work(&asked, lookup, &say))?;
        Ok(Self { watch })
    }

    /// Looks the name behind `addresses` up, now and then again `every` so often. Nothing is done for addresses without
    /// a name.
    pub fn watch(&self, addresses: &Addresses, every: Duration) {
        if addresses.0.name.is_none() {
            return;
        }
        let _ = self.watch.send(Watched {
            addresses: Arc::downgrade(&addresses.0),
            every,
            due: clock::now(),
            retry: FIRST_RETRY.min(every),
            said: None,
        });
    }
}

fn work(asked: &mpsc::Receiver<Watched>, lookup: Lookup, say: &impl Fn(&str)) {
    let mut all: Vec<Watched> = Vec::new();
    let mut files = marks();
    loop {
        let next = all.iter().map(|watched| watched.due).min();
        let wait = next.map(|due| due.saturating_duration_since(clock::now()).min(LOOK));
        let asked = match wait {
            None => asked.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(wait) => asked.recv_timeout(wait),
        };
        match asked {
            Ok(watched) => {
                // Asked for again, by a new configuration.
                all.retain(|it| !it.addresses.ptr_eq(&watched.addresses));
                all.push(watched);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        all.retain(|watched| watched.addresses.strong_count() > 0);
        let now = clock::now();
        let marks = marks();
        if marks != files {
            files = marks;
            all.iter_mut().for_each(|watched| watched.due = now);
        }
        for watched in all.iter_mut().filter(|watched| watched.due <= now) {
            watched.look_up(lookup, say);
        }
    }
}

impl Watched {
    fn look_up(&mut self, lookup: Lookup, say: &impl Fn(&str)) {
        let Some(shared) = self.addresses.upgrade() else {
            return;
        };
        let addresses = Addresses(shared);
        let Some(name) = addresses.name() else {
            return;
        };
        let (has_one, is_first) = (
            !addresses.current().is_empty(),
            !addresses.0.is_known.load(Ordering::Acquire),
        );
        let mut wait = self.every;
        let said = match lookup(name) {
            Ok(found) => {
                let list: Vec<_> = found.iter().map(ToString::to_string).collect();
                let is_news = addresses.set(found) && !is_first;
                is_news.then(|| format!("{name} is at {} now", list.join(", ")))
            }
            Err(error) => {
                addresses.note_known();
                if !has_one {
                    wait = self.retry;
                    self.retry = (self.retry * 2).min(self.every);
                }
                let kept = if has_one {
                    "; the last answer is kept"
                } else {
                    ""
                };
                Some(format!("{error}{kept}"))
            }
        };
        if let Some(said) = said
            .as_ref()
            .filter(|said| self.said.as_ref() != Some(*said))
        {
            say(said);
        }
        self.said = said;
        self.due = clock::later(clock::now(), wait);
    }
}

/// What the files look like from outside: other content has another time, length or place.
fn marks() -> [Option<(i64, i64, u64, u64)>; 2] {
    FILES.map(|path| {
        let it = fs::metadata(Path::new(path)).ok()?;
        Some((it.mtime(), it.mtime_nsec(), it.len(), it.ino()))
    })
}
