//! The answer to an authority that comes by plain HTTP to see that a name is ours (RFC 8555 §8.3): before all routes, and
//! before whatever a listener sends everybody to. Only for tokens that are in force; all else is for the routes.

use super::answer::Answer;
use super::gateway::Rules;
use super::site::{Action, Listen, Route, Site};
use crate::http::head::RequestHead;

/// The route that this request meets in place of all others, if it is for such a token.
pub(super) fn route(listen: &Listen, request: &RequestHead) -> Option<Box<Route>> {
    let challenges = listen.challenges.as_ref()?;
    let answer = challenges.answer_for(request.method(), request.target())?;
    let mut answer = Answer::respond(200, answer.as_bytes().to_vec());
    let _ = answer
        .fields
        .set("Content-Type", "application/octet-stream");
    let usual = Site::from(Rules::default()).routes.pop()?;
    Some(Box::new(Route {
        name: "acme".into(),
        action: Action::Respond(answer),
        // It is held to what its listener is.
        terms: Vec::new(),
        ..usual
    }))
}
