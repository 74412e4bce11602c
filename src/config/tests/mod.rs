mod diagnostic;
mod golden;
mod meaning;
mod properties;
mod suggest;
mod value;

use std::io;
use std::path::Path;

use super::{Config, Outcome, Surroundings, read};

/// `openssl passwd -6 -salt saltsalt secret`
const USERS: &[u8] = b"# who\nann:$6$saltsalt$TVLlQcbpFVof5W3Yz4DTP6gRstiNuHwwTt6GLc1E5n0U0aDehy0S5knV8wiOQSpT0Y77vwPZN.Pq.H91p5hVO1\n";
/// What is not taken.
const WEAK: &[u8] = b"ann:$apr1$abcdefgh$0123456789012345678901\n# bob\nbob:secret\n\ncarl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\
    dora:$2y$15$abcdefghijklmnopqrstuuK/Yl3AEIcEZpQyZ0bn8MsnGfZpd9p5W\nnobody\nann:x\n";

/// Reads with an environment and files that are always the same.
fn read_text(text: &str) -> Outcome {
    read_octets("test.toml", text.as_bytes())
}

fn read_octets(name: &str, octets: &[u8]) -> Outcome {
    let environment = |name: &str| match name {
        "NAME" => Some("app".to_owned()),
        "PORT" => Some("8080".to_owned()),
        "EMPTY" => Some(String::new()),
        "TRICKY" => Some("${NAME} $$ \" \\".to_owned()),
        _ => None,
    };
    let file = |path: &Path| match path.to_str() {
        #[cfg(feature = "tls")]
        Some(path) if path.starts_with("/etc/tls/") => tls_file(path),
        Some("/etc/osier.htpasswd") => Ok(USERS.to_vec()),
        Some("/etc/weak.htpasswd") => Ok(WEAK.to_vec()),
        #[cfg(feature = "tls")]
        Some("/etc/ssl/certs/ca-certificates.crt") => tls_file("/etc/tls/a.pem"),
        Some("/etc/osier/502.html") => Ok(b"<h1>later</h1>\n".to_vec()),
        _ => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    };
    let around = Surroundings {
        environment: &environment,
        file: &file,
        folder: &|_| Err(io::ErrorKind::NotFound.into()),
    };
    read(name, octets, &around)
}

/// Certificates and keys of all kinds, made once.
#[cfg(feature = "tls")]
fn tls_file(path: &str) -> io::Result<Vec<u8>> {
    use std::collections::BTreeMap;
    use std::sync::OnceLock;
    static FILES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let files = FILES.get_or_init(|| {
        let mut files = BTreeMap::new();
        let years = [
            ("a", 2000, 2099),
            ("b", 2000, 2099),
            ("old", 2000, 2001),
            ("new", 2098, 2099),
        ];
        for (name, from, until) in years {
            let names = vec![format!("{name}.example")];
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(until, 12, 31);
            let key = rcgen::KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            files.insert(format!("/etc/tls/{name}.pem"), pem);
            files.insert(format!("/etc/tls/{name}.key"), key.serialize_pem());
        }
        let locked =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        files.insert("/etc/tls/locked.key".to_owned(), locked.to_owned());
        files.insert("/etc/tls/empty.pem".to_owned(), "nothing\n".to_owned());
        files
    });
    let file = files.get(path).map(|text| text.clone().into_bytes());
    file.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
}

/// What `text` means; panics with the report where it means nothing.
#[track_caller]
fn config(text: &str) -> Config {
    let outcome = read_text(text);
    match outcome.config {
        Some(config) => config,
        None => panic!("{}\n{text}", outcome.report.render(false)),
    }
}

/// A file with this route in it, and all else it needs.
fn with_route(route: &str) -> String {
    format!("[[listen]]\naddr = \"127.0.0.1:8086\"\n[[route]]\n{route}\n")
}
