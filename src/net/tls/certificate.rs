//! Certificates and keys out of PEM files (RFC 7468), and what is wrong with them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};
use webpki::EndEntityCert;

use super::{name, provider};

/// A chain of certificates with the key of the first: who we are.
#[derive(Clone)]
pub struct Identity {
    key: Arc<CertifiedKey>,
    facts: Facts,
    /// The PEM it was made of: two are equal that were made of the same.
    source: Arc<(Vec<u8>, Vec<u8>)>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The DNS names it is for, in lower case; a wildcard as `*.example.com`.
    pub names: Vec<String>,
    /// Whom it names, as RFC 4514 writes it; may be empty.
    pub subject: String,
    /// When it begins to be valid.
    pub from: SystemTime,
    /// When it ends.
    pub until: SystemTime,
}

impl Facts {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, Flaw> {
        let read = EndEntityCert::try_from(certificate);
        let read = read.map_err(|error| Flaw::Certificate(error.to_string()))?;
        let (from, until) = name::validity(certificate)
            .ok_or_else(|| Flaw::Certificate("it does not say how long it is valid".to_owned()))?;
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        Ok(Self {
            names: read
                .valid_dns_names()
                .map(str::to_ascii_lowercase)
                .collect(),
            subject: name::subject(read.subject()).unwrap_or_default(),
            from: at(from),
            until: at(until),
        })
    }
}

/// Whom a certificate that was verified names, as RFC 4514 writes it.
#[must_use]
pub fn subject_of(certificate: &CertificateDer<'_>) -> Option<String> {
    let read = EndEntityCert::try_from(certificate).ok()?;
    name::subject(read.subject())
}

impl Identity {
    /// Makes it of a file with the chain, its own certificate first, and one with the key, which may be the same file.
    ///
    /// # Errors
    /// What is wrong with either, or that they do not belong together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Flaw> {
        let certificates = certificates(chain)?;
        let facts = certificates
            .first()
            .map(Facts::of)
            .ok_or(Flaw::NoCertificate)??;
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound if contains(key, b"BEGIN ENCRYPTED PRIVATE KEY") => {
                Flaw::Encrypted
            }
            pem::Error::NoItemsFound => Flaw::NoKey,
            error => Flaw::Key(error.to_string()),
        });
        // The old form of an encrypted key has the label of one that is not.
        let private = match private {
            _ if contains(key, b"Proc-Type: 4,ENCRYPTED") => return Err(Flaw::Encrypted),
            private => private?,
        };
        let certified = CertifiedKey::from_der(certificates, private, provider());
        let certified = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => Flaw::Mismatch,
            error => Flaw::Key(error.to_string()),
        })?;
        Ok(Self {
            key: Arc::new(certified),
            facts,
            source: Arc::new((chain.to_vec(), key.to_vec())),
        })
    }

    /// What rustls shows and signs with.
    #[must_use]
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// What its own certificate says.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    /// Never the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// Certificates that are trusted to vouch for others.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    /// The PEM they were made of, or what tells it from any other.
    source: Arc<Vec<u8>>,
}

impl Authorities {
    /// Makes them of a file of certificates.
    ///
    /// # Errors
    /// There is none in it, or one that cannot be read.
    pub fn from_pem(octets: &[u8]) -> Result<Self, Flaw> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(octets)? {
            let added = roots.add(certificate);
            added.map_err(|error| Flaw::Certificate(error.to_string()))?;
        }
        Ok(Self {
            roots: Arc::new(roots),
            source: Arc::new(octets.to_vec()),
        })
    }

    /// Makes them of many files, such as a system keeps: what cannot be read is passed over.
    ///
    /// # Errors
    /// There is none in all of them.
    pub fn from_any(files: &[Vec<u8>]) -> Result<Self, Flaw> {
        let mut roots = RootCertStore::empty();
        for file in files {
            let read = CertificateDer::pem_slice_iter(file).filter_map(Result::ok);
            roots.add_parsable_certificates(read);
        }
        match roots.is_empty() {
            true => Err(Flaw::NoCertificate),
            false => Ok(Self {
                roots: Arc::new(roots),
                // Systems have hundreds of them: what tells them from others is enough.
                source: Arc::new(digest(files)),
            }),
        }
    }

    /// They themselves, where they are from one file.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.source).unwrap_or_default()
    }

    /// As rustls takes them.
    #[must_use]
    pub fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }
}

impl fmt::Debug for Authorities {
    /// How many they are, and what tells them from others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({}, ", self.roots.len())?;
        for octet in digest(std::slice::from_ref(&*self.source)) {
            write!(f, "{octet:02x}")?;
        }
        f.write_str(")")
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Authorities {}

/// All certificates of a PEM file, in its order; at least one.
fn certificates(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let certificates = CertificateDer::pem_slice_iter(octets).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| Flaw::Certificate(error.to_string()))?;
    match certificates.is_empty() {
        true => Err(Flaw::NoCertificate),
        false => Ok(certificates),
    }
}

fn digest(files: &[Vec<u8>]) -> Vec<u8> {
    let mut sha1 = sha1_smol::Sha1::new();
    for file in files {
        // The length first: what is in one file cannot pass for what is in two.
        sha1.update(&(file.len() as u64).to_be_bytes());
        sha1.update(file);
    }
    sha1.digest().bytes().to_vec()
}

fn contains(octets: &[u8], what: &[u8]) -> bool {
    octets.windows(what.len()).any(|window| window == what)
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// No certificate is in it.
    NoCertificate,
    /// A certificate cannot be read: why.
    Certificate(String),
    /// No private key is in it.
    NoKey,
    /// The key is encrypted.
    Encrypted,
    /// The key cannot be read, or is of a kind that is not taken: why.
    Key(String),
    /// The key is not the certificate's.
    Mismatch,
}

impl Flaw {
    /// It is the file with the key that it is about.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        !matches!(self, Self::NoCertificate | Self::Certificate(_))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate in PEM in it"),
            Self::Certificate(why) => write!(f, "a certificate in it cannot be used: {why}"),
            Self::NoKey => f.write_str("there is no private key in PEM in it"),
            Self::Encrypted => f.write_str("the private key is encrypted"),
            Self::Key(why) => write!(f, "the private key cannot be used: {why}"),
            Self::Mismatch => f.write_str("the private key is not that of the certificate"),
        }
    }
}

impl std::error::Error for Flaw {}
