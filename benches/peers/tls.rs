//! TLS between the generator and the proxies, by rustls: the one certificate that all of them show, what every client
//! offers, and a client's session on its socket.
//!
//! A client offers one version, one suite and one group, so that they are the same for every proxy whatever it prefers:
//! TLS 1.3, TLS_AES_128_GCM_SHA256, X25519.

use std::collections::VecDeque;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, NamedGroup, RootCertStore};

use crate::peer::Pem;
use crate::wire::Handshake;

/// Whose certificate it is.
const NAME: &str = "bench.example";
/// Tickets that are kept of one proxy: more than there are clients at a time.
const TICKETS_MAX: usize = 1024;

/// The certificate of every proxy: ECDSA with P-256, signed by itself.
#[derive(Debug)]
pub(crate) struct Identity {
    certificate: CertificateDer<'static>,
    pub(crate) pem: Pem,
}

impl Identity {
    /// Makes one, and writes it and its key to `dir`. `None` is for builds without TLS.
    pub(crate) fn new(dir: &Path) -> io::Result<Option<Self>> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let certificate = CertificateParams::new([NAME.to_owned()])
            .and_then(|params| params.self_signed(&key))
            .map_err(io::Error::other)?;
        let pem = Pem {
            certificate: dir.join("certificate.pem"),
            key: dir.join("key.pem"),
            both: dir.join("both.pem"),
        };
        let (certificate_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        fs::write(&pem.certificate, &certificate_pem)?;
        fs::write(&pem.key, &key_pem)?;
        fs::write(&pem.both, certificate_pem + &key_pem)?;
        Ok(Some(Self {
            certificate: certificate.der().clone(),
            pem,
        }))
    }

    /// What the clients of one proxy have in common: that they believe this certificate, and the tickets.
    pub(crate) fn clients(&self) -> io::Result<Clients> {
        let mut provider = default_provider();
        provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
        provider.kx_groups = vec![kx_group::X25519];
        let mut roots = RootCertStore::empty();
        roots
            .add(self.certificate.clone())
            .map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tickets = Arc::default();
        // A ticket is taken only by whoever verifies as the one did that got it: both are made of one configuration.
        let client = |kind| {
            let mut config = config.clone();
            config.resumption = Resumption::store(Arc::new(Store {
                tickets: Arc::clone(&tickets),
                gives: kind == HandshakeKind::Resumed,
            }));
            Client {
                config: Arc::new(config),
                kind,
            }
        };
        Ok(Clients {
            full: client(HandshakeKind::Full),
            resumed: client(HandshakeKind::Resumed),
        })
    }
}

/// The clients of one proxy.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    full: Client,
    resumed: Client,
}

impl Clients {
    /// Those that shake hands so.
    pub(crate) fn of(&self, handshake: Handshake) -> Client {
        match handshake {
            Handshake::Full => self.full.clone(),
            Handshake::Resumed => self.resumed.clone(),
        }
    }
}

/// What a client offers, and which handshake it has to have.
#[derive(Clone)]
pub(crate) struct Client {
    config: Arc<ClientConfig>,
    kind: HandshakeKind,
}

impl Client {
    /// A session on a socket that may still be connecting.
    pub(crate) fn begin(&self, socket: TcpStream) -> io::Result<Session> {
        let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::clone(&self.config), name);
        Ok(Session {
            socket,
            tls: tls.map_err(io::Error::other)?,
            wanted: Some(self.kind),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(&self.kind).finish()
    }
}

/// TLS on a client's socket.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) socket: TcpStream,
    tls: ClientConnection,
    /// The kind of handshake that it has to be, until it is known that it was.
    wanted: Option<HandshakeKind>,
}

impl Session {
    /// Receives once. What it returns is the content, at least one octet of it, or none at the end of the connection.
    ///
    /// An end without a close_notify is as good as one: answers say how long they are, and none is complete before.
    pub(crate) fn read<'a>(&mut self, scratch: &'a mut [u8]) -> io::Result<&'a [u8]> {
        // More can become plain than was received, by a record that began before: hence not halves.
        let (received, plain) = scratch.split_at_mut(scratch.len() / 3);
        let count = (&self.socket).read(received)?;
        let mut rest = &received[..count];
        let (mut filled, mut is_over) = (0, count == 0);
        while !rest.is_empty() && !is_over {
            self.tls.read_tls(&mut rest)?;
            let state = self.tls.process_new_packets().map_err(io::Error::other)?;
            is_over = state.peer_has_closed();
            let unread = filled..filled + state.plaintext_bytes_to_read();
            filled = unread.end;
            self.tls.reader().read_exact(&mut plain[unread])?;
        }
        self.check_handshake()?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
        match filled {
            0 if !is_over => Err(ErrorKind::WouldBlock.into()),
            filled => Ok(&plain[..filled]),
        }
    }

    /// Takes some of what is to be sent; [`Session::flush`] sends it, as soon as there are keys.
    pub(crate) fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.flush()?;
        match self.tls.writer().write(octets)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut &self.socket)?;
        }
        Ok(())
    }

    pub(crate) fn has_output(&self) -> bool {
        self.tls.wants_write()
    }

    /// A run counts one kind of handshake: another is a failure.
    fn check_handshake(&mut self) -> io::Result<()> {
        if self.tls.is_handshaking() {
            return Ok(());
        }
        match (self.wanted.take(), self.tls.handshake_kind()) {
            (Some(wanted), Some(found)) if found != wanted => Err(io::Error::other(format!(
                "a handshake was {found:?} instead of {wanted:?}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The tickets of one proxy, each for one use. Clients that do not resume get some too, as a browser that comes for the
/// first time does, so that full handshakes cost the proxies what they cost with browsers.
struct Store {
    tickets: Arc<Mutex<VecDeque<Tls13ClientSessionValue>>>,
    gives: bool,
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if tickets.len() == TICKETS_MAX {
            tickets.pop_front();
        }
        tickets.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        if self.gives { tickets.pop_back() } else { None }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("gives", &self.gives)
            .finish_non_exhaustive()
    }
}
