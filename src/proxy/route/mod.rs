//! Routes: which of them answers a request, and why not the others.

mod matchers;

pub use matchers::{HostPattern, Matchers, PathPattern};
