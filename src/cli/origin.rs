//! The demo's origin: an echo, a slow answer, a stream of events, a WebSocket echo, and what its lessons ask for. Small,
//! but on real sockets, with smol's own reactor: everything that the gateway does to it is really done.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, future};
use smol::LocalExecutor;
use smol::Timer;
use smol::net::{TcpListener, TcpStream};

use super::websocket;
use crate::http::body::Decoder;
use crate::http::framing::request_framing;
use crate::http::head::{Parsed, RequestHead};
use crate::http::limits::Limits;

/// How long `/slow` takes, when the query does not say.
const SLOW: Duration = Duration::from_secs(10);
/// How many events `/events` sends.
const EVENTS: u32 = 3600;

/// How many requests it remembers for which it was slow once.
const MEMORY: usize = 64;

/// The requests for which it was slow once.
type Memory = RefCell<VecDeque<String>>;

/// Serves for ever, at two addresses.
pub(super) async fn serve([one, other]: [std::net::TcpListener; 2]) -> io::Result<()> {
    let memory = Memory::default();
    let executor = LocalExecutor::new();
    let accepting = |listener: std::net::TcpListener| {
        let (executor, memory) = (&executor, &memory);
        async move {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::try_from(listener)?;
            loop {
                match listener.accept().await {
                    // What becomes of one client is its own affair.
                    Ok((stream, _)) => executor
                        .spawn(async { drop(connection(stream, memory).await) })
                        .detach(),
                    Err(_) => drop(Timer::after(Duration::from_millis(50)).await),
                }
            }
        }
    };
    executor
        .run(future::or(accepting(one), accepting(other)))
        .await
}

async fn connection(mut stream: TcpStream, memory: &Memory) -> io::Result<()> {
    let limits = Limits::default();
    let mut input = Vec::new();
    let mut head = RequestHead::default();
    loop {
        let consumed = loop {
            match head.parse(&input, &limits) {
                Ok(Parsed::Complete(consumed)) => break consumed,
                Ok(Parsed::Partial) => {
                    if receive(&mut stream, &mut input).await? == 0 {
                        return Ok(());
                    }
                }
                Err(error) => {
                    return respond(&mut stream, error.status(), &format!("{error}\n"), false)
                        .await;
                }
            }
        };
        input.drain(..consumed);
        let Ok(framed) = request_framing(&head, &limits) else {
            return respond(&mut stream, 400, "framing\n", false).await;
        };
        let target = String::from_utf8_lossy(head.target()).into_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if path == "/ws" {
            return websocket::echo(&mut stream, &head, input).await;
        }
        let mut decoder = Decoder::new(&framed, &limits);
        let mut body = Vec::new();
        while !decoder.is_done() {
            let Ok(decoded) = decoder.decode(&input) else {
                return Ok(());
            };
            body.extend_from_slice(decoded.data);
            let consumed = decoded.consumed;
            input.drain(..consumed);
            if consumed == 0 && !decoder.is_done() && receive(&mut stream, &mut input).await? == 0 {
                return Ok(());
            }
        }
        match path {
            "/slow" => {
                let wait = span(query, "ms").unwrap_or(SLOW);
                Timer::after(wait).await;
                respond(&mut stream, 200, &format!("that took {wait:?}\n"), true).await?;
            }
            "/events" => return events(&mut stream).await,
            _ if path.starts_with("/lesson/") => {
                Timer::after(lesson_wait(query, memory)).await;
                respond(&mut stream, 200, &echo(&head, &body), true).await?;
            }
            _ => respond(&mut stream, 200, &echo(&head, &body), true).await?,
        }
    }
}

/// How long a lesson's request takes: `ms=N`, or with `once=WORD` `first=N` for the first one with this word and
/// `then=N` for the others.
fn lesson_wait(query: &str, memory: &Memory) -> Duration {
    let which = match parameter(query, "once") {
        None => "ms",
        Some(word) => {
            let mut memory = memory.borrow_mut();
            if memory.iter().any(|known| known == word) {
                "then"
            } else {
                memory.truncate(MEMORY - 1);
                memory.push_front(word.to_owned());
                "first"
            }
        }
    };
    span(query, which).unwrap_or_default()
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A parameter in milliseconds.
fn span(query: &str, name: &str) -> Option<Duration> {
    let ms = parameter(query, name)?.parse().ok()?;
    Some(Duration::from_millis(ms))
}

/// The request as it arrived here: what the gateway made of the client's.
fn echo(head: &RequestHead, body: &[u8]) -> String {
    let mut text =
        String::from("Hello from behind osier. This is the request as it arrived here:\n\n");
    let lossy = String::from_utf8_lossy;
    let _ = writeln!(
        text,
        "  {} {} HTTP/1.1",
        lossy(head.method()),
        lossy(head.target())
    );
    for (name, value) in head.fields().iter() {
        let _ = writeln!(text, "  {}: {}", lossy(name), lossy(value));
    }
    if !body.is_empty() {
        let _ = write!(
            text,
            "\nand its body, {} octets:\n\n{}\n",
            body.len(),
            lossy(body)
        );
    }
    text
}

async fn events(stream: &mut TcpStream) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await?;
    for number in 1..=EVENTS {
        let event = format!("id: {number}\ndata: event {number}\n\n");
        stream
            .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
            .await?;
        Timer::after(Duration::from_secs(1)).await;
    }
    stream.write_all(b"0\r\n\r\n").await
}

async fn respond(
    stream: &mut TcpStream,
    status: u16,
    content: &str,
    persists: bool,
) -> io::Result<()> {
    let reason = crate::http::head::reason_of(status);
    let connection = if persists {
        ""
    } else {
        "Connection: close\r\n"
    };
    let message = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         {connection}\r\n{content}",
        content.len(),
    );
    stream.write_all(message.as_bytes()).await
}

async fn receive(stream: &mut TcpStream, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut room = [0; 4096];
    let count = stream.read(&mut room).await?;
    input.extend_from_slice(room.get(..count).unwrap_or_default());
    Ok(count)
}
