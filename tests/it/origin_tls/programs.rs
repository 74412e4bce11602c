use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::World;
use crate::reload::Gateway;
use crate::support::{Origin, Running, octets, wait_for};

/// `openssl s_server`, which answers with what was agreed on.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(world: &World, arguments: &[&str]) -> Self {
        let own = world.authority.server(&["a.example"]);
        let cert = world.files.write("server.pem", &own.cert);
        let key = world.files.write("server.key", &own.key);
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-www",
            "-naccept",
            "64",
        ]);
        command.args(["-cert", &cert, "-key", &key]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut said = said.map_while(Result::ok);
        let address = said.find_map(|line| Some(line.strip_prefix("ACCEPT ")?.to_owned()));
        // What it says must go somewhere.
        std::thread::spawn(move || said.for_each(drop));
        Self {
            child,
            address: address.expect("it accepts"),
        }
    }

    fn gateway(&self, world: &World, keys: &str) -> Gateway {
        Gateway::run(
            &format!(
                "[upstream.app]\nto = \"{}\"\n{}[[route]]\nto = \"app\"\n",
                self.address,
                world.tls(&format!("sni = \"a.example\"{keys}"))
            ),
            &[],
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_agrees_and_resumes() {
    let world = World::new();
    for (version, spoken) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let server = Server::start(&world, &[version]);
        let gateway = server.gateway(&world, "");
        let first = gateway.get("/");
        assert_eq!(first.status(), 200, "{first:?}");
        assert!(first.text().contains("New, TLSv1."), "{first:?}");
        assert!(first.text().contains(spoken), "{first:?}");
        // It closes after each answer.
        let again = gateway.get("/");
        assert!(again.text().contains("Reused, TLSv1."), "{again:?}");
        let strict = server.gateway(&world, ", min_version = \"1.3\"").get("/");
        assert_eq!(strict.status() == 200, version == "-tls1_3", "{strict:?}");
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_demands_a_certificate() {
    let world = World::new();
    let pair = world
        .files
        .pair("own", &world.authority.client("osier", 2099));
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Server::start(
            &world,
            &[
                version,
                "-Verify",
                "1",
                "-CAfile",
                &world.ca,
                "-verify_return_error",
            ],
        );
        let gateway = server.gateway(&world, &format!(", {pair}"));
        let answer = gateway.get("/");
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(answer.text().contains("Client certificate"), "{answer:?}");
        let refused = server.gateway(&world, "").get("/");
        assert_eq!(refused.status(), 502, "{refused:?}");
        let said = refused.field("proxy-status").unwrap();
        assert!(said.contains("tls:alert_"), "{said}");
    }
}

#[test]
#[ignore = "needs nginx"]
fn nginx_is_spoken_to_by_tls() {
    let world = World::new();
    let pair = world
        .files
        .pair("own", &world.authority.client("osier", 2099));
    let own = world.authority.server(&["a.example"]);
    world.files.write("server.pem", &own.cert);
    world.files.write("server.key", &own.key);
    let large = octets(1 << 20);
    std::fs::write(world.files.path("large"), &large).unwrap();
    let echo = Origin::script(|wire, request| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        wire.send([head.as_bytes(), &request.body].concat());
        true
    });
    let home = world.files.path("");
    let home = home.to_str().unwrap().trim_end_matches('/');
    let conf = format!(
        "daemon off;\nmaster_process off;\nerror_log stderr;\npid {home}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n\
         client_body_temp_path {home}/body;\nproxy_temp_path {home}/proxy;\nfastcgi_temp_path {home}/f;\n\
         uwsgi_temp_path {home}/u;\nscgi_temp_path {home}/s;\n\
         server {{\nlisten unix:{home}/nginx.sock ssl;\nssl_certificate server.pem;\nssl_certificate_key server.key;\n\
         ssl_client_certificate ca.pem;\nssl_verify_client optional;\nssl_protocols TLSv1.2 TLSv1.3;\n\
         client_max_body_size 0;\nroot {home};\n\
         location /who {{ return 200 \"$ssl_client_verify $ssl_protocol $ssl_session_reused $connection_requests $ssl_server_name\"; }}\n\
         location /close {{ keepalive_timeout 0; return 200 \"$ssl_session_reused\"; }}\n\
         location /echo {{ proxy_pass http://{}; }}\n}}\n}}\n",
        echo.address()
    );
    let conf = world.files.write("nginx.conf", &conf);
    let mut command = Command::new("nginx");
    command.args(["-e", "stderr", "-p", home, "-c", &conf]);
    let _nginx = Running::start(command);
    let socket = world.files.path("nginx.sock");
    wait_for("nginx", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    let text = |keys: &str| {
        format!(
            "[upstream.app]\nto = \"unix:{}\"\n{}[[route]]\nto = \"app\"\n",
            socket.display(),
            world.tls(&format!("sni = \"a.example\"{keys}"))
        )
    };
    let gateway = Gateway::run(&text(&format!(", {pair}")), &[]);
    let mut wire = gateway.osier.connect();
    assert_eq!(wire.get("/who").text(), "SUCCESS TLSv1.3 . 1 a.example");
    assert!(wire.get("/large").body == large);
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        large.len()
    );
    assert!(wire.ask([head.as_bytes(), &large].concat()).body == large);
    assert_eq!(wire.get("/who").text(), "SUCCESS TLSv1.3 . 4 a.example");
    // It closes after the answer, and the next connection goes on with the session.
    assert_eq!(wire.get("/close").text(), ".");
    assert_eq!(wire.get("/who").text(), "SUCCESS TLSv1.3 r 1 a.example");
    let nobody = Gateway::run(&text(""), &[]);
    assert_eq!(nobody.get("/who").text(), "NONE TLSv1.3 . 1 a.example");
}
