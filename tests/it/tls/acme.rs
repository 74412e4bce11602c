use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use rustls::ClientConfig;

use super::{Authority, Client, Files, WHO};
use crate::reload::Gateway;
use crate::support::{Osier, Running, Scratch, Wire, run, wait_for};

/// A port that nothing listens on, but what is started next.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// A gateway with a plain listener first, and one with this `tls`.
fn text(plain: SocketAddr, secure: SocketAddr, redirect: &str, tls: &str) -> String {
    format!(
        "workers = 2\nshutdown = {{ grace = \"2s\" }}\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
         [[listen]]\naddr = \"{plain}\"\n{redirect}\n[[listen]]\naddr = \"{secure}\"\ntls = {tls}\n{WHO}"
    )
}

/// The next line that has this in it.
fn hear(osier: &Osier, words: &str) -> String {
    loop {
        let said = osier.hear();
        if said.contains(words) {
            return said;
        }
    }
}

/// Why nothing comes of asking for `name`.
fn refused(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> String {
    let mut wire = Wire::connect_tls(address, config.clone(), name);
    let sent = wire.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let error = match sent {
        Err(error) => error,
        Ok(()) => wire.receive().unwrap_err(),
    };
    error.to_string()
}

/// The certificate that is shown for `name`, where there is one.
fn shown(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Option<Vec<u8>> {
    let mut config = ClientConfig::clone(config);
    config.resumption = rustls::client::Resumption::disabled();
    let mut wire = Wire::connect_tls(address, Arc::new(config), name);
    wire.try_send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").ok()?;
    assert_eq!(wire.read_response().status(), 200);
    Some(wire.agreed().peer_certificates()?[0].to_vec())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn while_an_authority_is_not_there_all_else_is_served_and_what_comes_into_the_file_is_shown() {
    let (authority, files) = (Authority::new(), Files::new());
    let pair = files.pair("own", &authority.server(&["a.example"]));
    let ca = files.write("ca.pem", &authority.pem);
    let cache = files.path("kept/acme");
    let (plain, secure, nobody) = (free(), free(), free());
    let tls = format!(
        "[{{ {pair} }}, {{ acme = {{ names = \"b.example\", cache = \"{}\", directory = \"https://{nobody}/dir\", \
         ca = \"{ca}\", challenge = \"http-01\" }} }}]",
        cache.display()
    );
    let gateway = Gateway::started(text(plain, secure, "", &tls), &[]);
    let said = hear(&gateway.osier, "acme");
    let start =
        format!("acme: no certificate for b.example from https://{nobody}/dir: directory: ");
    assert!(said.contains(&start), "{said}");
    assert!(said.contains("refused"), "{said}");
    assert!(said.ends_with("; tried again in 5s"), "{said}");
    let tree = gateway.admin("localhost", "/tree").text().to_owned();
    assert!(tree.contains(" acme b.example "), "{tree}");

    // Nobody else is any the worse for it.
    let path = "/.well-known/acme-challenge/x";
    assert_eq!(gateway.get(path).text(), "here");
    let client = Client::of(&authority);
    let first = shown(secure, &client.0, "a.example").unwrap();
    assert_eq!(
        shown(
            secure,
            &client.but(|it| it.enable_sni = false).0,
            "a.example"
        ),
        Some(first)
    );
    let why = refused(secure, &client.0, "b.example");
    assert!(why.contains("AccessDenied"), "{why}");
    let said = hear(&gateway.osier, "tls handshake failed");
    assert!(
        said.ends_with("there is no certificate for b.example yet"),
        "{said}"
    );
    assert!(!gateway.status().contains("b.example"));

    // Only this user gets at what is kept, and nothing is half there.
    assert_eq!(mode(&cache), 0o700);
    let kept = files_in(&cache);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].to_str().unwrap().contains("account-"), "{kept:?}");
    assert_eq!(mode(&kept[0]), 0o600);

    // A reload that leaves it as it is begins nothing anew.
    let written = fs::read_to_string(gateway.path()).unwrap();
    fs::write(gateway.path(), written.replace("\"here\"", "\"there\"")).unwrap();
    assert_eq!(gateway.reload().status(), 200);
    assert_eq!(gateway.get("/").text(), "there");
    let said = hear(&gateway.osier, "acme");
    assert!(said.ends_with("; tried again in 10s"), "{said}");

    // Another process, or a hand, may put one there.
    let explained = Osier::command(&[
        "explain",
        "-c",
        gateway.path().to_str().unwrap(),
        "GET",
        "https://b.example/",
    ]);
    let said = run(explained);
    let line = said
        .lines()
        .find(|line| line.contains("b.example-"))
        .unwrap();
    let name = line.strip_prefix("tls      ").unwrap();
    let name = name.strip_suffix(", not there yet").unwrap();
    let other = authority.server(&["b.example"]);
    files.write("new-one", &format!("{}{}", other.key, other.cert));
    fs::rename(files.path("new-one"), name).unwrap();
    let said = hear(&gateway.osier, "is renewed");
    assert!(said.contains("b.example-"), "{said}");
    wait_for("the certificate", || shown(secure, &client.0, "b.example"));
    assert!(gateway.status().contains("\"names\":[\"b.example\"]"));
    // It goes on being shown, even by a reload that does not find it.
    fs::remove_file(name).unwrap();
    assert_eq!(gateway.reload().status(), 200);
    assert!(shown(secure, &client.0, "b.example").is_some());
}

#[test]
fn where_nothing_can_be_kept_nothing_is_asked_for() {
    let (authority, files) = (Authority::new(), Files::new());
    let ca = files.write("ca.pem", &authority.pem);
    let (plain, secure) = (free(), free());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    // It is a file.
    let tls = format!(
        "{{ acme = {{ names = \"b.example\", cache = \"{ca}\", directory = \"https://{}/dir\", ca = \"{ca}\" }} }}",
        nobody.local_addr().unwrap()
    );
    let gateway = Gateway::started(text(plain, secure, "", &tls), &[]);
    let said = hear(&gateway.osier, "acme");
    assert!(said.contains(&format!(": cache: {ca}: ")), "{said}");
    assert!(said.ends_with("; tried again in 5s"), "{said}");
    assert_eq!(gateway.get("/").text(), "here");
    nobody.set_nonblocking(true).unwrap();
    assert!(nobody.accept().is_err());
}

/// Pebble, an authority for tests, with the name server that it asks: for it every name is here.
struct Pebble {
    authority: Authority,
    files: Files,
    directory: SocketAddr,
    management: SocketAddr,
    /// Where it comes to look.
    plain: SocketAddr,
    secure: SocketAddr,
    names: SocketAddr,
    names_management: SocketAddr,
    config: String,
}

impl Pebble {
    /// One that gives certificates for so long. It is not there yet.
    fn new(seconds: u32) -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        files.write("ca.pem", &authority.pem);
        files.pair("own", &authority.server(&["localhost"]));
        let [
            directory,
            management,
            plain,
            secure,
            names,
            names_management,
        ] = std::array::from_fn(|_| free());
        let path = |name: &str| files.path(name).display().to_string();
        let config = format!(
            "{{\"pebble\": {{\"listenAddress\": \"{directory}\", \"managementListenAddress\": \"{management}\", \
             \"certificate\": \"{}\", \"privateKey\": \"{}\", \"httpPort\": {}, \"tlsPort\": {}, \
             \"ocspResponderURL\": \"\", \"externalAccountBindingRequired\": false, \
             \"certificateValidityPeriod\": {seconds}}}}}",
            path("own.pem"),
            path("own.key"),
            plain.port(),
            secure.port()
        );
        let config = files.write("pebble.json", &config);
        Self {
            authority,
            files,
            directory,
            management,
            plain,
            secure,
            names,
            names_management,
            config,
        }
    }

    fn start(&self) -> [Running; 2] {
        let mut names = Command::new("pebble-challtestsrv");
        names.args([
            "-defaultIPv6",
            "",
            "-http01",
            "",
            "-https01",
            "",
            "-tlsalpn01",
            "",
        ]);
        names.args(["-dns01", &self.names.to_string()]);
        names.args(["-management", &self.names_management.to_string()]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-strict", "-config", &self.config]);
        pebble.args(["-dnsserver", &self.names.to_string()]);
        // It refuses every third nonce, as RFC 8555 §6.5 lets it, and looks at once.
        pebble.env("PEBBLE_WFE_NONCEREJECT", "33");
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        let running = [Running::start(names), Running::start(pebble)];
        wait_for("pebble", || {
            std::net::TcpStream::connect(self.management).ok()
        });
        running
    }

    /// The table that asks it for a certificate for these names.
    fn acme(&self, names: &str, challenge: &str) -> String {
        format!(
            "{{ acme = {{ names = [{names}], directory = \"https://localhost:{}/dir\", contact = \"mailto:a@b.example\", \
             cache = \"{}\", challenge = \"{challenge}\", ca = \"{}\" }} }}",
            self.directory.port(),
            self.cache().display(),
            self.files.path("ca.pem").display()
        )
    }

    fn cache(&self) -> PathBuf {
        self.files.path("acme")
    }

    fn text(&self, tls: &str) -> String {
        let redirect = format!("redirect = \"https:{}\"", self.secure.port());
        // What is kept can be kept inside as well.
        let sandbox = match cfg!(feature = "sandbox") {
            true => "sandbox = \"try\"\n",
            false => "",
        };
        let text = text(self.plain, self.secure, &redirect, tls);
        format!("{sandbox}{text}")
    }

    /// Whom its certificates are vouched for by, as it says when it is there.
    fn root(&self) -> Authority {
        let ca = self.files.path("ca.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "20", "--cacert"]);
        curl.arg(ca);
        curl.arg(format!(
            "https://localhost:{}/roots/0",
            self.management.port()
        ));
        let mut root = Authority::new();
        root.pem = run(curl);
        root
    }

    /// What curl gets, that believes this file.
    fn curl(&self, root: &Path, name: &str) -> String {
        let port = self.secure.port();
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "--max-time", "20", "--cacert"]);
        curl.arg(root);
        curl.args(["--resolve", &format!("{name}:{port}:127.0.0.1")]);
        curl.arg(format!("https://{name}:{port}/"));
        run(curl).trim_end().to_owned()
    }
}

#[test]
#[ignore = "needs pebble and curl"]
fn pebble_gives_certificates_by_each_challenge_and_a_restart_asks_for_none() {
    let pebble = Pebble::new(90 * 24 * 60 * 60);
    let tls = format!(
        "[{}, {}]",
        pebble.acme("\"one.example\", \"One.b.example\"", "tls-alpn-01"),
        pebble.acme("\"two.example\"", "http-01")
    );
    // The authority comes later than the gateway.
    let gateway = Gateway::started(pebble.text(&tls), &[]);
    for _ in 0..2 {
        let said = hear(&gateway.osier, "acme: no certificate");
        assert!(said.contains("directory: "), "{said}");
    }
    assert_eq!(gateway.get("/x").status(), 308);
    let running = pebble.start();
    for _ in 0..2 {
        let said = hear(&gateway.osier, "acme: got a certificate");
        assert!(said.contains(", valid until "), "{said}");
    }
    let root = pebble.root();
    let believed = Scratch::new("root.pem");
    fs::write(believed.path(), &root.pem).unwrap();
    let client = Client::of(&root);
    for name in ["one.example", "one.b.example", "two.example"] {
        wait_for(name, || {
            let tree = gateway.status();
            tree.contains(&format!("\"{name}\"")).then_some(())
        });
        wait_for(name, || shown(pebble.secure, &client.0, name));
        assert_eq!(pebble.curl(believed.path(), name), "here");
    }
    // What was in force is so no more.
    assert_eq!(gateway.get("/.well-known/acme-challenge/x").status(), 308);
    let alpn = client.but(|it| it.alpn_protocols = vec![b"acme-tls/1".to_vec()]);
    let why = refused(pebble.secure, &alpn.0, "one.example");
    assert!(why.contains("NoApplicationProtocol"), "{why}");
    // Two certificates and one account.
    let kept = files_in(&pebble.cache());
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept.iter().all(|path| mode(path) == 0o600), "{kept:?}");
    let before = kept.iter().map(|path| fs::read(path).unwrap());
    let before: Vec<_> = before.collect();

    drop(running);
    drop(gateway);
    let gateway = Gateway::started(pebble.text(&tls), &[]);
    for name in ["one.example", "two.example"] {
        assert_eq!(pebble.curl(believed.path(), name), "here");
    }
    wait_for("both tasks", || {
        let tree = gateway.admin("localhost", "/tree").text().to_owned();
        (tree.matches(" acme ").count() == 2).then_some(())
    });
    gateway.osier.signal(Signal::TERM);
    let mut osier = gateway.osier;
    assert_eq!(osier.wait(), Some(0));
    // It would have said so, had it asked for something.
    while let Some(said) = osier.heard() {
        assert!(!said.contains("acme:"), "{said}");
    }
    let after = kept.iter().map(|path| fs::read(path).unwrap());
    assert!(before.iter().eq(&after.collect::<Vec<_>>()));
}

#[test]
#[ignore = "needs pebble and curl"]
fn pebble_is_asked_again_in_time_and_has_no_certificate_to_show() {
    let pebble = Pebble::new(12);
    let _running = pebble.start();
    // The listener asks everybody else for one.
    let acme = pebble.acme("\"one.example\"", "tls-alpn-01");
    let acme = acme.strip_suffix(" }").unwrap();
    let ca = pebble.files.path("ca.pem");
    let tls = format!("{acme}, client_ca = \"{}\" }}", ca.display());
    let gateway = Gateway::started(pebble.text(&tls), &[]);
    hear(&gateway.osier, "acme: got a certificate");
    let ann = pebble.authority.client("ann", 2099);
    let client = Client::with(&pebble.root(), Some(&ann), rustls::ALL_VERSIONS);
    let first = wait_for("the first", || {
        shown(pebble.secure, &client.0, "one.example")
    });
    hear(&gateway.osier, "acme: got a certificate");
    wait_for("the second", || {
        let now = shown(pebble.secure, &client.0, "one.example")?;
        (now != first).then_some(())
    });
}

#[test]
#[ignore = "needs pebble and curl"]
fn pebble_says_why_a_name_is_not_ours() {
    let pebble = Pebble::new(90 * 24 * 60 * 60);
    let _running = pebble.start();
    let tls = pebble.acme("\"one.example\"", "tls-alpn-01");
    // It comes to where nobody is.
    let text = pebble.text(&tls);
    let other = free();
    let text = text.replace(
        &format!("addr = \"{}\"", pebble.secure),
        &format!("addr = \"{other}\""),
    );
    let gateway = Gateway::started(text, &[]);
    let said = hear(&gateway.osier, "acme: no certificate");
    assert!(said.contains("authorization: one.example: "), "{said}");
    let of_the_authority = "urn:ietf:params:acme:error:unauthorized: Failed to connect";
    assert!(said.contains(of_the_authority), "{said}");
    assert!(said.ends_with("; tried again in 180s"), "{said}");
    assert_eq!(gateway.get("/").status(), 308);
    let client = Client::of(&pebble.authority);
    let why = refused(other, &client.0, "one.example");
    assert!(why.contains("AccessDenied"), "{why}");
}
