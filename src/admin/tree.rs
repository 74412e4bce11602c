//! The tree's pages: what is asked for, in the form it is asked for.

use super::request::Request;
use super::response::Response;
use crate::context::{Context, View, ViewOptions};

/// Answers `/tree` and its forms.
pub(super) fn answer(root: &Context, request: &Request) -> Response {
    let mut numbers = [None; 3];
    for (number, name) in numbers.iter_mut().zip(["root", "depth", "max"]) {
        match request.number(name) {
            Ok(asked) => *number = asked,
            Err(refused) => return refused,
        }
    }
    let [id, depth, max] = numbers;
    let below = match id {
        None => Some(root.clone()),
        Some(id) => root.descendant(id),
    };
    let Some(below) = below else {
        return Response::text(404, "no such node lives in the tree\n");
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
    let view = View::of(&below, &options);
    match request.path.as_str() {
        "/tree.json" => Response::json(200, view.to_json() + "\n"),
        "/tree.dot" => Response::text(200, view.to_dot()),
        "/tree.mmd" => Response::text(200, view.to_mermaid()),
        "/tree.tsv" => Response {
            content_type: "text/tab-separated-values; charset=utf-8",
            ..Response::text(200, view.to_tsv())
        },
        _ if request.wants_json => Response::json(200, view.to_json() + "\n"),
        _ => Response::text(200, view.to_text()),
    }
}
