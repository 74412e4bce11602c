//! What is shown to an authority while it looks.
//!
//! One of these for the whole process: the control side puts in what is in force, and workers look. They look only for
//! who asks for a challenge, and only while there is one: nobody else meets the lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::server::{
    Acceptor, ClientHello, NoServerSessionStorage, ServerConfig, ServerConnection,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::net::tls::provider;

/// The protocol that an authority asks for (RFC 8737 §4).
const ALPN: &[u8] = b"acme-tls/1";
/// Where it asks for a token (RFC 8555 §8.3).
const PATH: &[u8] = b"/.well-known/acme-challenge/";

/// The challenges in force. Cloned, they are the same.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tokens: Table<Arc<str>>,
    names: Table<Arc<ServerConfig>>,
}

/// What is in force, by its name.
struct Table<T> {
    /// How many there are, to be read without the lock.
    count: AtomicUsize,
    /// LOCK: held for one look or one change.
    entries: Mutex<HashMap<String, T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            count: AtomicUsize::new(0),
            entries: Mutex::default(),
        }
    }
}

impl<T: Clone> Table<T> {
    fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn get(&self, name: &str) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        self.lock().get(name).cloned()
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<String, T>)) {
        let mut entries = self.lock();
        change(&mut entries);
        self.count.store(entries.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Challenges {
    /// Answers who asks for `token` with `answer`, as long as what is returned lives.
    pub fn answer(&self, token: &str, answer: &str) -> InForce {
        let (token, answer) = (token.to_owned(), answer.into());
        self.0
            .tokens
            .change(|tokens| drop(tokens.insert(token.clone(), answer)));
        InForce {
            challenges: self.clone(),
            which: Which::Token(token),
        }
    }

    /// Shows `certified` to an authority that asks for `name`, as long as what is returned lives.
    ///
    /// # Errors
    /// What rustls says: it cannot work with this.
    pub fn show(&self, name: &str, certified: CertifiedKey) -> Result<InForce, rustls::Error> {
        // RFC 8737 §3: TLS 1.2 or later. An authority has no certificate to show, whatever is demanded of clients; so
        // nothing may be resumed of a session that began here.
        let builder = ServerConfig::builder_with_provider(provider().clone());
        let builder = builder.with_safe_default_protocol_versions()?;
        let shown = Arc::new(SingleCertAndKey::from(certified));
        let mut config = builder.with_no_client_auth().with_cert_resolver(shown);
        config.alpn_protocols = vec![ALPN.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let name = name.to_ascii_lowercase();
        self.0
            .names
            .change(|names| drop(names.insert(name.clone(), Arc::new(config))));
        Ok(InForce {
            challenges: self.clone(),
            which: Which::Name(name),
        })
    }

    /// The answer to a request for this, where it is for a token that is in force.
    #[must_use]
    pub fn answer_for(&self, method: &[u8], target: &[u8]) -> Option<Arc<str>> {
        if self.0.tokens.is_empty() || method != b"GET" {
            return None;
        }
        let token = std::str::from_utf8(target.strip_prefix(PATH)?).ok()?;
        self.0.tokens.get(token)
    }

    /// Looks at how a client begins, where there is a challenge that it could be about.
    #[must_use]
    pub fn peek(&self) -> Option<Peek> {
        (!self.0.names.is_empty()).then(|| Peek {
            hello: Acceptor::default(),
            challenges: self.clone(),
        })
    }
}

/// Two are equal that are the same.
impl PartialEq for Challenges {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Challenges {}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        f.debug_struct("Challenges")
            .field("tokens", &count(&self.0.tokens.count))
            .field("names", &count(&self.0.names.count))
            .finish()
    }
}

/// A challenge that is in force as long as this lives.
#[derive(Debug)]
#[must_use]
pub struct InForce {
    challenges: Challenges,
    which: Which,
}

#[derive(Debug)]
enum Which {
    Token(String),
    Name(String),
}

impl Drop for InForce {
    fn drop(&mut self) {
        let Inner { tokens, names } = &*self.challenges.0;
        match &self.which {
            Which::Token(token) => tokens.change(|tokens| drop(tokens.remove(token))),
            Which::Name(name) => names.change(|names| drop(names.remove(name))),
        }
    }
}

/// A look at how a client begins, beside whoever speaks with it.
pub struct Peek {
    hello: Acceptor,
    challenges: Challenges,
}

/// What was seen.
pub enum Seen {
    /// Not enough yet.
    Part,
    /// A client, or something that is none.
    Other,
    /// An authority, and what it is to be spoken with.
    Authority(Result<Box<ServerConnection>, rustls::Error>),
}

impl Peek {
    /// Looks at these octets too.
    pub fn see(&mut self, mut octets: &[u8]) -> Seen {
        while !octets.is_empty() {
            if !matches!(self.hello.read_tls(&mut octets), Ok(1..)) {
                return Seen::Other;
            }
            let accepted = match self.hello.accept() {
                Ok(None) => continue,
                Ok(Some(accepted)) => accepted,
                // Who speaks with the client says what is wrong.
                Err(_) => return Seen::Other,
            };
            let name = name_to_prove(&accepted.client_hello());
            let Some(config) = name.and_then(|name| self.challenges.0.names.get(&name)) else {
                return Seen::Other;
            };
            let connection = accepted.into_connection(config);
            return Seen::Authority(connection.map(Box::new).map_err(|(error, _)| error));
        }
        Seen::Part
    }
}

/// The name that an authority asks for; `None`: it is none.
fn name_to_prove(hello: &ClientHello<'_>) -> Option<String> {
    // RFC 8737 §3: this protocol and no other.
    let mut protocols = hello.alpn()?;
    let is_authority = protocols.next() == Some(ALPN) && protocols.next().is_none();
    let name = hello.server_name().filter(|_| is_authority);
    name.map(str::to_ascii_lowercase)
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek").finish_non_exhaustive()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Part => "Part",
            Self::Other => "Other",
            Self::Authority(_) => "Authority",
        })
    }
}
