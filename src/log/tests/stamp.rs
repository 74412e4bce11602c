use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::noon;
use crate::log::stamp::{Form, Stamper, civil};

fn stamped(stamper: &mut Stamper, form: Form, time: SystemTime) -> String {
    let mut text = Vec::new();
    stamper.push(form, time, &mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (days, date) in [
        (0, (1970, 1, 1)),
        (59, (1970, 3, 1)),
        (11_016, (2000, 2, 29)),
        (19_782, (2024, 2, 29)),
        (47_541, (2100, 3, 1)),
    ] {
        assert_eq!(civil(days), date, "{days}");
    }
}

#[test]
fn a_second_that_is_kept_is_not_taken_for_another() {
    let mut stamper = Stamper::default();
    let mut check = |form, after: Duration, text: &str| {
        assert_eq!(stamped(&mut stamper, form, noon() + after), text);
    };
    check(Form::Iso, Duration::ZERO, "2026-01-31T12:34:56.789Z");
    check(
        Form::Iso,
        Duration::from_millis(1),
        "2026-01-31T12:34:56.790Z",
    );
    check(Form::Common, Duration::ZERO, "31/Jan/2026:12:34:56 +0000");
    check(
        Form::Iso,
        Duration::from_millis(211),
        "2026-01-31T12:34:57.000Z",
    );
    check(
        Form::Iso,
        Duration::from_secs(86_400),
        "2026-02-01T12:34:56.789Z",
    );
    // The wall clock may be set back.
    check(Form::Iso, Duration::ZERO, "2026-01-31T12:34:56.789Z");
}

#[test]
fn each_month_has_its_name() {
    let mut stamper = Stamper::default();
    let months: Vec<_> = (0..12)
        .map(|month| {
            let time = UNIX_EPOCH + Duration::from_secs(86_400 * (15 + month * 30));
            stamped(&mut stamper, Form::Common, time)[3..6].to_owned()
        })
        .collect();
    let names = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec";
    assert_eq!(months.join(" "), names);
}

#[test]
fn a_clock_that_is_wrong_is_still_read() {
    let mut stamper = Stamper::default();
    let before = UNIX_EPOCH - Duration::from_secs(1);
    let first = "1970-01-01T00:00:00.000Z";
    assert_eq!(stamped(&mut stamper, Form::Iso, before), first);
    // The last second that a `SystemTime` knows.
    let last = UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
    assert!(stamped(&mut stamper, Form::Iso, last).ends_with("-12-04T15:30:07.000Z"));
}
