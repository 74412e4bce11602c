//! `listen.tls.acme`: a certificate that an authority is asked for, in place of files.

use std::io;
use std::path::PathBuf;

use super::check::Check;
use super::diagnostic::Diagnostic;
use super::model::{Acme, TlsPair};
use super::raw::{RawAcme, RawListenTls};
use super::table::Written;
use super::value;
use crate::net::tls::acme::{Proof, order::Wanted};
use crate::net::tls::certificate::Identity;
use crate::net::tls::origin::{Client, Terms};
use crate::net::tls::version::Version;

/// Let's Encrypt's.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// More names than this no authority puts into one certificate.
const NAMES_MAX: usize = 100;

impl Check<'_> {
    /// What is asked for, with what came of it before.
    pub(super) fn acme(&self, raw: &RawListenTls, written: &Written<RawAcme>) -> Option<TlsPair> {
        for file in [&raw.cert, &raw.key].into_iter().flatten() {
            let message = format!("`{}` beside `{}`", file.name, written.name);
            self.error(file.key, message, "take one of the two out");
        }
        let acme = &written.value;
        let names = self.names(acme);
        let directory = self.parsed(acme.directory.as_ref(), directory);
        let directory = match &acme.directory {
            None => Some(DIRECTORY.to_owned()),
            Some(_) => directory,
        };
        let contact = self.contact(acme);
        let proof = self.choice(acme.challenge.as_ref(), &Proof::ALL);
        let proof = proof.unwrap_or_default();
        if let (Proof::Http01, false, Some(written)) = (proof, self.has_plain, &acme.challenge) {
            self.found.push(
                Diagnostic::error(written.at, "`http-01` without a `[[listen]]` for plain HTTP")
                    .label("the authority asks at port 80, in the clear")
                    .help("add `[[listen]]` with `addr = \":80\"`, and `redirect = \"https\"` if that is all it is for; or take `tls-alpn-01`"),
            );
        }
        if !acme.has_cache {
            self.found.push(
                Diagnostic::error(acme.at, format!("`{}` without `cache`", written.name))
                    .label("add `cache = \"/var/lib/osier/acme\"`")
                    .help("a folder that is kept: without it each start would ask for another certificate, and authorities give few"),
            );
        }
        let cache = self.parsed(acme.cache.as_ref(), |path| match path.is_empty() {
            true => Err("expected the path of a folder".to_owned()),
            false => Ok(PathBuf::from(path)),
        });
        let client = self.directory_client(acme, written)?;
        let acme = Acme {
            wanted: Wanted {
                names: names?,
                directory: directory?,
                contact: contact?,
                proof,
                client,
            },
            cache: cache?,
            ca: acme.ca.as_ref().map(|ca| PathBuf::from(&ca.value)),
        };
        let path = acme.certificate();
        Some(TlsPair {
            identity: self.kept(&path, written),
            cert: path.clone(),
            key: path,
            acme: Some(acme),
        })
    }

    /// What was got before. That there is nothing, or nothing good, only means that it is asked for.
    fn kept(&self, path: &std::path::Path, written: &Written<RawAcme>) -> Option<Identity> {
        let read = match (self.around.file)(path) {
            Ok(content) => Identity::from_pem(&content, &content).map_err(|flaw| flaw.to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => Err(error.to_string()),
        };
        read.map_err(|why| {
            let message = format!("what is kept in `{}` cannot be used", path.display());
            let warning = Diagnostic::warning(written.key, message).label(why);
            self.found
                .push(warning.help("another certificate is asked for in its place"));
        })
        .ok()
    }

    /// The names, in lower case, each once.
    fn names(&self, raw: &RawAcme) -> Option<Vec<String>> {
        let Some(written) = &raw.names else {
            if !raw.has_names {
                let message = "`listen.tls.acme` without `names`";
                self.error(raw.at, message, "add `names = [\"www.example.com\"]`");
            }
            return None;
        };
        if self.is_empty_list(written.at) || written.value.len() > NAMES_MAX {
            let label = format!("expected 1 to {NAMES_MAX} names");
            let message = format!("`{}` has {} names", written.name, written.value.len());
            self.error(written.at, message, label);
            return None;
        }
        let mut names: Vec<String> = Vec::new();
        let mut is_good = true;
        for text in &written.value {
            match self.parsed(Some(text), name) {
                Some(name) if names.contains(&name) => {
                    is_good = false;
                    self.error(text.at, format!("`{name}` is there twice"), "take it out");
                }
                Some(name) => names.push(name),
                None => is_good = false,
            }
        }
        (is_good && !names.is_empty()).then_some(names)
    }

    fn contact(&self, raw: &RawAcme) -> Option<Vec<String>> {
        let Some(written) = &raw.contact else {
            return Some(Vec::new());
        };
        let each = written.value.iter();
        let read: Vec<_> = each
            .filter_map(|it| self.parsed(Some(it), contact))
            .collect();
        (read.len() == written.value.len()).then_some(read)
    }

    /// How the directory is believed to be the authority's.
    fn directory_client(&self, raw: &RawAcme, written: &Written<RawAcme>) -> Option<Client> {
        let roots = match &raw.ca {
            Some(ca) => self.authorities(ca)?.1,
            None => self.system_roots(written.key, "the directory")?.authorities,
        };
        let client = Client::new(Terms {
            roots: Some(roots),
            identity: None,
            min_version: Version::default(),
        });
        client
            .map_err(|error| self.error(written.key, "TLS cannot be had", error.to_string()))
            .ok()
    }
}

/// A DNS name in lower case, as it stands in a certificate that this can be asked for.
fn name(text: &str) -> Result<String, String> {
    if text.contains('*') {
        return Err(
            "authorities want `dns-01` for a wildcard, which osier does not speak".to_owned(),
        );
    }
    if text.parse::<std::net::IpAddr>().is_ok() {
        return Err("expected a name, not an address".to_owned());
    }
    if !text.is_ascii() {
        return Err("expected the form that DNS has it in: `xn--…`".to_owned());
    }
    let has_no_dot_behind = !text.ends_with('.');
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(plain) && (1..=63).contains(&label.len());
        is_plain && !label.starts_with('-') && !label.ends_with('-')
    };
    match has_no_dot_behind && text.len() <= 253 && text.split('.').all(is_label) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("expected a name such as `www.example.com`".to_owned()),
    }
}

fn directory(text: &str) -> Result<String, String> {
    let shape = || "expected a URL such as `https://acme.example/directory`".to_owned();
    let origin = value::origin(text).map_err(|_| shape())?;
    match origin.scheme {
        Some(value::Scheme::Https) if origin.authority.starts_with('[') => {
            Err("expected a name, or an IPv4 address".to_owned())
        }
        Some(value::Scheme::Https) => Ok(text.to_owned()),
        _ => Err(shape()),
    }
}

fn contact(text: &str) -> Result<String, String> {
    let address = text.strip_prefix("mailto:");
    let is_address = address
        .and_then(|it| it.split_once('@'))
        .is_some_and(|(who, at)| {
            !who.is_empty()
                && name(at).is_ok()
                && text.bytes().all(|octet| octet.is_ascii_graphic())
        });
    // RFC 8555 §7.3: one address, and nothing behind it.
    match is_address && !text.contains([',', '?']) {
        true => Ok(text.to_owned()),
        false => Err("expected `mailto:admin@example.com`".to_owned()),
    }
}
