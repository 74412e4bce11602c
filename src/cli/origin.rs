//! The demo's origin: an echo, a slow answer, a stream of events, a WebSocket echo. Small, but on real sockets, with
//! smol's own reactor: everything that the gateway does to it is really done.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
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

/// Serves for ever.
pub(super) async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::try_from(listener)?;
    let executor = LocalExecutor::new();
    executor
        .run(async {
            loop {
                match listener.accept().await {
                    // What becomes of one client is its own affair.
                    Ok((stream, _)) => executor
                        .spawn(async { drop(connection(stream).await) })
                        .detach(),
                    Err(_) => drop(Timer::after(Duration::from_millis(50)).await),
                }
            }
        })
        .await
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
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
                let wait = query
                    .strip_prefix("ms=")
                    .and_then(|ms| ms.parse().ok())
                    .map_or(SLOW, Duration::from_millis);
                Timer::after(wait).await;
                respond(&mut stream, 200, &format!("that took {wait:?}\n"), true).await?;
            }
            "/events" => return events(&mut stream).await,
            _ => respond(&mut stream, 200, &echo(&head, &body), true).await?,
        }
    }
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
