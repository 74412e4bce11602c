//! The list of what may be touched, and whether a path is in it.

use std::io;
use std::path::{Path, PathBuf};

use super::allowed::{Needs, Want};
use super::places::{self, Place, Use};
use super::{Inside, enter};
use crate::config::{self, Sandbox, Surroundings};
use crate::log::Destination;
use crate::net::address::Address;

#[test]
fn what_the_configuration_names_is_wanted_and_nothing_is_asked_of_the_machine() {
    let text = "[[listen]]\naddr = \":80\"\n[[route]]\nto = \"h:1\"\nerrors = { 502 = \"/no/where/502.html\" }\n";
    let around = Surroundings {
        environment: &|_| None,
        file: &|_| Ok(Vec::new()),
        folder: &|_| Ok(Vec::new()),
    };
    let config = config::read("x.toml", text.as_bytes(), &around)
        .config
        .unwrap();
    let unix: Address = "unix:/no/run/o.sock".parse().unwrap();
    let inet: Address = "127.0.0.1:80".parse().unwrap();
    let needs = Needs {
        file: Some((Path::new("/no/conf/x.toml"), &config)),
        log: &Destination::File("/no/log/access.log".into()),
        addresses: vec![&unix, &inet],
        program: Some(Path::new("/no/bin/osier")),
    };
    let wants = needs.wants();
    let named: Vec<_> = wants
        .iter()
        .filter(|want| format!("{want:?}").contains("/no/"))
        .collect();
    assert_eq!(
        named,
        [
            &Want::File("/no/conf/x.toml".into()),
            &Want::File("/no/where/502.html".into()),
            &Want::Log("/no/log/access.log".into()),
            &Want::Socket("/no/run/o.sock".into()),
            &Want::Program("/no/bin/osier".into()),
        ]
    );
    // None of them is there, so none has a place.
    let places = places::find(&wants);
    assert!(!places.iter().any(|it| it.path.starts_with("/no")));
    assert!(places::cover(&places, Path::new("/etc/passwd"), Use::Read));
    assert!(!places::cover(
        &places,
        Path::new("/etc/passwd"),
        Use::Write
    ));
    assert!(places::cover(&places, Path::new("/dev/null"), Use::Write));
    assert!(!places::cover(&places, Path::new("/dev/zero"), Use::Read));
}

#[test]
fn a_program_among_others_is_alone_and_one_in_a_folder_of_its_own_may_be_replaced() {
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let places = places::find(&[Want::Program(shell.clone())]);
    let run = |path: PathBuf| Place {
        path,
        may: Use::Run,
    };
    assert_eq!(places, [run(shell)]);
    let me = std::fs::canonicalize(std::env::current_exe().unwrap()).unwrap();
    let folder = me.parent().unwrap().to_owned();
    assert_eq!(
        places::find(&[Want::Program(me.clone())]),
        [run(folder), run(me)]
    );
}

#[test]
fn an_error_is_the_sandbox_s_only_where_it_is() {
    let inside = |is_inner| Inside {
        places: vec![Place {
            path: "/etc".into(),
            may: Use::Read,
        }],
        landlock: true,
        seccomp: true,
        is_inner,
    };
    let said = |inside: Inside, path: &str, kind: io::ErrorKind| {
        let error = inside.explain(Path::new(path), Use::Read, kind.into());
        error.to_string()
    };
    let denied = io::ErrorKind::PermissionDenied;
    assert!(said(inside(false), "/usr/x", denied).contains("the sandbox"));
    assert!(!said(inside(false), "/etc/shadow", denied).contains("the sandbox"));
    assert!(!said(inside(false), "/usr/x", io::ErrorKind::NotFound).contains("the sandbox"));
    // What the outer one lets be read is not known.
    assert!(said(inside(true), "/etc/shadow", denied).contains("the sandbox"));
    let open = Inside::default();
    assert!(!said(open, "/usr/x", denied).contains("the sandbox"));
}

#[test]
fn what_holds_is_handed_on_in_words() {
    let inherited = Inside::inherited(Some("landlock seccomp")).unwrap();
    assert_eq!(inherited.word(), "landlock seccomp");
    assert_eq!(
        Inside::inherited(Some("seccomp")).unwrap().word(),
        "seccomp"
    );
    assert_eq!(Inside::inherited(Some("")), None);
    assert_eq!(Inside::inherited(None), None);
}

#[test]
fn among_other_threads_nobody_goes_in() {
    // The test harness runs this beside its own thread.
    let needs = Needs {
        file: None,
        log: &Destination::Off,
        addresses: Vec::new(),
        program: None,
    };
    let (inside, said) = enter(Sandbox::Try, &needs, None).unwrap();
    assert_eq!(inside, Some(Inside::default()));
    assert!(said.unwrap().contains("other threads run already"));
    let error = enter(Sandbox::Require, &needs, None).unwrap_err();
    assert!(error.to_string().contains("other threads run already"));
    assert_eq!(enter(Sandbox::Off, &needs, None).unwrap(), (None, None));
}
