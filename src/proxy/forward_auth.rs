//! Forward authentication: somebody else is asked whether a request may pass.

use super::answer::Answer;
use super::errand::Errand;
use super::error::{Error, Phase, What};
use super::exchange::Exchange;
use super::gateway::Heads;
use super::site::ForwardAuth;
use super::timeout::Timeout;
use super::wait::Owed;
use crate::context::{Label, Reason};
use crate::http::forward::{self, Forwarding, Returning};
use crate::http::framing::request_framing;
use crate::http::head::{RequestHead, ResponseHead, write_request};
use crate::net::dialer::Dial;
use crate::net::stream::Stream;

/// How much content of a refusal is passed on.
const REFUSAL_MAX: usize = 64 * 1024;

/// Fields that speak of content, which the question has none of.
const OF_CONTENT: [&str; 6] = [
    "expect",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "upgrade",
];

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// Asks. `None`: the request may pass, with the fields that were to be copied; else what its client is answered.
    /// `owed` is what it has yet to send, none of which is read meanwhile.
    ///
    /// # Errors
    /// Whoever was to be asked has no answer.
    pub(super) async fn ask(
        &self,
        auth: &ForwardAuth,
        heads: &Heads,
        owed: &Owed,
    ) -> Result<Option<Answer>, Error> {
        let nobody = || Error::gateway(Phase::Connect, What::NoEndpoint);
        let upstream = self.scene.upstream(auth.upstream).ok_or_else(nobody)?;
        let (_, member) = self.pick(upstream, heads, &[]).ok_or_else(nobody)?;
        let octets = self.question(auth, &heads.request, member.endpoint.host())?;
        let label = Label::new(&member.endpoint.name);
        let named = self.ctx.named("attempt", label);
        let (due, timeout) = self.due_within(auth.timeout, Timeout::Errand);
        let (ctx, _cancel) = named.with_deadline_cause(due, Reason::Static(timeout.as_static()));
        let errand = Errand {
            gateway: self.gateway,
            ctx,
            task: Some(&self.session.task),
            terms: self.terms,
            member,
            client: &self.session.header,
            queue_timeout: upstream.queue_timeout,
        };
        let mut response = ResponseHead::default();
        let asking = async {
            let answered = errand.clone().run(&octets, &mut response).await?;
            errand
                .content(answered, b"GET", &response, REFUSAL_MAX)
                .await
        };
        let content = self.staying(owed, asking).await?;
        if matches!(response.status(), 200..=299) {
            let mut granted = self.granted.borrow_mut();
            for name in &auth.copy {
                let value = response.fields().get(name).map(<[u8]>::to_vec);
                granted.push((name.clone(), value));
            }
            return Ok(None);
        }
        let mut out = ResponseHead::default();
        forward::response(&response, &mut out, &Returning::default())
            .map_err(|error| Error::gateway(Phase::Head, What::Config(error.to_string())))?;
        let mut fields = out.fields().clone();
        for name in ["date", "content-length", "trailer"] {
            fields.remove(name);
        }
        // A refusal that is too long to be passed on is one all the same.
        let content = content.unwrap_or_default();
        Ok(Some(Answer {
            fields,
            ..Answer::respond(response.status(), content)
        }))
    }

    /// The request that asks: the client's own, without its content, and what it was about.
    fn question(
        &self,
        auth: &ForwardAuth,
        request: &RequestHead,
        host: &str,
    ) -> Result<Vec<u8>, Error> {
        let broken = |why: &dyn std::fmt::Display| {
            Error::gateway(Phase::Head, What::Config(why.to_string()))
        };
        let peer = self.session.peer.map(|peer| peer.ip().to_canonical());
        let mut out = RequestHead::default();
        let how = Forwarding {
            client_ip: peer,
            scheme: self.scheme(),
            trusted: self.is_trusted,
            fallback_host: host.as_bytes(),
            upgrade: &[],
            ..Forwarding::default()
        };
        forward::request(request, &mut out, &how).map_err(|error| broken(&error))?;
        out.set_method("GET").map_err(|error| broken(&error))?;
        out.set_target(&auth.path).map_err(|error| broken(&error))?;
        let fields = out.fields_mut();
        for name in OF_CONTENT {
            fields.remove(name);
        }
        for (name, value) in [
            ("X-Forwarded-Method", request.method()),
            ("X-Forwarded-Uri", request.target()),
        ] {
            fields.remove(name);
            fields.push(name, value).map_err(|error| broken(&error))?;
        }
        let framed =
            request_framing(&out, &self.terms.limits).map_err(|error| broken(&error.sin()))?;
        let mut octets = Vec::new();
        write_request(&out, &framed, &mut octets);
        Ok(octets)
    }
}
