//! The addresses behind a name, and the endpoints behind a service's: looked up on a thread of its own, never by who
//! needs them.
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
use super::dns;
use super::service::{self, Records, Service};
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

    /// Those that were there `before`, if there were any, which are `found` to be these now.
    pub(super) fn renewed(before: Option<&Self>, found: Vec<Address>) -> Self {
        match before {
            Some(before) => {
                before.set(found);
                before.clone()
            }
            None => found.into(),
        }
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

/// What looks the addresses of a `host:port` up.
pub type Lookup = fn(&str) -> Result<Vec<Address>, AddressError>;

/// What looks names up.
#[derive(Debug, Clone, Copy)]
pub struct Resolver {
    /// Those of hosts.
    pub host: Lookup,
    /// Those of services.
    pub service: fn(&str) -> Result<Records, AddressError>,
}

/// The system's: its resolver for hosts, and its name servers for services, which that one does not know of.
impl Default for Resolver {
    fn default() -> Self {
        Self {
            host: resolve,
            service: dns::service,
        }
    }
}

/// The thread that looks names up. It ends when this is dropped.
#[derive(Debug)]
pub struct Names {
    watch: mpsc::Sender<Watched>,
}

/// A name that is looked up again and again, for as long as somebody has what is behind it.
struct Watched {
    what: What,
    every: Duration,
    /// When it is looked up next.
    due: Instant,
    /// After how long it is tried again while it has no answer.
    retry: Duration,
    /// What was said of it last.
    said: Option<String>,
}

/// What is behind a name.
enum What {
    Host(Weak<Shared>),
    Service(WatchedService),
}

struct WatchedService {
    service: Weak<service::Shared>,
    /// Told that its endpoints are others.
    changed: Box<dyn Fn() + Send>,
    /// The last answer, and until when it need not be asked for again.
    held: Option<(Records, Instant)>,
}

/// What came of a lookup.
struct Seen {
    /// There is an answer, this one or one before.
    has_one: bool,
    /// What is to be said.
    said: Option<String>,
}

impl Names {
    /// `say` is told what has changed, and what does not resolve.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(say: impl Fn(&str) + Send + 'static) -> std::io::Result<Self> {
        Self::start_with(Resolver::default(), say)
    }

    /// As [`Names::start`], with another way to look names up.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(
        resolver: Resolver,
        say: impl Fn(&str) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (watch, asked) = mpsc::channel();
        let thread = thread::Builder::new().name("osier-names".to_owned());
        let thread = thread.stack_size(STACK_OCTETS);
        thread.spawn(move || work(&asked, resolver, &say))?;
        Ok(Self { watch })
    }

    /// Looks the name behind `addresses` up, now and then again `every` so often. Nothing is done for addresses without
    /// a name.
    pub fn watch(&self, addresses: &Addresses, every: Duration) {
        if addresses.0.name.is_some() {
            self.begin(What::Host(Arc::downgrade(&addresses.0)), every);
        }
    }

    /// Looks `service` up, now and then again `every` so often: its records when they hold no longer, the addresses of
    /// their targets each time. `changed` is called whenever its endpoints are others.
    pub fn watch_service(
        &self,
        service: &Service,
        every: Duration,
        changed: impl Fn() + Send + 'static,
    ) {
        let watched = WatchedService {
            service: Arc::downgrade(&service.0),
            changed: Box::new(changed),
            held: None,
        };
        self.begin(What::Service(watched), every);
    }

    fn begin(&self, what: What, every: Duration) {
        let _ = self.watch.send(Watched {
            what,
            every,
            due: clock::now(),
            retry: FIRST_RETRY.min(every),
            said: None,
        });
    }
}

fn work(asked: &mpsc::Receiver<Watched>, resolver: Resolver, say: &impl Fn(&str)) {
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
                all.retain(|it| !it.what.is(&watched.what));
                all.push(watched);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        all.retain(|watched| watched.what.is_wanted());
        let now = clock::now();
        let marks = marks();
        if marks != files {
            files = marks;
            all.iter_mut().for_each(|watched| watched.renew(now));
        }
        for watched in all.iter_mut().filter(|watched| watched.due <= now) {
            watched.look_up(resolver, say);
        }
    }
}

impl What {
    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Host(one), Self::Host(other)) => one.ptr_eq(other),
            (Self::Service(one), Self::Service(other)) => one.service.ptr_eq(&other.service),
            _ => false,
        }
    }

    fn is_wanted(&self) -> bool {
        match self {
            Self::Host(addresses) => addresses.strong_count() > 0,
            Self::Service(watched) => watched.service.strong_count() > 0,
        }
    }
}

impl Watched {
    /// What is known of names may be otherwise now.
    fn renew(&mut self, now: Instant) {
        self.due = now;
        if let What::Service(watched) = &mut self.what {
            watched.held = watched.held.take().map(|(records, _)| (records, now));
        }
    }

    fn look_up(&mut self, resolver: Resolver, say: &impl Fn(&str)) {
        let seen = match &mut self.what {
            What::Host(addresses) => look_up_host(addresses, resolver),
            What::Service(watched) => watched.look_up(resolver),
        };
        let Some(Seen { has_one, said }) = seen else {
            return;
        };
        let mut wait = self.every;
        if !has_one {
            wait = self.retry;
            self.retry = (self.retry * 2).min(self.every);
        }
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

/// `None`: nobody wants it any more.
fn look_up_host(addresses: &Weak<Shared>, resolver: Resolver) -> Option<Seen> {
    let addresses = Addresses(addresses.upgrade()?);
    let name = addresses.name()?;
    let has_one = !addresses.current().is_empty();
    let is_first = !addresses.0.is_known.load(Ordering::Acquire);
    Some(match (resolver.host)(name) {
        Ok(found) => {
            let list = listed(found.iter());
            let is_news = addresses.set(found) && !is_first;
            Seen {
                has_one: true,
                said: is_news.then(|| format!("{name} is at {list} now")),
            }
        }
        Err(error) => {
            addresses.note_known();
            let said = Some(failed(&error, has_one));
            Seen { has_one, said }
        }
    })
}

impl WatchedService {
    /// `None`: nobody wants it any more.
    fn look_up(&mut self, resolver: Resolver) -> Option<Seen> {
        let service = Service(self.service.upgrade()?);
        let holds = |(_, until): &&(Records, Instant)| clock::now() < *until;
        let mut said = Vec::new();
        if self.held.as_ref().is_none_or(|held| !holds(&held)) {
            match (resolver.service)(service.name()) {
                Ok(records) => {
                    let until = records.hold_until(clock::now());
                    self.held = Some((records, until));
                }
                Err(error) => said.push(failed(&error, self.held.is_some())),
            }
        }
        // Without a new answer the targets of the last one may still be elsewhere.
        if let Some((records, _)) = &self.held {
            let (is_news, lost) = service.follow(records, resolver.host);
            said.extend(lost);
            if is_news {
                let now = service.get();
                let (name, list) = (service.name(), listed(now.iter().map(|it| &it.authority)));
                said.insert(
                    0,
                    match now.is_empty() {
                        true => format!("{name} is nowhere now"),
                        false => format!("{name} is at {list} now"),
                    },
                );
                (self.changed)();
            }
        }
        service.note_known();
        // That there is decidedly no such service is an answer too.
        let is_none = |(records, _): &(Records, Instant)| records.all.is_empty();
        let has_one = !service.get().is_empty() || self.held.as_ref().is_some_and(is_none);
        Some(Seen {
            has_one,
            said: (!said.is_empty()).then(|| said.join("; ")),
        })
    }
}

fn failed(error: &AddressError, has_one: bool) -> String {
    match has_one {
        true => format!("{error}; the last answer is kept"),
        false => error.to_string(),
    }
}

fn listed(all: impl Iterator<Item = impl fmt::Display>) -> String {
    let all: Vec<_> = all.map(|it| it.to_string()).collect();
    all.join(", ")
}

/// What the files look like from outside: other content has another time, length or place.
fn marks() -> [Option<(i64, i64, u64, u64)>; 2] {
    FILES.map(|path| {
        let it = fs::metadata(Path::new(path)).ok()?;
        Some((it.mtime(), it.mtime_nsec(), it.len(), it.ino()))
    })
}
