//! One thread and one epoll for the load generator and the origin.
//!
//! Level-triggered: one read per message, and interest in writing only while a socket is full. With a fixed rate the
//! loop spins instead of sleeping, because a timer's slack would be part of every latency.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use slab::Slab;

use crate::client::{Client, Exchange, Turn};
use crate::histogram::Histogram;
use crate::origin::{Served, Witness};
use crate::wire::Target;

const EVENTS_PER_TURN: usize = 1024;
/// A large body comes in few reads.
const SCRATCH_OCTETS: usize = 256 * 1024;
/// Clients that connect at the same time: fewer than any proxy's listen queue holds.
const OPENING_MAX: usize = 64;
/// All clients of a run have to be there in this time.
const OPENING_TIME: Duration = Duration::from_secs(30);
/// How long the proxies have to notice that connections are closed, before the next run.
const SETTLING: Duration = Duration::from_millis(60);
/// More failures than this end a run: it would not measure what it says.
const FAILURES_MAX: u64 = 100;
/// The event data of listeners counts down from here.
const LISTENERS: u64 = u64::MAX;

/// How a run sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// The next request as soon as the last answer is there.
    Closed,
    /// So many requests per second, whatever comes back. Latencies count from when a request was due: a proxy that
    /// stalls is charged for everything it kept waiting ("coordinated omission").
    Rate(f64),
}

/// One run.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) to: Target,
    pub(crate) exchange: Exchange,
    pub(crate) connections: usize,
    pub(crate) pace: Pace,
    pub(crate) warm_up: Duration,
    pub(crate) duration: Duration,
}

/// What a run found. `G` is what the gauge reads.
#[derive(Debug)]
pub(crate) struct Tally<G> {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Histogram,
    pub(crate) failures: u64,
    pub(crate) before: G,
    pub(crate) after: G,
}

pub(crate) struct Engine {
    epoll: OwnedFd,
    listeners: Vec<TcpListener>,
    slots: Slab<Slot>,
    events: Vec<epoll::Event>,
    scratch: Vec<u8>,
    /// Clients without a request.
    free: VecDeque<usize>,
    /// How many clients there are.
    clients: usize,
    pub(crate) witness: Witness,
}

#[derive(Debug)]
struct Slot {
    connection: Connection,
    /// Epoll has been asked for room to write.
    wants_room: bool,
}

#[derive(Debug)]
enum Connection {
    Served(Served),
    Client(Box<Client>),
}

/// What the turns of a run add to.
#[derive(Debug)]
struct Counters {
    requests: u64,
    latency: Histogram,
    failures: u64,
    first_failure: Option<io::Error>,
}

impl Counters {
    fn new() -> Self {
        Self {
            requests: 0,
            latency: Histogram::new(),
            failures: 0,
            first_failure: None,
        }
    }

    fn restart(&mut self) {
        self.requests = 0;
        self.latency.clear();
    }

    /// Too many failures, or none at all of what was asked for.
    fn check(&mut self) -> io::Result<()> {
        match self.first_failure.take() {
            Some(error) if self.failures > FAILURES_MAX => Err(error),
            first => {
                self.first_failure = first;
                Ok(())
            }
        }
    }
}

impl Engine {
    /// An engine whose origin listens on `origins` loopback ports.
    pub(crate) fn new(origins: usize) -> io::Result<Self> {
        let mut engine = Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            listeners: Vec::new(),
            slots: Slab::new(),
            events: Vec::with_capacity(EVENTS_PER_TURN),
            scratch: vec![0; SCRATCH_OCTETS],
            free: VecDeque::new(),
            clients: 0,
            witness: Witness::default(),
        };
        for index in 0..origins {
            let listener = listen()?;
            let data = epoll::EventData::new_u64(LISTENERS - index as u64);
            epoll::add(&engine.epoll, &listener, data, epoll::EventFlags::IN)?;
            engine.listeners.push(listener);
        }
        Ok(engine)
    }

    /// Where the origin listens.
    pub(crate) fn origins(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Runs a job. The gauge is read at both ends of the time that counts.
    pub(crate) fn run<G>(
        &mut self,
        job: &Job,
        mut gauge: impl FnMut() -> io::Result<G>,
    ) -> io::Result<Tally<G>> {
        let mut counters = Counters::new();
        if job.exchange.once {
            for _ in 0..job.connections {
                self.open(job)?;
            }
        } else {
            self.gather(job, &mut counters)?;
        }
        let begin = Instant::now();
        let mut schedule = Schedule { begin, sent: 0 };
        self.load(job, begin + job.warm_up, &mut schedule, &mut counters)?;
        let before = gauge()?;
        counters.restart();
        let counted = Instant::now();
        self.load(job, counted + job.duration, &mut schedule, &mut counters)?;
        let seconds = counted.elapsed().as_secs_f64();
        let after = gauge()?;
        if let Pace::Rate(rate) = job.pace {
            self.charge_unanswered(rate, &schedule, &mut counters);
        }
        self.clear()?;
        if counters.requests == 0 {
            return Err(counters
                .first_failure
                .unwrap_or_else(|| io::Error::other("no answer at all")));
        }
        Ok(Tally {
            requests: counters.requests,
            seconds,
            latency: counters.latency,
            failures: counters.failures,
            before,
            after,
        })
    }

    /// Opens a job's clients; each has one request answered and then waits. They stay until [`Engine::clear`].
    pub(crate) fn hold(&mut self, job: &Job) -> io::Result<()> {
        self.gather(job, &mut Counters::new())
    }

    /// Sends one request on a connection of its own. Returns everything that was received.
    pub(crate) fn ask(&mut self, job: &Job, patience: Duration) -> io::Result<Vec<u8>> {
        let index = self.open(job)?;
        if let Connection::Client(client) = &mut self.slots[index].connection {
            client.received = Some(Vec::new());
        }
        let mut counters = Counters::new();
        let end = Instant::now() + patience;
        let wanted = job.exchange.depth as u64;
        while counters.requests < wanted && counters.failures == 0 {
            self.turn(Some(Duration::from_millis(50)), job, &mut counters)?;
            if Instant::now() > end {
                break;
            }
        }
        let received = match self.slots.get_mut(index).map(|slot| &mut slot.connection) {
            Some(Connection::Client(client)) => client.received.take(),
            _ => None,
        };
        self.drop_clients();
        match (counters.first_failure, received) {
            (Some(error), _) => Err(error),
            (None, Some(received)) if counters.requests == wanted => Ok(received),
            _ => Err(io::Error::other("no answer in time")),
        }
    }

    /// Closes every connection, the clients' and the origin's, and serves on until the proxies have noticed.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.drop_clients();
        self.slots.clear();
        self.serve(SETTLING)
    }

    /// Serves as the origin, and does nothing else, for a time.
    pub(crate) fn serve(&mut self, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        let mut counters = Counters::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.collect(Some(left))?;
            self.dispatch(None, &mut counters)?;
        }
    }

    fn drop_clients(&mut self) {
        self.slots
            .retain(|_, slot| matches!(slot.connection, Connection::Served(_)));
        self.free.clear();
        self.clients = 0;
    }

    /// Opens clients, a few at a time, until all of a job are there and free.
    fn gather(&mut self, job: &Job, counters: &mut Counters) -> io::Result<()> {
        let end = Instant::now() + OPENING_TIME;
        while self.free.len() < job.connections {
            while self.clients < job.connections && self.clients - self.free.len() < OPENING_MAX {
                self.open(job)?;
            }
            self.turn(Some(Duration::from_millis(100)), job, counters)?;
            counters.check()?;
            if Instant::now() > end {
                return Err(io::Error::other(format!(
                    "only {} of {} clients had an answer in {} s",
                    self.free.len(),
                    job.connections,
                    OPENING_TIME.as_secs()
                )));
            }
        }
        Ok(())
    }

    /// Keeps a job's clients busy until `end`.
    fn load(
        &mut self,
        job: &Job,
        end: Instant,
        schedule: &mut Schedule,
        counters: &mut Counters,
    ) -> io::Result<()> {
        let mut now = Instant::now();
        while now < end {
            let pause = match job.pace {
                Pace::Closed => {
                    while let Some(index) = self.free.pop_front() {
                        self.send(index, now)?;
                    }
                    Some(end - now)
                }
                Pace::Rate(rate) => {
                    while schedule.due(rate) <= now {
                        let Some(index) = self.free.pop_front() else {
                            break;
                        };
                        self.send(index, schedule.due(rate))?;
                        schedule.sent += 1;
                    }
                    Some(Duration::ZERO)
                }
            };
            self.turn(pause, job, counters)?;
            counters.check()?;
            // A client that failed or has done its one exchange is followed by another.
            while self.clients < job.connections {
                self.open(job)?;
            }
            now = Instant::now();
        }
        Ok(())
    }

    /// What is owed when the time is over has waited at least until now.
    fn charge_unanswered(&mut self, rate: f64, schedule: &Schedule, counters: &mut Counters) {
        let now = Instant::now();
        for (_, slot) in &self.slots {
            if let Connection::Client(client) = &slot.connection {
                if let Some(since) = client.waits_since() {
                    counters.latency.record(now - since);
                }
            }
        }
        let mut waiting = Schedule { ..*schedule };
        while waiting.due(rate) < now {
            counters.latency.record(now - waiting.due(rate));
            waiting.sent += 1;
        }
    }

    /// Connects a client and sends its first request.
    fn open(&mut self, job: &Job) -> io::Result<usize> {
        let client = Client::connect(&job.to, job.exchange.clone())?;
        let index = self.insert(Connection::Client(Box::new(client)))?;
        self.clients += 1;
        self.send(index, Instant::now())?;
        Ok(index)
    }

    fn send(&mut self, index: usize, due: Instant) -> io::Result<()> {
        if let Connection::Client(client) = &mut self.slots[index].connection {
            // A failure shows again when the connection has its turn.
            drop(client.send(due));
        }
        self.renew_interest(index)
    }

    /// One wait, and what it brought.
    fn turn(
        &mut self,
        pause: Option<Duration>,
        job: &Job,
        counters: &mut Counters,
    ) -> io::Result<()> {
        self.collect(pause)?;
        self.dispatch(Some(job), counters)
    }

    fn collect(&mut self, pause: Option<Duration>) -> io::Result<()> {
        let pause = pause.map(|pause| Timespec {
            tv_sec: pause.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        });
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            pause.as_ref(),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn dispatch(&mut self, job: Option<&Job>, counters: &mut Counters) -> io::Result<()> {
        for place in 0..self.events.len() {
            let data = self.events[place].data.u64();
            let listener = usize::try_from(LISTENERS - data).unwrap_or(usize::MAX);
            if listener < self.listeners.len() {
                self.accept(listener)?;
            } else {
                self.connection_turn(data as usize, job, counters)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, listener: usize) -> io::Result<()> {
        // All that wait: one at a time would let the queue overflow.
        while let Ok((stream, _)) = self.listeners[listener].accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            self.insert(Connection::Served(Served::new(stream)))?;
        }
        Ok(())
    }

    fn connection_turn(
        &mut self,
        index: usize,
        job: Option<&Job>,
        counters: &mut Counters,
    ) -> io::Result<()> {
        // It may have been closed earlier in this batch.
        let Some(slot) = self.slots.get_mut(index) else {
            return Ok(());
        };
        let scratch = &mut self.scratch;
        match &mut slot.connection {
            Connection::Served(served) => match served.turn(scratch, &mut self.witness) {
                Ok(true) => self.renew_interest(index)?,
                Ok(false) => drop(self.slots.remove(index)),
                Err(error) => {
                    // Proxies drop connections as they like; what is wrong with a request is not theirs to hide.
                    if error.kind() == io::ErrorKind::Other {
                        counters.failures += 1;
                        counters.first_failure.get_or_insert(error);
                    }
                    self.slots.remove(index);
                }
            },
            Connection::Client(client) => {
                let turn = client.turn(scratch, |since| {
                    counters.requests += 1;
                    counters.latency.record(since.elapsed());
                });
                match turn {
                    Ok(Turn::Waiting) => self.renew_interest(index)?,
                    // Without a job it is one of those that are only held.
                    Ok(Turn::Free) if job.is_some() => self.free.push_back(index),
                    Ok(Turn::Free) => {}
                    Ok(Turn::Over) => {
                        self.clients -= 1;
                        self.slots.remove(index);
                    }
                    Err(error) => {
                        counters.failures += 1;
                        counters.first_failure.get_or_insert(error);
                        self.clients -= 1;
                        self.free.retain(|free| *free != index);
                        self.slots.remove(index);
                    }
                }
            }
        }
        Ok(())
    }

    fn insert(&mut self, connection: Connection) -> io::Result<usize> {
        let entry = self.slots.vacant_entry();
        let index = entry.key();
        let slot = entry.insert(Slot {
            connection,
            wants_room: false,
        });
        let data = epoll::EventData::new_u64(index as u64);
        let stream = slot.stream();
        epoll::add(&self.epoll, stream, data, epoll::EventFlags::IN)?;
        Ok(index)
    }

    /// Asks for room to write while there is something to write, and no longer.
    fn renew_interest(&mut self, index: usize) -> io::Result<()> {
        let slot = &mut self.slots[index];
        let has_output = match &slot.connection {
            Connection::Served(served) => served.has_output(),
            Connection::Client(client) => client.has_output(),
        };
        if has_output != slot.wants_room {
            slot.wants_room = has_output;
            let mut flags = epoll::EventFlags::IN;
            flags.set(epoll::EventFlags::OUT, has_output);
            let data = epoll::EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, slot.stream(), data, flags)?;
        }
        Ok(())
    }
}

impl Slot {
    fn stream(&self) -> impl AsFd + '_ {
        match &self.connection {
            Connection::Served(served) => &served.stream,
            Connection::Client(client) => client.wire.socket(),
        }
    }
}

/// When the requests of a fixed rate are due.
#[derive(Debug)]
struct Schedule {
    begin: Instant,
    sent: u32,
}

impl Schedule {
    /// When the next request is due.
    fn due(&self, rate: f64) -> Instant {
        self.begin + Duration::from_secs_f64(f64::from(self.sent) / rate)
    }
}

/// A listener on a free loopback port, with a queue long enough for every proxy's connections at once.
fn listen() -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    listen(&socket, 4096)?;
    Ok(TcpListener::from(socket))
}
