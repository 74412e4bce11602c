//! Lesson `value`: a value is found from where it is carried downwards, until another one takes its place.

use futures_lite::future::try_zip;

use super::{Awry, Stage, Told, ensure};
use crate::context::{Context, Key};

/// On whose behalf something is done.
static USER: Key<&str> = Key::new("lesson.user");

const ABOVE: &str = "/lesson/value/above?ms=5000";
const BELOW: &str = "/lesson/value/below?ms=5000";

pub(super) async fn play(stage: Stage<'_>) -> Result<Told, Awry> {
    let (branch, _branch) = stage.root.context().named("lesson", "value").with_cancel();
    let ada = branch.with_value(&USER, "ada");
    let (above, _above) = ada.named("task", "asks above").with_cancel();
    let grace = ada.with_value(&USER, "grace");
    let (below, _below) = grace.named("task", "asks below").with_cancel();

    let asking = try_zip(
        sent_on_behalf(stage, &above, ABOVE),
        sent_on_behalf(stage, &below, BELOW),
    );
    let (by_above, by_below) = asking.await?;
    let outside = branch.value(&USER).copied();
    ensure(
        (by_above, by_below, outside) == ("ada", "grace", None),
        || {
            format!(
                "task#{} sent {by_above}, task#{} {by_below}, and the branch had {outside:?}",
                above.id(),
                below.id()
            )
        },
    )?;
    Ok(Told {
        said: format!(
            "task#{} read “{by_above}”, which #{} carries; task#{} read “{by_below}”, for #{} shadows it from there on down. Each sent \
             its own to the origin, which echoed it; lesson#{}, above both, has none.",
            above.id(),
            ada.id(),
            below.id(),
            grace.id(),
            branch.id(),
        ),
        nodes: vec![branch.id(), ada.id(), above.id(), grace.id(), below.id()],
    })
}

/// Reads the user that `ctx` has, sends it along with a request, and returns what the origin saw.
async fn sent_on_behalf(
    stage: Stage<'_>,
    ctx: &Context,
    target: &str,
) -> Result<&'static str, Awry> {
    let user = ctx.value(&USER).copied();
    let user = user.ok_or_else(|| Awry(format!("task#{} found no user", ctx.id())))?;
    let answer = ctx.run(stage.ask(target, &[("X-Lesson-User", user)])).await;
    let answer =
        answer.map_err(|error| Awry(format!("task#{} was told to stop: {error}", ctx.id())))??;
    let echo = format!("x-lesson-user: {user}");
    let is_there = answer
        .content
        .lines()
        .any(|line| line.trim().eq_ignore_ascii_case(&echo));
    ensure(answer.status == 200 && is_there, || {
        format!(
            "the origin did not see {user}; it answered {}",
            answer.status
        )
    })?;
    Ok(user)
}
