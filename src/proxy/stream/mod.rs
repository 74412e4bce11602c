//! A stream: one client connection whose octets, whatever they mean, go to an endpoint and back.
//!
//! ```text
//! session ─▶ tunnel (`total`) ─▶ attempt ─▶ task (connect, permit)        until there is a connection
//!                            └─▶ task (`idle`)                            from then on
//! ```
//!
//! Who may, where to, a connection, then `octets` both ways. Where the name in a TLS client's first
//! message says where to, that message is read for it, and passed on as it came. Whatever is cut short is reset: to most
//! protocols an end would be a whole.

mod names;
mod record;

#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

pub use names::ServerNames;

use super::attempt;
use super::error::{Error, Phase, Retry, Side, What};
use super::gateway::Gateway;
use super::octets::{Between, Both};
use super::record::Told;
use super::retry;
use super::scene::{Member, Scene, Upstream};
use super::session::Ends;
use super::site::StreamRules;
use super::timeout::Timeout;
use super::wait::within;
use crate::balance::InFlight;
use crate::clock;
use crate::context::{Cancel, Context, Label, Reason};
use crate::http::head::RequestHead;
use crate::metrics::UpstreamEvent;
use crate::net::client_hello::{self, Parsed};
use crate::net::dialer::Dial;
use crate::net::pool::Pooled;
use crate::net::stream::{self, Hangup, Stream};
use crate::runtime::buffer::Buffer;

/// How many endpoints are tried at most, each once; a single one twice.
const ATTEMPTS_MAX: usize = 10;
/// How long the pause is before an endpoint is tried a second time. Give or take a half.
const PAUSE: Duration = Duration::from_millis(25);

/// Serves one client connection of the stream that this listener is for, until it ends. `ctx` is its node: ending that
/// ends it.
pub async fn serve<C: Stream, D: Dial>(
    gateway: Rc<Gateway<D>>,
    client: C,
    ends: Ends,
    ctx: Context,
    listener: usize,
) {
    let _entered = gateway.enter();
    let scene = gateway.scene();
    let Some((number, rules)) = scene.site.stream(listener) else {
        return client.abort();
    };
    let Some(tally) = scene.stream_tally(number) else {
        return;
    };
    let _open = tally.opened();
    let visit = Visit {
        gateway: &gateway,
        scene: &scene,
        client: &client,
        ends,
        rules,
        number,
        started: clock::now(),
    };
    let mut told = Told {
        started: Some(visit.started),
        client: ends.source.map(|it| it.ip().to_canonical()),
        ..Told::default()
    };
    let mut name = None;
    // What it takes to begin is not kept while octets are carried.
    let begun = Box::pin(visit.begin(&ctx, &mut told, &mut name)).await;
    let ended = match begun {
        Err(error) => Err(error),
        Ok(begun) => {
            let between = Between {
                client: &client,
                origin: &begun.origin.stream,
                buffers: &gateway.buffers,
                idle: rules.timeouts.idle,
                counts: Some((&tally.received, &tally.sent)),
            };
            let received = Both {
                up: begun.input,
                down: None,
            };
            let carried = Both {
                up: &mut told.received,
                down: &mut told.sent,
            };
            let ended = between.carry(&begun.ctx, received, carried).await;
            if ended.is_err() {
                begun.origin.stream.abort();
            }
            ended
        }
    };
    if let Err(error) = &ended {
        client.abort();
        told.blame(error);
        visit.trouble(error, &told);
    }
    record::record(&visit, &told, name.as_deref());
}

/// A connection that is served, and by which rules.
struct Visit<'a, C, D: Dial> {
    gateway: &'a Gateway<D>,
    scene: &'a Scene<D::Stream>,
    client: &'a C,
    ends: Ends,
    rules: &'a StreamRules,
    /// Which of the site's the rules are.
    number: usize,
    started: Instant,
}

/// A stream that is to be carried.
struct Begun<'a, S> {
    origin: Box<Pooled<S>>,
    /// What the client has sent already.
    input: Option<Buffer>,
    ctx: Context,
    _cancel: Cancel,
    /// Its endpoint has it to do.
    _in_flight: InFlight<'a>,
}

impl<'a, C: Stream, D: Dial> Visit<'a, C, D> {
    /// Everything up to the first octet that is carried.
    async fn begin(
        &self,
        session: &Context,
        told: &mut Told,
        name: &mut Option<String>,
    ) -> Result<Begun<'a, D::Stream>, Error> {
        let ip = self.ends.source.map(|it| it.ip().to_canonical());
        if !self.rules.access.lets_in(ip) {
            return Err(Error::client(Phase::Head, What::Denied));
        }
        let (upstream, input) = match &self.rules.sni {
            None => (self.rules.to, None),
            Some(names) => self.by_name(session, names, name).await?,
        };
        let upstream = upstream.ok_or_else(|| Error::client(Phase::Head, What::NoRoute))?;
        let upstream = self.scene.upstream(upstream);
        let upstream = upstream.ok_or_else(|| Error::gateway(Phase::Connect, What::NoEndpoint))?;
        told.upstream = Some(upstream.tally.clone());
        let label = match name {
            Some(name) => Label::new(&format!("{name} {}", upstream.name)),
            None => Label::new(&upstream.name),
        };
        let named = session.named("tunnel", label);
        let (ctx, cancel) = match self.rules.timeouts.total {
            Some(total) => {
                let due = clock::later(self.started, total);
                named.with_deadline_cause(due, Reason::Static(Timeout::Total.as_static()))
            }
            None => named.with_cancel(),
        };
        told.exchange = ctx.id();
        let (origin, in_flight) = {
            let connecting = pin!(self.connect(&ctx, upstream, told));
            self.unless_gone(connecting).await?
        };
        told.connect = Some(clock::now().saturating_duration_since(self.started));
        Ok(Begun {
            origin,
            input,
            ctx,
            _cancel: cancel,
            _in_flight: in_flight,
        })
    }

    /// Where the name in a ClientHello leads, and that ClientHello.
    async fn by_name(
        &self,
        session: &Context,
        names: &ServerNames,
        name: &mut Option<String>,
    ) -> Result<(Option<usize>, Option<Buffer>), Error> {
        let mut input = None;
        let read = {
            let reading = pin!(self.hello(&mut input));
            let limit = (Timeout::Hello, self.rules.timeouts.header);
            within(session, Phase::Head, limit, reading).await?
        };
        let upstream = match read {
            Ok(hello) => {
                *name = hello.server_name;
                names.find(name.as_deref()).or(self.rules.to)
            }
            // What is no TLS is for whom `to` names, if anybody.
            Err(Broken::Sin(client_hello::Sin::NotTls)) if self.rules.to.is_some() => self.rules.to,
            Err(Broken::Sin(sin)) => return Err(Error::client_sin(Phase::Head, sin.word(), 400)),
            Err(Broken::Gone) => return Err(Error::client_gone(Phase::Head)),
        };
        Ok((upstream, input))
    }

    /// Reads until the ClientHello is whole. What was read is in `input`.
    async fn hello(&self, input: &mut Option<Buffer>) -> Result<client_hello::Hello, Broken> {
        loop {
            stream::readable(self.client).await;
            let buffer = input.get_or_insert_with(|| self.gateway.buffers.small());
            match stream::read(self.client, buffer.space()).await {
                Ok(0) | Err(_) => return Err(Broken::Gone),
                Ok(_) => {}
            }
            match client_hello::parse(buffer.filled()).map_err(Broken::Sin)? {
                Parsed::Complete(hello) => return Ok(hello),
                Parsed::Partial => {}
            }
        }
    }

    /// A connection to an endpoint: one that cannot be connected to is passed over, at the cost of a further try.
    async fn connect(
        &self,
        ctx: &Context,
        upstream: &'a Upstream<D::Stream>,
        told: &mut Told,
    ) -> Result<(Box<Pooled<D::Stream>>, InFlight<'a>), Error> {
        let budget = self.scene.stream_budget(self.number);
        if let Some(budget) = budget {
            budget.earn();
        }
        let request = RequestHead::default();
        let client = self.ends.source.map(|it| it.ip().to_canonical());
        let attempts_max = upstream.members.len().clamp(2, ATTEMPTS_MAX);
        let mut tried = Vec::new();
        loop {
            let picked = upstream.pick(&request, b"", client, &tried);
            let Some((index, member)) = picked else {
                return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
            };
            told.attempts += 1;
            told.endpoint = Some(member.name.clone());
            let error = match self.attempt(ctx, upstream, member).await {
                Ok(connected) => return Ok(connected),
                Err(error) => error,
            };
            if error.side == Side::Origin {
                if let Some(said) = upstream.note_failure(member) {
                    self.gateway.scribe.trouble(said);
                }
            }
            tried.push(index);
            let may_repeat = error.retry == Retry::Always && ctx.err().is_none();
            if !may_repeat || tried.len() >= attempts_max {
                return Err(error);
            }
            if budget.is_some_and(|budget| !budget.spend(clock::now())) {
                upstream.tally.note(UpstreamEvent::BudgetExhausted);
                return Err(error);
            }
            if tried.len() >= upstream.members.len() {
                let pause = retry::pause(PAUSE, 1, self.scene.draw());
                let resting = pin!(clock::sleep(pause));
                within(ctx, Phase::Connect, (Timeout::Total, None), resting).await?;
            }
            upstream.tally.note(UpstreamEvent::Retry);
        }
    }

    /// One try at one endpoint.
    async fn attempt(
        &self,
        ctx: &Context,
        upstream: &'a Upstream<D::Stream>,
        member: &'a Member<D::Stream>,
    ) -> Result<(Box<Pooled<D::Stream>>, InFlight<'a>), Error> {
        member.tally.note(UpstreamEvent::Attempt);
        let in_flight = member.state.begin();
        let label = Label::new(&member.endpoint.name);
        let (node, _cancel) = ctx.named("attempt", label).with_cancel();
        let begun = clock::now();
        let permit = attempt::permit::<D>(&node, upstream.queue_timeout, member).await?;
        let (limit, header) = (self.rules.timeouts.connect, self.ends.header());
        let making = attempt::connect(self.gateway, limit, &node, member, &header, permit, false);
        let pooled = making.await?;
        upstream.note_answer(member, begun);
        Ok((pooled, in_flight))
    }

    /// Runs `work` for as long as the client is there. A client that has said all it has to say still is.
    async fn unless_gone<T>(
        &self,
        mut work: Pin<&mut impl Future<Output = Result<T, Error>>>,
    ) -> Result<T, Error> {
        poll_fn(|cx| {
            let output = work.as_mut().poll(cx);
            if output.is_ready() {
                return output;
            }
            match self.client.poll_hangup(cx) {
                Poll::Ready(Hangup::Reset) => Poll::Ready(Err(Error::client_gone(Phase::Connect))),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Says on standard error what went wrong, unless it is the client's own affair.
    fn trouble(&self, error: &Error, told: &Told) {
        if error.side == Side::Client {
            return;
        }
        let endpoint = told.endpoint.as_deref().unwrap_or("-");
        let upstream = told.upstream.as_ref().map_or("-", |it| &it.name);
        self.gateway.scribe.trouble(format_args!(
            "stream {}: tunnel#{} upstream={upstream} endpoint={endpoint} cause={error}",
            self.rules.name, told.exchange,
        ));
    }
}

/// Why there is no ClientHello.
enum Broken {
    Gone,
    Sin(client_hello::Sin),
}
