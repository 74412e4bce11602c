//! Certificates that are asked for (`listen.tls.acme`): got where there is none, and renewed in time.
//!
//! On the control side, for each of them a task and its node (`task`, `acme NAME`), below which an order is. What is got
//! is put into its file, and shown as any file of a certificate is that has changed: nothing here touches what is served.
//! Whatever goes wrong is said in the log and tried again, later each time.

mod schedule;
mod store;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use smol::lock::Mutex;
use smol::{LocalExecutor, Task};

use super::Server;
use super::reload::aside;
use super::sandbox::{Inside, Use};
use crate::clock;
use crate::config::{Acme, Config};
use crate::context::{Context, Label};
use crate::log::Log;
use crate::net::tls::acme::challenge::Challenges;
use crate::net::tls::acme::order::{self, Failure};
use crate::net::tls::certificate::Facts;
use crate::net::tls::wall::Floor;
use crate::proxy::answer::http_date;
use schedule::{Tries, due_in};
use store::Store;

/// How long an order may take, with all that an authority looks at.
const ORDER: Duration = Duration::from_secs(15 * 60);
/// No longer than this is slept at a time: a clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(60 * 60);

/// A certificate that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    acme: Acme,
    floor: Floor,
}

/// Says what is asked for.
#[derive(Debug)]
pub(super) struct Asking {
    asked: Sender<Vec<Asked>>,
    inbox: Receiver<Vec<Asked>>,
    /// It is time: nobody else answers at these addresses any more.
    has_begun: bool,
}

impl Default for Asking {
    fn default() -> Self {
        let (asked, inbox) = async_channel::unbounded();
        Self {
            asked,
            inbox,
            has_begun: false,
        }
    }
}

/// What `config` asks for, each once.
fn all(config: &Config) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    for tls in config.listeners.iter().filter_map(|it| it.tls.as_ref()) {
        for acme in tls.acme() {
            let is_new = all
                .iter()
                .all(|it| it.acme.certificate() != acme.certificate());
            if is_new {
                all.push(Asked {
                    acme: acme.clone(),
                    floor: tls.floor(),
                });
            }
        }
    }
    all
}

/// The folders that certificates are kept in.
pub(super) fn folders(config: &Config) -> impl Iterator<Item = &Path> {
    let tls = config.listeners.iter().filter_map(|it| it.tls.as_ref());
    tls.flat_map(|tls| tls.acme().map(|acme| acme.cache.as_path()))
}

/// Makes those that are not there. What it made.
pub(super) fn make_folders(config: &Config) -> Vec<&Path> {
    let missing = folders(config).filter(|path| !path.exists());
    missing
        .filter(|path| store::make_folder(path).is_ok())
        .collect()
}

impl Server {
    /// From here on what is asked for is got.
    pub(super) fn begin_asking(&mut self) {
        self.asking.has_begun = true;
        self.follow_asking();
    }

    /// What is asked for may be otherwise now.
    pub(super) fn follow_asking(&self) {
        if let (true, Some(file)) = (self.asking.has_begun, &self.file) {
            let _ = self.asking.asked.try_send(all(&file.config));
        }
    }

    /// Somebody else gets them, or nobody does.
    pub(super) fn end_asking(&mut self) {
        self.asking.has_begun = false;
        let _ = self.asking.asked.try_send(Vec::new());
    }

    /// What is told of the work.
    pub(super) fn asker(&self) -> Asker {
        Asker {
            inbox: self.asking.inbox.clone(),
            ctx: self.ctx.clone(),
            log: self.log.clone(),
            challenges: self.site.challenges.clone(),
            inside: self.inside.clone(),
            account: Mutex::new(()),
        }
    }
}

/// What all the tasks share.
#[derive(Debug)]
pub(super) struct Asker {
    inbox: Receiver<Vec<Asked>>,
    ctx: Context,
    log: Log,
    challenges: Challenges,
    inside: Option<Arc<Inside>>,
    /// LOCK: held while the key of an account is looked for, and made.
    account: Mutex<()>,
}

impl Asker {
    /// Gets and renews what is asked for, as long as it is polled. What is asked for as before goes on as it was.
    pub(super) async fn work(&self) -> Infallible {
        let executor = LocalExecutor::new();
        let follow = async {
            let mut running: Vec<(Asked, Task<()>)> = Vec::new();
            while let Ok(all) = self.inbox.recv().await {
                // The task goes with its handle.
                running.retain(|(asked, _)| all.contains(asked));
                for asked in all {
                    if running.iter().all(|(it, _)| *it != asked) {
                        let task = executor.spawn(Keeper::new(self, asked.clone()).keep());
                        running.push((asked, task));
                    }
                }
            }
            pending().await
        };
        executor.run(follow).await
    }
}

/// Sees to one certificate.
struct Keeper<'a> {
    asker: &'a Asker,
    asked: Asked,
    store: Store,
    tries: Tries,
    /// One that was got and could not be kept.
    unkept: Option<String>,
}

impl<'a> Keeper<'a> {
    fn new(asker: &'a Asker, asked: Asked) -> Self {
        Self {
            asker,
            store: Store::of(&asked.acme),
            asked,
            tries: Tries::default(),
            unkept: None,
        }
    }

    async fn keep(mut self) {
        let label = Label::new(&format!("acme {}", self.name()));
        let (ctx, _cancel) = self.asker.ctx.named("task", label).with_cancel();
        // It ends with its node.
        let _ = ctx.run(self.go_on(&ctx)).await;
    }

    async fn go_on(&mut self, ctx: &Context) -> Infallible {
        loop {
            let kept = self.kept().await;
            let wait = kept.as_ref().map_or(Duration::ZERO, |facts| {
                due_in(facts, self.asked.floor.now())
            });
            if !wait.is_zero() {
                clock::sleep(wait.min(NAP)).await;
                continue;
            }
            match self.renew(ctx).await {
                Ok(facts) => {
                    self.tries = Tries::default();
                    let until = http_date(facts.until);
                    let (names, path) = (self.name(), self.asked.acme.certificate());
                    let path = path.display();
                    self.asker.log.info(format_args!(
                        "acme: got a certificate for {names}, valid until {until}: {path}"
                    ));
                }
                Err(failure) => {
                    let pause = self.tries.failed(failure.is_refusal);
                    self.complain(&failure, pause, kept.as_ref());
                    clock::sleep(pause).await;
                }
            }
        }
    }

    /// What is in the file, if it is any good. Another process may have put it there.
    async fn kept(&self) -> Option<Facts> {
        let store = self.store.clone();
        let facts = aside(move || store.certificate()).await.flatten();
        facts.filter(|facts| self.covers(facts))
    }

    fn covers(&self, facts: &Facts) -> bool {
        let mut names = self.asked.acme.wanted.names.iter();
        names.all(|name| facts.names.contains(name))
    }

    /// Gets a certificate and keeps it.
    async fn renew(&mut self, ctx: &Context) -> Result<Facts, Failure> {
        // What cannot be kept is not asked for: there is only so much to be had.
        let store = self.store.clone();
        let account = {
            // Several certificates have one account, which is made once.
            let _alone = self.asker.account.lock().await;
            self.aside("cache", move || store.account()).await?
        };
        let pem = match self.unkept.take() {
            Some(pem) => pem,
            None => {
                let (ctx, _cancel) = ctx
                    .named("task", Label::from("acme order"))
                    .with_timeout(ORDER);
                let wanted = &self.asked.acme.wanted;
                order::obtain(&ctx, wanted, &account, &self.asker.challenges).await?
            }
        };
        let facts = store::facts_of(pem.as_bytes());
        let facts = facts.map_err(|flaw| Failure {
            is_refusal: true,
            ..Failure::new("certificate", flaw)
        })?;
        let is_due = due_in(&facts, self.asked.floor.now()).is_zero();
        if is_due || !self.covers(&facts) {
            let why = match is_due {
                true => format!(
                    "it is over, or nearly, as soon as it begins (at {})",
                    http_date(facts.until)
                ),
                false => format!("it is for {}", facts.names.join(", ")),
            };
            return Err(Failure {
                is_refusal: true,
                ..Failure::new("certificate", why)
            });
        }
        let (store, octets) = (self.store.clone(), pem.clone());
        let kept = self
            .aside("cache", move || store.keep(octets.as_bytes()))
            .await;
        if let Err(failure) = kept {
            self.unkept = Some(pem);
            return Err(failure);
        }
        Ok(facts)
    }

    /// Does what takes a while on a thread of its own.
    async fn aside<T: Send + 'static>(
        &self,
        step: &'static str,
        work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let done = aside(work).await;
        let done = done.ok_or_else(|| Failure::new(step, "no thread could be had"))?;
        done.map_err(|error| {
            let path = &self.asked.acme.cache;
            let error = match &self.asker.inside {
                Some(inside) => inside.explain(path, Use::Keep, error),
                None => error,
            };
            Failure::new(step, format_args!("{}: {error}", path.display()))
        })
    }

    fn name(&self) -> String {
        self.asked.acme.wanted.names.join(", ")
    }

    fn complain(&self, failure: &Failure, pause: Duration, kept: Option<&Facts>) {
        let (names, directory) = (self.name(), &self.asked.acme.wanted.directory);
        let rest: &dyn fmt::Display = match kept {
            Some(facts) => {
                &format_args!("; the one in use is valid until {}", http_date(facts.until))
                    .to_string()
            }
            None => &"",
        };
        self.asker.log.error(format_args!(
            "acme: no certificate for {names} from {directory}: {failure}; tried again in {pause:?}{rest}"
        ));
    }
}
