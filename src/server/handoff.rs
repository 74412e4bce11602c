//! The binary is replaced while it serves (USR2): the same command is started anew, gets the listening sockets, and says
//! when it serves; only then the old process lets go of them, and ends when what it runs has ended.
//!
//! Both hold the same sockets for a while, so no connection is refused, and none is lost in a queue. If the new process
//! ends before it serves, or does not say in time that it does, nothing has happened but a line in the log.
//!
//! They talk over a pair of unix sockets that the new process finds as its standard input: a message per step, the
//! sockets beside it (`SCM_RIGHTS`, unix(7)).
//!
//! ```text
//!   old                                     new
//!   listen ADDRESS + sockets    ─────▶
//!   admin ADDRESS + sockets     ─────▶
//!   end                         ─────▶      starts its workers with what its own configuration asks for
//!                               ◀─────      ready
//!   tells the service manager
//!   yours                       ─────▶      is the service
//!   drains
//! ```

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::FutureExt as _;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

use super::passed::{PassedSocket, Role};
use super::sandbox::{self, Inside, Use};
use crate::net::address::Address;
use crate::net::listener::Bound;

/// Tells a new process that its standard input is the way to the old one, whose pid it is.
const VARIABLE: &str = "OSIER_HANDOFF";
/// How long the new process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many sockets go with one message; the kernel takes 253.
const SOCKETS_PER_MESSAGE: usize = 64;
/// How long a message may be: a word and an address.
const MESSAGE_OCTETS_MAX: usize = 4096;

const LISTEN: &[u8] = b"listen ";
const ADMIN: &[u8] = b"admin ";
const END: &[u8] = b"end";
const READY: &[u8] = b"ready";
const YOURS: &[u8] = b"yours";

/// What this process was started as, to start it again.
#[derive(Debug, Clone)]
pub struct Replacement {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Replacement {
    /// This process, as it was started. To be asked at start: later the file behind it may be another.
    ///
    /// # Errors
    /// The file cannot be found out.
    pub fn of_process() -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        let called = arguments.next().unwrap_or_default();
        Ok(Self {
            program: program(&std::env::current_exe()?, &called),
            arguments: arguments.collect(),
        })
    }

    /// What is started.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// Starts it, passes the sockets on and waits until it serves. Dropped before that, the new process is killed.
    pub(super) fn start(
        &self,
        sockets: Vec<(Role, Address, Vec<Arc<OwnedFd>>)>,
        inside: Option<Arc<Inside>>,
    ) -> impl Future<Output = Result<Successor, HandoffError>> + 'static {
        let this = self.clone();
        async move {
            let (ours, theirs) = socketpair(
                AddressFamily::UNIX,
                SocketType::SEQPACKET,
                SocketFlags::CLOEXEC,
                None,
            )
            .map_err(io::Error::from)?;
            let channel = Async::new(ours)?;
            let mut command = Command::new(&this.program);
            command
                .args(&this.arguments)
                .env(VARIABLE, std::process::id().to_string())
                .stdin(theirs);
            // Said of this process, not of that one.
            for name in [
                "LISTEN_FDS",
                "LISTEN_PID",
                "LISTEN_PIDFDID",
                "LISTEN_FDNAMES",
                "WATCHDOG_PID",
                "SYSTEMD_EXEC_PID",
            ] {
                command.env_remove(name);
            }
            command.env_remove(sandbox::VARIABLE);
            if let Some(inside) = &inside {
                command.env(sandbox::VARIABLE, inside.word());
            }
            let child = command.spawn().map_err(|error| {
                let error = match &inside {
                    Some(inside) => inside.explain(&this.program, Use::Run, error),
                    None => error,
                };
                HandoffError::Start(this.program, error)
            })?;
            // It holds the other end still.
            drop(command);
            let mut successor = Successor {
                child: Some(child),
                channel,
            };
            let told = async {
                successor.tell_all(&sockets).await?;
                successor.hear().await
            };
            let late = async {
                Timer::after(PATIENCE).await;
                Err(io::ErrorKind::TimedOut.into())
            };
            match told.or(late).await {
                Ok(true) => Ok(successor),
                Ok(false) => Err(HandoffError::Ended(successor.end().await)),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(HandoffError::Late),
                Err(error)
                    if matches!(
                        error.kind(),
                        // It went while it was told.
                        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                    ) =>
                {
                    Err(HandoffError::Ended(successor.end().await))
                }
                Err(error) => Err(error.into()),
            }
        }
    }
}

impl fmt::Display for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program.display().fmt(f)
    }
}

/// Where the program is, under the name that leads there also after an upgrade: a name that it was called by is better
/// than the file behind it, which may be one version of many.
fn program(file: &Path, called: &OsStr) -> PathBuf {
    let is_it = |name: &Path| std::fs::canonicalize(name).is_ok_and(|found| found == file);
    if called.as_bytes().contains(&b'/') {
        if let Some(name) = std::path::absolute(called).ok().filter(|name| is_it(name)) {
            return name;
        }
    }
    without_deleted(file)
}

/// The kernel says so behind the name of a file that was replaced; what replaced it has the name now.
pub(super) fn without_deleted(file: &Path) -> PathBuf {
    let name = file.as_os_str().as_bytes();
    OsStr::from_bytes(name.strip_suffix(b" (deleted)").unwrap_or(name)).into()
}

/// Why this process cannot be replaced by one that it starts; with what to do instead. None: it can.
pub(super) fn refusal() -> Option<&'static str> {
    refusal_for(std::process::id(), &parent_name(), &|name| {
        std::env::var(name).ok()
    })
}

/// See [`refusal`]: `me` with this parent and this environment.
pub(super) fn refusal_for(
    me: u32,
    parent: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Option<&'static str> {
    if me == 1 {
        return Some(
            "this is PID 1, and with it everything in the container ends; start a new container instead",
        );
    }
    if matches!(parent, "procd" | "ujail") {
        return Some(
            "procd would take the end of this process for a crash and start another one; \
             use `/etc/init.d/osier restart` instead",
        );
    }
    let is_service = variable("SYSTEMD_EXEC_PID").is_some_and(|pid| pid == me.to_string());
    if is_service && variable("NOTIFY_SOCKET").is_none() {
        return Some(
            "systemd would not hear of the new process and end it with this one; set Type=notify, \
             or use `systemctl restart` instead",
        );
    }
    None
}

fn parent_name() -> String {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    std::fs::read_to_string(format!("/proc/{parent}/comm"))
        .unwrap_or_default()
        .trim_end()
        .to_owned()
}

/// The process that takes over. Dropped before [`Successor::confirm`], it is killed.
#[derive(Debug)]
pub(super) struct Successor {
    /// None: it lives on without us.
    child: Option<Child>,
    channel: Async<OwnedFd>,
}

impl Successor {
    pub(super) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Tells it that it is the service.
    pub(super) fn confirm(mut self) {
        self.child = None;
        // If it has just ended, there is nothing that could be done about it here.
        let _ = send(self.channel.as_fd(), YOURS, &[]);
    }

    async fn tell_all(&self, sockets: &[(Role, Address, Vec<Arc<OwnedFd>>)]) -> io::Result<()> {
        for (role, asked, sockets) in sockets {
            let message = describe(*role, asked);
            for part in sockets.chunks(SOCKETS_PER_MESSAGE) {
                self.tell(&message, part).await?;
            }
        }
        self.tell(END, &[]).await
    }

    async fn tell(&self, message: &[u8], sockets: &[Arc<OwnedFd>]) -> io::Result<()> {
        let sockets: Vec<_> = sockets.iter().map(|socket| socket.as_fd()).collect();
        self.channel
            .write_with(|fd| Ok(send(fd.as_fd(), message, &sockets)?))
            .await
    }

    /// It says that it serves. False: it says nothing more.
    async fn hear(&self) -> io::Result<bool> {
        let (message, _) = self
            .channel
            .read_with(|fd| receive_message(fd.as_fd()))
            .await?;
        Ok(message == READY)
    }

    /// How it ended, now that it has nothing more to say.
    async fn end(&mut self) -> Option<ExitStatus> {
        const TRIES: u32 = 100;
        for _ in 0..TRIES {
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                self.child = None;
                return Some(status);
            }
            Timer::after(Duration::from_millis(10)).await;
        }
        None
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The process that this one takes over from.
#[derive(Debug, Clone)]
pub(super) struct Predecessor {
    channel: Arc<OwnedFd>,
    /// What it served and we do not.
    held: Vec<(Address, Arc<OwnedFd>)>,
}

impl Predecessor {
    pub(super) fn hold(&mut self, sockets: impl Iterator<Item = (Address, Arc<OwnedFd>)>) {
        self.held.extend(sockets);
    }

    /// Tells it that we serve, and waits until it has let go. Its end is as good as its word.
    pub(super) async fn take_over(self) {
        let Ok(channel) = self.channel.try_clone().and_then(Async::new) else {
            return;
        };
        let ready = channel
            .write_with(|fd| Ok(send(fd.as_fd(), READY, &[])?))
            .await;
        if ready.is_ok() {
            let _ = channel.read_with(|fd| receive_message(fd.as_fd())).await;
        }
        for (address, _) in &self.held {
            if let Address::Unix(path) = address {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// What the old process passes to this one, if there is one; and what it is.
///
/// # Errors
/// There is one, and what it says makes no sense.
pub(super) fn receive() -> io::Result<Option<(Predecessor, Vec<PassedSocket>)>> {
    let Some(pid) = std::env::var(VARIABLE).ok() else {
        return Ok(None);
    };
    let stdin = io::stdin();
    // The variable is inherited by our children too, the way is not: who made it is who it names.
    let is_meant = sockopt::socket_type(&stdin) == Ok(SocketType::SEQPACKET)
        && sockopt::socket_peercred(&stdin)
            .is_ok_and(|peer| peer.pid.as_raw_nonzero().to_string() == pid);
    if !is_meant {
        return Ok(None);
    }
    let channel = stdin.as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    sockopt::set_socket_timeout(&channel, Timeout::Recv, Some(PATIENCE))?;
    let mut sockets = Vec::new();
    loop {
        let (message, fds) = receive_message(channel.as_fd())?;
        if message == END {
            break;
        }
        let was = understand(&message).ok_or(io::ErrorKind::InvalidData)?;
        for fd in fds {
            sockets.push(PassedSocket::new(fd, Some(was.clone()), "")?);
        }
    }
    let predecessor = Predecessor {
        channel: Arc::new(channel),
        held: Vec::new(),
    };
    Ok(Some((predecessor, sockets)))
}

/// What is passed on of an address.
pub(super) fn offer(role: Role, bound: &Bound) -> (Role, Address, Vec<Arc<OwnedFd>>) {
    (role, bound.asked.clone(), bound.sockets().to_vec())
}

/// The message for an address.
pub(super) fn describe(role: Role, asked: &Address) -> Vec<u8> {
    let mut message = match role {
        Role::Listen => LISTEN.to_vec(),
        Role::Admin => ADMIN.to_vec(),
    };
    match asked {
        Address::Inet(addr) => message.extend_from_slice(addr.to_string().as_bytes()),
        Address::Unix(path) => {
            message.extend_from_slice(b"unix:");
            message.extend_from_slice(path.as_os_str().as_bytes());
        }
    }
    message
}

/// What [`describe`] described.
pub(super) fn understand(message: &[u8]) -> Option<(Role, Address)> {
    let (role, rest) = match message.strip_prefix(LISTEN) {
        Some(rest) => (Role::Listen, rest),
        None => (Role::Admin, message.strip_prefix(ADMIN)?),
    };
    let address = match rest.strip_prefix(b"unix:") {
        Some(path) => Address::Unix(OsString::from_vec(path.to_vec()).into()),
        None => Address::Inet(std::str::from_utf8(rest).ok()?.parse().ok()?),
    };
    Some((role, address))
}

/// Sends one message with these descriptors.
fn send(channel: BorrowedFd<'_>, message: &[u8], fds: &[BorrowedFd<'_>]) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_PER_MESSAGE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(rustix::io::Errno::MSGSIZE);
    }
    let parts = [IoSlice::new(message)];
    sendmsg(channel, &parts, &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// The next message and the descriptors beside it. An empty one: the other side has gone.
fn receive_message(channel: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_PER_MESSAGE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut message = vec![0; MESSAGE_OCTETS_MAX];
    let mut parts = [IoSliceMut::new(&mut message)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = recvmsg(channel, &mut parts, &mut control, flags)?;
    if received
        .flags
        .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
    {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = part {
            fds.extend(more);
        }
    }
    message.truncate(received.bytes);
    Ok((message, fds))
}

/// Why no new process took over.
#[derive(Debug)]
pub(super) enum HandoffError {
    /// The program cannot be started.
    Start(PathBuf, io::Error),
    /// It ended before it served.
    Ended(Option<ExitStatus>),
    /// It did not say in time that it serves.
    Late,
    /// The way to it broke.
    Channel(io::Error),
}

impl From<io::Error> for HandoffError {
    fn from(error: io::Error) -> Self {
        Self::Channel(error)
    }
}

impl fmt::Display for HandoffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(program, error) => write!(f, "{}: {error}", program.display()),
            Self::Ended(Some(status)) => write!(f, "the new process ended first, with {status}"),
            Self::Ended(None) => f.write_str("the new process has nothing to say, and was ended"),
            Self::Late => write!(
                f,
                "the new process did not serve within {} s, and was ended",
                PATIENCE.as_secs()
            ),
            Self::Channel(error) => write!(f, "the way to the new process broke: {error}"),
        }
    }
}
