use std::time::Duration;

use crate::metrics::{Counters, Histogram, Kind, Page, Seconds, UpstreamEvent};

#[test]
fn a_page_is_families_with_their_samples() {
    let mut page = Page::default();
    page.family(
        "osier_things_total",
        Kind::Counter,
        "Things.\nA \\ and a \".",
    );
    page.sample(&[], 1);
    page.sample(&[("a", "x"), ("b", "y")], 2);
    page.single("osier_more", Kind::Gauge, "More.", Seconds(Duration::ZERO));
    assert_eq!(
        page.finish(),
        "# HELP osier_things_total Things.\\nA \\\\ and a \".\n\
         # TYPE osier_things_total counter\n\
         osier_things_total 1\n\
         osier_things_total{a=\"x\",b=\"y\"} 2\n\
         # HELP osier_more More.\n\
         # TYPE osier_more gauge\n\
         osier_more 0\n"
    );
}

#[test]
fn no_name_ends_its_label() {
    for (name, written) in [
        ("", ""),
        ("plain", "plain"),
        ("a\"b", "a\\\"b"),
        ("\\", "\\\\"),
        ("\\\"\n", "\\\\\\\"\\n"),
        ("line\nosier_fake 1\n", "line\\nosier_fake 1\\n"),
        ("größe \u{1f343}\t", "größe \u{1f343}\t"),
    ] {
        let mut page = Page::default();
        page.sample(&[("x", name)], 0);
        assert_eq!(page.finish(), format!("{{x=\"{written}\"}} 0\n"));
    }
}

#[test]
fn a_histogram_is_cumulated_and_has_its_bound_last() {
    let histogram = Histogram::default();
    histogram.observe(Duration::from_micros(150));
    histogram.observe(Duration::from_secs(90));
    let mut page = Page::default();
    page.family("osier_t_seconds", Kind::Histogram, "T.");
    page.histogram(&[("upstream", "app")], &histogram.read());
    let text = page.finish();
    for line in [
        "osier_t_seconds_bucket{upstream=\"app\",le=\"0.0001\"} 0\n",
        "osier_t_seconds_bucket{upstream=\"app\",le=\"0.0002\"} 1\n",
        "osier_t_seconds_bucket{upstream=\"app\",le=\"60\"} 1\n",
        "osier_t_seconds_bucket{upstream=\"app\",le=\"+Inf\"} 2\n",
        "osier_t_seconds_sum{upstream=\"app\"} 90.00015\n",
        "osier_t_seconds_count{upstream=\"app\"} 2\n",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[test]
fn seconds_have_the_decimals_they_need() {
    for (nanos, text) in [
        (0, "0"),
        (1, "0.000000001"),
        (1_500_000_000, "1.5"),
        (3_000_000_000, "3"),
        (u64::MAX, "18446744073.709551615"),
    ] {
        assert_eq!(Seconds(Duration::from_nanos(nanos)).to_string(), text);
    }
}

#[test]
fn each_family_is_there_once_and_has_its_type_before_it() {
    let counters = Counters::default();
    counters.route(&"/a".into()).ended(200, 1, 2);
    // Called as what no route is for: one series, not two.
    counters.route(&"other".into()).ended(200, 0, 0);
    counters.other().ended(404, 0, 0);
    counters.upstream(&"app".into()).note(UpstreamEvent::Hedge);
    let mut page = Page::default();
    counters.snapshot().write(&mut page);
    let text = page.finish();
    let mut known = std::collections::HashSet::new();
    let mut samples = std::collections::HashSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(typed) = line.strip_prefix("# TYPE ") {
            family = typed.split(' ').next().unwrap();
            assert!(known.insert(family), "{family} twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(family), "{line} under {family}");
            let series = line.rsplit_once(' ').unwrap().0;
            assert!(samples.insert(series), "{series} twice");
        }
    }
    assert!(
        text.contains("osier_requests_total{route=\"other\",code=\"4xx\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("osier_requests_total{route=\"other\",code=\"2xx\"} 1\n"),
        "{text}"
    );
    assert!(
        text.contains("osier_hedges_total{upstream=\"app\"} 1\n"),
        "{text}"
    );
}
