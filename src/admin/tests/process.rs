use crate::admin::process::{Process, value};

#[test]
fn numbers_are_found_by_the_beginning_of_their_line() {
    let status = "Name:\tVmRSS: 3\nVmHWM:\t   10 kB\nVmRSS:\t    9 kB\nThreads:\t2\n";
    assert_eq!(value(status, "VmRSS:"), Some(9));
    assert_eq!(value(status, "Threads:"), Some(2));
    assert_eq!(value(status, "VmSize:"), None);
    assert_eq!(value("VmRSS:", "VmRSS:"), None);
}

#[test]
fn what_is_opened_is_counted() {
    let before = Process::look();
    assert!(before.resident > Some(0) && before.resident < before.address_space);
    assert!(before.open_fds < before.max_fds);
    let held: Vec<_> = (0..100)
        .map(|_| std::fs::File::open("/dev/null").unwrap())
        .collect();
    // Other tests open and close theirs meanwhile, but never so many.
    let after = Process::look();
    assert!(after.open_fds > before.open_fds, "{before:?} {after:?}");
    drop(held);
}
