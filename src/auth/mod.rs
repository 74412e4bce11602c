//! Basic authentication (RFC 7617): users and the hashes of their passwords, from a file.
//!
//! A file is read once, with the configuration: [`Users`]. What a request says of its client becomes [`Credentials`].
//! Hashes of passwords are made to be slow, so a thread of its own verifies them, one after the other, and no worker
//! ever waits for one: [`Verifier`]. Nobody here knows HTTP's messages, answers or the configuration.

mod cache;
mod credentials;
mod hash;
mod htpasswd;
mod verifier;

#[cfg(test)]
mod tests;

pub use credentials::Credentials;
pub use htpasswd::{Problem, Users, Why};
pub use verifier::{Asked, QueueFull, Verdict, Verifier, Waiting};
