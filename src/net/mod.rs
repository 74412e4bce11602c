//! ROOM 5: the only room with sockets.
//!
//! [`Stream`](stream::Stream) is all that the proxy asks of a connection, so that the same proxy runs on a worker's
//! sockets, on any futures-io pair ([`pair::Pair`]) and on pipes in memory.

pub mod address;
pub mod client_hello;
pub mod connection;
pub mod control;
pub mod dialer;
mod dns;
pub mod fault;
pub mod handshake;
pub mod listener;
pub mod names;
pub mod pair;
pub mod pool;
pub mod proxy_protocol;
pub mod service;
pub mod stream;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
pub mod tls;

#[cfg(test)]
mod tests;
