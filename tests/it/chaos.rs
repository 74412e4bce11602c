//! Origins that come and go, close when they like, stall and break off, under load.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::metrics::Page;
use crate::reload::Gateway;
use crate::support::{End, Json, PATIENCE, json, wait_for};

/// Reads a request without content. False: there is none.
fn take_request(reader: &mut BufReader<TcpStream>) -> bool {
    let mut line = String::new();
    loop {
        line.clear();
        match reader.read_line(&mut line) {
            Ok(0) | Err(_) => return false,
            Ok(2) => return true,
            Ok(_) => {}
        }
    }
}

/// Waits until no branch, no connection that is used, no permit, nobody in a queue and no buffer is left of what was
/// asked of these endpoints.
pub(crate) fn wait_until_nothing_is_left(gateway: &Gateway, count: usize) {
    wait_for("every branch to be gone", || {
        let tree = gateway.admin("localhost", "/tree").text().to_owned();
        (!tree.contains("exchange") && !tree.contains("attempt")).then_some(())
    });
    let is_left = |endpoint: &Json| {
        let of = |name: &str| endpoint[name].number();
        let mut left = vec![of("in_flight"), of("open") - of("idle")];
        if endpoint.has("connections") {
            // A permit for each connection there is, and no other.
            left.extend([of("connections") - of("open"), of("queued")]);
        }
        left.iter().any(|count| *count != 0.0)
    };
    let until = Instant::now() + PATIENCE;
    loop {
        let status = gateway.status();
        let all = json(&status);
        let endpoints = all["upstreams"].items()[0]["endpoints"].items();
        assert_eq!(endpoints.len(), count);
        let in_use = all["buffers_in_use"].number();
        if !endpoints.iter().any(is_left) && in_use == 0.0 {
            return;
        }
        assert!(Instant::now() < until, "this is left: {status}");
        thread::sleep(Duration::from_millis(2));
    }
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A small generator of numbers, for choices that differ from run to run of a connection.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    *seed >> 33
}

/// Serves connections of `listener` on threads of their own, until it is shut.
fn accept(listener: TcpListener, each: impl Fn(TcpStream, u64) + Send + Sync + 'static) {
    let each = Arc::new(each);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            let each = each.clone();
            thread::spawn(move || each(stream, number as u64));
        }
    });
}

#[test]
fn an_origin_that_closes_idle_connections_when_it_likes_costs_no_request() {
    const REQUESTS: usize = 10_000;
    const CLIENTS: usize = 4;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let closed = Arc::new(AtomicUsize::new(0));
    let closing = closed.clone();
    accept(listener, move |mut stream, number| {
        let mut seed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut is_first = true;
        while take_request(&mut reader) {
            // Idle no longer: the request has met its end on the way.
            if !is_first && next(&mut seed) % 50 == 0 {
                break;
            }
            is_first = false;
            if stream.write_all(ANSWER).is_err() {
                break;
            }
            match next(&mut seed) % 20 {
                0 => break,
                1 => {
                    thread::sleep(Duration::from_micros(next(&mut seed) % 500));
                    break;
                }
                _ => {}
            }
        }
        closing.fetch_add(1, Ordering::Relaxed);
        let _ = stream.shutdown(Shutdown::Both);
    });
    let gateway = Gateway::run(&format!("[[route]]\nto = \"{address}\"\n"), &[]);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let mut wire = gateway.osier.connect();
            scope.spawn(move || {
                for request in 0..REQUESTS / CLIENTS {
                    let answer = wire.get("/");
                    assert_eq!(answer.status(), 200, "request {request}: {answer:?}");
                }
            });
        }
    });
    assert!(closed.load(Ordering::Relaxed) > 500, "it did close them");
    wait_until_nothing_is_left(&gateway, 1);
}

/// An origin that can be killed, with a reset for everybody, and be there again at the same port.
pub(crate) struct Mortal {
    pub(crate) address: SocketAddr,
    /// What it answers.
    says: &'static str,
    alive: Arc<Mutex<Vec<TcpStream>>>,
    is_dead: Arc<AtomicBool>,
}

impl Mortal {
    fn new() -> Self {
        Self::at(([127, 0, 0, 1], 0), "ok")
    }

    pub(crate) fn at(address: ([u8; 4], u16), says: &'static str) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(address)).unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            says,
            alive: Arc::default(),
            is_dead: Arc::default(),
        };
        this.live(listener);
        this
    }

    fn live(&self, listener: TcpListener) {
        let (alive, is_dead, says) = (self.alive.clone(), self.is_dead.clone(), self.says);
        self.is_dead.store(false, Ordering::SeqCst);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                if is_dead.load(Ordering::SeqCst) {
                    return;
                }
                alive.lock().unwrap().push(stream.try_clone().unwrap());
                thread::spawn(move || serve(stream, says));
            }
        });
    }

    /// Everything ends, with a reset.
    pub(crate) fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
        // Its loop looks once more, and goes.
        let _ = TcpStream::connect(self.address);
        for stream in self.alive.lock().unwrap().drain(..) {
            let _ = rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn revive(&self) {
        let listener = wait_for("the port", || TcpListener::bind(self.address).ok());
        self.live(listener);
    }
}

/// Answers small requests at once, and `/long` bit by bit.
fn serve(mut stream: TcpStream, says: &str) {
    let length = says.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{says}");
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        if !matches!(reader.read_line(&mut line), Ok(1..)) || !take_request(&mut reader) {
            return;
        }
        let sent = match line.starts_with("GET /long") {
            false => stream.write_all(answer.as_bytes()),
            true => stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
                .and_then(|()| {
                    (0..40).try_for_each(|_| {
                        thread::sleep(Duration::from_millis(1));
                        stream.write_all(b".")
                    })
                }),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Says when it is dropped that it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn an_origin_killed_a_hundred_times_costs_nobody_an_answer_that_had_not_begun() {
    const KILLS: usize = 100;
    let origins = [Mortal::new(), Mortal::new(), Mortal::new()];
    let to: Vec<_> = origins
        .iter()
        .map(|it| format!("\"{}\"", it.address))
        .collect();
    let gateway = Gateway::run(
        &format!(
            "[upstream.app]\nto = [{}]\neject = {{ failures = 2, within = \"1s\", for = \"10ms\" }}\nmax_connections = 40\n\
             [[route]]\nto = \"app\"\nretry = {{ attempts = 3, budget = \"off\", backoff = \"1ms\" }}\n",
            to.join(", ")
        ),
        &[],
    );
    let counted =
        |counts: &[AtomicUsize; 4]| counts.each_ref().map(|it| it.load(Ordering::Relaxed));
    let is_over = AtomicBool::new(false);
    let (whole, cut) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // How many answers each client has had.
    let small: [AtomicUsize; 4] = Default::default();
    let address = gateway.osier.address();
    thread::scope(|scope| {
        let is_over = &is_over;
        // Also when this thread panics: the others are waited for.
        let over = Over(is_over);
        for small in &small {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    stream
                        .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
                        .unwrap();
                    let mut reader = BufReader::new(&mut stream);
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    assert_eq!(line, "HTTP/1.1 200 OK\r\n");
                    while line != "\r\n" {
                        line.clear();
                        reader.read_line(&mut line).unwrap();
                    }
                    let mut body = [0; 2];
                    reader.read_exact(&mut body).unwrap();
                    small.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let mut stream = TcpStream::connect(address).unwrap();
                    let head = b"GET /long HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
                    stream.write_all(head).unwrap();
                    let mut all = Vec::new();
                    let end = stream.read_to_end(&mut all);
                    let text = String::from_utf8_lossy(&all);
                    assert!(
                        text.starts_with("HTTP/1.1 200 OK\r\n") || end.is_err(),
                        "{text}"
                    );
                    let content = text
                        .split_once("\r\n\r\n")
                        .map_or(0, |(_, body)| body.len());
                    match content {
                        40 => whole.fetch_add(1, Ordering::Relaxed),
                        // Fewer octets than were announced: nobody takes this for the whole.
                        _ => cut.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
        for kill in 0..KILLS {
            let victim = &origins[kill % 3];
            let before = counted(&small);
            thread::sleep(Duration::from_millis(10));
            // A request sees one of them die and no more, however slow the machine is: a client's first answer may be to
            // one that saw the last, its second is not.
            wait_for("two answers for each", || {
                let now = counted(&small);
                let grown = now.iter().zip(&before).map(|(now, before)| now - before);
                grown.min().filter(|grown| *grown >= 2)
            });
            victim.kill();
            thread::sleep(Duration::from_millis(10));
            victim.revive();
        }
        drop(over);
    });
    let small: usize = counted(&small).iter().sum();
    let counts = [small, whole.into_inner(), cut.into_inner()];
    assert!(
        counts.iter().all(|count| *count > 0),
        "small, whole, cut: {counts:?}"
    );
    wait_until_nothing_is_left(&gateway, 3);
    // Every request was counted as its client saw it, and no other.
    let [small, whole, cut] = counts.map(|count| count as f64);
    let page = Page::of(&gateway);
    assert_eq!(page.sum("osier_requests_total"), small + whole + cut);
    let well = page.get("osier_requests_total{route=\"*\",code=\"2xx\"}");
    assert_eq!(well, small + whole + cut, "{page:#?}");
    assert_eq!(page.sum("osier_ended_total"), cut, "{page:#?}");
    let closed = page.get("osier_ended_total{cause=\"origin_closed\"}");
    assert_eq!(closed, cut, "{page:#?}");
    // Each try is the first of a request, another one, or one in place of a connection that had ended.
    let of = |name: &str| page.get(&format!("{name}{{upstream=\"app\"}}"));
    assert_eq!(
        of("osier_attempts_total"),
        small + whole + cut + of("osier_retries_total") + of("osier_stale_replays_total"),
    );
    assert!(of("osier_retries_total") > 0.0, "{page:#?}");
    assert_eq!(
        of("osier_request_duration_seconds_count"),
        small + whole + cut
    );
}

#[test]
fn origins_that_misbehave_have_the_outcome_that_is_written_down() {
    let behaving = |behave: fn(&mut TcpStream)| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        accept(listener, move |mut stream, _| {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            if take_request(&mut reader) {
                behave(&mut stream);
            }
        });
        let file = format!(
            "timeouts = {{ response = \"200ms\", total = \"2s\" }}\n[upstream.app]\nto = \"{address}\"\nmax_connections = 9\n\
             [[route]]\nto = \"app\"\nretry = {{ attempts = 1 }}\n"
        );
        Gateway::run_with(
            &file[..file.find("[up").unwrap()],
            &file[file.find("[up").unwrap()..],
        )
    };
    let until_gone = |stream: &mut TcpStream| {
        let _ = stream.read(&mut [0; 16]);
    };
    let never = behaving(until_gone);
    let slow = behaving(|stream| {
        for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".iter() {
            thread::sleep(Duration::from_millis(50));
            if stream.write_all(&[*octet]).is_err() {
                return;
            }
        }
    });
    let garbage = behaving(|stream| {
        let _ = stream.write_all(b"\x16\x03\x01 what is this\r\n\r\n");
        let _ = stream.read(&mut [0; 16]);
    });
    for (gateway, status, cause) in [
        (&never, 504, "response_timeout"),
        (&slow, 504, "response_timeout"),
        (&garbage, 502, "origin_protocol:"),
    ] {
        let answer = gateway.get("/");
        assert_eq!(answer.status(), status, "{answer:?}");
        assert!(
            answer.field("proxy-status").unwrap().contains(cause),
            "{answer:?}"
        );
    }
    let cut = behaving(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        let _ = rustix::net::sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
    });
    let trickle = behaving(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while stream.write_all(b"1\r\n.\r\n").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    for gateway in [&cut, &trickle] {
        let mut wire = gateway.osier.connect();
        wire.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let (octets, end) = wire.read_to_end();
        let text = String::from_utf8_lossy(&octets);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(!text.ends_with("0\r\n\r\n"), "{text}");
        assert!(end == End::Reset || !text.contains("chunked"), "{text}");
    }
    for gateway in [&never, &slow, &garbage, &cut, &trickle] {
        wait_until_nothing_is_left(gateway, 1);
        let status = json(&gateway.status());
        let open = &status["upstreams"].items()[0]["endpoints"].items()[0]["open"];
        assert_eq!(open.number(), 0.0, "no such connection is used again");
    }
}
