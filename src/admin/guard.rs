//! Who may ask at all: this machine and the networks named, and among their clients none that a page of another site
//! drives.

use std::net::{IpAddr, SocketAddr};

use crate::http::network::Network;

/// A client with this address is answered.
pub(super) fn lets_in(allow: &[Network], ip: IpAddr) -> bool {
    ip.is_loopback() || allow.iter().any(|it| it.contains(ip))
}

/// The Host is one that only someone sends who means this interface: no page of another site can.
pub(super) fn believes(hosts: &[String], host: &[u8], local: Option<SocketAddr>) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
        .ok();
    name.eq_ignore_ascii_case("localhost")
        || local.is_some_and(|local| address == Some(local.ip()))
        || hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(host))
}
