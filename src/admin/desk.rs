//! What the interface asks of whoever runs the server: how it is, and to read its configuration again.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_channel::Sender;

use crate::balance::State;
use crate::clock;
use crate::limit::Permits;

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
    /// The upstreams, each with its endpoints.
    pub upstreams: Vec<(String, Vec<Endpoint>)>,
    /// The routes, as logs call them.
    pub routes: Vec<String>,
}

/// An endpoint, and what is known of it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What it is called.
    pub address: String,
    /// How much it gets, beside the others.
    pub weight: u32,
    /// It gets something only when the others are out.
    pub backup: bool,
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
            ",\"weight\":{},\"backup\":{},\"healthy\":{},\"ejected\":{},\"draining\":{},\"in_flight\":{},\"failures\":{},\"ejections\":{}",
            self.weight,
            self.backup,
            state.is_healthy(),
            state.is_ejected(clock::now()),
            state.is_draining(),
            state.in_flight(),
            state.failures(),
            state.ejections(),
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
    status: Mutex<Status>,
    reloads: Sender<Reload>,
}

impl Desk {
    /// A desk; what is asked for comes out of `reloads`' other end.
    #[must_use]
    pub fn new(reloads: Sender<Reload>) -> Self {
        Self {
            since: clock::now(),
            status: Mutex::default(),
            reloads,
        }
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

    /// How it is, as JSON. `condition`: a word for how far it is on its way to its end; `dropped`: access records.
    pub(super) fn json(&self, condition: &str) -> String {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let uptime = clock::now().saturating_duration_since(self.since);
        let mut out = format!(
            "{{\"version\":\"{}\",\"uptime_s\":{},\"state\":\"{condition}\",\"generation\":{},\"workers\":{},\"listeners\":",
            env!("CARGO_PKG_VERSION"),
            uptime.as_secs(),
            status.generation,
            status.workers,
        );
        list(&mut out, &status.listeners);
        out.push_str(",\"upstreams\":[");
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
            out.push_str("]}");
        }
        out.push_str("],\"routes\":");
        list(&mut out, &status.routes);
        let _ = writeln!(
            out,
            ",\"limits\":{{\"connections\":{},\"buffers\":{}}}}}",
            status.connections_max, status.buffers_max
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
