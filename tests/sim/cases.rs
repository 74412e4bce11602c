//! What the simulation has found, each as small as it can be: one client and one origin, word by word.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_lite::future;
use osier::clock::{self, TestClock};
use osier::context::background;
use osier::log::Scribe;
use osier::net::dialer::Dial;
use osier::net::stream::{self, Hangup, Stream};
use osier::proxy::gateway::{Endpoint, Gateway, Rules, Target};
use osier::proxy::session;
use osier::proxy::site::Site;
use osier::proxy::timeout::Timeouts;
use osier::runtime::buffer::{Budget, Buffers};

use super::dice::Dice;
use super::records::{Book, Record};
use super::trace::Trace;
use super::turns::Turns;
use super::wire::{Manner, Tip, Wire};

/// A connection that does nothing of its own accord.
const PLAIN: Manner = Manner {
    room: 65_536,
    piece: 65_536,
    latency: Duration::ZERO,
    fickle: 0,
};

/// One session, its client, and an origin that says this when it is connected to.
struct Case {
    clock: TestClock,
    turns: Turns,
    book: Book,
    client: Tip,
    gateway: Rc<Gateway<Says>>,
}

/// Dials an origin that says one thing to whoever comes, and waits.
struct Says(&'static [u8], Turns, Dice, Trace);

impl Dial for Says {
    type Stream = Tip;

    async fn dial(&self, _: &osier::net::address::Address) -> io::Result<Tip> {
        let (near, far) = Wire::pair("origin".to_owned(), PLAIN, &self.2, &self.3);
        let octets = self.0;
        let saying = async move {
            let _ = stream::write_all(&far, &mut [IoSlice::new(octets)]).await;
            future::pending::<()>().await;
        };
        self.1.spawn(saying).detach();
        Ok(near)
    }
}

/// A connection that takes itself for readable until a read says otherwise, as a socket does behind a read that took all
/// it could hold, or went through a pipe.
struct Supposes(Tip, Cell<bool>);

impl Stream for Supposes {
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.1.get() {
            true => Poll::Ready(()),
            false => self.0.poll_readable(cx).map(|()| self.1.set(true)),
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, into: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        let polled = self.0.poll_read(cx, into);
        self.1.set(polled.is_ready());
        polled
    }

    fn poll_write(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, pieces)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn poll_hangup(&self, cx: &mut Context<'_>) -> Poll<Hangup> {
        self.0.poll_hangup(cx)
    }
}

impl Case {
    fn new(manner: Manner, timeouts: Timeouts, origin: &'static [u8]) -> Self {
        Self::by(manner, timeouts, origin, |tip| tip)
    }

    /// `wrap`: how the gateway sees its client's connection.
    fn by<S: Stream + 'static>(
        manner: Manner,
        timeouts: Timeouts,
        origin: &'static [u8],
        wrap: impl FnOnce(Tip) -> S,
    ) -> Self {
        let clock = TestClock::install();
        let (dice, trace, book) = (Dice::new(0), Trace::new(false), Book::open());
        let turns = Turns::new(dice.clone());
        let endpoint = Endpoint {
            addresses: vec![super::plan::address(1)].into(),
            ..Endpoint::named("192.0.2.1:1")
        };
        let rules = Rules {
            timeouts,
            attempts_max: 1,
            target: Target::Upstream(vec![endpoint]),
            ..Rules::default()
        };
        let dial = Says(origin, turns.clone(), dice.clone(), trace.clone());
        let gateway = Rc::new(Gateway::new(
            Site::from(rules).into(),
            dial,
            Buffers::new(Budget::new(64 << 20).into()),
            Scribe::new(book.log.clone()),
            0,
        ));
        let (client, tip) = Wire::pair("client".to_owned(), manner, &dice, &trace);
        let (ctx, cancel) = background().named("session", "case").with_cancel();
        let tip = wrap(tip);
        let serving_one = gateway.clone();
        let serving = async move {
            session::serve(serving_one, tip, None, ctx).await;
            drop(cancel);
        };
        turns.spawn(serving).detach();
        Self {
            clock,
            turns,
            book,
            client,
            gateway,
        }
    }

    /// Everything that can happen within this time happens.
    fn pass(&self, time: Duration) {
        let over = self.turns.spawn(clock::sleep(time));
        loop {
            while self.turns.step() {}
            if over.is_finished() || !self.clock.advance_to_next() {
                return;
            }
        }
    }

    fn says(&self, octets: &[u8]) {
        let mut pieces = [IoSlice::new(octets)];
        let said = stream::write_all(&self.client, &mut pieces);
        let said = future::block_on(future::poll_once(said));
        said.expect("there is room").expect("it is taken");
    }

    /// What the client can read by now, and whether that is all there will be.
    fn hears(&self) -> (String, bool) {
        let mut heard = Vec::new();
        loop {
            heard.reserve(4096);
            let count = future::block_on(future::poll_once(stream::read(&self.client, &mut heard)));
            let is_over = match count {
                None => false,
                Some(Ok(0) | Err(_)) => true,
                Some(Ok(_)) => {
                    // It may have made room for more.
                    while self.turns.step() {}
                    continue;
                }
            };
            return (String::from_utf8_lossy(&heard).into_owned(), is_over);
        }
    }

    fn records(mut self) -> Vec<Record> {
        drop((self.client, self.gateway));
        while self.turns.step() {}
        self.book.records()
    }
}

/// The client takes one octet of an interim response and no more: what it is told then must not begin behind that octet.
#[test]
fn nothing_begins_behind_a_part_of_an_interim_response() {
    let manner = Manner { room: 1, ..PLAIN };
    let timeouts = Timeouts {
        body: Some(Duration::from_secs(3)),
        ..Timeouts::default()
    };
    let case = Case::new(manner, timeouts, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    for octet in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        case.says(&[*octet]);
        case.pass(Duration::ZERO);
    }
    case.pass(Duration::from_secs(60));
    // The reset may take even that octet away.
    let (heard, is_over) = case.hears();
    assert!("H".starts_with(&heard) && is_over, "{heard}");
    let records = case.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].cause, "client_body_timeout");
}

/// The attempt's deadline holds while the client does not take an interim response.
#[test]
fn an_interim_response_buys_no_time() {
    let manner = Manner { room: 1, ..PLAIN };
    let timeouts = Timeouts {
        request: Some(Duration::from_secs(2)),
        ..Timeouts::default()
    };
    let case = Case::new(manner, timeouts, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    for octet in b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" {
        case.says(&[*octet]);
        case.pass(Duration::ZERO);
    }
    case.pass(Duration::from_secs(60));
    let records = case.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].cause, "deadline:request");
    assert!(
        (records[0].total_ms - 2000.0).abs() < 1.0,
        "{}",
        records[0].line
    );
}

/// A connection that only supposes that there is something to read does not make an idle session one that has begun a
/// request: its limit is that of idling, and it is closed without a word.
#[test]
fn what_is_only_supposed_to_be_readable_is_no_request() {
    // The header timeout is shorter than the idle one.
    let timeouts = Timeouts {
        header: Some(Duration::from_secs(1)),
        idle: Some(Duration::from_secs(9)),
        ..Timeouts::default()
    };
    let origin = b"HTTP/1.1 204 No Content\r\n\r\n";
    let case = Case::by(PLAIN, timeouts, origin, |tip| {
        Supposes(tip, Cell::new(true))
    });
    case.says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    case.pass(Duration::from_secs(60));
    let (heard, is_over) = case.hears();
    assert!(heard.starts_with("HTTP/1.1 204 "), "{heard}");
    assert!(!heard.contains("408"), "{heard}");
    assert!(is_over);
    assert_eq!(case.records().len(), 1);
}

/// A client that resets a connection on which it has asked for nothing is nobody to tell of.
#[test]
fn a_reset_between_two_requests_is_no_request() {
    let case = Case::new(PLAIN, Timeouts::default(), b"");
    case.pass(Duration::from_secs(1));
    case.client.abort();
    assert!(case.records().is_empty());
}

/// A connection that has only a part of a request is not used again: what came next would be taken for the rest of it.
#[test]
fn a_connection_whose_request_is_not_whole_is_not_kept() {
    let origin = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (content, kept) in [("0123456789", 1), ("0123456", 0)] {
        let case = Case::new(PLAIN, Timeouts::default(), origin);
        case.says(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
        case.says(content.as_bytes());
        case.pass(Duration::from_secs(1));
        let (heard, _) = case.hears();
        assert!(heard.starts_with("HTTP/1.1 200 OK\r\n"), "{heard}");
        assert_eq!(case.gateway.pool().idle_count(), kept, "{content}");
        assert_eq!(case.records().len(), 1);
    }
}
