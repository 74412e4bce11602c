//! Hedging: when an answer is late, the same request goes to another endpoint too, and the first answer counts.
//!
//! Only for requests without content that may be repeated. Each try is an attempt of its own in the tree; those that
//! lose are cancelled, and their connections closed.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use super::carry::Failed;
use super::errand::{Answered, Errand};
use super::error::{Error, HedgeLost, Phase, Side, What};
use super::exchange::{Exchange, Outcome, Parts, Way};
use super::gateway::{Draft, Heads};
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

/// For how long at least a try waits that was too many for the budget.
const UNPAID_PAUSE: Duration = Duration::from_millis(10);

/// One of several tries that run at the same time.
struct Branch<W> {
    /// Which endpoint of the upstream's.
    index: usize,
    cancel: Cancel,
    work: W,
}

/// A try that may begin: at which endpoint of the upstream's, what there is to do, and what ends that.
type Ordered<'o, D> = (usize, Errand<'o, D>, Cancel);

/// A head that was read, and the octets that were sent for it.
type Kept = (ResponseHead, Vec<u8>);

/// A try that followed the first. They are seldom, so each has memory of its own.
type Late<'f, S> = Branch<Pin<Box<dyn Future<Output = (Result<Answered<S>, Error>, Kept)> + 'f>>>;

/// Who won: which endpoint, what it answered, and the head of that, unless it is where the first one's would be.
type Won<S> = (usize, Answered<S>, Option<Kept>);

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// Tries until one has led to a final response, and carries that. `tried` gets the endpoints that failed.
    pub(super) async fn hedged(
        &self,
        (way, upstream, hedge): (&Way<'_, D::Stream>, &Upstream<D::Stream>, &Hedge),
        tried: &mut Vec<usize>,
        parts: &mut Parts<'_>,
    ) -> Result<Outcome<D::Stream>, Failed> {
        let begun = clock::now();
        let owed = Owed::default();
        owed.set(0, Some(0));
        let (index, answered, kept) = {
            let racing = pin!(self.race((way, upstream, hedge), tried, parts));
            self.while_client_stays(&owed, racing).await?
        };
        let Parts { heads, told, .. } = parts;
        if let Some(kept) = kept {
            (heads.response, heads.octets) = kept;
        }
        told.first = Some(self.elapsed());
        told.reused = Some(answered.origin.exchanges > 0);
        let Some(member) = upstream.members.get(index) else {
            return Err(Error::gateway(Phase::Connect, What::NoEndpoint).into());
        };
        if told.attempts > 1 {
            told.endpoint = Some(member.name.clone());
        }
        let goal = self.goal(way, upstream, member);
        self.note_answer(goal, heads.response.status(), begun);
        Ok(self.carry_answered(goal, answered, parts).await?)
    }

    /// Runs the tries until the first has its final response head.
    ///
    /// Nearly always the first one is the only one. It runs in this future's own memory, and for others nothing is made
    /// before they begin.
    async fn race(
        &self,
        (way, upstream, hedge): (&Way<'_, D::Stream>, &Upstream<D::Stream>, &Hedge),
        tried: &mut Vec<usize>,
        parts: &mut Parts<'_>,
    ) -> Result<Won<D::Stream>, Error> {
        let Parts {
            framed,
            heads,
            told,
            ..
        } = parts;
        let (index, errand, cancel) =
            self.order((way, upstream), &[], framed, heads.draft(), told)?;
        let Heads {
            request,
            path,
            path_out,
            request_out,
            response,
            octets,
            ..
        } = &mut **heads;
        let work = pin!(errand.run(octets, response));
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
            let task = &self.session.task;
            let may_follow = begun.len() < hedge.max as usize
                && begun.len().saturating_add(1) < upstream.members.len();
            let event = poll_fn(|cx| {
                if let Some(branch) = &mut first {
                    if let Poll::Ready(answered) = branch.work.as_mut().poll(cx) {
                        first = None;
                        return Poll::Ready(Some((index, answered, None)));
                    }
                }
                for (place, branch) in late.iter_mut().enumerate() {
                    if let Poll::Ready((answered, kept)) = branch.work.as_mut().poll(cx) {
                        let branch = late.swap_remove(place);
                        return Poll::Ready(Some((branch.index, answered, Some(kept))));
                    }
                }
                if may_follow && task.poll_until(due, cx).is_ready() {
                    return Poll::Ready(None);
                }
                Poll::Pending
            });
            // `None`: they are late.
            if let Some((which, answered, kept)) = event.await {
                let error = match answered {
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
                        return Ok((which, answered, kept));
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
                let mut octets = Vec::new();
                let draft = Draft {
                    request,
                    path,
                    path_out,
                    out: request_out,
                    octets: &mut octets,
                };
                let (index, errand, cancel) =
                    self.order((way, upstream), &taken, framed, draft, told)?;
                begun.push(index);
                upstream.tally.note(UpstreamEvent::Hedge);
                let work = Box::pin(async move {
                    let mut head = ResponseHead::default();
                    let answered = errand.run(&octets, &mut head).await;
                    (answered, (head, octets))
                });
                late.push(Branch {
                    index,
                    cancel,
                    work,
                });
            }
        }
    }

    /// A try at an endpoint that is not `taken`, if there is one.
    fn order<'o>(
        &'o self,
        (way, upstream): (&Way<'_, D::Stream>, &'o Upstream<D::Stream>),
        taken: &[usize],
        framed: &Framed,
        draft: Draft<'_>,
        told: &mut Told,
    ) -> Result<Ordered<'o, D>, Error> {
        let Some((index, member)) = upstream.pick(draft.request, draft.path, self.client, taken)
        else {
            return Err(Error::gateway(Phase::Connect, What::NoEndpoint));
        };
        told.attempts += 1;
        told.endpoint = Some(member.name.clone());
        self.write_head(self.goal(way, upstream, member), draft, framed, true)?;
        let named = self.ctx.named("attempt", Label::new(&member.name));
        let (ctx, cancel) = match self.due(way.route, true, false) {
            Some((at, timeout)) => {
                named.with_deadline_cause(at, Reason::Static(timeout.as_static()))
            }
            None => named.with_cancel(),
        };
        let errand = Errand {
            gateway: self.gateway,
            ctx,
            task: Some(&self.session.task),
            terms: self.terms,
            member,
            client: &self.session.header,
            queue_timeout: upstream.queue_timeout,
        };
        Ok((index, errand, cancel))
    }
}
