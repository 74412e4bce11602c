//! Where a library user's own code takes part: on the request that goes to the origin, on the response that goes to the
//! client, and on the answer that osier would give itself.
//!
//! A hook works on heads that are stripped already: no hop-by-hop field, and nothing that the sender's Connection
//! names, is there any more, so a client cannot name away what a hook adds. How content is framed is not a hook's to
//! say; framing fields that it adds are not written.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::answer::Answer;
use super::error::Error;
use crate::http::head::{RequestHead, ResponseHead};

/// Edits the request that goes out: the one that came in, and the one to be sent.
pub type Rewrite = dyn Fn(&RequestHead, &mut RequestHead) + Send + Sync;
/// Edits the response that goes back, a 101 too, or rejects it.
pub type ModifyResponse =
    dyn Fn(&mut ResponseHead) -> Result<(), Box<dyn StdError + Send + Sync>> + Send + Sync;
/// Chooses the answer for an error; `None` leaves osier's own.
pub type ErrorResponse = dyn Fn(&Error) -> Option<Answer> + Send + Sync;

/// The hooks there are; without any, nothing is called.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Called once per attempt, after stripping and forwarding fields.
    pub rewrite: Option<Arc<Rewrite>>,
    /// Called once per final response, before its head is written.
    pub modify_response: Option<Arc<ModifyResponse>>,
    /// Called where osier answers itself because of an error, and somebody is left to be answered.
    pub error_response: Option<Arc<ErrorResponse>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("rewrite", &self.rewrite.is_some())
            .field("modify_response", &self.modify_response.is_some())
            .field("error_response", &self.error_response.is_some())
            .finish()
    }
}
