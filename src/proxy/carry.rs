//! One attempt and what it leads to: the request on its way to the origin and the response on its way back, both bodies
//! at the same time.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::answer;
use super::attempt::{self, HeadReading, Patience, Sending};
use super::errand::Answered;
use super::error::{Error, Phase, Retry, Side, What};
use super::exchange::{Exchange, Goal, Outcome, Parts, Reply};
use super::facts::Facts;
use super::gateway::{Draft, Heads, Host};
use super::pace::Pace;
use super::record::Told;
use super::relay::{self, From, Means, Withheld, relay};
use super::rewrite;
use super::scene::Member;
use super::site::{RequestIds, Route};
use super::template::Hole;
use super::timeout::Timeout;
use super::upload::{Replay, Upload};
use super::wait::{Owed, while_client_stays, within};
use crate::clock;
use crate::context::{Cancel, Context, Label, Reason};
use crate::http::body::{Decoder, Encoder};
use crate::http::connection::{grants_upgrade, response_persistence};
use crate::http::deadline::{self, DeadlineField};
use crate::http::field::Name;
use crate::http::forward::{self, ForwardError, Forwarding, HostPolicy, RequestId, Returning};
use crate::http::framing::{Framed, Framing, response_framing};
use crate::http::head::{
    ConnectionOption, Expectation, RequestHead, ResponseHead, Version, write_interim,
    write_request, write_response,
};
use crate::metrics::UpstreamEvent;
use crate::net::dialer::Dial;
use crate::net::pool::Pooled;
use crate::net::stream::Stream;
use crate::runtime::buffer::Buffer;

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// One attempt, and, once it has led to a final response head, the rest of the exchange.
    pub(super) async fn attempt(
        &self,
        goal: Goal<'_, D::Stream>,
        parts: &mut Parts<'_>,
    ) -> Result<Outcome<D::Stream>, Failed> {
        let request_read = parts.reply.request_read;
        // What is told is of the last attempt.
        (parts.told.connect, parts.told.reused) = (None, None);
        let Member {
            endpoint, state, ..
        } = goal.member;
        let _in_flight = state.begin();
        goal.member.tally.note(UpstreamEvent::Attempt);
        let begun = clock::now();
        let may_idle = self.stale.get() < goal.upstream.max_idle;
        let client = &self.session.header;
        let idle = may_idle.then(|| goal.member.idle(client)).flatten();
        let goes_at_once = idle.is_some() && request_read;
        let named = self.ctx.named("attempt", Label::new(&endpoint.name));
        let (ctx, cancel) = match self.due(goal.route, request_read, goes_at_once) {
            Some((at, timeout)) => {
                named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
            }
            None => named.with_cancel(),
        };
        // A request that goes at once has its response's deadline on the attempt; for any other that wait begins
        // later, and is a node of its own.
        let patience = if goes_at_once {
            Patience::new(Timeout::Response, None)
        } else {
            self.patience(goal.route)
        };
        let origin = match idle {
            Some(origin) => {
                goal.member.tally.note(UpstreamEvent::Reused);
                origin
            }
            None => {
                let owed = owed(parts.input.as_ref(), parts.framed, parts.reply);
                let limit = self.terms.timeouts.connect;
                let queue = goal.upstream.queue_timeout;
                let connecting = pin!(async {
                    let permit = attempt::permit::<D>(&ctx, queue, goal.member).await?;
                    attempt::connect(self.gateway, limit, &ctx, goal.member, client, permit, true)
                        .await
                });
                self.while_client_stays(&owed, connecting).await?
            }
        };
        parts.told.connect = Some(self.elapsed());
        let is_reused = origin.exchanges > 0;
        parts.told.reused = Some(is_reused);
        let node = Node {
            ctx,
            cancel,
            begun,
            patience,
        };
        let tried = self.carry(goal, origin, node, parts).await;
        tried.map_err(|error| Failed {
            was_reused: is_reused && error.side == Side::Origin,
            error,
        })
    }

    /// An endpoint has answered, with this status, a request that was begun then.
    pub(super) fn note_answer(&self, goal: Goal<'_, D::Stream>, status: u16, begun: Instant) {
        match status {
            500..=599 => self.note_failure(goal),
            _ => goal.upstream.note_answer(goal.member, begun),
        }
    }

    /// An endpoint has failed.
    pub(super) fn note_failure(&self, goal: Goal<'_, D::Stream>) {
        if let Some(ejected) = goal.upstream.note_failure(goal.member) {
            self.gateway.say(&ejected);
        }
    }

    /// Sends the request over a connection, and carries the response back.
    async fn carry(
        &self,
        goal: Goal<'_, D::Stream>,
        origin: Box<Pooled<D::Stream>>,
        node: Node,
        parts: &mut Parts<'_>,
    ) -> Result<Outcome<D::Stream>, Error> {
        let Parts {
            framed,
            input,
            upload,
            heads,
            told,
            reply,
        } = parts;
        self.write_head(goal, heads.draft(), framed, reply.request_read)?;
        let has_body = !matches!(framed.framing(), Framing::None | Framing::Length(0));
        let mut encoder = Encoder::new(framed);
        let repeated = upload.repeat(&mut encoder, &mut heads.octets);
        let Upload { decoder, replay } = upload;
        let sent_some = Cell::new(false);
        let Heads {
            request,
            path,
            request_out,
            response,
            response_out,
            octets,
            octets_back,
            ..
        } = heads;
        let facts = Facts {
            client: self.client,
            request,
            path,
            request_id: request_out
                .fields()
                .first(Name::XRequestId)
                .unwrap_or_default(),
            upstream: &goal.upstream.name,
            scheme: self.scheme(),
            subject: self.session.client.peer_subject(),
        };
        let client = &self.session.client;
        let owed = owed(input.as_ref(), framed, reply);
        let is_held = Cell::new(false);
        let mut received = repeated as u64;
        let mut origin_input = None;
        let withheld = |name: &[u8]| self.has_say(goal, request, name);
        let outcome = {
            let outgoing = Outgoing {
                has_body,
                withheld: &withheld,
                decoder,
                encoder: &mut encoder,
                replay: &*replay,
                sent_some: &sent_some,
                from: From {
                    stream: client,
                    input,
                    side: Side::Client,
                },
                head: octets,
                owed: &owed,
                is_held: &is_held,
                is_expecting: request.expectation() == Expectation::Continue,
                received: &mut received,
            };
            // It goes out by itself, while answers are read, whichever ends first.
            let sending = pin!(self.send(outgoing, &origin.stream));
            let mut sending = Sending::new(sending);
            let outcome = {
                let work = pin!(async {
                    let Node {
                        ctx,
                        cancel,
                        begun,
                        mut patience,
                    } = node;
                    let coming = Coming {
                        origin: &origin.stream,
                        input: &mut origin_input,
                        request,
                        response,
                        via: goal.route.via_back,
                        is_held: &is_held,
                        patience: &mut patience,
                    };
                    self.await_final(&ctx, &mut sending, coming).await?;
                    told.first = Some(self.elapsed());
                    let status = response.status();
                    self.note_answer(goal, status, begun);
                    if goal.may_repeat
                        && goal.route.retry.on.statuses.contains(&status)
                        && self.spend(goal.number, goal.upstream)
                    {
                        let what = What::Status(status);
                        return Err(Error::origin(Phase::Await, Retry::IfIdempotent, what));
                    }
                    // The attempt has led to a response; what follows is the exchange's.
                    drop(ctx);
                    drop(cancel);
                    if response.status() == 101 {
                        return judge_upgrade(request_out, response).map(|()| None);
                    }
                    let how = Back {
                        origin: &origin,
                        sending: &mut sending,
                        facts: &facts,
                        goal,
                        response,
                        response_out,
                        octets: octets_back,
                    };
                    self.carry_response(how, &mut origin_input, told, reply)
                        .await
                        .map(Some)
                });
                self.while_client_stays(&owed, work).await
            };
            reply.request_read = reply.request_read || sending.is_whole();
            outcome
        };
        told.received = received;
        let outcome = outcome.map_err(|mut error| {
            // What has not sent an octet can be sent, whatever it is.
            if error.retry == Retry::IfIdempotent && !sent_some.get() {
                error.retry = Retry::Always;
            }
            error
        });
        match outcome? {
            None => {
                // Nothing of the tunnel was read before this; what came with the 101 goes along.
                self.return_head(goal, &facts, response, response_out)?;
                let mut octets = Vec::new();
                let framed = response_framing(response, request.method())
                    .map_err(|error| Error::origin_sin(Phase::Await, error.sin()))?;
                write_response(response_out, &framed, ConnectionOption::None, &mut octets);
                reply.begun = true;
                told.status = 101;
                self.write(&octets, client).await?;
                Ok(Outcome::Tunnel(origin, origin_input))
            }
            Some(may_reuse) => {
                let is_clean = origin_input.is_none() && reply.request_read;
                if may_reuse && is_clean && !self.gateway.is_draining() {
                    goal.member.keep(origin);
                }
                Ok(Outcome::Done)
            }
        }
    }

    /// Carries the response that a hedge has won.
    pub(super) async fn carry_answered(
        &self,
        goal: Goal<'_, D::Stream>,
        answered: Answered<D::Stream>,
        parts: &mut Parts<'_>,
    ) -> Result<Outcome<D::Stream>, Error> {
        let Parts {
            heads, told, reply, ..
        } = parts;
        let Answered { origin, mut input } = answered;
        let Heads {
            request,
            path,
            request_out,
            response,
            response_out,
            octets_back,
            ..
        } = heads;
        let facts = Facts {
            client: self.client,
            request,
            path,
            request_id: request_out
                .fields()
                .first(Name::XRequestId)
                .unwrap_or_default(),
            upstream: &goal.upstream.name,
            scheme: self.scheme(),
            subject: self.session.client.peer_subject(),
        };
        let sent = pin!(std::future::ready(Ok(())));
        let how = Back {
            origin: &origin,
            sending: &mut Sending::whole(sent),
            facts: &facts,
            goal,
            response,
            response_out,
            octets: octets_back,
        };
        let owed = Owed::default();
        owed.set(0, Some(0));
        let may_reuse = {
            let carried = pin!(self.carry_response(how, &mut input, told, reply));
            self.while_client_stays(&owed, carried).await?
        };
        if may_reuse && input.is_none() && !self.gateway.is_draining() {
            goal.member.keep(origin);
        }
        Ok(Outcome::Done)
    }

    /// Whether the field of that name in a request is not the client's alone: Connection names it, or what the origin
    /// is told by it comes from here.
    fn has_say(&self, goal: Goal<'_, D::Stream>, request: &RequestHead, name: &[u8]) -> bool {
        let is = |other: &str| other.as_bytes().eq_ignore_ascii_case(name);
        let granted = self.granted.borrow();
        let deadline = goal.upstream.deadline_field.as_ref();
        forward::is_named_away(request.fields(), name)
            || goal.route.request.concerns(name)
            || granted.iter().any(|(granted, _)| is(granted))
            || deadline.is_some_and(|field| is(&field.name))
    }

    /// How slow a body may be, from its beginning on.
    fn pace(&self) -> Pace {
        Pace::new(self.terms.body_rate, self.terms.timeouts.body)
    }

    /// Sends the request: its head, and its body as it arrives.
    async fn send(&self, out: Outgoing<'_, C>, to: &D::Stream) -> Result<(), Error> {
        let means = Means {
            ctx: &self.ctx,
            buffers: &self.gateway.buffers,
            stall: Timeout::ClientBody,
            sender: self.pace(),
            receiver: self.pace(),
            begun: out.sent_some,
            owed: Some(out.owed),
            replay: Some(out.replay),
            withheld: out.withheld,
        };
        if !out.has_body {
            return relay::write(&means, Side::Origin, to, out.head).await;
        }
        let is_begun = *out.received > 0 || out.decoder.is_done();
        if out.is_expecting && !is_begun && out.from.input.is_none() {
            relay::write(&means, Side::Origin, to, out.head).await?;
            out.head.clear();
            // RFC 9110 §10.1.1: the client waits for a word of the origin, though not for ever: it may go on unasked.
            // Meanwhile the origin's time runs, not the client's.
            let client = out.from.stream;
            let goes_on = pin!(poll_fn(|cx| {
                if self.continued.get() {
                    return Poll::Ready(());
                }
                client.poll_readable(cx)
            }));
            out.is_held.set(true);
            within(&self.ctx, Phase::Send, (Timeout::ClientBody, None), goes_on).await?;
            out.is_held.set(false);
        }
        relay(
            &means,
            out.from,
            to,
            out.head,
            out.decoder,
            out.encoder,
            out.received,
        )
        .await
    }

    /// Writes the request head as the origin gets it.
    pub(super) fn write_head(
        &self,
        goal: Goal<'_, D::Stream>,
        draft: Draft<'_>,
        framed: &Framed,
        request_read: bool,
    ) -> Result<(), Error> {
        let Goal {
            route,
            upstream,
            member,
            ..
        } = goal;
        let Draft {
            request,
            path,
            path_out,
            out,
            octets,
        } = draft;
        let endpoint = &member.endpoint;
        let peer = self.session.peer.map(|peer| peer.ip().to_canonical());
        let id = request_id(self.ctx.id());
        let mut facts = Facts {
            client: self.client,
            request,
            path,
            request_id: &[],
            upstream: &upstream.name,
            scheme: self.scheme(),
            subject: self.session.client.peer_subject(),
        };
        let is_rewritten = rewrite::path(&route.rewrite, route.paths, &facts, path_out);
        let how = Forwarding {
            client_ip: peer,
            scheme: self.scheme(),
            trusted: self.is_trusted,
            host: match &route.host {
                Host::Preserve => HostPolicy::Preserve,
                Host::Upstream => HostPolicy::Upstream(endpoint.host().as_bytes()),
                Host::Literal(name) => HostPolicy::Literal(name.as_bytes()),
            },
            fallback_host: endpoint.host().as_bytes(),
            forwarded: route.forwarded,
            request_id: match route.request_id {
                RequestIds::Keep => RequestId::Keep(&id),
                RequestIds::Make => RequestId::Make(&id),
                RequestIds::Off => RequestId::Off,
            },
            via: route.via,
            upgrade: &route.upgrade,
            add: &[],
            base_path: &endpoint.base_path,
            path: is_rewritten.then_some(path_out.as_slice()),
        };
        forward::request(request, out, &how).map_err(|error| misconfigured(&error))?;
        for (name, value) in &*self.granted.borrow() {
            out.fields_mut().remove(name);
            if let Some(value) = value {
                let pushed = out.fields_mut().push(name, value);
                pushed.map_err(|error| misconfigured(&ForwardError::Field(error)))?;
            }
        }
        if !route.request.is_empty() {
            let mut id = Vec::new();
            if route.request.asks_for(Hole::RequestId) {
                id.extend_from_slice(out.fields().first(Name::XRequestId).unwrap_or_default());
            }
            facts.request_id = &id;
            let edited = route.request.apply(out.fields_mut(), &facts);
            edited.map_err(|error| misconfigured(&ForwardError::Field(error)))?;
        }
        if let Some(rewrite) = &self.scene.site.hooks.rewrite {
            rewrite(request, out);
            if out.is_head() != request.is_head() || out.is_connect() {
                // Whether the response has content would be another for the origin than for the client.
                let why = "a hook may not make or unmake HEAD, nor make CONNECT".to_owned();
                return Err(Error::gateway(Phase::Head, What::Config(why)));
            }
        }
        if let Some(field) = &upstream.deadline_field {
            self.tell_deadline(route, field, request_read, out);
        }
        octets.clear();
        write_request(out, framed, octets);
        Ok(())
    }

    /// Tells the origin what is left of the budget, now that the head is written: a duration, because clocks differ.
    fn tell_deadline(
        &self,
        route: &Route,
        field: &DeadlineField,
        request_read: bool,
        out: &mut RequestHead,
    ) {
        let per_try = route.retry.per_try;
        let left = [self.left(request_read), per_try]
            .into_iter()
            .flatten()
            .min();
        // What a client asked for is not for the origin: only what it gets.
        out.fields_mut().remove(&field.name);
        if let Some(left) = left {
            let write = |octets: &mut Vec<u8>| deadline::write(field.form, left, octets);
            let _ = out.fields_mut().push_by(field.name.as_bytes(), write);
        }
    }

    /// What is left until the final response head has to be there; `None`: for ever.
    pub(super) fn left(&self, request_read: bool) -> Option<Duration> {
        let now = clock::now();
        let until = |at: Instant| at.saturating_duration_since(now);
        let whole = self.ctx.deadline().map(until);
        let request = self
            .terms
            .timeouts
            .request
            .map(|budget| match request_read {
                true => until(clock::later(self.started, budget)),
                false => budget,
            });
        [whole, request].into_iter().flatten().min()
    }

    /// Runs `work`, and ends this exchange's branch when the client leaves meanwhile.
    pub(super) async fn while_client_stays<F: Future>(
        &self,
        owed: &Owed,
        work: Pin<&mut F>,
    ) -> F::Output {
        let client = &self.session.client;
        let counters = self.gateway.counters();
        while_client_stays(client, &self.cancel, owed, self.half_close, counters, work).await
    }

    /// The same for work that is seldom, and not pinned yet.
    pub(super) async fn staying<F: Future>(&self, owed: &Owed, work: F) -> F::Output {
        let work = pin!(work);
        self.while_client_stays(owed, work).await
    }

    /// Reads response heads until the final one, or a 101; the interim ones go to the client.
    async fn await_final<F: Future<Output = Result<(), Error>>>(
        &self,
        ctx: &Context,
        sending: &mut Sending<'_, F>,
        coming: Coming<'_, D::Stream>,
    ) -> Result<(), Error> {
        let Coming {
            origin,
            input,
            request,
            response,
            via,
            is_held,
            patience,
        } = coming;
        let limits = &self.terms.limits;
        for interim_count in 0..=limits.interim_max {
            let reading = HeadReading {
                origin,
                input,
                head: response,
                limits,
                buffers: &self.gateway.buffers,
                is_under_way: interim_count > 0,
            };
            let by = (&self.session.task, ctx);
            attempt::await_head(by, sending, is_held, reading, patience).await?;
            match response.status() {
                101 => return Ok(()),
                100..=199 => {
                    // RFC 9110 §15.2: not to a client that knows only HTTP/1.0.
                    if request.version() == Version::Http11 {
                        let octets = interim(response, via)?;
                        // Seldom: not in every exchange's memory.
                        Box::pin(self.pass_on(ctx, &octets)).await?;
                        if response.status() == 100 {
                            self.continued.set(true);
                        }
                    }
                }
                _ => return Ok(()),
            }
        }
        Err(Error::origin_sin(
            Phase::Await,
            "too_many_interim_responses",
        ))
    }

    /// Passes an interim response on. The client has no longer for it than the attempt has, and that is its own doing.
    async fn pass_on(&self, ctx: &Context, octets: &[u8]) -> Result<(), Error> {
        self.is_interim_midway.set(true);
        let writing = pin!(self.write(octets, &self.session.client));
        let phase = Phase::Await;
        within(ctx, phase, (Timeout::ClientBody, None), writing)
            .await
            .and_then(|written| written)
            .map_err(|error| Error {
                side: Side::Client,
                retry: Retry::Never,
                ..error
            })?;
        self.is_interim_midway.set(false);
        Ok(())
    }

    /// When an attempt ends at the latest, and by which timeout. The budget for the response head runs from the moment
    /// the request is in; a body still arriving is under its own timeout.
    pub(super) fn due(
        &self,
        route: &Route,
        request_read: bool,
        goes_at_once: bool,
    ) -> Option<(Instant, Timeout)> {
        let timeouts = &self.terms.timeouts;
        let budget = timeouts.request.filter(|_| request_read);
        let budget = budget.map(|budget| (clock::later(self.started, budget), Timeout::Request));
        let response = timeouts.response.filter(|_| goes_at_once);
        let response = response.map(|limit| (clock::later(clock::now(), limit), Timeout::Response));
        let due = match (budget, response) {
            (Some(budget), Some(response)) if budget.0 <= response.0 => Some(budget),
            (budget, response) => response.or(budget),
        };
        let Some(per_try) = route.retry.per_try.filter(|_| request_read) else {
            return due;
        };
        let per_try = (clock::later(clock::now(), per_try), Timeout::Try);
        due.filter(|due| due.0 <= per_try.0).or(Some(per_try))
    }

    /// From the last request octet on: the response timeout, or the request's budget where that is shorter.
    fn patience(&self, route: &Route) -> Patience {
        let timeouts = &self.terms.timeouts;
        let shorter = |limit: Option<Duration>, than: Duration| limit.is_none_or(|it| than < it);
        if let Some(per_try) = route.retry.per_try {
            if shorter(timeouts.request, per_try) && shorter(timeouts.response, per_try) {
                return Patience::new(Timeout::Try, Some(per_try));
            }
        }
        match (timeouts.request, timeouts.response) {
            (Some(request), response) if response.is_none_or(|response| request < response) => {
                Patience::new(Timeout::Request, Some(request))
            }
            (_, response) => Patience::new(Timeout::Response, response),
        }
    }

    /// Carries the final response, while the request may still be going out. True: the origin's connection may carry
    /// another exchange, as far as the response decides.
    async fn carry_response<F: Future<Output = Result<(), Error>>>(
        &self,
        how: Back<'_, '_, D::Stream, F>,
        input: &mut Option<Buffer>,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<bool, Error> {
        let Back {
            origin,
            sending,
            facts,
            goal,
            response,
            response_out,
            octets,
        } = how;
        let request = facts.request;
        let gateway = self.gateway;
        let framed = response_framing(response, request.method())
            .map_err(|error| Error::origin_sin(Phase::Await, error.sin()))?;
        let framed_out = framed.recode(request.version());
        self.return_head(goal, facts, response, response_out)?;
        let until_close = framed_out.framing() == Framing::UntilClose;
        // What is not sent by now the client may go on sending for ever.
        let over = reply.request_read || sending.is_whole();
        // RFC 9110 §10.1.1: a client that was not told to continue may send its content all the same, or not.
        let in_doubt =
            !over && !self.continued.get() && request.expectation() == Expectation::Continue;
        reply.persists = reply.persists
            && !until_close
            && !in_doubt
            && !gateway.is_parting()
            && (over || !sending.is_over());
        let option = match (reply.persists, request.version()) {
            (false, _) => ConnectionOption::Close,
            (true, Version::Http10) => ConnectionOption::KeepAlive,
            (true, Version::Http11) => ConnectionOption::None,
        };
        octets.clear();
        write_response(response_out, &framed_out, option, octets);
        told.status = response_out.status();

        let begun = Cell::new(false);
        let withheld = |name: &[u8]| {
            let is_named_away = forward::is_named_away(response.fields(), name);
            is_named_away || goal.route.response.concerns(name)
        };
        let means = Means {
            ctx: &self.ctx,
            buffers: &gateway.buffers,
            stall: Timeout::OriginBody,
            sender: self.pace(),
            receiver: self.pace(),
            begun: &begun,
            owed: None,
            replay: None,
            withheld: &withheld,
        };
        let mut decoder = Decoder::new(&framed, &self.terms.limits);
        let mut encoder = Encoder::new(&framed_out);
        let from = From {
            stream: &origin.stream,
            input,
            side: Side::Origin,
        };
        let client = &self.session.client;
        let mut carried = pin!(relay(
            &means,
            from,
            client,
            octets,
            &mut decoder,
            &mut encoder,
            &mut told.sent
        ));
        let whole = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = sending.poll(cx) {
                return Poll::Ready(Err(error));
            }
            carried.as_mut().poll(cx)
        })
        .await;
        // What failed before its first octet was on its way can still be answered.
        reply.begun = begun.get();
        whole?;
        Ok(response_persistence(response, &framed).is_reuse())
    }

    /// The response head as the client gets it.
    fn return_head(
        &self,
        goal: Goal<'_, D::Stream>,
        facts: &Facts<'_>,
        response: &ResponseHead,
        out: &mut ResponseHead,
    ) -> Result<(), Error> {
        // RFC 9110 §6.6.1: who passes on what has no date says when it came.
        let date = match response.fields().has(Name::Date) {
            true => None,
            false => Some(answer::http_date(clock::wall())),
        };
        let how = Returning {
            client_version: facts.request.version(),
            via: goal.route.via_back,
            date: date.as_ref().map(String::as_bytes),
            ..Returning::default()
        };
        forward::response(response, out, &how).map_err(|error| misconfigured(&error))?;
        if let Some(sticky) = goal.upstream.stick(goal.member, facts) {
            out.fields_mut().push_ready(sticky);
        }
        let edited = goal.route.response.apply(out.fields_mut(), facts);
        edited.map_err(|error| misconfigured(&ForwardError::Field(error)))?;
        let Some(modify) = &self.scene.site.hooks.modify_response else {
            return Ok(());
        };
        modify(out).map_err(|why| Error::gateway(Phase::Await, What::Rejected(why.to_string())))?;
        // How the content ends is settled by the status that the origin sent.
        let has_none = |status| matches!(status, 100..=199 | 204 | 304);
        if out.status() != response.status()
            && (has_none(out.status()) || has_none(response.status()))
        {
            let why = format!("a hook made a {} of a {}", out.status(), response.status());
            return Err(Error::gateway(Phase::Await, What::Config(why)));
        }
        Ok(())
    }
}

/// An attempt's branch of the tree.
struct Node {
    ctx: Context,
    cancel: Cancel,
    begun: Instant,
    patience: Patience,
}

/// A request on its way to the origin.
struct Outgoing<'a, C> {
    /// More than the head is to be sent.
    has_body: bool,
    /// What no trailer section may bring.
    withheld: &'a Withheld<'a>,
    decoder: &'a mut Decoder,
    encoder: &'a mut Encoder,
    /// Keeps the content for another attempt.
    replay: &'a Replay,
    /// The origin has taken the first octet.
    sent_some: &'a Cell<bool>,
    from: From<'a, C>,
    head: &'a mut Vec<u8>,
    owed: &'a Owed,
    /// The client waits to be told to go on.
    is_held: &'a Cell<bool>,
    /// The client said that it would.
    is_expecting: bool,
    /// Octets of content.
    received: &'a mut u64,
}

/// A response on its way from the origin, as far as its head.
struct Coming<'a, S> {
    origin: &'a S,
    input: &'a mut Option<Buffer>,
    request: &'a RequestHead,
    response: &'a mut ResponseHead,
    via: bool,
    is_held: &'a Cell<bool>,
    patience: &'a mut Patience,
}

/// What it takes to carry a response back.
struct Back<'a, 'b, S, F> {
    origin: &'a Pooled<S>,
    sending: &'a mut Sending<'b, F>,
    facts: &'a Facts<'a>,
    goal: Goal<'a, S>,
    response: &'a ResponseHead,
    response_out: &'a mut ResponseHead,
    octets: &'a mut Vec<u8>,
}

/// An attempt that failed.
pub(super) struct Failed {
    pub(super) error: Error,
    /// On a connection that had carried exchanges before.
    pub(super) was_reused: bool,
}

impl std::convert::From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            error,
            was_reused: false,
        }
    }
}

/// What the client still owes, and what of ours waits in the buffer.
pub(super) fn owed(input: Option<&Buffer>, framed: &Framed, reply: &Reply) -> Owed {
    let owed = Owed::default();
    let remaining = match framed.framing() {
        _ if reply.request_read => Some(0),
        Framing::Length(length) => Some(length),
        _ => None,
    };
    owed.set(input.map_or(0, |buffer| buffer.filled().len()), remaining);
    owed
}

/// An interim response as the client gets it.
fn interim(response: &ResponseHead, via: bool) -> Result<Vec<u8>, Error> {
    let how = Returning {
        via,
        ..Returning::default()
    };
    let (mut out, mut octets) = (ResponseHead::new(), Vec::new());
    forward::response(response, &mut out, &how).map_err(|error| misconfigured(&error))?;
    write_interim(&out, &mut octets);
    Ok(octets)
}

/// What our own configuration adds to a message is not allowed there.
fn misconfigured(error: &ForwardError) -> Error {
    Error::gateway(Phase::Head, What::Config(error.to_string()))
}

/// An id for a request that has none: the node's, in hexadecimal.
fn request_id(id: u64) -> [u8; 16] {
    // Each digit gets an octet of its own: first the halves go apart, then their halves, and so on.
    let mut digits = u128::from(id);
    digits = (digits | digits << 32) & 0x0000_0000_ffff_ffff_0000_0000_ffff_ffff;
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff_0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff_00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f_0f0f;
    digits.to_be_bytes().map(|digit| match digit {
        0..10 => b'0' + digit,
        _ => b'a' - 10 + digit,
    })
}

/// Whether a 101 is one that was asked for.
fn judge_upgrade(sent: &RequestHead, response: &ResponseHead) -> Result<(), Error> {
    if grants_upgrade(sent, response) {
        return Ok(());
    }
    let sin = if sent.fields().has(Name::Upgrade) {
        "upgrade_to_another_protocol"
    } else {
        "upgrade_not_requested"
    };
    Err(Error::origin_sin(Phase::Await, sin))
}
