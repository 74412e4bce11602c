//! `/etc/resolv.conf`: who is asked, how often, and which names a short one may stand for (resolv.conf(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

/// Where name servers listen.
const PORT: u16 = 53;
/// So many servers are asked, and so many domains are searched, as the C library does.
const SERVERS_MAX: usize = 3;
const SEARCH_MAX: usize = 6;

/// How names are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) struct Resolv {
    /// Who is asked, the first one first.
    pub(in crate::net) servers: Vec<SocketAddr>,
    /// Domains that a short name may be in.
    pub(in crate::net) search: Vec<String>,
    /// A name with so many dots is tried as it is before it is searched for.
    pub(in crate::net) ndots: usize,
    /// How long one server may take.
    pub(in crate::net) timeout: Duration,
    /// How many times all of them are asked.
    pub(in crate::net) attempts: u32,
}

impl Resolv {
    /// What the file at `path` says; what holds without a file where there is none.
    pub(super) fn read(path: &str) -> Self {
        Self::parse(&fs::read(path).unwrap_or_default())
    }

    /// What a file of these octets says. What is not understood is passed over.
    pub(in crate::net) fn parse(octets: &[u8]) -> Self {
        let mut this = Self {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in String::from_utf8_lossy(octets).lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => this.servers.extend(words.next().and_then(server)),
                // The last of these lines holds.
                Some("search" | "domain") => {
                    let domains = words.map(|word| word.trim_matches('.').to_owned());
                    let domains = domains.filter(|domain| !domain.is_empty());
                    this.search = domains.take(SEARCH_MAX).collect();
                }
                Some("options") => words.for_each(|word| this.set(word)),
                _ => {}
            }
        }
        this.servers.truncate(SERVERS_MAX);
        if this.servers.is_empty() {
            this.servers.push((Ipv4Addr::LOCALHOST, PORT).into());
        }
        this
    }

    fn set(&mut self, option: &str) {
        let Some((name, Ok(value))) = option.split_once(':').map(|(n, v)| (n, v.parse::<u32>()))
        else {
            return;
        };
        match name {
            "ndots" => self.ndots = value.min(15) as usize,
            "timeout" => self.timeout = Duration::from_secs(value.clamp(1, 30).into()),
            "attempts" => self.attempts = value.clamp(1, 5),
            _ => {}
        }
    }

    /// The names that `name` may stand for, in the order to ask for them.
    pub(in crate::net) fn names(&self, name: &str) -> Vec<String> {
        if let Some(whole) = name.strip_suffix('.') {
            return vec![whole.to_owned()];
        }
        let searched = self.search.iter().map(|domain| format!("{name}.{domain}"));
        let is_long = name.matches('.').count() >= self.ndots;
        let own = || std::iter::once(name.to_owned());
        match is_long {
            true => own().chain(searched).collect(),
            false => searched.chain(own()).collect(),
        }
    }
}

/// The address of a server; `fe80::1%eth0` has its interface with it.
fn server(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some((ip, PORT).into());
    }
    let (ip, zone) = text.split_once('%')?;
    let ip: Ipv6Addr = ip.parse().ok()?;
    let index = || {
        let plain = !zone.contains('/') && !zone.starts_with('.');
        let path = format!("/sys/class/net/{zone}/ifindex");
        let text = plain.then(|| fs::read_to_string(path).ok()).flatten()?;
        text.trim().parse().ok()
    };
    let scope = zone.parse().ok().or_else(index)?;
    Some(SocketAddrV6::new(ip, PORT, 0, scope).into())
}
