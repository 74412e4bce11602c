//! A reload: parse, check, build, swap. A file that is not right changes nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use super::build;
use super::sandbox::Use;
use super::{Identity, Options, Order, Server, StartError, changes, lookups};
use crate::admin::desk::{Endpoint, Reloaded, Status};
use crate::config::{self, Config};
use crate::log;
use crate::net::address::Address;
use crate::net::listener::Bound;
use crate::proxy::site::Site;

/// The file that a server was told by.
#[derive(Debug, Clone)]
pub struct Configured {
    /// Where it is.
    pub path: PathBuf,
    /// What it said.
    pub config: Config,
    /// It is read again whenever it has changed.
    pub watch: bool,
}

impl Configured {
    /// The settings of the log.
    pub(super) fn log(config: &Config) -> log::Settings {
        let log = &config.log;
        log::Settings {
            access: match &log.access {
                config::AccessLog::Off => log::Destination::Off,
                config::AccessLog::Stdout => log::Destination::Stdout,
                config::AccessLog::Unix(path) => log::Destination::Unix(path.clone()),
                config::AccessLog::File(path) => log::Destination::File(path.clone()),
            },
            format: match log.format {
                config::Format::Logfmt => log::Format::Logfmt,
                config::Format::Json => log::Format::Json,
                config::Format::Combined => log::Format::Combined,
            },
            level: match log.level {
                config::Level::Error => log::Level::Error,
                config::Level::Warn => log::Level::Warn,
                config::Level::Info => log::Level::Info,
                config::Level::Debug => log::Level::Debug,
            },
            redact_query: log.redact_query,
        }
    }

    /// What the file looks like from outside, to see that it has changed: other content has another time, size or place.
    pub(super) fn mark(&self) -> Option<Mark> {
        mark_of(&self.path)
    }
}

/// See [`Configured::mark`].
pub(super) fn mark_of(path: &Path) -> Option<Mark> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}

/// See [`Configured::mark`]: time, octets, inode.
pub(super) type Mark = (SystemTime, u64, u64);

impl Server {
    /// What the configuration file looks like from outside.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.file.as_ref()?.mark()
    }

    /// Reads the configuration again and serves it, or says why not.
    pub(super) async fn reload(&mut self) -> Reloaded {
        let Some(file) = &self.file else {
            return Reloaded::Refused("there is no configuration file to read again".to_owned());
        };
        let path = file.path.clone();
        let inside = self.inside.clone();
        let explain = move |path: &Path, error| match &inside {
            Some(inside) => inside.explain(path, Use::Read, error),
            None => error,
        };
        let outcome = aside(move || config::load_explained(&path, &explain)).await;
        let Some(outcome) = outcome else {
            return Reloaded::Refused("no thread could be had to read the file".to_owned());
        };
        let said = outcome.report.render(false);
        match outcome.config {
            None => Reloaded::Refused(said),
            Some(config) => match self.serve(config).await {
                Ok(reloaded) => reloaded,
                Err(error) => Reloaded::Refused(format!("{error}; nothing was changed")),
            },
        }
    }

    /// Serves `config` from here on.
    ///
    /// # Errors
    /// An address cannot be bound, or the log cannot be opened. Nothing has changed then.
    async fn serve(&mut self, config: Config) -> Result<Reloaded, StartError> {
        #[cfg(feature = "acme")]
        let mut config = config;
        let Some(old) = self.file.as_ref().map(|file| file.config.clone()) else {
            return Ok(Reloaded::Refused(
                "there is no configuration file".to_owned(),
            ));
        };
        #[cfg(feature = "acme")]
        keep_certificates(&mut config, &old);
        // What can fail comes first.
        let wanted: Vec<Address> = addresses(&config).cloned().collect();
        let mut opened = Vec::new();
        let mut missing = Vec::new();
        for address in &wanted {
            let is_open = self.listening.asked().any(|asked| asked == address);
            let is_missing = self.missing.iter().any(|(asked, _)| asked == address);
            if is_open || is_missing {
                continue;
            }
            match Bound::bind(address, self.capacity.workers) {
                Ok(bound) => opened.push(bound),
                Err(error)
                    if super::is_missing(&error) && retries(&config).any(|it| it == address) =>
                {
                    missing.push((address.clone(), error.kind()));
                }
                Err(error) => {
                    for file in opened.iter().filter_map(Bound::file) {
                        file.remove();
                    }
                    let error = super::not_bound(self.inside.as_deref(), address, error);
                    return Err(StartError::Bind(address.clone(), error));
                }
            }
        }
        let log = Configured::log(&config);
        self.log.set(&log).map_err(|error| {
            StartError::Log(super::not_logged(self.inside.as_deref(), &log, error))
        })?;

        let before = self.site.clone();
        let Some(mut site) = self.assemble(&config, &before).await else {
            return Ok(Reloaded::Refused("no thread could be had".to_owned()));
        };
        let unknown = lookups::unknown(&site);
        let looked_up = self.lookups.serve(&site, &self.log);
        if !unknown.is_empty() {
            aside(move || lookups::wait(&unknown)).await;
            self.lookups.note_seen();
            let again = self.assemble(&config, &site).await;
            site = again.unwrap_or(site);
        }
        let mut warnings = changes::impossible(&old, &config);
        let changes = changes::between(&old, &config);
        let served = self.adopt(site);
        #[cfg(feature = "tls")]
        self.warn_of_belief();
        if let Err(error) = looked_up.and(served) {
            warnings.push(format!(
                "names and health checks stay as they were: {error}"
            ));
        }
        for bound in opened {
            let order = self.listening.open(&self.ctx, bound);
            self.tell(&order);
        }
        let gone: Vec<_> = self.listening.asked().cloned().collect();
        for address in gone.iter().filter(|address| !wanted.contains(address)) {
            if let Some(order) = self.listening.shut(address) {
                self.tell(&order);
            }
        }
        self.missing.retain(|(address, _)| wanted.contains(address));
        self.missing.extend(missing);
        (self.delay, self.grace) = (config.shutdown.delay, config.shutdown.grace);
        self.generation += 1;
        if let Some(file) = &mut self.file {
            // What stays as it is until the next process is still what the file said before.
            file.config = Config {
                workers: old.workers,
                max_connections: old.max_connections,
                user: old.user,
                group: old.group,
                sandbox: old.sandbox,
                admin: old.admin,
                ..config
            };
        }
        #[cfg(feature = "acme")]
        self.follow_asking();
        self.show();
        Ok(Reloaded::Done {
            generation: self.generation,
            changes,
            warnings,
        })
    }

    /// The site that `config` describes, with what was known `before`. `None`: there is no thread to be had.
    pub(super) async fn assemble(
        &mut self,
        config: &Config,
        before: &Arc<Site>,
    ) -> Option<Arc<Site>> {
        let numbers: Vec<_> = addresses(config)
            .map(|address| (address.clone(), self.listening.number(address)))
            .collect();
        let (config, before) = (config.clone(), before.clone());
        let number = move |address: &Address| {
            let mut numbers = numbers.iter();
            let found = numbers.find(|(it, _)| it == address);
            found.map(|(_, number)| *number)
        };
        // A large file is some work.
        let built = aside(move || build::site(&config, number, Some(&before))).await;
        built.map(Arc::new)
    }

    /// Serves `site` from here on, and probes its endpoints.
    ///
    /// # Errors
    /// There is no thread to be had for probes.
    pub(super) fn adopt(&mut self, site: Arc<Site>) -> io::Result<()> {
        self.site = site;
        self.tell(&Order::Serve(self.site.clone()));
        self.probes.serve(&self.site, &self.ctx, &self.log)
    }

    /// Serves the endpoints that services have now. The rest stays as it is.
    pub(super) async fn follow(&mut self) {
        let Some(config) = self.file.as_ref().map(|file| file.config.clone()) else {
            return;
        };
        let before = self.site.clone();
        let Some(site) = self.assemble(&config, &before).await else {
            self.log.warn("no thread could be had to follow a service");
            return;
        };
        if let Err(error) = self.adopt(site) {
            self.log
                .warn(format_args!("health checks stay as they were: {error}"));
        }
        self.show();
    }

    /// Puts on the desk how the server is set up.
    pub(super) fn show(&self) {
        let endpoints = |upstream: &crate::proxy::site::Upstream| {
            let endpoints = upstream.endpoints.iter();
            endpoints
                .map(|it| Endpoint {
                    address: it.endpoint.name.to_string(),
                    is_tls: it.endpoint.tls.is_some(),
                    weight: it.weight,
                    tier: it.tier,
                    state: it.state.clone(),
                    permits: it.permits.clone(),
                })
                .collect()
        };
        self.desk.set(Status {
            generation: self.generation,
            workers: self.capacity.workers,
            connections_max: self.capacity.connections,
            buffers_max: self.capacity.buffer_octets,
            listeners: self.listening().iter().map(Address::to_string).collect(),
            upstreams: self
                .site
                .upstreams
                .iter()
                .map(|it| (it.name.to_string(), endpoints(it)))
                .collect(),
            streams: self
                .site
                .streams
                .iter()
                .map(|it| it.name.to_string())
                .collect(),
            #[cfg(feature = "tls")]
            certificates: self.certificates(),
            #[cfg(not(feature = "tls"))]
            certificates: Vec::new(),
            routes: self
                .site
                .routes
                .iter()
                .map(|it| it.name.to_string())
                .collect(),
        });
    }
}

/// What was got is shown further where it is not in its file any more.
#[cfg(feature = "acme")]
fn keep_certificates(config: &mut Config, old: &Config) {
    let tls = |config: &Config| {
        let tls = config.listeners.iter().filter_map(|it| it.tls.clone());
        tls.collect::<Vec<_>>()
    };
    let old = tls(old);
    for tls in config.listeners.iter_mut().filter_map(|it| it.tls.as_mut()) {
        old.iter().for_each(|before| tls.keep(before));
    }
}

/// All addresses that a configuration listens on.
pub(super) fn addresses(config: &Config) -> impl Iterator<Item = &Address> {
    let listeners = config.listeners.iter().map(|it| &it.addresses);
    let streams = config.streams.iter().map(|it| &it.addresses);
    listeners.chain(streams).flatten()
}

/// Those that are tried again while they are not there.
pub(super) fn retries(config: &Config) -> impl Iterator<Item = &Address> {
    let listeners = config.listeners.iter().filter(|listener| listener.retry);
    let streams = config.streams.iter().filter(|stream| stream.retry);
    let streams = streams.flat_map(|stream| &stream.addresses);
    listeners
        .flat_map(|listener| &listener.addresses)
        .chain(streams)
}

/// Runs what may take a while on a thread of its own. None: there is none to be had.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = async_channel::bounded(1);
    let thread = thread::Builder::new().name("osier-reload".to_owned());
    let spawned = thread.spawn(move || {
        let _ = done.try_send(work());
    });
    spawned.ok()?;
    result.recv().await.ok()
}

impl Options {
    /// What the file at `path` says, which is `config`. With `watch` it is read again whenever it has changed.
    #[must_use]
    pub fn of_file(path: PathBuf, config: Config, watch: bool) -> Self {
        let identity = (config.user.is_some() || config.group.is_some()).then(|| Identity {
            user: config.user.clone(),
            group: config.group.clone(),
        });
        let admin = config.admin.clone();
        Self {
            listen: addresses(&config).cloned().collect(),
            retry: retries(&config).cloned().collect(),
            admin_hosts: admin
                .as_ref()
                .map(|it| it.hosts.clone())
                .unwrap_or_default(),
            admin_allow: admin
                .as_ref()
                .map(|it| it.allow.clone())
                .unwrap_or_default(),
            admin: admin.map(|it| it.listen),
            workers: config.workers,
            connections_max: config.max_connections,
            buffers_max: config
                .limits
                .buffers
                .and_then(|max| usize::try_from(max).ok()),
            log: Configured::log(&config),
            identity,
            sandbox: config.sandbox,
            delay: config.shutdown.delay,
            grace: config.shutdown.grace,
            file: Some(Configured {
                path,
                config,
                watch,
            }),
            ..Self::default()
        }
    }
}
