//! Sans-IO HTTP/1.1: octets in, values out.
//!
//! This room is deterministic: it opens no socket, starts no task, and never asks for the time. It parses heads
//! ([`head`]), decides how content is delimited ([`framing`]), decodes and encodes it ([`body`]), says whether a
//! connection may carry another exchange ([`connection`]), and builds the message that goes to the other side
//! ([`forward`]). What is refused is refused here, each sin with a name of its own ([`error`]).
//!
//! A message walks the files in this order:
//!
//! ```text
//! octets ─▶ head ─▶ framing ─▶ forward ─▶ head::write_* ─▶ octets
//!             │        └─▶ body (Decoder ═▶ Encoder)
//!             └─▶ connection: Reuse | Close(reason)
//! ```
//!
//! Absences that hold everything together:
//!
//! - No octet of a head reaches the wire that was not checked when it entered a [`Fields`] or a head.
//! - No head is written without a [`Framed`], and only [`framing`] makes one.
//! - No leniency switch exists. Each would be a second grammar.
//!
//! What the RFCs demand, and which test keeps each demand, is in [`rfc`].
//!
//! # Source
//! RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (authority), RFC 7239 (Forwarded).

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[doc = include_str!("rfc.md")]
pub mod rfc {}

pub mod body;
mod chunked;
pub mod client;
pub mod connection;
pub mod deadline;
mod diagnose;
pub mod error;
pub mod field;
pub mod forward;
pub mod framing;
pub mod head;
pub mod limits;
pub mod network;
mod number;
mod options;
pub mod path;
pub mod query;
mod scanner;
pub mod target;
mod write;

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that goes out of bounds has failed"
)]
mod tests;

pub use body::{ChunkHead, Decoded, Decoder, Encoder};
pub use connection::{CloseReason, Verdict, request_persistence, response_persistence};
pub use error::{BodyError, FieldError, FramingError, HeadError, TargetError};
pub use field::{Fields, Name};
pub use forward::{ForwardedStyle, Forwarding, HostPolicy, RequestId, Returning};
pub use framing::{Framed, Framing, answer_framing, request_framing, response_framing};
pub use head::{
    ConnectionOption, Expectation, HeadScanner, Parsed, RequestHead, ResponseHead, Version,
    write_interim, write_request, write_response,
};
pub use limits::Limits;
pub use network::Network;
pub use path::normalise_path;
pub use target::{Authority, Target, parse_authority, parse_target};
