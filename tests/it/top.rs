//! `osier top`: in a terminal that tmux makes, with keys that tmux types; and once, where there is no terminal.
//!
//! tmux has a socket of its own for each test, so nothing of the machine's is touched. Whoever waits, waits for what is
//! on the screen.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Origin, Osier, PATIENCE, Running, Scratch, wait_for};

/// A terminal, in which a script runs `osier top`.
struct Screen {
    place: Scratch,
}

impl Screen {
    /// Of this size. What is before and behind `osier top` is on the screen too, and how the terminal is then.
    fn start(columns: u16, rows: u16, arguments: &str) -> Self {
        Self::start_with("", columns, rows, arguments)
    }

    /// The same, with something in the environment.
    fn start_with(variable: &str, columns: u16, rows: u16, arguments: &str) -> Self {
        let place = Scratch::new("tmux");
        fs::create_dir(place.path()).unwrap();
        let screen = Self { place };
        let at = screen.place.path().display();
        // The shell inside becomes `osier top`: its number is that one's.
        let script = format!(
            "echo this was here before\n\
             sh -c 'echo $$ >{at}/pid; exec env {variable} {} top {arguments}'\n\
             echo \"exit code $?\"\n\
             stty -a | tr ';' '\\n' | grep -o -e '-\\?icanon' -e '-\\?echo ' | tr -d '\\n'\n\
             echo; echo the end\n\
             exec cat\n",
            env!("CARGO_BIN_EXE_osier")
        );
        fs::write(screen.place.path().join("script"), script).unwrap();
        let size = (columns.to_string(), rows.to_string());
        let session = ["new-session", "-d", "-x", &size.0, "-y", &size.1];
        let output = screen.tmux(&[&session[..], &[&format!("exec sh {at}/script")]].concat());
        assert!(output.status.success(), "{output:?}");
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .args(["-u", "-f", "/dev/null", "-S"])
            .arg(self.place.path().join("socket"))
            .args(arguments);
        tmux.output().unwrap()
    }

    fn press(&self, keys: &[&str]) {
        assert!(self.tmux(&[&["send-keys"], keys].concat()).status.success());
    }

    fn write(&self, text: &str) {
        assert!(self.tmux(&["send-keys", "-l", text]).status.success());
    }

    fn resize(&self, columns: u16, rows: u16) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let arguments = ["resize-window", "-x", &columns, "-y", &rows];
        assert!(self.tmux(&arguments).status.success());
    }

    /// What is on the screen, line by line.
    fn lines(&self) -> Vec<String> {
        let output = self.tmux(&["capture-pane", "-p"]);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    fn wait_for(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines();
            if is_so(&lines) {
                return lines;
            }
            let seen = lines.join("\n");
            assert!(Instant::now() < until, "no {what} on this screen:\n{seen}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn wait_for_text(&self, text: &str) -> Vec<String> {
        self.wait_for(text, |lines| lines.iter().any(|line| line.contains(text)))
    }

    fn signal(&self, signal: Signal) {
        let pid = wait_for("the process", || {
            let pid = fs::read_to_string(self.place.path().join("pid")).ok()?;
            pid.trim().parse().ok()
        });
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// The terminal is as it was: its screen, its cursor, its modes.
    fn wait_until_restored(&self, code: u8) {
        let lines = self.wait_for_text("the end");
        let exit = format!("exit code {code}");
        let expected = ["this was here before", &exit, "icanonecho", "the end"];
        let lines: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
        assert_eq!(lines[..4], expected, "{lines:?}");
        let state = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(String::from_utf8_lossy(&state.stdout).trim(), "0 1");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

/// The number of the row that has all the words; rows begin behind the heads of the columns.
fn row(lines: &[String], words: &[&str]) -> Option<usize> {
    lines
        .iter()
        .position(|line| words.iter().all(|word| line.contains(word)))
}

fn demo() -> Osier {
    let mut command = Osier::command(&["demo", "--workers", "1"]);
    command.stdout(std::process::Stdio::null());
    Osier::serving(command)
}

#[test]
#[ignore = "needs tmux and curl"]
fn tmux_sees_an_exchange_sorted_resized_and_cancelled() {
    let osier = demo();
    let mut curl = Command::new("curl");
    let url = format!("http://{}/slow?ms=600000", osier.address());
    curl.args(["-sS", "-w", "\nstatus %{http_code}\n", &url]);
    let curl = Running::start(curl);
    let screen = Screen::start(
        110,
        24,
        &format!("--interval 100ms --admin {}", osier.admin()),
    );

    let lines = screen.wait_for_text("GET /slow?ms=600000");
    let version = concat!("osier ", env!("CARGO_PKG_VERSION"), ", up ");
    assert!(
        lines[0].starts_with(version) && lines[0].contains(", serving"),
        "{lines:?}"
    );
    assert!(lines[1].starts_with("in flight: 1 server, ") && lines[1].contains("1 exchange"));
    assert!(lines[2].ends_with("nodes, oldest first"), "{lines:?}");
    assert!(lines[3].starts_with("  KIND ") && lines[3].trim_end().ends_with("CAUSE"));
    assert!(lines[23].starts_with("q quit"), "{lines:?}");
    assert_eq!(row(&lines, &["> server "]), Some(4), "{lines:?}");
    assert!(
        row(&lines, &["  exchange "]) > row(&lines, &["  listener "]),
        "{lines:?}"
    );

    // The one that waits for the origin's head has the least time left.
    screen.press(&["b"]);
    let lines = screen.wait_for("the task on top", |lines| {
        lines[2].ends_with("least time left first")
            && row(lines, &["  task ", "response head"]) == Some(4)
    });
    assert!(
        row(&lines, &["> server "]) > row(&lines, &["  attempt "]),
        "{lines:?}"
    );

    // A narrow window: nothing is wider than it, the keys stand in its last line.
    screen.resize(60, 12);
    let lines = screen.wait_for("the small frame", |lines| {
        lines.len() == 12 && lines[11].starts_with("q quit") && lines[0].starts_with(version)
    });
    assert!(
        lines.iter().all(|line| line.chars().count() <= 60),
        "{lines:?}"
    );
    assert!(!lines[3].contains("OWNER"), "{lines:?}");
    screen.resize(110, 24);
    screen.wait_for("the large frame", |lines| {
        lines.len() == 24 && lines[23].starts_with("q quit") && lines[3].contains("OWNER")
    });

    // Found, and ended with a reason that is typed, an umlaut in it.
    screen.write("/exchange");
    screen.wait_for_text("filter: exchange_");
    screen.press(&["Enter"]);
    screen.wait_for("one row", |lines| {
        lines[2].starts_with("1 of ") && row(lines, &["> exchange "]) == Some(4)
    });
    screen.press(&["c"]);
    screen.wait_for_text("GET /slow?ms=600000, because: _");
    screen.write("genüg geseh\u{e9}nx");
    screen.press(&["BSpace"]);
    screen.wait_for_text("because: genüg geseh\u{e9}n_");
    screen.press(&["Enter"]);
    screen.wait_for_text("nodes ended: ");
    let said = curl.finish();
    assert!(said.contains("admin:genüg geseh\u{e9}n"), "{said}");
    assert!(said.ends_with("status 503\n"), "{said}");
    screen.wait_for("no row", |lines| lines[4].trim().is_empty());

    screen.press(&["q"]);
    screen.wait_until_restored(0);
}

#[test]
#[ignore = "needs tmux and curl"]
fn tmux_types_what_ends_it() {
    let osier = demo();
    for key in ["Escape", "C-c"] {
        let screen = Screen::start(80, 24, &format!("--admin {}", osier.admin()));
        screen.wait_for_text("oldest first");
        // In the middle of a question, too.
        if key == "C-c" {
            screen.press(&["c"]);
            screen.wait_for_text("because: _");
        }
        screen.press(&[key]);
        screen.wait_until_restored(0);
    }
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let screen = Screen::start(80, 24, &format!("--admin {}", osier.admin()));
        screen.wait_for_text("oldest first");
        screen.signal(signal);
        screen.wait_until_restored(code);
    }
}

#[test]
#[ignore = "needs tmux and curl"]
fn tmux_sees_a_pause_and_colours_only_where_they_are_wanted() {
    let osier = demo();
    let colours = |screen: &Screen| {
        let output = screen.tmux(&["capture-pane", "-p", "-e"]);
        String::from_utf8(output.stdout).unwrap().contains('\u{1b}')
    };
    let arguments = format!("--interval 100ms --admin {}", osier.admin());
    let screen = Screen::start(80, 24, &arguments);
    screen.wait_for_text("oldest first");
    assert!(colours(&screen));
    screen.press(&["Space"]);
    screen.wait_for_text("oldest first, paused");
    let before = screen.lines();
    // Something that is new is not seen, until it is looked again.
    let mut client = osier.connect();
    client.send("GET /slow?ms=600000 HTTP/1.1\r\nHost: a\r\n\r\n");
    osier.wait_for_session(&client);
    screen.press(&["Down", "Up"]);
    assert_eq!(screen.lines(), before);
    screen.press(&["Space"]);
    screen.wait_for_text("GET /slow?ms=600000");
    screen.press(&["q"]);
    screen.wait_until_restored(0);

    let screen = Screen::start_with("NO_COLOR=1", 80, 24, &arguments);
    screen.wait_for_text("oldest first");
    assert!(!colours(&screen));
}

fn gateway(origin: &Origin, admin: &Path) -> Osier {
    let admin = format!("unix:{}", admin.display());
    let to = origin.address().to_string();
    let arguments = ["-l", "127.0.0.1:0", "-t", &to, "--admin", &admin];
    Osier::serving(Osier::command(&arguments))
}

#[test]
#[ignore = "needs tmux and curl"]
fn tmux_sees_a_gateway_that_goes_and_comes_back() {
    let (origin, socket) = (Origin::bind(), Scratch::new("admin.sock"));
    let mut osier = gateway(&origin, socket.path());
    let arguments = format!("--interval 100ms --admin unix:{}", socket.path().display());
    let screen = Screen::start(150, 24, &arguments);
    screen.wait_for_text("oldest first");

    // It does not answer, and keys work all the same.
    osier.signal(Signal::STOP);
    screen.wait_for_text("has not answered for");
    screen.press(&["b"]);
    screen.wait_for_text("least time left first");
    osier.signal(Signal::CONT);
    screen.wait_for("no complaint", |lines| {
        lines[1].starts_with("in flight: 1 server")
    });

    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
    let lines = screen.wait_for_text("trying again: unix:");
    assert!(lines[1].contains("No such file or directory"), "{lines:?}");
    assert!(row(&lines, &["server", "osier"]).is_some(), "{lines:?}");
    let _osier = gateway(&origin, socket.path());
    screen.wait_for("no complaint", |lines| {
        lines[1].starts_with("in flight: 1 server")
    });
    screen.press(&["q"]);
    screen.wait_until_restored(0);
}

#[test]
fn without_a_terminal_the_table_is_printed_once() {
    let origin = Origin::bind();
    let osier = Osier::serving_to(&origin.address(), &[]);
    let mut client = osier.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    let _at_origin = origin.accept();
    for more in [&[][..], &["--once"], &["--by", "budget"]] {
        let admin = osier.admin();
        let arguments = [&["top", "--admin", &admin], more].concat();
        let output = Osier::command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        assert!(lines[0].starts_with("osier "), "{text}");
        assert!(
            lines[2].starts_with("KIND ") && lines[2].ends_with("  CAUSE"),
            "{text}"
        );
        let (server, attempt) = (row(&lines, &["server "]), row(&lines, &["attempt "]));
        assert!(
            row(&lines, &["exchange ", "  GET /slow  "]).is_some(),
            "{text}"
        );
        assert_eq!(server < attempt, more != ["--by", "budget"], "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

#[test]
fn where_nobody_answers_it_says_so_and_fails() {
    let socket = Scratch::new("nobody.sock");
    let admin = format!("unix:{}", socket.path().display());
    for command in ["top", "tree"] {
        let output = Osier::command(&[command, "--admin", &admin])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("osier: {admin}: ")), "{said}");
        assert!(
            said.contains("is a gateway running with this admin address"),
            "{said}"
        );
        assert_eq!((said.lines().count(), output.stdout.len()), (1, 0));
    }
}
