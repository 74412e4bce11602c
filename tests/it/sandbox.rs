//! What the process can do no more, and that it does all the rest as before.
//!
//! Each test asks for all of the sandbox. Where the kernel has no Landlock it says so, and asks for what there is.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::support::{Message, Origin, Osier, Scratch, Wire, wait_for, wait_for_line};

/// A folder, removed with the value, and the command that serves the file in it.
struct Boxed {
    folder: Scratch,
    osier: Osier,
    is_shut: bool,
}

const HEAD: &str =
    "workers = 2\nadmin = { listen = \"127.0.0.1:0\" }\n[[listen]]\naddr = \"127.0.0.1:0\"\n";

/// The kernel has Landlock. If not, it is said loudly, and what depends on it is left out.
fn has_landlock() -> bool {
    use landlock::{ABI, Access as _, AccessFs, CompatLevel, Compatible as _};
    use landlock::{Ruleset, RulesetAttr as _};
    let has = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .is_ok_and(|ruleset| ruleset.create().is_ok());
    if !has {
        // Past the harness, which shows nothing of a test that passes.
        let _ = writeln!(
            std::io::stderr().lock(),
            "SKIPPED: this kernel has no Landlock; tests of the sandbox ask for the rest of it only"
        );
    }
    has
}

/// A folder of its own.
fn folder(name: &str) -> Scratch {
    let folder = Scratch::new(name);
    fs::create_dir(folder.path()).unwrap();
    folder
}

impl Boxed {
    fn run(top: &str, rest: &str) -> Self {
        let folder = folder("boxed");
        Self::run_in(folder, top, rest, Path::new(env!("CARGO_BIN_EXE_osier")))
    }

    fn run_in(folder: Scratch, top: &str, rest: &str, program: &Path) -> Self {
        let is_shut = has_landlock();
        write(&folder, is_shut, top, rest);
        let mut command = Command::new(program);
        command
            .args(["run", "-c"])
            .arg(folder.path().join("osier.toml"))
            .stdin(Stdio::null());
        Self {
            osier: Osier::serving(command),
            folder,
            is_shut,
        }
    }

    fn reload(&self) -> Message {
        reload(&self.osier.admin())
    }

    fn write(&self, top: &str, rest: &str) {
        write(&self.folder, self.is_shut, top, rest);
    }

    /// A reload with this file is refused because of the sandbox, and changes nothing.
    fn is_refused(&self, top: &str, rest: &str) {
        self.write(top, rest);
        let answer = self.reload();
        if self.is_shut {
            assert_ne!(answer.status(), 200, "{answer:?}");
            let said = answer.text();
            assert!(said.contains("the sandbox lets nothing be"), "{said}");
            assert!(said.contains("restart osier"), "{said}");
        } else {
            assert_eq!(answer.status(), 200, "{answer:?}");
        }
    }

    fn get(&self, path: &str) -> Message {
        self.osier.connect().get(path)
    }

    fn hear(&self, word: &str) -> String {
        loop {
            let line = self.osier.hear();
            if line.contains(word) {
                return line;
            }
        }
    }

    /// Has the command replaced, and returns the process that took over.
    fn replace(&self) -> Elsewhere {
        self.osier.signal(Signal::USR2);
        let line = self.hear("serves now");
        let number = line.split("process ").nth(1).unwrap();
        Elsewhere(number.split(' ').next().unwrap().parse().unwrap())
    }
}

fn write(folder: &Scratch, is_shut: bool, top: &str, rest: &str) {
    let wish = if is_shut { "require" } else { "try" };
    let text = format!("sandbox = \"{wish}\"\n{top}{HEAD}{rest}");
    let new = folder.path().join("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, folder.path().join("osier.toml")).unwrap();
}

fn reload(admin: &str) -> Message {
    let admin = admin.strip_prefix("http://").unwrap_or(admin);
    let request =
        "POST /reload HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nConnection: close\r\n\r\n";
    Wire::connect(admin.parse().unwrap()).ask(request)
}

/// A process that somebody else started. Dropping this ends it.
struct Elsewhere(u32);

impl Elsewhere {
    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0).unwrap()).unwrap();
        let _ = kill_process(pid, signal);
    }

    fn is_gone(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0));
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    }

    fn end(&self) {
        self.signal(Signal::TERM);
        wait_for("its end", || self.is_gone().then_some(()));
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if !self.is_gone() {
            self.signal(Signal::KILL);
        }
    }
}

/// What `/proc` says of every thread: no two differ.
fn confinement(pid: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut found: Vec<_> = tasks
        .map(|task| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let lines = status
                .lines()
                .filter(|line| line.starts_with("NoNewPrivs:") || line.starts_with("Seccomp:"));
            let lines: Vec<_> = lines.map(|line| line.replace('\t', " ")).collect();
            lines.join(", ")
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// How many filters each of its system calls goes through.
fn filters(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp_filters:"));
    line.unwrap().trim().parse().unwrap()
}

const OK: &str = "[[route]]\nrespond = { status = 200, body = \"ok\" }\n";

#[test]
fn it_proxies_looks_names_up_logs_and_reloads_inside() {
    let origin = Origin::that_answers();
    let port = origin.address().to_string();
    let port = port.rsplit(':').next().unwrap();
    let logs = folder("logs");
    let access = logs.path().join("access.log");
    let top = format!("log = {{ access = \"{}\" }}\n", access.display());
    // The name is in /etc/hosts.
    let named = format!("[[route]]\nto = \"localhost:{port}\"\n");
    let mut boxed = Boxed::run(&top, &named);
    assert_eq!(
        confinement(boxed.osier.pid()),
        ["NoNewPrivs: 1, Seccomp: 2"]
    );
    assert_eq!(boxed.get("/one").text(), "/one");
    wait_for_line(&access, &["/one"]);

    // The log is moved away, as logrotate does it.
    let old = logs.path().join("access.log.1");
    fs::rename(&access, &old).unwrap();
    boxed.osier.signal(Signal::USR1);
    wait_for("the new file", || access.exists().then_some(()));
    assert_eq!(boxed.get("/two").text(), "/two");
    wait_for_line(&access, &["/two"]);

    // An error page that comes into the folder of the file, and another log in the folder of the log.
    let page = boxed.folder.path().join("502.html");
    fs::write(&page, "a page").unwrap();
    let other = logs.path().join("other.log");
    let top = format!("log = {{ access = \"{}\" }}\n", other.display());
    let rest = format!(
        "[[route]]\nto = \"localhost:{port}\"\n[[route]]\npath = \"/bad\"\nto = \"127.0.0.1:1\"\nerrors = {{ 502 = \"{}\" }}\n",
        page.display()
    );
    boxed.write(&top, &rest);
    let answer = boxed.reload();
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(boxed.get("/bad").text(), "a page");
    assert_eq!(boxed.get("/three").text(), "/three");
    wait_for_line(&other, &["/three"]);
    boxed.osier.signal(Signal::TERM);
    assert_eq!(boxed.osier.wait(), Some(0));
}

#[test]
fn what_was_not_named_at_start_is_refused_with_the_reason() {
    let logs = folder("logs");
    let top = format!(
        "log = {{ access = \"{}\" }}\n",
        logs.path().join("access.log").display()
    );
    let boxed = Boxed::run(&top, OK);
    let elsewhere = folder("elsewhere");
    let log = elsewhere.path().join("access.log");
    boxed.is_refused(&format!("log = {{ access = \"{}\" }}\n", log.display()), OK);
    assert_eq!(log.exists(), !boxed.is_shut);

    let page = elsewhere.path().join("404.html");
    fs::write(&page, "a page").unwrap();
    let rest = format!("{OK}errors = {{ 404 = \"{}\" }}\n", page.display());
    boxed.is_refused(&top, &rest);

    let socket = elsewhere.path().join("o.sock");
    let more = format!("[[listen]]\naddr = \"unix:{}\"\n{OK}", socket.display());
    boxed.is_refused(&top, &more);
    assert_eq!(socket.exists(), !boxed.is_shut);
    assert_eq!(boxed.get("/").text(), "ok");
}

#[cfg(feature = "auth")]
#[test]
fn users_are_read_where_they_were_and_nowhere_else() {
    /// The hash of a password that nobody needs here, at a cost that takes no time.
    const USERS: &str = "alice:$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";
    let (here, elsewhere) = (folder("here"), folder("elsewhere"));
    let rest = |folder: &Scratch| {
        let users = folder.path().join("users");
        fs::write(&users, USERS).unwrap();
        format!("{OK}auth = {{ basic = \"{}\" }}\n", users.display())
    };
    let first = rest(&here);
    let boxed = Boxed::run("", &first);
    assert_eq!(boxed.get("/").status(), 401);
    // A new file takes the place of the old one.
    let new = here.path().join("new");
    fs::write(&new, USERS.replace("alice", "bob")).unwrap();
    fs::rename(new, here.path().join("users")).unwrap();
    assert_eq!(boxed.reload().status(), 200);
    assert_eq!(boxed.get("/").status(), 401);
    boxed.is_refused("", &rest(&elsewhere));
}

#[test]
fn a_unix_socket_that_was_named_is_bound_again_and_removed_at_the_end() {
    let run = folder("run");
    let listen = |name: &str| {
        let path = run.path().join(name);
        let more = format!("[[listen]]\naddr = \"unix:{}\"\n{OK}", path.display());
        (path, more)
    };
    let (first, text) = listen("one.sock");
    let mut boxed = Boxed::run("", &text);
    assert_eq!(Wire::connect_unix(&first).get("/").text(), "ok");
    let (second, text) = listen("two.sock");
    boxed.write("", &text);
    assert_eq!(boxed.reload().status(), 200);
    assert_eq!(Wire::connect_unix(&second).get("/").text(), "ok");
    wait_for("the first one to go", || (!first.exists()).then_some(()));
    boxed.osier.signal(Signal::TERM);
    assert_eq!(boxed.osier.wait(), Some(0));
    assert!(!second.exists());
}

/// Puts the command somewhere, in one step. By another process: a file that this one has open for writing while it
/// starts others cannot be run.
fn install(at: &Path) {
    let mut sh = Command::new("sh");
    sh.args(["-c", "cp \"$1\" \"$2.new\" && mv \"$2.new\" \"$2\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_osier"))
        .arg(at);
    assert!(sh.status().unwrap().success());
}

#[test]
fn a_new_binary_takes_over_inside_as_often_as_one_likes() {
    let bin = folder("bin");
    let program: PathBuf = bin.path().join("osier");
    install(&program);
    let mut boxed = Boxed::run_in(folder("boxed"), "", OK, &program);
    let filters_before = filters(boxed.osier.pid());
    // Of sandboxes in each other the kernel takes 16.
    let mut last: Option<Elsewhere> = None;
    for _ in 0..18 {
        install(&program);
        let next = match &last {
            None => boxed.replace(),
            Some(process) => {
                process.signal(Signal::USR2);
                let line = boxed.hear("serves now");
                let number = line.split("process ").nth(1).unwrap();
                Elsewhere(number.split(' ').next().unwrap().parse().unwrap())
            }
        };
        if last.is_none() {
            assert_eq!(boxed.osier.wait(), Some(0));
        }
        assert_eq!(boxed.get("/").text(), "ok");
        last = Some(next);
    }
    let last = last.unwrap();
    assert_eq!(confinement(last.0), ["NoNewPrivs: 1, Seccomp: 2"]);
    // One filter each time would make every system call slower.
    assert_eq!(filters(last.0), filters_before);
    last.end();
}

#[test]
fn another_program_in_the_place_of_the_binary_cannot_be_started() {
    let bin = folder("bin");
    let program = bin.path().join("osier");
    install(&program);
    let boxed = Boxed::run_in(folder("boxed"), "", OK, &program);
    if !boxed.is_shut {
        return;
    }
    // A link to what is elsewhere.
    let sh = fs::canonicalize("/bin/sh").unwrap();
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(sh, &program).unwrap();
    boxed.osier.signal(Signal::USR2);
    let line = boxed.hear("goes on");
    assert!(line.contains("the sandbox lets nothing be run"), "{line}");
    assert_eq!(boxed.get("/").text(), "ok");
}

#[test]
fn without_landlock_require_is_an_error_and_try_says_what_is_missing() {
    // The threads of this process are filtered one by one: the command sees a kernel without Landlock.
    let seen = thread::spawn(|| {
        let calls = [libc::SYS_landlock_create_ruleset].map(|call| (call, Vec::new()));
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let refuse = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let rules = calls.into_iter().collect();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
        apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();

        let folder = folder("old-kernel");
        write(&folder, true, "", OK);
        let file = folder.path().join("osier.toml");
        let file = file.to_str().unwrap();
        let output = Osier::command(&["run", "-c", file]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();

        write(&folder, false, "", OK);
        let osier = Osier::serving(Osier::command(&["run", "-c", file]));
        let hole = loop {
            let line = osier.hear();
            if line.contains("sandbox") {
                break line;
            }
        };
        let answer = osier.connect().get("/").text().to_owned();
        let shut = confinement(osier.pid());
        (output.status.code(), said, hole, answer, shut)
    });
    let (code, said, hole, answer, shut) = seen.join().unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("cannot enter the sandbox: this kernel has no Landlock"),
        "{said}"
    );
    assert!(said.contains("sandbox = \"try\""), "{said}");
    assert!(
        hole.contains("the sandbox has holes: this kernel has no Landlock"),
        "{hole}"
    );
    assert_eq!(
        (answer.as_str(), shut),
        ("ok", vec!["NoNewPrivs: 1, Seccomp: 2".to_owned()])
    );
}

#[test]
fn off_and_nothing_are_the_same_and_print_shows_it() {
    let folder = folder("print");
    let file = folder.path().join("osier.toml");
    let print = |top: &str| {
        fs::write(&file, format!("{top}{HEAD}{OK}")).unwrap();
        let output = Osier::command(&["check", "-c", file.to_str().unwrap(), "--print"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(print("").contains("\nsandbox = \"off\"\n"));
    assert!(print("sandbox = \"require\"\n").contains("\nsandbox = \"require\"\n"));
}

#[test]
#[ignore = "needs to be root, and unshare(1)"]
fn root_s_read_only_machine_without_a_home_is_enough() {
    let folder = folder("read-only");
    write(&folder, has_landlock(), "", OK);
    let script = "mount --make-rprivate / && \
        for at in $(cut -d' ' -f5 /proc/self/mountinfo | sort -r); do \
            mount -o remount,bind,ro \"$at\" 2>/dev/null || :; \
        done; \
        if touch \"$1/proof\" 2>/dev/null; then echo 'it can be written to' >&2; exit 9; fi; \
        shift; exec env -u HOME -u TMPDIR \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .args([env!("CARGO_BIN_EXE_osier"), "run", "-c"])
        .arg(folder.path().join("osier.toml"))
        .stdin(Stdio::null());
    let mut osier = Osier::serving(command);
    assert_eq!(osier.connect().get("/").text(), "ok");
    assert_eq!(reload(&osier.admin()).status(), 200);
    let environment = fs::read(format!("/proc/{}/environ", osier.pid())).unwrap();
    assert!(
        !environment
            .split(|octet| *octet == 0)
            .any(|it| it.starts_with(b"HOME="))
    );
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
}

#[test]
#[ignore = "needs to be root"]
fn root_is_given_up_before_the_sandbox_is_shut() {
    let (folder, logs) = (folder("user"), folder("user-logs"));
    // Others may look inside, and write there.
    for it in [&folder, &logs] {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(it.path(), fs::Permissions::from_mode(0o777)).unwrap();
    }
    let access = logs.path().join("access.log");
    let top = format!(
        "user = \"nobody\"\nlog = {{ access = \"{}\" }}\n",
        access.display()
    );
    write(&folder, has_landlock(), &top, OK);
    let mut command = Command::new(env!("CARGO_BIN_EXE_osier"));
    command
        .args(["run", "-c"])
        .arg(folder.path().join("osier.toml"))
        .stdin(Stdio::null());
    let mut osier = Osier::serving(command);
    assert_eq!(osier.connect().get("/one").text(), "ok");
    wait_for_line(&access, &["/one"]);
    assert_eq!(confinement(osier.pid()), ["NoNewPrivs: 1, Seccomp: 2"]);
    let status = fs::read_to_string(format!("/proc/{}/status", osier.pid())).unwrap();
    let line = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    };
    assert!(!line("Uid:").split('\t').any(|id| id == "0"), "{status}");
    for name in ["CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(line(name).trim_matches('0'), "", "{name}");
    }
    // The file can be read again, and what was bound stays bound.
    assert_eq!(reload(&osier.admin()).status(), 200);
    assert_eq!(osier.connect().get("/two").text(), "ok");
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
}
