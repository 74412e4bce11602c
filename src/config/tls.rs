//! `listen.tls` and `listen.redirect`: who osier is to clients that speak TLS, and what it demands of them.

use super::check::Check;
#[cfg(feature = "tls")]
use super::diagnostic::Diagnostic;
#[cfg(feature = "tls")]
use super::model::{ListenTls, TlsPair};
use super::raw::RawListen;
#[cfg(feature = "tls")]
use super::raw::RawListenTls;
#[cfg(feature = "tls")]
use super::table::Written;
#[cfg(feature = "tls")]
use crate::proxy::answer::http_date;

#[cfg(feature = "tls")]
use crate::net::tls::acceptor::Acceptor;
#[cfg(feature = "tls")]
use crate::net::tls::certificate::{Authorities, Flaw, Identity};
#[cfg(feature = "tls")]
use crate::net::tls::wall::Floor;

impl Check<'_> {
    /// The port that all requests are told to come to.
    pub(super) fn https(&self, raw: &RawListen) -> Option<u16> {
        let written = raw.redirect.as_ref()?;
        if let Some(tls) = &raw.tls {
            self.error(
                written.key,
                "`listen.redirect` sends clients to where they are",
                format!("`{}` is spoken here already", tls.name),
            );
        }
        self.parsed(Some(written), |text| {
            let port = match text.strip_prefix("https") {
                Some("") => Some(443),
                Some(port) => port.strip_prefix(':').and_then(|port| port.parse().ok()),
                None => None,
            };
            port.filter(|port| *port > 0)
                .ok_or_else(|| "expected `https`, or `https:8443` for another port".to_owned())
        })
    }
}

#[cfg(not(feature = "tls"))]
impl Check<'_> {
    /// There is none of it.
    pub(super) fn no_tls(&self, raw: &RawListen) {
        if let Some(written) = &raw.tls {
            let message = format!("`{}` cannot be had", written.name);
            self.error(written.key, message, "this osier was built without `tls`");
        }
    }
}

#[cfg(feature = "tls")]
impl Check<'_> {
    pub(super) fn listen_tls(&self, raw: &RawListen) -> Option<ListenTls> {
        let written = raw.tls.as_ref()?;
        let Some((first, others)) = written.value.split_first() else {
            if self.is_empty_list(written.at) {
                self.error(
                    written.at,
                    "`listen.tls` without a certificate",
                    "an empty list",
                );
            }
            return None;
        };
        for other in others {
            let demands = [
                &other.client_ca,
                &other.client_auth,
                &other.min_version,
                &other.clock_floor,
            ];
            for demand in demands.into_iter().flatten() {
                let message = format!("`{}` stands in the first table", demand.name);
                self.found.push(
                    Diagnostic::error(demand.key, message)
                        .label("it holds for the whole listener")
                        .help("what is to be demanded by one name only needs a `[[listen]]` of its own: else a client could ask for one name and get to another"),
                );
            }
        }
        let client_ca = first
            .client_ca
            .as_ref()
            .and_then(|written| self.authorities(written));
        let versions = [("1.2", false), ("1.3", true)];
        let auth = [("require", false), ("optional", true)];
        let floors = [("build", true), ("off", false)];
        if let (None, Some(auth)) = (&first.client_ca, &first.client_auth) {
            self.error(
                auth.key,
                "`client_auth` without `client_ca`",
                "it does not say who vouches for clients",
            );
        }
        let has_clock_floor = self
            .choice(first.clock_floor.as_ref(), &floors)
            .unwrap_or(true);
        let floor = match has_clock_floor {
            true => Floor::default(),
            false => Floor::None,
        };
        let mut pairs = Vec::new();
        for raw in &written.value {
            pairs.extend(match &raw.acme {
                Some(acme) => self.acme(raw, acme),
                // What it is was said.
                None if raw.has_acme => None,
                None => self.pair(raw, floor),
            });
        }
        if pairs.len() < written.value.len() {
            return None;
        }
        let tls = ListenTls {
            pairs,
            client_ca,
            is_client_optional: self
                .choice(first.client_auth.as_ref(), &auth)
                .unwrap_or(false),
            is_only_13: self
                .choice(first.min_version.as_ref(), &versions)
                .unwrap_or(false),
            has_clock_floor,
        };
        if let Err(error) = Acceptor::new(tls.terms(), None) {
            self.error(written.key, "this makes no TLS", error.to_string());
        }
        Some(tls)
    }

    /// A certificate and its key, out of their files.
    fn pair(&self, raw: &RawListenTls, floor: Floor) -> Option<TlsPair> {
        for (key, has_it) in [("cert", raw.has_cert), ("key", raw.has_key)] {
            if !has_it {
                self.found.push(
                    Diagnostic::error(raw.at, format!("`listen.tls` without `{key}`"))
                        .label(format!("add `{key} = \"/….pem\"`")),
                );
            }
        }
        let (cert, key) = (raw.cert.as_ref()?, raw.key.as_ref()?);
        let chain = self.content(cert);
        let private = if key.value == cert.value {
            chain.clone()
        } else {
            self.content(key)
        };
        let (chain, private) = (chain?, private?);
        let identity = match Identity::from_pem(&chain, &private) {
            Ok(identity) => identity,
            Err(flaw) => {
                self.flawed(if flaw.is_of_key() { key } else { cert }, &flaw);
                return None;
            }
        };
        let (now, facts) = (floor.now(), identity.facts());
        if facts.until <= now || facts.from > now {
            let (what, label) = match facts.until <= now {
                true => ("has expired", format!("on {}", http_date(facts.until))),
                false => (
                    "is not valid yet",
                    format!("until {}", http_date(facts.from)),
                ),
            };
            let message = format!("the certificate in `{}` {what}", cert.value);
            self.found.push(
                Diagnostic::warning(cert.at, message)
                    .label(label)
                    .help("clients that verify it will not come in"),
            );
        }
        Some(TlsPair {
            cert: cert.value.as_str().into(),
            key: key.value.as_str().into(),
            identity: Some(identity),
            #[cfg(feature = "acme")]
            acme: None,
        })
    }

    /// There is none of it.
    #[cfg(not(feature = "acme"))]
    fn acme(&self, _raw: &RawListenTls, written: &Written<super::raw::RawAcme>) -> Option<TlsPair> {
        let message = format!("`{}` cannot be had", written.name);
        self.found.push(
            Diagnostic::error(written.key, message)
                .label("this osier was built without `acme`")
                .help("`cargo build --release --features acme` builds one with it; or name the files: `cert` and `key`"),
        );
        None
    }

    /// Those who vouch for others, out of the file of this name.
    pub(super) fn authorities(
        &self,
        written: &Written<String>,
    ) -> Option<(std::path::PathBuf, Authorities)> {
        let content = self.content(written)?;
        match Authorities::from_pem(&content) {
            Ok(authorities) => Some((written.value.as_str().into(), authorities)),
            Err(flaw) => {
                self.flawed(written, &flaw);
                None
            }
        }
    }

    /// What is in the file of this name.
    pub(super) fn content(&self, written: &Written<String>) -> Option<Vec<u8>> {
        match (self.around.file)(written.value.as_ref()) {
            Ok(content) => Some(content),
            Err(error) => {
                let message = format!("cannot read `{}`", written.value);
                self.error(written.at, message, error.to_string());
                None
            }
        }
    }

    pub(super) fn flawed(&self, written: &Written<String>, flaw: &Flaw) {
        let said = Diagnostic::error(written.at, format!("`{}`: {flaw}", written.value));
        self.found.push(match flaw {
            Flaw::Encrypted => said.help(
                "osier starts without anybody to ask for a password; take it off with `openssl pkey -in KEY -out NEW`, and let only root read the file",
            ),
            Flaw::Mismatch => said.help("is it the key of another certificate? the first certificate in `cert` is the server's own, those that vouch for it stand below"),
            _ => said,
        });
    }
}
