//! osier: a small HTTP/1.1 reverse proxy in which every request is a branch of a context tree.

pub mod balance;
pub mod clock;
pub mod context;
pub mod http;
pub mod log;
pub mod net;
pub mod runtime;
