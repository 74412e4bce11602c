//! Before anything is measured: what comes through a proxy is what the origin sent, octet for octet, and what reaches
//! the origin is what the client sent. No speed may come from doing less.

use std::io;
use std::time::Duration;

use crate::client::Exchange;
use crate::content::{MEBIBYTE, PATTERN, SMALL};
use crate::engine::{Engine, Job, Pace};
use crate::origin::Witness;
use crate::peer::Layer;
use crate::shape::{closing, many_fields, pipelined, plain, upload};
use crate::wire::Target;

const PATIENCE: Duration = Duration::from_secs(5);
/// Fields of an answer that a proxy may set, change or leave out by itself (RFC 9110 §6.6.1, §7.6, §10.2.4).
/// lighttpd says `Accept-Ranges` of everything.
const ITS_OWN: [&str; 6] = [
    "accept-ranges",
    "connection",
    "date",
    "keep-alive",
    "server",
    "via",
];

/// A head and its content, as far as both have to be the same.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    content: Vec<u8>,
}

/// Why a proxy did not pass.
enum Fault {
    /// It answered something else than the origin, or sent the origin something else than the client.
    Changed(String),
    /// It did not answer.
    Refused(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Sends one of everything through a proxy. Returns what it does not do at all; `Err` says what it changed.
pub(crate) fn check(
    engine: &mut Engine,
    proxy: &Target,
    layer: Layer,
) -> Result<Vec<String>, String> {
    let exchanges = [
        ("no content", plain(0)),
        ("63 octets", plain(SMALL)),
        ("64 KiB", plain(64 * 1024)),
        ("1 MiB", plain(MEBIBYTE)),
        ("an upload", upload()),
        ("30 fields", many_fields()),
        ("a last request", closing()),
        ("pipelined requests", pipelined()),
    ];
    let mut refused = Vec::new();
    engine.witness.wanted = true;
    let mut changed = None;
    for (name, exchange) in &exchanges {
        match one(engine, proxy, layer, exchange) {
            Ok(()) => {}
            Err(Fault::Refused(why)) => refused.push(format!("{name}: {why}")),
            Err(Fault::Changed(what)) => {
                changed = Some(format!("{name}: {what}"));
            }
        }
    }
    engine.witness.wanted = false;
    match changed {
        Some(what) => Err(what),
        None => Ok(refused),
    }
}

fn one(
    engine: &mut Engine,
    proxy: &Target,
    layer: Layer,
    exchange: &Exchange,
) -> Result<(), Fault> {
    let origin = engine.origins()?[0];
    let direct = engine.ask(&job(origin.into(), exchange.clone()), PATIENCE)?;
    let proxied = engine.ask(&job(proxy.clone(), exchange.clone()), PATIENCE)?;
    let same = || {
        let (direct, proxied) = (messages(&direct)?, messages(&proxied)?);
        if direct != proxied {
            return Err(difference(&direct, &proxied));
        }
        requests_match(exchange, &engine.witness, layer)
    };
    same().map_err(Fault::Changed)
}

/// One request on a connection of its own.
pub(crate) fn job(to: Target, exchange: Exchange) -> Job {
    Job {
        to,
        exchange,
        connections: 1,
        pace: Pace::Closed,
        warm_up: Duration::ZERO,
        duration: Duration::ZERO,
    }
}

fn difference(direct: &[Message], proxied: &[Message]) -> String {
    for (direct, proxied) in direct.iter().zip(proxied) {
        if direct.content != proxied.content {
            return "the content is not the origin's".to_owned();
        }
        if direct != proxied {
            return format!(
                "the head is not the origin's: {:?} became {:?}",
                direct.fields, proxied.fields
            );
        }
    }
    format!("{} answers instead of {}", proxied.len(), direct.len())
}

/// Reads answers until the octets end.
fn messages(mut octets: &[u8]) -> Result<Vec<Message>, String> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(consumed)) = response.parse(octets) else {
            return Err("an answer that is none".to_owned());
        };
        let mut fields: Vec<_> = response
            .headers
            .iter()
            .map(|field| (field.name.to_lowercase(), field.value.to_vec()))
            .filter(|(name, _)| !ITS_OWN.contains(&name.as_str()))
            .collect();
        fields.sort();
        let length = fields.iter().find(|(name, _)| name == "content-length");
        let length: usize = length
            .and_then(|(_, value)| std::str::from_utf8(value).ok()?.parse().ok())
            .ok_or("an answer without Content-Length")?;
        let end = consumed + length;
        let content = octets.get(consumed..end).ok_or("an answer that is cut")?;
        found.push(Message {
            status: response.code.unwrap_or_default(),
            fields,
            content: content.to_vec(),
        });
        octets = &octets[end..];
    }
    Ok(found)
}

/// Every line of the client's request reached the origin, its content too, and X-Forwarded-For with them.
fn requests_match(exchange: &Exchange, witness: &Witness, layer: Layer) -> Result<(), String> {
    let Witness { head, content, .. } = witness;
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).to_lowercase();
    let (sent, arrived) = (text(&exchange.request), text(head));
    let sent_head = sent.split("\r\n\r\n").next().unwrap_or_default();
    let arrived: Vec<&str> = arrived.split("\r\n").collect();
    let target = |line: &str| line.rsplit_once(' ').map(|(start, _)| start.to_owned());
    let mut lines = sent_head.split("\r\n");
    // The version belongs to the connection.
    if lines.next().and_then(target) != arrived.first().and_then(|line| target(line)) {
        return Err("another request line reached the origin".to_owned());
    }
    for line in lines.filter(|line| !line.starts_with("connection:")) {
        if !arrived.contains(&line) {
            return Err(format!("the origin did not get `{line}`"));
        }
    }
    if layer == Layer::Http && !arrived.contains(&"x-forwarded-for: 127.0.0.1") {
        return Err("the origin did not get X-Forwarded-For".to_owned());
    }
    if content.len() + sent_head.len() + 4 != exchange.request.len() && exchange.depth == 1 {
        return Err("content of another length reached the origin".to_owned());
    }
    if *content != PATTERN[..content.len()] {
        return Err("other content reached the origin".to_owned());
    }
    Ok(())
}
