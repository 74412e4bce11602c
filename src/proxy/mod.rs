//! ROOM 6: the gateway. It drives rooms 1 to 5 and adds the order in which things happen.
//!
//! A [`session`] is one client connection over its life; each request on it is an `exchange`, which makes one or
//! more attempts at an origin and then carries the bodies, both at the same time. Each of them is a node of the
//! context tree, every wait is a node with a deadline below it, and ending a node ends the I/O that runs under it.

pub mod answer;
pub mod edit;
pub mod error;
pub mod gateway;
pub mod hooks;
pub mod introduction;
pub mod retry;
pub mod rewrite;
pub mod route;
pub mod session;
pub mod site;
pub mod split;
pub mod template;
pub mod timeout;

mod attempt;
#[cfg(feature = "auth")]
mod basic_auth;
mod carry;
mod errand;
mod exchange;
mod facts;
mod forward_auth;
mod hedge;
mod mirror;
mod octets;
mod pace;
#[cfg(feature = "acme")]
mod proof;
mod record;
mod relay;
mod rest;
mod scene;
mod stage;
pub mod stream;
mod task;
mod tunnel;
mod upload;
mod wait;

#[cfg(test)]
mod tests;
