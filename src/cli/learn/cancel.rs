//! Lesson `cancel`: a branch is cut in the middle, and what is beside it does not notice.

use futures_lite::future::try_zip;

use super::{Awry, Count, LOOK, Seconds, Stage, Told, ensure};
use crate::clock;

const CUT: &str = "/lesson/cancel/cut?ms=20000";
const BESIDE: &str = "/lesson/cancel/beside?ms=6000";
const REASON: &str = "the lesson cut here";

pub(super) async fn play(stage: Stage<'_>) -> Result<Told, Awry> {
    let requests = try_zip(stage.ask(CUT, &[]), stage.ask(BESIDE, &[]));
    let cut = async {
        let (cut, _) = stage.exchange(CUT, 1).await?;
        let (beside, _) = stage.exchange(BESIDE, 1).await?;
        clock::sleep(LOOK).await;
        let receipt = stage.root.cancel_descendant(cut.id, REASON);
        let receipt =
            receipt.ok_or_else(|| Awry(format!("exchange#{} had ended already", cut.id)))?;
        Ok((cut.id, beside.id, receipt))
    };
    let ((cut_answer, beside_answer), (cut, beside, receipt)) = try_zip(requests, cut).await?;
    ensure(cut_answer.status == 503, || {
        format!(
            "exchange#{cut} was cancelled, and its client got {}",
            cut_answer.status
        )
    })?;
    ensure(
        beside_answer.status == 200 && beside_answer.took > cut_answer.took,
        || format!("exchange#{beside} beside it got {}", beside_answer.status),
    )?;
    Ok(Told {
        said: format!(
            "exchange#{cut} was cancelled {} into its request: {} ended and {} woke within {} µs, its client got “{}”, and \
             exchange#{beside} beside it went on and answered {} after {}.",
            Seconds(cut_answer.took),
            Count(receipt.nodes, "node"),
            Count(receipt.waiters, "waiter"),
            receipt.took.as_micros(),
            cut_answer.line(),
            beside_answer.status,
            Seconds(beside_answer.took),
        ),
        nodes: vec![cut, beside],
    })
}
