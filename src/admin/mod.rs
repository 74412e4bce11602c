//! ROOM 8: the private interface: the live tree, a cancel by id, and whether all is well.
//!
//! It runs on the control side, never on a worker, and speaks HTTP/1.1 with the same strict parser. A browser page of
//! another site can neither read nor drive it: every request needs a Host that only someone who means it sends (no DNS
//! rebinding), and what changes something needs a field that no form can send.

pub mod desk;
mod page;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_io::Timer;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

use crate::clock;
use crate::context::{Cancel, Context, View, ViewOptions};
use crate::http::body::Decoder;
use crate::http::connection::request_persistence;
use crate::http::framing::request_framing;
use crate::http::head::reason_of;
use crate::http::head::{Parsed, RequestHead};
use crate::http::limits::Limits;
use crate::http::network::Network;
use crate::net::listener::{AsyncStream, Ends};
use crate::proxy::answer::http_date;

use desk::{Desk, Reloaded};

/// How long a client may take for a request, or leave a connection idle.
const PATIENCE: Duration = Duration::from_secs(30);
/// How large a cancel's reason may be.
const REASON_OCTETS_MAX: usize = 4096;

/// How far a server is on its way to its end. It only ever goes forward.
#[derive(Debug, Default)]
pub struct Condition(AtomicU8);

impl Condition {
    /// It serves: `/readyz` and `/healthz` answer 200.
    pub const SERVING: u8 = 0;
    /// It still accepts, but is about to end: `/readyz` answers 503.
    pub const LEAVING: u8 = 1;
    /// It accepts nothing new: `/healthz` answers 503 too.
    pub const DRAINING: u8 = 2;

    /// One of the constants.
    #[must_use]
    pub fn get(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }

    /// A word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.get() {
            Self::SERVING => "serving",
            Self::LEAVING => "leaving",
            _ => "draining",
        }
    }

    /// From now on it is so far, unless it was further already.
    pub fn reach(&self, condition: u8) {
        self.0.fetch_max(condition, Ordering::Relaxed);
    }
}

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
    limits: Limits,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A request, as far as it matters here.
#[derive(Debug)]
struct Request {
    method: Vec<u8>,
    path: String,
    query: String,
    host: Vec<u8>,
    wants_json: bool,
    /// It carries `Osier-Admin: 1`.
    is_meant: bool,
    body: Vec<u8>,
    persists: bool,
}

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: u16,
    /// The methods that would do, where this one does not.
    allow: Option<&'static str>,
    content_type: &'static str,
    content: String,
}

impl Response {
    fn text(status: u16, content: impl Into<String>) -> Self {
        Self {
            status,
            allow: None,
            content_type: "text/plain; charset=utf-8",
            content: content.into(),
        }
    }

    fn not_meant() -> Self {
        Self::text(
            403,
            "what changes something needs the field `Osier-Admin: 1`\n",
        )
    }

    fn not_allowed(allow: &'static str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::text(405, format!("{allow} would do\n"))
        }
    }

    fn json(status: u16, content: String) -> Self {
        Self {
            status,
            allow: None,
            content_type: "application/json",
            content,
        }
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
            limits: Limits::default(),
        }
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

    /// Serves one connection until it ends. `local` is our address on it.
    pub async fn serve(&self, mut stream: Box<dyn AsyncStream>, ends: Option<Ends>) {
        let is_near = |ip: IpAddr| ip.is_loopback() || self.allow.iter().any(|it| it.contains(ip));
        if ends.is_some_and(|ends| !is_near(ends.peer.ip().to_canonical())) {
            // Who is not let in is not answered either.
            return;
        }
        let local = ends.map(|ends| ends.local);
        let mut input = Vec::new();
        loop {
            let request = future::or(self.read(&mut stream, &mut input), async {
                Timer::after(PATIENCE).await;
                Err(Refusal::Gone)
            });
            let (response, is_head, persists) = match request.await {
                Ok(request) => (
                    self.reply(&request, local).await,
                    request.method == b"HEAD",
                    request.persists,
                ),
                Err(Refusal::Gone) => return,
                Err(Refusal::Sin(status, sin)) => {
                    (Response::text(status, format!("{sin}\n")), false, false)
                }
            };
            let octets = write(&response, is_head, persists);
            if stream.write_all(&octets).await.is_err()
                || stream.flush().await.is_err()
                || !persists
            {
                let _ = stream.close().await;
                return;
            }
        }
    }

    /// Reads one request; what comes behind it stays in `input`.
    async fn read(
        &self,
        stream: &mut Box<dyn AsyncStream>,
        input: &mut Vec<u8>,
    ) -> Result<Request, Refusal> {
        let mut head = RequestHead::default();
        let consumed = loop {
            match head
                .parse(input, &self.limits)
                .map_err(|error| Refusal::Sin(error.status(), error.sin()))?
            {
                Parsed::Complete(consumed) => break consumed,
                Parsed::Partial => receive(stream, input).await?,
            }
        };
        input.drain(..consumed);
        let framed = request_framing(&head, &self.limits)
            .map_err(|error| Refusal::Sin(error.status(), error.sin()))?;
        let mut decoder = Decoder::new(&framed, &self.limits);
        let mut body = Vec::new();
        while !decoder.is_done() {
            let decoded = decoder
                .decode(input)
                .map_err(|error| Refusal::Sin(error.status(), error.sin()))?;
            body.extend_from_slice(decoded.data);
            let consumed = decoded.consumed;
            input.drain(..consumed);
            if body.len() > REASON_OCTETS_MAX {
                return Err(Refusal::Sin(413, "body_limit"));
            }
            if consumed == 0 && !decoder.is_done() {
                receive(stream, input).await?;
            }
        }
        let target = String::from_utf8_lossy(head.target()).into_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let accepts = |kind: &str| {
            head.fields()
                .list("accept")
                .any(|item| item.to_ascii_lowercase().starts_with(kind.as_bytes()))
        };
        Ok(Request {
            method: head.method().to_vec(),
            path: path.to_owned(),
            query: query.to_owned(),
            host: head
                .authority()
                .map_or_else(Vec::new, |authority| authority.octets.to_vec()),
            wants_json: accepts("application/json"),
            is_meant: head
                .fields()
                .get("osier-admin")
                .is_some_and(|value| value == b"1"),
            body,
            persists: request_persistence(&head).is_reuse(),
        })
    }

    /// Answers, and waits for what takes a while.
    async fn reply(&self, request: &Request, local: Option<SocketAddr>) -> Response {
        let is_reload = request.path == "/reload" && request.method == b"POST";
        if is_reload && self.believes(&request.host, local) {
            self.reload(request).await
        } else {
            self.answer(request, local)
        }
    }

    fn answer(&self, request: &Request, local: Option<SocketAddr>) -> Response {
        let is_probe = matches!(request.path.as_str(), "/healthz" | "/readyz");
        if !is_probe && !self.believes(&request.host, local) {
            return Response::text(
                403,
                "this Host is not believed here; use localhost, or name it in admin.hosts\n",
            );
        }
        let root = self.root.context();
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
        match request.path.as_str() {
            "/" => Response {
                status: 200,
                allow: None,
                content_type: "text/html; charset=utf-8",
                content: page::render(&View::of(root, &ViewOptions::default()).to_text()),
            },
            "/healthz" => probe(self.condition.get() < Condition::DRAINING),
            "/readyz" => probe(self.condition.get() == Condition::SERVING),
            "/tree" | "/tree.json" | "/tree.dot" | "/tree.mmd" => tree(root, request),
            "/status" => match &self.desk {
                Some(desk) => Response::json(200, desk.json(self.condition.word())),
                None => Response::text(404, "nobody here knows how the server is\n"),
            },
            _ => Response::text(
                404,
                "here are /tree, /tree.json, /tree.dot, /tree.mmd, /status, /healthz, /readyz, POST /reload, POST /cancel/ID, POST /drain/UPSTREAM/ADDRESS and POST /undrain/UPSTREAM/ADDRESS\n",
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
            Some(receipt) => Response::json(
                200,
                format!(
                    "{{\"nodes\":{},\"waiters\":{},\"depth\":{},\"took_us\":{}}}\n",
                    receipt.nodes,
                    receipt.waiters,
                    receipt.depth,
                    receipt.took.as_micros()
                ),
            ),
            None => Response::text(404, format!("no node {id} lives in the tree\n")),
        }
    }

    /// The Host is one that only someone sends who means this interface: no page of another site can.
    fn believes(&self, host: &[u8], local: Option<SocketAddr>) -> bool {
        let Ok(host) = std::str::from_utf8(host) else {
            return false;
        };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .ok();
        name.eq_ignore_ascii_case("localhost")
            || local.is_some_and(|local| address == Some(local.ip()))
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
    }
}

fn probe(is_well: bool) -> Response {
    if is_well {
        Response::text(200, "ok\n")
    } else {
        Response::text(503, "draining\n")
    }
}

fn tree(root: &Context, request: &Request) -> Response {
    let parameter = |name: &str| {
        request
            .query
            .split('&')
            .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
            .map(|(_, v)| v)
    };
    let mut numbers = [None; 3];
    for (number, name) in numbers.iter_mut().zip(["root", "depth", "max"]) {
        if let Some(text) = parameter(name) {
            let Ok(value) = text.parse::<u64>() else {
                return Response::text(400, format!("`{name}` wants a number\n"));
            };
            *number = Some(value);
        }
    }
    let [id, depth, max] = numbers;
    let below = match id {
        None => Some(root.clone()),
        Some(id) => root.descendant(id),
    };
    let Some(below) = below else {
        return Response::text(404, "no such node lives in the tree\n");
    };
    let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let options = ViewOptions {
        depth: depth.map(limit),
        ..ViewOptions::default()
    };
    let options = ViewOptions {
        nodes_max: max.map_or(options.nodes_max, limit),
        ..options
    };
    let view = View::of(&below, &options);
    match request.path.as_str() {
        "/tree.json" => Response::json(200, view.to_json() + "\n"),
        "/tree.dot" => Response::text(200, view.to_dot()),
        "/tree.mmd" => Response::text(200, view.to_mermaid()),
        _ if request.wants_json => Response::json(200, view.to_json() + "\n"),
        _ => Response::text(200, view.to_text()),
    }
}

/// Why there is no request to answer.
enum Refusal {
    /// Nobody is there any more, or not in time.
    Gone,
    /// The message broke a rule.
    Sin(u16, &'static str),
}

async fn receive(stream: &mut Box<dyn AsyncStream>, input: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut room = [0; 2048];
    match stream.read(&mut room).await {
        Ok(0) | Err(_) => Err(Refusal::Gone),
        Ok(count) => {
            input.extend_from_slice(room.get(..count).unwrap_or_default());
            Ok(())
        }
    }
}

fn write(response: &Response, is_head: bool, persists: bool) -> Vec<u8> {
    let Response {
        status,
        allow,
        content_type,
        content,
    } = response;
    let connection = if persists {
        ""
    } else {
        "Connection: close\r\n"
    };
    let allow = allow.map_or_else(String::new, |methods| format!("Allow: {methods}\r\n"));
    let mut octets = format!(
        "HTTP/1.1 {status} {}\r\nDate: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\
         {allow}{connection}\r\n",
        reason_of(*status),
        http_date(clock::wall()),
        content.len(),
    )
    .into_bytes();
    if !is_head {
        octets.extend_from_slice(content.as_bytes());
    }
    octets
}

/// Asks an admin interface from outside, and returns the content of its answer: what the command line does.
///
/// # Errors
/// It cannot be reached, or answered with a status other than 200: then the error says what it said, and is of the kind
/// `NotFound` where that was 404.
pub fn ask(
    address: &crate::net::address::Address,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<String> {
    use std::io::{Read as _, Write as _};

    use crate::http::head::ResponseHead;
    use crate::net::address::Address;

    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    match address {
        Address::Inet(addr) => {
            let mut stream = std::net::TcpStream::connect_timeout(addr, Duration::from_secs(3))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut answer)?;
        }
        Address::Unix(path) => {
            let mut stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut answer)?;
        }
    }
    let mut head = ResponseHead::default();
    let broken = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let parsed = head
        .parse(&answer, &Limits::default())
        .map_err(|error| broken(error.to_string()))?;
    let Parsed::Complete(consumed) = parsed else {
        return Err(broken("it closed before it answered".to_owned()));
    };
    let content = String::from_utf8_lossy(answer.get(consumed..).unwrap_or_default()).into_owned();
    if head.status() == 200 {
        Ok(content)
    } else {
        let kind = match head.status() {
            404 => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        Err(io::Error::new(kind, content.trim_end().to_owned()))
    }
}
