use std::time::{Duration, UNIX_EPOCH};

use super::schedule::{Tries, due_in};
use super::{all, folders};
use crate::config::{self, Surroundings};
use crate::net::tls::certificate::Facts;

#[test]
fn a_certificate_is_renewed_when_two_thirds_of_its_time_are_over() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let facts = |from, until| Facts {
        names: Vec::new(),
        subject: String::new(),
        from: at(from),
        until: at(until),
    };
    let ninety = facts(1000, 1000 + 90);
    assert_eq!(due_in(&ninety, at(1000)), Duration::from_secs(60));
    assert_eq!(due_in(&ninety, at(1059)), Duration::from_secs(1));
    for over in [1060, 1090, 5000] {
        assert_eq!(due_in(&ninety, at(over)), Duration::ZERO);
    }
    // A clock that is behind waits; times that make no sense are no panic.
    assert_eq!(due_in(&ninety, at(0)), Duration::from_secs(1060));
    assert_eq!(due_in(&facts(90, 10), at(10)), Duration::ZERO);
    assert_eq!(
        due_in(&facts(0, u64::from(u32::MAX)), at(0)).as_secs(),
        2_863_311_530
    );
}

#[test]
fn who_is_not_there_is_tried_again_soon_and_who_does_not_want_to_is_not() {
    let mut tries = Tries::default();
    let mut pauses = |is_refusal, count| {
        let pauses = (0..count).map(|_| tries.failed(is_refusal).as_secs());
        pauses.collect::<Vec<_>>()
    };
    assert_eq!(pauses(false, 3), [5, 10, 20]);
    // Let's Encrypt lets five fail in an hour: the sixth comes later than that.
    let refused = pauses(true, 5);
    assert_eq!(refused, [180, 360, 720, 1440, 2880]);
    assert!(refused.iter().sum::<u64>() > 3600);
    // Each has its own count, and an end.
    assert_eq!(pauses(false, 1), [40]);
    assert_eq!(pauses(false, 40).last(), Some(&600));
    assert_eq!(pauses(true, 40).last(), Some(&43_200));
}

#[test]
fn what_two_listeners_ask_for_is_got_once() {
    let acme = |names: &str| {
        format!(
            "{{ acme = {{ names = [{names}], cache = \"/no/where\", directory = \"https://ca.example/\", ca = \"/ca.pem\" }} }}"
        )
    };
    let text = format!(
        "[[listen]]\naddr = \":1\"\ntls = [{0}, {1}]\n[[listen]]\naddr = \":2\"\ntls = {0}\n\
         [[listen]]\naddr = \":3\"\n[[route]]\nrespond = {{ status = 200 }}\n",
        acme("\"a.example\", \"b.example\""),
        acme("\"b.example\""),
    );
    let params = rcgen::CertificateParams::new(vec!["ca.example".to_owned()]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let around = Surroundings {
        environment: &|_| None,
        file: &|path| match path.to_str() {
            Some("/ca.pem") => Ok(ca.clone().into_bytes()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        },
        folder: &|_| Ok(Vec::new()),
    };
    let outcome = config::read("x.toml", text.as_bytes(), &around);
    let Some(config) = outcome.config else {
        panic!("{}", outcome.report.render(false));
    };
    let asked = all(&config);
    let names: Vec<_> = asked.iter().map(|it| it.acme.wanted.names.len()).collect();
    assert_eq!(names, [2, 1]);
    let files: Vec<_> = asked.iter().map(|it| it.acme.certificate()).collect();
    assert_ne!(files[0], files[1]);
    assert!(files.iter().all(|file| file.starts_with("/no/where")));
    assert_eq!(asked[0].acme.account(), asked[1].acme.account());
    assert_eq!(folders(&config).count(), 3);
}
