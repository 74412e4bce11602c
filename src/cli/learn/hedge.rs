//! Lesson `hedge`: two tries run at the same time, and the one that is late is cancelled.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_lite::future::try_zip;

use super::{Awry, Seconds, Stage, Told, ensure};
use crate::context::ContextError;

/// How often it was played: the origin is slow once for each.
static PLAYED: AtomicU32 = AtomicU32::new(0);

pub(super) async fn play(stage: Stage<'_>) -> Result<Told, Awry> {
    let run = PLAYED.fetch_add(1, Ordering::Relaxed);
    let target = format!("/lesson/hedge?once={run}&first=20000&then=3000");
    let look = async {
        let (exchange, attempts) = stage.exchange(&target, 2).await?;
        let mut attempts = attempts.into_iter();
        let (Some(first), Some(second)) = (attempts.next(), attempts.next()) else {
            return Err(Awry("there were no two attempts".to_owned()));
        };
        // The one that should lose: ended, it can be asked why as long as somebody has a handle.
        let handle = stage.root.context().descendant(first.id);
        let handle =
            handle.ok_or_else(|| Awry(format!("attempt#{} had gone already", first.id)))?;
        Ok((exchange, first, second, handle))
    };
    let (answer, (exchange, first, second, handle)) =
        try_zip(stage.ask(&target, &[]), look).await?;
    ensure(answer.status == 200, || {
        format!("the client got {}", answer.status)
    })?;
    let cause = handle.cause();
    let cause = cause
        .filter(|cause| cause.kind() == ContextError::Canceled && cause.origin().id == first.id);
    let cause = cause.ok_or_else(|| Awry(format!("attempt#{} was not cancelled", first.id)))?;
    let cause = cause.brief().to_string();
    drop(handle);
    let head_start = first.age.saturating_sub(second.age);
    Ok(Told {
        said: format!(
            "attempt#{} to {} had no answer after {}, so exchange#{} asked {} as well; attempt#{} was first, the client had its {} \
             after {}, and attempt#{} was cancelled ({cause}).",
            first.id,
            first.label,
            Seconds(head_start),
            exchange.id,
            second.label,
            second.id,
            answer.status,
            Seconds(answer.took),
            first.id,
        ),
        nodes: vec![exchange.id, first.id, second.id],
    })
}
