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

#[cfg(feature = "acme")]
#[test]
fn a_folder_for_certificates_is_read_and_written_and_no_other_one_is() {
    let folder = std::env::temp_dir();
    let places = places::find(&[Want::Cache(folder.clone())]);
    let inside = folder.join("osier-a.example.pem");
    for wanted in [Use::Keep, Use::Read] {
        assert!(places::cover(&places, &inside, wanted));
        assert!(!places::cover(&places, Path::new("/etc/passwd"), wanted));
    }
    for wanted in [Use::Run, Use::Bind] {
        assert!(!places::cover(&places, &inside, wanted));
    }
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

#[cfg(all(
    feature = "sandbox",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod filter {
    use std::process::Command;
    use std::thread;

    use super::super::{enforce, filter};

    /// What the programs say of a call: an errno, or nothing. A reading of as much of BPF as they are made of.
    fn said(call: i64, argument: u64) -> Option<u32> {
        let arch = match std::env::consts::ARCH {
            "x86_64" => 0xc000_003e,
            _ => 0xc000_00b7,
        };
        let word = |at: u32| match at {
            0 => call as u32,
            4 => arch,
            16 => argument as u32,
            20 => (argument >> 32) as u32,
            _ => 0,
        };
        let verdicts = filter::programs().unwrap().map(|program| {
            let (mut at, mut value) = (0, 0_u32);
            loop {
                let step = &program[at];
                let holds = match step.code {
                    0x20 => {
                        value = word(step.k);
                        true
                    }
                    0x54 => {
                        value &= step.k;
                        true
                    }
                    0x05 => {
                        at += step.k as usize;
                        true
                    }
                    0x15 => value == step.k,
                    0x25 => value > step.k,
                    0x35 => value >= step.k,
                    0x06 => return step.k,
                    other => panic!("{other:#x}"),
                };
                at += 1 + usize::from(if holds { step.jt } else { step.jf });
            }
        });
        const ALLOW: u32 = 0x7fff_0000;
        let strictest = verdicts.into_iter().min().unwrap();
        (strictest != ALLOW).then_some(strictest & 0xffff)
    }

    #[test]
    fn what_no_gateway_calls_is_refused_and_what_is_not_to_be_seen_is_not_there() {
        let (perm, nosys) = (Some(1), Some(38));
        assert_eq!(said(libc::SYS_ptrace, 0), perm);
        assert_eq!(said(libc::SYS_unshare, 0), perm);
        assert_eq!(said(libc::SYS_read, 0), None);
        assert_eq!(said(libc::SYS_clone3, 0), nosys);
        // As pthread_create(3) and posix_spawn(3) call it, and as one calls it who wants to be root somewhere.
        let of_a_thread = libc::CLONE_VM | libc::CLONE_FS | libc::CLONE_FILES | libc::CLONE_THREAD;
        assert_eq!(said(libc::SYS_clone, of_a_thread as u64), None);
        let vfork = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        assert_eq!(said(libc::SYS_clone, vfork as u64), None);
        for flag in [
            libc::CLONE_NEWUSER,
            libc::CLONE_NEWNS,
            libc::CLONE_NEWNET,
            libc::CLONE_NEWPID,
            libc::CLONE_NEWUTS,
            libc::CLONE_NEWIPC,
            libc::CLONE_NEWCGROUP,
        ] {
            let flags = (flag | libc::SIGCHLD) as u64;
            assert_eq!(said(libc::SYS_clone, flags), perm, "{flag:#x}");
        }
        // x32: the numbers of x86_64 with a bit, and some of its own.
        for call in [libc::SYS_read, libc::SYS_ptrace, 521] {
            assert_eq!(said(0x4000_0000 | call, 0), nosys, "{call}");
        }
    }

    #[test]
    fn threads_and_programs_begin_inside_all_the_same() {
        // The filters are this thread's only, and of what it starts.
        let inside = thread::spawn(|| {
            enforce::seccomp().unwrap();
            let further = thread::spawn(|| Command::new("true").status().unwrap().success());
            let unshared = Command::new("unshare").args(["--user", "true"]).output();
            (further.join().unwrap(), unshared)
        });
        let (runs, unshared) = inside.join().unwrap();
        assert!(runs);
        // Where there is such a program at all.
        assert!(unshared.map_or(true, |output| !output.status.success()));
    }
}
