use std::time::Duration;

use proptest::prelude::*;

use crate::metrics::{BOUNDS, Distribution, Histogram};

fn seen(micros: &[u64]) -> Distribution {
    let histogram = Histogram::default();
    for micros in micros {
        histogram.observe(Duration::from_micros(*micros));
    }
    histogram.read()
}

#[test]
fn the_bounds_rise_and_are_what_they_are_written_as() {
    for pair in BOUNDS.windows(2) {
        assert!(pair[0].0 < pair[1].0);
    }
    for (nanos, text) in BOUNDS {
        let seconds: f64 = text.parse().unwrap();
        assert_eq!((seconds * 1e9).round() as u64, nanos, "{text}");
    }
}

#[test]
fn a_bound_belongs_to_what_is_below_it() {
    for (nanos, text) in BOUNDS {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_nanos(nanos));
        histogram.observe(Duration::from_nanos(nanos + 1));
        let read = histogram.read();
        let up_to = read.cumulated().find(|(bound, _)| *bound == text);
        assert_eq!(up_to, Some((text, 1)));
    }
}

#[test]
fn the_bucket_is_the_first_whose_bound_is_not_below() {
    let check = |nanos: u64| {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_nanos(nanos));
        let read = histogram.read();
        let (bound, _) = read.cumulated().find(|(_, count)| *count == 1).unwrap();
        let expected = BOUNDS.iter().find(|(bound, _)| nanos <= *bound);
        assert_eq!(bound, expected.map_or("+Inf", |(_, text)| text), "{nanos}");
    };
    for bits in 0..64 {
        for nanos in [(1 << bits) - 1, 1 << bits, (1 << bits) + 1] {
            check(nanos);
        }
    }
    for (bound, _) in BOUNDS {
        for nanos in [bound - 1, bound, bound + 1] {
            check(nanos);
        }
    }
    check(u64::MAX);
}

#[test]
fn quantiles_lie_where_the_times_do() {
    let ms = |number| Some(Duration::from_millis(number));
    assert_eq!(seen(&[]).quantile(0.5), None);
    // Evenly between 10 and 20 ms.
    let even = seen(&[15_000; 10]);
    assert_eq!(even.quantile(0.5), ms(15));
    assert_eq!(even.quantile(0.9), ms(19));
    assert_eq!(even.quantile(1.0), ms(20));
    // Nine short ones and a long one.
    let mut times = [1_500; 10];
    times[9] = 1_500_000;
    assert!(seen(&times).quantile(0.5) < ms(2));
    assert!(seen(&times).quantile(0.99) > ms(1_000));
    // Of what is above all bounds only that is known.
    assert_eq!(seen(&[90_000_000]).quantile(0.5), ms(60_000));
}

proptest! {
    #[test]
    fn the_last_bucket_is_the_count_and_nothing_is_lost_in_sums(
        one in proptest::collection::vec(0_u64..100_000_000, 0..50),
        two in proptest::collection::vec(0_u64..100_000_000, 0..50),
    ) {
        let mut both = seen(&one);
        both.merge(&seen(&two));
        let last = both.cumulated().last();
        prop_assert_eq!(last, Some(("+Inf", both.count())));
        prop_assert_eq!(both.count(), (one.len() + two.len()) as u64);
        let micros: u64 = one.iter().chain(&two).sum();
        prop_assert_eq!(both.sum(), Duration::from_micros(micros));
        prop_assert_eq!(both.since(&seen(&one)), seen(&two));
        let counts: Vec<_> = both.cumulated().map(|(_, count)| count).collect();
        prop_assert!(counts.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn a_quantile_is_in_the_bucket_of_the_time_it_stands_for(
        mut times in proptest::collection::vec(0_u64..60_000_000, 1..100),
        share in 0.01_f64..1.0,
    ) {
        times.sort_unstable();
        let rank = ((share * times.len() as f64).ceil() as usize).clamp(1, times.len());
        let true_nanos = times[rank - 1] * 1000;
        let told = seen(&times).quantile(share).unwrap().as_nanos() as u64;
        let upper = BOUNDS.iter().map(|it| it.0).find(|it| true_nanos <= *it).unwrap();
        let lower = BOUNDS.iter().map(|it| it.0).rfind(|it| *it < upper).unwrap_or(0);
        prop_assert!(lower <= told && told <= upper, "{} {} {}", lower, told, upper);
    }
}
