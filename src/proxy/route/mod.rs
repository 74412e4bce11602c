//! Routes: which of them answers a request, and why not the others.
//!
//! [`Matchers`] say which requests a route is for, [`Asked`] what they look at in one. A [`Table`] of routes finds the
//! one that answers, and explains itself. All of it is pure: octets in, the place of a route out.

mod asked;
mod index;
mod matchers;
mod table;
mod why;

#[cfg(test)]
mod tests;

pub use asked::Asked;
pub use matchers::{HostPattern, Matchers, PathPattern};
pub use table::Table;
pub use why::{Explanation, Why};
