//! What the tree, the table of routes and a limiter cost: allocations, octets, stack. A test target of its own, because
//! it needs an allocator of its own.
//!
//! Each thread counts for itself, so tests that run beside each other do not disturb each other.

#![allow(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; every call is passed on to the system's as it came"
)]
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{self, Waker};
use std::thread;
use std::time::Duration;

use osier::clock::TestClock;
use osier::context::{Cancel, Context, ContextError, Done, Key, Label, Reason, background, todo};
use osier::limit::{Key as Client, Limiter, Rate, RateLimit};

struct Counting;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static OCTETS: Cell<usize> = const { Cell::new(0) };
}

fn count(octets: usize) {
    // A thread that is ending has no cells any more; nobody asks it.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
    let _ = OCTETS.try_with(|sum| sum.set(sum.get() + octets));
}

// SAFETY: the system's allocator does all the work, with the arguments it was given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: as above.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static NUMBER: Key<u64> = Key::new("number");

/// How many allocations `work` makes, and of how many octets together.
fn cost<T>(work: impl FnOnce() -> T) -> (usize, usize) {
    let before = (CALLS.get(), OCTETS.get());
    let kept = work();
    let cost = (CALLS.get() - before.0, OCTETS.get() - before.1);
    drop(black_box(kept));
    cost
}

fn calls<T>(work: impl FnOnce() -> T) -> usize {
    cost(work).0
}

fn poll<F: Future + Unpin>(future: &mut F) -> task::Poll<F::Output> {
    Pin::new(future).poll(&mut task::Context::from_waker(Waker::noop()))
}

/// Makes what is made once per program.
fn warm_up() {
    for root in [background(), todo()] {
        let (ctx, cancel) = root.with_value(&NUMBER, 1).named("warm", "").with_cancel();
        cancel.cancel();
        assert!(poll(&mut ctx.done()).is_ready());
    }
}

/// Uses up what the thread keeps of nodes that were dropped, so that what is made next is allocated.
fn without_spares() -> Vec<(Context, Cancel)> {
    let mut made = Vec::with_capacity(1000);
    while calls(|| made.push(background().with_cancel())) == 0 {}
    made
}

#[test]
fn law_009_background_allocates_nothing() {
    warm_up();
    assert_eq!(calls(|| [background(), todo()]), 0);
    assert_eq!(background().id(), background().id());
}

/// Go's own limits are 3, 5, 8 and 12.
#[test]
fn law_114_few_allocations() {
    warm_up();
    let clock = TestClock::install();
    let value = || {
        let ctx = background().with_value(&NUMBER, 1);
        assert_eq!(ctx.value(&NUMBER), Some(&1));
    };
    let cancel = || {
        let (ctx, cancel) = background().with_cancel();
        cancel.cancel();
        assert!(poll(&mut ctx.done()).is_ready());
    };
    let timeout = || {
        let (ctx, cancel) = background().with_timeout(Duration::from_millis(5));
        cancel.cancel();
        assert!(poll(&mut ctx.done()).is_ready());
    };
    let wait = || {
        let (ctx, _cancel) = background().with_timeout(Duration::from_nanos(1));
        let mut done = ctx.done();
        assert!(poll(&mut done).is_pending());
        clock.advance(Duration::from_nanos(1));
        assert!(poll(&mut done).is_ready());
    };
    let all: [&dyn Fn(); 4] = [&value, &cancel, &timeout, &wait];
    let first = all.map(|make| {
        let _spares = without_spares();
        calls(make)
    });
    let again = all.map(calls);
    println!("value, cancel, timeout, waited for: {first:?}, and again {again:?}");
    // The node, the list of listeners, the listener, and the test clock's own entry.
    assert_eq!(first[..3], [2, 1, 1]);
    assert!(first[3] <= 4);
    // The value; and of what waits, the listener and the test clock's entry.
    assert_eq!(again[..3], [1, 0, 0]);
    assert!(again[3] <= 2);
}

#[test]
fn a_plain_node_is_one_allocation_of_at_most_160_octets() {
    warm_up();
    let parents = [(); 5].map(|()| background().with_cancel());
    let [parent, of_named, of_timed, of_passive, of_value] = parents.each_ref().map(|(ctx, _)| ctx);
    let _spares = without_spares();
    // What is measured is kept, or the next one would be made of it.
    let mut keep = Vec::with_capacity(5);
    let mut cost = |make: &dyn Fn() -> Context| cost(|| keep.push(make()));
    let detached = |(ctx, cancel): (Context, Cancel)| {
        cancel.detach();
        ctx
    };
    let plain = cost(&|| detached(parent.with_cancel()));
    let named = cost(&|| {
        let named = of_named.named("exchange", Label::new("GET /index.html"));
        detached(named.with_cancel())
    });
    let timed = cost(&|| detached(of_timed.with_timeout(Duration::from_secs(1))));
    println!("a node: {} octets", plain.1);
    assert_eq!((plain.0, timed.0), (1, 1));
    assert!(plain.1 <= 160);
    assert_eq!((named.0, named.1), plain);
    assert_eq!(cost(&|| of_passive.without_cancel()).0, 1);
    assert_eq!(cost(&|| of_value.with_value(&NUMBER, 1)).0, 2);
}

#[test]
fn a_chain_is_one_allocation_a_node() {
    warm_up();
    let _spares = without_spares();
    let mut chain = Vec::with_capacity(1001);
    chain.push(background().with_cancel());
    let made = calls(|| {
        for depth in 0..1000 {
            let below = chain[depth].0.with_cancel();
            chain.push(below);
        }
    });
    assert_eq!(made, 1000);
}

#[test]
fn what_comes_and_goes_allocates_nothing() {
    warm_up();
    let (parent, _parent) = background().with_cancel();
    let one = || {
        let (ctx, cancel) = parent
            .named("exchange", "GET /")
            .with_timeout(Duration::from_secs(1));
        let (below, _below) = ctx.with_cancel();
        cancel.cancel();
        assert!(below.err().is_some());
    };
    one();
    assert_eq!(calls(|| (0..1000).for_each(|_| one())), 0);
    let wait = || {
        let (ctx, cancel) = parent.with_cancel();
        let mut done = ctx.done();
        assert!(poll(&mut done).is_pending());
        cancel.cancel();
        assert!(poll(&mut done).is_ready());
    };
    wait();
    // The listener; the list of them was the node's before.
    assert_eq!(calls(wait), 1);
}

#[test]
fn a_thread_keeps_256_nodes_and_no_more() {
    warm_up();
    let make = || -> Vec<_> { (0..300).map(|_| background().with_cancel()).collect() };
    drop(make());
    let mut made = None;
    assert_eq!(calls(|| made = Some(make())), 1 + 300 - 256);
    // Dropped on another thread, they are that thread's.
    let other = thread::spawn(move || {
        drop(made);
        calls(make)
    });
    assert_eq!(other.join().unwrap(), 1 + 300 - 256);
    assert_eq!(calls(make), 1 + 300);
}

#[test]
fn a_cancel_allocates_nothing() {
    warm_up();
    let (top, cancel) = background().with_cancel();
    let mut nodes = vec![top.with_cancel()];
    for index in 0..1000 {
        let below = nodes[index / 3].0.with_cancel();
        nodes.push(below);
    }
    let mut waiting: Vec<Done> = nodes.iter().step_by(7).map(|(ctx, _)| ctx.done()).collect();
    for done in &mut waiting {
        assert!(poll(done).is_pending());
    }
    let mut receipt = None;
    assert_eq!(calls(|| receipt = Some(cancel.cancel_because("enough"))), 0);
    let receipt = receipt.unwrap();
    assert_eq!((receipt.nodes, receipt.waiters), (1002, waiting.len()));
    assert_eq!(
        calls(|| nodes.iter().all(|(ctx, _)| ctx.err().is_some())),
        0
    );
}

#[test]
fn a_cause_costs_what_the_caller_makes_of_it() {
    warm_up();
    let (ctx, cancel) = background().with_cancel();
    assert_eq!(
        calls(|| cancel.cancel_because(Reason::new(ContextError::Canceled))),
        1
    );
    assert_eq!(calls(|| ctx.cause()), 0);
}

#[test]
fn an_expiry_allocates_nothing() {
    warm_up();
    let clock = TestClock::install();
    let (top, _top) = background().with_timeout_cause(Duration::from_secs(1), "late");
    let below: Vec<_> = (0..100).map(|_| top.with_cancel()).collect();
    clock.advance(Duration::from_secs(1));
    assert_eq!(calls(|| below[50].0.err()), 0);
    assert!(top.err().is_some());
}

#[test]
fn asking_allocates_nothing() {
    warm_up();
    let (ctx, _cancel) = background()
        .with_value(&NUMBER, 1)
        .with_timeout(Duration::from_secs(1));
    assert_eq!(
        calls(|| {
            let _ = black_box((
                ctx.err(),
                ctx.deadline(),
                ctx.value(&NUMBER),
                ctx.is_draining(),
            ));
            let _ = black_box((
                ctx.done(),
                ctx.draining(),
                ctx.emptied(),
                ctx.deadline_owner(),
            ));
            ctx.clone()
        }),
        0
    );
}

#[test]
fn running_what_is_ready_allocates_nothing() {
    warm_up();
    let (ctx, _cancel) = background().with_timeout(Duration::from_secs(1));
    let ran = calls(|| {
        let mut run = pin!(ctx.run(std::future::ready(7)));
        let mut cx = task::Context::from_waker(Waker::noop());
        assert_eq!(run.as_mut().poll(&mut cx), task::Poll::Ready(Ok(7)));
    });
    assert_eq!(ran, 0);
}

#[test]
fn dropping_a_handle_allocates_nothing() {
    warm_up();
    let (top, _top) = background().with_cancel();
    let handles: Vec<_> = (0..100).map(|_| top.with_cancel()).collect();
    assert_eq!(calls(|| drop(handles)), 0);
    let (alone, cancel) = top.with_cancel();
    assert_eq!(calls(|| drop((cancel, alone))), 0);
}

/// Of ten thousand routes: one that is found at once, one behind others that fail, one by wildcard, and none.
#[cfg(target_os = "linux")]
#[test]
fn finding_a_route_allocates_nothing() {
    use osier::http::Fields;
    use osier::proxy::route::{Asked, HostPattern, Matchers, PathPattern, Table};

    let host = |number: usize| Matchers {
        hosts: vec![
            HostPattern::Exact(format!("h{number}.example")),
            HostPattern::Below(format!("h{number}.example")),
        ],
        path: Some(PathPattern::Prefix("/api/".to_owned())),
        ..Matchers::default()
    };
    let mut routes: Vec<_> = (0..10_000).map(host).collect();
    routes.push(Matchers {
        headers: [("x-debug".to_owned(), "1".to_owned())].into(),
        queries: [("v".to_owned(), "1".to_owned())].into(),
        ..host(7)
    });
    let table = Table::new(routes);
    let mut fields = Fields::new();
    fields.push("X-Debug", "1").unwrap();
    let find = |host: &[u8], query: &[u8]| {
        table.find(&Asked {
            host,
            path: b"/api/x/y",
            method: b"GET",
            fields: &fields,
            query,
            client: None,
        })
    };
    assert_eq!(
        calls(|| {
            assert_eq!(find(b"h9999.example", b""), Some(9999));
            assert_eq!(find(b"H7.Example.", b"v=1"), Some(10_000));
            assert_eq!(find(b"h7.example", b"v=2"), Some(7));
            assert_eq!(find(b"a.b.h42.example", b""), Some(42));
            assert_eq!(find(b"other.example", b""), None);
        }),
        0
    );
}

const MILLION: usize = 1_000_000;

fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(64 << 10).spawn(test);
    thread.unwrap().join().unwrap();
}

#[test]
fn a_chain_of_a_million_ends_and_goes_on_a_small_stack() {
    on_small_stack(|| {
        let (top, cancel) = background().with_cancel();
        let mut last = top.clone();
        let mut keep = Vec::with_capacity(MILLION);
        for _ in 1..MILLION {
            let (below, cancel) = last.with_cancel();
            keep.push(cancel);
            last = below;
        }
        let mut receipt = None;
        assert_eq!(calls(|| receipt = Some(cancel.cancel())), 0);
        let receipt = receipt.unwrap();
        assert_eq!((receipt.nodes, receipt.depth), (MILLION, MILLION - 1));
        println!("chain: ended in {:?}", receipt.took);
        // All handles but the last go first, so that the last one drops the whole chain at once.
        drop((top, cancel, keep));
        assert_eq!(last.err(), Some(ContextError::Canceled));
        drop(last);
    });
}

#[test]
fn a_fan_of_a_million_ends_and_goes_on_a_small_stack() {
    on_small_stack(|| {
        let (top, cancel) = background().with_cancel();
        let fan: Vec<Context> = (1..MILLION)
            .map(|_| {
                let (child, cancel) = top.with_cancel();
                cancel.detach();
                child
            })
            .collect();
        let mut receipt = None;
        assert_eq!(calls(|| receipt = Some(cancel.cancel())), 0);
        let receipt = receipt.unwrap();
        assert_eq!((receipt.nodes, receipt.depth), (MILLION, 1));
        println!("fan: ended in {:?}", receipt.took);
        drop(fan);
        assert!(smol::future::block_on(smol::future::poll_once(top.emptied())).is_some());
    });
}

#[test]
fn a_million_are_dropped_alive_on_a_small_stack() {
    on_small_stack(|| {
        let (mut last, cancel) = background().with_cancel();
        cancel.detach();
        for _ in 1..MILLION {
            let (below, cancel) = last.with_cancel();
            cancel.detach();
            last = below;
        }
        drop(last);
    });
}

/// Of a key that is known; and with a full table a new one takes the place of another one.
#[test]
fn a_request_that_a_limiter_admits_or_refuses_allocates_nothing() {
    let _clock = TestClock::install();
    let limiter = Limiter::new(RateLimit {
        rate: Some(Rate {
            requests: 1,
            period: Duration::from_secs(1),
            burst: 5,
        }),
        concurrent: Some(1),
        keys_max: 64,
    });
    let admit = |key: u8| limiter.admit(Client::Octets(&[key]), osier::clock::now());
    for key in 0..=255 {
        drop(admit(key));
    }
    for key in 0..=255 {
        let both = || (admit(key), admit(key));
        assert_eq!(calls(both), 0);
    }
    assert_eq!(limiter.key_count(), 64);
}

/// What a request costs on connections that are there already: a client's and an origin's, both in memory.
#[cfg(target_os = "linux")]
mod request {
    use std::cell::RefCell;
    use std::io::{self, IoSlice};
    use std::rc::Rc;
    use std::task::Poll;

    use std::sync::Arc;

    use osier::ReverseProxy;
    use osier::balance::{Eject, Policy};
    use osier::clock;
    use osier::http::deadline::DeadlineField;
    use osier::http::network::Network;
    use osier::limit::Permits;
    use osier::log::{Destination, Log, Scribe, Settings};
    use osier::net::address::Address;
    use osier::net::dialer::Dial;
    use osier::net::stream::{Hangup, Stream};
    use osier::proxy::edit::{Edit, Edits};
    use osier::proxy::gateway::Gateway;
    use osier::proxy::session;
    use osier::proxy::site::{Hedge, Limit, Per, Site};
    use osier::proxy::template::Template;
    use osier::runtime::buffer::{Budget, Buffers};
    use osier::runtime::timer::Timers;

    use super::*;

    /// Octets on their way in one direction.
    type Way = Rc<RefCell<Vec<u8>>>;

    /// One end of a connection in memory. It wakes nobody: the test polls by itself.
    #[derive(Clone, Default)]
    struct End {
        from: Way,
        to: Way,
    }

    impl End {
        fn other(&self) -> Self {
            Self {
                from: self.to.clone(),
                to: self.from.clone(),
            }
        }
    }

    impl Stream for End {
        fn poll_readable(&self, _cx: &mut task::Context<'_>) -> Poll<()> {
            if self.from.borrow().is_empty() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        }

        fn poll_read(
            &self,
            cx: &mut task::Context<'_>,
            into: &mut Vec<u8>,
        ) -> Poll<io::Result<usize>> {
            self.poll_readable(cx).map(|()| {
                let mut octets = self.from.borrow_mut();
                into.extend_from_slice(&octets);
                let count = octets.len();
                octets.clear();
                Ok(count)
            })
        }

        fn poll_write(
            &self,
            _cx: &mut task::Context<'_>,
            pieces: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let mut to = self.to.borrow_mut();
            for piece in pieces {
                to.extend_from_slice(piece);
            }
            Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()))
        }

        fn poll_shutdown(&self, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_hangup(&self, _cx: &mut task::Context<'_>) -> Poll<Hangup> {
            Poll::Pending
        }
    }

    /// Every connection to the origin is this one.
    struct Always(End);

    impl Dial for Always {
        type Stream = End;

        async fn dial(&self, _to: &Address) -> io::Result<End> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn a_request_on_kept_connections_allocates_twice_at_most() {
        let proxy = ReverseProxy::builder().to("127.0.0.1:1").unwrap().build();
        let most = most_calls(|dial| proxy.gateway(dial));
        assert!(most <= 2, "{most} allocations");
    }

    /// Nor one for which all is looked at that a file can ask for.
    #[test]
    fn with_everything_on_it_allocates_no_more() {
        let log = Log::start(&Settings {
            access: Destination::File("/dev/null".into()),
            ..Settings::default()
        });
        let log = log.unwrap();
        let most = most_calls(|dial| {
            let buffers = Buffers::new(Arc::new(Budget::new(1 << 20)));
            let scribe = Scribe::new(log.clone());
            Rc::new(Gateway::new(
                Arc::new(everything()),
                dial,
                buffers,
                scribe,
                0,
            ))
        });
        assert!(most <= 2, "{most} allocations");
    }

    /// Two endpoints, and all that costs something for each request.
    fn everything() -> Site {
        let proxy = ReverseProxy::builder()
            .to("127.0.0.1:1")
            .and_then(|builder| builder.to("127.0.0.1:2"));
        let mut site = Site::from(proxy.unwrap().build().rules().clone());
        site.trusted = Network::private();
        let deadline = DeadlineField::from_name("X-Request-Timeout-Ms");
        for upstream in &mut site.upstreams {
            upstream.policy = Policy::Ewma;
            upstream.eject = Some(Eject::default());
            upstream.sticky = Some("at".to_owned());
            upstream.deadline_field = Some(deadline.clone());
            for placed in &mut upstream.endpoints {
                placed.permits = Some(Permits::new(100, 100));
            }
        }
        let edit = |name: &str, text| Edit::new(name.to_owned(), Template::parse(text).unwrap());
        let edits = || Edits {
            set: vec![edit("X-Who", "{client_ip}")],
            add: vec![edit("X-Bench", "on")],
            ..Edits::default()
        };
        for route in &mut site.routes {
            route.access.allow = Network::private();
            route.retry.attempts_max = 2;
            route.retry.per_try = Some(Duration::from_secs(2));
            route.hedge = Some(Hedge {
                after: Duration::from_secs(1),
                max: 1,
            });
            route.patience.fields = vec![deadline.clone()];
            route.limit = Some(Limit {
                limiter: Limiter::new(RateLimit {
                    rate: Some(Rate {
                        requests: 1_000_000,
                        period: Duration::from_secs(1),
                        burst: 1_000_000,
                    }),
                    concurrent: Some(100),
                    ..RateLimit::default()
                }),
                per: Per::Ip,
            });
            (route.request, route.response) = (edits(), edits());
        }
        site
    }

    /// The most allocations that one of many requests makes, when the first ones are over.
    fn most_calls(gateway: impl FnOnce(Always) -> Rc<Gateway<Always>>) -> usize {
        const REQUEST: &[u8] =
            b"GET /small HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 9000\r\n\r\n";
        const RESPONSE: &[u8] =
            b"HTTP/1.1 200 OK\r\nServer: o\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\n\
            Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello";
        // As on a worker.
        let _time = clock::install(Rc::new(Timers::default()));
        let (client, origin) = (End::default(), End::default());
        let gateway = gateway(Always(origin.other()));
        let (ctx, _cancel) = background().named("session", "client").with_cancel();
        let peer = "127.0.0.1:9".parse().ok();
        let mut serving = Box::pin(session::serve(gateway, client.other(), peer, ctx));
        let mut go_on = || assert!(poll(&mut serving).is_pending(), "the session has ended");
        let mut most = 0;
        for round in 0..50 {
            client.to.borrow_mut().extend_from_slice(REQUEST);
            let sent = calls(&mut go_on);
            assert!(origin.from.borrow().starts_with(b"GET /small HTTP/1.1\r\n"));
            origin.from.borrow_mut().clear();
            origin.to.borrow_mut().extend_from_slice(RESPONSE);
            let carried = calls(&mut go_on);
            assert!(client.from.borrow().ends_with(b"\r\n\r\nhello"));
            client.from.borrow_mut().clear();
            // The first ones make what the others use again.
            if round >= 10 {
                most = most.max(sent + carried);
            }
        }
        most
    }
}

/// What an access record costs the worker that writes it.
#[cfg(target_os = "linux")]
mod record {
    use osier::http::head::Version;
    use osier::log::{Destination, Format, Log, Record, Scribe, Settings};

    use super::*;

    fn record() -> Record<'static> {
        Record {
            client: Some([192, 0, 2, 1].into()),
            exchange: 17,
            method: b"GET",
            target: b"/a?b=c\"\xff",
            version: Some(Version::Http11),
            host: b"example.org",
            user_agent: b"curl/8.0",
            request_id: b"0123456789abcdef",
            status: 200,
            sent: 12_345,
            endpoint: "192.0.2.9:80",
            attempts: 1,
            reused: Some(true),
            total: Duration::from_millis(3),
            cause: Some("client_gone"),
            ..Record::default()
        }
    }

    #[test]
    fn a_record_allocates_nothing_and_its_batch_neither() {
        for format in [Format::Logfmt, Format::Json, Format::Combined] {
            let settings = Settings {
                access: Destination::File("/dev/null".into()),
                format,
                ..Settings::default()
            };
            let log = Log::start(&settings).unwrap();
            let scribe = Scribe::new(log.clone());
            let mut made = 0;
            for _ in 0..200 {
                // More than one batch, and a rest.
                made += calls(|| {
                    for _ in 0..150 {
                        scribe.record(&record());
                    }
                    scribe.flush();
                });
                // Until the buffers are back.
                log.flush();
            }
            // When a buffer is back depends on the writer, and so how many of them there are: no more than are handed
            // over in a round. Each grows once, by doubling.
            let (buffers, steps) = (8, 16);
            assert!(made <= buffers * steps, "{format:?}: {made}");
            assert_eq!(log.dropped(), 0);
        }
    }
}
