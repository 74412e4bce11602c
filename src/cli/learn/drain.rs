//! Lesson `drain`: a branch is told to take nothing new; what runs in it finishes, and then it is empty.

use std::time::{Duration, Instant};

use futures_lite::future::try_zip;

use super::{Awry, Count, LOOK, PATIENCE, Seconds, Stage, Told, ensure};
use crate::clock;
use crate::context::{Cancel, Context};

pub(super) async fn play(stage: Stage<'_>) -> Result<Told, Awry> {
    let (branch, cancel) = stage.root.context().named("lesson", "drain").with_cancel();
    let task = |label: &'static str| branch.named("task", label).with_cancel();
    let (first, second, third) = (task("asks quickly"), task("asks"), task("asks slowly"));
    let mut nodes = vec![branch.id()];
    nodes.extend([&first, &second, &third].map(|(ctx, _)| ctx.id()));
    let watched = [&first, &second, &third].map(|(ctx, _)| ctx.id());

    let work = try_zip(
        try_zip(
            ask_until_draining(stage, first, "/lesson/drain/quick?ms=1300"),
            ask_until_draining(stage, second, "/lesson/drain/even?ms=2900"),
        ),
        ask_until_draining(stage, third, "/lesson/drain/slow?ms=6500"),
    );
    let drain = async {
        clock::sleep(LOOK + LOOK / 2).await;
        let alive = watched.map(|id| branch.descendant(id));
        let receipt = cancel.drain();
        let at = clock::now();
        let ended = alive.iter().flatten().filter(|ctx| ctx.err().is_some());
        let (ended, alive) = (ended.count(), alive.iter().flatten().count());
        ensure(ended == 0 && alive == watched.len(), || {
            format!(
                "of three tasks {ended} ended and {alive} were there when lesson#{} was told to drain",
                branch.id()
            )
        })?;
        ensure(!stage.root.context().is_draining(), || {
            "the whole server drains".to_owned()
        })?;
        Ok((receipt, at))
    };
    let (((first, second), third), (receipt, at)) = try_zip(work, drain).await?;
    let left = branch.emptied_within(PATIENCE).await;
    left.map_err(|left| Awry(format!("lesson#{} did not empty: {left}", branch.id())))?;
    ensure(branch.err().is_none(), || {
        format!("lesson#{} has ended", branch.id())
    })?;

    let asked = first.asked + second.asked + third.asked;
    let last = [first.left, second.left, third.left].into_iter().max();
    let last = last.map_or(Duration::ZERO, |last| last.saturating_duration_since(at));
    Ok(Told {
        said: format!(
            "lesson#{} was told to drain: {} heard it within {} µs and not one ended. Each task finished the request it had, began \
             no other and left, the last one {} later; all {} were answered 200, and the server around them accepts as before.",
            branch.id(),
            Count(receipt.nodes, "node"),
            receipt.took.as_micros(),
            Seconds(last),
            Count(asked, "request"),
        ),
        nodes,
    })
}

/// What a task did.
struct Left {
    asked: usize,
    left: Instant,
}

/// Sends one request after the other until its node is told to drain; the one that runs then is finished.
async fn ask_until_draining(
    stage: Stage<'_>,
    (ctx, cancel): (Context, Cancel),
    target: &str,
) -> Result<Left, Awry> {
    let mut asked = 0;
    while !ctx.is_draining() {
        let answer = ctx.run(stage.ask(target, &[])).await;
        let answer = answer
            .map_err(|error| Awry(format!("task#{} was told to stop: {error}", ctx.id())))??;
        ensure(answer.status == 200, || {
            format!("task#{} got {}", ctx.id(), answer.status)
        })?;
        asked += 1;
    }
    // The handle that could cancel goes last: then nothing is left that it could end.
    drop(ctx);
    drop(cancel);
    Ok(Left {
        asked,
        left: clock::now(),
    })
}
