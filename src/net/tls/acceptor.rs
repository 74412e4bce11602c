//! What a listener shows to clients, and what it demands of them.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::Ticketer;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, ServerConfig, ServerSessionMemoryCache,
    StoresServerSessions, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};

#[cfg(feature = "acme")]
use super::acme::challenge::{Challenges, Peek};
use super::certificate::{Authorities, Identity};
use super::provider;
use super::wall::Floor;

/// The one protocol there is here (RFC 7301): a client that wants others only is told so, instead of being spoken to in
/// a language that it does not know.
const ALPN: &[u8] = b"http/1.1";
/// How many sessions are remembered of clients that take no tickets (TLS 1.2): about a kilooctet each.
const SESSIONS_MAX: usize = 4096;

/// What a listener shows and demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Who it is; the first one to a client that names none of them. Empty only where all are awaited.
    pub identities: Vec<Identity>,
    /// Names that there is no certificate for yet: who asks for one of them is refused.
    #[cfg(feature = "acme")]
    pub awaited: Vec<String>,
    /// Authorities come by here to see that a name is ours.
    #[cfg(feature = "acme")]
    pub is_looked_at: bool,
    /// Who vouches for clients; `None`: they are not asked for a certificate.
    pub clients: Option<Authorities>,
    /// A client without a certificate is let in too.
    pub clients_may_be_nobody: bool,
    /// TLS 1.2 is not spoken.
    pub only_tls13: bool,
    /// How early it can be.
    pub floor: Floor,
}

impl Terms {
    /// What a session that is resumed was let in by is the same.
    fn lets_in_the_same(&self, other: &Self) -> bool {
        self.clients == other.clients
            && self.clients_may_be_nobody == other.clients_may_be_nobody
            && self.only_tls13 == other.only_tls13
            && self.floor == other.floor
    }
}

/// Accepts TLS for one listener. All workers share it.
pub struct Acceptor {
    terms: Terms,
    config: Arc<ServerConfig>,
    /// What authorities are shown.
    #[cfg(feature = "acme")]
    challenges: Option<Challenges>,
}

impl Acceptor {
    /// An acceptor by these terms. Sessions that `before` began are resumed, unless what they were let in by has
    /// changed.
    ///
    /// # Errors
    /// What rustls says: of authorities that vouch for nothing, or for want of random octets.
    pub fn new(terms: Terms, before: Option<&Self>) -> Result<Self, rustls::Error> {
        let versions: &[_] = match terms.only_tls13 {
            true => &[&TLS13],
            false => &[&TLS13, &TLS12],
        };
        let builder = ServerConfig::builder_with_details(provider().clone(), Arc::new(terms.floor));
        let builder = builder.with_protocol_versions(versions)?;
        let builder = match &terms.clients {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots: Arc<RootCertStore> = authorities.roots().clone();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, provider().clone());
                let verifier = match terms.clients_may_be_nobody {
                    true => verifier.allow_unauthenticated(),
                    false => verifier,
                };
                let verifier = verifier.build();
                let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()));
                builder.with_client_cert_verifier(verifier?)
            }
        };
        let by_name = ByName {
            identities: terms.identities.clone(),
            #[cfg(feature = "acme")]
            awaited: terms.awaited.clone(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(by_name));
        config.alpn_protocols = vec![ALPN.to_vec()];
        let kept = before.filter(|before| before.terms.lets_in_the_same(&terms));
        let (ticketer, sessions): (Arc<dyn ProducesTickets>, Arc<dyn StoresServerSessions>) =
            match kept {
                Some(before) => {
                    let before = &before.config;
                    (before.ticketer.clone(), before.session_storage.clone())
                }
                // Its keys are changed every few hours, and the one before is taken as long again.
                None => (
                    Ticketer::new()?,
                    ServerSessionMemoryCache::new(SESSIONS_MAX),
                ),
            };
        config.ticketer = ticketer;
        config.session_storage = sessions;
        Ok(Self {
            terms,
            config: Arc::new(config),
            #[cfg(feature = "acme")]
            challenges: None,
        })
    }

    /// Shows these to authorities, if they come by here.
    #[cfg(feature = "acme")]
    #[must_use]
    pub fn showing(mut self, challenges: &Challenges) -> Self {
        self.challenges = self.terms.is_looked_at.then(|| challenges.clone());
        self
    }

    /// Looks whether a client is an authority, where one is expected.
    #[cfg(feature = "acme")]
    #[must_use]
    pub fn peek(&self) -> Option<Peek> {
        self.challenges.as_ref()?.peek()
    }

    /// By which terms.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// As rustls takes it.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}

/// Chooses an identity by the name that the client asks for, and by what it can verify.
#[derive(Debug)]
struct ByName {
    identities: Vec<Identity>,
    #[cfg(feature = "acme")]
    awaited: Vec<String>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        #[cfg(feature = "acme")]
        if name.is_some_and(|name| self.is_awaited(name)) {
            return None;
        }
        let can_verify = |identity: &&Identity| {
            let key = &identity.certified().key;
            key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let found = of_name(&self.identities, name).find(can_verify);
        // Where it can verify none, rustls says so.
        let found = found.or_else(|| of_name(&self.identities, name).next());
        found.map(|identity| identity.certified().clone())
    }
}

#[cfg(feature = "acme")]
impl ByName {
    /// There will be a certificate for `name`, and there is no other one. What else is there is for others.
    fn is_awaited(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let parent = name.split_once('.');
        let parent = parent.map(|(_, parent)| format!("*.{parent}"));
        let names = self.identities.iter().flat_map(|it| &it.facts().names);
        let mut ours = names.filter(|it| **it == name || Some(*it) == parent.as_ref());
        self.awaited.contains(&name) && ours.next().is_none()
    }
}

/// The identities for `name`: exact ones, else wildcards, else the first and what has the same names as it.
fn of_name<'a>(
    all: &'a [Identity],
    name: Option<&str>,
) -> Box<dyn Iterator<Item = &'a Identity> + 'a> {
    let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
    let parent = name
        .split_once('.')
        .map(|(_, parent)| format!("*.{parent}"));
    for wanted in [Some(name), parent].into_iter().flatten() {
        let is_it = move |it: &&Identity| it.facts().names.contains(&wanted);
        if all.iter().any(|it| is_it(&it)) {
            return Box::new(all.iter().filter(is_it));
        }
    }
    let names = all.first().map(|it| &it.facts().names);
    Box::new(
        all.iter()
            .filter(move |it| Some(&it.facts().names) == names),
    )
}
