//! Accepting: from a listening socket to a session's task.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll, Waker};
use std::time::Duration;

use futures_lite::future;
use pin_project_lite::pin_project;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::clock;
use crate::context::{Cancel, Context, Label};
use crate::http::field::Fields;
use crate::limit::{Entered, PerAddress};
use crate::metrics::Unannounced;
use crate::net::connection::Connection as Client;
use crate::net::dialer::Dialer;
use crate::net::listener::{Accepted, Listener};
use crate::net::proxy_protocol::Header;
use crate::net::tcp::Socket;
#[cfg(feature = "tls")]
use crate::net::tls::stream::TlsStream;
use crate::proxy::answer::{Answer, Connection};
use crate::proxy::gateway::Gateway;
use crate::proxy::introduction;
use crate::proxy::session::{self, Ends};
use crate::proxy::site::Listen;
use crate::proxy::stream;
use crate::runtime::worker::{Worker, breathe};

/// How many connections are accepted before the sessions get their turn.
const ACCEPTS_PER_TURN: usize = 64;
/// How long accepting pauses when there is no descriptor or memory for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What the accept loops of one worker share.
pub(super) struct Door {
    pub(super) worker: Rc<Worker>,
    pub(super) gateway: Rc<Gateway<Dialer>>,
    /// How many sessions there may be.
    pub(super) connections_max: usize,
    /// How many each address has, in the whole process.
    per_address: PerAddress,
    /// How many there are.
    live: Cell<usize>,
    /// The accept loops that wait for room.
    waiting: RefCell<Vec<Waker>>,
    /// A descriptor kept back, so that a full house can still say so.
    reserve: RefCell<Option<OwnedFd>>,
}

impl Door {
    pub(super) fn new(
        worker: Rc<Worker>,
        gateway: Rc<Gateway<Dialer>>,
        connections_max: usize,
        per_address: PerAddress,
    ) -> Self {
        Self {
            worker,
            gateway,
            connections_max,
            per_address,
            live: Cell::new(0),
            waiting: RefCell::default(),
            reserve: RefCell::new(open_reserve()),
        }
    }

    /// Accepts for ever.
    pub(super) async fn accept(self: &Rc<Self>, listener: &Listener, number: usize, ctx: &Context) {
        loop {
            for _ in 0..ACCEPTS_PER_TURN {
                self.make_room(listener).await;
                match poll_fn(|cx| listener.poll_accept(cx)).await {
                    Ok(accepted) => self.begin(accepted, number, ctx),
                    Err(error) => {
                        self.refuse(listener, number, &error).await;
                        clock::sleep(PAUSE).await;
                    }
                }
            }
            breathe().await;
        }
    }

    /// Shuts one door. What has come before that is accepted: those connections are established already.
    pub(super) fn shut(self: &Rc<Self>, listener: Listener, number: usize, ctx: &Context) {
        for accepted in listener.close() {
            self.begin(accepted, number, ctx);
        }
    }

    /// No session is left.
    pub(super) fn is_empty(&self) -> bool {
        self.live.get() == 0
    }

    /// Waits until one more session may be. As soon as somebody waits for it, the session that has idled longest makes
    /// way, or else the first that comes to idle.
    async fn make_room(&self, listener: &Listener) {
        poll_fn(|cx| {
            if self.live.get() < self.connections_max {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            // An error is for accept to meet.
            if listener.poll_waiting(cx).is_ready() {
                let _ = self.gateway.poll_close_idlest(cx);
            }
            Poll::Pending
        })
        .await;
    }

    fn begin(self: &Rc<Self>, accepted: Accepted, number: usize, ctx: &Context) {
        let site = self.gateway.site();
        let listen = site.entrance(number);
        let per_ip = listen.and_then(|listen| listen.per_ip);
        if let Some(listen) = listen.filter(|listen| listen.proxy_protocol) {
            return self.introduce(accepted, number, ctx, listen);
        }
        let Accepted { fd, peer } = accepted;
        let Ok(counted) = self.count(per_ip, peer) else {
            return;
        };
        let Ok(socket) = Socket::accepted(fd, self.worker.reactor()) else {
            return;
        };
        let ends = Ends {
            source: peer,
            destination: site.tells_origins().then(|| socket.local_addr()).flatten(),
        };
        let Some(client) = self.client(socket, listen) else {
            return;
        };
        let (node, cancel) = ctx.named("session", label(peer)).with_cancel();
        match listen.and_then(|listen| listen.stream) {
            Some(_) => self.spawn(cancel, counted, |gateway| {
                stream::serve(gateway, client, ends, node, number)
            }),
            None => self.spawn(cancel, counted, |gateway| {
                session::serve_between(gateway, client, ends, node, number)
            }),
        }
    }

    /// Begins a session whose client a proxy in front has to name first.
    fn introduce(
        self: &Rc<Self>,
        Accepted { fd, peer: proxy }: Accepted,
        number: usize,
        ctx: &Context,
        listen: &Listen,
    ) {
        let Ok(client) = Socket::accepted(fd, self.worker.reactor()) else {
            return;
        };
        let site = self.gateway.site();
        // Who may connect to a unix socket is for its file's mode to say.
        if proxy.is_some_and(|proxy| !site.is_trusted(Some(proxy.ip().to_canonical()))) {
            return introduction::refuse(&self.gateway, &client, proxy, Unannounced::Untrusted);
        }
        let (door, listen, above) = (self.clone(), listen.clone(), ctx.clone());
        let (node, cancel) = ctx.named("session", label(proxy)).with_cancel();
        self.spawn(cancel, None, |gateway| async move {
            let header = introduction::header(&gateway, &client, proxy, &listen, &node).await;
            drop(node);
            let ends = match header {
                None => return,
                Some(Header::Local) => Ends {
                    source: proxy,
                    destination: client.local_addr(),
                },
                Some(Header::Unix) => Ends::default(),
                Some(Header::Inet(addresses)) => Ends {
                    source: Some(addresses.source),
                    destination: Some(addresses.destination),
                },
            };
            let Ok(_counted) = door.count(listen.per_ip, ends.source) else {
                return;
            };
            let Some(client) = door.client(client, Some(&listen)) else {
                return;
            };
            drop(door);
            // A node of its own: what was said has made it another's.
            let (node, _cancel) = above.named("session", label(ends.source)).with_cancel();
            drop(above);
            match listen.stream {
                Some(_) => stream::serve(gateway, client, ends, node, number).await,
                None => session::serve_between(gateway, client, ends, node, number).await,
            }
        });
    }

    /// What a session reads from and writes to: TLS, where this listener speaks it. `None`: it cannot, which was said.
    fn client(&self, socket: Socket, listen: Option<&Listen>) -> Option<Client> {
        #[cfg(feature = "tls")]
        if let Some(acceptor) = listen.and_then(|listen| listen.tls.as_ref()) {
            let stream = TlsStream::server(socket, acceptor.config().clone());
            #[cfg(feature = "acme")]
            let stream = stream.map(|stream| stream.peeked(acceptor.peek()));
            let said = |error| self.gateway.say(&format!("tls cannot begin: {error}"));
            return stream.map(Client::from).map_err(said).ok();
        }
        let _ = listen;
        Some(Client::Plain(socket))
    }

    /// Counts one more connection of this address, of at most so many.
    ///
    /// # Errors
    /// It has as many as it may: to be closed without a word, which costs least.
    fn count(
        &self,
        per_ip: Option<usize>,
        peer: Option<SocketAddr>,
    ) -> Result<Option<Entered>, ()> {
        let (Some(max), Some(peer)) = (per_ip, peer) else {
            return Ok(None);
        };
        let entered = self.per_address.enter(peer.ip(), max);
        if entered.is_none() {
            self.gateway.counters().refused_crowded();
        }
        entered.map(Some).ok_or(())
    }

    /// Runs a session's task in its place. `cancel` ends its node.
    fn spawn<F: Future<Output = ()> + 'static>(
        self: &Rc<Self>,
        cancel: Cancel,
        counted: Option<Entered>,
        session: impl FnOnce(Rc<Gateway<Dialer>>) -> F,
    ) {
        self.live.set(self.live.get() + 1);
        let place = Place {
            door: self.clone(),
            _counted: counted,
        };
        self.worker.spawn(Served {
            session: session(self.gateway.clone()),
            cancel,
            place,
        });
    }

    /// There is no descriptor left, or no memory. The reserve answers one client; the others wait in the backlog.
    async fn refuse(&self, listener: &Listener, number: usize, error: &io::Error) {
        #[cfg(not(feature = "tls"))]
        let _ = number;
        let full = matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE)
        );
        self.gateway.say(&format!(
            "cannot accept: {error}; trying again in {} ms",
            PAUSE.as_millis()
        ));
        if !full || self.reserve.borrow_mut().take().is_none() {
            return;
        }
        if let Some(Ok(accepted)) = future::poll_once(poll_fn(|cx| listener.poll_accept(cx))).await
        {
            let answer = Answer {
                status: 503,
                cause: "shed".to_owned(),
                error_type: Some("connection_limit_reached"),
                content: None,
                fields: Fields::new(),
            };
            let mut octets = Vec::new();
            answer.write(false, Connection::Close, &mut octets);
            #[cfg(feature = "tls")]
            if (self.gateway.site().listener(number)).is_some_and(|it| it.tls.is_some()) {
                // There is no answer before a handshake, and no means for one.
                octets.clear();
            }
            let _ = rustix::net::send(&accepted.fd, &octets, rustix::net::SendFlags::NOSIGNAL);
            let _ = rustix::net::shutdown(&accepted.fd, rustix::net::Shutdown::Write);
            self.gateway.counters().refused_full();
        }
        *self.reserve.borrow_mut() = open_reserve();
    }
}

/// What a session is called in the tree: its client.
fn label(client: Option<SocketAddr>) -> Label {
    client.map_or_else(
        || Label::from("unix"),
        |client| Label::new(&client.to_string()),
    )
}

fn open_reserve() -> Option<OwnedFd> {
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

pin_project! {
    /// A session's task. No `async` block: thousands of them idle, and it would hold everything twice.
    struct Served<F> {
        #[pin]
        session: F,
        // Ends the session's node.
        cancel: Cancel,
        place: Place,
    }
}

impl<F: Future<Output = ()>> Future for Served<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let this = self.project();
        match panic::catch_unwind(AssertUnwindSafe(|| this.session.poll(cx))) {
            Ok(polled) => polled,
            Err(_) => {
                // The panic has printed itself; the other sessions go on.
                let gateway = &this.place.door.gateway;
                gateway.say("a session panicked; this is a bug in osier");
                Poll::Ready(())
            }
        }
    }
}

/// A session's place among those there may be.
struct Place {
    door: Rc<Door>,
    /// And among those of its address.
    _counted: Option<Entered>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.live.set(self.door.live.get() - 1);
        for waiting in self.door.waiting.borrow_mut().drain(..) {
            waiting.wake();
        }
    }
}
