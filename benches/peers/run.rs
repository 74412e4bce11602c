//! The order of a run: start all, check all, then shape by shape, round by round, proxy by proxy, so that what the
//! machine does meanwhile meets all of them alike.

use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::Exchange;
use crate::content::SMALL;
use crate::cores::{Cores, stay_on};
use crate::engine::{Engine, Job, Pace, Tally};
use crate::measure::{Cpu, cpu, own_cpu, pss_kib};
use crate::options::Options;
use crate::peer::{Layer, Missing, Peer, Site};
use crate::process::{Running, Scratch, free_address};
use crate::progress::Progress;
use crate::result::{Described, Report, Row, Sample, Table, Weight, median};
use crate::shape::{self, MAIN, Shape};
use crate::tls::{Clients, Identity};
use crate::wire::{Handshake, Target};
use crate::{peer, verify};

/// Descriptors that are asked for: two for each of the most connections, and some.
const DESCRIPTORS: u64 = 20_000;
/// Descriptors of this process that are not connections.
const OWN_DESCRIPTORS: u64 = 300;
/// A proxy has this long to give its first answer.
const STARTING: Duration = Duration::from_secs(10);
/// The parts of nginx's maximum that requests are sent at.
const PARTS: [f64; 3] = [0.2, 0.6, 0.9];
/// Connections that share a fixed rate.
const RATE_CONNECTIONS: usize = 64;
/// More connections than this need more time.
const MANY: usize = 1000;
/// A load average above this means that the cores are not ours.
const QUIET: f64 = 0.5;
/// How often a start is timed.
const STARTS: usize = 5;

pub(crate) struct Run {
    engine: Engine,
    cores: Cores,
    scratch: Scratch,
    options: Options,
    descriptors: u64,
    /// What proxies show where they accept TLS; `None`: built without.
    identity: Option<Identity>,
    next_port: u16,
    peers: Vec<Peer>,
    report: Report,
}

/// A peer that runs.
#[derive(Debug)]
struct Started {
    peer: Peer,
    running: Running,
    /// Those that it is asked by, where it accepts TLS.
    clients: Option<Clients>,
    pids: Vec<u32>,
    /// From the start of the program to its first answer.
    first_answer: Duration,
    fresh_kib: u64,
    configuration: String,
}

impl Run {
    pub(crate) fn new(options: Options) -> io::Result<Self> {
        let descriptors = raise_descriptors();
        let (mut peers, missing) = peer::find(options.full);
        if !options.only.is_empty() {
            peers.retain(|peer| {
                let name = peer.name.to_lowercase();
                peer.name == peer::osier::BARE
                    || options.only.iter().any(|wanted| name.contains(wanted))
            });
        }
        let cores = Cores::choose()?;
        stay_on(&[cores.load])?;
        let scratch = Scratch::new()?;
        let mut run = Self {
            engine: Engine::new(2)?,
            cores,
            identity: Identity::new(&scratch.0)?,
            scratch,
            options,
            descriptors,
            next_port: 0,
            peers,
            report: Report::default(),
        };
        for Missing { name, why } in &missing {
            eprintln!("missing: {name}: {why}");
        }
        run.report.missing = missing;
        run.describe_machine();
        Ok(run)
    }

    /// Only the check. How many proxies changed what they carried, or could not be asked.
    pub(crate) fn check(&mut self) -> io::Result<usize> {
        let mut failed = 0;
        if !self.options.tls {
            let asked = self.peers.len();
            let passed = self.start_all(false)?.len();
            println!("{passed} of {asked} proxies carry everything octet for octet");
            failed += asked - passed;
        }
        if self.speaks_tls() {
            let asked = self.peers.iter().filter(|peer| peer.tls).count();
            let passed = self.start_all(true)?.len();
            println!("{passed} of {asked} proxies that accept TLS do so over it, too");
            failed += asked - passed;
        }
        Ok(failed)
    }

    pub(crate) fn all(mut self) -> io::Result<Report> {
        let is_thorough = self.options.full || self.options.tls;
        let default = if is_thorough { 5 } else { 2 };
        let rounds = self.options.rounds.unwrap_or(default);
        if !self.options.tls {
            self.in_the_clear(rounds)?;
        }
        if is_thorough && self.speaks_tls() {
            self.over_tls(rounds)?;
        }
        Ok(self.report)
    }

    fn in_the_clear(&mut self, rounds: usize) -> io::Result<()> {
        let started = self.start_all(false)?;
        self.peers = started.iter().map(|one| one.peer.clone()).collect();
        let shapes: Vec<Shape> = shape::all()
            .into_iter()
            .filter(|shape| self.options.full || shape.quick)
            .filter(|shape| self.is_wanted(shape))
            .collect();
        let mut progress = Progress::new(self.steps(shapes.len(), started.len(), rounds));
        for shape in &shapes {
            self.shape(shape, &started, rounds, &mut progress);
        }
        if self.options.full && self.options.shape.is_none() {
            self.fixed_rates(&started, &mut progress);
        }
        let loaded: Vec<_> = started
            .iter()
            .map(|one| (one.peer.name, pss_kib(&one.pids).ok()))
            .collect();
        drop(started);
        if self.options.shape.is_none() {
            self.weigh(&loaded, &mut progress)?;
        }
        if self.options.full && self.options.shape.is_none() {
            self.two_workers(rounds, &mut progress)?;
        }
        progress.end();
        Ok(())
    }

    fn over_tls(&mut self, rounds: usize) -> io::Result<()> {
        let shapes: Vec<Shape> = shape::over_tls()
            .into_iter()
            .filter(|shape| self.is_wanted(shape))
            .collect();
        if shapes.is_empty() {
            return Ok(());
        }
        let started = self.start_all(true)?;
        let mut progress = Progress::new(shapes.len() * rounds * started.len());
        for shape in &shapes {
            self.shape(shape, &started, rounds, &mut progress);
        }
        progress.end();
        Ok(())
    }

    /// Says so where it does not.
    fn speaks_tls(&mut self) -> bool {
        if self.identity.is_none() {
            let note = "built without the feature `tls`: the rows over TLS are left out";
            eprintln!("{note}");
            self.report.notes.push(note.to_owned());
        }
        self.identity.is_some()
    }

    fn is_wanted(&self, shape: &Shape) -> bool {
        match &self.options.shape {
            Some(wanted) => shape.title.to_lowercase().contains(wanted.as_str()),
            None => true,
        }
    }

    fn steps(&self, shapes: usize, peers: usize, rounds: usize) -> usize {
        let more = match (self.options.full, self.options.shape.is_none()) {
            (true, true) => PARTS.len() + 1 + rounds,
            (false, true) => 1,
            (_, false) => 0,
        };
        (shapes * rounds + more) * peers
    }

    /// How long a measurement takes.
    fn seconds(&self) -> Duration {
        let is_thorough = self.options.full || self.options.tls;
        let default = if is_thorough { 1.0 } else { 0.5 };
        Duration::from_secs_f64(self.options.seconds.unwrap_or(default))
    }

    fn job(&self, to: Target, exchange: Exchange, connections: usize, pace: Pace) -> Job {
        // Thousands of connections take a while to have had a request each.
        let longer = if connections > MANY { 2 } else { 1 };
        Job {
            to,
            exchange,
            connections,
            pace,
            warm_up: self.seconds() / 3 * longer,
            duration: self.seconds() * longer,
        }
    }

    // ---------------------------------------------------------------- starting

    /// Starts all peers, or those that accept TLS, and checks them. Those that do not do what they should are reported
    /// and left out; osier has to.
    fn start_all(&mut self, tls: bool) -> io::Result<Vec<Started>> {
        let mut started = Vec::new();
        let mut peers = self.peers.clone();
        peers.retain(|peer| peer.tls || !tls);
        for peer in peers {
            let name = peer.name;
            let result = self.start_checked(peer, tls);
            match result {
                Ok(one) => started.push(one),
                Err(why) if name.starts_with(peer::osier::BARE) => {
                    return Err(io::Error::other(format!("{name}: {why}")));
                }
                Err(why) => {
                    eprintln!("left out: {name}: {why}");
                    self.report.missing.push(Missing { name, why });
                }
            }
        }
        self.describe(&started);
        Ok(started)
    }

    fn start_checked(&mut self, peer: Peer, tls: bool) -> Result<Started, String> {
        let layer = peer.layer;
        let started = self.start(peer, 1, tls);
        let started = started.map_err(|error| error.to_string())?;
        let target = started.target(Handshake::Full);
        let refused = verify::check(&mut self.engine, &target, layer)?;
        if !refused.is_empty() {
            let note = format!("{} refuses {}", started.peer.name, refused.join(", "));
            if started.peer.name.starts_with(peer::osier::BARE) {
                return Err(note);
            }
            eprintln!("{note}");
            self.report.notes.push(note);
        }
        self.engine.clear().map_err(|error| error.to_string())?;
        Ok(started)
    }

    fn start(&mut self, peer: Peer, workers: usize, tls: bool) -> io::Result<Started> {
        let number = self.next_port;
        let dir = self.scratch.0.join(number.to_string());
        fs::create_dir_all(&dir)?;
        let identity = self.identity.as_ref().filter(|_| tls);
        let pem = identity.map(|identity| identity.pem.clone());
        let clients = identity.map(Identity::clients).transpose()?;
        let site = Site {
            listen: free_address(&mut self.next_port)?,
            admin: free_address(&mut self.next_port)?,
            pem,
            origins: self.engine.origins()?,
            workers,
            dir,
            descriptors: self.descriptors,
        };
        let launch = (peer.configure)(&peer.program, &site);
        let log = site.path("log");
        let cores = self.cores.of_proxy(workers);
        let mut running = Running::start(&launch, site.listen, &cores, self.cores.load, &log)?;
        let target = target(&running, clients.as_ref(), Handshake::Full);
        let first_answer = self.first_answer(&mut running, target).map_err(|error| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            io::Error::other(format!("{error}; it said: {}", said.trim()))
        })?;
        let pids = running.pids();
        Ok(Started {
            fresh_kib: pss_kib(&pids)?,
            peer,
            running,
            clients,
            pids,
            first_answer,
            configuration: launch.describe(),
        })
    }

    /// Asks until there is an answer.
    fn first_answer(&mut self, running: &mut Running, to: Target) -> io::Result<Duration> {
        let job = verify::job(to, shape::plain(SMALL));
        loop {
            let result = self.engine.ask(&job, Duration::from_secs(1));
            let elapsed = running.started.elapsed();
            match result {
                Ok(_) => return Ok(elapsed),
                Err(error) if elapsed > STARTING || running.has_ended() => return Err(error),
                Err(_) => self.engine.serve(Duration::from_micros(200))?,
            }
        }
    }

    // ---------------------------------------------------------------- measuring

    fn shape(
        &mut self,
        shape: &Shape,
        started: &[Started],
        rounds: usize,
        progress: &mut Progress,
    ) {
        let connections = self.affordable(shape.connections);
        let mut table = Table::new(shape.key, shape.title, started);
        table.handshakes = shape.is_of_handshakes();
        let handshake = shape.handshake.unwrap_or(Handshake::Full);
        for _ in 0..rounds {
            for one in started {
                progress.step(&format!("{}: {}", shape.title, one.peer.name));
                if handshake == Handshake::Resumed {
                    self.fetch_tickets(one, connections);
                }
                let to = one.target(handshake);
                let job = self.job(to, shape.exchange.clone(), connections, Pace::Closed);
                self.sample(one, &job, &mut table);
            }
        }
        self.report.tables.push(table);
    }

    /// Each client of a run that resumes needs a ticket to begin with; on the way it gets others. Who has none fails, and
    /// the run says so.
    fn fetch_tickets(&mut self, one: &Started, clients: usize) {
        let to = one.target(Handshake::Full);
        let job = self.job(to, shape::plain(SMALL), clients, Pace::Closed);
        if let Err(error) = self.engine.hold(&job).and_then(|()| self.engine.clear()) {
            eprintln!("{}: {error}", one.peer.name);
        }
    }

    fn sample(&mut self, one: &Started, job: &Job, table: &mut Table) {
        let Some(row) = table.rows.iter_mut().find(|row| row.peer == one.peer.name) else {
            return;
        };
        if row.trouble.is_some() {
            return;
        }
        let gauge = || Ok((cpu(&one.pids)?, own_cpu()));
        match self.engine.run(job, gauge) {
            Ok(tally) => row.rounds.push(sample(&tally)),
            Err(error) => {
                row.trouble = Some(error.to_string());
                // What is left of the run must not disturb the next.
                drop(self.engine.clear());
            }
        }
    }

    fn fixed_rates(&mut self, started: &[Started], progress: &mut Progress) {
        let Some((reference, maximum)) = self.maximum() else {
            return;
        };
        for part in PARTS {
            let rate = maximum * part;
            let title = format!(
                "{:.0} % of {reference}'s maximum: {rate:.0} requests/s",
                part * 100.0
            );
            let mut table = Table::new(&format!("rate-{:.0}", part * 100.0), &title, started);
            table.rate = Some(rate);
            for one in started {
                progress.step(&format!("{title}: {}", one.peer.name));
                let mut job = self.job(
                    one.target(Handshake::Full),
                    shape::plain(SMALL),
                    RATE_CONNECTIONS,
                    Pace::Rate(rate),
                );
                // p99.9 needs more requests than the other figures.
                job.duration *= 4;
                self.sample(one, &job, &mut table);
            }
            self.report.tables.push(table);
        }
    }

    /// The most requests per second that nginx answered, or osier where there is no nginx.
    fn maximum(&self) -> Option<(&'static str, f64)> {
        let main = self.report.tables.iter().find(|table| table.key == MAIN)?;
        ["nginx", peer::osier::BARE].into_iter().find_map(|name| {
            let rate = main.row(name)?.median(|sample| sample.rate)?;
            Some((name, rate))
        })
    }

    /// Memory of idle clients, the start, the size of the program: on a fresh process of each.
    fn weigh(
        &mut self,
        loaded: &[(&'static str, Option<u64>)],
        progress: &mut Progress,
    ) -> io::Result<()> {
        let wanted = if self.options.full { 10_000 } else { 1_000 };
        let clients = self.affordable_idle(wanted);
        self.report.idle_clients = clients;
        for peer in self.peers.clone() {
            progress.step(&format!("{clients} idle clients: {}", peer.name));
            let (name, program) = (peer.name, peer.program.clone());
            let mut starts = Vec::new();
            let mut fresh = Vec::new();
            let mut per_client = None;
            for round in 0..STARTS {
                let one = self.start(peer.clone(), 1, false)?;
                starts.push(one.first_answer.as_secs_f64() * 1e3);
                fresh.push(one.fresh_kib as f64);
                // In TCP mode an idle client holds two descriptors here, and more than there are in all.
                if round == 0 && peer.layer == Layer::Http {
                    per_client = self.idle_clients(&one, clients);
                }
                self.engine.clear()?;
            }
            self.report.weights.push(Weight {
                peer: name,
                fresh: median(fresh).unwrap_or_default(),
                loaded: loaded
                    .iter()
                    .find(|(peer, _)| *peer == name)
                    .and_then(|(_, kib)| Some((*kib)? as f64)),
                per_client,
                start: median(starts).unwrap_or_default(),
                binary: fs::metadata(&program).map_or(0.0, |meta| meta.len() as f64),
            });
        }
        Ok(())
    }

    /// PSS octets that one more idle client costs.
    fn idle_clients(&mut self, one: &Started, clients: usize) -> Option<f64> {
        let to = one.target(Handshake::Full);
        let job = self.job(to, shape::plain(SMALL), clients, Pace::Closed);
        let before = pss_kib(&one.pids).ok()?;
        if let Err(error) = self.engine.hold(&job) {
            eprintln!("{}: {error}", one.peer.name);
            return None;
        }
        self.engine.serve(Duration::from_millis(500)).ok()?;
        let after = pss_kib(&one.pids).ok()?;
        Some((after as f64 - before as f64) * 1024.0 / clients as f64)
    }

    fn two_workers(&mut self, rounds: usize, progress: &mut Progress) -> io::Result<()> {
        let mut started = Vec::new();
        for peer in self.peers.clone() {
            started.push(self.start(peer, 2, false)?);
        }
        let mut table = Table::new(
            "workers-2",
            "63 octets, 64 connections, two workers",
            &started,
        );
        table.workers = 2;
        for _ in 0..rounds {
            for one in &started {
                progress.step(&format!("two workers: {}", one.peer.name));
                let to = one.target(Handshake::Full);
                let job = self.job(to, shape::plain(SMALL), 64, Pace::Closed);
                self.sample(one, &job, &mut table);
            }
        }
        self.report.tables.push(table);
        Ok(())
    }

    // ---------------------------------------------------------------- limits

    /// This process has both ends' other sides: two descriptors for each connection through a proxy.
    fn affordable(&mut self, wanted: usize) -> usize {
        self.cut(wanted, (self.descriptors - OWN_DESCRIPTORS) / 2)
    }

    /// An idle client needs one, because its connection to the origin is shared.
    fn affordable_idle(&mut self, wanted: usize) -> usize {
        self.cut(wanted, (self.descriptors - OWN_DESCRIPTORS) / 3 * 2)
    }

    fn cut(&mut self, wanted: usize, possible: u64) -> usize {
        let possible = usize::try_from(possible).unwrap_or(usize::MAX);
        if possible < wanted {
            let note = format!(
                "{possible} connections instead of {wanted}: `ulimit -Hn` is {}",
                self.descriptors
            );
            eprintln!("{note}");
            self.report.notes.push(note);
        }
        wanted.min(possible)
    }

    /// Who is described already, as it is in the clear, has only its other configuration added.
    fn describe(&mut self, started: &[Started]) {
        let known = &mut self.report.peers;
        for one in started {
            match known.iter_mut().find(|peer| peer.name == one.peer.name) {
                Some(peer) => peer.configuration += &format!("\n{}", one.configuration),
                None => known.push(one.described()),
            }
        }
    }

    fn describe_machine(&mut self) {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpu_info = read("/proc/cpuinfo");
        let model = cpu_info
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split(": ").nth(1))
            .unwrap_or("an unknown processor");
        let kernel = read("/proc/sys/kernel/osrelease");
        let cores = self.cores;
        let mut notes = vec![
            format!("{model}, Linux {}", kernel.trim()),
            format!(
                "the proxy on core {}, the generator and the origin (one thread) on core {}",
                cores.proxy, cores.load
            ),
        ];
        let load = read("/proc/loadavg");
        let load = load.split(' ').next().and_then(|text| text.parse().ok());
        if load.is_some_and(|load: f64| load > QUIET) {
            notes.push(format!(
                "other programs were running (load average {}): figures are noisy",
                load.unwrap_or_default()
            ));
        }
        if cores.shared {
            notes.push(
                "these share a core: rates and latencies say little here, CPU per request is what counts"
                    .to_owned(),
            );
        }
        if cores.second == cores.load {
            notes.push("two workers share the second core with the generator".to_owned());
        }
        self.report.notes = notes;
    }
}

impl Started {
    /// Where its clients connect to; in the clear, where it does not accept TLS.
    fn target(&self, handshake: Handshake) -> Target {
        target(&self.running, self.clients.as_ref(), handshake)
    }

    fn described(&self) -> Described {
        Described {
            name: self.peer.name,
            version: self.peer.version.clone(),
            remark: self.peer.remark,
            configuration: self.configuration.clone(),
        }
    }
}

fn target(running: &Running, clients: Option<&Clients>, handshake: Handshake) -> Target {
    Target {
        address: running.address,
        tls: clients.map(|clients| clients.of(handshake)),
    }
}

impl Table {
    fn new(key: &str, title: &str, started: &[Started]) -> Self {
        let rows = started.iter().map(|one| Row {
            peer: one.peer.name,
            rounds: Vec::new(),
            trouble: None,
        });
        Self {
            key: key.to_owned(),
            title: title.to_owned(),
            rate: None,
            workers: 1,
            handshakes: false,
            rows: rows.collect(),
        }
    }
}

fn sample(tally: &Tally<(Cpu, f64)>) -> Sample {
    let used = tally.after.0.since(&tally.before.0);
    let requests = tally.requests as f64;
    let micros = |seconds: f64| seconds * 1e6 / requests;
    let latency = |part| tally.latency.micros(part).unwrap_or_default();
    Sample {
        cpu: micros(used.total),
        user: micros(used.user),
        system: micros(used.system),
        rate: requests / tally.seconds,
        p50: latency(0.5),
        p99: latency(0.99),
        p999: latency(0.999),
        proxy_busy: used.total / tally.seconds,
        load_busy: (tally.after.1 - tally.before.1) / tally.seconds,
        failures: tally.failures as f64,
    }
}

/// Raises the limit of descriptors as far as is allowed and useful. What is started inherits it.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = DESCRIPTORS.min(limit.maximum.unwrap_or(u64::MAX));
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(wanted),
    }
}
