//! The proxies: where each is found, and how it is set up for a fair run.
//!
//! Fair means: one worker (or two, where that is the question), connections kept on both sides, X-Forwarded-For set, no
//! access log, room for all clients. What a proxy needs beyond that to be at its best is a variant of its own, so that
//! the default is seen too.

pub(crate) mod caddy;
pub(crate) mod golang;
pub(crate) mod haproxy;
pub(crate) mod lighttpd;
pub(crate) mod nginx;
pub(crate) mod osier;
pub(crate) mod pingora;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Launch;
use crate::toolchain::on_path;

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(crate) struct Pem {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The one behind the other.
    pub(crate) both: PathBuf,
}

/// Where a proxy is to run.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// What it shows its clients; `None`: they come in the clear.
    pub(crate) pem: Option<Pem>,
    /// One origin; a second address of it, for those with two endpoints.
    pub(crate) origins: Vec<SocketAddr>,
    pub(crate) workers: usize,
    /// For its files.
    pub(crate) dir: PathBuf,
    /// Descriptors that a process may have.
    pub(crate) descriptors: u64,
}

impl Site {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// What a proxy does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Octets are copied and nothing is read: the floor.
    Tcp,
    Http,
}

#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) layer: Layer,
    /// There is a configuration of it that accepts TLS.
    pub(crate) tls: bool,
    pub(crate) program: PathBuf,
    pub(crate) configure: fn(&Path, &Site) -> Launch,
    /// What a reader has to know of this row.
    pub(crate) remark: &'static str,
}

/// A proxy that is not here, and how it would be.
#[derive(Debug, Clone)]
pub(crate) struct Missing {
    pub(crate) name: &'static str,
    pub(crate) why: String,
}

/// All that can be found, osier first. `build`: what takes minutes to build is built, too.
pub(crate) fn find(build: bool) -> (Vec<Peer>, Vec<Missing>) {
    let mut peers = osier::find();
    let mut missing = Vec::new();
    let found = [
        haproxy::find(),
        nginx::find(),
        lighttpd::find(),
        pingora::find(build),
        golang::find(),
        caddy::find(),
    ];
    for result in found {
        match result {
            Ok(found) => peers.extend(found),
            Err(absent) => missing.push(absent),
        }
    }
    (peers, missing)
}

/// A program, or how Debian installs it.
fn installed(name: &'static str, package: &str) -> Result<PathBuf, Missing> {
    on_path(name).ok_or_else(|| Missing {
        name,
        why: format!("not on PATH; `apt-get install {package}`"),
    })
}

/// The first word with a digit in it that a program prints about itself.
fn version(program: &Path, argument: &str) -> String {
    let Ok(output) = Command::new(program).arg(argument).output() else {
        return String::new();
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let number = text.split([' ', '/', '\n']).find(|word| {
        let word = word.trim_start_matches(['v', 'g', 'o']);
        word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.')
    });
    number.unwrap_or_default().to_owned()
}
