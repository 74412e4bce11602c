//! What the interface asks of whoever runs the server: how it is, and to read its configuration again.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_channel::Sender;

use super::crew::{Crew, Report};
use super::metrics::queued;
use crate::balance::State;
use crate::clock;
use crate::limit::Permits;
use crate::log::Log;
use crate::metrics::{CODES, RouteTotals, Snapshot};
use crate::proxy::answer::http_date;
use crate::runtime::buffer::Budget;

/// Asks for a reload, and hears what came of it.
pub type Reload = Sender<Reloaded>;

/// What came of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reloaded {
    /// It is served, with these changes.
    Done {
        /// How many configurations there were since the start, the first included.
        generation: usize,
        /// What is otherwise than before.
        changes: Vec<String>,
        /// What does not work, or not before a restart.
        warnings: Vec<String>,
    },
    /// It is not, and nothing has changed: why.
    Refused(String),
}

/// How a server is set up.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// See [`Reloaded::Done`].
    pub generation: usize,
    /// How many worker threads.
    pub workers: usize,
    /// How many client connections there may be.
    pub connections_max: usize,
    /// How many octets all buffers may have.
    pub buffers_max: usize,
    /// Where it listens.
    pub listeners: Vec<String>,
    /// What is shown to clients that speak TLS.
    pub certificates: Vec<Certificate>,
    /// The upstreams, each with its endpoints.
    pub upstreams: Vec<(String, Vec<Endpoint>)>,
    /// The streams, as logs call them.
    pub streams: Vec<String>,
    /// The routes, as logs call them.
    pub routes: Vec<String>,
}

/// A certificate that clients are shown.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Where.
    pub listeners: Vec<String>,
    /// The file.
    pub path: String,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Whom it names.
    pub subject: String,
    /// Until when it is valid.
    pub until: SystemTime,
}

impl Certificate {
    /// As JSON. `now`: for how long it is valid yet.
    fn json(&self, now: SystemTime, out: &mut String) {
        out.push_str("{\"listeners\":");
        list(out, &self.listeners);
        out.push_str(",\"file\":");
        push_json(out, &self.path);
        out.push_str(",\"names\":");
        list(out, &self.names);
        out.push_str(",\"subject\":");
        push_json(out, &self.subject);
        let left = self.until.duration_since(now).unwrap_or_default();
        let _ = write!(
            out,
            ",\"not_after\":\"{}\",\"expires_in_s\":{}}}",
            http_date(self.until),
            left.as_secs()
        );
    }
}

/// An endpoint, and what is known of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What it is called.
    pub address: String,
    /// It is spoken to by TLS.
    pub is_tls: bool,
    /// How much it gets, beside the others.
    pub weight: u32,
    /// It gets something only when those of lower tiers are out. 0: at once.
    pub tier: u16,
    /// How it is.
    pub state: Arc<State>,
    /// How many connections there may be to it.
    pub permits: Option<Permits>,
}

impl Endpoint {
    fn json(&self, out: &mut String) {
        out.push_str("{\"address\":");
        push_json(out, &self.address);
        let state = &self.state;
        let _ = write!(
            out,
            ",\"tls\":{},\"weight\":{},\"backup\":{},\"healthy\":{},\"ejected\":{},\"draining\":{},\"in_flight\":{},\"failures\":{},\"ejections\":{},\"tier\":{},\"open\":{},\"idle\":{}",
            self.is_tls,
            self.weight,
            self.tier > 0,
            state.is_healthy(),
            state.is_ejected(clock::now()),
            state.is_draining(),
            state.in_flight(),
            state.failures(),
            state.ejections(),
            self.tier,
            state.open(),
            state.idle(),
        );
        if let Some(permits) = &self.permits {
            let _ = write!(
                out,
                ",\"connections\":{},\"connections_max\":{},\"queued\":{}",
                permits.held(),
                permits.max(),
                permits.waiting()
            );
        }
        out.push('}');
    }
}

/// Between the interface and whoever runs the server.
#[derive(Debug)]
pub struct Desk {
    since: Instant,
    /// When that was, on the wall.
    started: SystemTime,
    status: Mutex<Status>,
    reloads: Sender<Reload>,
    /// What the server works with. // once it does
    works: OnceLock<Works>,
    /// Branches that were cancelled from the control side.
    cancels: AtomicUsize,
    /// Changes of the tree that readers were not told.
    events_lost: AtomicUsize,
}

/// What a server works with, as far as it is asked how that is.
#[derive(Debug)]
pub struct Works {
    /// Who works.
    pub crew: Crew,
    /// How much memory all buffers may have.
    pub budget: Arc<Budget>,
    /// Where records go.
    pub log: Log,
}

impl Desk {
    /// A desk; what is asked for comes out of `reloads`' other end.
    #[must_use]
    pub fn new(reloads: Sender<Reload>) -> Self {
        Self {
            since: clock::now(),
            started: clock::wall(),
            status: Mutex::default(),
            reloads,
            works: OnceLock::new(),
            cancels: AtomicUsize::new(0),
            events_lost: AtomicUsize::new(0),
        }
    }

    /// With these the server works, from its start to its end.
    pub fn equip(&self, works: Works) {
        // There is only one start.
        let _ = self.works.set(works);
    }

    /// A branch was cancelled from the control side.
    pub fn note_cancel(&self) {
        self.cancels.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn cancels(&self) -> usize {
        self.cancels.load(Ordering::Relaxed)
    }

    /// A reader was too slow for so many changes of the tree.
    pub fn note_lost(&self, count: usize) {
        self.events_lost.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn events_lost(&self) -> usize {
        self.events_lost.load(Ordering::Relaxed)
    }

    /// When the server started, since 1970.
    pub(super) fn started(&self) -> Duration {
        let since = self.started.duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }

    /// How the server is set up now.
    pub(super) fn status(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    /// What the workers have counted.
    pub(super) async fn report(&self) -> Report {
        match self.works.get() {
            Some(works) => works.crew.report().await,
            None => Report::default(),
        }
    }

    /// How many octets all buffers have, and may have.
    pub(super) fn buffers(&self) -> (usize, usize) {
        let budget = self.works.get().map(|works| &works.budget);
        budget.map_or((0, 0), |budget| (budget.used(), budget.max()))
    }

    /// How many octets are in buffers that somebody uses: the others are kept for the next.
    fn buffers_in_use(&self) -> usize {
        self.works.get().map_or(0, |works| works.budget.out())
    }

    /// How many access records were dropped.
    pub(super) fn log_dropped(&self) -> usize {
        self.works.get().map_or(0, |works| works.log.dropped())
    }

    /// So the server is set up now.
    pub fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// Has the configuration read again. None: nobody is there to do it.
    pub async fn reload(&self) -> Option<Reloaded> {
        let (answer, answered) = async_channel::bounded(1);
        self.reloads.send(answer).await.ok()?;
        answered.recv().await.ok()
    }

    /// Gives `endpoint`, written `UPSTREAM/ADDRESS`, nothing new, or something again. `None`: there is none; else
    /// whether that is otherwise than before.
    pub(super) fn drain(&self, endpoint: &str, is_draining: bool) -> Option<bool> {
        let (upstream, address) = endpoint.split_once('/')?;
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let mut upstreams = status.upstreams.iter();
        let (_, endpoints) = upstreams.find(|(name, _)| name == upstream)?;
        let endpoint = endpoints.iter().find(|it| it.address == address)?;
        Some(endpoint.state.set_draining(is_draining, clock::now()))
    }

    /// How it is, as JSON. `condition`: a word for how far it is on its way to its end.
    pub(super) fn json(&self, condition: &str, report: &Report) -> String {
        let status = self.status();
        let uptime = clock::now().saturating_duration_since(self.since);
        let mut out = format!(
            "{{\"version\":\"{}\",\"uptime_s\":{},\"state\":\"{condition}\",\"generation\":{},\"workers\":{},\"listeners\":",
            env!("CARGO_PKG_VERSION"),
            uptime.as_secs(),
            status.generation,
            status.workers,
        );
        list(&mut out, &status.listeners);
        out.push_str(",\"certificates\":[");
        for (index, certificate) in status.certificates.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            certificate.json(clock::wall(), &mut out);
        }
        out.push_str("],\"upstreams\":[");
        for (index, (name, endpoints)) in status.upstreams.iter().enumerate() {
            out.push_str(if index == 0 {
                "{\"name\":"
            } else {
                ",{\"name\":"
            });
            push_json(&mut out, name);
            out.push_str(",\"endpoints\":[");
            for (index, endpoint) in endpoints.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                endpoint.json(&mut out);
            }
            let connections = report.total.upstream(name);
            let (open, idle) = connections.map_or((0, 0), |it| (it.open, it.idle));
            let _ = write!(
                out,
                "],\"queued\":{},\"connections_open\":{open},\"connections_idle\":{idle}}}",
                queued(endpoints)
            );
        }
        out.push_str("],\"streams\":[");
        for (index, name) in status.streams.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            push_stream(&mut out, name, &report.total);
        }
        out.push_str("],\"routes\":");
        list(&mut out, &status.routes);
        out.push_str(",\"route_totals\":[");
        let routes = report.total.routes.iter().chain([&report.total.other]);
        for (index, route) in routes.enumerate() {
            out.push_str(if index == 0 { "" } else { "," });
            push_route(&mut out, route);
        }
        let _ = writeln!(
            out,
            "],\"sessions\":{},\"requests_in_flight\":{},\"buffers_used\":{},\"buffers_in_use\":{},\"limits\":{{\"connections\":{},\"buffers\":{}}}}}",
            report.total.sessions,
            report.total.in_flight,
            self.buffers().0,
            self.buffers_in_use(),
            status.connections_max,
            status.buffers_max
        );
        out
    }
}

impl Reloaded {
    /// As JSON.
    pub(super) fn json(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Done {
                generation,
                changes,
                warnings,
            } => {
                let _ = write!(
                    out,
                    "{{\"ok\":true,\"generation\":{generation},\"changes\":"
                );
                list(&mut out, changes);
                out.push_str(",\"warnings\":");
                list(&mut out, warnings);
            }
            Self::Refused(why) => {
                out.push_str("{\"ok\":false,\"error\":");
                push_json(&mut out, why);
            }
        }
        out.push_str("}\n");
        out
    }
}

fn push_stream(out: &mut String, name: &str, total: &Snapshot) {
    out.push_str("{\"name\":");
    push_json(out, name);
    let totals = total.streams.iter().find(|it| &*it.name == name);
    let [begun, open, received, sent] =
        totals.map_or([0; 4], |it| [it.begun, it.open, it.received, it.sent]);
    let _ = write!(
        out,
        ",\"connections\":{begun},\"open\":{open},\"received\":{received},\"sent\":{sent}}}"
    );
}

fn push_route(out: &mut String, route: &RouteTotals) {
    out.push_str("{\"name\":");
    push_json(out, &route.name);
    let _ = write!(out, ",\"requests\":{},\"codes\":{{", route.requests());
    let seen = CODES
        .iter()
        .zip(route.codes)
        .filter(|(_, count)| *count > 0);
    for (index, (code, count)) in seen.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, "{comma}\"{code}\":{count}");
    }
    let _ = write!(
        out,
        "}},\"received\":{},\"sent\":{}}}",
        route.received, route.sent
    );
}

/// Appends `text` as a string of RFC 8259 §7.
pub(super) fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\u{0}'..='\u{1f}' | '<' | '\u{7f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn list(out: &mut String, items: &[String]) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_json(out, item);
    }
    out.push(']');
}
