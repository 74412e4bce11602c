//! One order: from the directory to the certificate (RFC 8555 §7).
//!
//! The messages, their signatures and the connections they go by are `rustls-acme`'s. Its own driver is left alone: it
//! has no limit for an answer that does not come, begins again after a second whatever was wrong, and takes a nonce that
//! was refused (§6.5, which is nobody's fault) for the end of an order.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use csr::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ClientConfig;
use rustls_acme::acme::{
    Account, AcmeError, Auth, AuthStatus, Directory, Identifier, Order, OrderStatus, Problem,
};

use super::Proof;
use super::challenge::{Challenges, InForce};
use crate::clock;
use crate::context::{Context, ContextError, Label};
use crate::net::tls::origin::Client;

/// How long an answer of the authority may take, with the connection that it comes by.
const ANSWER: Duration = Duration::from_secs(30);
/// How often a request is made again whose nonce was refused.
const NONCES_MAX: usize = 8;
/// How long is waited between two looks at what the authority works on: a minute in all.
const LOOKS: [Duration; 12] = {
    let looks = [
        250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000, 8000, 8000,
    ];
    let mut list = [Duration::ZERO; 12];
    let mut at = 0;
    while at < looks.len() {
        list[at] = Duration::from_millis(looks[at]);
        at += 1;
    }
    list
};

/// What is asked for, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The names that the certificate is to be for, in lower case. Never empty.
    pub names: Vec<String>,
    /// Where the authority says how it is spoken to.
    pub directory: String,
    /// Whom it writes to when something is wrong: URLs, `mailto:` mostly.
    pub contact: Vec<String>,
    /// How it is shown that the names are ours.
    pub proof: Proof,
    /// How it is believed to be who it is.
    pub client: Client,
}

/// Why there is no certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was being done.
    pub step: &'static str,
    /// What came of it.
    pub why: String,
    /// The authority was there, and does not want to: to be asked again soon would help nobody.
    pub is_refusal: bool,
}

impl Failure {
    /// Of our own making, or the way's.
    pub fn new(step: &'static str, why: impl fmt::Display) -> Self {
        Self {
            step,
            why: plain(&why.to_string()),
            is_refusal: false,
        }
    }

    fn refusal(step: &'static str, why: impl fmt::Display) -> Self {
        Self {
            is_refusal: true,
            ..Self::new(step, why)
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.why)
    }
}

impl std::error::Error for Failure {}

/// A key for an account (PKCS #8, DER).
#[must_use]
pub fn new_account_key() -> Vec<u8> {
    Account::generate_key_pair()
}

/// Gets a certificate: its key and its chain, as PEM. `account` is the key of our account there, which is made where
/// there is none. Each request is a node below `ctx`, and challenges are in force as long as they are looked at.
///
/// # Errors
/// What went wrong, and where.
pub async fn obtain(
    ctx: &Context,
    wanted: &Wanted,
    account: &[u8],
    challenges: &Challenges,
) -> Result<String, Failure> {
    let config = wanted.client.config();
    let directory = step(ctx, "directory", || {
        Directory::discover(config, &wanted.directory)
    });
    let directory = directory.await?;
    let urls = [
        &directory.new_nonce,
        &directory.new_account,
        &directory.new_order,
    ];
    if let Some(url) = urls.iter().find(|url| !url.starts_with("https://")) {
        return Err(Failure::refusal(
            "directory",
            format_args!("it sends us to {url}, which is no https"),
        ));
    }
    let account = step(ctx, "account", || {
        Account::create_with_keypair(config, directory.clone(), &wanted.contact, account)
    });
    let dialogue = Dialogue {
        ctx,
        config,
        account: account.await?,
        challenges,
        proof: wanted.proof,
    };
    dialogue.run(&wanted.names).await
}

/// What is spoken with an authority by one account.
struct Dialogue<'a> {
    ctx: &'a Context,
    config: &'a Arc<ClientConfig>,
    account: Account,
    challenges: &'a Challenges,
    proof: Proof,
}

impl Dialogue<'_> {
    async fn run(&self, names: &[String]) -> Result<String, Failure> {
        let (account, config) = (&self.account, self.config);
        let of_csr = |error: csr::Error| Failure::new("certificate request", error);
        let mut params = CertificateParams::new(names).map_err(of_csr)?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(of_csr)?;
        let csr = params.serialize_request(&key).map_err(of_csr)?;

        let ordered = step(self.ctx, "new order", || {
            account.new_order(config, names.to_owned())
        });
        let (url, order) = ordered.await?;
        for authorization in &order.authorizations {
            self.authorize(authorization, names).await?;
        }
        let order = self
            .look("order", &url, |order| order.status == OrderStatus::Pending)
            .await?;
        let order = match order.status {
            OrderStatus::Ready => {
                let finalized = step(self.ctx, "finalize", || {
                    account.finalize(config, &order.finalize, csr.der())
                });
                let finalized = finalized.await?;
                match finalized.status {
                    OrderStatus::Processing => {
                        let is_working = |order: &Order| order.status == OrderStatus::Processing;
                        self.look("finalize", &url, is_working).await?
                    }
                    _ => finalized,
                }
            }
            _ => order,
        };
        let OrderStatus::Valid { certificate } = &order.status else {
            return Err(Failure::refusal(
                "order",
                said(order.error.as_ref(), &order.status),
            ));
        };
        let chain = step(self.ctx, "certificate", || {
            account.certificate(config, certificate)
        });
        Ok(format!("{}{}", key.serialize_pem(), chain.await?))
    }

    /// Looks at an order until the authority is done with it.
    async fn look(
        &self,
        what: &'static str,
        url: &str,
        is_working: impl Fn(&Order) -> bool,
    ) -> Result<Order, Failure> {
        for pause in LOOKS {
            let order = step(self.ctx, what, || self.account.order(self.config, url)).await?;
            if !is_working(&order) {
                return Ok(order);
            }
            pause_for(self.ctx, pause).await?;
        }
        Err(Failure::new(
            what,
            "the authority works on it for more than a minute",
        ))
    }

    /// Shows that a name is ours.
    async fn authorize(&self, url: &str, names: &[String]) -> Result<(), Failure> {
        const STEP: &str = "authorization";
        let (account, config) = (&self.account, self.config);
        let read = || step(self.ctx, STEP, || account.auth(config, url));
        let auth = read().await?;
        let Identifier::Dns(name) = &auth.identifier;
        if matches!(auth.status, AuthStatus::Valid) {
            return Ok(());
        }
        if !names.contains(name) {
            let why = format_args!("{name} was not asked for");
            return Err(Failure::refusal(STEP, why));
        }
        if !matches!(auth.status, AuthStatus::Pending) {
            return Err(unauthorized(name, &auth));
        }
        let (challenge, _in_force) = self.in_force(name, &auth)?;
        step(self.ctx, "challenge", || {
            account.challenge(config, &challenge)
        })
        .await?;
        for pause in LOOKS {
            pause_for(self.ctx, pause).await?;
            let auth = read().await?;
            match auth.status {
                AuthStatus::Pending => {}
                AuthStatus::Valid => return Ok(()),
                _ => return Err(unauthorized(name, &auth)),
            }
        }
        let why = format_args!("{name} is being looked at for more than a minute");
        Err(Failure::new(STEP, why))
    }

    /// Puts the challenge for `name` in force. Returns where to say so.
    fn in_force(&self, name: &str, auth: &Auth) -> Result<(String, InForce), Failure> {
        let failed =
            |why: &dyn fmt::Display| Failure::refusal("challenge", format_args!("{name}: {why}"));
        match self.proof {
            Proof::Http01 => {
                let made = self.account.http_01(&auth.challenges);
                let (challenge, answer) = made.map_err(|error| failed(&error))?;
                let in_force = self.challenges.answer(&challenge.token, &answer);
                Ok((challenge.url.clone(), in_force))
            }
            Proof::TlsAlpn01 => {
                let made = self.account.tls_alpn_01(&auth.challenges, name.to_owned());
                let (challenge, certified) = made.map_err(|error| failed(&error))?;
                let in_force = self.challenges.show(name, certified);
                let in_force = in_force.map_err(|error| failed(&error))?;
                Ok((challenge.url.clone(), in_force))
            }
        }
    }
}

/// One request and its answer, as a node; again, where a nonce was refused (RFC 8555 §6.5).
async fn step<T, F: Future<Output = Result<T, AcmeError>>>(
    ctx: &Context,
    what: &'static str,
    ask: impl Fn() -> F,
) -> Result<T, Failure> {
    let mut error = None;
    for _ in 0..NONCES_MAX {
        let (node, _cancel) = ctx.named("task", Label::from(what)).with_timeout(ANSWER);
        match node.run(ask()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(said)) => {
                let text = said.to_string();
                // Its type has no name outside of its crate: what it says is all there is to tell them apart by.
                let is_nonce = text.contains("urn:ietf:params:acme:error:badNonce");
                let is_refusal = text.contains("non 2xx http status: 4");
                let failure = Failure {
                    is_refusal,
                    ..Failure::new(what, text)
                };
                if !is_nonce {
                    return Err(failure);
                }
                error = Some(failure);
            }
            Err(_) if ctx.err().is_none() => {
                let why = format_args!("no answer within {ANSWER:?}");
                return Err(Failure::new(what, why));
            }
            Err(ended) => return Err(over(what, &ended)),
        }
    }
    Err(error.unwrap_or_else(|| Failure::new(what, "no nonce")))
}

async fn pause_for(ctx: &Context, pause: Duration) -> Result<(), Failure> {
    let paused = ctx.run(clock::sleep(pause)).await;
    paused.map_err(|ended| over("order", &ended))
}

fn over(step: &'static str, ended: &ContextError) -> Failure {
    Failure::new(step, ended)
}

/// Why a name is not taken to be ours.
fn unauthorized(name: &str, auth: &Auth) -> Failure {
    let mut problems = auth.challenges.iter().map(|it| it.error.as_ref());
    let problem = problems.find(Option::is_some).flatten();
    let why = said(problem, &auth.status);
    Failure::refusal("authorization", format_args!("{name}: {why}"))
}

/// What the authority says of a problem, or else the state it is in.
fn said(problem: Option<&Problem>, status: &dyn fmt::Debug) -> String {
    let problem = problem.map(|it| [&it.typ, &it.detail].into_iter().flatten());
    let words: Vec<_> = problem.into_iter().flatten().map(String::as_str).collect();
    match words.as_slice() {
        [] => format!("it is {status:?}"),
        words => words.join(": "),
    }
}

/// As one line, without what a value that was printed for programmers has too much, and not longer than a line may be.
fn plain(text: &str) -> String {
    const MAX: usize = 600;
    let text = text.replace("\\n", " ").replace("\\\"", "\"");
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}
