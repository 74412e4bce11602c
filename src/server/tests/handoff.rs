use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::net::address::Address;
use crate::server::handoff::{describe, refusal_for, understand, without_deleted};
use crate::server::passed::Role;

#[test]
fn an_address_is_understood_as_it_was_described() {
    let odd = OsStr::from_bytes(b"/run/\xff o.sock");
    for address in [
        Address::Inet("127.0.0.1:0".parse().unwrap()),
        Address::Inet("[::]:443".parse().unwrap()),
        Address::Unix("/run/osier.sock".into()),
        Address::Unix(odd.into()),
    ] {
        for role in [Role::Listen, Role::Admin] {
            let message = describe(role, &address);
            assert_eq!(understand(&message), Some((role, address.clone())));
        }
    }
    for nonsense in [
        &b""[..],
        b"listen",
        b"listen x",
        b"admin :80",
        b"else 1.2.3.4:5",
    ] {
        assert_eq!(understand(nonsense), None);
    }
}

#[test]
fn the_name_of_a_replaced_file_is_that_of_what_replaced_it() {
    for (file, name) in [
        ("/usr/bin/osier", "/usr/bin/osier"),
        ("/usr/bin/osier (deleted)", "/usr/bin/osier"),
        ("/opt/a b/osier", "/opt/a b/osier"),
    ] {
        assert_eq!(without_deleted(Path::new(file)), Path::new(name));
    }
}

#[test]
fn it_is_refused_where_nobody_would_follow_the_new_process() {
    let systemd = |name: &str| (name == "SYSTEMD_EXEC_PID").then(|| "17".to_owned());
    let notified = |name: &str| match name {
        "NOTIFY_SOCKET" => Some("/run/systemd/notify".to_owned()),
        _ => systemd(name),
    };
    let nothing = |_: &str| None;
    let says = |me, parent, variable: &dyn Fn(&str) -> Option<String>, word: &str| {
        let why = refusal_for(me, parent, variable).unwrap();
        assert!(why.contains(word), "{why}");
    };
    says(1, "", &nothing, "PID 1");
    says(17, "procd", &nothing, "/etc/init.d/osier restart");
    says(17, "ujail", &nothing, "procd");
    says(17, "systemd", &systemd, "Type=notify");
    assert_eq!(refusal_for(17, "systemd", &notified), None);
    // A child of a service is none.
    assert_eq!(refusal_for(18, "sh", &systemd), None);
    assert_eq!(refusal_for(17, "sh", &nothing), None);
}
