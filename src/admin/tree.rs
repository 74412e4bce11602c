//! The tree's pages: what is asked for, in the form it is asked for.

use futures_lite::{StreamExt, future, stream};

use super::request::Request;
use super::response::{Reply, Response, Streamed};
use crate::context::{Census, Context, Count, Pieces, View, ViewOptions, Walk};

const TSV: &str = "text/tab-separated-values; charset=utf-8";
/// A tree of so many nodes is written as one; a larger one goes out in pieces.
const WHOLE_NODES_MAX: usize = 2000;
/// How often children are read before others get their turn: a few dozen each time, in less than a millisecond.
const READS_AT_ONCE: usize = 8;

/// Looks at `ctx` and what is below, and lets others have their turn meanwhile.
pub(super) async fn look(ctx: &Context, options: &ViewOptions) -> View {
    let mut walk = Walk::new(ctx, options);
    while walk.step(READS_AT_ONCE) {
        future::yield_now().await;
    }
    walk.finish()
}

/// Counts `ctx` and what is below, and lets others have their turn meanwhile.
pub(super) async fn count(ctx: &Context, nodes_max: usize) -> Census {
    let mut count = Count::new(ctx, nodes_max);
    while count.step(READS_AT_ONCE) {
        future::yield_now().await;
    }
    count.finish()
}

/// Answers `/tree` and its forms.
pub(super) async fn answer(root: &Context, request: &Request) -> Reply<'static> {
    let mut numbers = [None; 3];
    for (number, name) in numbers.iter_mut().zip(["root", "depth", "max"]) {
        match request.number(name) {
            Ok(asked) => *number = asked,
            Err(refused) => return refused.into(),
        }
    }
    let [id, depth, max] = numbers;
    let below = match id {
        None => Some(root.clone()),
        Some(id) => root.descendant(id),
    };
    let Some(below) = below else {
        return Response::text(404, "no such node lives in the tree\n").into();
    };
    let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let options = ViewOptions {
        depth: depth.map(limit),
        ..ViewOptions::default()
    };
    let options = ViewOptions {
        nodes_max: max.map_or(options.nodes_max, limit),
        ..options
    };
    let view = look(&below, &options).await;
    let is_large = view.nodes().len() > WHOLE_NODES_MAX;
    let is_json = request.path == "/tree.json" || (request.path == "/tree" && request.wants_json);
    match request.path.as_str() {
        "/tree.dot" => Response::text(200, view.to_dot()).into(),
        "/tree.mmd" => Response::text(200, view.to_mermaid()).into(),
        "/tree.tsv" if is_large => in_pieces(TSV, Pieces::tsv(view), ""),
        "/tree.tsv" => Reply::Whole(Response {
            content_type: TSV,
            ..Response::text(200, view.to_tsv())
        }),
        _ if is_large && is_json => in_pieces("application/json", Pieces::json(view), "\n"),
        _ if is_large => in_pieces("text/plain; charset=utf-8", Pieces::text(view), ""),
        _ if is_json => Response::json(200, view.to_json() + "\n").into(),
        _ => Response::text(200, view.to_text()).into(),
    }
}

fn in_pieces(content_type: &'static str, pieces: Pieces, end: &str) -> Reply<'static> {
    let end = Some(end.to_owned()).filter(|end| !end.is_empty());
    let pieces = stream::iter(pieces.chain(end).map(String::into_bytes)).then(|piece| async {
        future::yield_now().await;
        piece
    });
    Reply::Stream(Streamed {
        content_type,
        is_endless: false,
        pieces: Box::pin(pieces),
    })
}
