//! Routes: which of them answers a request, and why not the others.

mod matchers;
mod table;
mod why;

#[cfg(test)]
mod tests;

pub use matchers::{HostPattern, Matchers, PathPattern};
pub use table::{Asked, Table};
pub use why::{Explanation, Why};
