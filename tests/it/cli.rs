//! The command as a process: what it prints, how it ends.

use std::net::{SocketAddr, TcpListener};
use std::process::Output;

use rustix::process::Signal;

use crate::support::{Json, Origin, Osier, Scratch, Wire, json, wait_for};

/// Runs a command that ends by itself.
fn run(arguments: &[&str]) -> Output {
    Osier::command(arguments).output().unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn without_arguments_it_prints_the_usage_and_fails() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert!(text(&output.stderr).contains("osier demo"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["-h"],
        &["help"],
        &["help", "cancel"],
        &["tree", "--help"],
        &["respond", "-h"],
        &["demo", "--help"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains("osier"), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
    for flag in ["--version", "-V"] {
        let output = run(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        let version = concat!("osier ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(text(&output.stdout), version);
    }
}

#[test]
fn help_names_every_flag_of_the_contract() {
    let output = run(&["--help"]);
    let help = text(&output.stdout);
    for flag in [
        "--listen",
        "--to",
        "--balance",
        "--timeout",
        "--workers",
        "--admin",
        "--access-log",
        "--add-request-header",
        "--host-header",
        "--trust",
    ] {
        assert!(help.contains(flag), "{flag}");
    }
}

#[test]
fn bad_arguments_are_one_clear_line_and_exit_code_2() {
    for (arguments, says) in [
        (&["--listen"][..], "--listen"),
        (&["--listen", "127.0.0.1:0"], "--to"),
        (&["--to", "127.0.0.1:1"], "--listen"),
        (&["--frobnicate"], "--frobnicate"),
        (&["frobnicate"], "frobnicate"),
        (&["--listen", "nowhere", "--to", "127.0.0.1:1"], "nowhere"),
        (&["--listen", "127.0.0.1:x", "--to", "127.0.0.1:1"], "`x`"),
        (&["--listen", "127.0.0.1:0", "--to", "nowhere"], "nowhere"),
        (
            &["-l", "127.0.0.1:0", "-t", "https://a.example", "-t", "b:80"],
            "b:80",
        ),
        (
            &["-l", "127.0.0.1:0", "-t", "127.0.0.1:1", "--timeout", "10"],
            "10",
        ),
        (
            &["-l", "127.0.0.1:0", "-t", "127.0.0.1:1", "--timeout", "0s"],
            "0s",
        ),
        (
            &["-l", "127.0.0.1:0", "-t", "127.0.0.1:1", "--workers", "0"],
            "--workers",
        ),
        (
            &[
                "-l",
                "127.0.0.1:0",
                "-t",
                "127.0.0.1:1",
                "--balance",
                "best",
            ],
            "best",
        ),
        (
            &[
                "-l",
                "127.0.0.1:0",
                "-t",
                "127.0.0.1:1",
                "--admin",
                "0.0.0.0:1",
            ],
            "0.0.0.0:1",
        ),
        (
            &[
                "-l",
                "127.0.0.1:0",
                "-t",
                "127.0.0.1:1",
                "--trust",
                "10.0.0.0/33",
            ],
            "10.0.0.0/33",
        ),
        (
            &[
                "-l",
                "127.0.0.1:0",
                "-t",
                "127.0.0.1:1",
                "--add-request-header",
                "no colon",
            ],
            "no colon",
        ),
        (
            &[
                "-l",
                "127.0.0.1:0",
                "-t",
                "127.0.0.1:1",
                "--host-header",
                "a b",
            ],
            "a b",
        ),
        (&["respond"], "--listen"),
        (&["respond", "-l", "127.0.0.1:0", "--status", "99"], "99"),
        (&["respond", "-l", "127.0.0.1:0", "one", "two"], "two"),
        (&["cancel"], "ID"),
        (&["cancel", "x"], "x"),
        (&["tree", "--dotty"], "--dotty"),
        (&["help", "frobnicate"], "frobnicate"),
    ] {
        let output = run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
        assert!(said.starts_with("osier: "), "{arguments:?}: {said}");
        assert!(said.contains(says), "{arguments:?}: {said}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_bad_usage_too() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let output = Osier::command(&[])
        .arg("--listen")
        .arg(OsStr::from_bytes(b"\xff\xfe"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_taken_address_is_exit_code_75() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for workers in ["1", "2"] {
        let output = run(&["-l", &address, "-t", "127.0.0.1:1", "--workers", workers]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(75), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&address), "{said}");
    }
    let output = run(&[
        "-l",
        "127.0.0.1:0",
        "-t",
        "127.0.0.1:1",
        "--admin",
        &address,
    ]);
    assert_eq!(output.status.code(), Some(75));
}

#[test]
fn two_of_a_kind_do_not_share_a_port() {
    let origin = Origin::that_answers();
    let first = Osier::in_front_of(&origin, &["--workers", "2"]);
    let address = first.address().to_string();
    let output = run(&["-l", &address, "-t", "127.0.0.1:1", "--workers", "2"]);
    assert_eq!(output.status.code(), Some(75));
}

#[test]
fn a_name_that_does_not_resolve_is_a_503_until_it_does() {
    let arguments = ["-l", "127.0.0.1:0", "-t", "no-such-host.invalid:80"];
    let osier = Osier::serving(Osier::command(&arguments));
    let answer = osier.connect().get("/");
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(answer.text().contains("no_endpoint"), "{answer:?}");
}

#[test]
fn at_start_it_says_what_listens_where() {
    let origin = Origin::that_answers();
    let osier = Osier::in_front_of(&origin, &["--workers", "2"]);
    let said = osier.announced();
    for word in [
        &osier.address().to_string(),
        &origin.address().to_string(),
        "2 workers",
        "connections",
        "admin on",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn sigterm_and_sigint_drain_and_exit_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let origin = Origin::bind();
        let mut osier = Osier::serving_to(&origin.address(), &["--workers", "1"]);
        let mut client = osier.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut at_origin = origin.accept();
        at_origin.read_request();
        let mut idle = osier.connect();
        osier.wait_for_session(&idle);

        osier.signal(signal);
        assert!(osier.hear().contains("draining"));
        idle.expect_end();
        assert!(!osier.has_ended());
        at_origin.answer("finished");
        let response = client.read_response();
        assert_eq!(response.text(), "finished");
        assert_eq!(response.field("connection"), Some("close"));
        client.expect_end();
        assert_eq!(osier.wait(), Some(0));
    }
}

#[test]
fn a_second_signal_ends_what_still_runs() {
    let origin = Origin::bind();
    let mut osier = Osier::serving_to(&origin.address(), &[]);
    let mut client = osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    osier.signal(Signal::TERM);
    assert!(osier.hear().contains("draining"));
    osier.signal(Signal::INT);
    assert_eq!(client.read_response().status(), 503);
    client.expect_end();
    at_origin.expect_gone();
    assert_eq!(osier.wait(), Some(0));
}

#[test]
fn hup_and_usr1_end_nothing() {
    let origin = Origin::that_answers();
    let log = Scratch::new("rotated.log");
    let moved = Scratch::new("rotated.log.1");
    let path = log.path().to_str().unwrap().to_owned();
    let osier = Osier::in_front_of(&origin, &["--access-log", &path]);
    let mut client = osier.connect();
    client.get("/before");
    let has = |path: &std::path::Path, word: &str| {
        wait_for(word, || {
            std::fs::read_to_string(path)
                .ok()?
                .contains(word)
                .then_some(())
        });
    };
    has(log.path(), "/before");
    std::fs::rename(log.path(), moved.path()).unwrap();
    osier.signal(Signal::USR1);
    wait_for("the log to be opened anew", || {
        log.path().exists().then_some(())
    });
    client.get("/after");
    has(log.path(), "/after");
    osier.signal(Signal::HUP);
    assert!(osier.hear().contains("Hup"));
    assert_eq!(client.get("/still").text(), "/still");
}

#[test]
fn a_reader_of_its_output_that_leaves_is_no_reason_to_end() {
    // A pipe that is closed: writing the access log fails, and SIGPIPE is not to be died of.
    let origin = Origin::that_answers();
    let to = origin.address().to_string();
    let mut command = Osier::command(&["-l", "127.0.0.1:0", "-t", &to, "--access-log", "stdout"]);
    command.stdout(std::process::Stdio::piped());
    let mut osier = Osier::serving(command);
    osier.close_stdout();
    let mut client = osier.connect();
    for _ in 0..5 {
        assert_eq!(client.get("/x").text(), "/x");
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
    assert!(!osier.has_ended());
}

#[test]
fn respond_answers_everything_alike() {
    let osier = Osier::serving(Osier::command(&[
        "respond",
        "--listen",
        "127.0.0.1:0",
        "--status",
        "503",
        "back soon",
    ]));
    let mut client = osier.connect();
    for request in [
        "GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        "DELETE /b HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let response = client.ask(request);
        assert_eq!((response.status(), response.text()), (503, "back soon"));
    }
    // A body that nobody reads is no next request.
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    let response = client.read_response();
    assert_eq!(
        (response.status(), response.field("connection")),
        (503, Some("close"))
    );
}

#[test]
fn respond_with_a_status_that_has_no_content_sends_none() {
    for status in ["204", "304"] {
        let osier = Osier::serving(Osier::command(&[
            "respond",
            "-l",
            "127.0.0.1:0",
            "--status",
            status,
        ]));
        let mut client = osier.connect();
        for _ in 0..2 {
            let response = client.get("/");
            assert_eq!(response.status().to_string(), status);
            assert_eq!(response.field("content-length"), None);
        }
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        client.read_head();
        client.expect_end();
    }
}

#[test]
fn respond_to_head_sends_no_body() {
    let osier = Osier::serving(Osier::command(&["respond", "-l", "127.0.0.1:0", "hello"]));
    let mut client = osier.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read_head().field("content-length"), Some("5"));
    assert_eq!(client.get("/").text(), "hello");
}

#[test]
fn tree_shows_what_runs_and_cancel_ends_it() {
    let origin = Origin::bind();
    let osier = Osier::serving_to(&origin.address(), &[]);
    let mut client = osier.connect();
    client.send("GET /watched HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let admin = osier.admin();

    let output = run(&["tree", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(0));
    let tree = text(&output.stdout);
    let line = tree
        .lines()
        .find(|line| line.contains("GET /watched"))
        .unwrap();
    let id = line.split('#').nth(1).unwrap().split(' ').next().unwrap();
    let output = run(&["tree", "--json", "--admin", &admin]);
    assert_eq!(json(text(&output.stdout))["kind"].text(), "server");

    let output = run(&["cancel", id, "--because", "seen enough", "--admin", &admin]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("nodes"));
    let response = client.read_response();
    assert_eq!(response.status(), 503);
    assert!(response.text().contains("admin:seen enough"));
    at_origin.expect_gone();

    // It is gone now.
    let output = run(&["cancel", id, "--admin", &admin]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).lines().count(), 1);
}

#[test]
fn tree_of_nobody_is_exit_code_1() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let output = run(&["tree", "--admin", &address]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains(&address));
}

/// Runs a command against an admin interface that answers it with `answer`; gives what it asked, too.
fn ask_scripted(command: &str, answer: &str) -> (String, Output) {
    let admin = Origin::bind();
    let address = admin.address().to_string();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut wire = admin.accept();
            let request = wire.read_request();
            let meant = request.field("osier-admin").unwrap_or_default().to_owned();
            wire.send(answer);
            wire.finish();
            format!("{} / {meant}", request.start())
        });
        let output = run(&[command, "--admin", &address]);
        (asked.join().unwrap(), output)
    })
}

#[test]
fn status_and_reload_print_what_the_gateway_says() {
    let answer = |status: &str, content: &str| {
        let length = content.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{content}")
    };
    let good = answer("200 OK", "{\"version\":\"1\",\"endpoints\":[]}\n");
    for (command, asks) in [
        ("status", "GET /status HTTP/1.1 / 1"),
        ("reload", "POST /reload HTTP/1.1 / 1"),
    ] {
        let (asked, output) = ask_scripted(command, &good);
        assert_eq!(asked, asks);
        assert_eq!(output.status.code(), Some(0));
        let printed = "{\n  \"version\": \"1\",\n  \"endpoints\": []\n}\n";
        assert_eq!(text(&output.stdout), printed);

        let (_, output) = ask_scripted(command, &answer("422 No", "error: unknown key `x`\n"));
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(text(&output.stdout), "");
        assert!(text(&output.stderr).ends_with(": error: unknown key `x`\n"));

        let (_, output) = ask_scripted(command, &answer("404 Not Found", "here are others\n"));
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(
            said.ends_with(&format!("the osier there does not know /{command}\n")),
            "{said}"
        );
    }
    let nowhere = format!("unix:{}", Scratch::new("nowhere.sock").path().display());
    let output = run(&["status", "--admin", &nowhere]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("No such file"), "{output:?}");
}

#[test]
fn check_says_all_and_its_exit_code_says_whether_it_can_be_run() {
    let file = Scratch::new("osier.toml");
    let path = file.path().to_str().unwrap();
    let check = |content: &str, more: &[&str]| {
        std::fs::write(file.path(), content).unwrap();
        let output = run(&[&["check", "-c", path], more].concat());
        let (out, err) = (
            text(&output.stdout).to_owned(),
            text(&output.stderr).to_owned(),
        );
        (output.status.code(), out, err)
    };
    let good = "[[listen]]\naddr = \":80\"\n[[route]]\nto = \"127.0.0.1:8080\"\n";
    let unused = format!("{good}[upstream.idle]\nto = \"127.0.0.1:1\"\n");
    let bad = format!("wokers = 2\n{good}");

    let (code, out, err) = check(good, &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("{path}: ok, 1 address, 1 upstream, 1 route\n"));
    let (code, out, err) = check(&unused, &[]);
    assert_eq!(code, Some(0), "a warning is no error");
    assert!(out.contains(": ok, ") && err.starts_with("warning: no route goes to"));
    let (code, out, err) = check(&bad, &[]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("did you mean `workers`?") && err.contains(&format!("{path}:1:1")));
    assert!(!err.contains('\x1b'), "no terminal, no colours");

    let (code, out, err) = check(good, &["--json"]);
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "[]\n", ""));
    let (code, out, err) = check(&bad, &["--json"]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    assert_eq!(
        json(&out).items()[0]["label"].text(),
        "did you mean `workers`?"
    );

    let (code, out, err) = check(&unused, &["--print"]);
    assert!(code == Some(0) && err.starts_with("warning: "));
    let (again, printed, _) = check(&out, &["--print"]);
    assert_eq!(
        (again, printed),
        (Some(0), out),
        "what is printed means the same"
    );
    let (code, out, err) = check(&bad, &["--print"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("error: "));
}

#[test]
fn a_configuration_that_cannot_be_read_is_exit_code_1() {
    for (path, why) in [
        ("/nowhere/osier.toml", "No such file"),
        ("/", "Is a directory"),
    ] {
        let output = run(&["check", "-c", path]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.starts_with("error: cannot read the file: "), "{said}");
        assert!(said.contains(why) && said.contains(path), "{said}");
        let output = run(&["check", "--json", "-c", path]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(json(text(&output.stdout)).items()[0]["file"].text(), path);
    }
}

#[test]
fn what_init_prints_passes_the_check() {
    let file = Scratch::new("init.toml");
    for flags in [
        &[][..],
        &[
            "-l",
            ":80",
            "-t",
            "a.example:81",
            "-t",
            "http://b.example/x",
            "--admin",
            "unix:/run/o",
        ],
        &[
            "--trust",
            "private",
            "--timeout",
            "1500ms",
            "--add-request-header",
            "X-A: {b} ${c}",
        ],
    ] {
        let output = run(&[&["init"], flags].concat());
        assert_eq!(output.status.code(), Some(0));
        std::fs::write(file.path(), &output.stdout).unwrap();
        let output = run(&["check", "-c", file.path().to_str().unwrap()]);
        assert_eq!(
            (output.status.code(), text(&output.stderr)),
            (Some(0), ""),
            "{flags:?}"
        );
    }
}

#[test]
fn bash_completes_commands_flags_and_values() {
    let Ok(version) = std::process::Command::new("bash").arg("--version").output() else {
        return; // No bash, nothing to ask.
    };
    assert!(version.status.success());
    let script = run(&["completions", "bash"]);
    assert_eq!(script.status.code(), Some(0));
    // As bash itself calls it: the words so far, the last of which is being typed.
    let ask = "eval \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
               _osier osier \"${COMP_WORDS[-1]}\" \"${COMP_WORDS[-2]}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let complete = |words: &[&str]| {
        let output = std::process::Command::new("bash")
            .args(["--norc", "-c", ask, "bash", text(&script.stdout), "osier"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(text(&output.stderr), "", "{words:?}");
        text(&output.stdout).trim().replace('\n', " ")
    };
    assert_eq!(complete(&["ch"]), "check");
    assert_eq!(complete(&["re"]), "respond reload");
    assert_eq!(complete(&["--lis"]), "--listen");
    assert_eq!(complete(&["check", "--"]), "--config --json --print --help");
    assert_eq!(
        complete(&["init", "--balance", ""]),
        "round_robin least_conn p2c ewma random first"
    );
    assert_eq!(complete(&["init", "--timeout", "1"]), "");
    assert_eq!(complete(&["help", "comp"]), "completions");
    assert_eq!(complete(&["completions", ""]), "bash zsh fish -h --help");
    assert_eq!(complete(&["-l", ":80", "--host-header", "u"]), "upstream");
    assert_eq!(complete(&["-l", ":80", "--to", "x", "--ti"]), "--timeout");
    assert_eq!(complete(&["nonsense", "--"]), "");
    let file = Scratch::new("a b.toml");
    std::fs::write(file.path(), "").unwrap();
    let path = file.path().to_str().unwrap();
    assert_eq!(
        complete(&["check", "-c", path.strip_suffix("b.toml").unwrap()]),
        path
    );
}

#[test]
fn the_admin_interface_may_be_a_unix_socket() {
    let origin = Origin::that_answers();
    let socket = Scratch::new("admin.sock");
    let admin = format!("unix:{}", socket.path().display());
    let to = origin.address().to_string();
    let mut osier = Osier::serving(Osier::command(&[
        "-l",
        "127.0.0.1:0",
        "-t",
        &to,
        "--admin",
        &admin,
    ]));
    let output = run(&["tree", "--admin", &admin]);
    assert!(text(&output.stdout).starts_with("server#"), "{output:?}");
    let mut direct = Wire::connect_unix(socket.path());
    let request = "GET /tree HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    assert_eq!(direct.ask(request).status(), 403);
    osier.signal(Signal::TERM);
    assert_eq!(osier.wait(), Some(0));
    assert!(!socket.path().exists());
}

#[test]
fn the_flags_do_what_they_say() {
    let origin = Origin::that_answers();
    let base = format!("http://{}/base", origin.address());
    let osier = Osier::serving(Osier::command(&[
        "-l",
        "127.0.0.1:0",
        "-t",
        &base,
        "--host-header",
        "inner.example",
        "--add-request-header",
        "X-Realm:  blue ",
        "--trust",
        "private",
        "--balance",
        "round_robin",
        "--timeout",
        "5s",
        "--workers",
        "1",
    ]));
    let mut client = osier.connect();
    let response =
        client.ask("GET /x HTTP/1.1\r\nHost: outer.example\r\nX-Forwarded-For: 9.9.9.9\r\n\r\n");
    assert_eq!(response.text(), "/base/x");
    let (_, request) = origin.requests().remove(0);
    assert_eq!(request.field("host"), Some("inner.example"));
    assert_eq!(request.field("x-realm"), Some("blue"));
    assert_eq!(request.field("x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(request.field("x-forwarded-host"), Some("outer.example"));
}

#[test]
fn timeout_is_the_request_budget() {
    let origin = Origin::bind();
    let osier = Osier::serving_to(&origin.address(), &["--timeout", "100ms"]);
    let mut client = osier.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut at_origin = origin.accept();
    at_origin.read_request();
    let response = client.read_response();
    assert_eq!(response.status(), 504);
    assert!(response.text().contains("deadline:request"));
}

#[test]
fn demo_serves_its_origin_and_its_tree() {
    let mut command = Osier::command(&["demo"]);
    command.stdout(std::process::Stdio::null());
    let mut osier = Osier::serving(command);
    let mut client = osier.connect();
    let echo = client.get("/hello?there");
    assert_eq!(echo.status(), 200);
    assert!(
        echo.text().contains("GET /hello?there HTTP/1.1"),
        "{echo:?}"
    );
    assert_eq!(client.get("/slow?ms=1").status(), 200);
    client.send(
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let response = client.read_head();
    assert_eq!(
        response.field("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    // RFC 6455 §5.7: a masked "Hello", and the same without its mask.
    client.send(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    client.expect(b"\x81\x05Hello");
    client.send(b"\x88\x80\0\0\0\0");
    client.expect(b"\x88\0");

    let mut events = osier.connect();
    events.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    events.read_until("data: event 1\n\n");
    let output = run(&["tree", "--admin", &osier.admin()]);
    assert!(text(&output.stdout).contains("GET /events"), "{output:?}");
    // Two that are not heard one by one may be one.
    osier.signal(Signal::INT);
    assert!(osier.hear().contains("draining"));
    osier.signal(Signal::INT);
    assert_eq!(osier.wait(), Some(0));
}

#[test]
fn demo_plays_a_lesson_through_its_own_gateway() {
    let mut command =
        Osier::command(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.stdout(std::process::Stdio::null());
    let osier = Osier::serving(command);
    let admin: SocketAddr = osier.admin().trim_start_matches("http://").parse().unwrap();
    let play = "POST /learn/value HTTP/1.1\r\nHost: localhost\r\nOsier-Admin: 1\r\nContent-Length: 0\r\n\r\n";
    let mut learner = Wire::connect(admin);
    let list = learner.ask("GET /learn HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let names: Vec<_> = json(list.text())
        .items()
        .iter()
        .map(|it| it["name"].text().to_owned())
        .collect();
    assert_eq!(names, ["cancel", "deadline", "value", "hedge", "drain"]);
    learner.send(play);

    // While it is played its nodes are in the tree, real requests are under way, and nobody else may play.
    let mut watcher = Wire::connect(admin);
    wait_for("the lesson in the tree", || {
        let tree = watcher.ask("GET /tree HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let words = [
            "lesson#",
            "asks above",
            "asks below",
            "GET /lesson/value/above",
            "GET /lesson/value/below",
        ];
        words
            .iter()
            .all(|word| tree.text().contains(word))
            .then_some(())
    });
    assert_eq!(watcher.ask(play).status(), 409);

    let seen = json(learner.read_response().text());
    assert!(
        matches!(seen["ok"], Json::Bool(true)),
        "{}",
        seen["said"].text()
    );
    assert!(
        seen["said"].text().contains("“grace”"),
        "{}",
        seen["said"].text()
    );
    assert_eq!(seen["nodes"].items().len(), 5);
}

#[test]
fn the_example_that_has_every_key_is_right() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/gateway/full.toml");
    let text = std::fs::read_to_string(example).unwrap();
    // What is commented there would ask for root.
    let whole = text.replace("# user = ", "user = ");
    let whole = whole.replace(
        "\"502.html\"",
        concat!(
            "\"",
            env!("CARGO_MANIFEST_DIR"),
            "/examples/gateway/502.html\""
        ),
    );
    let file = Scratch::new("full.toml");
    std::fs::write(file.path(), whole).unwrap();
    let path = file.path().to_str().unwrap();
    let output = Osier::command(&["check", "-c", path]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""));
}

#[test]
fn explain_says_which_route_answers_and_why_the_others_do_not() {
    let file = Scratch::new("osier.toml");
    let text = "[[listen]]\naddr = \"127.0.0.1:8086\"\n\
                [[route]]\npath = \"/a/*\"\nto = \"127.0.0.1:1\"\nstrip = \"/a\"\ntimeouts.request = \"5s\"\n\
                headers.request = { set = { X-Ip = \"{client_ip}\" } }\n\
                [[route]]\nhost = \"b.example\"\nrespond = { status = 200, body = \"ok\" }\n\
                [[route]]\nmethod = [\"POST\"]\nrespond = { status = 200, body = \"ok\" }\n";
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    let explain = |more: &[&str]| {
        let arguments: Vec<_> = ["explain", "-c", path]
            .iter()
            .chain(more)
            .copied()
            .collect();
        let output = Osier::command(&arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = explain(&["GET", "http://h.example/x/../a//b?c"]);
    assert_eq!(code, Some(0));
    for words in [
        "path     /a/b, as routes see it",
        "route    1. /a/*",
        "to       127.0.0.1:1",
        "without /a",
        "request  X-Ip is set to {client_ip}",
        "request 5s (not the default)",
        "2. b.example: is for another host",
        "3. POST *: is for another method",
    ] {
        assert!(said.contains(words), "{words}:\n{said}");
    }
    assert!(explain(&["/none"]).1.contains("404 no_route"));
    assert!(
        explain(&["-H", "Host: b.example", "/"])
            .1
            .contains("route    2. b.example")
    );
    assert_eq!(explain(&["A B", "/"]).0, Some(1));
    assert_eq!(explain(&[]).0, Some(2));
}
