use crate::net::address::Address;
use crate::server::privileges::{Identity, Person, remedy_for};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    # a comment\n\
    broken line\n\
    osier:x:990:980:osier:/nonexistent:/usr/sbin/nologin\n\
    1000:x:4:5::/:/bin/sh\n\
    www:x:33:33:www:/var/www:/usr/sbin/nologin";
const GROUP: &str = "root:x:0:\n\
    adm:x:4:syslog,osier\n\
    www:x:33:\n\
    certs:x:970:osier\n\
    osierx:x:971:osierx\n\
    osier:x:980:";

fn find(user: Option<&str>, group: Option<&str>) -> Result<Person, String> {
    let identity = Identity {
        user: user.map(str::to_owned),
        group: group.map(str::to_owned),
    };
    identity
        .find(PASSWD, GROUP)
        .map_err(|error| error.to_string())
}

fn person(uid: u32, gid: u32, groups: &[u32]) -> Result<Person, String> {
    let groups = groups.to_vec();
    Ok(Person { uid, gid, groups })
}

#[test]
fn a_user_comes_with_all_its_groups() {
    let osier = person(990, 980, &[4, 970, 980]);
    assert_eq!(find(Some("osier"), None), osier);
    assert_eq!(find(Some("990"), None), osier);
    assert_eq!(
        find(Some("osier"), Some("www")),
        person(990, 33, &[4, 33, 970])
    );
    assert_eq!(find(Some("www"), None), person(33, 33, &[33]));
    // A name of digits is a name first.
    assert_eq!(find(Some("1000"), None), person(4, 5, &[5]));
}

#[test]
fn a_number_without_a_line_needs_a_group() {
    assert_eq!(find(Some("65000"), Some("4")), person(65000, 4, &[4]));
    assert!(find(Some("65000"), None).unwrap_err().contains("group"));
}

#[test]
fn what_is_unknown_is_named() {
    let wrong = find(Some("osie"), None).unwrap_err();
    assert!(wrong.contains("no user `osie` in /etc/passwd"), "{wrong}");
    let wrong = find(Some("osier"), Some("x")).unwrap_err();
    assert!(wrong.contains("no group `x` in /etc/group"), "{wrong}");
    // The kernel's word for nobody, a sign, nothing at all.
    for name in ["4294967295", "+33", "-1", ""] {
        assert!(find(Some(name), None).is_err(), "{name}");
    }
}

#[test]
fn the_remedy_is_for_the_address() {
    let says = |address: &str, free, word: &str| {
        let remedy = remedy_for(&address.parse::<Address>().unwrap(), free);
        assert!(remedy.contains(word), "{remedy}");
    };
    says("0.0.0.0:80", 1024, "CAP_NET_BIND_SERVICE");
    says("0.0.0.0:80", 1024, "ip_unprivileged_port_start=80");
    says("0.0.0.0:80", 81, "below 81");
    says("0.0.0.0:80", 80, "audit log");
    says("unix:/run/osier/o.sock", 1024, "/run/osier");
}
