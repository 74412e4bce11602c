use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::{self, TestClock};
use crate::proxy::pace::Pace;

const STALL: Duration = Duration::from_secs(10);

fn waits(clock: &TestClock, pace: &Pace, seconds: u64) {
    let since = clock::now();
    clock.advance(Duration::from_secs(seconds));
    pace.charge(since);
}

#[test]
fn without_a_rate_only_a_stall_counts() {
    let clock = TestClock::install();
    for stall in [Some(STALL), None] {
        let pace = Pace::new(None, stall);
        waits(&clock, &pace, 1_000_000);
        assert_eq!(pace.limit(), stall);
    }
}

#[test]
fn what_drips_uses_its_time_up_and_what_flows_earns_more() {
    let clock = TestClock::install();
    let drips = Pace::new(NonZeroU64::new(100), Some(STALL));
    // 11 octets a second would be enough for ten seconds more; one in each of nine is not.
    for second in 0..9 {
        assert!(drips.limit() > Some(Duration::ZERO), "{second}");
        waits(&clock, &drips, 1);
        drips.earn(1);
    }
    assert_eq!(drips.limit(), Some(Duration::from_millis(1090)));
    waits(&clock, &drips, 2);
    assert_eq!(drips.limit(), Some(Duration::ZERO));

    let flows = Pace::new(NonZeroU64::new(100), Some(STALL));
    for _ in 0..1000 {
        waits(&clock, &flows, 1);
        flows.earn(100);
    }
    // However much it has saved, it may not stall for longer.
    flows.earn(1_000_000);
    assert_eq!(flows.limit(), Some(STALL));
}

#[test]
fn where_a_body_may_stall_for_ever_it_still_has_a_beginning() {
    let clock = TestClock::install();
    let pace = Pace::new(NonZeroU64::new(1), None);
    assert_eq!(pace.limit(), Some(Duration::from_secs(30)));
    waits(&clock, &pace, 29);
    pace.earn(3);
    assert_eq!(pace.limit(), Some(Duration::from_secs(4)));
    // Nothing wraps.
    pace.earn(usize::MAX);
    pace.earn(usize::MAX);
    assert!(pace.limit() > Some(Duration::from_secs(1 << 30)));
}
