//! Basic authentication: a file says whose request may pass.

use std::pin::pin;
use std::time::Duration;

use super::error::{Error, Phase, What};
use super::exchange::Exchange;
use super::site::BasicAuth;
use super::timeout::Timeout;
use super::wait::{Owed, within};
use crate::auth::{Asked, Credentials, QueueFull, Verdict};
use crate::context::Reason;
use crate::http::head::RequestHead;
use crate::net::dialer::Dial;
use crate::net::stream::Stream;

/// How long a password may wait to be verified: the thread may have a queue of slow ones before it.
const WAIT_MAX: Duration = Duration::from_secs(10);

impl<C: Stream, D: Dial + 'static> Exchange<'_, C, D> {
    /// Lets the request pass if its client has shown who it is. The origin does not see the password.
    ///
    /// # Errors
    /// It has not, has failed too often, or nobody can say now.
    pub(super) async fn verify(
        &self,
        auth: &BasicAuth,
        head: &RequestHead,
        owed: &Owed,
    ) -> Result<(), Error> {
        let who =
            credentials(head).ok_or_else(|| Error::client(Phase::Head, What::Unauthorized))?;
        let full = |_: QueueFull| Error::gateway(Phase::Head, What::AuthQueueFull);
        let asked = auth.verifier.ask(&auth.users, who, self.client);
        let verdict = match asked.map_err(full)? {
            Asked::Known(verdict) => verdict,
            Asked::Waiting(waiting) => {
                let (at, timeout) = self.due_within(WAIT_MAX, Timeout::Verify);
                let named = self.ctx.named("task", Timeout::Verify.waits_for());
                let (ctx, _cancel) =
                    named.with_deadline_cause(at, Reason::Static(timeout.as_static()));
                let verdict = pin!(waiting.verdict());
                let waited = within(&ctx, Phase::Head, (timeout, None), verdict);
                self.staying(owed, waited).await?.map_err(full)?
            }
        };
        match verdict {
            Verdict::Right => {
                let mut granted = self.granted.borrow_mut();
                granted.push(("Authorization".to_owned(), None));
                Ok(())
            }
            Verdict::Wrong => Err(Error::client(Phase::Head, What::Unauthorized)),
            Verdict::Limited { retry_after } => {
                Err(Error::client(Phase::Head, What::Limited { retry_after }))
            }
        }
    }
}

/// Two fields are none: nobody could say which of them counts.
fn credentials(head: &RequestHead) -> Option<Credentials> {
    let fields = head.fields().iter();
    let mut values = fields
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"authorization"))
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Credentials::parse(value),
        _ => None,
    }
}
