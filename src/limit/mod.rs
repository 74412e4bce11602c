//! Limits for the whole process: how often, how many at a time, for whom. Pure: the time comes in as a value.
//!
//! A [`Limiter`] is a route's: requests per time and requests at a time, per [`Key`]. [`PerAddress`] counts connections.
//! Both are handles to what all workers share: in shards, each behind a lock of its own that is held for a few dozen
//! instructions, and with a bound on what clients can make them remember. Neither knows HTTP, sockets or answers.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use std::time::{Duration, Instant};
//! use osier::limit::{Key, Limiter, Rate, RateLimit};
//!
//! let limiter = Limiter::new(RateLimit {
//!     rate: Some(Rate { requests: 20, period: Duration::from_secs(1), burst: 2 }),
//!     ..RateLimit::default()
//! });
//! let (client, now) = (Key::Ip(Ipv4Addr::LOCALHOST.into()), Instant::now());
//! assert!(limiter.admit(client, now).is_ok() && limiter.admit(client, now).is_ok());
//! let refused = limiter.admit(client, now).unwrap_err();
//! assert_eq!(refused.retry_after, Duration::from_millis(50));
//! ```

mod budget;
mod connections;
mod key;
mod limiter;
mod permits;
mod rate;
mod sync;
mod table;

#[cfg(test)]
mod tests;

pub use budget::RetryBudget;
pub use connections::{Entered, PerAddress};
pub use key::{Key, Network};
pub use limiter::{Admitted, Limit, Limiter, RateLimit, Refused};
pub use permits::{Acquire, Permit, Permits, QueueFull, Quiet};
pub use rate::{Gcra, Rate};
