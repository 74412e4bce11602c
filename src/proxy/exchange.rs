//! An exchange: one request and its responses, from the request head to the verdict on both connections.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::Write as _;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future;

use super::answer::{self, Answer, Connection};
use super::carry::{Failed, owed};
use super::error::{Error, Phase, Side, What};
use super::facts::Facts;
use super::gateway::{Gateway, Heads};
use super::mirror;
#[cfg(feature = "acme")]
use super::proof;
use super::record::{Told, record};
use super::retry::{self, Flaw};
use super::scene::{Found, Member, Scene, Upstream};
use super::session::Session;
use super::site::{Action, Auth, Limit, Per, Route, Site, Terms};
use super::template::{Hole, Part};
use super::timeout::Timeout;
use super::upload::Upload;
use super::wait::{Owed, within};
use crate::clock;
use crate::context::{Cancel, Context, Label, Reason};
use crate::http::connection::request_persistence;
use crate::http::field::Name;
use crate::http::framing::{Framed, Framing, request_framing};
use crate::http::head::{Expectation, HeadScanner, Parsed, RequestHead, Version};
use crate::http::target::Target;
use crate::limit::{Admitted, Key};
use crate::metrics::UpstreamEvent;
use crate::net::dialer::Dial;
use crate::net::pool::Pooled;
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::Buffer;

/// How the session goes on after an exchange.
pub(super) enum Next<S> {
    /// With the next request.
    Request,
    /// With waiting for it: only supposedly was there something to be read.
    Pause,
    /// Not at all.
    Close,
    /// Not at all, but the client may still be sending: let it read the answer first.
    Linger,
    /// As a tunnel.
    Tunnel(Box<Upgraded<S>>),
}

/// A connection that the origin has switched to another protocol.
pub(super) struct Upgraded<S> {
    pub(super) origin: Box<Pooled<S>>,
    /// What came from the origin behind its 101.
    pub(super) input: Option<Buffer>,
    pub(super) label: Label,
    /// What the log will say, once the tunnel has ended.
    pub(super) told: Told,
    pub(super) heads: Box<Heads>,
    /// What it is held to.
    pub(super) terms: Arc<Terms>,
    /// Its place among those that may run at a time.
    pub(super) admitted: Option<Admitted>,
}

/// What the parts of one exchange share.
pub(super) struct Exchange<'a, C, D: Dial> {
    pub(super) session: &'a Session<C, D>,
    pub(super) gateway: &'a Gateway<D>,
    /// What was served when it began.
    pub(super) scene: &'a Rc<Scene<D::Stream>>,
    /// What it is held to.
    pub(super) terms: &'a Arc<Terms>,
    /// What its peer says of others is believed.
    pub(super) is_trusted: bool,
    /// The client, as far as proxies that are trusted tell of it.
    pub(super) client: Option<IpAddr>,
    /// A client's FIN is no farewell.
    pub(super) half_close: bool,
    pub(super) ctx: Context,
    pub(super) cancel: Cancel,
    pub(super) started: Instant,
    /// A 100 was forwarded.
    pub(super) continued: Cell<bool>,
    /// An interim response is on its way to the client, perhaps in part: no other one may begin behind it.
    pub(super) is_interim_midway: Cell<bool>,
    /// Fields that the request goes on with, or without, since somebody was asked about it.
    pub(super) granted: RefCell<Vec<(String, Option<Vec<u8>>)>>,
    /// How many attempts met a connection that was not good any more.
    pub(super) stale: Cell<usize>,
}

/// Which way a request goes.
pub(super) struct Way<'a, S> {
    pub(super) route: &'a Route,
    /// Which of the site's that is.
    pub(super) number: usize,
    /// Where its route sends it, if anywhere.
    pub(super) upstream: Option<&'a Upstream<S>>,
}

/// Where an attempt goes.
pub(super) struct Goal<'a, S> {
    pub(super) route: &'a Route,
    pub(super) upstream: &'a Upstream<S>,
    pub(super) member: &'a Member<S>,
    /// Which of the site's the route is.
    pub(super) number: usize,
    /// Another attempt may follow, if the response is one to try again on.
    pub(super) may_repeat: bool,
}

impl<S> Clone for Goal<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Goal<'_, S> {}

/// What the client has seen of a response, and what may follow it.
pub(super) struct Reply {
    /// A final response head was written, or begun to be.
    pub(super) begun: bool,
    /// The request has been read to its end: what follows on the connection is another.
    pub(super) request_read: bool,
    /// The client wants, and we allow, another exchange on this connection.
    pub(super) persists: bool,
}

/// What the attempts of an exchange work on.
pub(super) struct Parts<'p> {
    /// How the request's content is framed.
    pub(super) framed: &'p Framed,
    /// What the client has sent beyond what was used.
    pub(super) input: &'p mut Option<Buffer>,
    pub(super) upload: Upload,
    pub(super) heads: &'p mut Heads,
    pub(super) told: &'p mut Told,
    pub(super) reply: &'p mut Reply,
}

/// Serves the request whose first octets are there, or are about to be.
pub(super) async fn run<C: Stream, D: Dial + 'static>(
    session: &Session<C, D>,
    input: &mut Option<Buffer>,
    heads: &mut Box<Heads>,
) -> Next<D::Stream> {
    let gateway = &*session.gateway;
    let scene = gateway.scene();
    let Some(listen) = scene.site.listener(session.listener) else {
        return Next::Close;
    };
    match read_head(session, &listen.terms, input, &mut heads.request).await {
        Ok(Came::Request) => {}
        Ok(Came::End) => return Next::Close,
        Ok(Came::Nothing) => return Next::Pause,
        // It was over before an octet of a request was read: nobody is owed an answer.
        Err(_) if input.is_none() => return Next::Close,
        Err(error) => {
            let mut told = Told {
                started: Some(clock::now()),
                ..Told::default()
            };
            let page = Page::usual(&scene.site, &listen.terms);
            let next = answer_error(session, page, &error, heads, &mut told, None).await;
            record(session, heads, &told);
            return next;
        }
    }
    let started = clock::now();
    let _under_way = gateway.counters().begin();
    let peer = session.peer.map(|peer| peer.ip());
    let Found {
        is_trusted,
        client,
        route,
        number,
    } = scene.site.find(&heads.request, peer, &mut heads.path);
    // A listener may send everybody elsewhere, whatever the routes say.
    let moved = listen.elsewhere.as_deref();
    #[cfg(feature = "acme")]
    let proof = proof::route(listen, &heads.request);
    #[cfg(feature = "acme")]
    let moved = proof.as_deref().or(moved);
    let tally = match (moved, route) {
        (None, Some(_)) => scene.tally(number).cloned(),
        _ => None,
    };
    let route = moved.or(route);
    let to = route.and_then(|route| scene.place(route));
    let place = to.map_or(0, |(place, _)| place);
    let terms = route
        .and_then(|route| scene.site.terms(listen, route, place))
        .unwrap_or(&listen.terms);
    let label = label(&heads.request);
    let named = session.ctx.named("exchange", label);
    let asked = route.and_then(|route| route.asked(peer, is_trusted, &heads.request));
    let total = terms.timeouts.total.map(|total| (total, Timeout::Total));
    let asked = asked.map(|asked| (asked, Timeout::Asked));
    let (ctx, cancel) = match total
        .into_iter()
        .chain(asked)
        .min_by_key(|(limit, _)| *limit)
    {
        Some((limit, timeout)) => {
            let at = clock::later(started, limit);
            named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
        }
        None => named.with_cancel(),
    };
    let mut told = Told {
        exchange: ctx.id(),
        started: Some(started),
        route: tally,
        upstream: to.map(|(_, upstream)| upstream.tally.clone()),
        client,
        ..Told::default()
    };
    let exchange = Exchange {
        session,
        gateway,
        scene: &scene,
        terms,
        is_trusted,
        client,
        half_close: listen.half_close,
        ctx,
        cancel,
        started,
        continued: Cell::new(false),
        is_interim_midway: Cell::new(false),
        granted: RefCell::default(),
        stale: Cell::new(0),
    };
    let mut reply = Reply {
        begun: false,
        request_read: false,
        persists: false,
    };
    let mut admitted = None;
    let way = route.map(|route| Way {
        route,
        number,
        upstream: to.map(|(_, upstream)| upstream),
    });
    let served = exchange
        .serve(
            way.as_ref(),
            input,
            heads,
            &mut told,
            &mut reply,
            &mut admitted,
        )
        .await;
    let next = match served {
        Ok(Outcome::Tunnel(origin, origin_input)) => {
            let label = Label::new(exchange.ctx.label());
            return Next::Tunnel(Box::new(Upgraded {
                origin,
                input: origin_input,
                label,
                told,
                heads: std::mem::take(heads),
                terms: terms.clone(),
                admitted,
            }));
        }
        Ok(Outcome::Done) if reply.persists && reply.request_read => Next::Request,
        // A close with requests unread that were sent ahead would be a reset, and could take the answer back.
        Ok(Outcome::Done) if reply.request_read && input.is_none() => Next::Close,
        Ok(Outcome::Done) => Next::Linger,
        Err(error) => exchange.fail(&error, route, heads, &mut told, &reply).await,
    };
    record(session, heads, &told);
    // Nobody else knows the node any more, so ending it wakes nobody: the cheap order.
    let Exchange { ctx, cancel, .. } = exchange;
    drop(ctx);
    drop(cancel);
    next
}

/// What came of waiting for a request.
enum Came {
    /// Its head.
    Request,
    /// The client's end, or its reset, between two requests, as it may be.
    End,
    /// Not one octet: to wait for a request is the session's, with its own limit and without a buffer.
    Nothing,
}

/// Reads until the request head is whole.
async fn read_head<C: Stream, D: Dial>(
    session: &Session<C, D>,
    terms: &Terms,
    input: &mut Option<Buffer>,
    head: &mut RequestHead,
) -> Result<Came, Error> {
    let gateway = &*session.gateway;
    let limits = &terms.limits;
    let limit = (Timeout::Header, terms.timeouts.header);
    let whole = pin!(async {
        let mut progress = HeadScanner::default();
        loop {
            if let Some(buffer) = input
                .as_mut()
                .filter(|buffer| progress.is_worthwhile(buffer.filled(), limits))
            {
                let parsed = head
                    .parse(buffer.filled(), limits)
                    .map_err(|error| Error::client_sin(Phase::Head, error.sin(), error.status()))?;
                if let Parsed::Complete(consumed) = parsed {
                    buffer.consume(consumed);
                    if buffer.is_empty() {
                        *input = None;
                    }
                    return Ok(Came::Request);
                }
            }
            // The session has seen that the first octets are there.
            if input.is_some() {
                stream::readable(&session.client).await;
            }
            let buffer = input.get_or_insert_with(|| gateway.buffers.small());
            let is_begun = !buffer.is_empty();
            let received = poll_fn(|cx| match session.client.poll_read(cx, buffer.space()) {
                Poll::Pending => Poll::Ready(None),
                Poll::Ready(received) => Poll::Ready(Some(received)),
            });
            match received.await {
                None if is_begun => {}
                None => {
                    *input = None;
                    return Ok(Came::Nothing);
                }
                // Whoever leaves before the first octet of a request has asked for nothing.
                Some(Ok(0) | Err(_)) if !is_begun => return Ok(Came::End),
                Some(Ok(0) | Err(_)) => return Err(Error::client_gone(Phase::Head)),
                Some(Ok(_)) => {}
            }
        }
    });
    within(&session.ctx, Phase::Head, limit, whole).await?
}

/// How an exchange ended that did not fail.
pub(super) enum Outcome<S> {
    Done,
    Tunnel(Box<Pooled<S>>, Option<Buffer>),
}

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    async fn serve(
        &self,
        way: Option<&Way<'_, D::Stream>>,
        input: &mut Option<Buffer>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
        admitted: &mut Option<Admitted>,
    ) -> Result<Outcome<D::Stream>, Error> {
        let head = &heads.request;
        let framed = request_framing(head, &self.terms.limits)
            .map_err(|error| Error::client_sin(Phase::Head, error.sin(), error.status()))?;
        reply.request_read = matches!(framed.framing(), Framing::None | Framing::Length(0));
        reply.persists = request_persistence(head).is_reuse() && !self.gateway.is_parting();
        self.judge(head)?;
        if head.method() == b"TRACE" && !reply.request_read {
            // RFC 9110 §9.3.8: what goes on from here is ours to answer for.
            return Err(Error::client_sin(Phase::Head, "trace_with_content", 400));
        }
        let Some(way) = way else {
            return Err(Error::client(Phase::Head, What::NoRoute));
        };
        let judged = way
            .route
            .paths
            .judge(|| head.form().map_or(&b""[..], |form| form.path()));
        judged.map_err(|refused| Error::client_sin(Phase::Head, refused.0, 400))?;
        if !way.route.access.lets_in(self.client) {
            return Err(Error::client(Phase::Head, What::Denied));
        }
        if let Some(limit) = &way.route.limit {
            *admitted = Some(self.admit(limit, head)?);
        }
        if self.ctx.err().is_some() {
            // What the client waits for was over before it began.
            return Err(Error::ended(&self.ctx, Phase::Head));
        }
        let refused = match &way.route.auth {
            Some(auth) => {
                let owed = owed(input.as_ref(), &framed, reply);
                Box::pin(self.authenticate(auth, heads, &owed)).await?
            }
            None => None,
        };
        let answer = match (refused, &way.route.action) {
            (Some(answer), _) => Cow::Owned(answer),
            (None, Action::Forward(..)) if heads.request.max_forwards() == Some(0) => {
                Cow::Owned(Answer::of_the_last(&heads.request))
            }
            (None, Action::Forward(..)) => {
                let Some(upstream) = way.upstream else {
                    return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
                };
                let is_mirrored = self.is_mirrored(way);
                let kept_max = self.kept_max(way.route, &heads.request, is_mirrored);
                let mut parts = Parts {
                    framed: &framed,
                    input,
                    upload: Upload::new(&framed, &self.terms.limits, kept_max),
                    heads,
                    told,
                    reply,
                };
                let done = self.tries(way, upstream, &mut parts).await;
                if is_mirrored {
                    self.mirror(way, &mut parts);
                }
                return done;
            }
            (None, Action::Redirect { to, status }) => {
                let has_host = head.authority().is_some_and(|it| !it.host.is_empty());
                if !has_host && to.parts.contains(&Part::Hole(Hole::Host)) {
                    return Err(Error::client_sin(Phase::Head, "missing_host", 400));
                }
                let mut location = Vec::new();
                self.facts(heads, "").write(to, &mut location);
                Cow::Owned(Answer::redirect(*status, location))
            }
            (None, Action::Respond(answer)) => Cow::Borrowed(answer),
        };
        self.respond(way.route, &answer, heads, told, reply).await?;
        Ok(Outcome::Done)
    }

    /// Finds out who asks. `None`: somebody who may; else what is answered.
    async fn authenticate(
        &self,
        auth: &Auth,
        heads: &Heads,
        owed: &Owed,
    ) -> Result<Option<Answer>, Error> {
        match auth {
            Auth::Forward(auth) => self.ask(auth, heads, owed).await,
            #[cfg(feature = "auth")]
            Auth::Basic(auth) => {
                let verified = self.verify(auth, &heads.request, owed).await;
                verified.map(|()| None)
            }
        }
    }

    /// When whoever is asked for a word has to have said it, and why then: within `limit` from now, which `timeout` names,
    /// and within the budget of the request. `total` ends it too, as the branch above.
    pub(super) fn due_within(&self, limit: Duration, timeout: Timeout) -> (Instant, Timeout) {
        let due = (clock::later(clock::now(), limit), timeout);
        let budget = self.terms.timeouts.request;
        let budget = budget.map(|budget| clock::later(self.started, budget));
        match budget {
            Some(at) if at < due.0 => (at, Timeout::Request),
            _ => due,
        }
    }

    /// What templates may ask about the request.
    pub(super) fn facts<'h>(&'h self, heads: &'h Heads, upstream: &'h str) -> Facts<'h> {
        Facts {
            client: self.client,
            request: &heads.request,
            path: &heads.path,
            request_id: heads
                .request
                .fields()
                .first(Name::XRequestId)
                .unwrap_or_default(),
            upstream,
            scheme: self.scheme(),
            subject: self.session.client.peer_subject(),
        }
    }

    /// What the client's connection is to it.
    pub(super) fn scheme(&self) -> &'static str {
        match self.session.client.is_secure() {
            true => "https",
            false => "http",
        }
    }

    /// Lets the request in, if its client has not asked for too much.
    fn admit(&self, limit: &Limit, head: &RequestHead) -> Result<Admitted, Error> {
        let key = match (&limit.per, self.client) {
            (Per::Ip, Some(ip)) => Key::Ip(ip),
            (Per::Header(name), _) => Key::Octets(head.fields().get(name).unwrap_or_default()),
            // Who comes by a unix socket has no address: they are one.
            (Per::Ip, None) | (Per::Route, _) => Key::Whole,
        };
        let admitted = limit.limiter.admit(key, clock::now());
        admitted.map_err(|refused| {
            Error::client(
                Phase::Head,
                What::Limited {
                    retry_after: refused.retry_after,
                },
            )
        })
    }

    /// Refuses what is not to be forwarded at all.
    fn judge(&self, head: &RequestHead) -> Result<(), Error> {
        if head.is_connect() {
            return Err(Error::client_sin(Phase::Head, "connect_not_allowed", 405));
        }
        if self.is_out_of_place(head) {
            return Err(Error::client_sin(Phase::Head, "https_in_the_clear", 421));
        }
        if self.session.is_mistaken.get() {
            return Err(Error::client_sin(Phase::Head, "plain_http_on_tls", 400));
        }
        if head.expectation() == Expectation::Unknown {
            return Err(Error::client_sin(Phase::Head, "unknown_expectation", 417));
        }
        if self.gateway.buffers.budget().is_exhausted() {
            return Err(Error::gateway(Phase::Head, What::Shed));
        }
        Ok(())
    }

    /// Whether the target says `https` and the connection is another, and it is no proxy we trust that says so
    /// (RFC 9110 §7.4).
    fn is_out_of_place(&self, head: &RequestHead) -> bool {
        if head.target().first() == Some(&b'/') {
            return false;
        }
        let is_https = matches!(
            head.form(),
            Ok(Target::Absolute { scheme, .. }) if scheme.eq_ignore_ascii_case(b"https")
        );
        let peer = self.session.peer.map(|peer| peer.ip().to_canonical());
        is_https && !self.session.client.is_secure() && !self.scene.site.is_trusted(peer)
    }

    /// How much of a request's content is kept, to be sent again or copied.
    fn kept_max(&self, route: &Route, request: &RequestHead, is_mirrored: bool) -> usize {
        let retry = &route.retry;
        let is_kept = request.is_idempotent() && retry.attempts_max > 1;
        match (is_mirrored, is_kept) {
            (true, _) => retry.replay_max.max(mirror::CONTENT_MAX),
            (false, true) => retry.replay_max,
            (false, false) => 0,
        }
    }

    /// Makes attempts, one after the other, until one has led to a response, and carries that.
    async fn tries(
        &self,
        way: &Way<'_, D::Stream>,
        upstream: &Upstream<D::Stream>,
        parts: &mut Parts<'_>,
    ) -> Result<Outcome<D::Stream>, Error> {
        if let Some(budget) = self.scene.budget(way.number) {
            budget.earn();
        }
        let retry = &way.route.retry;
        let is_idempotent = parts.heads.request.is_idempotent();
        let mut tried: Vec<usize> = Vec::new();
        let hedge = way.route.hedge.as_ref().filter(|_| {
            is_idempotent
                && parts.reply.request_read
                && upstream.members.len() > 1
                && !parts.heads.request.asks_for_upgrade()
        });
        let mut hedge = hedge;
        // A stale connection does not count as a try of the origin. After many of them a new one is made.
        loop {
            let (tried_now, goal, index) = if let Some(hedge) = hedge.take() {
                let racing = self.hedged((way, upstream, hedge), &mut tried, parts);
                (racing.await, None, None)
            } else {
                let Some((index, member)) = self.pick(upstream, parts.heads, &tried) else {
                    return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
                };
                parts.told.attempts += 1;
                parts.told.endpoint = Some(member.name.clone());
                let may_repeat = is_idempotent && tried.len() + 1 < retry.attempts_max as usize;
                let goal = Goal {
                    may_repeat,
                    ..self.goal(way, upstream, member)
                };
                (self.attempt(goal, parts).await, Some(goal), Some(index))
            };
            let Failed { error, was_reused } = match tried_now {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed,
            };
            let flaw = Flaw::of(&error, was_reused, is_idempotent);
            let is_fault = error.side == Side::Origin && !was_reused;
            if let Some(goal) = goal.filter(|_| is_fault && flaw != Some(Flaw::Status)) {
                self.note_failure(goal);
            }
            let Some(flaw) = flaw.filter(|flaw| retry.on.covers(*flaw)) else {
                return Err(error);
            };
            let is_repeatable = parts.upload.is_repeatable(parts.told.received);
            if parts.reply.begun || !is_repeatable || self.ctx.err().is_some() {
                return Err(error);
            }
            if flaw == Flaw::Stale {
                self.stale.set(self.stale.get() + 1);
                upstream.tally.note(UpstreamEvent::StaleReplay);
                continue;
            }
            tried.extend(index);
            let is_last = tried.len() >= retry.attempts_max as usize;
            if is_last || (flaw != Flaw::Status && !self.spend(way.number, upstream)) {
                return Err(error);
            }
            // Whoever is not there need not be waited for, where somebody else is.
            if flaw == Flaw::Connect && tried.len() < upstream.members.len() {
                upstream.tally.note(UpstreamEvent::Retry);
                continue;
            }
            let pause = retry::pause(retry.pause, tried.len() as u32, self.scene.draw());
            if self
                .left(parts.reply.request_read)
                .is_some_and(|left| left <= pause)
            {
                return Err(error);
            }
            self.rest(pause, parts).await?;
            upstream.tally.note(UpstreamEvent::Retry);
        }
    }

    /// The endpoint that is next, of those that were not `tried`, or else of all.
    pub(super) fn pick<'u>(
        &self,
        upstream: &'u Upstream<D::Stream>,
        heads: &Heads,
        tried: &[usize],
    ) -> Option<(usize, &'u Member<D::Stream>)> {
        upstream.pick(&heads.request, &heads.path, self.client, tried)
    }

    pub(super) fn goal<'g>(
        &self,
        way: &Way<'g, D::Stream>,
        upstream: &'g Upstream<D::Stream>,
        member: &'g Member<D::Stream>,
    ) -> Goal<'g, D::Stream> {
        Goal {
            route: way.route,
            upstream,
            member,
            number: way.number,
            may_repeat: false,
        }
    }

    /// Pays for one further try on the route of this number, at an endpoint of `upstream`. False: there have been too
    /// many.
    pub(super) fn spend(&self, route: usize, upstream: &Upstream<D::Stream>) -> bool {
        let budget = self.scene.budget(route);
        let is_paid = budget.is_none_or(|budget| budget.spend(clock::now()));
        if !is_paid {
            upstream.tally.note(UpstreamEvent::BudgetExhausted);
        }
        is_paid
    }

    /// Waits a little, while the client stays.
    async fn rest(&self, pause: Duration, parts: &Parts<'_>) -> Result<(), Error> {
        let owed = Owed::default();
        let remaining = match parts.reply.request_read {
            true => Some(0),
            false => parts.upload.decoder.remaining(),
        };
        let input = parts.input.as_ref();
        owed.set(input.map_or(0, |buffer| buffer.filled().len()), remaining);
        let resting = pin!(clock::sleep(pause));
        let resting = pin!(within(
            &self.ctx,
            Phase::Connect,
            (Timeout::Request, None),
            resting
        ));
        self.while_client_stays(&owed, resting).await
    }

    /// Answers from here.
    async fn respond(
        &self,
        route: &Route,
        answer: &Answer,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<(), Error> {
        // A body that nobody reads would be taken for the next request.
        reply.persists = reply.persists && reply.request_read;
        let connection = connection(reply.persists, &heads.request);
        let mut fields = answer.fields.clone();
        let edited = route.response.apply(&mut fields, &self.facts(heads, ""));
        edited.map_err(|why| Error::gateway(Phase::Head, What::Config(why.to_string())))?;
        let answer = Answer {
            fields,
            ..answer.clone()
        };
        heads.octets.clear();
        told.status = answer.status;
        told.first = Some(self.elapsed());
        told.sent = answer.write(heads.request.is_head(), connection, &mut heads.octets) as u64;
        reply.begun = true;
        self.write(&heads.octets, &self.session.client).await
    }

    /// Writes octets of our own making to the client.
    pub(super) async fn write(&self, octets: &[u8], client: &C) -> Result<(), Error> {
        let limit = (Timeout::ClientBody, self.terms.timeouts.body);
        let mut pieces = [std::io::IoSlice::new(octets)];
        let written = within(
            &self.ctx,
            Phase::Body,
            limit,
            pin!(stream::write_all(client, &mut pieces)),
        )
        .await?;
        written.map_err(|_| Error::client_gone(Phase::Body))
    }

    /// Ends an exchange that failed: with an answer where there can be one, else with a message cut short.
    async fn fail(
        &self,
        error: &Error,
        route: Option<&Route>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &Reply,
    ) -> Next<D::Stream> {
        if reply.begun || self.is_interim_midway.get() {
            told.blame(error);
            if !reply.begun {
                told.status = answer::recorded_status(error);
            }
            self.trouble(error, told);
            // A client that reads up to the end must not take this for one.
            self.session.client.abort();
            return Next::Close;
        }
        let persists = reply.persists && reply.request_read;
        // The branch has ended, perhaps; the answer is the session's.
        let page = Page {
            route,
            ..Page::usual(&self.scene.site, self.terms)
        };
        let next = answer_error(self.session, page, error, heads, told, Some(persists)).await;
        self.trouble(error, told);
        next
    }

    /// Says on standard error what went wrong, unless it is the client's own affair.
    fn trouble(&self, error: &Error, told: &Told) {
        if error.side == Side::Client {
            return;
        }
        let endpoint = told.endpoint.as_deref().unwrap_or("-");
        let (label, query) = match self.ctx.label().split_once('?') {
            Some((label, _)) if self.gateway.scribe.redacts() => (label, "?-"),
            _ => (self.ctx.label(), ""),
        };
        self.gateway.scribe.trouble(format_args!(
            "exchange#{} {label}{query} status={} endpoint={endpoint} cause={error}",
            told.exchange, told.status,
        ));
    }

    pub(super) fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }
}

/// What the exchange is called in the tree: method and target, cut to what people read.
fn label(request: &RequestHead) -> Label {
    const OCTETS_MAX: usize = 96;
    let mut text = [0; OCTETS_MAX];
    let mut free = text.as_mut_slice();
    for part in [request.method(), b" ", request.target()] {
        // A `Write` that writes as much as there is room for, and never fails.
        let _ = free.write(part);
    }
    let len = OCTETS_MAX - free.len();
    let text = text.get_mut(..len).unwrap_or_default();
    if !text.is_ascii() {
        // Targets may hold octets above 0x7f, which alone are no text.
        let others = text.iter_mut().filter(|octet| !octet.is_ascii());
        others.for_each(|octet| *octet = b'?');
    }
    Label::new(std::str::from_utf8(text).unwrap_or_default())
}

fn connection(persists: bool, request: &RequestHead) -> Connection {
    match (persists, request.version()) {
        (false, _) => Connection::Close,
        (true, Version::Http10) => Connection::KeepAlive,
        (true, Version::Http11) => Connection::Persist,
    }
}

/// What an answer to an error is made with.
#[derive(Clone, Copy)]
struct Page<'a> {
    site: &'a Site,
    terms: &'a Terms,
    route: Option<&'a Route>,
}

impl<'a> Page<'a> {
    /// Without a route's own pages.
    fn usual(site: &'a Site, terms: &'a Terms) -> Self {
        Self {
            site,
            terms,
            route: None,
        }
    }

    /// `answer` with the route's own page for its status, if there is one.
    fn dress(&self, mut answer: Answer) -> Answer {
        if let Some(page) = self.route.and_then(|route| route.pages.get(&answer.status)) {
            answer.content = Some(page.content.clone());
            let _ = answer.fields.set("Content-Type", page.content_type);
        }
        answer
    }
}

/// Answers an error, where somebody is left to be answered. `persists` is `None` where not even the request head could
/// be read: then the connection ends.
async fn answer_error<C: Stream, D: Dial>(
    session: &Session<C, D>,
    page: Page<'_>,
    error: &Error,
    heads: &mut Heads,
    told: &mut Told,
    persists: Option<bool>,
) -> Next<D::Stream> {
    told.blame(error);
    told.status = answer::recorded_status(error);
    let hook = page.site.hooks.error_response.as_ref();
    let chosen = answer::for_error(error).map(|usual| {
        hook.and_then(|choose| choose(error))
            .unwrap_or_else(|| page.dress(usual))
    });
    let Some(answer) = chosen else {
        return Next::Close;
    };
    let gateway = &*session.gateway;
    // What a client's broken message leaves on the connection is no next request.
    let broken = error.side == Side::Client
        && matches!(
            error.what,
            What::Sin { .. } | What::BodyLimit | What::Timeout(_)
        );
    let persists = persists.unwrap_or(false) && !broken && !gateway.is_parting();
    let is_head = told.exchange != 0 && heads.request.is_head();
    let connection = if told.exchange == 0 {
        Connection::Close
    } else {
        connection(persists, &heads.request)
    };
    heads.octets.clear();
    told.status = answer.status;
    told.sent = answer.write(is_head, connection, &mut heads.octets) as u64;
    let mut pieces = [std::io::IoSlice::new(&heads.octets)];
    let limit = (Timeout::ClientBody, page.terms.timeouts.body);
    let mut writing = pin!(stream::write_all(&session.client, &mut pieces));
    match within(&session.ctx, Phase::Body, limit, writing.as_mut()).await {
        Ok(Ok(())) if persists => Next::Request,
        Ok(Ok(())) => Next::Linger,
        Ok(Err(_)) => Next::Close,
        Err(_) => {
            // The session itself has ended; what its socket takes without waiting is still said.
            let _ = future::poll_once(writing).await;
            Next::Close
        }
    }
}
