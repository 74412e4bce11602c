//! Lesson `deadline`: who asks for more time than its parent has gets what its parent has.

use futures_lite::future::try_zip;

use super::{Awry, Seconds, Stage, Told, ensure};
use crate::context::ContextError;

const TARGET: &str = "/lesson/deadline?ms=20000";
/// What the client is ready to wait.
const ASKED_MS: &str = "4000";

pub(super) async fn play(stage: Stage<'_>) -> Result<Told, Awry> {
    let request = stage.ask(TARGET, &[("X-Request-Timeout-Ms", ASKED_MS)]);
    let look = async {
        let (exchange, attempts) = stage.exchange(TARGET, 1).await?;
        // An ended node can be asked why while somebody has a handle.
        let handle = stage.root.context().descendant(exchange.id);
        let attempt = attempts.into_iter().next();
        match (attempt, handle) {
            (Some(attempt), Some(handle)) => Ok((exchange, attempt, handle)),
            _ => Err(Awry(format!("exchange#{} had ended already", exchange.id))),
        }
    };
    let (answer, (exchange, attempt, handle)) = try_zip(request, look).await?;
    let (exchange_id, attempt_id) = (exchange.id, attempt.id);
    ensure(attempt.deadline_owner == Some(exchange_id), || {
        format!(
            "the deadline of attempt#{attempt_id} is not that of exchange#{exchange_id} above it"
        )
    })?;
    let cause = handle.cause();
    let cause = cause.filter(|cause| {
        cause.kind() == ContextError::DeadlineExceeded && cause.origin().id == exchange_id
    });
    let cause = cause.ok_or_else(|| {
        Awry(format!(
            "exchange#{exchange_id} did not end by its deadline"
        ))
    })?;
    ensure(answer.status == 504, || {
        format!("the client got {} in place of 504", answer.status)
    })?;
    let cause = cause.brief().to_string();
    drop(handle);
    Ok(Told {
        said: format!(
            "The client of exchange#{exchange_id} had {ASKED_MS} ms, and that became its deadline; attempt#{attempt_id} below it, \
             which the gateway allows 60 s, had the {} that were left, imposed by exchange#{exchange_id}: both ended after {} \
             ({cause}), and the client got “{}”.",
            Seconds(attempt.remaining.unwrap_or_default()),
            Seconds(answer.took),
            answer.line(),
        ),
        nodes: vec![exchange_id, attempt_id],
    })
}
