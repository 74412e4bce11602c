//! Reads one request of the admin interface, with the same strict parser as the gateway's.

use futures_lite::AsyncReadExt;

use super::response::Response;
use crate::http::body::Decoder;
use crate::http::connection::request_persistence;
use crate::http::framing::{Framed, request_framing};
use crate::http::head::{Parsed, RequestHead, Version};
use crate::http::limits::Limits;
use crate::net::listener::AsyncStream;

/// How large a cancel's reason may be.
const REASON_OCTETS_MAX: usize = 4096;

/// A request, as far as it matters here.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Vec<u8>,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) host: Vec<u8>,
    pub(super) wants_json: bool,
    /// It carries `Osier-Admin: 1`.
    pub(super) is_meant: bool,
    pub(super) body: Vec<u8>,
    /// What the client speaks.
    pub(super) version: Version,
    pub(super) persists: bool,
}

impl Request {
    /// The number that the query has under this name, if it has one.
    ///
    /// # Errors
    /// It is no number: the answer.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Response> {
        let mut pairs = self.query.split('&').filter_map(|it| it.split_once('='));
        match pairs.find(|(key, _)| *key == name) {
            None => Ok(None),
            Some((_, text)) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(Response::text(400, format!("`{name}` wants a number\n"))),
            },
        }
    }
}

/// Why there is no request to answer.
pub(super) enum Refusal {
    /// Nobody is there any more, or not in time.
    Gone,
    /// The message broke a rule.
    Sin(u16, &'static str),
}

/// Reads one request; what comes behind it stays in `input`.
pub(super) async fn read(
    stream: &mut Box<dyn AsyncStream>,
    input: &mut Vec<u8>,
    limits: &Limits,
) -> Result<Request, Refusal> {
    let mut head = RequestHead::default();
    let consumed = loop {
        match head
            .parse(input, limits)
            .map_err(|error| Refusal::Sin(error.status(), error.sin()))?
        {
            Parsed::Complete(consumed) => break consumed,
            Parsed::Partial => receive(stream, input).await?,
        }
    };
    input.drain(..consumed);
    let framed = request_framing(&head, limits)
        .map_err(|error| Refusal::Sin(error.status(), error.sin()))?;
    let body = read_content(stream, input, &framed, limits).await?;
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
        version: head.version(),
        persists: request_persistence(&head).is_reuse(),
    })
}

/// Reads the content, if there is any.
async fn read_content(
    stream: &mut Box<dyn AsyncStream>,
    input: &mut Vec<u8>,
    framed: &Framed,
    limits: &Limits,
) -> Result<Vec<u8>, Refusal> {
    let mut decoder = Decoder::new(framed, limits);
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
    Ok(body)
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
