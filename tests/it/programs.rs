//! Programs that speak no HTTP, through streams; and proxies of others in front and behind, by the PROXY protocol. Each
//! is on a unix socket in a directory of its own. `.ci/clients` installs them.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::reload::Gateway;
use crate::stream::{file, streaming};
use crate::support::{Origin, Running, Scratch, Wire, octets, run, wait_for};

/// A directory for a program's files, and where it listens.
struct Home(Scratch);

impl Home {
    fn new(name: &str) -> Self {
        let home = Scratch::new(name);
        fs::create_dir(home.path()).unwrap();
        Self(home)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Starts a program in it that listens on this socket.
    fn start(&self, mut command: Command, socket: &str) -> Running {
        command.current_dir(self.0.path());
        let program = command.get_program().to_owned();
        let mut running = Running::start(command);
        let socket = self.path(socket);
        let what = format!("{socket}: {:?}", program);
        wait_for(&what, || {
            assert!(!running.has_ended(), "{what}: {}", running.complaints());
            UnixStream::connect(&socket).ok()
        });
        running
    }
}

fn command(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments);
    command
}

/// Runs a program that reads `input`, and returns what it says.
fn told(command: Command, input: &[u8]) -> String {
    let mut running = Running::start(command);
    running.stdin.take().unwrap().write_all(input).unwrap();
    running.finish()
}

#[test]
#[ignore = "needs mosquitto and its clients"]
fn mosquitto_delivers_over_a_kept_connection_and_a_reload() {
    let home = Home::new("mosquitto");
    let socket = home.path("broker.sock");
    let config = home.write(
        "broker.conf",
        &format!("listener 0 {socket}\nallow_anonymous true\nuser root\n"),
    );
    let _broker = home.start(command("mosquitto", &["-c", &config]), "broker.sock");
    let to = format!("to = \"unix:{socket}\"\n");
    let stream = streaming(&to, "");
    let (host, port) = (stream.at.ip().to_string(), stream.at.port().to_string());
    let at = ["-h", &host, "-p", &port, "-q", "1", "-t", "news"];
    let subscribe = |more: &[&str]| {
        let mut command = command("mosquitto_sub", &at);
        command.args(["-c", "-i", "reader"]).args(more);
        command
    };
    // From here on the broker keeps what comes for it.
    run(subscribe(&["-E"]));
    let mut sub = Running::start(subscribe(&["-C", "20"]));
    let mut publish = command("mosquitto_pub", &at);
    publish.arg("-l");
    let mut publish = Running::start(publish);
    for number in 0..20 {
        if number == 10 {
            stream.gateway.write(&file(
                &to,
                "[[route]]\npath = \"/more\"\nrespond = { status = 200 }\n",
            ));
            assert_eq!(stream.gateway.reload().status(), 200);
        }
        publish.tell(&format!("message {number}"));
        assert_eq!(sub.hear(), format!("message {number}"));
    }
    drop(publish.stdin.take());
    publish.finish();
    assert!(sub.wait().success());
    // One connection each, before the reload and behind it.
    assert_eq!(stream.connections(), 3.0);
}

#[test]
#[ignore = "needs redis-server and redis-cli"]
fn redis_answers_small_and_large() {
    let home = Home::new("redis");
    let socket = home.path("redis.sock");
    let arguments = ["--port", "0", "--unixsocket", &socket, "--save", ""];
    let _server = home.start(command("redis-server", &arguments), "redis.sock");
    let stream = streaming(&format!("to = \"unix:{socket}\"\n"), "");
    let (host, port) = (stream.at.ip().to_string(), stream.at.port().to_string());
    let cli = |arguments: &[&str]| {
        let mut command = command("redis-cli", &["-h", &host, "-p", &port]);
        command.args(arguments);
        command
    };
    assert_eq!(run(cli(&["PING"])), "PONG\n");
    let large: String = octets(4 << 20)
        .iter()
        .map(|octet| char::from(b'a' + octet % 26))
        .collect();
    assert_eq!(told(cli(&["-x", "SET", "large"]), large.as_bytes()), "OK\n");
    assert!(run(cli(&["GET", "large"])).trim_end() == large);
    let many: String = (0..1000).map(|_| "INCR count\n").collect();
    let said = told(cli(&[]), many.as_bytes());
    assert_eq!(said.lines().last(), Some("1000"));
}

#[test]
#[ignore = "needs openssl"]
fn openssl_is_passed_on_by_the_name_it_asks_for() {
    let home = Home::new("openssl");
    let serve = |name: &str| {
        let (key, cert) = (
            home.path(&format!("{name}.key")),
            home.path(&format!("{name}.pem")),
        );
        let subject = format!("/CN={name}.example");
        run(command(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                &subject,
                "-keyout",
                &key,
                "-out",
                &cert,
            ],
        ));
        // By a short name, which is all that OpenSSL can put into words.
        let socket = format!("{name}.sock");
        let arguments = [
            "s_server", "-unix", &socket, "-key", &key, "-cert", &cert, "-rev", "-quiet",
        ];
        home.start(command("openssl", &arguments), &socket)
    };
    let _servers = [serve("a"), serve("b")];
    let stream = streaming(
        &format!(
            "sni = {{ \"a.example\" = \"unix:{}\", \"*\" = \"unix:{}\" }}\n",
            home.path("a.sock"),
            home.path("b.sock")
        ),
        "",
    );
    let at = stream.at.to_string();
    for (name, subject) in [
        (&["-servername", "a.example"][..], "a.example"),
        (&["-servername", "A.Example"], "a.example"),
        (&["-servername", "c.example"], "b.example"),
        (&["-noservername"], "b.example"),
    ] {
        for version in ["-tls1_2", "-tls1_3"] {
            let mut client = command(
                "openssl",
                &["s_client", "-connect", &at, "-ign_eof", version],
            );
            client.args(name);
            let mut client = Running::start(client);
            // The server turns lines around, and CLOSE ends it.
            client.tell("hello");
            let mut seen = Vec::new();
            loop {
                let line = client.hear();
                let is_answer = line == "olleh";
                seen.push(line);
                if is_answer {
                    break;
                }
            }
            let is_it = |line: &String| line.starts_with("subject=") && line.ends_with(subject);
            assert!(seen.iter().any(is_it), "{name:?} {version}: {seen:#?}");
        }
    }
}

/// nginx, which answers who it was told that its client is; and where it listens.
fn nginx(home: &Home) -> Running {
    let config = home.write(
        "nginx.conf",
        "daemon off;\nmaster_process off;\npid nginx.pid;\nerror_log stderr;\nevents {}\nhttp {\n\
         access_log off;\nclient_body_temp_path tmp;\nproxy_temp_path tmp;\nfastcgi_temp_path tmp;\n\
         uwsgi_temp_path tmp;\nscgi_temp_path tmp;\n\
         server { listen unix:nginx.sock proxy_protocol;\n\
         location / { return 200 \"$proxy_protocol_addr:$proxy_protocol_port to $proxy_protocol_server_addr\"; } } }\n",
    );
    let prefix = home.path("");
    home.start(
        command("nginx", &["-p", &prefix, "-c", &config]),
        "nginx.sock",
    )
}

#[test]
#[ignore = "needs nginx"]
fn nginx_is_told_who_its_client_is() {
    let home = Home::new("nginx");
    let _nginx = nginx(&home);
    for version in ["v1", "v2"] {
        let app = format!(
            "[upstream.app]\nto = \"unix:{}\"\nsend_proxy = \"{version}\"\n\
             health = {{ tcp = true, every = \"100ms\" }}\n",
            home.path("nginx.sock")
        );
        let gateway = Gateway::run(&format!("{app}[[route]]\nto = \"app\"\n"), &[]);
        let mut client = Wire::connect_from([127, 0, 0, 7], gateway.osier.address());
        let port = client.local_addr().port();
        for _ in 0..3 {
            let answer = client.get("/");
            assert_eq!(answer.text(), format!("127.0.0.7:{port} to 127.0.0.1"));
        }
        // As octets too.
        let stream = streaming("to = \"app\"\n", &app);
        let mut client = Wire::connect_from([127, 0, 0, 8], stream.at);
        let port = client.local_addr().port();
        let answer = client.get("/");
        assert_eq!(answer.text(), format!("127.0.0.8:{port} to 127.0.0.2"));
    }
}

/// A listening socket that a child process gets, and its number there.
fn inherited() -> (TcpListener, i32) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
    let number = listener.as_raw_fd();
    (listener, number)
}

#[test]
#[ignore = "needs HAProxy"]
fn haproxy_says_who_its_client_is() {
    let echo = Origin::script(|wire, request| {
        wire.answer(&request.head);
        true
    });
    let gateway = Gateway::run_with(
        "trusted_proxies = [\"127.0.0.1\"]\n",
        &format!(
            "proxy_protocol = true\n[[route]]\nto = \"{0}\"\n\
             [[stream]]\naddr = \"127.0.0.2:0\"\nproxy_protocol = true\nto = \"{0}\"\n",
            echo.address()
        ),
    );
    let home = Home::new("haproxy");
    for (option, checked) in [
        ("send-proxy", "check-send-proxy"),
        ("send-proxy-v2", "check-send-proxy"),
        (
            "send-proxy-v2 proxy-v2-options crc32c,authority",
            "check-send-proxy",
        ),
    ] {
        let (listener, number) = inherited();
        let at = listener.local_addr().unwrap();
        let config = home.write(
            "haproxy.cfg",
            &format!(
                "defaults\n mode tcp\n timeout connect 3s\n timeout client 9s\n timeout server 9s\n\
                 listen front\n bind fd@{number}\n server osier {} {option} check inter 200ms {checked}\n",
                gateway.osier.address()
            ),
        );
        let mut haproxy = Running::start(command("haproxy", &["-db", "-f", &config]));
        let mut client = Wire::connect_from([127, 0, 0, 9], at);
        let answer = client.get("/");
        let head = answer.text().to_ascii_lowercase();
        assert!(
            head.contains("x-forwarded-for: 127.0.0.9\r\n"),
            "{option}: {head} {}",
            haproxy.complaints()
        );
    }
    // None of them was refused, checks included.
    let page = crate::metrics::Page::of(&gateway);
    assert_eq!(page.sum("osier_proxy_protocol_refused_total"), 0.0);
}
