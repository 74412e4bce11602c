use crate::server::activation::count_for;

#[test]
fn descriptors_are_counted_only_for_whom_they_are_meant() {
    for (fds, pid, count) in [
        ("2", "17", 2),
        ("0", "17", 0),
        ("2", "18", 0),
        ("2", "", 0),
        ("", "17", 0),
        ("many", "17", 0),
        ("-1", "17", 0),
    ] {
        assert_eq!(count_for(fds, pid, 17), count, "{fds:?} {pid:?}");
    }
}
