//! TLS toward origins: who they have to be, and who we are to them.
//!
//! A [`Client`] is made once for an upstream and shared by all workers, and with it what it takes to resume a session: a
//! new connection to an origin that was met before needs neither certificates nor signatures.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion, version,
};

use super::certificate::{Authorities, Identity};
use super::provider;
use super::version::Version;
use super::wall::Floor;

/// What is spoken inside (RFC 7301): nothing else could be.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Our side of TLS connections to the endpoints of one upstream. Cloned, it is the same.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    config: Arc<ClientConfig>,
    /// Of all that it was made from.
    digest: [u8; 20],
}

/// What a [`Client`] is made from.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Who says who origins are; `None`: nobody is asked, and whoever answers is believed.
    pub roots: Option<&'a Authorities>,
    /// What shows the origin who we are.
    pub identity: Option<&'a Identity>,
    /// No older version is spoken.
    pub min_version: Version,
}

impl Client {
    /// # Errors
    /// What rustls says: it cannot work with this.
    pub fn new(settings: &Settings<'_>) -> Result<Self, rustls::Error> {
        let versions: &[&SupportedProtocolVersion] = match settings.min_version {
            Version::Tls12 => &[&version::TLS12, &version::TLS13],
            Version::Tls13 => &[&version::TLS13],
        };
        let provider = provider();
        let builder =
            ClientConfig::builder_with_details(provider.clone(), Arc::new(Floor::default()));
        let builder = builder.with_protocol_versions(versions)?;
        let verifier: Arc<dyn ServerCertVerifier> = match settings.roots {
            Some(roots) => {
                let roots = roots.roots().clone();
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone());
                let built = verifier.build();
                built.map_err(|error| rustls::Error::General(error.to_string()))?
            }
            None => Arc::new(Anybody(provider.clone())),
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let shown = SingleCertAndKey::from(identity.certified().clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config),
            digest: digest(settings),
        })))
    }

    /// For connections to whoever shows a certificate for `name`, a host name or an IP address.
    ///
    /// # Errors
    /// It is neither.
    pub fn toward(&self, name: &str) -> Result<Toward, NoServerName> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| NoServerName)?;
        Ok(Toward {
            client: self.clone(),
            name,
        })
    }
}

/// What is neither a host name nor an IP address cannot be in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoServerName;

impl fmt::Display for NoServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a host name or an IP address, as the certificate has it")
    }
}

impl std::error::Error for NoServerName {}

/// Two are equal that were made from the same.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest == other.0.digest
    }
}

impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(")?;
        for octet in self.0.digest {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(")")
    }
}

/// How one endpoint is spoken to by TLS.
#[derive(Debug, Clone)]
pub struct Toward {
    client: Client,
    /// Whose certificate it has to show, and what it is told as SNI if that is no address.
    name: ServerName<'static>,
}

impl Toward {
    /// What a connection begins with.
    #[must_use]
    pub fn parts(&self) -> (Arc<ClientConfig>, ServerName<'static>) {
        (self.client.0.config.clone(), self.name.clone())
    }

    /// Our side, shared with the other endpoints of the upstream.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// A connection made for one can be used for the other.
impl PartialEq for Toward {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client && self.name == other.name
    }
}

impl Eq for Toward {}

/// Tells what a client was made from apart from everything else.
fn digest(settings: &Settings<'_>) -> [u8; 20] {
    let mut sha1 = sha1_smol::Sha1::new();
    let mut piece = |octets: &[u8]| {
        // The length first: what is in one piece cannot pass for what is in two.
        sha1.update(&(octets.len() as u64).to_be_bytes());
        sha1.update(octets);
    };
    piece(settings.min_version.as_str().as_bytes());
    match settings.roots {
        None => piece(b"anybody"),
        Some(roots) => piece(roots.source()),
    }
    for octets in settings.identity.iter().flat_map(|it| it.source()) {
        piece(octets);
    }
    sha1.digest().bytes()
}

/// Believes every certificate. That the origin has its key is still verified: what is no good is not said to be.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.0.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
