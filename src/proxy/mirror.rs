//! Mirrors: a copy of a request goes to another upstream, off the path, and what comes back is of no interest.
//!
//! The copy is sent when the exchange has ended, so that it takes nothing from it; where too many are under way already,
//! or the content was more than is kept, there is none.

use std::rc::Rc;
use std::sync::Arc;

use super::errand::Errand;
use super::exchange::{Exchange, Parts, Way};
use super::gateway::Gateway;
use super::timeout::Timeout;
use crate::context::{Context, Label, Reason};
use crate::http::body::Encoder;
use crate::http::head::ResponseHead;
use crate::net::dialer::Dial;
use crate::net::proxy_protocol::Header;
use crate::net::stream::Stream;

/// How many octets of content a copy may have.
pub(super) const CONTENT_MAX: usize = 64 * 1024;
/// How many copies are under way at a time, in one worker.
const COPIES_MAX: usize = 64;
/// How much of an answer is read, so that its connection can be kept.
const ANSWER_MAX: usize = 256 * 1024;

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// Whether this request is one of those that are copied.
    pub(super) fn is_mirrored(&self, way: &Way<'_, D::Stream>) -> bool {
        let mirror = way.route.mirror.as_ref();
        mirror.is_some_and(|mirror| mirror.percent > draw_of_hundred(self.scene.draw()))
    }

    /// Sends a copy of the request, of which everything was read.
    pub(super) fn mirror(&self, way: &Way<'_, D::Stream>, parts: &mut Parts<'_>) {
        let Parts {
            framed,
            upload,
            heads,
            ..
        } = parts;
        let Some(mirror) = &way.route.mirror else {
            return;
        };
        let Some(upstream) = self.scene.upstream(mirror.upstream) else {
            return;
        };
        let is_whole = upload.decoder.is_done() && upload.replay.is_kept();
        let gateway = self.session.gateway.clone();
        if !is_whole || gateway.copies.get() >= COPIES_MAX {
            return;
        }
        let Some((index, member)) = self.pick(upstream, heads, &[]) else {
            return;
        };
        let goal = self.goal(way, upstream, member);
        if self.write_head(goal, heads.draft(), framed, true).is_err() {
            return;
        }
        let mut encoder = Encoder::new(framed);
        upload.repeat(&mut encoder, &mut heads.octets);
        if encoder
            .finish(upload.decoder.trailers(), &mut heads.octets)
            .is_err()
        {
            return;
        }
        let Some(employer) = gateway.employer() else {
            return;
        };
        let copy = Copy {
            gateway: gateway.clone(),
            scene: self.scene.clone(),
            upstream: mirror.upstream,
            index,
            terms: Arc::clone(self.terms),
            client: self.session.header,
            octets: heads.octets.clone(),
            method: heads.request.method().to_vec(),
        };
        let named = employer.ctx.named("attempt", Label::new("mirror"));
        // It is nobody's exchange, and has no longer than one.
        let timeouts = &self.terms.timeouts;
        let limit = [timeouts.request, timeouts.total].into_iter().flatten();
        let (ctx, cancel) = match limit.min() {
            Some(limit) => {
                named.with_timeout_cause(limit, Reason::Static(Timeout::Errand.as_static()))
            }
            None => named.with_cancel(),
        };
        gateway.copies.set(gateway.copies.get() + 1);
        (employer.spawn)(Box::pin(async move {
            copy.send(ctx).await;
            copy.gateway.copies.set(copy.gateway.copies.get() - 1);
            drop(cancel);
        }));
    }
}

/// A copy of a request, on its way.
struct Copy<D: Dial> {
    gateway: Rc<Gateway<D>>,
    scene: Rc<super::scene::Scene<D::Stream>>,
    upstream: usize,
    index: usize,
    terms: Arc<super::site::Terms>,
    client: Header,
    octets: Vec<u8>,
    method: Vec<u8>,
}

impl<D: Dial> Copy<D> {
    async fn send(&self, ctx: Context) {
        let upstream = self.scene.upstream(self.upstream);
        let Some(upstream) = upstream else { return };
        let Some(member) = upstream.members.get(self.index) else {
            return;
        };
        let errand = Errand {
            gateway: &self.gateway,
            ctx,
            task: None,
            terms: &self.terms,
            member,
            client: &self.client,
            queue_timeout: upstream.queue_timeout,
        };
        let mut head = ResponseHead::default();
        // Nobody waits for it, and nobody is told.
        if let Ok(answered) = errand.clone().run(&self.octets, &mut head).await {
            let content = errand.content(answered, &self.method, &head, ANSWER_MAX);
            let _ = content.await;
        }
    }
}

/// A number below a hundred, of one drawn from all there are.
fn draw_of_hundred(draw: u32) -> u32 {
    ((u64::from(draw) * 100) >> 32) as u32
}
