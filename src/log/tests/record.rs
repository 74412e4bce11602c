use crate::log::trace_id;

#[test]
fn a_trace_id_is_that_of_a_valid_traceparent() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let check = |traceparent: String, is_valid: bool| {
        let expected = if is_valid { ID } else { "" };
        let found = trace_id(traceparent.as_bytes());
        assert_eq!(found, expected.as_bytes(), "{traceparent}");
    };
    check(format!("00-{ID}-00f067aa0ba902b7-01"), true);
    // A version that is not known yet may have more to say, behind a dash.
    check(format!("cc-{ID}-00f067aa0ba902b7-01"), true);
    check(format!("cc-{ID}-00f067aa0ba902b7-01-more"), true);
    check(format!("cc-{ID}-00f067aa0ba902b7-01more"), false);
    check(format!("00-{ID}-00f067aa0ba902b7-01-more"), false);
    check(format!("ff-{ID}-00f067aa0ba902b7-01"), false);
    check(format!("00-{ID}-0000000000000000-01"), false);
    check(format!("00-{ID}-00f067aa0ba902b7-0"), false);
    check(format!("00-{ID}-00f067aa0ba902b-701"), false);
    check(
        format!("00-{}-00f067aa0ba902b7-01", ID.to_uppercase()),
        false,
    );
    check(format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false);
    check(format!("00_{ID}_00f067aa0ba902b7_01"), false);
    check(String::new(), false);
}
