//! One run: a worker without sockets, its clients and its origins, stepped until nothing moves; then time jumps.
//!
//! What must hold is looked at whenever nothing moves, when all clients have gone, and when everything has ended.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use osier::clock::{self, TestClock};
use osier::context::{Cancel, Context, Reason, View, ViewNode, ViewOptions, background};
use osier::limit::Permits;
use osier::log::Scribe;
use osier::net::stream::Hangup;
use osier::proxy::error::Drained;
use osier::proxy::gateway::Gateway;
use osier::proxy::session;
use osier::proxy::site::{Auth, Site};
use osier::runtime::buffer::{Budget, Buffers};

use super::client::{self, Script, Story};
use super::dice::Dice;
use super::net::{Network, Serve};
use super::origin::Ledger;
use super::plan::{self, Act, Plan};
use super::records::{Book, Record};
use super::trace::Trace;
use super::turns::Turns;
use super::verdict::{self, Circumstances};
use super::wire::Wire;

/// So many steps without time moving on are a loop.
const STEPS_MAX: usize = 400_000;
/// So many jumps, too.
const JUMPS_MAX: usize = 400_000;
/// For how long a drain lets things end.
const GRACE: Duration = Duration::from_secs(2);

/// What came of a run.
pub(crate) struct Report {
    /// The same for the same seed.
    pub(crate) hash: u64,
    /// What did not hold.
    pub(crate) faults: Vec<String>,
    /// What happened, where that was wanted.
    pub(crate) trace: String,
    /// How many requests were recorded.
    pub(crate) requests: usize,
    /// How much time passed, in the run.
    pub(crate) elapsed: Duration,
}

/// Runs what these dice say.
pub(crate) fn run(dice: &Dice, book: &mut Book, is_traced: bool) -> Report {
    let clock = TestClock::install();
    let plan = Plan::draw(dice);
    let trace = Trace::new(is_traced);
    if is_traced {
        tell(&plan, &trace);
    }
    let (turns, ledger) = (Turns::new(dice.clone()), Ledger::default());
    let serve = Box::new(|_, tip| Some(tip));
    World::new(plan, dice, book, clock, trace, turns, ledger, serve).run(book)
}

/// Says in words what a seed means.
fn tell(plan: &Plan, trace: &Trace) {
    let route = &plan.site.routes[0];
    let upstream = &plan.site.upstreams[0];
    trace.note(format_args!("tempers {:?}", plan.tempers));
    trace.note(format_args!(
        "manners {:?}, misdials {}",
        plan.manners, plan.misdials
    ));
    trace.note(format_args!("acts {:?}, budget {}", plan.acts, plan.budget));
    trace.note(format_args!("terms {:?}", route.terms));
    trace.note(format_args!(
        "retry {:?} hedge {:?} mirror {:?}",
        route.retry, route.hedge, route.mirror
    ));
    trace.note(format_args!(
        "auth {:?} patience {:?}",
        route.auth, route.patience
    ));
    trace.note(format_args!(
        "{:?} {:?} queue {:?} half_close {}",
        upstream.policy,
        upstream.keepalive,
        upstream.queue_timeout,
        plan.site.listeners[0]
            .as_ref()
            .is_some_and(|it| it.half_close),
    ));
    for placed in &upstream.endpoints {
        let permits = placed.permits.as_ref().map(Permits::max);
        trace.note(format_args!("{} permits {permits:?}", placed.endpoint.name));
    }
    for (at, script) in &plan.clients {
        trace.note(format_args!(
            "client {} comes at {at:?}, reads after {:?}, leaves after {:?}",
            script.number, script.reads_after, script.leaves_after,
        ));
        for step in &script.steps {
            let step = format!("{step:?}");
            trace.note(format_args!("  {}", step.get(..60).unwrap_or(&step)));
        }
    }
}

/// A run under way.
pub(crate) struct World {
    dice: Dice,
    trace: Trace,
    turns: Turns,
    net: Network,
    ledger: Ledger,
    gateway: Rc<Gateway<Network>>,
    budget: Arc<Budget>,
    site: Arc<Site>,
    server: Context,
    stop: Rc<Cancel>,
    stories: Rc<RefCell<Vec<Story>>>,
    /// Clients that have not gone yet.
    playing: Rc<Cell<usize>>,
    /// The connections of the clients, and which may send no more than one request without content.
    visits: Rc<RefCell<Vec<Visit>>>,
    faults: RefCell<Vec<String>>,
    circumstances: Circumstances,
    /// Nobody keeps to any rule, or has a tag.
    pub(crate) is_hostile: bool,
    /// Last, so that time stands still until everything else has gone.
    clock: TestClock,
}

impl World {
    #[expect(clippy::too_many_arguments, reason = "what a world is made of")]
    pub(crate) fn new(
        plan: Plan,
        dice: &Dice,
        book: &Book,
        clock: TestClock,
        trace: Trace,
        turns: Turns,
        ledger: Ledger,
        serve: Box<Serve>,
    ) -> Self {
        let circumstances = Circumstances {
            timeouts: plan.site.routes[0].terms[0].timeouts.clone(),
            latency: plan.manners[0].latency,
            room: plan.manners[0].room,
            is_calm: plan.is_calm(),
            is_bounded: plan.is_bounded(),
            connects_at_once: plan.connects_at_once(),
            has_losses: plan.has_losses(),
            has_auth: plan.site.routes[0].auth.is_some(),
            has_copies: plan.site.routes[0].auth.is_some() || plan.site.routes[0].mirror.is_some(),
        };
        let around = (dice, &trace, &turns);
        let net = Network::new(
            around,
            plan.tempers,
            plan.manners,
            plan.misdials,
            &ledger,
            serve,
        );
        let budget = Arc::new(Budget::new(plan.budget));
        let site = Arc::new(plan.site);
        let gateway = Rc::new(Gateway::new(
            site.clone(),
            net.clone(),
            Buffers::new(budget.clone()),
            Scribe::new(book.log.clone()),
            0,
        ));
        let (server, stop) = background().named("server", "sim").with_cancel();
        let world = Self {
            dice: dice.clone(),
            trace,
            turns,
            net,
            ledger,
            gateway,
            budget,
            site,
            server,
            stop: Rc::new(stop),
            stories: Rc::default(),
            playing: Rc::default(),
            visits: Rc::default(),
            faults: RefCell::default(),
            circumstances,
            is_hostile: false,
            clock,
        };
        world.begin(plan.clients, plan.acts);
        world
    }

    /// What a worker does beside its sessions, and who comes.
    fn begin(&self, clients: Vec<(Duration, Script)>, acts: Vec<(Duration, Act)>) {
        let (node, cancel) = self
            .server
            .named("task", "origin connections")
            .with_cancel();
        cancel.detach();
        let (gateway, ctx) = (self.gateway.clone(), node.clone());
        self.detached(async move {
            let _ = ctx.run(gateway.pool().keep()).await;
        });
        let (gateway, ctx) = (self.gateway.clone(), node.clone());
        self.detached(async move {
            let _ = ctx.run(gateway.tidy()).await;
        });
        let (gateway, ctx) = (self.gateway.clone(), node.clone());
        self.detached(async move {
            let _ = ctx.run(gateway.keep_log()).await;
        });
        let turns = self.turns.clone();
        self.gateway
            .employ(node, move |task| turns.spawn(task).detach());
        for (at, script) in clients {
            self.playing.set(self.playing.get() + 1);
            let coming = self.visit(script);
            self.detached(async move {
                clock::sleep(at).await;
                coming.await;
            });
        }
        if !acts.is_empty() {
            let acting = self.act(acts);
            self.detached(acting);
        }
    }

    fn detached(&self, work: impl Future<Output = ()> + 'static) {
        self.turns.spawn(work).detach();
    }

    /// One client, from its coming to its going; and the session that it gets.
    fn visit(&self, script: Script) -> impl Future<Output = ()> + 'static {
        let (net, turns, gateway) = (self.net.clone(), self.turns.clone(), self.gateway.clone());
        let (stories, playing) = (self.stories.clone(), self.playing.clone());
        let (server, visits) = (self.server.clone(), self.visits.clone());
        async move {
            let number = script.number;
            if !gateway.is_draining() {
                let (client, tip) = net.connect(format!("c{number}"));
                visits.borrow_mut().push(Visit {
                    session: format!("c{number}"),
                    wire: client.wire(),
                    is_one: matches!(&script.asks[..], [ask] if ask.body.is_empty()),
                });
                let peer = SocketAddr::from(([10, 0, 0, number as u8], 1024));
                let (node, cancel) = server.named("session", format!("c{number}")).with_cancel();
                let serving = session::serve_by(gateway, tip, Some(peer), node, 0);
                let served = async move {
                    serving.await;
                    drop(cancel);
                };
                turns.spawn(served).detach();
                let story = client::play(script, client).await;
                stories.borrow_mut().push(story);
            }
            playing.set(playing.get() - 1);
        }
    }

    /// What happens to everybody.
    fn act(&self, acts: Vec<(Duration, Act)>) -> impl Future<Output = ()> + 'static {
        let (gateway, net, site) = (self.gateway.clone(), self.net.clone(), self.site.clone());
        let (stop, dice, trace) = (self.stop.clone(), self.dice.clone(), self.trace.clone());
        let start = clock::now();
        async move {
            for (at, act) in acts {
                clock::sleep_until(start + at).await;
                match act {
                    Act::Cancel => cancel_one(&stop, &dice, &trace),
                    Act::Cut => net.any().iter().for_each(|wire| wire.cut()),
                    Act::Lose => net.any().iter().for_each(|wire| wire.lose()),
                    Act::Reload => gateway.adopt(plan::anew(&site)),
                    Act::Evict => {
                        let waker = std::task::Waker::noop();
                        let cx = std::task::Context::from_waker(waker);
                        let _ = gateway.poll_close_idlest(&cx);
                    }
                    Act::Drain => {
                        trace.note(format_args!("drain"));
                        gateway.drain();
                        clock::sleep(GRACE).await;
                        for session in sessions(stop.context()) {
                            let _ = stop.cancel_descendant(session, Reason::Static(&Drained));
                        }
                    }
                }
            }
        }
    }

    /// Runs to the end, and says what did not hold.
    pub(crate) fn run(self, book: &mut Book) -> Report {
        self.go_on(|world| world.playing.get() == 0);
        if self.playing.get() > 0 && self.is_well() {
            self.fault(format!("{} clients are stuck", self.playing.get()));
        }
        // What is left of it ends by itself: linger, copies, idle connections, the log.
        self.go_on(|_| false);
        // Without limits it may wait for ever.
        if self.is_well() && self.circumstances.is_bounded {
            self.check_left("by itself");
        }
        self.trace.note(format_args!("the end"));
        self.gateway.drain();
        self.stop.cancel();
        self.settle();
        if self.is_well() {
            self.check_left("after the end");
        }
        self.close(book)
    }

    /// Steps and jumps until `is_over`, or nothing is left to happen.
    fn go_on(&self, is_over: impl Fn(&Self) -> bool) {
        for _ in 0..JUMPS_MAX {
            self.settle();
            if !self.is_well() || is_over(self) || !self.clock.advance_to_next() {
                return;
            }
        }
        self.fault("time goes on for ever".to_owned());
    }

    /// Steps until nothing moves.
    fn settle(&self) {
        for _ in 0..STEPS_MAX {
            if !self.turns.step() {
                return self.check_quiet();
            }
        }
        self.fault("it moves for ever".to_owned());
    }

    fn is_well(&self) -> bool {
        self.faults.borrow().is_empty()
    }

    fn fault(&self, what: String) {
        // Ids are another in every run, and have no place in a trace.
        let first = what.split('\n').next().unwrap_or_default();
        self.trace.note(format_args!("FAULT {first}"));
        self.faults.borrow_mut().push(what);
    }

    /// Nothing moves: so whatever has ended is gone, and no deadline lies in the past.
    fn check_quiet(&self) {
        let view = View::of(&self.server, &ViewOptions::default());
        let nodes = view.nodes();
        for node in nodes {
            let is_over = matches!(node.state, "canceled" | "expired")
                || node.remaining == Some(Duration::ZERO);
            if !is_over {
                continue;
            }
            // An exchange that is over may still have its answer to write, which is the session's wait.
            let is_answering = node.kind == "exchange"
                && node.parent.is_some_and(|parent| {
                    let mut beside = nodes[parent].children.iter();
                    // Without a limit such a wait is no node.
                    let is_unlimited = self.site.routes[0].terms[0].timeouts.body.is_none();
                    is_unlimited
                        || beside.any(|at| {
                            nodes[*at].kind == "task" && nodes[*at].label == "request body"
                        })
                });
            // The gateway itself knows below which node the worker's tasks run, for as long as there is one.
            let is_workers = self.server.err().is_some()
                && (node.depth == 0 || node.label == "origin connections");
            if !is_answering && !is_workers {
                let (kind, label, state) = (node.kind, &node.label, node.state);
                return self.fault(format!(
                    "{kind} {label} is {state}, and still there:\n{}",
                    view.to_text()
                ));
            }
        }
        self.check_stays(nodes);
        let idles = |it: &&Permits| it.waiting() > 0 && it.held() < it.max();
        if permits(&self.site).iter().any(|it| idles(&it)) {
            self.fault("a permit is free, and somebody waits for one".to_owned());
        }
        // Without a limit for heads, whoever has begun one looks as if it idled.
        let header = self.site.routes[0].terms[0].timeouts.header;
        if self.gateway.is_draining() && header.is_some() {
            let idles = |node: &&ViewNode| node.kind == "session" && node.children.is_empty();
            if let Some(node) = nodes.iter().find(idles) {
                self.fault(format!("{} idles in a gateway that drains", node.label));
            }
        }
    }

    /// Nothing is done any more for a client that is known to have gone.
    fn check_stays(&self, nodes: &[ViewNode]) {
        let listen = self.site.listeners[0].as_ref();
        let half_close = listen.is_some_and(|it| it.half_close);
        for visit in &*self.visits.borrow() {
            let Some(hangup) = visit.wire.is_left_alone() else {
                continue;
            };
            let is_it = |node: &&ViewNode| node.kind == "session" && node.label == visit.session;
            let session = nodes.iter().find(is_it);
            let mut below = session.into_iter().flat_map(|it| &it.children);
            let has = |kind: &str| nodes.iter().any(|it| it.kind == kind);
            // A tunnel looks at its sides only where octets come from and go to, and at those that say no more.
            let is_gone = match hangup {
                Hangup::Reset => session.is_some() && (visit.wire.end_is_read() || !has("tunnel")),
                _ => visit.is_one && !half_close && below.any(|at| nodes[*at].kind == "exchange"),
            };
            if is_gone {
                let who = &visit.session;
                return self.fault(format!(
                    "{who} has gone ({hangup:?}), and its session goes on:\n{}",
                    View::of(&self.server, &ViewOptions::default()).to_text()
                ));
            }
        }
    }

    /// Nothing is left that belonged to anybody.
    fn check_left(&self, when: &str) {
        let view = View::of(&self.server, &ViewOptions::default());
        // The server, and below it the worker's own.
        if view.nodes().len() > 2 {
            self.fault(format!("{when}, nodes are left:\n{}", view.to_text()));
        }
        let permits = permits(&self.site);
        let sum = |count: fn(&Permits) -> usize| permits.iter().map(count).sum();
        let in_flight = self.site.upstreams.iter().flat_map(|it| &it.endpoints);
        let left = [
            ("sessions", self.gateway.session_count()),
            ("connections", self.net.held()),
            ("idle connections", self.gateway.pool().idle_count()),
            ("permits", sum(Permits::held)),
            ("waiters for a permit", sum(Permits::waiting)),
            (
                "requests in flight",
                in_flight.map(|it| it.state.in_flight()).sum(),
            ),
        ];
        for (what, count) in left.into_iter().filter(|(_, count)| *count > 0) {
            self.fault(format!("{when}, {count} {what} are left"));
        }
    }

    /// Drops everything, and holds what clients, origins and the log say against each other.
    fn close(self, book: &mut Book) -> Report {
        self.net.close();
        while self.turns.step() {}
        let mut faults = self.faults.take();
        // Origins and whatever was under way have gone; clients that have not may still have theirs, and a hostile origin
        // may sleep past the end.
        let armed = self.clock.armed_count();
        let are_gone = self.playing.get() == 0 && !self.is_hostile;
        if armed > 0 && faults.is_empty() && are_gone {
            faults.push(format!("after the end, {armed} timers are left"));
        }
        let is_well = faults.is_empty();
        let others = Rc::strong_count(&self.gateway) - 1;
        if others > 0 && is_well {
            faults.push(format!("{others} others hold the gateway"));
        }
        drop(self.gateway);
        if self.budget.used() > 0 && is_well && others == 0 {
            faults.push(format!("{} octets of buffers are left", self.budget.used()));
        }
        let records = book.records();
        for record in &records {
            self.trace.note(format_args!("record {}", record.line));
        }
        let mut stories = self.stories.take();
        stories.sort_by_key(|story| story.number);
        if is_well {
            for story in &stories {
                faults.extend(match self.is_hostile {
                    true => verdict::by_records(story, &records),
                    false => verdict::of(story, &records, &self.ledger, &self.circumstances),
                });
            }
            faults.extend(self.ledger.faults());
            faults.extend(early(&records, &self.site));
        }
        for story in &stories {
            let (number, ended) = (story.number, story.ended);
            let (sent, got) = (story.sent, story.octets.len());
            self.trace.note(format_args!(
                "client {number} sent {sent} octets and got {got}: {ended:?}"
            ));
        }
        Report {
            hash: self.trace.hash(),
            faults,
            trace: self.trace.lines(),
            requests: records.len(),
            elapsed: self.trace.elapsed(),
        }
    }
}

/// A client's connection.
struct Visit {
    /// What the session is called.
    session: String,
    wire: Rc<Wire>,
    /// It asks once at most, and sends no content.
    is_one: bool,
}

/// Nothing that has a deadline ends early by it.
fn early(records: &[Record], site: &Site) -> Vec<String> {
    let route = &site.routes[0];
    let timeouts = &route.terms[0].timeouts;
    let queue = site.upstreams.iter().map(|it| it.queue_timeout).min();
    let auth = route.auth.as_ref().map(|auth| match auth {
        Auth::Forward(auth) => auth.timeout,
        #[allow(
            unreachable_patterns,
            reason = "passwords are there by a feature that the fuzz targets, which play this world too, do not know"
        )]
        _ => Duration::ZERO,
    });
    let response = [timeouts.response, route.retry.per_try]
        .into_iter()
        .flatten();
    let limits = [
        ("deadline:request", timeouts.request),
        ("deadline:total", timeouts.total),
        ("client_body_timeout", timeouts.body),
        ("response_body_timeout", timeouts.body),
        ("connect_timeout", timeouts.connect),
        ("response_timeout", response.min()),
        ("queue_timeout", queue),
        ("auth_timeout", auth),
        ("tunnel_timeout", timeouts.tunnel),
        ("tunnel_max", timeouts.tunnel_max),
    ];
    let is_early = |record: &&Record| {
        let mut limits = limits.iter().filter(|(cause, _)| *cause == record.cause);
        limits.any(|(_, limit)| {
            limit.is_none_or(|limit| record.total_ms + 0.001 < limit.as_secs_f64() * 1e3)
        })
    };
    records
        .iter()
        .filter(is_early)
        .map(|record| format!("ended early: {}", record.line))
        .collect()
}

fn permits(site: &Site) -> Vec<Permits> {
    let placed = site.upstreams.iter().flat_map(|it| &it.endpoints);
    placed.filter_map(|placed| placed.permits.clone()).collect()
}

fn sessions(server: &Context) -> Vec<u64> {
    let view = View::of(server, &ViewOptions::default());
    let nodes = view.nodes().iter().filter(|node| node.kind == "session");
    nodes.map(|node| node.id).collect()
}

/// Cancels one node below the server, as an operator might, by its id.
fn cancel_one(stop: &Cancel, dice: &Dice, trace: &Trace) {
    let view = View::of(stop.context(), &ViewOptions::default());
    // Not the server, and not what the worker keeps its connections with.
    let nodes = view.nodes().iter();
    let nodes: Vec<_> = nodes
        .filter(|it| it.kind != "server" && it.label != "origin connections")
        .collect();
    if !nodes.is_empty() {
        let node = nodes[dice.below(nodes.len())];
        trace.note(format_args!("cancel {} {}", node.kind, node.label));
        let _ = stop.cancel_descendant(node.id, "the dice");
    }
}
