//! Certificates that are renewed while the process runs: their files are looked at, and what is in them is shown from
//! then on. A pair that does not fit is said and left alone; the one before it stays in use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_io::Timer;
use futures_lite::StreamExt as _;

use super::Server;
use super::reload::{Configured, Mark, aside, mark_of};
use super::sandbox::Use;
use crate::admin::desk::Certificate;
use crate::config::{self, Config};
use crate::net::address::Address;
use crate::net::tls::wall::Floor;
use crate::proxy::answer::http_date;

/// How often the files are looked at.
pub(super) const WATCH: Duration = Duration::from_secs(1);
/// How long they have to have stood still: a certificate and its key are two files.
const STILL: Duration = Duration::from_millis(300);

/// What the files of certificates look like from outside.
pub(super) type Marks = Vec<Option<Mark>>;

/// The files of a configuration's certificates, with their keys and with who vouches for clients and for origins.
fn paths(config: &Config) -> impl Iterator<Item = &Path> {
    let listeners = config.listeners.iter().filter_map(|it| it.tls.as_ref());
    let upstreams = config.upstreams.iter().filter_map(|it| it.tls.as_ref());
    let listeners = listeners.flat_map(config::ListenTls::paths);
    listeners.chain(upstreams.flat_map(config::OriginTls::paths))
}

fn marks(file: Option<&Configured>) -> Marks {
    let paths = file.iter().flat_map(|file| paths(&file.config));
    paths.map(mark_of).collect()
}

/// Waits until the files are otherwise than they were `seen`, and stand still. For ever where there are none.
pub(super) async fn changed(file: Option<&Configured>, seen: &Marks, clock: &mut Timer) -> Marks {
    if file.is_none_or(|file| paths(&file.config).next().is_none()) {
        return std::future::pending().await;
    }
    loop {
        clock.next().await;
        let now = marks(file);
        if now != *seen {
            Timer::after(STILL).await;
            if marks(file) == now {
                return now;
            }
        }
    }
}

impl Server {
    /// What it shows to clients that speak TLS, for people.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        let config = self.file.iter().map(|file| &file.config);
        let listeners = config.flat_map(|config| &config.listeners);
        let shown = listeners.flat_map(|listener| {
            let addresses = || listener.addresses.iter().map(Address::to_string).collect();
            let pairs = listener.tls.iter().flat_map(|tls| &tls.pairs);
            pairs.filter_map(move |pair| {
                let facts = pair.identity.as_ref()?.facts();
                Some(Certificate {
                    listeners: addresses(),
                    path: pair.cert.display().to_string(),
                    names: facts.names.clone(),
                    subject: facts.subject.clone(),
                    until: facts.until,
                })
            })
        });
        shown.collect()
    }

    /// Says, once, that the clock cannot be right.
    pub(super) fn judge_clock(&self) {
        let listeners = self.site.listeners.iter().flatten();
        let floors = listeners.filter_map(|it| Some(it.tls.as_ref()?.terms().floor));
        let endpoints = self.site.upstreams.iter().flat_map(|it| &it.endpoints);
        let origins = endpoints.filter_map(|it| it.endpoint.tls.as_ref());
        let mut floors = floors.chain(origins.map(|_| Floor::default()));
        if let Some(floor) = floors.find(|it| it.is_above_the_clock()) {
            self.log.warn(format_args!(
                "the clock says {}, which is before osier was built: certificates are verified as of {} until it is right",
                http_date(crate::clock::wall()),
                http_date(floor.now()),
            ));
        }
    }

    /// Says which upstreams believe whoever answers.
    pub(super) fn warn_of_belief(&self) {
        for upstream in &self.site.upstreams {
            let mut endpoints = upstream.endpoints.iter();
            let is_believed = endpoints.any(|it| {
                let tls = it.endpoint.tls.as_ref();
                tls.is_some_and(|tls| tls.client().terms().roots.is_none())
            });
            if is_believed {
                self.log.warn(format_args!(
                    "upstream {upstream}: `tls.insecure`: no certificate is verified, whoever is on the way can read and change everything"
                ));
            }
        }
    }

    /// Reads the certificates again, and serves those that are others now.
    pub(super) async fn renew(&mut self) {
        let Some(mut config) = self.file.as_ref().map(|file| file.config.clone()) else {
            return;
        };
        let inside = self.inside.clone();
        let renewed = aside(move || {
            let file = |path: &Path| {
                config::load_file(path).map_err(|error| match &inside {
                    Some(inside) => inside.explain(path, Use::Read, error),
                    None => error,
                })
            };
            let mut said = Vec::new();
            for tls in config.listeners.iter_mut().filter_map(|it| it.tls.as_mut()) {
                tls.renew(&file, &mut said);
            }
            for tls in config.upstreams.iter_mut().filter_map(|it| it.tls.as_mut()) {
                tls.renew(&file, &mut said);
            }
            (config, said)
        });
        let Some((config, said)) = renewed.await else {
            return self.log.warn("no thread could be had to read certificates");
        };
        let mut is_other = false;
        // Listeners may have a certificate in common.
        let mut told: Vec<PathBuf> = Vec::new();
        for renewal in said {
            is_other |= renewal.outcome.is_ok();
            if told.contains(&renewal.path) {
                continue;
            }
            let path = renewal.path.display();
            match &renewal.outcome {
                Ok(until) => {
                    let until = until.map(|until| format!(", valid until {}", http_date(until)));
                    let until = until.unwrap_or_default();
                    self.log.info(format_args!("{path} is renewed{until}"));
                }
                Err(why) => self.log.error(format_args!(
                    "{path} is not renewed: {why}; the one before stays in use"
                )),
            }
            told.push(renewal.path);
        }
        if !is_other {
            return;
        }
        let before = self.site.clone();
        let Some(site) = self.assemble(&config, &before).await else {
            return self
                .log
                .warn("no thread could be had to renew certificates");
        };
        if let Some(file) = &mut self.file {
            file.config = config;
        }
        if let Err(error) = self.adopt(site) {
            self.log
                .warn(format_args!("health checks stay as they were: {error}"));
        }
        self.show();
    }
}
