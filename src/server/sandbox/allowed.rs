//! What may be touched, as the configuration says it: a list, made without asking the machine.
//!
//! Files are replaced by renaming others over them, so what is named is a folder wherever that may happen.

use std::path::{Path, PathBuf};

use crate::config::{Auth, Config};
use crate::log::Destination;
use crate::net::address::Address;

/// What every process reads: its libraries and their settings, itself, the memory it may have, interfaces by name.
const READ: [&str; 9] = [
    "/etc",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sys/fs/cgroup",
    "/sys/class/net",
    "/sys/devices",
];
/// These may be links to somewhere else.
const LINKED: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// What the allowance is made from.
#[derive(Debug)]
pub(crate) struct Needs<'a> {
    /// The configuration file, and what it says.
    pub(crate) file: Option<(&'a Path, &'a Config)>,
    /// Where access records go.
    pub(crate) log: &'a Destination,
    /// What is listened on, the admin interface included.
    pub(crate) addresses: Vec<&'a Address>,
    /// What USR2 starts.
    pub(crate) program: Option<&'a Path>,
}

/// Something that may be touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Want {
    /// All in there is read.
    Tree(PathBuf),
    /// It is read, and so is what takes its place.
    File(PathBuf),
    /// It is appended to, and made anew when it was moved away.
    Log(PathBuf),
    /// It is bound, and removed at the end.
    Socket(PathBuf),
    /// A folder whose files are made and replaced.
    #[cfg_attr(not(feature = "acme"), allow(dead_code, reason = "nothing is kept"))]
    Cache(PathBuf),
    /// It is started, and so is what takes its place.
    Program(PathBuf),
    /// What this process was loaded from: by the loader, which the next one needs too.
    Loaded,
    /// Nothing is read from there, and nothing kept.
    Null,
}

impl Needs<'_> {
    /// The list.
    pub(super) fn wants(&self) -> Vec<Want> {
        let mut wants: Vec<_> = READ.iter().map(|path| Want::Tree(path.into())).collect();
        wants.extend(LINKED.iter().map(|path| Want::File(path.into())));
        wants.extend([Want::Loaded, Want::Null]);
        if let Some((path, config)) = self.file {
            wants.push(Want::File(path.to_owned()));
            wants.extend(named(config).map(|path| Want::File(path.to_owned())));
            let tls = config.upstreams.iter().filter_map(|it| it.tls.as_ref());
            wants.extend(tls.flat_map(|tls| &tls.files).cloned().map(Want::File));
            #[cfg(feature = "acme")]
            for tls in config.listeners.iter().filter_map(|it| it.tls.as_ref()) {
                let files = tls.acme().filter_map(|it| it.ca.clone());
                wants.extend(files.map(Want::File));
                wants.extend(tls.acme().map(|it| Want::Cache(it.cache.clone())));
            }
        }
        if let Destination::File(path) = self.log {
            wants.push(Want::Log(path.clone()));
        }
        for address in &self.addresses {
            if let Address::Unix(path) = address {
                wants.push(Want::Socket(path.clone()));
            }
        }
        wants.extend(self.program.map(|path| Want::Program(path.to_owned())));
        wants
    }
}

/// The files that a configuration names: users, error pages, certificates with their keys.
fn named(config: &Config) -> impl Iterator<Item = &Path> {
    let tls = config.listeners.iter().flat_map(|listener| {
        #[cfg(feature = "tls")]
        return listener.tls.iter().flat_map(|tls| tls.paths());
        #[cfg(not(feature = "tls"))]
        return {
            let _ = listener;
            None
        };
    });
    let of_routes = config.routes.iter().flat_map(|route| {
        let users = match &route.auth {
            #[cfg(feature = "auth")]
            Some(Auth::Basic { path, .. }) => Some(path.as_path()),
            Some(Auth::Forward(_)) | None => None,
        };
        let pages = route.errors.values().map(|page| page.path.as_path());
        users.into_iter().chain(pages)
    });
    tls.chain(of_routes)
}
