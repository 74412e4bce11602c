//! ROOM 8: the private interface: the live tree, a cancel by id, and whether all is well.
//!
//! It runs on the control side, never on a worker, and speaks HTTP/1.1 with the same strict parser. A browser page of
//! another site can neither read nor drive it: every request needs a Host that only someone who means it sends (no DNS
//! rebinding), and what changes something needs a field that no form can send.

mod ask;
mod condition;
pub mod crew;
pub mod desk;
mod events;
mod guard;
pub mod lesson;
mod metrics;
pub mod numbers;
mod page;
mod process;
mod request;
mod response;
mod shut;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use async_io::Timer;
use futures_lite::{AsyncWriteExt, future};

use crate::clock;
use crate::context::Cancel;
use crate::http::limits::Limits;
use crate::http::network::Network;
use crate::net::listener::{AsyncStream, Ends};

pub use ask::ask;
pub use condition::Condition;

use desk::{Desk, Reloaded};
use lesson::{Lessons, School};
use request::{Refusal, Request};
use response::{Manner, Reply, Response};
use shut::Shut;

/// How long a client may take for a request, or leave a connection idle.
const PATIENCE: Duration = Duration::from_secs(30);

/// The interface and what it shows.
pub struct Admin {
    /// The root's handle: the power to cancel.
    root: Arc<Cancel>,
    condition: Arc<Condition>,
    hosts: Vec<String>,
    /// Networks that are let in, beside this machine.
    allow: Vec<Network>,
    /// Whoever runs the server.
    desk: Option<Arc<Desk>>,
    /// Whoever gives lessons.
    school: Option<School>,
    limits: Limits,
    /// When it began.
    since: Instant,
    /// How many listen to what happens.
    readers: AtomicUsize,
    /// Whether it is still open.
    shut: Shut,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// An interface to the tree below `root`'s node.
    #[must_use]
    pub fn new(root: Arc<Cancel>, condition: Arc<Condition>, hosts: Vec<String>) -> Self {
        Self {
            root,
            condition,
            hosts,
            allow: Vec::new(),
            desk: None,
            school: None,
            limits: Limits::default(),
            since: clock::now(),
            readers: AtomicUsize::new(0),
            shut: Shut::new(),
        }
    }

    /// Ends what goes on: nobody is told anything any more.
    pub fn shut(&self) {
        self.shut.now();
    }

    /// Lets these networks in, too.
    #[must_use]
    pub fn allowing(mut self, networks: Vec<Network>) -> Self {
        self.allow = networks;
        self
    }

    /// Has somebody to ask.
    #[must_use]
    pub fn with_desk(mut self, desk: Arc<Desk>) -> Self {
        self.desk = Some(desk);
        self
    }

    /// Has somebody to learn from.
    #[must_use]
    pub fn with_lessons(mut self, lessons: Option<Arc<dyn Lessons>>) -> Self {
        self.school = lessons.map(School::new);
        self
    }

    /// Serves one connection until it ends. `local` is our address on it.
    pub async fn serve(&self, mut stream: Box<dyn AsyncStream>, ends: Option<Ends>) {
        if ends.is_some_and(|it| !guard::lets_in(&self.allow, it.peer.ip().to_canonical())) {
            // Who is not let in is not answered either.
            return;
        }
        let local = ends.map(|ends| ends.local);
        let mut input = Vec::new();
        loop {
            let request = request::read(&mut stream, &mut input, &self.limits);
            let request = future::or(request, async {
                Timer::after(PATIENCE).await;
                Err(Refusal::Gone)
            });
            let (reply, manner) = match request.await {
                Ok(request) => (
                    self.reply(&request, local).await,
                    Manner {
                        version: request.version,
                        is_head: request.method == b"HEAD",
                        persists: request.persists,
                    },
                ),
                Err(Refusal::Gone) => return,
                Err(Refusal::Sin(status, sin)) => (
                    Response::text(status, format!("{sin}\n")).into(),
                    Manner::LAST,
                ),
            };
            if !matches!(response::write(&mut stream, reply, manner).await, Ok(true)) {
                let _ = stream.close().await;
                return;
            }
        }
    }

    /// Answers, and waits for what takes a while.
    async fn reply(&self, request: &Request, local: Option<SocketAddr>) -> Reply<'_> {
        if !guard::believes(&self.hosts, &request.host, local) {
            return self.answer(request, local).into();
        }
        if let Some(figures) = self.figures(request, local).await {
            return figures.into();
        }
        let is_read = matches!(request.method.as_slice(), b"GET" | b"HEAD");
        match request.path.as_str() {
            "/reload" if request.method == b"POST" => return self.reload(request).await.into(),
            "/tree" | "/tree.json" | "/tree.dot" | "/tree.mmd" | "/tree.tsv" if is_read => {
                return tree::answer(self.root.context(), request).await;
            }
            "/events" if is_read => return events::answer(self, request),
            _ => {}
        }
        if let Some(name) = request.path.strip_prefix("/learn/") {
            let school = self.school.as_ref();
            return lesson::play(school, request, name, &self.root).await.into();
        }
        self.answer(request, local).into()
    }

    fn answer(&self, request: &Request, local: Option<SocketAddr>) -> Response {
        let is_probe = matches!(request.path.as_str(), "/healthz" | "/readyz");
        if !is_probe && !guard::believes(&self.hosts, &request.host, local) {
            return Response::text(
                403,
                "this Host is not believed here; use localhost, or name it in admin.hosts\n",
            );
        }
        let is_post = request.method == b"POST";
        if let Some(id) = request.path.strip_prefix("/cancel/") {
            return if is_post {
                self.cancel(request, id)
            } else {
                Response::not_allowed("POST")
            };
        }
        for (front, is_draining) in [("/drain/", true), ("/undrain/", false)] {
            if let Some(endpoint) = request.path.strip_prefix(front) {
                return if is_post {
                    self.drain(request, endpoint, is_draining)
                } else {
                    Response::not_allowed("POST")
                };
            }
        }
        if request.path == "/reload" {
            return Response::not_allowed("POST");
        }
        if !matches!(request.method.as_slice(), b"GET" | b"HEAD") {
            return Response::not_allowed("GET, HEAD");
        }
        if let Some(id) = request.path.strip_prefix("/node/") {
            return self.node(id);
        }
        match request.path.as_str() {
            "/" => page::answer(),
            "/learn" => lesson::list(self.school.as_ref()),
            "/healthz" => probe(self.condition.get() < Condition::DRAINING),
            "/readyz" => probe(self.condition.get() == Condition::SERVING),
            // With a desk they have been answered already.
            "/status" | "/metrics" => Response::text(404, "nobody here knows how the server is\n"),
            _ => Response::text(
                404,
                "here are /tree, /tree.json, /tree.dot, /tree.mmd, /tree.tsv, /events, /node/ID, /status, /metrics, /learn, /healthz, /readyz, POST /reload, POST /learn/NAME, POST /cancel/ID, POST /drain/UPSTREAM/ADDRESS and POST /undrain/UPSTREAM/ADDRESS\n",
            ),
        }
    }

    fn node(&self, id: &str) -> Response {
        let Ok(id) = id.parse::<u64>() else {
            return Response::text(400, "an id is a number, as /tree shows it\n");
        };
        match self.root.context().descendant(id) {
            Some(node) => Response::json(200, node.to_json() + "\n"),
            None => Response::json(
                404,
                "{\"error\":\"no such node lives in the tree\"}\n".to_owned(),
            ),
        }
    }

    async fn reload(&self, request: &Request) -> Response {
        if !request.is_meant {
            return Response::not_meant();
        }
        let reloaded = match &self.desk {
            Some(desk) => desk.reload().await,
            None => None,
        };
        match reloaded {
            Some(reloaded @ Reloaded::Done { .. }) => Response::json(200, reloaded.json()),
            Some(reloaded @ Reloaded::Refused(_)) if request.wants_json => {
                Response::json(422, reloaded.json())
            }
            Some(Reloaded::Refused(why)) => Response::text(422, format!("{}\n", why.trim_end())),
            None => Response::text(503, "the server is ending\n"),
        }
    }

    fn drain(&self, request: &Request, endpoint: &str, is_draining: bool) -> Response {
        if !request.is_meant {
            return Response::not_meant();
        }
        let desk = self.desk.as_ref();
        match desk.and_then(|desk| desk.drain(endpoint, is_draining)) {
            Some(changed) => Response::json(
                200,
                format!("{{\"draining\":{is_draining},\"changed\":{changed}}}\n"),
            ),
            None => Response::text(
                404,
                "no such endpoint: UPSTREAM/ADDRESS, both as /status has them\n",
            ),
        }
    }

    fn cancel(&self, request: &Request, id: &str) -> Response {
        if !request.is_meant {
            return Response::not_meant();
        }
        let Ok(id) = id.parse::<u64>() else {
            return Response::text(400, "an id is a number, as /tree shows it\n");
        };
        let reason = String::from_utf8_lossy(&request.body).trim().to_owned();
        let reason = if reason.is_empty() {
            "cancelled by id".to_owned()
        } else {
            reason
        };
        match self.root.cancel_descendant(id, reason) {
            Some(receipt) => {
                if let Some(desk) = &self.desk {
                    desk.note_cancel();
                }
                Response::json(
                    200,
                    format!(
                        "{{\"nodes\":{},\"waiters\":{},\"depth\":{},\"took_us\":{}}}\n",
                        receipt.nodes,
                        receipt.waiters,
                        receipt.depth,
                        receipt.took.as_micros()
                    ),
                )
            }
            None => Response::text(404, format!("no node {id} lives in the tree\n")),
        }
    }
}

fn probe(is_well: bool) -> Response {
    if is_well {
        Response::text(200, "ok\n")
    } else {
        Response::text(503, "draining\n")
    }
}
