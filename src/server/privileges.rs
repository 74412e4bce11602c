//! Who the process is: what needs root is done first, then root is given up for good, before any thread starts.
//!
//! Linux keeps identities per thread; threads that start later inherit them. So this is for a process that has one
//! thread. Who has stepped down gets nothing back by starting another program either: no set-user-id bit and no file
//! capability counts any more (`no_new_privs`), for the binary that USR2 starts too. Names are looked up in `/etc/passwd` and `/etc/group` and nowhere else: a static binary has no other way.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};
use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::net::address::Address;

/// Whom the process is to become: by name or by number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The user; `None` for the present one.
    pub user: Option<String>,
    /// The group; `None` for the user's own.
    pub group: Option<String>,
}

impl Identity {
    /// Looks the names up.
    ///
    /// # Errors
    /// [`PrivilegeError`]: a name is unknown, or a file cannot be read.
    pub fn resolve(&self) -> Result<Person, PrivilegeError> {
        let read = |path: &'static str| {
            fs::read_to_string(path).map_err(|error| PrivilegeError::Unreadable(path, error))
        };
        self.find(&read("/etc/passwd")?, &read("/etc/group")?)
    }

    /// Looks the names up in the contents of these files.
    pub(super) fn find(&self, passwd: &str, group: &str) -> Result<Person, PrivilegeError> {
        let user = match &self.user {
            Some(name) => Some(User::find(name, passwd)?),
            None => None,
        };
        let gid = match (&self.group, &user) {
            (Some(name), _) => group_of(name, group)?,
            (None, Some(User { gid: Some(gid), .. })) => *gid,
            (None, Some(user)) => return Err(PrivilegeError::NoGroup(user.uid)),
            (None, None) => getgid().as_raw(),
        };
        let mut groups = vec![gid];
        if let Some(name) = user.as_ref().and_then(|user| user.name.as_deref()) {
            groups.extend(groups_with(name, group));
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Person {
            uid: user.map_or_else(|| getuid().as_raw(), |user| user.uid),
            gid,
            groups,
        })
    }
}

/// An identity, in the kernel's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user's number.
    pub uid: u32,
    /// The group's number.
    pub gid: u32,
    /// All groups, the one above included.
    pub groups: Vec<u32>,
}

impl Person {
    /// Makes the process this person: groups, then group, then user, each for good. Where it is so already, only what
    /// other programs could give it is refused from here on.
    ///
    /// # Errors
    /// [`PrivilegeError`]: it may not, or there are other threads, or it could still go back. After an error the process
    /// may be half of each: it has to end.
    pub fn become_it(&self) -> Result<(), PrivilegeError> {
        if !self.is_present() {
            self.step_down()?;
        }
        set_no_new_privs(true).map_err(|error| PrivilegeError::System(error.into()))
    }

    fn step_down(&self) -> Result<(), PrivilegeError> {
        if thread_count().is_some_and(|count| count > 1) {
            return Err(PrivilegeError::Threads);
        }
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let groups: Vec<_> = self.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
        set_thread_groups(&groups)
            .and_then(|()| set_thread_res_gid(gid, gid, gid))
            .and_then(|()| set_thread_res_uid(uid, uid, uid))
            .map_err(|error| match error {
                Errno::PERM => PrivilegeError::NotRoot,
                other => PrivilegeError::System(other.into()),
            })?;
        let may_go_back = !uid.is_root() && set_thread_res_uid(None, Uid::ROOT, None).is_ok();
        if may_go_back || !self.is_present() {
            return Err(PrivilegeError::Undone);
        }
        Ok(())
    }

    /// Gives this person a file that was made for it.
    ///
    /// # Errors
    /// [`PrivilegeError`]: what chown says.
    pub(super) fn own(&self, path: &Path) -> Result<(), PrivilegeError> {
        if self.is_present() {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid)).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => PrivilegeError::NotRoot,
            _ => PrivilegeError::System(error),
        })
    }

    fn is_present(&self) -> bool {
        let mut groups: Vec<_> = getgroups()
            .unwrap_or_default()
            .into_iter()
            .map(Gid::as_raw)
            .chain([getgid().as_raw()])
            .collect();
        groups.sort_unstable();
        groups.dedup();
        [getuid(), geteuid()].map(Uid::as_raw) == [self.uid; 2]
            && [getgid(), getegid()].map(Gid::as_raw) == [self.gid; 2]
            && groups == self.groups
    }
}

/// How many threads this process has, where that can be seen.
pub(super) fn thread_count() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// What a line of `/etc/passwd` says.
struct User {
    name: Option<String>,
    uid: u32,
    /// None: the number is in no line.
    gid: Option<u32>,
}

impl User {
    fn find(wanted: &str, passwd: &str) -> Result<Self, PrivilegeError> {
        let lines = || passwd.lines().filter_map(Self::read);
        // A name may be all digits: then it is a name.
        if let Some(user) = lines().find(|user| user.name.as_deref() == Some(wanted)) {
            return Ok(user);
        }
        let uid = number(wanted).ok_or_else(|| PrivilegeError::UnknownUser(wanted.to_owned()))?;
        let stranger = Self {
            name: None,
            uid,
            gid: None,
        };
        Ok(lines().find(|user| user.uid == uid).unwrap_or(stranger))
    }

    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split(':');
        let (name, _password) = (parts.next()?, parts.next()?);
        Some(Self {
            name: Some(name.to_owned()),
            uid: parts.next()?.parse().ok()?,
            gid: Some(parts.next()?.parse().ok()?),
        })
    }
}

/// The lines of `/etc/group`: name, number, members.
fn group_lines(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, _, gid) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, gid.parse().ok()?, parts.next().unwrap_or_default()))
    })
}

fn group_of(wanted: &str, group: &str) -> Result<u32, PrivilegeError> {
    group_lines(group)
        .find(|(name, ..)| *name == wanted)
        .map(|(_, gid, _)| gid)
        .or_else(|| number(wanted))
        .ok_or_else(|| PrivilegeError::UnknownGroup(wanted.to_owned()))
}

fn groups_with<'a>(user: &'a str, group: &'a str) -> impl Iterator<Item = u32> + 'a {
    group_lines(group)
        .filter(move |(.., members)| members.split(',').any(|member| member == user))
        .map(|(_, gid, _)| gid)
}

/// A number as a person's; the largest means nobody to the kernel.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|number| is_plain && *number != u32::MAX)
}

/// Why the process could not become somebody else.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrivilegeError {
    /// No line of `/etc/passwd` has this name.
    UnknownUser(String),
    /// No line of `/etc/group` has this name.
    UnknownGroup(String),
    /// This number is in no line of `/etc/passwd`, so its group is not known.
    NoGroup(u32),
    /// A file cannot be read.
    Unreadable(&'static str, io::Error),
    /// The process may not become somebody else.
    NotRoot,
    /// Other threads run already; they would stay who they are.
    Threads,
    /// It could still go back.
    Undone,
    /// The system says no for another reason.
    System(io::Error),
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser(name) => write!(
                f,
                "no user `{name}` in /etc/passwd; create it (`adduser --system {name}`), or give a number"
            ),
            Self::UnknownGroup(name) => write!(
                f,
                "no group `{name}` in /etc/group; create it (`addgroup --system {name}`), or give a number"
            ),
            Self::NoGroup(uid) => write!(
                f,
                "user {uid} has no line in /etc/passwd; say which group it is to have"
            ),
            Self::Unreadable(path, error) => write!(f, "{path}: {error}"),
            Self::NotRoot => f.write_str(
                "only root may become another user; start it as root, or leave `user` and `group` out",
            ),
            Self::Threads => {
                f.write_str("other threads run already, and would stay who they are")
            }
            Self::Undone => f.write_str("the step down could be undone; this is no safe place"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PrivilegeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) | Self::System(error) => Some(error),
            _ => None,
        }
    }
}

/// What can be done about an address that may not be bound.
pub(super) fn remedy(address: &Address) -> String {
    let free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        .ok()
        .and_then(|text| text.trim().parse::<u16>().ok())
        .unwrap_or(1024);
    remedy_for(address, free)
}

/// See [`remedy`]: where ports from `free` on are free for everyone.
pub(super) fn remedy_for(address: &Address, free: u16) -> String {
    match address {
        Address::Unix(path) => {
            let folder = path.parent().unwrap_or(path).display();
            format!("this user may not write in {folder}")
        }
        Address::Inet(addr) if addr.port() >= free => {
            "not the port is the reason, but a rule of this machine; its audit log says which"
                .to_owned()
        }
        Address::Inet(addr) => format!(
            "ports below {free} need CAP_NET_BIND_SERVICE (AmbientCapabilities= in a unit, or `setcap \
             cap_net_bind_service=+ep` on the binary), or `sysctl net.ipv4.ip_unprivileged_port_start={}`, or a start as \
             root with `user`, which binds first and steps down then",
            addr.port()
        ),
    }
}
