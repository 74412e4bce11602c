//! Assembly: options → listeners, workers, the control side; and their end.
//!
//! The process is one tree: `server` at the root, below it a node per listener, per session, per exchange. The workers
//! run the sessions; the thread that calls [`Server::run`] is the control side: signals, the admin interface, the
//! drain. Messages go to the workers over channels, and cancels through the tree.

mod accept;
#[cfg(feature = "acme")]
mod acme;
mod activation;
mod build;
mod capacity;
#[cfg(feature = "tls")]
mod certificates;
mod changes;
mod control;
mod handoff;
mod listening;
mod lookups;
mod notify;
mod passed;
mod privileges;
mod probe;
mod reload;
mod reverse_proxy;
mod roll;
mod sandbox;
mod worker;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_signal::Signals;

use crate::admin::crew::{Ask, Crew, PATIENCE, Question};
use crate::admin::desk::{Desk, Reload, Works};
use crate::admin::lesson::Lessons;
use crate::admin::{Admin, Condition};
use crate::config::Sandbox;
use crate::context::{self, Cancel, Context};
use crate::http::network::Network;
use crate::limit::PerAddress;
use crate::log::{self, Log};
use crate::net::address::Address;
use crate::net::listener::Bound;
use crate::proxy::gateway::Rules;
use crate::proxy::site::Site;
use crate::runtime::buffer::Budget;

use handoff::Predecessor;
use listening::Listening;
use lookups::Lookups;
use passed::Role;
use probe::Probes;
use sandbox::{Inside, Needs, Use};

pub use capacity::Capacity;
pub use handoff::Replacement;
pub use notify::Notify;
pub use passed::Passed;
pub use privileges::{Identity, Person, PrivilegeError};
pub use reload::Configured;
use reload::Mark;
pub use reverse_proxy::{Builder, ReverseProxy};
pub use sandbox::SandboxError;

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it listens on.
    pub listen: Vec<Address>,
    /// A taken TCP port is no error: the next free one is used.
    pub may_move: bool,
    /// Those of `listen` that may be missing at start: no interface has the address yet. It is tried again each second.
    pub retry: Vec<Address>,
    /// Where the admin interface listens, if it does.
    pub admin: Option<Address>,
    /// Host values the admin interface believes, beside `localhost` and its own address.
    pub admin_hosts: Vec<String>,
    /// How many workers; `None` for one per core.
    pub workers: Option<usize>,
    /// What requests meet, where no file says it.
    pub rules: Rules,
    /// The file that says what is served, and that a reload reads again.
    pub file: Option<Configured>,
    /// How many client connections there may be; `None`: as many as the descriptors allow.
    pub connections_max: Option<usize>,
    /// How many octets all buffers may have; `None`: by the memory there is.
    pub buffers_max: Option<usize>,
    /// Networks that the admin interface lets in, beside this machine.
    pub admin_allow: Vec<Network>,
    /// How the log is kept.
    pub log: log::Settings,
    /// Who the process becomes when all is bound: before any thread starts, for good. Only for a process that is nothing
    /// but this server.
    pub identity: Option<Identity>,
    /// What is taken from the process when all is bound: before any thread starts, for good. As with `identity`, only
    /// for a process that is nothing but this server.
    pub sandbox: Sandbox,
    /// Listening sockets that were passed to this process; what is asked for and among them is not bound again.
    pub passed: Passed,
    /// What is started by USR2 to take over from this process; without it USR2 is refused.
    pub replacement: Option<Replacement>,
    /// The service manager to be told how the process is.
    pub notify: Notify,
    /// How long it goes on accepting after it was told to stop, while `/readyz` says already that it will not: for
    /// whoever sends clients here to notice.
    pub delay: Duration,
    /// How long a drain waits for what runs.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            may_move: false,
            retry: Vec::new(),
            admin: None,
            admin_hosts: Vec::new(),
            workers: None,
            rules: Rules {
                attempts_max: 2,
                ..Rules::default()
            },
            file: None,
            connections_max: None,
            buffers_max: None,
            admin_allow: Vec::new(),
            log: log::Settings::default(),
            identity: None,
            sandbox: Sandbox::Off,
            passed: Passed::default(),
            replacement: None,
            notify: Notify::default(),
            delay: Duration::ZERO,
            grace: Duration::from_secs(30),
        }
    }
}

/// How many ports up a taken one is looked past.
const PORTS_TRIED: u16 = 100;

/// A server that listens and works.
#[derive(Debug)]
pub struct Server {
    ctx: Context,
    /// Shared with the admin interface, which cancels by id.
    cancel: Arc<Cancel>,
    listening: Listening,
    /// What no interface had an address for yet, and what was said of it last.
    missing: Vec<(Address, io::ErrorKind)>,
    admin: Option<Bound>,
    admin_hosts: Vec<String>,
    admin_allow: Vec<Network>,
    /// What it was told by.
    file: Option<Configured>,
    /// What that file looked like when it started: what changes from then on is seen.
    seen: Option<Mark>,
    /// What it serves.
    site: Arc<Site>,
    /// How many sites it has served.
    generation: usize,
    /// What the admin interface shows and asks.
    desk: Arc<Desk>,
    asked_to_reload: Receiver<Reload>,
    /// What the admin interface lets people play.
    lessons: Option<Arc<dyn Lessons>>,
    workers: Vec<Hand>,
    /// Asked to drain, by a [`Stopper`].
    stop: (Sender<()>, Receiver<()>),
    /// Each worker's last word, when it has ended.
    ended: Receiver<usize>,
    /// What `/readyz` and `/healthz` tell.
    condition: Arc<Condition>,
    log: Log,
    /// What is to be said when it runs: the line at start comes first.
    remarks: Vec<String>,
    lookups: Lookups,
    probes: Probes,
    /// Who waits to hear that this process serves.
    predecessor: Option<Predecessor>,
    replacement: Option<Replacement>,
    notify: Notify,
    delay: Duration,
    grace: Duration,
    capacity: Capacity,
    /// What it can do no more.
    inside: Option<Arc<Inside>>,
    /// The certificates that authorities are asked for.
    #[cfg(feature = "acme")]
    asking: acme::Asking,
    /// Followed from the start, so that none is missed before [`Server::run`].
    signals: Option<Signals>,
}

/// The control side's hold on one worker.
#[derive(Debug)]
struct Hand {
    orders: Sender<Order>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What a worker may be told.
#[derive(Debug, Clone)]
enum Order {
    /// Accept from this address too.
    Listen {
        /// Which of all addresses it is.
        id: usize,
        bound: Bound,
        /// Its node, above the sessions.
        ctx: Context,
    },
    /// Serve this from now on.
    Serve(Arc<Site>),
    /// Accept what waits at this address, and nothing from then on. Its sessions go on.
    Unlisten { id: usize },
    /// Say that you are there: once all that was ordered before is done.
    Ping(Sender<()>),
    /// Say what you have counted.
    Report(Question),
    /// End each session with its next answer.
    Part,
    /// Somebody else listens on: accept only what waits, end each session with its next answer, then end.
    Retire,
    /// Accept nothing new, finish what runs, then end.
    Drain,
}

impl Server {
    /// Binds everything, then starts the workers.
    ///
    /// # Errors
    /// What could not be had; nothing is left behind.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let mut capacity = Capacity::of_process(options.workers);
        if let Some(max) = options.connections_max {
            capacity.connections = capacity.connections.min(max);
        }
        if let Some(max) = options.buffers_max {
            capacity.buffer_octets = max;
        }
        let (ctx, cancel) = context::background().named("server", "osier").with_cancel();
        // A thread of its own would stay who it is: everything up to here is on this one.
        let person = options.identity.as_ref().map(Identity::resolve);
        let person = person.transpose().map_err(StartError::Privileges)?;
        let mut passed = options.passed;
        let outer = passed.sandbox();
        let mut missing = Vec::new();
        let mut open = |role, address: &Address, workers| {
            let mut bind = |address: &Address| match passed.take(role, address, workers) {
                Ok(Some(bound)) => Ok(bound),
                Ok(None) => Bound::bind(address, workers)
                    .map_err(|error| not_bound(outer.as_ref(), address, error)),
                Err(error) => Err(error),
            };
            let bound = somewhere(address, options.may_move, &mut bind)?;
            if let (Some(person), Some(file)) = (&person, bound.file()) {
                person.own(file.path()).map_err(StartError::Privileges)?;
            }
            Ok(bound)
        };
        let mut bound = Vec::new();
        for address in &options.listen {
            match open(Role::Listen, address, capacity.workers) {
                Ok(opened) => bound.push(opened),
                Err(StartError::Bind(address, error))
                    if is_missing(&error) && options.retry.contains(&address) =>
                {
                    missing.push((address, error.kind()));
                }
                Err(error) => return Err(error),
            }
        }
        let admin = match &options.admin {
            Some(address) => Some(open(Role::Admin, address, 1)?),
            None => None,
        };
        #[cfg(feature = "acme")]
        if let Some(file) = &options.file {
            // What cannot be made or given away now is said when something is to be kept there.
            for folder in acme::make_folders(&file.config) {
                let _ = person.as_ref().map(|person| person.own(folder));
            }
        }
        if let Some(person) = &person {
            person.become_it().map_err(StartError::Privileges)?;
        }
        let needs = Needs {
            file: (options.file.as_ref()).map(|file| (file.path.as_path(), &file.config)),
            log: &options.log.access,
            addresses: options.listen.iter().chain(&options.admin).collect(),
            program: options.replacement.as_ref().map(Replacement::program),
        };
        let entered = sandbox::enter(options.sandbox, &needs, outer);
        let (inside, holes) = entered.map_err(StartError::Sandbox)?;
        let inside = inside.map(Arc::new);
        let signals = control::signals().map_err(StartError::Worker)?;
        let log = Log::start(&options.log)
            .map_err(|error| StartError::Log(not_logged(inside.as_deref(), &options.log, error)))?;
        let (predecessor, mut remarks) = passed.finish();
        remarks.extend(holes);
        let mut listening = Listening::default();
        // In the order of the options, and those that are missing too: a reload finds them by their numbers.
        for address in &options.listen {
            listening.number(address);
        }
        let number = |address: &Address| options.listen.iter().position(|it| it == address);
        let mut site = Arc::new(match &options.file {
            None => Site::from(options.rules),
            Some(file) => build::site(&file.config, number, None),
        });
        let mut lookups = Lookups::default();
        let unknown = lookups::unknown(&site);
        lookups.serve(&site, &log).map_err(StartError::Worker)?;
        if let (Some(file), false) = (&options.file, unknown.is_empty()) {
            lookups::wait(&unknown);
            lookups.note_seen();
            site = Arc::new(build::site(&file.config, number, Some(&site)));
        }
        let per_address = PerAddress::new();
        let (reloads, asked_to_reload) = async_channel::bounded(4);
        let desk = Arc::new(Desk::new(reloads));
        let budget = Arc::new(Budget::new(capacity.buffer_octets));
        let (last_word, ended) = async_channel::unbounded();
        let mut workers = Vec::new();
        for index in 0..capacity.workers {
            let (orders, inbox) = async_channel::unbounded();
            let post = worker::Post {
                index,
                ctx: ctx.clone(),
                site: site.clone(),
                budget: budget.clone(),
                log: log.clone(),
                connections_max: capacity.connections_per_worker(),
                per_address: per_address.clone(),
                inbox,
                last_word: last_word.clone(),
            };
            workers.push(Hand {
                orders,
                thread: Some(post.start().map_err(StartError::Worker)?),
            });
        }
        let ways = workers.iter().map(|hand| {
            let orders = hand.orders.clone();
            // One that has ended takes no order: then the question is dropped.
            Box::new(move |question| drop(orders.try_send(Order::Report(question)))) as Ask
        });
        desk.equip(Works {
            crew: Crew::new(ways, PATIENCE),
            budget,
            log: log.clone(),
        });
        let mut server = Self {
            ctx,
            cancel: Arc::new(cancel),
            listening,
            missing,
            admin,
            admin_hosts: options.admin_hosts,
            admin_allow: options.admin_allow,
            seen: options.file.as_ref().and_then(Configured::mark),
            file: options.file,
            site,
            generation: 1,
            desk,
            asked_to_reload,
            lessons: None,
            workers,
            stop: async_channel::bounded(1),
            ended,
            condition: Arc::default(),
            log,
            remarks,
            lookups,
            probes: Probes::default(),
            predecessor,
            replacement: options.replacement,
            notify: options.notify,
            delay: options.delay,
            grace: options.grace,
            capacity,
            inside,
            #[cfg(feature = "acme")]
            asking: acme::Asking::default(),
            signals: Some(signals),
        };
        let probing = server.probes.serve(&server.site, &server.ctx, &server.log);
        probing.map_err(StartError::Worker)?;
        for bound in bound {
            let order = server.listening.open(&server.ctx, bound);
            server.tell(&order);
        }
        server.show();
        Ok(server)
    }

    /// What it does, for people who ask the service manager.
    fn status(&self) -> String {
        let listening: Vec<_> = self.listening().iter().map(Address::to_string).collect();
        format!("listening on {}", listening.join(", "))
    }

    /// Gives every worker an order.
    fn tell(&self, order: &Order) {
        for hand in &self.workers {
            // One that has ended needs none.
            let _ = hand.orders.try_send(order.clone());
        }
    }

    /// Where it listens, with the ports that were really given.
    #[must_use]
    pub fn listening(&self) -> &[Address] {
        self.listening.addresses()
    }

    /// What comes by this address, where it listens, is octets of a stream and no HTTP.
    #[must_use]
    pub fn is_of_stream(&self, address: &Address) -> bool {
        let mut bound = self.listening.bound();
        let asked = bound.find(|bound| bound.address == *address);
        let streams = self.file.iter().flat_map(|file| &file.config.streams);
        let mut addresses = streams.flat_map(|stream| &stream.addresses);
        asked.is_some_and(|bound| addresses.any(|it| *it == bound.asked))
    }

    /// TLS is spoken at this address that it listens on.
    #[must_use]
    pub fn is_secure(&self, address: &Address) -> bool {
        #[cfg(feature = "tls")]
        let is_secure = |number| {
            let listen = self.site.listener(number);
            listen.is_some_and(|listen| listen.tls.is_some())
        };
        #[cfg(not(feature = "tls"))]
        let is_secure = |_| false;
        self.listening.number_of(address).is_some_and(is_secure)
    }

    /// Where it will listen as soon as an interface has the address.
    pub fn missing(&self) -> impl Iterator<Item = &Address> {
        self.missing.iter().map(|(address, _)| address)
    }

    /// Where the admin interface listens.
    #[must_use]
    pub fn admin(&self) -> Option<&Address> {
        self.admin.as_ref().map(|bound| &bound.address)
    }

    /// Has the admin interface offer these lessons.
    #[must_use]
    pub fn teaching(mut self, lessons: Arc<dyn Lessons>) -> Self {
        self.lessons = Some(lessons);
        self
    }

    /// How many workers and connections there are at most.
    #[must_use]
    pub fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// The root of the server's tree.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.ctx
    }

    /// What it says of itself goes here.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// A handle that drains this server from another thread, as SIGTERM does.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper {
            stop: self.stop.0.clone(),
        }
    }

    /// Runs the control side until the server has ended: by signal, or because its workers were told to drain.
    ///
    /// # Errors
    /// Signals or the admin listener could not be set up.
    pub fn run(mut self) -> io::Result<()> {
        for remark in self.remarks.drain(..) {
            self.log.info(remark);
        }
        self.lookups.speak(&self.log);
        #[cfg(feature = "tls")]
        self.judge_clock();
        #[cfg(feature = "tls")]
        self.warn_of_belief();
        let admin = Admin::new(
            self.cancel.clone(),
            self.condition.clone(),
            self.admin_hosts.clone(),
        )
        .with_desk(self.desk.clone())
        .with_lessons(self.lessons.clone())
        .allowing(self.admin_allow.clone());
        let signals = self.signals.take().map_or_else(control::signals, Ok)?;
        let ran = smol::block_on(control::run(&mut self, &admin, signals));
        for hand in &mut self.workers {
            if !matches!(ran, Ok(true)) {
                // It may never end; the thread goes with the process.
                break;
            }
            if let Some(thread) = hand.thread.take() {
                // A worker that panicked has said so on standard error.
                let _ = thread.join();
            }
        }
        self.log.flush();
        // With workers that failed there was no drain.
        self.listening.shut_all();
        if let Some(file) = self.admin.as_ref().and_then(Bound::file) {
            file.remove();
        }
        ran.map(drop)
    }
}

/// Drains a server from elsewhere.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: Sender<()>,
}

impl Stopper {
    /// Begins the drain: nothing new is accepted, what runs may end until the grace is over. [`Server::run`] does it,
    /// now or when it is called. Once more changes nothing.
    pub fn drain(&self) {
        // A full channel: it was asked for already.
        let _ = self.stop.try_send(());
    }
}

/// What `bind` makes of an address, or of the next one whose port is not taken.
fn somewhere(
    address: &Address,
    may_move: bool,
    bind: &mut dyn FnMut(&Address) -> io::Result<Bound>,
) -> Result<Bound, StartError> {
    let first = bind(address);
    let in_use = |result: &io::Result<Bound>| {
        result
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    };
    let Address::Inet(addr) = address else {
        return first.map_err(|error| StartError::Bind(address.clone(), error));
    };
    if may_move && in_use(&first) {
        for port in (1..=PORTS_TRIED).filter_map(|offset| addr.port().checked_add(offset)) {
            let next = bind(&address.with_port(port));
            if !in_use(&next) {
                let mut bound =
                    next.map_err(|error| StartError::Bind(address.with_port(port), error))?;
                bound.asked = address.clone();
                return Ok(bound);
            }
        }
    }
    first.map_err(|error| StartError::Bind(address.clone(), error))
}

/// An error of [`Bound::bind`], with the reason where a sandbox is it.
fn not_bound(inside: Option<&Inside>, address: &Address, error: io::Error) -> io::Error {
    match (inside, address) {
        (Some(inside), Address::Unix(path)) => inside.explain(path, Use::Bind, error),
        _ => error,
    }
}

/// An error of opening the log, likewise.
fn not_logged(inside: Option<&Inside>, log: &log::Settings, error: io::Error) -> io::Error {
    match (inside, &log.access) {
        (Some(inside), log::Destination::File(path)) => inside.explain(path, Use::Write, error),
        _ => error,
    }
}

/// No interface has the address: one that will come up, perhaps.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Why a server could not start.
#[derive(Debug)]
pub enum StartError {
    /// This address could not be bound.
    Bind(Address, io::Error),
    /// The process could not become who it is to be.
    Privileges(PrivilegeError),
    /// The sandbox that is required is not to be had.
    Sandbox(SandboxError),
    /// The access log could not be opened.
    Log(io::Error),
    /// A worker could not be started.
    Worker(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(address, error) => {
                write!(f, "cannot listen on {address}: {error}")?;
                match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        f.write_str("; another process does, or choose another port")
                    }
                    io::ErrorKind::PermissionDenied => {
                        write!(f, "; {}", privileges::remedy(address))
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("; no interface has this address now")
                    }
                    _ => Ok(()),
                }
            }
            Self::Privileges(error) => write!(f, "cannot change the user: {error}"),
            Self::Sandbox(error) => write!(f, "cannot enter the sandbox: {error}"),
            Self::Log(error) => write!(f, "cannot open the access log: {error}"),
            Self::Worker(error) => write!(f, "cannot start a worker: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(_, error) | Self::Log(error) | Self::Worker(error) => Some(error),
            Self::Privileges(error) => Some(error),
            Self::Sandbox(error) => Some(error),
        }
    }
}
