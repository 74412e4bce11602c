//! Hedging: when an answer is late, the same request goes to another endpoint too, and the first answer counts.
//!
//! Only for requests without content that may be repeated. Each try is an attempt of its own in the tree; those that
//! lose are cancelled, and their connections closed.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{self, Poll};
use std::time::Duration;

use super::carry::Failed;
use super::errand::{Answered, Errand};
use super::error::{Error, HedgeLost, Phase, Side, What};
use super::exchange::{Exchange, Outcome, Reply, Way};
use super::gateway::Heads;
use super::record::Told;
use super::scene::{Member, Upstream};
use super::site::Hedge;
use super::wait::Owed;
use crate::clock;
use crate::context::{Cancel, Context, Label, Reason};
use crate::http::framing::Framed;
use crate::http::head::ResponseHead;
use crate::metrics::UpstreamEvent;
use crate::net::dialer::Dial;
use crate::net::stream::Stream;

/// For how long at least a try waits that was too many for the budget.
const UNPAID_PAUSE: Duration = Duration::from_millis(10);

/// One of several tries that run at the same time.
struct Branch<W> {
    /// Which endpoint of the upstream's.
    index: usize,
    cancel: Cancel,
    work: W,
}

/// What a try is to do.
struct Order<'u, S> {
    upstream: &'u Upstream<S>,
    member: &'u Member<S>,
    ctx: Context,
    octets: Vec<u8>,
    head: ResponseHead,
}

/// What a try came to, the head it read, and the octets it sent: whoever wins gives both back to be used again.
struct Answer<S> {
    answered: Result<Answered<S>, Error>,
    head: ResponseHead,
    octets: Vec<u8>,
}

/// A try that followed the first. They are seldom, so each has memory of its own.
type Late<'f, S> = Branch<Pin<Box<dyn Future<Output = Answer<S>> + 'f>>>;

impl<S, W: Future<Output = Answer<S>> + Unpin> Branch<W> {
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<(usize, Answer<S>)> {
        let answer = Pin::new(&mut self.work).poll(cx);
        answer.map(|answer| (self.index, answer))
    }
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
        let (index, answered) = {
            let racing = pin!(self.race((way, upstream, hedge), tried, framed, heads, told));
            self.while_client_stays(&owed, racing).await?
        };
        told.first = Some(self.elapsed());
        told.reused = Some(answered.origin.exchanges > 0);
        let Some(member) = upstream.members.get(index) else {
            return Err(Error::gateway(Phase::Connect, What::NoEndpoint).into());
        };
        if told.attempts > 1 {
            told.endpoint = Some(member.endpoint.name.clone());
        }
        let goal = self.goal(way, upstream, member);
        self.note_answer(goal, heads.response.status(), begun);
        let carried = self.carry_answered(goal, answered, heads, told, reply);
        Ok(carried.await?)
    }

    /// Runs the tries until the first has its final response head.
    ///
    /// Nearly always the first one is the only one. It runs in this future's own memory, and for others nothing is made
    /// before they begin.
    async fn race(
        &self,
        (way, upstream, hedge): (&Way<'_, D::Stream>, &Upstream<D::Stream>, &Hedge),
        tried: &mut Vec<usize>,
        framed: &Framed,
        heads: &mut Heads,
        told: &mut Told,
    ) -> Result<(usize, Answered<D::Stream>), Error> {
        let (index, cancel, order) = self.order((way, upstream), &[], framed, heads, told)?;
        let work = pin!(self.fulfil(order));
        let mut first = Some(Branch {
            index,
            cancel,
            work,
        });
        let mut late: Vec<Late<'_, D::Stream>> = Vec::new();
        // Beside the first.
        let mut begun: Vec<usize> = Vec::new();
        let mut pause = hedge.after;
        loop {
            let due = clock::later(clock::now(), pause);
            let alarm = &mut heads.alarm;
            let may_follow = begun.len() < hedge.max as usize
                && begun.len().saturating_add(1) < upstream.members.len();
            let event = poll_fn(|cx| {
                if let Some(Poll::Ready(ended)) = first.as_mut().map(|branch| branch.poll(cx)) {
                    first = None;
                    return Poll::Ready(Some(ended));
                }
                for (place, branch) in late.iter_mut().enumerate() {
                    if let Poll::Ready(ended) = branch.poll(cx) {
                        late.swap_remove(place);
                        return Poll::Ready(Some(ended));
                    }
                }
                if may_follow && alarm.poll_until(due, cx).is_ready() {
                    return Poll::Ready(None);
                }
                Poll::Pending
            });
            // `None`: they are late.
            if let Some((which, answer)) = event.await {
                (heads.response, heads.octets) = (answer.head, answer.octets);
                let error = match answer.answered {
                    Ok(answered) => {
                        let late = late.iter().map(|branch| &branch.cancel);
                        let lost = first.iter().map(|branch| &branch.cancel).chain(late);
                        for cancel in lost {
                            cancel.cancel_because(Reason::Static(HedgeLost::REASON));
                            self.gateway.counters().canceled();
                        }
                        if which != index {
                            upstream.tally.note(UpstreamEvent::HedgeWon);
                        }
                        return Ok((which, answered));
                    }
                    Err(error) => error,
                };
                let is_fault = error.side == Side::Origin;
                if let Some(member) = upstream.members.get(which).filter(|_| is_fault) {
                    self.note_failure(self.goal(way, upstream, member));
                }
                tried.push(which);
                if first.is_none() && late.is_empty() {
                    return Err(error);
                }
            }
            // It is time for another.
            if may_follow && !self.spend(way.number, upstream) {
                // Whoever asks for one at once is not asked again at once.
                pause = pause.max(UNPAID_PAUSE);
            } else if may_follow {
                let taken = [&[index][..], &begun].concat();
                let (index, cancel, order) =
                    self.order((way, upstream), &taken, framed, heads, told)?;
                begun.push(index);
                upstream.tally.note(UpstreamEvent::Hedge);
                let work = Box::pin(self.fulfil(order));
                late.push(Branch {
                    index,
                    cancel,
                    work,
                });
            }
        }
    }

    /// A try at an endpoint that is not `taken`, if there is one: which, what ends it, and what it is to do.
    fn order<'u>(
        &self,
        (way, upstream): (&Way<'u, D::Stream>, &'u Upstream<D::Stream>),
        taken: &[usize],
        framed: &Framed,
        heads: &mut Heads,
        told: &mut Told,
    ) -> Result<(usize, Cancel, Order<'u, D::Stream>), Error> {
        let Some((index, member)) = self.pick(upstream, heads, taken) else {
            return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
        };
        told.attempts += 1;
        told.endpoint = Some(member.endpoint.name.clone());
        self.write_head(self.goal(way, upstream, member), heads, framed, true)?;
        let named = self.ctx.named("attempt", Label::new(&member.endpoint.name));
        let (ctx, cancel) = match self.due(way.route, true, false) {
            Some((at, timeout)) => {
                named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
            }
            None => named.with_cancel(),
        };
        let order = Order {
            upstream,
            member,
            ctx,
            octets: std::mem::take(&mut heads.octets),
            head: std::mem::take(&mut heads.response),
        };
        Ok((index, cancel, order))
    }

    async fn fulfil(&self, order: Order<'_, D::Stream>) -> Answer<D::Stream> {
        let Order {
            upstream,
            member,
            ctx,
            octets,
            mut head,
        } = order;
        let errand = Errand {
            gateway: self.gateway,
            ctx: &ctx,
            terms: self.terms,
            member,
            client: self.session.header(),
            queue_timeout: upstream.queue_timeout,
        };
        let answered = errand.run(&octets, &mut head).await;
        Answer {
            answered,
            head,
            octets,
        }
    }
}
