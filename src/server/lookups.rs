//! The names that a site goes to, looked up on a thread of their own.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};

use crate::clock;
use crate::log::Log;
use crate::net::names::Names;
use crate::net::service::Service;
use crate::proxy::site::Site;

/// How long at most is waited for what a service is before anybody is served without it.
const FIRST_ANSWERS: Duration = Duration::from_secs(1);

/// The lookups of a server. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Lookups {
    names: Option<Names>,
    /// Said whenever the endpoints of a service are others.
    changed: (Sender<()>, Receiver<()>),
    /// What is said later: the line at start comes first. `None`: it is said at once.
    ///
    /// LOCK: held while a line is said.
    held_back: Arc<Mutex<Option<Vec<String>>>>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self {
            names: None,
            changed: async_channel::bounded(1),
            held_back: Arc::new(Mutex::new(Some(Vec::new()))),
        }
    }
}

impl Lookups {
    /// Looks up what `site` names from now on. The thread begins with the first site that names something.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn serve(&mut self, site: &Site, log: &Log) -> io::Result<()> {
        for upstream in &site.upstreams {
            let endpoints = upstream.endpoints.iter();
            let addresses = endpoints.map(|placed| &placed.endpoint.addresses);
            for addresses in addresses.filter(|addresses| addresses.name().is_some()) {
                self.names(log)?.watch(addresses, upstream.resolve_every);
            }
            for service in &upstream.services {
                let changed = self.changed.0.clone();
                let tell = move || {
                    // A full channel: it is said already.
                    let _ = changed.try_send(());
                };
                self.names(log)?
                    .watch_service(service, upstream.resolve_every, tell);
            }
        }
        Ok(())
    }

    fn names(&mut self, log: &Log) -> io::Result<&Names> {
        if self.names.is_none() {
            let (log, held_back) = (log.clone(), self.held_back.clone());
            let names = Names::start(move |said| match &mut *lock(&held_back) {
                Some(held_back) => held_back.push(said.to_owned()),
                None => log.info(said),
            });
            self.names = Some(names?);
        }
        self.names
            .as_ref()
            .ok_or_else(|| io::Error::other("no thread"))
    }

    /// Says what there was to say so far, and from now on at once.
    pub(super) fn speak(&self, log: &Log) {
        let mut held_back = lock(&self.held_back);
        for line in held_back.take().into_iter().flatten() {
            log.info(line);
        }
    }

    /// Says whenever the endpoints of a service are others.
    pub(super) fn changed(&self) -> &Receiver<()> {
        &self.changed.1
    }

    /// What there was to say so far is known already.
    pub(super) fn note_seen(&self) {
        let _ = self.changed.1.try_recv();
    }
}

fn lock(held_back: &Mutex<Option<Vec<String>>>) -> MutexGuard<'_, Option<Vec<String>>> {
    held_back.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The services of `site` of which nothing is known yet. Asked before they are looked up, so that none is missed.
pub(super) fn unknown(site: &Site) -> Vec<Service> {
    let services = site.upstreams.iter().flat_map(|it| &it.services);
    services.filter(|it| !it.is_known()).cloned().collect()
}

/// Waits a moment for what these are.
pub(super) fn wait(services: &[Service]) {
    let until = clock::later(clock::now(), FIRST_ANSWERS);
    services.iter().for_each(|service| service.wait(until));
}
