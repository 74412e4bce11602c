use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use osier::net::tls::provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    SupportedProtocolVersion,
};

use crate::support::PATIENCE;
use crate::tls::{Authority, Shown};

/// One connection.
pub(super) type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }
}

/// What was agreed on in one handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) is_resumed: bool,
    pub(super) name: Option<String>,
    pub(super) version: ProtocolVersion,
    pub(super) alpn: Option<Vec<u8>>,
    /// The other side has shown a certificate.
    pub(super) is_shown: bool,
}

#[derive(Debug, Default)]
struct Seen {
    agreed: Vec<Agreed>,
    refused: Vec<String>,
    requests: Vec<Request>,
}

/// An origin that speaks TLS, a thread for each connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What an origin shows and demands.
pub(super) fn config(
    shown: &Shown,
    versions: &[&'static SupportedProtocolVersion],
    clients: Option<&Authority>,
) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(provider().clone());
    let builder = builder.with_protocol_versions(versions).unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            let trusted = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
            roots.add(trusted).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider().clone());
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let cert = CertificateDer::from_pem_slice(shown.cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(vec![cert], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::ring::Ticketer::new().unwrap();
    config
}

impl Peer {
    /// Has every request of every connection played by `script`, until it says false: then the connection is closed as
    /// it is.
    pub(super) fn start(
        config: ServerConfig,
        script: impl Fn(&mut Tls, &Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (config, script, noted) = (Arc::new(config), Arc::new(script), seen.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, script, seen) = (config.clone(), script.clone(), noted.clone());
                let stream = stream.unwrap();
                thread::spawn(move || serve(stream, config, &*script, &seen));
            }
        });
        Self { address, seen }
    }

    /// With a certificate for this name, of this world; it answers with the path.
    pub(super) fn that_answers(authority: &Authority, name: &str) -> Self {
        let shown = authority.server(&[name]);
        Self::start(config(&shown, rustls::ALL_VERSIONS, None), answer_path)
    }

    /// What was agreed on, handshake by handshake.
    pub(super) fn agreed(&self) -> Vec<Agreed> {
        self.seen.lock().unwrap().agreed.clone()
    }

    /// Why handshakes came to nothing.
    pub(super) fn refused(&self) -> Vec<String> {
        self.seen.lock().unwrap().refused.clone()
    }

    /// What it was asked.
    pub(super) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().requests.clone()
    }
}

fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    script: &(dyn Fn(&mut Tls, &Request) -> bool + Send + Sync),
    seen: &Mutex<Seen>,
) {
    stream.set_nodelay(true).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let mut tls = Tls::new(ServerConnection::new(config).unwrap(), stream);
    while tls.conn.is_handshaking() {
        if let Err(error) = tls.conn.complete_io(&mut tls.sock) {
            seen.lock().unwrap().refused.push(error.to_string());
            return;
        }
    }
    let agreed = Agreed {
        is_resumed: tls.conn.handshake_kind() == Some(HandshakeKind::Resumed),
        name: tls.conn.server_name().map(str::to_owned),
        version: tls.conn.protocol_version().unwrap(),
        alpn: tls.conn.alpn_protocol().map(<[u8]>::to_vec),
        is_shown: tls.conn.peer_certificates().is_some(),
    };
    seen.lock().unwrap().agreed.push(agreed);
    while let Ok(Some(request)) = read_request(&mut tls) {
        seen.lock().unwrap().requests.push(request.clone());
        if !script(&mut tls, &request) {
            return;
        }
    }
}

fn read_request(tls: &mut Tls) -> io::Result<Option<Request>> {
    let mut received = Vec::new();
    let mut room = vec![0; 64 * 1024];
    loop {
        let text = String::from_utf8_lossy(&received);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("\r\ncontent-length: ").nth(1);
            let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            let (head, start) = (head.to_owned(), head.len() + 4);
            let whole = start + length.unwrap_or(0);
            while received.len() < whole {
                let count = tls.read(&mut room)?;
                assert!(count > 0, "the request is cut");
                received.extend_from_slice(&room[..count]);
            }
            let body = received[start..].to_vec();
            return Ok(Some(Request { head, body }));
        }
        let count = tls.read(&mut room)?;
        if count == 0 {
            return Ok(None);
        }
        received.extend_from_slice(&room[..count]);
    }
}

/// Answers 200 with this.
pub(super) fn answer(tls: &mut Tls, content: &[u8]) -> bool {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    say(tls, &[head.as_bytes(), content].concat())
}

/// False: nobody takes it.
pub(super) fn say(tls: &mut Tls, octets: &[u8]) -> bool {
    tls.write_all(octets).and_then(|()| tls.flush()).is_ok()
}

pub(super) fn answer_path(tls: &mut Tls, request: &Request) -> bool {
    answer(tls, request.path().as_bytes())
}
