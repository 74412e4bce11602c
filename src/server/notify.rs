//! What the service manager is told, as systemd wants to hear it: one datagram per change, to the socket that it named in
//! `NOTIFY_SOCKET`. Without that every word is silently nothing.
//!
//! Source: sd_notify(3), sd_watchdog_enabled(3).

use std::ffi::OsStr;
use std::fmt::Display;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock;

/// How long a manager that does not read may hold up the control side, per word.
const PATIENCE: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one. Cheap to clone: every clone is the same way.
#[derive(Debug, Clone, Default)]
pub struct Notify {
    way: Option<Arc<Way>>,
    /// How often it wants to hear that all is well.
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct Way {
    socket: UnixDatagram,
    manager: SocketAddr,
    /// Another process is the service.
    is_over: AtomicBool,
}

impl Notify {
    /// The way that the environment names; none where it names none.
    ///
    /// # Errors
    /// `NOTIFY_SOCKET` is neither an absolute path nor an abstract name (`@…`), or no socket is to be had.
    pub fn from_environment() -> io::Result<Self> {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
            return Ok(Self::default());
        };
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let asked = number("WATCHDOG_USEC").map(Duration::from_micros);
        let is_for_us = std::env::var_os("WATCHDOG_PID").is_none()
            || number("WATCHDOG_PID") == Some(u64::from(std::process::id()));
        Ok(Self {
            way: Some(Arc::new(Way::to(&name)?)),
            watchdog: asked.filter(|asked| is_for_us && !asked.is_zero()),
        })
    }

    /// A service manager listens.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.way.is_some()
    }

    /// It serves: everything is set up, or set up again. `status` is for people.
    pub fn ready(&self, status: impl Display) {
        self.say(format_args!("READY=1\nSTATUS={status}"));
    }

    /// It reads its configuration again; [`Notify::ready`] will follow, also where that failed.
    pub fn reloading(&self) {
        // Both in one datagram: the manager tells by the time which reload this answers.
        let now = clock::monotonic_micros();
        self.say(format_args!("RELOADING=1\nMONOTONIC_USEC={now}"));
    }

    /// It has begun to end.
    pub fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// What it does now, for people.
    pub fn status(&self, status: impl Display) {
        self.say(format_args!("STATUS={status}"));
    }

    /// Another process is the service from now on. It speaks for itself: after this nothing more is said from here.
    pub fn main_pid(&self, pid: u32) {
        self.say(format_args!("MAINPID={pid}"));
        if let Some(way) = &self.way {
            way.is_over.store(true, Ordering::Relaxed);
        }
    }

    /// All is well. To be said only by who has looked.
    pub fn watchdog(&self) {
        self.say("WATCHDOG=1");
    }

    /// How often [`Notify::watchdog`] is due: half of the time after which the manager takes us for dead. None: it does
    /// not watch us.
    #[must_use]
    pub fn watchdog_period(&self) -> Option<Duration> {
        self.watchdog.map(|asked| asked / 2)
    }

    fn say(&self, words: impl Display) {
        let way = self.way.as_ref();
        if let Some(way) = way.filter(|way| !way.is_over.load(Ordering::Relaxed)) {
            // A manager that cannot hear us will find out by itself.
            let words = words.to_string();
            let _ = way.socket.send_to_addr(words.as_bytes(), &way.manager);
        }
    }
}

impl Way {
    fn to(name: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            manager: address(name)?,
            is_over: AtomicBool::new(false),
        })
    }
}

/// What `NOTIFY_SOCKET` names.
pub(super) fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(name),
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "NOTIFY_SOCKET is neither an absolute path nor @NAME",
        )),
    }
}
