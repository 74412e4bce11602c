use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use osier::net::tls::provider;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::reload::Gateway;
use crate::support::{Scratch, Wire};

/// Who vouches for others.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Shown {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("vouching {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// For a server of these names, until the end of this year.
    pub(crate) fn until(&self, names: &[&str], year: i32) -> Shown {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        self.sign(params)
    }

    /// For a server of these names.
    pub(crate) fn server(&self, names: &[&str]) -> Shown {
        self.until(names, 2099)
    }

    /// For a client that is called so.
    pub(crate) fn client(&self, name: &str, year: i32) -> Shown {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "A, B");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Shown {
        let key = KeyPair::generate().unwrap();
        Shown {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A folder with certificates and keys.
pub(crate) struct Files(Scratch);

impl Files {
    pub(crate) fn new() -> Self {
        let folder = Scratch::new("tls");
        fs::create_dir(folder.path()).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a file there, in one step.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let (path, new) = (self.path(name), self.path("new"));
        fs::write(&new, content).unwrap();
        fs::rename(new, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Puts a certificate and its key there, and gives the table that names them.
    pub(crate) fn pair(&self, name: &str, shown: &Shown) -> String {
        let cert = self.write(&format!("{name}.pem"), &shown.cert);
        let key = self.write(&format!("{name}.key"), &shown.key);
        format!("cert = \"{cert}\", key = \"{key}\"")
    }
}

/// A client that trusts somebody.
#[derive(Clone)]
pub(crate) struct Client(pub(crate) Arc<ClientConfig>);

impl Client {
    pub(crate) fn of(authority: &Authority) -> Self {
        Self::with(authority, None, rustls::ALL_VERSIONS)
    }

    /// One that speaks these versions, and shows this.
    pub(crate) fn with(
        authority: &Authority,
        shown: Option<&Shown>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
        roots.add(trusted).unwrap();
        let builder = ClientConfig::builder_with_provider(provider().clone());
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let cert = CertificateDer::from_pem_slice(shown.cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        Self(Arc::new(config))
    }

    /// The same, changed.
    pub(crate) fn but(&self, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        change(&mut config);
        Self(Arc::new(config))
    }

    pub(crate) fn connect(&self, gateway: &Gateway, name: &str) -> Wire {
        Wire::connect_tls(gateway.osier.address(), self.0.clone(), name)
    }

    /// Why a request comes to nothing.
    pub(crate) fn refused(&self, gateway: &Gateway, name: &str) -> String {
        let mut wire = self.connect(gateway, name);
        let sent = wire.try_send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
        // In TLS 1.3 a client has done its part before it is refused.
        let error = match sent {
            Err(error) => error,
            Ok(()) => wire.receive().unwrap_err(),
        };
        error.to_string()
    }
}
