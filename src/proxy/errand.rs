//! A request that is sent whole and answered with a head: what a hedge, a mirror and forward authentication are made of.

use std::io::IoSlice;
use std::pin::pin;
use std::time::Duration;

use super::attempt::{self, HeadReading};
use super::error::{Error, Phase, Retry, What};
use super::gateway::Gateway;
use super::scene::Member;
use super::site::Terms;
use super::task::Task;
use super::timeout::Timeout;
use super::wait::{within, within_by};
use crate::clock;
use crate::context::Context;
use crate::http::body::Decoder;
use crate::http::connection::response_persistence;
use crate::http::framing::response_framing;
use crate::http::head::ResponseHead;
use crate::metrics::UpstreamEvent;
use crate::net::dialer::Dial;
use crate::net::pool::Pooled;
use crate::net::proxy_protocol::Header;
use crate::net::stream;
use crate::runtime::buffer::Buffer;

/// Where an errand goes, and what it is held to.
pub(super) struct Errand<'a, D: Dial> {
    pub(super) gateway: &'a Gateway<D>,
    /// Ends it.
    pub(super) ctx: Context,
    /// Whose it is, where that is a session's.
    pub(super) task: Option<&'a Task>,
    pub(super) terms: &'a Terms,
    pub(super) member: &'a Member<D::Stream>,
    /// Whom the connection is for, where the origin is told.
    pub(super) client: &'a Header,
    /// How long it waits where there may be no further connection.
    pub(super) queue_timeout: Duration,
}

impl<D: Dial> Clone for Errand<'_, D> {
    fn clone(&self) -> Self {
        Self {
            ctx: self.ctx.clone(),
            ..*self
        }
    }
}

/// A connection behind a final response head.
pub(super) struct Answered<S> {
    pub(super) origin: Box<Pooled<S>>,
    /// What came behind the head.
    pub(super) input: Option<Buffer>,
}

impl<D: Dial> Errand<'_, D> {
    /// Sends `octets`, a whole request, and reads the final response head. An idle connection that had been closed by
    /// then is replaced. The context is let go of with the answer: whoever ends it then finds nobody to wake.
    ///
    /// # Errors
    /// The origin's, or the context's end.
    pub(super) async fn run(
        self,
        octets: &[u8],
        response: &mut ResponseHead,
    ) -> Result<Answered<D::Stream>, Error> {
        let _in_flight = self.member.state.begin();
        let tally = &self.member.tally;
        tally.note(UpstreamEvent::Attempt);
        let mut idle = self.member.idle(self.client);
        loop {
            let is_idle = idle.is_some();
            let origin = match idle.take() {
                Some(idle) => {
                    tally.note(UpstreamEvent::Reused);
                    idle
                }
                None => Box::pin(self.connection()).await?,
            };
            match self.ask(origin, octets, response).await {
                Err(error)
                    if is_idle && error.retry != Retry::Never && self.ctx.err().is_none() =>
                {
                    tally.note(UpstreamEvent::StaleReplay);
                }
                settled => return settled,
            }
        }
    }

    /// A new connection; or one that has come to idle while a place for it was waited for.
    async fn connection(&self) -> Result<Box<Pooled<D::Stream>>, Error> {
        let (ctx, member) = (&self.ctx, self.member);
        let limit = self.terms.timeouts.connect;
        let permit = attempt::permit::<D>(ctx, self.queue_timeout, member).await?;
        attempt::connect(self.gateway, limit, ctx, member, self.client, permit, true).await
    }

    async fn ask(
        &self,
        origin: Box<Pooled<D::Stream>>,
        octets: &[u8],
        response: &mut ResponseHead,
    ) -> Result<Answered<D::Stream>, Error> {
        let timeouts = &self.terms.timeouts;
        let failed = |error| Error::origin(Phase::Send, Retry::IfIdempotent, What::Io(error));
        let mut pieces = [IoSlice::new(octets)];
        {
            let writing = pin!(stream::write_all(&origin.stream, &mut pieces));
            let limit = (Timeout::OriginBody, timeouts.body);
            let written = within(&self.ctx, Phase::Send, limit, writing).await?;
            written.map_err(failed)?;
        }
        // A wait that is longer than all there is left needs no end of its own.
        let ends = self.ctx.deadline();
        let limit = timeouts
            .response
            .filter(|limit| ends.is_none_or(|ends| clock::later(clock::now(), *limit) < ends));
        let mut input = None;
        for interim_count in 0..=self.terms.limits.interim_max {
            let reading = HeadReading {
                origin: &origin.stream,
                input: &mut input,
                head: response,
                limits: &self.terms.limits,
                buffers: &self.gateway.buffers,
                is_under_way: interim_count > 0,
            };
            {
                let reading = pin!(reading.read());
                let limit = (Timeout::Response, limit);
                within_by(self.task, &self.ctx, Phase::Await, limit, reading).await??;
            }
            match response.status() {
                101 => return Err(Error::origin_sin(Phase::Await, "upgrade_not_requested")),
                100..=199 => {}
                _ => return Ok(Answered { origin, input }),
            }
        }
        Err(Error::origin_sin(
            Phase::Await,
            "too_many_interim_responses",
        ))
    }

    /// Reads the content behind the head, of at most `octets_max` octets, and keeps the connection. `None`: there is
    /// more.
    ///
    /// # Errors
    /// As in [`Errand::run`].
    pub(super) async fn content(
        &self,
        answered: Answered<D::Stream>,
        method: &[u8],
        response: &ResponseHead,
        octets_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Answered { origin, mut input } = answered;
        let framed = response_framing(response, method)
            .map_err(|error| Error::origin_sin(Phase::Body, error.sin()))?;
        let mut decoder = Decoder::new(&framed, &self.terms.limits);
        let mut content = Vec::new();
        loop {
            let mut used = 0;
            let filled = input.as_ref().map(Buffer::filled).unwrap_or_default();
            while !decoder.is_done() {
                let rest = filled.get(used..).unwrap_or_default();
                let decoded = decoder
                    .decode(rest)
                    .map_err(|error| Error::origin_sin(Phase::Body, error.sin()))?;
                if decoded.consumed == 0 {
                    break;
                }
                used += decoded.consumed;
                content.extend_from_slice(decoded.data);
            }
            if content.len() > octets_max {
                return Ok(None);
            }
            if let Some(buffer) = &mut input {
                buffer.consume(used);
            }
            input = input.filter(|buffer| !buffer.is_empty());
            if decoder.is_done() {
                break;
            }
            let reading = pin!(async {
                stream::readable(&origin.stream).await;
                let buffer = input.get_or_insert_with(|| self.gateway.buffers.small());
                stream::read(&origin.stream, buffer.space()).await
            });
            let limit = (Timeout::OriginBody, self.terms.timeouts.body);
            let failed = |error| Error::origin(Phase::Body, Retry::Never, What::Io(error));
            if within(&self.ctx, Phase::Body, limit, reading)
                .await?
                .map_err(failed)?
                == 0
            {
                decoder
                    .finish_eof()
                    .map_err(|_| Error::origin(Phase::Body, Retry::Never, What::Gone))?;
            }
        }
        let may_reuse = response_persistence(response, &framed).is_reuse();
        if may_reuse && input.is_none() && !self.gateway.is_draining() {
            self.member.keep(origin);
        }
        Ok(Some(content))
    }
}
