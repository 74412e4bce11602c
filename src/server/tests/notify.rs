use std::ffi::OsStr;

use crate::server::notify::{Notify, address};

#[test]
fn the_manager_is_at_a_path_or_has_an_abstract_name() {
    let path = address(OsStr::new("/run/systemd/notify")).unwrap();
    assert_eq!(
        path.as_pathname().unwrap().to_str(),
        Some("/run/systemd/notify")
    );
    let name = address(OsStr::new("@osier")).unwrap();
    assert!(name.is_unnamed() || name.as_pathname().is_none());
    for wrong in ["", "run/notify", "vsock:2:1234"] {
        assert!(address(OsStr::new(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn without_a_manager_every_word_is_nothing() {
    let notify = Notify::default();
    assert!(!notify.is_on());
    assert_eq!(notify.watchdog_period(), None);
    notify.ready("listening");
    notify.stopping();
}
