//! osier: a small HTTP/1.1 reverse proxy in which every request is a branch of a context tree.

#[cfg(target_os = "linux")]
pub mod admin;
pub mod balance;
#[cfg(target_os = "linux")]
pub mod cli;
pub mod clock;
pub mod context;
pub mod http;
#[cfg(target_os = "linux")]
pub mod log;
#[cfg(target_os = "linux")]
pub mod net;
#[cfg(target_os = "linux")]
pub mod proxy;
#[cfg(target_os = "linux")]
pub mod runtime;
#[cfg(target_os = "linux")]
pub mod server;
