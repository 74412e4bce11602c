use std::fmt::Write as _;
use std::process::{Command, Stdio};

use super::{Authority, Client, Files, WHO, gateway, text};
use crate::faults::WallClock;
use crate::reload::Gateway;
use crate::support::{Osier, Scratch, Wire};

struct Place {
    authority: Authority,
    files: Files,
    gateway: Gateway,
}

fn place(rest: &str) -> Place {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["localhost"]));
    files.write("ca.pem", &authority.pem);
    Place {
        gateway: gateway(&format!("{{ {pair} }}"), "", rest),
        authority,
        files,
    }
}

impl Place {
    fn ca(&self) -> String {
        self.files.path("ca.pem").to_str().unwrap().to_owned()
    }

    /// What `openssl s_client` says.
    fn openssl(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-servername", "localhost", "-connect"]);
        command.arg(self.gateway.osier.address().to_string());
        command.args(["-CAfile", &self.ca()]).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        let _ = write!(said, "{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn curl(&self, arguments: &[&str], path: &str) -> (Option<i32>, Vec<u8>) {
        let port = self.gateway.osier.address().port();
        let mut command = Command::new("curl");
        command.args(["-sS", "--noproxy", "*", "--cacert", &self.ca()]);
        command.args(["--resolve", &format!("localhost:{port}:127.0.0.1")]);
        command.args(arguments);
        command.arg(format!("https://localhost:{port}{path}"));
        let output = command.output().unwrap();
        (output.status.code(), output.stdout)
    }
}

#[test]
#[ignore = "needs openssl"]
fn openssl_agrees_resumes_and_probes_versions_and_suites() {
    let place = place(WHO);
    for version in ["-tls1_2", "-tls1_3"] {
        let said = place.openssl(&[version]);
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
    let said = place.openssl(&["-tls1_2", "-reconnect"]);
    assert_eq!(said.matches("\nReused, TLSv1.2").count(), 5, "{said}");
    for version in ["-tls1", "-tls1_1"] {
        let said = place.openssl(&[version, "-cipher", "ALL:@SECLEVEL=0"]);
        assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    for suite in [
        "AES128-SHA",
        "DHE-RSA-AES128-GCM-SHA256",
        "NULL",
        "RC4-SHA",
        "3DES",
    ] {
        let said = place.openssl(&["-tls1_2", "-cipher", &format!("{suite}:@SECLEVEL=0")]);
        let is_refused = said.contains("Cipher is (NONE)") || said.contains("no cipher match");
        assert!(is_refused, "{suite}: {said}");
    }
    for suite in [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ] {
        let said = place.openssl(&["-tls1_2", "-cipher", suite]);
        assert!(said.contains(&format!("Cipher is {suite}")), "{said}");
    }
    let said = place.openssl(&["-alpn", "h2"]);
    assert!(said.contains("no application protocol"), "{said}");
    let said = place.openssl(&["-alpn", "h2,http/1.1"]);
    assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
    // Who was probed serves on.
    let mut wire = Client::of(&place.authority).connect(&place.gateway, "localhost");
    assert_eq!(wire.get("/").status(), 200);
}

#[test]
#[ignore = "needs curl"]
fn curl_reads_writes_and_does_not_trust() {
    let origin = crate::support::Origin::script(|wire, request| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            request.body.len()
        );
        wire.send([head.as_bytes(), &request.body].concat());
        true
    });
    let place = place(&format!("[[route]]\nto = \"{}\"\n", origin.address()));
    let body = crate::support::octets(1 << 20);
    std::fs::write(place.files.path("body"), &body).unwrap();
    let data = format!("@{}", place.files.path("body").display());
    for version in ["1.2", "1.3"] {
        let (code, got) = place.curl(&["--tls-max", version, "--data-binary", &data], "/");
        assert_eq!(code, Some(0));
        assert!(got == body);
    }
    // curl offers h2 too.
    let (code, got) = place.curl(
        &["--http2", "-o", "/dev/null", "-w", "%{http_version}"],
        "/",
    );
    assert_eq!((code, got.as_slice()), (Some(0), &b"1.1"[..]));
    let (code, _) = place.curl(&["--cacert", "/etc/ssl/certs/ca-certificates.crt"], "/");
    assert_eq!(code, Some(60));
}

#[test]
#[ignore = "needs Python"]
fn python_closes_both_ways() {
    let place = place(WHO);
    let script = "
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
    context.minimum_version = context.maximum_version = version
    raw = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
    tls = context.wrap_socket(raw, server_hostname='localhost', suppress_ragged_eofs=False)
    for _ in range(100):
        tls.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
        got = b''
        while not got.endswith(b'here'):
            got += tls.recv(65536)
    tls.sendall(b'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')
    got = b''
    while True:
        some = tls.recv(65536)
        if not some:
            break
        got += some
    assert got.endswith(b'here'), got
    tls.unwrap()
    print(version.name)
";
    let port = place.gateway.osier.address().port().to_string();
    let mut command = Command::new("python3");
    command.args(["-c", script, &port, &place.ca()]);
    assert_eq!(crate::support::run(command), "TLSv1_2\nTLSv1_3\n");
}

#[test]
#[ignore = "needs faketime"]
fn faketime_a_clock_before_the_build_is_said_once_and_not_believed() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["localhost"]));
    let ca = files.write("ca.pem", &authority.pem);
    let clock = WallClock(Scratch::new("clock"));
    // Fifty years back: before the certificates, which begin in 2000.
    clock.set("-18262d");
    let start = |floor: &str| {
        let tls = format!("{{ {pair}, client_ca = \"{ca}\", clock_floor = \"{floor}\" }}");
        let file = Scratch::new("osier.toml");
        std::fs::write(file.path(), text(&tls, "", WHO)).unwrap();
        let mut command = Osier::command(&["run", "-c", file.path().to_str().unwrap()]);
        clock.given_to(&mut command);
        (Osier::serving(command), file)
    };
    let ann = authority.client("ann", 2099);
    let client = Client::with(&authority, Some(&ann), rustls::ALL_VERSIONS);
    let ask = |osier: &Osier| {
        let mut wire = Wire::connect_tls(osier.address(), client.0.clone(), "localhost");
        let sent = wire.try_send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        sent.map(|()| wire.read_to_end().0).unwrap_or_default()
    };
    let (osier, _file) = start("build");
    let said = osier.hear();
    assert!(said.contains("which is before osier was built"), "{said}");
    assert!(ask(&osier).ends_with(b"here"));
    let (osier, _file) = start("off");
    assert_eq!(ask(&osier), b"");
    let said = osier.hear();
    assert!(said.contains("invalid peer certificate"), "{said}");
}
