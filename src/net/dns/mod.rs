//! What the C library has no function for: asking name servers for SRV records. Blocks, so never on a worker.
//!
//! The servers of `/etc/resolv.conf` are asked one after the other, over UDP from a port and with an id that nobody can
//! guess; an answer that is too long for that is fetched over TCP.

pub(super) mod message;
pub(super) mod resolv;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::address::AddressError;
use super::service::Records;
use crate::clock;
use message::Reply;
use resolv::Resolv;

const FILE: &str = "/etc/resolv.conf";
/// An answer over UDP has no more octets than this where no more were asked for; some have all the same.
const DATAGRAM_MAX: usize = 4096;

/// Asks for the SRV records of `name`. It may take seconds.
///
/// # Errors
/// [`AddressError::Unresolved`]: there are none, or nobody can tell.
pub(super) fn service(name: &str) -> Result<Records, AddressError> {
    look_up(&Resolv::read(FILE), name)
}

/// As [`service`], of these servers.
pub(super) fn look_up(resolv: &Resolv, name: &str) -> Result<Records, AddressError> {
    let mut why = "it is no name".to_owned();
    for name in resolv.names(name) {
        match ask_all(resolv, &name) {
            Ok(Reply::Records(records)) => return Ok(records),
            // One that is not there may be there in the next domain.
            Ok(Reply::Nothing(nothing)) => why = nothing.to_owned(),
            Ok(_) => {}
            // What takes its time does so for all of them.
            Err(error) => {
                why = error;
                break;
            }
        }
    }
    Err(AddressError::Unresolved(name.to_owned(), why))
}

/// Asks the servers until one knows.
fn ask_all(resolv: &Resolv, name: &str) -> Result<Reply, String> {
    let mut why = String::new();
    for _ in 0..resolv.attempts {
        for server in &resolv.servers {
            match ask(*server, name, resolv.timeout) {
                Ok(Reply::Refused(refused)) => why = format!("{server}: {refused}"),
                Ok(Reply::Truncated) => why = format!("{server}: the answer is cut short"),
                Ok(reply) => return Ok(reply),
                Err(error) => why = format!("{server}: {}", in_words(&error)),
            }
        }
    }
    Err(why)
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    }
}

/// Asks one server, over TCP where the answer is long.
fn ask(server: SocketAddr, name: &str, timeout: Duration) -> io::Result<Reply> {
    let id = draw();
    let Some(question) = message::question(id, name) else {
        return Ok(Reply::Nothing("it is no name"));
    };
    let until = clock::later(clock::now(), timeout);
    match ask_udp(server, id, name, &question, until)? {
        Reply::Truncated => {
            let until = clock::later(clock::now(), timeout);
            ask_tcp(server, id, name, &question, until)
        }
        reply => Ok(reply),
    }
}

fn ask_udp(
    server: SocketAddr,
    id: u16,
    name: &str,
    question: &[u8],
    until: Instant,
) -> io::Result<Reply> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // From here on only what that server sends is received.
    socket.connect(server)?;
    socket.send(question)?;
    let mut octets = [0; DATAGRAM_MAX];
    loop {
        socket.set_read_timeout(Some(left(until)?))?;
        let count = match socket.recv(&mut octets) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        // What is no answer to this question may be anybody's: the answer may still come.
        if let Some(reply) = message::reply(id, name, octets.get(..count).unwrap_or_default()) {
            return Ok(reply);
        }
    }
}

/// RFC 1035 §4.2.2: each message has its length in front.
fn ask_tcp(
    server: SocketAddr,
    id: u16,
    name: &str,
    question: &[u8],
    until: Instant,
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&server, left(until)?)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let length = u16::try_from(question.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    fill(&mut stream, &mut length, until)?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    fill(&mut stream, &mut octets, until)?;
    message::reply(id, name, &octets).ok_or_else(|| io::Error::other("no answer to the question"))
}

/// Reads as many octets as there is room for, however they come.
fn fill(stream: &mut TcpStream, mut room: &mut [u8], until: Instant) -> io::Result<()> {
    while !room.is_empty() {
        stream.set_read_timeout(Some(left(until)?))?;
        let count = match stream.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            received => received?,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        room = room.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

/// What is left of the time.
fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(clock::now());
    match left.is_zero() {
        true => Err(io::ErrorKind::TimedOut.into()),
        false => Ok(left),
    }
}

/// A number that nobody can guess: the keys of the hash are random.
fn draw() -> u16 {
    let [one, other, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    u16::from_ne_bytes([one, other])
}
