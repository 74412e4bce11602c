//! TLS toward origins: who they have to be, and who we are to them.
//!
//! A [`Client`] is made once for an upstream and shared by all workers, and with it what it takes to resume a session: a
//! new connection to an origin that was met before needs neither certificates nor signatures.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    SupportedProtocolVersion, version,
};

use super::certificate::{Authorities, Identity};
use super::name::validity;
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
    terms: Terms,
}

/// What a [`Client`] is made by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who says who origins are; `None`: nobody is asked, and whoever answers is believed.
    pub roots: Option<Authorities>,
    /// What shows the origin who we are.
    pub identity: Option<Identity>,
    /// No older version is spoken.
    pub min_version: Version,
}

impl Client {
    /// # Errors
    /// What rustls says: it cannot work with this.
    pub fn new(terms: Terms) -> Result<Self, rustls::Error> {
        let versions: &[&SupportedProtocolVersion] = match terms.min_version {
            Version::Tls12 => &[&version::TLS12, &version::TLS13],
            Version::Tls13 => &[&version::TLS13],
        };
        let provider = provider();
        let builder =
            ClientConfig::builder_with_details(provider.clone(), Arc::new(Floor::default()));
        let builder = builder.with_protocol_versions(versions)?;
        let verifier: Arc<dyn ServerCertVerifier> = match &terms.roots {
            Some(roots) => Arc::new(Believing::new(roots)?),
            None => Arc::new(Anybody(provider.clone())),
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &terms.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let shown = SingleCertAndKey::from(identity.certified().clone());
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self(Arc::new(Inner {
            config: Arc::new(config),
            terms,
        })))
    }

    /// By which terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// As rustls takes it.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.0.config
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

/// Two are equal that were made by the same terms.
impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.terms == other.0.terms
    }
}

impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("terms", &self.0.terms)
            .finish_non_exhaustive()
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

/// Believes what authorities say; and of a certificate that is among them itself, that it is its owner's. Many are made
/// so, signed by themselves and marked as an authority's, and what verifies chains takes none of those for an origin's.
#[derive(Debug)]
struct Believing {
    chains: Arc<WebPkiServerVerifier>,
    own: Vec<CertificateDer<'static>>,
}

impl Believing {
    fn new(roots: &Authorities) -> Result<Self, rustls::Error> {
        let chains =
            WebPkiServerVerifier::builder_with_provider(roots.roots().clone(), provider().clone());
        let chains = chains.build();
        Ok(Self {
            chains: chains.map_err(|error| rustls::Error::General(error.to_string()))?,
            own: roots.certificates(),
        })
    }
}

impl ServerCertVerifier for Believing {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.own.contains(end_entity) {
            let chains = &self.chains;
            return chains.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
        }
        let bad = |why| Err(rustls::Error::InvalidCertificate(why));
        match validity(end_entity) {
            None => return bad(CertificateError::BadEncoding),
            Some((from, _)) if now.as_secs() < from => return bad(CertificateError::NotValidYet),
            Some((_, until)) if now.as_secs() > until => return bad(CertificateError::Expired),
            Some(_) => {}
        }
        let read = ParsedCertificate::try_from(end_entity)?;
        verify_server_name(&read, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chains.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
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
