//! Socket activation: a service manager binds, and starts the process with the listening sockets open from descriptor 3
//! on. So a port below 1024 needs no root, and a restart refuses nobody.
//!
//! Source: sd_listen_fds(3).

use std::io;

use super::passed::PassedSocket;
use crate::runtime::inherited;

/// Takes over what `LISTEN_FDS` counts, if `LISTEN_PID` says that it is for this process.
///
/// # Errors
/// One of the descriptors is not open, or no listening stream socket.
pub(super) fn receive() -> io::Result<Vec<PassedSocket>> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let count = count_for(
        &variable("LISTEN_FDS"),
        &variable("LISTEN_PID"),
        std::process::id(),
    );
    let fds = inherited::take(count)?;
    if fds.len() < count {
        let what = format!(
            "LISTEN_FDS says that {count} sockets were passed, and {} of them are there",
            fds.len()
        );
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    let names = variable("LISTEN_FDNAMES");
    let mut names = names.split(':');
    fds.into_iter()
        .enumerate()
        .map(|(index, fd)| {
            let name = names.next().unwrap_or_default();
            PassedSocket::new(fd, None, name).map_err(|error| {
                let what = format!("descriptor {} of LISTEN_FDS: {error}", index + 3);
                io::Error::new(error.kind(), what)
            })
        })
        .collect()
}

/// How many descriptors were passed to the process `me`. The variables are inherited by its children too; so they name
/// whom they are for.
pub(super) fn count_for(fds: &str, pid: &str, me: u32) -> usize {
    if pid.parse() == Ok(me) {
        fds.parse().unwrap_or(0)
    } else {
        0
    }
}
