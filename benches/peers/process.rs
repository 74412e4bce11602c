//! A proxy that runs: started on its cores, ended by its number whatever happens.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cores::stay_on;
use crate::measure::{birth, family};

/// Ports for the proxies: below those that the system gives to clients.
const PORTS: std::ops::Range<u16> = 18_700..19_700;
/// A proxy that is asked to end has this long.
const ENDING: Duration = Duration::from_secs(2);
const LOOKING: Duration = Duration::from_millis(10);

/// How to start a proxy.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// Its configuration: written to this path before it starts.
    pub(crate) file: Option<(PathBuf, String)>,
    /// It signals its whole process group when it ends, which must not be the bench's.
    pub(crate) own_group: bool,
}

impl Launch {
    pub(crate) fn new(program: &Path, arguments: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            arguments: arguments.iter().map(|text| (*text).to_owned()).collect(),
            environment: Vec::new(),
            file: None,
            own_group: false,
        }
    }

    /// The command and the configuration, to be printed.
    pub(crate) fn describe(&self) -> String {
        let mut text = String::from("$ ");
        for (name, value) in &self.environment {
            text += &format!("{name}={value} ");
        }
        let name = self.program.file_name().unwrap_or_default();
        text += &format!("{} {}\n", name.to_string_lossy(), self.arguments.join(" "));
        if let Some((_, file)) = &self.file {
            text += file;
        }
        text
    }
}

#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
}

impl Running {
    /// Starts a proxy on `cores`; this thread goes back to `home`.
    pub(crate) fn start(
        launch: &Launch,
        address: SocketAddr,
        cores: &[usize],
        home: usize,
        log: &Path,
    ) -> io::Result<Self> {
        if let Some((path, text)) = &launch.file {
            fs::write(path, text)?;
        }
        let log = File::create(log)?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .envs(launch.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if launch.own_group {
            command.process_group(0);
        }
        stay_on(cores)?;
        let started = Instant::now();
        let child = command.spawn();
        stay_on(&[home])?;
        Ok(Self {
            child: child?,
            address,
            started,
        })
    }

    /// The proxy's processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        family(self.child.id())
    }

    /// It has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who survives the first process is known by number and birth, so that no stranger is meant.
        let members: Vec<_> = self
            .pids()
            .into_iter()
            .map(|pid| (pid, birth(pid)))
            .collect();
        // The second one is for those that drain at the first. Once it is waited for, its number may be a stranger's.
        for _ in 0..2 {
            if self.has_ended() {
                break;
            }
            send(self.child.id(), Signal::TERM);
            let end = Instant::now() + ENDING;
            while Instant::now() < end && !self.has_ended() {
                std::thread::sleep(LOOKING);
            }
        }
        for (pid, born) in members {
            if born.is_some() && birth(pid) == born {
                send(pid, Signal::KILL);
            }
        }
        // An error here means that it is gone, which is what is wanted.
        drop(self.child.wait());
    }
}

fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

/// A loopback address that nobody listens on.
pub(crate) fn free_address(next: &mut u16) -> io::Result<SocketAddr> {
    for port in PORTS.start + *next..PORTS.end {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            *next = port - PORTS.start + 1;
            return Ok(address);
        }
    }
    Err(io::Error::other("no free port"))
}

/// A directory of the bench's own; gone when it ends.
#[derive(Debug)]
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("osier-peers-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
