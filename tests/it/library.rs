//! The proxy as a library: one connection on an executor of one's own, over sockets or over memory, with time that
//! moves only when told to; and the hooks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll, Waker};
use std::time::Duration;

use osier::ReverseProxy;
use osier::clock::TestClock;
use osier::context::{self, Cancel};
use osier::net::address::Address;
use osier::net::dialer::Dial;
use osier::net::pair::Pair;
use osier::proxy::answer::Answer;
use osier::proxy::gateway::Gateway;
use osier::proxy::session;
use smol::LocalExecutor;
use smol::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

use crate::support::{House, Origin};

// Connections in memory.

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    octets: VecDeque<u8>,
    /// The writer is gone, or has said that no more comes.
    ended: bool,
    /// The reader is gone.
    unread: bool,
    waker: Option<Waker>,
}

type Shared = Rc<RefCell<Pipe>>;

struct Reader(Shared);
struct Writer(Shared);

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.borrow_mut();
        if pipe.octets.is_empty() && !pipe.ended {
            pipe.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = into.len().min(pipe.octets.len());
        for (place, octet) in into.iter_mut().zip(pipe.octets.drain(..count)) {
            *place = octet;
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.0.borrow().unread {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.0.borrow_mut().put(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().end();
        Poll::Ready(Ok(()))
    }
}

impl Pipe {
    fn put(&mut self, octets: &[u8]) {
        self.octets.extend(octets);
        self.wake();
    }

    fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.borrow_mut().unread = true;
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.borrow_mut().end();
    }
}

/// The test's end of a connection in memory.
struct Peer {
    incoming: Shared,
    outgoing: Shared,
}

impl Peer {
    /// Both ends of a new connection.
    fn connect() -> (Self, Pair<Reader, Writer>) {
        let (there, back) = (Shared::default(), Shared::default());
        let peer = Self {
            incoming: back.clone(),
            outgoing: there.clone(),
        };
        (peer, Pair::new(Reader(there), Writer(back)))
    }

    fn send(&self, text: &str) {
        self.outgoing.borrow_mut().put(text.as_bytes());
    }

    fn finish(&self) {
        self.outgoing.borrow_mut().end();
    }

    /// What has arrived.
    fn take(&self) -> String {
        let octets: Vec<u8> = self.incoming.borrow_mut().octets.drain(..).collect();
        String::from_utf8(octets).unwrap()
    }

    fn has_ended(&self) -> bool {
        self.incoming.borrow().ended
    }
}

/// Dials in memory; the test takes the other ends from here.
#[derive(Clone, Default)]
struct MemoryDial {
    accepted: Rc<RefCell<VecDeque<Peer>>>,
    /// Nobody answers.
    is_deaf: bool,
}

impl Dial for MemoryDial {
    type Stream = Pair<Reader, Writer>;

    async fn dial(&self, _: &Address) -> io::Result<Self::Stream> {
        if self.is_deaf {
            std::future::pending::<()>().await;
        }
        let (peer, stream) = Peer::connect();
        self.accepted.borrow_mut().push_back(peer);
        Ok(stream)
    }
}

/// A gateway in memory, on a clock of its own.
struct Stage {
    clock: TestClock,
    executor: LocalExecutor<'static>,
    dial: MemoryDial,
    gateway: Rc<Gateway<MemoryDial>>,
}

const SOMEWHERE: &str = "127.0.0.1:1";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

impl Stage {
    fn new() -> Self {
        Self::with(MemoryDial::default(), &proxy())
    }

    fn with(dial: MemoryDial, proxy: &ReverseProxy) -> Self {
        let clock = TestClock::install();
        Self {
            clock,
            executor: LocalExecutor::new(),
            gateway: proxy.gateway(dial.clone()),
            dial,
        }
    }

    /// A client that has connected, and the handle of its session's node.
    fn connect(&self) -> (Peer, Cancel) {
        let (peer, stream) = Peer::connect();
        let (ctx, cancel) = context::background()
            .named("session", "client")
            .with_cancel();
        let gateway = self.gateway.clone();
        self.executor
            .spawn(session::serve(gateway, stream, None, ctx))
            .detach();
        self.settle();
        (peer, cancel)
    }

    /// Runs until nothing moves.
    fn settle(&self) {
        while self.executor.try_tick() {}
    }

    /// Lets time pass, and what it causes happen.
    fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.settle();
    }

    fn send(&self, peer: &Peer, text: &str) {
        peer.send(text);
        self.settle();
    }

    /// The next connection to the origin.
    fn accept(&self) -> Peer {
        let accepted = self.dial.accepted.borrow_mut().pop_front();
        accepted.unwrap_or_else(|| panic!("nobody connects to the origin"))
    }
}

fn proxy() -> ReverseProxy {
    ReverseProxy::builder().to(SOMEWHERE).unwrap().build()
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Just less than so many seconds.
fn nearly(count: u64) -> Duration {
    seconds(count) - Duration::from_millis(1)
}

#[test]
fn an_exchange_needs_no_sockets() {
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    for number in 1..=3 {
        stage.send(
            &client,
            &format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        );
        if number == 1 {
            let at_origin = stage.accept();
            stage.dial.accepted.borrow_mut().push_front(at_origin);
        }
        let accepted = stage.dial.accepted.borrow();
        assert_eq!(accepted.len(), 1, "the connection is used again");
        let at_origin = &accepted[0];
        let request = at_origin.take();
        assert!(request.starts_with(&format!("GET /{number} HTTP/1.1\r\n")));
        stage.send(at_origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let response = client.take();
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.ends_with("\r\n\r\nok"), "{response}");
    }
}

#[test]
fn a_request_budget_that_runs_out_gives_504_without_any_waiting() {
    let mut rules = ReverseProxy::builder().to(SOMEWHERE).unwrap();
    rules = rules.timeouts(osier::proxy::timeout::Timeouts {
        request: Some(seconds(3600)),
        response: None,
        ..Default::default()
    });
    let stage = Stage::with(MemoryDial::default(), &rules.build());
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    at_origin.take();

    stage.advance(nearly(3600));
    assert_eq!(client.take(), "");
    assert!(!at_origin.has_ended());
    stage.advance(Duration::from_millis(1));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    assert!(response.contains("deadline:request"), "{response}");
    assert!(at_origin.has_ended(), "the attempt's I/O ends with it");

    // The client's connection was never in danger.
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(&at_origin, "HTTP/1.1 204 No Content\r\n\r\n");
    assert!(client.take().starts_with("HTTP/1.1 204 "));
}

#[test]
fn the_response_timeout_runs_from_the_last_octet_of_the_request() {
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    stage.send(
        &client,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na",
    );
    let at_origin = stage.accept();
    stage.advance(nearly(30));
    stage.send(&client, "b");
    stage.advance(nearly(30));
    assert_eq!(client.take(), "");
    stage.advance(Duration::from_millis(1));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    assert!(response.contains("response_timeout"), "{response}");
    assert!(at_origin.has_ended());
}

#[test]
fn interim_responses_do_not_buy_time() {
    for request in [
        GET,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
    ] {
        let stage = Stage::new();
        let (client, _cancel) = stage.connect();
        stage.send(&client, request);
        let at_origin = stage.accept();
        // From the last octet of the request to the first of the final response: 30 s.
        stage.advance(seconds(20));
        stage.send(&at_origin, "HTTP/1.1 102 Processing\r\n\r\n");
        assert!(client.take().starts_with("HTTP/1.1 102 "));
        stage.advance(seconds(10));
        let response = client.take();
        assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
        assert!(response.contains("response_timeout"), "{response}");
    }
}

#[test]
fn a_client_that_waits_for_its_100_does_not_stall() {
    // It is the origin's turn: only its own timeouts run.
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    stage.send(
        &client,
        "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    let _at_origin = stage.accept();
    stage.advance(seconds(100));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
}

#[test]
fn a_body_may_take_for_ever_as_long_as_it_moves() {
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    stage.send(
        &client,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n",
    );
    let at_origin = stage.accept();
    for _ in 0..99 {
        stage.advance(nearly(30));
        stage.send(&client, "x");
    }
    assert_eq!(client.take(), "");
    assert!(at_origin.take().ends_with(&"x".repeat(99)));
    stage.advance(seconds(30));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.contains("client_body_timeout"), "{response}");
    assert!(at_origin.has_ended());
}

#[test]
fn a_slow_head_is_a_408_after_ten_seconds_however_it_trickles() {
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    stage.send(&client, "GET / HTTP/1.1\r\nX: ");
    for _ in 0..9 {
        stage.advance(seconds(1));
        stage.send(&client, "y");
    }
    assert_eq!(client.take(), "");
    stage.advance(seconds(1));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.contains("header_timeout"), "{response}");
    // Our end is said; theirs is awaited for a little while, no longer.
    assert!(client.has_ended());
    stage.advance(seconds(2));
    assert_eq!(stage.gateway.session_count(), 0);
}

#[test]
fn an_idle_client_may_stay_for_a_minute() {
    let stage = Stage::new();
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(&at_origin, "HTTP/1.1 204 No Content\r\n\r\n");
    client.take();
    stage.advance(nearly(60));
    assert!(!client.has_ended());
    stage.advance(Duration::from_millis(1));
    assert!(client.has_ended());
    assert_eq!(client.take(), "");
    assert_eq!(stage.gateway.session_count(), 0);
}

#[test]
fn a_connect_that_does_not_end_is_given_up_twice_and_is_a_504() {
    let deaf = MemoryDial {
        is_deaf: true,
        ..MemoryDial::default()
    };
    let stage = Stage::with(deaf, &proxy());
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    stage.advance(seconds(3));
    assert_eq!(client.take(), "", "there is another attempt");
    // There is nobody else to try, so it pauses first.
    stage.advance(Duration::from_millis(38));
    stage.advance(seconds(3));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 504 "), "{response}");
    assert!(response.contains("connect_timeout"), "{response}");
}

#[test]
fn an_idle_origin_connection_is_closed_before_the_origin_does() {
    let stage = Stage::new();
    let gateway = stage.gateway.clone();
    stage
        .executor
        .spawn(async move { gateway.pool().keep().await })
        .detach();
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(&at_origin, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(stage.gateway.pool().idle_count(), 1);
    stage.advance(nearly(20));
    assert!(!at_origin.has_ended());
    stage.advance(Duration::from_millis(1));
    assert!(at_origin.has_ended());
    assert_eq!(stage.gateway.pool().idle_count(), 0);
}

#[test]
fn what_has_ended_leaves_no_timer_behind() {
    let stage = Stage::new();
    let (client, cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(&at_origin, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    assert!(stage.clock.armed_count() > 0);
    client.finish();
    stage.settle();
    assert!(at_origin.has_ended(), "the client is gone");
    assert_eq!(stage.gateway.session_count(), 0);
    assert_eq!(stage.clock.armed_count(), 0);
    let tree = context::View::of(cancel.context(), &context::ViewOptions::default());
    let tree = tree.to_text();
    assert_eq!(tree.lines().count(), 1, "{tree}");
}

#[test]
fn cancelling_the_session_ends_it_wherever_it_is() {
    // Idle.
    let stage = Stage::new();
    let (client, cancel) = stage.connect();
    cancel.cancel();
    stage.settle();
    assert!(client.has_ended());

    // While the response is awaited.
    let (client, cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    cancel.cancel();
    stage.settle();
    assert!(client.has_ended() && at_origin.has_ended());
    assert!(client.take().starts_with("HTTP/1.1 503 "));

    // While a body is carried.
    let (client, cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(&at_origin, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
    cancel.cancel();
    stage.settle();
    assert!(client.has_ended() && at_origin.has_ended());
    assert!(client.take().ends_with("\r\n\r\nab"));
    assert_eq!(stage.gateway.session_count(), 0);
    assert_eq!(stage.clock.armed_count(), 0);
}

#[test]
fn a_gateway_drains_on_any_executor() {
    let stage = Stage::new();
    let (idle, _idle_cancel) = stage.connect();
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.gateway.drain();
    stage.settle();
    assert!(idle.has_ended());
    assert_eq!(stage.gateway.session_count(), 1);
    stage.send(&at_origin, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert!(client.take().contains("\r\nConnection: close\r\n"));
    assert!(client.has_ended());
    assert_eq!(stage.gateway.session_count(), 0);
}

#[test]
fn a_stream_that_answers_by_itself_is_a_connection_too() {
    // Over real sockets, with smol's reactor and nothing of osier's workers.
    struct SmolDial;
    impl Dial for SmolDial {
        type Stream = Pair<TcpStream, TcpStream>;

        async fn dial(&self, to: &Address) -> io::Result<Self::Stream> {
            let Address::Inet(addr) = to else {
                return Err(io::ErrorKind::Unsupported.into());
            };
            let stream = TcpStream::connect(addr).await?;
            Ok(Pair::new(stream.clone(), stream))
        }
    }
    let origin = Origin::that_answers();
    let proxy = ReverseProxy::builder().endpoint(origin.endpoint()).build();
    let gateway = proxy.gateway(SmolDial);
    let executor = LocalExecutor::new();
    let answers = smol::block_on(executor.run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let serving = executor.spawn(async move {
            let (client, peer) = listener.accept().await.unwrap();
            let (ctx, _cancel) = context::background().with_cancel();
            session::serve(gateway, Pair::new(client.clone(), client), Some(peer), ctx).await;
        });
        let mut client = TcpStream::connect(addr).await.unwrap();
        let requests = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        drop(client);
        serving.await;
        answers
    }));
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 2);
    assert!(answers.ends_with("\r\n\r\n/2"), "{answers}");
    assert_eq!(origin.connection_count(), 1);
}

// The hooks.

#[test]
fn a_rewrite_sees_what_came_in_and_changes_what_goes_out() {
    let origin = Origin::that_answers();
    let proxy = ReverseProxy::builder()
        .endpoint(origin.endpoint())
        .rewrite(|input, out| {
            assert!(input.fields().get("connection").is_some());
            assert!(out.fields().get("x-hop").is_none(), "it ends at this hop");
            let agent = input.fields().get("user-agent").unwrap_or(b"none").to_vec();
            out.fields_mut().set("X-Agent", agent).unwrap();
            out.fields_mut().remove("User-Agent");
        })
        .build();
    let house = House::to(origin.endpoint());
    drop(house);
    let mut options = crate::support::options([]);
    options.rules = proxy.rules().clone();
    let house = House::start(options);
    house.connect().ask(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\nUser-Agent: me\r\n\r\n",
    );
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("x-agent"), Some("me"));
    assert_eq!(request.field("user-agent"), None);
}

#[test]
fn a_rewrite_cannot_smuggle() {
    // Whatever a hook writes, the framing is the message's own.
    let stage = Stage::with(
        MemoryDial::default(),
        &ReverseProxy::builder()
            .to(SOMEWHERE)
            .unwrap()
            .rewrite(|_, out| {
                for (name, value) in [
                    ("Content-Length", "3"),
                    ("Transfer-Encoding", "chunked"),
                    ("Connection", "close"),
                    ("X-Two", "a\r\nX-Three: b"),
                ] {
                    let _ = out.fields_mut().set(name, value.as_bytes());
                }
            })
            .build(),
    );
    let (client, _cancel) = stage.connect();
    stage.send(
        &client,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    );
    let Some(at_origin) = stage.dial.accepted.borrow_mut().pop_front() else {
        // Refused: just as good.
        assert!(client.take().starts_with("HTTP/1.1 5"));
        return;
    };
    let request = at_origin.take();
    if request.is_empty() {
        assert!(client.take().starts_with("HTTP/1.1 5"));
        return;
    }
    let lower = request.to_ascii_lowercase();
    assert_eq!(lower.matches("content-length:").count(), 1, "{request}");
    assert!(lower.contains("\r\ncontent-length: 5\r\n"), "{request}");
    assert!(!lower.contains("transfer-encoding"), "{request}");
    assert!(!lower.contains("x-three"), "{request}");
    assert!(request.ends_with("\r\n\r\nhello"), "{request}");
}

#[test]
fn a_response_can_be_changed_or_rejected() {
    let stage = Stage::with(
        MemoryDial::default(),
        &ReverseProxy::builder()
            .to(SOMEWHERE)
            .unwrap()
            .modify_response(|response| {
                if response.status() == 345 {
                    return Err("not with me".into());
                }
                response.fields_mut().remove("Server");
                Ok(())
            })
            .build(),
    );
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let at_origin = stage.accept();
    stage.send(
        &at_origin,
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nok",
    );
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(!response.contains("Server"), "{response}");

    stage.send(&client, GET);
    stage.send(
        &at_origin,
        "HTTP/1.1 345 Odd\r\nContent-Length: 2\r\n\r\nno",
    );
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
    assert!(
        at_origin.has_ended(),
        "what it still had to say is not wanted"
    );
}

#[test]
fn an_error_can_be_answered_in_ones_own_words() {
    let stage = Stage::with(
        MemoryDial::default(),
        &ReverseProxy::builder()
            .to(SOMEWHERE)
            .unwrap()
            .error_response(|error| {
                (error.cause() == "response_timeout")
                    .then(|| Answer::respond(418, b"a teapot is slow\n".to_vec()))
            })
            .build(),
    );
    let (client, _cancel) = stage.connect();
    stage.send(&client, GET);
    let _at_origin = stage.accept();
    stage.advance(seconds(30));
    let response = client.take();
    assert!(response.starts_with("HTTP/1.1 418 "), "{response}");
    assert!(response.ends_with("a teapot is slow\n"), "{response}");

    // Other errors are answered as ever.
    stage.send(&client, "GET / HTTP/1.1\r\n\r\n");
    assert!(client.take().starts_with("HTTP/1.1 400 "));
}
