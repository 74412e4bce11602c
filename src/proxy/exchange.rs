//! An exchange: one request and its responses, from the request head to the verdict on both connections.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_lite::future;

use super::answer::{self, Answer, Connection};
use super::attempt::{self, HeadReading, Sending};
use super::error::{Error, Phase, Retry, Side, What};
use super::gateway::{Endpoint, Gateway, Heads, Host, Target};
use super::relay::{From, Means, relay};
use super::session::Session;
use super::timeout::Timeout;
use super::wait::{Owed, while_client_stays, within};
use crate::clock;
use crate::context::{Cancel, Context, Label, Reason};
use crate::http::body::{Decoder, Encoder};
use crate::http::connection::{grants_upgrade, request_persistence, response_persistence};
use crate::http::field::Name;
use crate::http::forward::{
    self, ForwardError, ForwardedStyle, Forwarding, HostPolicy, RequestId, Returning,
};
use crate::http::framing::{Framed, Framing, request_framing, response_framing};
use crate::http::head::{
    ConnectionOption, Expectation, HeadScanner, Parsed, RequestHead, ResponseHead, Version,
    write_interim, write_request, write_response,
};
use crate::log::Record;
use crate::net::dialer::Dial;
use crate::net::pool::Pooled;
use crate::net::stream::{self, Stream};
use crate::runtime::buffer::Buffer;

/// The protocols a client may upgrade to.
pub(super) const UPGRADES: &[&str] = &["websocket"];

/// How the session goes on after an exchange.
pub(super) enum Next<S> {
    /// With the next request.
    Request,
    /// Not at all.
    Close,
    /// Not at all, but the client may still be sending: let it read the answer first.
    Linger,
    /// As a tunnel.
    Tunnel(Box<Upgraded<S>>),
}

/// A connection that the origin has switched to another protocol.
pub(super) struct Upgraded<S> {
    pub(super) origin: Pooled<S>,
    /// What came from the origin behind its 101.
    pub(super) input: Option<Buffer>,
    pub(super) label: Label,
    /// What the log will say, once the tunnel has ended.
    pub(super) told: Told,
    pub(super) heads: Box<Heads>,
}

/// What is known of an exchange so far, for the log.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) exchange: u64,
    pub(super) started: Option<Instant>,
    pub(super) status: u16,
    pub(super) endpoint: Option<std::sync::Arc<str>>,
    pub(super) attempts: u32,
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) connect: Option<Duration>,
    pub(super) first: Option<Duration>,
    pub(super) cause: Option<String>,
}

/// What the parts of one exchange share.
struct Exchange<'a, C, D: Dial> {
    session: &'a Session<C, D>,
    gateway: &'a Gateway<D>,
    ctx: Context,
    cancel: Cancel,
    started: Instant,
}

/// What the client has seen of a response, and what may follow it.
struct Reply {
    /// A final response head was written, or begun to be.
    begun: bool,
    /// A 100 was forwarded.
    continued: bool,
    /// The request has been read to its end: what follows on the connection is another.
    request_read: bool,
    /// The client wants, and we allow, another exchange on this connection.
    persists: bool,
}

/// Serves the request whose first octets are there, or are about to be.
pub(super) async fn run<C: Stream, D: Dial>(
    session: &Session<C, D>,
    input: &mut Option<Buffer>,
) -> Next<D::Stream> {
    let gateway = &*session.gateway;
    let mut heads = gateway.take_heads();
    match read_head(session, input, &mut heads.request).await {
        Ok(true) => {}
        // It ended between two requests, as it may.
        Ok(false) => {
            gateway.give_back(heads);
            return Next::Close;
        }
        Err(error) => {
            let mut told = Told {
                started: Some(clock::now()),
                ..Told::default()
            };
            let next =
                answer_error(session, &session.ctx, &error, &mut heads, &mut told, None).await;
            record(session, &heads, &told);
            gateway.give_back(heads);
            return next;
        }
    }
    let started = clock::now();
    let label = label(&heads.request);
    let named = session.ctx.named("exchange", label);
    let (ctx, cancel) = match gateway.rules.timeouts.total {
        Some(total) => named.with_timeout_cause(total, Reason::Static(Timeout::Total.as_static())),
        None => named.with_cancel(),
    };
    let mut told = Told {
        exchange: ctx.id(),
        started: Some(started),
        ..Told::default()
    };
    let exchange = Exchange {
        session,
        gateway,
        ctx,
        cancel,
        started,
    };
    let mut reply = Reply {
        begun: false,
        continued: false,
        request_read: false,
        persists: false,
    };
    let served = exchange
        .serve(input, &mut heads, &mut told, &mut reply)
        .await;
    let next = match served {
        Ok(Outcome::Tunnel(origin, origin_input)) => {
            let label = Label::new(exchange.ctx.label());
            return Next::Tunnel(Box::new(Upgraded {
                origin,
                input: origin_input,
                label,
                told,
                heads,
            }));
        }
        Ok(Outcome::Done) if reply.persists && reply.request_read => Next::Request,
        Ok(Outcome::Done) if reply.request_read => Next::Close,
        Ok(Outcome::Done) => Next::Linger,
        Err(error) => exchange.fail(&error, &mut heads, &mut told, &reply).await,
    };
    record(session, &heads, &told);
    gateway.give_back(heads);
    // Nobody else knows the node any more, so ending it wakes nobody: the cheap order.
    let Exchange { ctx, cancel, .. } = exchange;
    drop(ctx);
    drop(cancel);
    next
}

/// Reads until the request head is whole. False: the client ended before it began one.
async fn read_head<C: Stream, D: Dial>(
    session: &Session<C, D>,
    input: &mut Option<Buffer>,
    head: &mut RequestHead,
) -> Result<bool, Error> {
    let gateway = &*session.gateway;
    let limits = &gateway.rules.limits;
    let limit = (Timeout::Header, gateway.rules.timeouts.header);
    let whole = async {
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
                    return Ok(true);
                }
            }
            stream::readable(&session.client).await;
            let buffer = input.get_or_insert_with(|| gateway.buffers.small());
            match stream::read(&session.client, buffer.space()).await {
                Ok(0) if buffer.is_empty() => return Ok(false),
                Ok(0) | Err(_) => return Err(Error::client_gone(Phase::Head)),
                Ok(_) => {}
            }
        }
    };
    within(&session.ctx, Phase::Head, limit, whole).await?
}

/// How an exchange ended that did not fail.
enum Outcome<S> {
    Done,
    Tunnel(Pooled<S>, Option<Buffer>),
}

impl<C: Stream, D: Dial> Exchange<'_, C, D> {
    async fn serve(
        &self,
        input: &mut Option<Buffer>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<Outcome<D::Stream>, Error> {
        let head = &heads.request;
        let framed = request_framing(head, &self.gateway.rules.limits)
            .map_err(|error| Error::client_sin(Phase::Head, error.sin(), error.status()))?;
        reply.request_read = matches!(framed.framing(), Framing::None | Framing::Length(0));
        reply.persists = request_persistence(head).is_reuse() && !self.gateway.is_draining();
        self.admit(head)?;
        match &self.gateway.rules.target {
            Target::Respond(answer) => {
                self.respond(answer, heads, told, reply).await?;
                Ok(Outcome::Done)
            }
            Target::Upstream(endpoints) => {
                self.proxy(endpoints, &framed, input, heads, told, reply)
                    .await
            }
        }
    }

    /// Refuses what is not to be forwarded at all.
    fn admit(&self, head: &RequestHead) -> Result<(), Error> {
        if head.is_connect() {
            return Err(Error::client_sin(Phase::Head, "connect_not_allowed", 405));
        }
        if head.expectation() == Expectation::Unknown {
            return Err(Error::client_sin(Phase::Head, "unknown_expectation", 417));
        }
        if self.gateway.buffers.budget().is_exhausted() {
            return Err(Error::gateway(Phase::Head, What::Shed));
        }
        Ok(())
    }

    /// Makes attempts until one has led to a response, and carries that.
    async fn proxy(
        &self,
        endpoints: &[Endpoint],
        framed: &Framed,
        input: &mut Option<Buffer>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<Outcome<D::Stream>, Error> {
        let mut tried: Vec<usize> = Vec::new();
        // A stale connection does not count as a try of the origin, and each is met once at most.
        let mut stale = 0;
        loop {
            let Some(index) = self.gateway.turns.pick(&tried) else {
                return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
            };
            let Some(endpoint) = endpoints.get(index) else {
                return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
            };
            told.attempts += 1;
            told.endpoint = Some(endpoint.name.clone());
            let failed = match self
                .attempt(endpoint, index, framed, input, heads, told, reply)
                .await
            {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed,
            };
            let Failed { error, was_reused } = failed;
            let allowed = match error.retry {
                Retry::Never => false,
                Retry::Always => true,
                Retry::IfIdempotent => heads.request.is_idempotent(),
            };
            // A body that was begun is gone: only a request without one can be sent again.
            if !allowed || reply.begun || told.received > 0 || self.ctx.err().is_some() {
                return Err(error);
            }
            if was_reused && stale < self.gateway.rules.keepalive.max_idle {
                stale += 1;
                continue;
            }
            tried.push(index);
            if tried.len() >= self.gateway.rules.attempts_max as usize {
                return Err(error);
            }
        }
    }

    /// One attempt, and, once it has led to a final response head, the rest of the exchange.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of an exchange, borrowed one by one"
    )]
    async fn attempt(
        &self,
        endpoint: &Endpoint,
        index: usize,
        framed: &Framed,
        input: &mut Option<Buffer>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<Outcome<D::Stream>, Failed> {
        let idle = self.gateway.pool.take(index);
        let goes_at_once = idle.is_some() && reply.request_read;
        let named = self.ctx.named("attempt", Label::new(&endpoint.name));
        let (ctx, cancel) = match self.due(reply.request_read, goes_at_once) {
            Some((at, timeout)) => {
                named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
            }
            None => named.with_cancel(),
        };
        // A request that goes at once has its response's deadline on the attempt; for any other that wait begins
        // later, and is a node of its own.
        let limit = if goes_at_once {
            (Timeout::Response, None)
        } else {
            self.response_limit()
        };
        let origin = match idle {
            Some(origin) => origin,
            None => {
                let owed = owed(input.as_ref(), framed, reply);
                let connecting = attempt::connect(self.gateway, &ctx, index, &endpoint.addresses);
                while_client_stays(&self.session.client, &self.cancel, &owed, connecting).await?
            }
        };
        told.connect = Some(self.elapsed());
        let is_reused = origin.exchanges > 0;
        let tried = self
            .carry(
                endpoint,
                origin,
                (ctx, cancel, limit),
                framed,
                input,
                heads,
                told,
                reply,
            )
            .await;
        tried.map_err(|error| Failed {
            was_reused: is_reused && error.side == Side::Origin,
            error,
        })
    }

    /// Sends the request over a connection, and carries the response back.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of an exchange, borrowed one by one"
    )]
    async fn carry(
        &self,
        endpoint: &Endpoint,
        origin: Pooled<D::Stream>,
        (ctx, cancel, limit): (Context, Cancel, (Timeout, Option<Duration>)),
        framed: &Framed,
        input: &mut Option<Buffer>,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<Outcome<D::Stream>, Error> {
        let gateway = self.gateway;
        let Heads {
            request,
            request_out,
            response,
            response_out,
            octets,
            octets_back,
        } = heads;
        self.write_head(endpoint, request, request_out, framed, octets)?;

        // The request goes out by itself, while answers are read, whichever ends first.
        let mut decoder = Decoder::new(framed, &gateway.rules.limits);
        let mut encoder = Encoder::new(framed);
        let owed = owed(input.as_ref(), framed, reply);
        let mut received = 0;
        let means = Means {
            ctx: &self.ctx,
            buffers: &gateway.buffers,
            stall: (Timeout::ClientBody, gateway.rules.timeouts.body),
            begun: Cell::new(false),
            owed: Some(&owed),
        };
        let mut origin_input = None;
        let client = &self.session.client;
        let outcome = {
            let from = From {
                stream: client,
                input,
                side: Side::Client,
            };
            let sending = pin!(relay(
                &means,
                from,
                &origin.stream,
                octets,
                &mut decoder,
                &mut encoder,
                &mut received
            ));
            let mut sending = Sending::new(sending);
            let work = async {
                self.await_final(
                    &ctx,
                    &mut sending,
                    &origin,
                    &mut origin_input,
                    response,
                    request,
                    request_out,
                    &mut reply.continued,
                    limit,
                )
                .await?;
                told.first = Some(self.elapsed());
                // The attempt has led to a response; what follows is the exchange's.
                drop(ctx);
                drop(cancel);
                if response.status() == 101 {
                    return Ok(None);
                }
                let how = Back {
                    origin: &origin,
                    sending: &mut sending,
                    request,
                    response,
                    response_out,
                    octets: octets_back,
                };
                self.carry_response(how, &mut origin_input, told, reply)
                    .await
                    .map(Some)
            };
            let outcome = while_client_stays(client, &self.cancel, &owed, work).await;
            reply.request_read = reply.request_read || sending.is_whole();
            outcome
        };
        told.received = received;
        match outcome? {
            None => {
                // Nothing of the tunnel was read before this; what came with the 101 goes along.
                self.return_head(request, response, response_out)?;
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
                if may_reuse && origin_input.is_none() && reply.request_read {
                    self.keep(endpoint, origin);
                }
                Ok(Outcome::Done)
            }
        }
    }

    /// Gives a connection back that may carry another exchange.
    fn keep(&self, endpoint: &Endpoint, origin: Pooled<D::Stream>) {
        let Target::Upstream(endpoints) = &self.gateway.rules.target else {
            return;
        };
        if let Some(index) = endpoints
            .iter()
            .position(|other| std::ptr::eq(other, endpoint))
        {
            if !self.gateway.is_draining() {
                self.gateway.pool.put(index, origin);
            }
        }
    }

    /// The request head as the origin gets it.
    fn write_head(
        &self,
        endpoint: &Endpoint,
        request: &RequestHead,
        out: &mut RequestHead,
        framed: &Framed,
        octets: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let identity = &self.gateway.rules.identity;
        let client = self.session.peer.map(|peer| peer.ip().to_canonical());
        let trusted =
            client.is_some_and(|ip| identity.trusted.iter().any(|network| network.contains(ip)));
        let host = match &identity.host {
            Host::Preserve => HostPolicy::Preserve,
            Host::Upstream => HostPolicy::Upstream(endpoint.name.as_bytes()),
            Host::Literal(name) => HostPolicy::Literal(name.as_bytes()),
        };
        let id = request_id(self.ctx.id());
        let add: Vec<_> = identity
            .add
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let how = Forwarding {
            client_ip: client,
            scheme: "http",
            trusted,
            host,
            fallback_host: endpoint.name.as_bytes(),
            forwarded: ForwardedStyle::X,
            request_id: RequestId::Keep(&id),
            via: false,
            upgrade: UPGRADES,
            add: &add,
            base_path: &endpoint.base_path,
            path: None,
        };
        forward::request(request, out, &how).map_err(|error| misconfigured(&error))?;
        if let Some(rewrite) = &self.gateway.rules.hooks.rewrite {
            rewrite(request, out);
            if out.is_head() != request.is_head() || out.is_connect() {
                // Whether the response has content would be another for the origin than for the client.
                let why = "a hook may not make or unmake HEAD, nor make CONNECT".to_owned();
                return Err(Error::gateway(Phase::Head, What::Config(why)));
            }
        }
        octets.clear();
        write_request(out, framed, octets);
        Ok(())
    }

    /// Reads response heads until the final one, or a 101; the interim ones go to the client.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of an exchange, borrowed one by one"
    )]
    async fn await_final<F: Future<Output = Result<(), Error>>>(
        &self,
        ctx: &Context,
        sending: &mut Sending<'_, F>,
        origin: &Pooled<D::Stream>,
        input: &mut Option<Buffer>,
        response: &mut ResponseHead,
        request: &RequestHead,
        sent: &RequestHead,
        continued: &mut bool,
        limit: (Timeout, Option<Duration>),
    ) -> Result<(), Error> {
        let rules = &self.gateway.rules;
        for interim_count in 0..=rules.limits.interim_max {
            let reading = HeadReading {
                origin: &origin.stream,
                input,
                head: response,
                limits: &rules.limits,
                buffers: &self.gateway.buffers,
                is_under_way: interim_count > 0,
            };
            attempt::await_head(ctx, sending, reading, limit).await?;
            match response.status() {
                101 if grants_upgrade(sent, response) => return Ok(()),
                101 if sent.fields().has(Name::Upgrade) => {
                    return Err(Error::origin_sin(
                        Phase::Await,
                        "upgrade_to_another_protocol",
                    ));
                }
                101 => return Err(Error::origin_sin(Phase::Await, "upgrade_not_requested")),
                100..=199 => {
                    // RFC 9110 §15.2: not to a client that knows only HTTP/1.0.
                    if request.version() == Version::Http11 {
                        let mut octets = Vec::new();
                        write_interim(response, &mut octets);
                        self.write(&octets, &self.session.client).await?;
                        *continued = *continued || response.status() == 100;
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

    /// When an attempt ends at the latest, and by which timeout. The budget for the response head runs from the moment
    /// the request is in; a body still arriving is under its own timeout.
    fn due(&self, request_read: bool, goes_at_once: bool) -> Option<(Instant, Timeout)> {
        let timeouts = &self.gateway.rules.timeouts;
        let budget = timeouts.request.filter(|_| request_read);
        let budget = budget.map(|budget| (clock::later(self.started, budget), Timeout::Request));
        let response = timeouts.response.filter(|_| goes_at_once);
        let response = response.map(|limit| (clock::later(clock::now(), limit), Timeout::Response));
        match (budget, response) {
            (Some(budget), Some(response)) if budget.0 <= response.0 => Some(budget),
            (budget, response) => response.or(budget),
        }
    }

    /// From the last request octet on: the response timeout, or the request's budget where that is shorter.
    fn response_limit(&self) -> (Timeout, Option<Duration>) {
        let timeouts = &self.gateway.rules.timeouts;
        match (timeouts.request, timeouts.response) {
            (Some(request), response) if response.is_none_or(|response| request < response) => {
                (Timeout::Request, Some(request))
            }
            (_, response) => (Timeout::Response, response),
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
            request,
            response,
            response_out,
            octets,
        } = how;
        let gateway = self.gateway;
        let framed = response_framing(response, request.method())
            .map_err(|error| Error::origin_sin(Phase::Await, error.sin()))?;
        let framed_out = framed.recode(request.version());
        self.return_head(request, response, response_out)?;
        let until_close = framed_out.framing() == Framing::UntilClose;
        // What is not sent by now the client may go on sending for ever.
        let over = reply.request_read || sending.is_whole();
        // RFC 9110 §10.1.1: a client that was not told to continue may send its content all the same, or not.
        let in_doubt = !over && !reply.continued && request.expectation() == Expectation::Continue;
        reply.persists = reply.persists
            && !until_close
            && !in_doubt
            && !gateway.is_draining()
            && (over || !sending.is_over());
        let option = match (reply.persists, request.version()) {
            (false, _) => ConnectionOption::Close,
            (true, Version::Http10) => ConnectionOption::KeepAlive,
            (true, Version::Http11) => ConnectionOption::None,
        };
        octets.clear();
        write_response(response_out, &framed_out, option, octets);
        told.status = response_out.status();

        let means = Means {
            ctx: &self.ctx,
            buffers: &gateway.buffers,
            stall: (Timeout::OriginBody, gateway.rules.timeouts.body),
            begun: Cell::new(false),
            owed: None,
        };
        let mut decoder = Decoder::new(&framed, &gateway.rules.limits);
        let mut encoder = Encoder::new(&framed_out);
        let from = From {
            stream: &origin.stream,
            input,
            side: Side::Origin,
        };
        let client = &self.session.client;
        let carried = pin!(relay(
            &means,
            from,
            client,
            octets,
            &mut decoder,
            &mut encoder,
            &mut told.sent
        ));
        let mut carried = carried;
        let whole = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = sending.poll(cx) {
                return Poll::Ready(Err(error));
            }
            carried.as_mut().poll(cx)
        })
        .await;
        // What failed before its first octet was on its way can still be answered.
        reply.begun = means.begun.get();
        whole?;
        Ok(response_persistence(response, &framed).is_reuse())
    }

    /// The response head as the client gets it.
    fn return_head(
        &self,
        request: &RequestHead,
        response: &ResponseHead,
        out: &mut ResponseHead,
    ) -> Result<(), Error> {
        // RFC 9110 §6.6.1: who passes on what has no date says when it came.
        let date = match response.fields().has(Name::Date) {
            true => None,
            false => Some(answer::http_date(clock::wall())),
        };
        let how = Returning {
            client_version: request.version(),
            date: date.as_ref().map(String::as_bytes),
            ..Returning::default()
        };
        forward::response(response, out, &how).map_err(|error| misconfigured(&error))?;
        let Some(modify) = &self.gateway.rules.hooks.modify_response else {
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

    /// Answers from here.
    async fn respond(
        &self,
        answer: &Answer,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<(), Error> {
        // A body that nobody reads would be taken for the next request.
        reply.persists = reply.persists && reply.request_read;
        let connection = connection(reply.persists, &heads.request);
        heads.octets.clear();
        told.status = answer.status;
        told.first = Some(self.elapsed());
        told.sent = answer.write(heads.request.is_head(), connection, &mut heads.octets) as u64;
        reply.begun = true;
        self.write(&heads.octets, &self.session.client).await
    }

    /// Writes octets of our own making to the client.
    async fn write(&self, octets: &[u8], client: &C) -> Result<(), Error> {
        let limit = (Timeout::ClientBody, self.gateway.rules.timeouts.body);
        let mut pieces = [std::io::IoSlice::new(octets)];
        let written = within(
            &self.ctx,
            Phase::Body,
            limit,
            stream::write_all(client, &mut pieces),
        )
        .await?;
        written.map_err(|_| Error::client_gone(Phase::Body))
    }

    /// Ends an exchange that failed: with an answer where there can be one, else with a message cut short.
    async fn fail(
        &self,
        error: &Error,
        heads: &mut Heads,
        told: &mut Told,
        reply: &Reply,
    ) -> Next<D::Stream> {
        if reply.begun {
            told.cause = Some(error.cause().into_owned());
            self.trouble(error, told);
            // A client that reads up to the end must not take this for one.
            self.session.client.abort();
            return Next::Close;
        }
        let persists = reply.persists && reply.request_read;
        // The branch has ended, perhaps; the answer is the session's.
        let next = answer_error(
            self.session,
            &self.session.ctx,
            error,
            heads,
            told,
            Some(persists),
        )
        .await;
        self.trouble(error, told);
        next
    }

    /// Says on standard error what went wrong, unless it is the client's own affair.
    fn trouble(&self, error: &Error, told: &Told) {
        if error.side == Side::Client {
            return;
        }
        let endpoint = told.endpoint.as_deref().unwrap_or("-");
        self.gateway.scribe.trouble(format_args!(
            "exchange#{} {} status={} endpoint={endpoint} cause={error}",
            told.exchange,
            self.ctx.label(),
            told.status,
        ));
    }

    fn elapsed(&self) -> Duration {
        clock::now().saturating_duration_since(self.started)
    }
}

/// What it takes to carry a response back.
struct Back<'a, 'b, S, F> {
    origin: &'a Pooled<S>,
    sending: &'a mut Sending<'b, F>,
    request: &'a RequestHead,
    response: &'a ResponseHead,
    response_out: &'a mut ResponseHead,
    octets: &'a mut Vec<u8>,
}

/// An attempt that failed.
struct Failed {
    error: Error,
    /// On a connection that had carried exchanges before.
    was_reused: bool,
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
fn owed(input: Option<&Buffer>, framed: &Framed, reply: &Reply) -> Owed {
    let owed = Owed::default();
    let remaining = match framed.framing() {
        _ if reply.request_read => Some(0),
        Framing::Length(length) => Some(length),
        _ => None,
    };
    owed.set(input.map_or(0, |buffer| buffer.filled().len()), remaining);
    owed
}

/// What our own configuration adds to a message is not allowed there.
fn misconfigured(error: &ForwardError) -> Error {
    Error::gateway(Phase::Head, What::Config(error.to_string()))
}

/// What the exchange is called in the tree: method and target, cut to what people read.
fn label(request: &RequestHead) -> Label {
    const OCTETS_MAX: usize = 96;
    let mut text = [0; OCTETS_MAX];
    let octets = request.method().iter().chain(b" ").chain(request.target());
    let mut len = 0;
    for (place, octet) in text.iter_mut().zip(octets) {
        // Targets may hold octets above 0x7f, which alone are no text.
        *place = if octet.is_ascii() { *octet } else { b'?' };
        len += 1;
    }
    Label::new(std::str::from_utf8(text.get(..len).unwrap_or_default()).unwrap_or_default())
}

/// An id for a request that has none: the node's, in hexadecimal.
fn request_id(id: u64) -> [u8; 16] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut octets = [b'0'; 16];
    for (index, octet) in octets.iter_mut().rev().enumerate() {
        let digit = (id >> (4 * index)) & 15;
        *octet = DIGITS.get(digit as usize).copied().unwrap_or(b'0');
    }
    octets
}

fn connection(persists: bool, request: &RequestHead) -> Connection {
    match (persists, request.version()) {
        (false, _) => Connection::Close,
        (true, Version::Http10) => Connection::KeepAlive,
        (true, Version::Http11) => Connection::Persist,
    }
}

/// Answers an error, where somebody is left to be answered. `persists` is `None` where not even the request head could
/// be read: then the connection ends.
async fn answer_error<C: Stream, D: Dial>(
    session: &Session<C, D>,
    ctx: &Context,
    error: &Error,
    heads: &mut Heads,
    told: &mut Told,
    persists: Option<bool>,
) -> Next<D::Stream> {
    told.cause = Some(error.cause().into_owned());
    told.status = answer::recorded_status(error);
    let hook = session.gateway.rules.hooks.error_response.as_ref();
    let chosen = answer::for_error(error)
        .map(|usual| hook.and_then(|choose| choose(error)).unwrap_or(usual));
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
    let persists = persists.unwrap_or(false) && !broken && !gateway.is_draining();
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
    let limit = (Timeout::ClientBody, gateway.rules.timeouts.body);
    match within(
        ctx,
        Phase::Body,
        limit,
        stream::write_all(&session.client, &mut pieces),
    )
    .await
    {
        Ok(Ok(())) if persists => Next::Request,
        Ok(Ok(())) => Next::Linger,
        Ok(Err(_)) => Next::Close,
        Err(_) => {
            // The session itself has ended; what its socket takes without waiting is still said.
            let _ = future::poll_once(pin!(stream::write_all(&session.client, &mut pieces))).await;
            Next::Close
        }
    }
}

/// Writes the access record.
pub(super) fn record<C, D: Dial>(session: &Session<C, D>, heads: &Heads, told: &Told) {
    let gateway = &*session.gateway;
    if !gateway.scribe.is_on() {
        return;
    }
    let started = told.started.unwrap_or_else(clock::now);
    let (method, target, host): (&[u8], &[u8], &[u8]) = match told.exchange {
        0 => (b"", b"", b""),
        _ => (
            heads.request.method(),
            heads.request.target(),
            heads
                .request
                .authority()
                .map_or(b"", |authority| authority.octets),
        ),
    };
    let first = gateway.scribe.record(&Record {
        client: session.peer.map(|peer| peer.ip().to_canonical()),
        exchange: told.exchange,
        method,
        target,
        host,
        status: told.status,
        endpoint: told.endpoint.as_deref().unwrap_or(""),
        attempts: told.attempts,
        received: told.received,
        sent: told.sent,
        connect: told.connect,
        first: told.first,
        total: clock::now().saturating_duration_since(started),
        cause: told.cause.as_deref(),
        request_id: heads
            .request_out
            .fields()
            .get("x-request-id")
            .unwrap_or(b""),
    });
    if first {
        gateway.log_recorded();
    }
}
