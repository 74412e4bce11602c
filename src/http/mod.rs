//! Sans-IO HTTP/1.1: octets in, values out.
//!
//! This room owns the grammar of messages: heads, framing, chunked, persistence and what a gateway may forward. It must
//! not know sockets, tasks, clocks or configuration. Sources: RFC 9110 (semantics) and RFC 9112 (HTTP/1.1).
//!
//! The way of one message: [`RequestHead::parse`] → [`request_framing`] → [`forward::request`] → [`write_request`], and
//! its content through a [`Decoder`] on one side and an [`Encoder`] on the other.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod body;
pub mod chunked;
pub mod connection;
pub mod error;
pub mod field;
pub mod forward;
pub mod framing;
pub mod head;
pub mod limits;
pub mod number;
pub mod target;
pub mod write;

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
mod tests;

pub use body::{ChunkHead, Decoded, Decoder, Encoder};
pub use connection::{CloseReason, Verdict, request_persistence, response_persistence};
pub use error::{BodyError, FramingError, HeadError};
pub use field::{Fields, Name};
pub use framing::{Framed, Framing, request_framing, response_framing};
pub use head::{Expectation, HeadScanner, Parsed, RequestHead, ResponseHead, Version};
pub use limits::Limits;
pub use target::Target;
pub use write::{ConnectionOption, write_interim, write_request, write_response};
