//! Listening sockets that another process bound and passed to this one: a service manager that waits for connections
//! itself (`activation`), or the osier that this one takes over from (`handoff`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::handoff::Predecessor;
use super::sandbox::{self, Inside};
use super::{activation, handoff};
use crate::net::address::Address;
use crate::net::listener::{Bound, local_address};

/// What was passed to this process.
#[derive(Debug, Clone, Default)]
pub struct Passed {
    sockets: Vec<PassedSocket>,
    /// Who waits to hear that this process serves.
    predecessor: Option<Predecessor>,
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Clients.
    Listen,
    /// The admin interface.
    Admin,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct PassedSocket {
    fd: Arc<OwnedFd>,
    /// Where it listens.
    local: Address,
    /// What its binder had been asked for, and what for, where that is known.
    was: Option<(Role, Address)>,
    /// What the service manager calls it.
    name: String,
    /// Somebody wanted it.
    is_taken: bool,
}

impl PassedSocket {
    /// A socket; with what it was to whoever bound it, or what it is called.
    ///
    /// # Errors
    /// It is no listening stream socket.
    pub(super) fn new(fd: OwnedFd, was: Option<(Role, Address)>, name: &str) -> io::Result<Self> {
        Ok(Self {
            local: local_address(&fd)?,
            fd: Arc::new(fd),
            was,
            name: name.to_owned(),
            is_taken: false,
        })
    }

    /// It is what `address` asks for, as it was for whoever bound it, or by where it listens.
    fn is_for(&self, role: Role, address: &Address) -> bool {
        match &self.was {
            Some((was, asked)) => *was == role && asked == address,
            None => self.local == *address,
        }
    }

    /// It listens on all addresses of both versions, where `address` asks for those of IPv4: what a service manager
    /// makes of a port alone.
    fn is_for_both(&self, address: &Address) -> bool {
        let (Address::Inet(local), Address::Inet(asked)) = (&self.local, address) else {
            return false;
        };
        let is_both = || rustix::net::sockopt::ipv6_v6only(&self.fd) == Ok(false);
        local.is_ipv6()
            && asked.is_ipv4()
            && local.port() == asked.port()
            && local.ip().is_unspecified()
            && asked.ip().is_unspecified()
            && is_both()
    }
}

impl Passed {
    /// What the environment says was passed; usually nothing. To be called once, before the process opens anything.
    ///
    /// # Errors
    /// It says that something was, and that is not so.
    pub fn from_environment() -> io::Result<Self> {
        if let Some((predecessor, sockets)) = handoff::receive()? {
            return Ok(Self {
                sockets,
                predecessor: Some(predecessor),
            });
        }
        Ok(Self {
            sockets: activation::receive()?,
            predecessor: None,
        })
    }

    /// What was passed for `address`, for so many workers. None: nothing was, it has to be bound.
    ///
    /// # Errors
    /// What the system says of a socket that was.
    pub(super) fn take(
        &mut self,
        role: Role,
        address: &Address,
        workers: usize,
    ) -> io::Result<Option<Bound>> {
        let exact = |socket: &PassedSocket| socket.is_for(role, address);
        let both = |socket: &PassedSocket| socket.is_for_both(address);
        let fits: &dyn Fn(&PassedSocket) -> bool = if self.sockets.iter().any(exact) {
            &exact
        } else {
            &both
        };
        let mut taken = Vec::new();
        for socket in self.sockets.iter_mut().filter(|socket| fits(socket)) {
            taken.push(socket.fd.try_clone()?);
            socket.is_taken = true;
        }
        if taken.is_empty() {
            return Ok(None);
        }
        let is_ours = self.predecessor.is_some();
        Bound::adopt(address, taken, is_ours, workers).map(Some)
    }

    /// The sandbox that this process was started in, by the one that it takes over from.
    pub(super) fn sandbox(&self) -> Option<Inside> {
        self.predecessor.as_ref()?;
        Inside::inherited(std::env::var(sandbox::VARIABLE).ok().as_deref())
    }

    /// Ends the taking: who waits to hear from us; and what nobody wanted, as a line each.
    pub(super) fn finish(self) -> (Option<Predecessor>, Vec<String>) {
        let idle = self.sockets.into_iter().filter(|socket| !socket.is_taken);
        let Some(mut predecessor) = self.predecessor else {
            let lines = idle.map(|PassedSocket { local, name, .. }| {
                format!(
                    "{local} was passed to this process{}{name}, and nothing in its configuration asks for it: closed",
                    if name.is_empty() { "" } else { " as " },
                )
            });
            return (None, lines.collect());
        };
        // What it served and we do not is closed only when it has gone, or else it would be missing if it stays.
        predecessor.hold(idle.map(|socket| (socket.local, socket.fd)));
        (Some(predecessor), Vec::new())
    }
}
