use std::time::Duration;

use proptest::prelude::*;

use super::{DAY, SECOND, ms, rate};
use crate::limit::{Gcra, Rate};

/// How many of so many requests at the same time are admitted.
fn admitted(gcra: &Gcra, tat: &mut u64, now: u64, count: u32) -> u32 {
    (0..count)
        .map(|_| gcra.check(tat, now))
        .fold(0, |sum, is| sum + u32::from(is.is_ok()))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap()
}

#[test]
fn a_burst_then_one_per_share_of_the_period() {
    let gcra = Gcra::new(rate(20, SECOND, 40));
    let (mut tat, now) = (0, nanos(DAY));
    assert_eq!(admitted(&gcra, &mut tat, now, 100), 40);
    assert_eq!(gcra.check(&mut tat, now), Err(ms(50)));
    assert_eq!(
        gcra.check(&mut tat, now + nanos(ms(50)) - 1),
        Err(Duration::from_nanos(1))
    );
    assert_eq!(admitted(&gcra, &mut tat, now + nanos(ms(50)), 100), 1);
    assert_eq!(admitted(&gcra, &mut tat, now + nanos(SECOND), 100), 19);
}

#[test]
fn the_burst_is_back_after_a_while_of_none() {
    let gcra = Gcra::new(rate(20, SECOND, 40));
    let mut tat = 0;
    for minute in 0..5 {
        let now = minute * 60 * nanos(SECOND);
        assert_eq!(admitted(&gcra, &mut tat, now, 100), 40, "minute {minute}");
        assert!(!Gcra::is_as_new(tat, now + nanos(ms(1999))));
        assert!(Gcra::is_as_new(tat, now + nanos(ms(2000))));
    }
}

#[test]
fn once_a_day_is_once_a_day() {
    let gcra = Gcra::new(rate(1, DAY, 1));
    let mut tat = 0;
    assert_eq!(gcra.check(&mut tat, 0), Ok(()));
    assert_eq!(gcra.check(&mut tat, 0), Err(DAY));
    assert_eq!(
        gcra.check(&mut tat, nanos(DAY) - 1),
        Err(Duration::from_nanos(1))
    );
    assert_eq!(gcra.check(&mut tat, nanos(DAY)), Ok(()));
}

#[test]
fn a_million_a_second_is_a_million() {
    let gcra = Gcra::new(rate(1_000_000, SECOND, 1));
    let mut tat = 0;
    let admitted = (0..nanos(SECOND))
        .step_by(100)
        .filter(|now| gcra.check(&mut tat, *now).is_ok());
    assert_eq!(admitted.count(), 1_000_000);
}

#[test]
fn a_share_that_is_no_whole_number_is_never_too_short() {
    let gcra = Gcra::new(rate(3, SECOND, 1));
    let mut tat = 0;
    assert_eq!(gcra.check(&mut tat, 0), Ok(()));
    assert_eq!(
        gcra.check(&mut tat, 0),
        Err(Duration::from_nanos(333_333_334))
    );
}

#[test]
fn zeros_are_ones() {
    let none = Gcra::new(rate(0, SECOND, 0));
    assert_eq!(none, Gcra::new(rate(1, SECOND, 1)));
    let never = Gcra::new(rate(1, Duration::ZERO, 1));
    assert_eq!(never, Gcra::new(rate(1, Duration::from_nanos(1), 1)));
}

#[test]
fn the_longest_period_and_the_largest_burst_admit_and_refuse() {
    let gcra = Gcra::new(rate(1, Duration::MAX, u32::MAX));
    let mut tat = 0;
    assert_eq!(gcra.check(&mut tat, u64::MAX), Ok(()));
    assert!(
        gcra.check(&mut tat, u64::MAX).is_err(),
        "a span of 73 years is earned but once"
    );
    let gcra = Gcra::new(rate(u32::MAX, SECOND, u32::MAX));
    assert!(
        gcra.check(&mut tat, 0).is_err(),
        "what is remembered is from the end of time"
    );
}

#[test]
fn time_that_goes_back_is_charged_to_the_client_and_gives_nothing() {
    let gcra = Gcra::new(rate(10, SECOND, 5));
    let (mut tat, now) = (0, nanos(SECOND));
    assert_eq!(admitted(&gcra, &mut tat, now, 5), 5);
    assert_eq!(gcra.check(&mut tat, now - nanos(ms(1))), Err(ms(101)));
    assert_eq!(gcra.check(&mut tat, now), Err(ms(100)));
}

/// Rates of all sizes, and the gaps between requests that go with them: often none, sometimes very long.
fn rates_and_gaps() -> impl Strategy<Value = (Rate, Vec<u64>)> {
    let period = prop_oneof![1..2_000_u64, 1..4_000_000_000_u64, Just(nanos(DAY))];
    let requests = prop_oneof![1..5_u32, 1..2_000_000_u32, Just(u32::MAX)];
    let rates = (requests, period, prop_oneof![1..4_u32, 1..100_u32]);
    rates.prop_flat_map(|(requests, period, burst)| {
        let share = (period / u64::from(requests)).max(1);
        let gap = prop_oneof![
            4 => Just(0),
            4 => 0..=share * 2,
            1 => 0..=share * u64::from(burst) * 2,
            1 => 0..u64::MAX / 1000,
        ];
        let rate = rate(requests, Duration::from_nanos(period), burst);
        (Just(rate), prop::collection::vec(gap, 1..200))
    })
}

proptest! {
    #[test]
    fn no_window_has_more_than_the_burst_and_its_share((rate, gaps) in rates_and_gaps()) {
        let (gcra, mut tat, mut now) = (Gcra::new(rate), 0, 0_u64);
        let mut times = Vec::new();
        for gap in gaps {
            now += gap;
            if gcra.check(&mut tat, now).is_ok() {
                times.push(u128::from(now));
            }
        }
        for (first, from) in times.iter().enumerate() {
            for (last, to) in times.iter().enumerate().skip(first) {
                let over = (last - first + 1).saturating_sub(rate.burst as usize) as u128;
                prop_assert!(over * rate.period.as_nanos() <= (to - from) * u128::from(rate.requests));
            }
        }
    }

    #[test]
    fn a_refusal_changes_nothing_and_tells_the_moment((rate, gaps) in rates_and_gaps()) {
        let (gcra, mut tat, mut now) = (Gcra::new(rate), 0, 0_u64);
        for gap in gaps {
            now += gap;
            let before = tat;
            if let Err(wait) = gcra.check(&mut tat, now) {
                prop_assert_eq!(tat, before);
                let mut early = tat;
                prop_assert_eq!(gcra.check(&mut early, now + nanos(wait) - 1), Err(Duration::from_nanos(1)));
                now += nanos(wait);
                prop_assert_eq!(gcra.check(&mut tat, now), Ok(()));
            }
        }
    }

    /// Whoever keeps to the rate is never refused, and neither is a burst after a pause.
    #[test]
    fn what_was_promised_is_admitted((rate, _) in rates_and_gaps(), count in 1..100_u32) {
        let gcra = Gcra::new(rate);
        let share = nanos(rate.period).div_ceil(u64::from(rate.requests));
        let (mut tat, mut now) = (0, 0);
        for _ in 0..count {
            prop_assert_eq!(gcra.check(&mut tat, now), Ok(()));
            now += share;
        }
        now += share * u64::from(rate.burst);
        prop_assert_eq!(admitted(&gcra, &mut tat, now, rate.burst + 1), rate.burst);
    }

    #[test]
    fn nothing_overflows(
        (requests, seconds, subsecond) in (any::<u32>(), any::<u64>(), 0..1_000_000_000_u32),
        burst in any::<u32>(),
        times in prop::collection::vec(any::<u64>(), 1..20),
        mut tat in any::<u64>(),
    ) {
        let gcra = Gcra::new(rate(requests, Duration::new(seconds, subsecond), burst));
        for now in times {
            let before = tat;
            match gcra.check(&mut tat, now) {
                Ok(()) => prop_assert!(tat > before),
                Err(wait) => prop_assert!(tat == before && wait > Duration::ZERO),
            }
        }
    }
}
