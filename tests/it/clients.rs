//! Programs that others wrote, through the built command with no setting: as clients, as origins, and as both. What they
//! say is in `tests/clients/`; `.ci/clients` installs them, below `target/clients/`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use osier::net::address::Address;

use crate::support::{Origin, Osier, Running, Scratch, octets, run, wait_for};

/// A file of this repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A program that is on the path, or below the root of the repository.
fn program(name: &str, arguments: &[&str]) -> Command {
    let name = if name.contains('/') {
        file(name).into_os_string()
    } else {
        name.into()
    };
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env("NODE_PATH", file("target/clients/node_modules"));
    // They come to osier directly.
    for variable in ["http_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(variable);
        command.env_remove(variable.to_uppercase());
    }
    command
}

/// A script in `tests/clients/`, run by what its name says.
fn script(name: &str, arguments: &[&str]) -> Command {
    let interpreter = match name.rsplit('.').next() {
        Some("py") => "target/clients/venv/bin/python",
        Some("js") => "node",
        _ => panic!("what runs {name}?"),
    };
    let path = file("tests/clients").join(name);
    let mut command = program(interpreter, &[path.to_str().unwrap()]);
    command.args(arguments);
    command
}

fn url(osier: &Osier) -> String {
    format!("http://{}", osier.address())
}

// WebSockets: two libraries, each as client and as origin.

/// The two know the same game. What the client saw, it checks itself; what the origin saw of three ends is checked here.
#[track_caller]
fn play(client: &str, origin: &str) {
    let mut origin = Running::start(script(origin, &[]));
    let osier = Osier::serving_to(&origin.address(), &[]);
    let url = format!("ws://{}/", osier.address());
    assert_eq!(run(script(client, &[&url])), "done\n");
    for end in [
        "closed 4001 the client has had enough",
        "closed 4001 the client has had enough",
        "closed 4002 the origin has had enough",
    ] {
        assert_eq!(origin.hear(), end);
    }
    // Without a word, and without a reason.
    assert_eq!(origin.hear().trim_end(), "closed 1006");
}

#[test]
#[ignore = "needs Python's websockets"]
fn websockets_talks_to_websockets() {
    play("websockets_client.py", "websockets_origin.py");
}

#[test]
#[ignore = "needs Node's ws"]
fn ws_talks_to_ws() {
    play("ws_client.js", "ws_origin.js");
}

#[test]
#[ignore = "needs Python's websockets and Node's ws"]
fn websockets_talks_to_ws() {
    play("websockets_client.py", "ws_origin.js");
}

#[test]
#[ignore = "needs Python's websockets and Node's ws"]
fn ws_talks_to_websockets() {
    play("ws_client.js", "websockets_origin.py");
}

// curl.

/// What curl says when it is asked for this, of the URLs below `osier`.
#[track_caller]
fn curl(osier: &Osier, arguments: &[&str], paths: &[&str]) -> String {
    run(curl_command(osier, arguments, paths))
}

fn curl_command(osier: &Osier, arguments: &[&str], paths: &[&str]) -> Command {
    let mut command = program("curl", &["-q", "-sS", "--max-time", "15"]);
    command.args(arguments);
    command.args(paths.iter().map(|path| url(osier) + path));
    command
}

/// nginx on a unix socket, with these files.
fn nginx(files: &[(&str, &[u8])]) -> (Running, Scratch, Address) {
    let scratch = Scratch::new("nginx");
    let home = scratch.path();
    std::fs::create_dir_all(home.join("html")).unwrap();
    for (name, content) in files {
        std::fs::write(home.join("html").join(name), content).unwrap();
    }
    let conf = file("tests/clients/nginx.conf");
    let mut command = program("nginx", &["-e", "stderr", "-c", conf.to_str().unwrap()]);
    command.arg("-p").arg(home).current_dir(home);
    let running = Running::start(command);
    let socket = home.join("nginx.sock");
    wait_for("nginx", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    (running, scratch, Address::Unix(socket))
}

#[test]
#[ignore = "needs curl and nginx"]
fn curl_reads_from_nginx() {
    let text = "all work and no play makes jack a dull boy\n".repeat(1000);
    let large = octets(2 << 20);
    let (_nginx, home, address) = nginx(&[("text.txt", text.as_bytes()), ("large", &large)]);
    let osier = Osier::serving_to(&address, &[]);
    let ask = |arguments: &[&str], paths: &[&str]| curl(&osier, arguments, paths);

    assert_eq!(ask(&[], &["/text.txt"]), text);
    let got = home.path().join("got");
    ask(&["-o", got.to_str().unwrap()], &["/large"]);
    assert!(std::fs::read(&got).unwrap() == large);

    let head = ask(&["-I"], &["/large"]);
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    assert!(head.contains("Content-Length: 2097152"), "{head}");
    assert!(head.contains("Server: nginx"), "{head}");

    let told = [
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code} %{size_download}",
    ];
    assert_eq!(
        ask(&[&told[..], &["--http1.0"]].concat(), &["/large"]),
        "1.1 200 2097152\n"
    );

    let part = ask(&["-r", "100-199", "-w", "%{http_code}"], &["/text.txt"]);
    assert_eq!(part, format!("{}206\n", &text[100..200]));

    // Compressed on the way, and the same in the end.
    assert_eq!(ask(&["--compressed"], &["/text.txt"]), text);
    let fields = ask(
        &["--compressed", "-D", "-", "-o", "/dev/null"],
        &["/text.txt"],
    );
    assert!(fields.contains("Content-Encoding: gzip"), "{fields}");

    // One connection for two, and for one that is not found and one that is not modified.
    let told = ["-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n"];
    let twice = [&told[..], &["-o", "/dev/null"]].concat();
    assert_eq!(ask(&twice, &["/text.txt", "/large"]), "200 1\n200 0\n");
    assert_eq!(ask(&twice, &["/nowhere", "/large"]), "404 1\n200 0\n");
    let unmodified = [&twice[..], &["-H", "If-None-Match: *"]].concat();
    assert_eq!(ask(&unmodified, &["/large", "/text.txt"]), "304 1\n304 0\n");
}

#[test]
#[ignore = "needs curl and Python"]
fn curl_writes_to_http_server() {
    let mut origin = Running::start(script("http_origin.py", &[]));
    let osier = Osier::serving_to(&origin.address(), &[]);
    let large = Scratch::new("large");
    std::fs::write(large.path(), octets(2 << 20)).unwrap();
    let from_file = format!("@{}", large.path().display());
    // The SHA-256 of those.
    let digest = "2097152 32f2f6348e3793a665a49d4c8b699f8e837926322f60544e64869b039ab171a1\n";

    // curl waits for the 100, longer than for anything else here.
    let mut posting = Running::start(curl_command(
        &osier,
        &[
            "-v",
            "--expect100-timeout",
            "60",
            "-H",
            "Expect: 100-continue",
            "--data-binary",
            &from_file,
        ],
        &["/digest"],
    ));
    assert!(posting.wait().success());
    assert_eq!(posting.hear() + "\n", digest);
    let said = posting.complaints();
    assert!(said.contains("< HTTP/1.1 100 Continue"), "{said}");

    // From standard input, in chunks.
    let upload = curl_command(&osier, &["-T", "-", "-D", "-"], &["/digest"]);
    let mut upload = Running::start(upload);
    let mut stdin = upload.stdin.take().unwrap();
    stdin.write_all(&octets(2 << 20)).unwrap();
    drop(stdin);
    let answer = upload.finish();
    assert!(answer.ends_with(digest), "{answer}");
    assert!(answer.contains("X-Framing: chunked"), "{answer}");

    // A form, to where a redirect leads, with the same method.
    let redirected = curl(&osier, &["-L", "-d", "a=b"], &["/redirect"]);
    assert!(redirected.starts_with("3 "), "{redirected}");

    // What came in chunks goes to an HTTP/1.0 client up to the end.
    let told = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
    let streamed = curl(&osier, &[&told[..], &["--http1.0"]].concat(), &["/stream"]);
    assert_eq!(streamed, "200 4194304\n");
}

// Libraries.

#[test]
#[ignore = "needs Python's requests"]
fn requests_keeps_its_connection() {
    let mut origin = Running::start(script("http_origin.py", &[]));
    let osier = Osier::serving_to(&origin.address(), &[]);
    let said = run(script("requests_client.py", &[&url(&osier)]));
    assert_eq!(said, "10 requests on 1 connection\n");
}

#[test]
#[ignore = "needs Node and Python"]
fn fetch_streams_both_ways() {
    let mut origin = Running::start(script("http_origin.py", &[]));
    let osier = Osier::serving_to(&origin.address(), &[]);
    assert_eq!(run(script("fetch.js", &[&url(&osier)])), "done\n");
}

#[test]
#[ignore = "needs Node"]
fn fetch_that_is_aborted_ends_at_the_origin() {
    let origin = Origin::bind();
    let osier = Osier::serving_to(&origin.address(), &[]);
    let mut fetch = Running::start(script("fetch.js", &[&url(&osier), "abort"]));
    let mut at_origin = origin.accept();
    at_origin.read_request();
    at_origin.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\npiece\r\n");
    assert_eq!(fetch.hear(), "got piece");
    assert_eq!(fetch.hear(), "aborted");
    at_origin.expect_gone();
    fetch.tell("it is gone");
    fetch.finish();
}

#[test]
#[ignore = "needs Go"]
fn go_is_content_on_both_sides() {
    let mut go = Running::start(program("target/clients/client-go", &[]));
    let osier = Osier::serving_to(&go.address(), &[]);
    go.tell(&url(&osier));
    assert_eq!(go.finish(), "net/http is content\nhttputil is content\n");
}
