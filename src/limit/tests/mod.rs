//! What is admitted and what is not, one after the other and all at once.

mod budget;
mod connections;
mod key;
mod limiter;
mod permits;
mod rate;
mod table;

use std::time::Duration;

use super::Rate;

fn rate(requests: u32, period: Duration, burst: u32) -> Rate {
    Rate {
        requests,
        period,
        burst,
    }
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);
