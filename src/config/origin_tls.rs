//! How upstreams are spoken to by TLS: which ones, and what is demanded of them.

#[cfg(feature = "tls")]
use std::path::PathBuf;

use super::check::Check;
use super::diagnostic::{Diagnostic, Span};
use super::model::{Endpoint, OriginTls};
use super::raw::{RawOriginTls, RawUpstream};
use super::table::Written;
use super::value::{Origin, Scheme};
#[cfg(feature = "tls")]
use crate::net::address::host_of;
#[cfg(feature = "tls")]
use crate::net::tls::{
    certificate::{Flaw, Identity},
    origin::{Client, Terms},
    roots::{Machine, Roots},
    version::Version,
};

/// Whether the endpoints of one upstream are spoken to by TLS: all of them, or none.
///
/// One that is not would be where a request goes in the clear that was to be secret, by a retry and seen by nobody.
pub(super) struct Speech<'a> {
    /// `tls` was written.
    section: Option<&'a Written<RawOriginTls>>,
    /// What the first endpoint is spoken to by.
    first: Option<bool>,
}

impl<'a> Speech<'a> {
    pub(super) fn new(section: &'a RawUpstream) -> Self {
        Self {
            section: section.tls.as_ref(),
            first: None,
        }
    }

    /// Whether this endpoint, which was written so, is spoken to by TLS.
    pub(super) fn is_tls(
        &mut self,
        check: &Check<'_>,
        to: &Written<String>,
        origin: &Origin,
    ) -> bool {
        if self.section.is_some() {
            if origin.scheme == Some(Scheme::Http) {
                let message = format!("`{}` in an upstream with `tls`", to.value);
                check.error(to.at, message, "write `https://`, or take `tls` out");
            }
            return true;
        }
        let is_tls = origin.scheme == Some(Scheme::Https);
        if *self.first.get_or_insert(is_tls) != is_tls {
            let label = match is_tls {
                true => "this one is spoken to by TLS",
                false => "this one is not",
            };
            check.found.push(
                Diagnostic::error(to.at, "an upstream with and without TLS")
                    .label(label)
                    .help("write `https://` in front of all of them, or make two upstreams"),
            );
        }
        is_tls
    }
}

impl Check<'_> {
    /// How these endpoints are spoken to by TLS, with what `tls` says or with what `https://` alone does. `at`: where
    /// that is.
    pub(super) fn tls_of(
        &self,
        section: Option<&Written<RawOriginTls>>,
        at: Span,
        endpoints: &[Endpoint],
    ) -> Option<OriginTls> {
        let tls = self.origin_tls(section, at)?;
        let has_name = section.is_some_and(|section| section.value.sni.is_some());
        let nameless = endpoints.iter().find(|it| !tls.knows(it));
        if let (Some(endpoint), false) = (nameless, has_name || tls.insecure) {
            let message = format!("nobody says whose certificate `{endpoint}` shows");
            self.error(at, message, "add `sni = \"NAME\"` to the upstream's `tls`");
        }
        Some(tls)
    }

    fn origin_tls(&self, written: Option<&Written<RawOriginTls>>, at: Span) -> Option<OriginTls> {
        if cfg!(not(feature = "tls")) {
            let message = "TLS to origins cannot be had";
            self.error(at, message, "this osier was built without `tls`");
            return None;
        }
        let raw = written.map(|written| &written.value);
        let identity = raw.and_then(|raw| match (&raw.cert, &raw.key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (Some(cert), None) => {
                self.error(
                    cert.key,
                    "a certificate without its key",
                    "add `key = \"…\"`",
                );
                None
            }
            (None, Some(key)) => {
                self.error(
                    key.key,
                    "a key without its certificate",
                    "add `cert = \"…\"`",
                );
                None
            }
            (None, None) => None,
        });
        let insecure = raw.and_then(|raw| raw.insecure.as_ref());
        let insecure = insecure.filter(|insecure| insecure.value);
        if let Some(insecure) = insecure {
            let message = format!("`{}`: whoever answers is believed", insecure.name);
            self.found.push(
                Diagnostic::warning(insecure.key, message)
                    .label("no certificate is verified")
                    .help("`ca = \"FILE\"` believes one authority, or one certificate that is its own"),
            );
            if let Some(ca) = raw.and_then(|raw| raw.ca.as_ref()) {
                let message = "`ca` does nothing with `insecure`";
                self.error(ca.key, message, "take one of the two out");
            }
        }
        self.made(raw, insecure.is_some(), identity, at)
    }
}

impl OriginTls {
    /// There is a name for this endpoint that a certificate can be for.
    #[cfg(feature = "tls")]
    fn knows(&self, endpoint: &Endpoint) -> bool {
        let name = host_of(&endpoint.authority).unwrap_or_default();
        // What a service's records say is not signed by anybody.
        !endpoint.is_service && self.client.toward(name).is_ok()
    }

    #[cfg(not(feature = "tls"))]
    fn knows(&self, _endpoint: &Endpoint) -> bool {
        true
    }
}

#[cfg(not(feature = "tls"))]
impl Check<'_> {
    #[expect(clippy::unused_self, reason = "as where there is TLS")]
    fn made(
        &self,
        _raw: Option<&RawOriginTls>,
        _insecure: bool,
        _identity: Option<(&Written<String>, &Written<String>)>,
        _at: Span,
    ) -> Option<OriginTls> {
        None
    }
}

#[cfg(feature = "tls")]
impl Check<'_> {
    /// Reads the files, and makes our side of it.
    fn made(
        &self,
        raw: Option<&RawOriginTls>,
        insecure: bool,
        identity: Option<(&Written<String>, &Written<String>)>,
        at: Span,
    ) -> Option<OriginTls> {
        let versions = &Version::ALL;
        let min_version = raw.and_then(|raw| self.choice(raw.min_version.as_ref(), versions));
        let min_version = min_version.unwrap_or_default();
        let ca = raw.and_then(|raw| raw.ca.as_ref());
        let (roots, mut files) = match ca {
            _ if insecure => (None, Vec::new()),
            Some(ca) => {
                let (path, authorities) = self.authorities(ca)?;
                (Some(authorities), vec![path])
            }
            None => {
                let Roots { authorities, files } = self.system_roots(at, "origins")?;
                (Some(authorities), files)
            }
        };
        let shown = match identity {
            Some((cert, key)) => Some(self.identity_in(cert, key)?),
            None => None,
        };
        let client = Client::new(Terms {
            roots,
            identity: shown,
            min_version,
        });
        let client = client
            .map_err(|error| self.error(at, "TLS cannot be had", error.to_string()))
            .ok()?;
        let sni = raw.and_then(|raw| raw.sni.as_ref());
        let sni = self.parsed(sni, |name| match client.toward(name) {
            Ok(_) => Ok(name.to_ascii_lowercase()),
            Err(error) => Err(error.to_string()),
        });
        let identity = identity.map(|(cert, key)| (path(cert), path(key)));
        files.extend(identity.iter().flat_map(|(cert, key)| [cert, key]).cloned());
        Some(OriginTls {
            sni,
            ca: ca.map(path),
            identity,
            insecure,
            min_version,
            files,
            client,
        })
    }

    fn identity_in(&self, cert: &Written<String>, key: &Written<String>) -> Option<Identity> {
        let (chain, private) = (self.content(cert), self.content(key));
        let read = Identity::from_pem(&chain?, &private?);
        let at = |flaw: &Flaw| if flaw.is_of_key() { key } else { cert };
        read.map_err(|flaw| self.flawed(at(&flaw), &flaw)).ok()
    }

    /// The authorities that the system believes when they say who these are.
    pub(super) fn system_roots(&self, at: Span, whom: &str) -> Option<Roots> {
        let found = self.system_roots.get_or_init(|| {
            Roots::find(&Machine {
                environment: self.around.environment,
                file: self.around.file,
                folder: self.around.folder,
            })
        });
        found
            .clone()
            .map_err(|why| {
                let message = format!("no certificates of authorities to verify {whom} with");
                let help = "install `ca-certificates`, or name a file: `tls = { ca = \"/….pem\" }`";
                let error = Diagnostic::error(at, message).label(why);
                self.found.push(error.help(help));
            })
            .ok()
    }
}

#[cfg(feature = "tls")]
fn path(written: &Written<String>) -> PathBuf {
    PathBuf::from(&written.value)
}
