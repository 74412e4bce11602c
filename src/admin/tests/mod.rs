mod crew;
mod numbers;
mod process;

use std::io;

use super::*;
use crate::context;
use crate::http::head::Version;

fn admin() -> Admin {
    let (_, cancel) = context::background().named("server", "test").with_cancel();
    Admin::new(
        Arc::new(cancel),
        Arc::default(),
        vec!["gate.example".to_owned()],
    )
}

fn request(method: &str, path: &str, host: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request {
        method: method.as_bytes().to_vec(),
        path: path.to_owned(),
        query: query.to_owned(),
        host: host.as_bytes().to_vec(),
        wants_json: false,
        is_meant: true,
        body: Vec::new(),
        version: Version::Http11,
        persists: true,
    }
}

/// What is answered as a whole.
fn answer(admin: &Admin, request: &Request, local: Option<SocketAddr>) -> Response {
    match future::block_on(admin.reply(request, local)) {
        Reply::Whole(response) => response,
        Reply::Stream(streamed) => panic!("{streamed:?}"),
    }
}

#[test]
fn only_a_host_that_is_meant_is_believed() {
    let admin = admin();
    let local = Some("127.0.0.1:8087".parse().unwrap());
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST:8087", 200),
        ("127.0.0.1:8087", 200),
        ("gate.example", 200),
        ("gate.example:80", 200),
        ("attacker.example", 403),
        ("127.0.0.2", 403),
        ("", 403),
    ] {
        assert_eq!(
            answer(&admin, &request("GET", "/tree", host), local).status,
            status,
            "{host}"
        );
    }
    assert_eq!(
        answer(
            &admin,
            &request("GET", "/healthz", "attacker.example"),
            local
        )
        .status,
        200
    );
}

#[test]
fn a_cancel_has_to_be_meant() {
    let admin = admin();
    let id = admin.root.context().id();
    let path = format!("/cancel/{id}");
    let unmeant = Request {
        is_meant: false,
        ..request("POST", &path, "localhost")
    };
    assert_eq!(admin.answer(&unmeant, None).status, 403);
    assert_eq!(
        admin
            .answer(&request("GET", &path, "localhost"), None)
            .status,
        405
    );
    assert_eq!(
        admin
            .answer(&request("POST", "/cancel/x", "localhost"), None)
            .status,
        400
    );
    assert_eq!(
        admin
            .answer(&request("POST", "/cancel/999999999", "localhost"), None)
            .status,
        404
    );
    let answer = admin.answer(&request("POST", &path, "localhost"), None);
    assert!(
        answer.status == 200
            && answer
                .content
                .starts_with("{\"nodes\":1,\"waiters\":0,\"depth\":0,"),
        "{answer:?}"
    );
    let cause = admin.root.context().cause().unwrap();
    assert_eq!(cause.reason().unwrap().to_string(), "cancelled by id");
}

#[test]
fn the_tree_is_cut_where_asked() {
    let admin = admin();
    let answer = |path: &str| answer(&admin, &request("GET", path, "localhost"), None);
    assert!(answer("/tree").content.starts_with("server#"));
    assert!(
        answer("/tree.json?depth=0&max=5")
            .content
            .starts_with("{\"id\":")
    );
    assert_eq!(answer("/tree?depth=x").status, 400);
    assert_eq!(answer("/tree?root=999999999").status, 404);
    assert_eq!(answer("/nothing").status, 404);
    admin.condition.reach(Condition::DRAINING);
    assert_eq!(
        (answer("/healthz").status, answer("/tree").status),
        (503, 200)
    );
}

/// A connection on which a request waits, and what was answered.
struct Asking {
    request: futures_lite::io::Cursor<Vec<u8>>,
    answer: Arc<std::sync::Mutex<Vec<u8>>>,
}

impl futures_lite::AsyncRead for Asking {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        into: &mut [u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.request).poll_read(cx, into)
    }
}

impl futures_lite::AsyncWrite for Asking {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
        octets: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        self.answer.lock().unwrap().extend_from_slice(octets);
        std::task::Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_close(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[test]
fn who_is_not_let_in_is_not_answered() {
    let answered = |admin: &Admin, peer: &str| {
        let answer = Arc::default();
        let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let stream = Asking {
            request: futures_lite::io::Cursor::new(request.into()),
            answer: Arc::clone(&answer),
        };
        let ends = Ends {
            local: "192.0.2.1:80".parse().unwrap(),
            peer: SocketAddr::new(peer.parse().unwrap(), 1),
        };
        future::block_on(admin.serve(Box::new(stream), Some(ends)));
        let octets = answer.lock().unwrap().clone();
        octets.starts_with(b"HTTP/1.1 200")
    };
    let closed = admin();
    assert!(answered(&closed, "127.0.0.1") && answered(&closed, "::ffff:127.0.0.1"));
    assert!(!answered(&closed, "198.51.100.7"));
    let open = admin().allowing(vec!["198.51.100.0/24".parse().unwrap()]);
    assert!(answered(&open, "198.51.100.7") && !answered(&open, "203.0.113.7"));
}

#[test]
fn a_stream_ends_with_its_last_chunk_or_with_the_connection() {
    let written = |manner: Manner| {
        let answer = Arc::default();
        let mut stream: Box<dyn AsyncStream> = Box::new(Asking {
            request: futures_lite::io::Cursor::new(Vec::new()),
            answer: Arc::clone(&answer),
        });
        let pieces = futures_lite::stream::iter([b"one".to_vec(), vec![b'x'; 17]]);
        let streamed = response::Streamed {
            content_type: "text/plain",
            is_endless: false,
            pieces: Box::pin(pieces),
        };
        let reply = Reply::Stream(streamed);
        let persists = future::block_on(response::write(&mut stream, reply, manner)).unwrap();
        let octets = answer.lock().unwrap().clone();
        let octets = String::from_utf8(octets).unwrap();
        let (head, content) = octets.split_once("\r\n\r\n").unwrap();
        let is_chunked = head.contains("\r\nTransfer-Encoding: chunked");
        assert_eq!(head.contains("\r\nConnection: close"), !persists);
        assert!(!head.contains("Content-Length"), "{head}");
        (content.to_owned(), is_chunked, persists)
    };
    let manner = Manner {
        persists: true,
        ..Manner::LAST
    };
    let many = "x".repeat(17);
    let chunks = format!("3\r\none\r\n11\r\n{many}\r\n0\r\n\r\n");
    assert_eq!(written(manner), (chunks.clone(), true, true));
    assert_eq!(written(Manner::LAST), (chunks, true, false));
    let old = Manner {
        version: Version::Http10,
        ..manner
    };
    assert_eq!(written(old), (format!("one{many}"), false, false));
    let head_only = Manner {
        is_head: true,
        ..manner
    };
    assert_eq!(written(head_only), (String::new(), true, true));
}

#[test]
fn the_page_runs_what_is_its_own_and_nothing_else() {
    let admin = admin();
    let page = || admin.answer(&request("GET", "/", "localhost"), None);
    let (one, other) = (page(), page());
    let policy = one.policy.unwrap();
    let (_, nonce) = policy.split_once("script-src 'nonce-").unwrap();
    let (nonce, _) = nonce.split_once('\'').unwrap();
    assert_eq!(nonce.len(), 32);
    assert_ne!(other.policy, Some(policy.clone()));
    for word in ["unsafe", "http", "*", "data:"] {
        assert!(!policy.contains(word), "{policy}");
    }
    let tag = |name: &str| format!("<{name} nonce=\"{nonce}\">");
    assert_eq!(one.content.matches(&tag("script")).count(), 1);
    assert_eq!(one.content.matches(&tag("style")).count(), 1);
    // What the policy would not let through, and what would take data for markup.
    for word in [
        " style=",
        " onclick=",
        " onload=",
        " src=",
        "href=",
        "url(",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "{nonce}",
        "{style}",
        "{script}",
    ] {
        assert!(!one.content.contains(word), "{word}");
    }
    assert!(
        one.content.len() <= 60 * 1024,
        "{} octets",
        one.content.len()
    );
}

/// One lesson, which ends when it is told to.
#[derive(Debug)]
struct Teacher(async_channel::Receiver<()>);

impl Lessons for Teacher {
    fn list(&self) -> &[lesson::Lesson] {
        &[lesson::Lesson {
            name: "one",
            title: "The <only> one",
            about: "It ends when it is \"told\" to.",
        }]
    }

    fn play<'a>(&'a self, name: &str, root: &'a Cancel) -> Option<lesson::Playing<'a>> {
        (name == "one").then(|| -> lesson::Playing<'a> {
            Box::pin(async move {
                let is_so = self.0.recv().await.is_ok();
                lesson::Seen {
                    is_so,
                    said: format!("node {} was seen", root.context().id()),
                    law: "A law.",
                    number: is_so.then_some(25),
                    example: "examples/04_context.rs",
                    nodes: vec![7, 8],
                }
            })
        })
    }
}

#[test]
fn lessons_are_played_one_at_a_time_and_told_as_they_went() {
    let reply = |admin: &Admin, method: &str, path: &str, is_meant: bool| {
        let request = Request {
            is_meant,
            ..request(method, path, "localhost")
        };
        match future::block_on(admin.reply(&request, None)) {
            Reply::Whole(response) => (response.status, response.content),
            Reply::Stream(_) => panic!("{path} goes on"),
        }
    };
    let nobody = admin();
    assert_eq!(
        reply(&nobody, "GET", "/learn", true),
        (200, "[]\n".to_owned())
    );
    assert_eq!(reply(&nobody, "POST", "/learn/one", true).0, 404);

    let (tell, told) = async_channel::bounded(1);
    let admin = admin().with_lessons(Some(Arc::new(Teacher(told))));
    assert_eq!(
        reply(&admin, "GET", "/learn", true).1,
        "[{\"name\":\"one\",\"title\":\"The \\u003conly> one\",\"about\":\"It ends when it is \\\"told\\\" to.\"}]\n"
    );
    assert_eq!(reply(&admin, "GET", "/learn/one", true).0, 405);
    assert_eq!(reply(&admin, "POST", "/learn/one", false).0, 403);
    assert_eq!(reply(&admin, "POST", "/learn/other", true).0, 404);

    let asked = request("POST", "/learn/one", "localhost");
    let mut playing = Box::pin(admin.reply(&asked, None));
    assert!(future::block_on(future::poll_once(&mut playing)).is_none());
    assert_eq!(reply(&admin, "POST", "/learn/one", true).0, 409);
    // Whoever asked has gone; the next one may play.
    drop(playing);
    tell.try_send(()).unwrap();
    let id = admin.root.context().id();
    assert_eq!(
        reply(&admin, "POST", "/learn/one", true),
        (
            200,
            format!(
                "{{\"name\":\"one\",\"ok\":true,\"said\":\"node {id} was seen\",\"law\":\"A law.\",\"number\":25,\
                 \"example\":\"examples/04_context.rs\",\"nodes\":[7,8]}}\n"
            )
        )
    );
    drop(tell);
    let (_, awry) = reply(&admin, "POST", "/learn/one", true);
    assert!(
        awry.contains("\"ok\":false") && awry.contains("\"number\":null"),
        "{awry}"
    );
}

/// A server with so many sessions, each with an exchange.
fn crowd(admin: &Admin, sessions: usize) -> Vec<(context::Context, Cancel)> {
    let (listener, stop) = admin.root.context().named("listener", "").with_cancel();
    let mut nodes = vec![(listener.clone(), stop)];
    for _ in 0..sessions {
        let session = listener.named("session", "127.0.0.1").with_cancel();
        let exchange = session.0.named("exchange", "GET /").with_cancel();
        nodes.extend([session, exchange]);
    }
    nodes
}

/// Asks for a large tree, and reads all of it. Returns how many octets it had.
async fn read_tree(admin: &Admin) -> usize {
    let asked = request("GET", "/tree.json?max=200000", "localhost");
    let Reply::Stream(mut streamed) = admin.reply(&asked, None).await else {
        panic!("as a whole")
    };
    let mut count = 0;
    while let Some(piece) = futures_lite::StreamExt::next(&mut streamed.pieces).await {
        assert!(piece.len() < 64 << 10, "{}", piece.len());
        count += piece.len();
    }
    count
}

#[test]
fn a_large_tree_does_not_keep_others_waiting() {
    let admin = admin();
    let nodes = crowd(&admin, 5000);
    let is_read = std::cell::Cell::new(false);
    future::block_on(future::zip(
        async {
            assert!(read_tree(&admin).await > 10_000 * 100);
            is_read.set(true);
        },
        async {
            for _ in 0..20 {
                let asked = request("GET", "/healthz", "localhost");
                assert!(
                    matches!(admin.reply(&asked, None).await, Reply::Whole(it) if it.status == 200)
                );
                assert!(!is_read.get());
                future::yield_now().await;
            }
        },
    ));
    drop(nodes);
}

/// `cargo test --release --lib large_tree_delays -- --ignored --nocapture`: how long it takes at most to make and drop
/// an exchange's nodes while nobody looks, and while somebody reads a tree of 100,000 nodes.
#[test]
#[ignore = "a figure, not a law"]
fn how_long_a_large_tree_delays_an_exchange() {
    let admin = Arc::new(admin());
    let nodes = crowd(&admin, 50_000);
    let (listener, _) = &nodes[0];
    let slowest = |is_over: &dyn Fn() -> bool| {
        let mut slowest = (Duration::ZERO, 0);
        while !is_over() {
            let begun = clock::monotonic();
            let session = listener.named("session", "").with_cancel();
            drop(session.0.named("exchange", "GET /").with_cancel());
            drop(session);
            slowest = (slowest.0.max(begun.elapsed()), slowest.1 + 1);
        }
        slowest
    };
    let begun = clock::monotonic();
    let alone = slowest(&|| begun.elapsed() > Duration::from_secs(1));
    println!("alone: {:?} of {}", alone.0, alone.1);
    for _ in 0..5 {
        let seen = Arc::clone(&admin);
        let begun = clock::monotonic();
        // The admin's own parts stay on one thread, as they do in a server.
        let reading = std::thread::spawn(move || future::block_on(read_tree(&seen)));
        let watched = slowest(&|| reading.is_finished());
        let octets = reading.join().unwrap();
        let took = begun.elapsed();
        println!(
            "beside a tree of {octets} octets in {took:?}: {:?} of {}",
            watched.0, watched.1
        );
    }
}
