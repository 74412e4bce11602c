//! The page: the live tree in a browser, put together at compile time from a skeleton, a style and a script.
//!
//! Nothing is loaded from anywhere else, and nothing runs that is not this page's own: style and script carry a nonce
//! that is new in every answer, and the policy knows no other source. Data comes later, as events, and is never markup.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::hash::BuildHasher as _;

use super::response::Response;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page, as an answer.
pub(super) fn answer() -> Response {
    let nonce = nonce();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    Response {
        content_type: "text/html; charset=utf-8",
        policy: Some(policy),
        ..Response::text(200, put_together(&nonce))
    }
}

fn put_together(nonce: &str) -> String {
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + 64);
    let mut rest = PAGE;
    while let Some((text, after)) = rest.split_once('{') {
        page.push_str(text);
        let Some((hole, after)) = after.split_once('}') else {
            break;
        };
        page.push_str(match hole {
            "nonce" => nonce,
            "style" => STYLE,
            _ => SCRIPT,
        });
        rest = after;
    }
    page.push_str(rest);
    page
}

/// 128 bits that nobody can guess: of keys that the standard library draws from the system.
fn nonce() -> String {
    let mut nonce = String::with_capacity(32);
    for half in [RandomState::new(), RandomState::new()] {
        let _ = write!(nonce, "{:016x}", half.hash_one(nonce.len()));
    }
    nonce
}
