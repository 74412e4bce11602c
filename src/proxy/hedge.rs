//! Hedging: when an answer is late, the same request goes to another endpoint too, and the first answer counts.
//!
//! Only for requests without content that may be repeated. Each try is an attempt of its own in the tree; those that
//! lose are cancelled, and their connections closed.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use super::carry::Failed;
use super::errand::{Answered, Errand};
use super::error::{Error, HedgeLost, Phase, Side, What};
use super::exchange::{Exchange, Outcome, Reply, Way};
use super::gateway::Heads;
use super::record::Told;
use super::scene::Upstream;
use super::site::Hedge;
use super::wait::Owed;
use crate::clock;
use crate::context::{Cancel, Label, Reason};
use crate::http::framing::Framed;
use crate::http::head::ResponseHead;
use crate::metrics::UpstreamEvent;
use crate::net::dialer::Dial;
use crate::net::stream::Stream;

/// One of several tries that run at the same time.
struct Branch<'f, S> {
    /// Which endpoint of the upstream's.
    index: usize,
    cancel: Cancel,
    work: Pin<Box<dyn Future<Output = Answer<S>> + 'f>>,
}

/// What a try came to, the head it read, and the octets it sent: whoever wins gives both back to be used again.
struct Answer<S> {
    answered: Result<Answered<S>, Error>,
    head: ResponseHead,
    octets: Vec<u8>,
}

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// Tries until one has led to a final response, and carries that. `tried` gets the endpoints that failed.
    pub(super) async fn hedged(
        &self,
        (way, upstream, hedge): (&Way<'_, D::Stream>, &Upstream<D::Stream>, &Hedge),
        tried: &mut Vec<usize>,
        framed: &Framed,
        heads: &mut Heads,
        told: &mut Told,
        reply: &mut Reply,
    ) -> Result<Outcome<D::Stream>, Failed> {
        let begun = clock::now();
        let owed = Owed::default();
        owed.set(0, Some(0));
        let racing = self.race((way, upstream, hedge), tried, framed, heads, told);
        let (index, answered) = self.staying(&owed, racing).await?;
        told.first = Some(self.elapsed());
        told.reused = Some(answered.origin.exchanges > 0);
        let Some(member) = upstream.members.get(index) else {
            return Err(Error::gateway(Phase::Connect, What::NoEndpoint).into());
        };
        told.endpoint = Some(member.endpoint.name.clone());
        let goal = self.goal(way, upstream, member);
        self.note_answer(goal, heads.response.status(), begun);
        let carried = self.carry_answered(goal, answered, heads, told, reply);
        Ok(carried.await?)
    }

    /// Runs the tries until the first has its final response head.
    async fn race(
        &self,
        (way, upstream, hedge): (&Way<'_, D::Stream>, &Upstream<D::Stream>, &Hedge),
        tried: &mut Vec<usize>,
        framed: &Framed,
        heads: &mut Heads,
        told: &mut Told,
    ) -> Result<(usize, Answered<D::Stream>), Error> {
        let mut branches: Vec<Branch<'_, D::Stream>> = Vec::new();
        let mut begun: Vec<usize> = Vec::new();
        loop {
            let is_due = branches.is_empty()
                || (begun.len() <= hedge.max as usize
                    && begun.len() < upstream.members.len()
                    && self.spend(way.number, upstream));
            if is_due {
                let Some((index, member)) = self.pick(upstream, heads, &begun) else {
                    return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
                };
                begun.push(index);
                if begun.len() > 1 {
                    upstream.tally.note(UpstreamEvent::Hedge);
                }
                told.attempts += 1;
                told.endpoint = Some(member.endpoint.name.clone());
                self.write_head(self.goal(way, upstream, member), heads, framed, true)?;
                let octets = std::mem::take(&mut heads.octets);
                let mut head = std::mem::take(&mut heads.response);
                let named = self.ctx.named("attempt", Label::new(&member.endpoint.name));
                let (ctx, cancel) = match self.due(way.route, true, false) {
                    Some((at, timeout)) => {
                        named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
                    }
                    None => named.with_cancel(),
                };
                let work = Box::pin(async move {
                    let errand = Errand {
                        gateway: self.gateway,
                        ctx: &ctx,
                        terms: self.terms,
                        member,
                        queue_timeout: upstream.queue_timeout,
                    };
                    let answered = errand.run(&octets, &mut head).await;
                    Answer {
                        answered,
                        head,
                        octets,
                    }
                });
                branches.push(Branch {
                    index,
                    cancel,
                    work,
                });
            }
            let mut alarm = clock::sleep(hedge.after);
            let may_follow = begun.len() <= hedge.max as usize;
            let event = poll_fn(|cx| {
                for (place, branch) in branches.iter_mut().enumerate() {
                    if let Poll::Ready(answer) = branch.work.as_mut().poll(cx) {
                        return Poll::Ready(Some((place, answer)));
                    }
                }
                if may_follow && Pin::new(&mut alarm).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                Poll::Pending
            });
            let Some((place, answer)) = event.await else {
                // They are late: it is time for another.
                continue;
            };
            let Branch { index, .. } = branches.swap_remove(place);
            (heads.response, heads.octets) = (answer.head, answer.octets);
            match answer.answered {
                Ok(answered) => {
                    for lost in &branches {
                        lost.cancel
                            .cancel_because(Reason::Static(HedgeLost::REASON));
                        self.gateway.counters().canceled();
                    }
                    if begun.first() != Some(&index) {
                        upstream.tally.note(UpstreamEvent::HedgeWon);
                    }
                    return Ok((index, answered));
                }
                Err(error) => {
                    let is_fault = error.side == Side::Origin;
                    if let Some(member) = upstream.members.get(index).filter(|_| is_fault) {
                        self.note_failure(self.goal(way, upstream, member));
                    }
                    tried.push(index);
                    if branches.is_empty() {
                        return Err(error);
                    }
                }
            }
        }
    }
}
