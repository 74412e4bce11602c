//! Assembly: options → listeners, workers, the control side; and their end.
//!
//! The process is one tree: `server` at the root, below it a node per listener, per session, per exchange. The workers
//! run the sessions; the thread that calls [`Server::run`] is the control side: signals, the admin interface, the
//! drain. Messages go to the workers over channels, and cancels through the tree.

mod accept;
mod build;
mod capacity;
mod control;
mod listening;
mod reverse_proxy;
mod worker;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_signal::Signals;

use crate::admin::{Admin, Condition};
use crate::context::{self, Cancel, Context};
use crate::log::{self, Log};
use crate::net::address::Address;
use crate::net::listener::Bound;
use crate::proxy::gateway::Rules;
use crate::proxy::site::Site;
use crate::runtime::buffer::Budget;

use listening::Listening;

pub use capacity::Capacity;
pub use reverse_proxy::{Builder, ReverseProxy};

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it listens on.
    pub listen: Vec<Address>,
    /// A taken TCP port is no error: the next free one is used.
    pub may_move: bool,
    /// Where the admin interface listens, if it does.
    pub admin: Option<Address>,
    /// Host values the admin interface believes, beside `localhost` and its own address.
    pub admin_hosts: Vec<String>,
    /// How many workers; `None` for one per core.
    pub workers: Option<usize>,
    /// What requests meet.
    pub rules: Rules,
    /// How the log is kept.
    pub log: log::Settings,
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
            admin: None,
            admin_hosts: Vec::new(),
            workers: None,
            rules: Rules {
                attempts_max: 2,
                ..Rules::default()
            },
            log: log::Settings::default(),
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
    admin: Option<Bound>,
    admin_hosts: Vec<String>,
    workers: Vec<Hand>,
    /// Asked to drain, by a [`Stopper`].
    stop: (Sender<()>, Receiver<()>),
    /// Each worker's last word, when it has ended.
    ended: Receiver<usize>,
    /// What `/readyz` and `/healthz` tell.
    condition: Arc<Condition>,
    log: Log,
    delay: Duration,
    grace: Duration,
    capacity: Capacity,
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
    /// Accept what waits at this address, and nothing from then on. Its sessions go on.
    Unlisten { id: usize },
    /// End each session with its next answer.
    Part,
    /// Accept nothing new, finish what runs, then end.
    Drain,
}

impl Server {
    /// Binds everything, then starts the workers.
    ///
    /// # Errors
    /// What could not be had; nothing is left behind.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let capacity = Capacity::of_process(options.workers);
        let (ctx, cancel) = context::background().named("server", "osier").with_cancel();
        let mut bound = Vec::new();
        for address in &options.listen {
            bound.push(bind(address, capacity.workers, options.may_move)?);
        }
        let admin = match &options.admin {
            Some(address) => Some(bind(address, 1, options.may_move)?),
            None => None,
        };
        let signals = control::signals().map_err(StartError::Worker)?;
        let log = Log::start(&options.log).map_err(StartError::Log)?;
        let site = Arc::new(Site::from(options.rules));
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
                inbox,
                last_word: last_word.clone(),
            };
            workers.push(Hand {
                orders,
                thread: Some(post.start().map_err(StartError::Worker)?),
            });
        }
        let mut server = Self {
            ctx,
            cancel: Arc::new(cancel),
            listening: Listening::default(),
            admin,
            admin_hosts: options.admin_hosts,
            workers,
            stop: async_channel::bounded(1),
            ended,
            condition: Arc::default(),
            log,
            delay: options.delay,
            grace: options.grace,
            capacity,
            signals: Some(signals),
        };
        for bound in bound {
            let order = server.listening.open(&server.ctx, bound);
            server.tell(&order);
        }
        Ok(server)
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

    /// Where the admin interface listens.
    #[must_use]
    pub fn admin(&self) -> Option<&Address> {
        self.admin.as_ref().map(|bound| &bound.address)
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
        let admin = Admin::new(
            self.cancel.clone(),
            self.condition.clone(),
            self.admin_hosts.clone(),
        );
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

fn bind(address: &Address, workers: usize, may_move: bool) -> Result<Bound, StartError> {
    let first = Bound::bind(address, workers);
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
            let next = Bound::bind(&address.with_port(port), workers);
            if !in_use(&next) {
                return next.map_err(|error| StartError::Bind(address.with_port(port), error));
            }
        }
    }
    first.map_err(|error| StartError::Bind(address.clone(), error))
}

/// Why a server could not start.
#[derive(Debug)]
pub enum StartError {
    /// This address could not be bound.
    Bind(Address, io::Error),
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
                        f.write_str("; ports below 1024 need root or CAP_NET_BIND_SERVICE")
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        f.write_str("; no interface has this address now")
                    }
                    _ => Ok(()),
                }
            }
            Self::Log(error) => write!(f, "cannot open the access log: {error}"),
            Self::Worker(error) => write!(f, "cannot start a worker: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Bind(_, error) | Self::Log(error) | Self::Worker(error) => Some(error),
        }
    }
}
