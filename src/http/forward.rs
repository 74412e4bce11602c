//! What a gateway passes on: strip first, then add; the input is never changed.
//!
//! It owns the hop-by-hop rule, the forwarding fields and the joining of targets; the caller decides whom to trust and
//! where to go. RFC 9110 §7.6 to §7.8, RFC 7239, RFC 9112 §3.2.2 and §3.2.4.

use std::io::Write as _;
use std::net::IpAddr;

use super::field::{Entry, Fields, Name, is_token};
use super::head::{RequestHead, ResponseHead, Version};
use super::number::Decimal;
use super::target::{Target, split_query};

/// How a request is passed on.
#[derive(Debug, Clone)]
pub struct Forwarding<'a> {
    /// The client's address; `None` where it has none, as on a Unix socket.
    pub client: Option<IpAddr>,
    /// How the client reached the gateway: `http` or `https`.
    pub scheme: &'a str,
    /// Whether the client's own forwarding fields are believed: kept and continued. Otherwise they are replaced.
    pub trusted: bool,
    /// The Host the origin sees.
    pub host: HostPolicy<'a>,
    /// Which forwarding fields are added.
    pub forwarded: Forwarded,
    /// What becomes of `X-Request-Id`.
    pub request_id: RequestId<'a>,
    /// Whether to add `Via`.
    pub via: bool,
    /// The protocols a client may upgrade to, such as `websocket`.
    pub upgrade: &'a [&'a str],
    /// Fields appended last. Hop-by-hop and framing names among them are left out.
    pub add: &'a [(Vec<u8>, Vec<u8>)],
    /// What the path is joined to, exactly one slash between; may bring a query of its own.
    pub base_path: &'a str,
}

/// The Host the origin sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPolicy<'a> {
    /// The authority the client asked for.
    Preserve,
    /// The origin's own `host[:port]`.
    Upstream(&'a str),
    /// A configured one.
    Literal(&'a str),
}

/// Which forwarding fields are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// `X-Forwarded-For`, `-Host`, `-Proto`.
    X,
    /// `Forwarded`.
    Rfc7239,
    /// All four.
    Both,
    /// None.
    Off,
}

impl Forwarded {
    /// Whether the three X fields are added.
    fn adds_x(self) -> bool {
        matches!(self, Self::X | Self::Both)
    }

    /// Whether the one of RFC 7239 is added.
    fn adds_rfc7239(self) -> bool {
        matches!(self, Self::Rfc7239 | Self::Both)
    }
}

/// What becomes of `X-Request-Id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// The client's, or this one if it sent none.
    Keep(&'a [u8]),
    /// Always this one.
    Make(&'a [u8]),
    /// Not touched.
    Off,
}

/// Makes `out` the request that the origin shall see. `out` is overwritten; its memory is reused.
///
/// # Source
/// RFC 9110 §7.6.1: hop-by-hop fields and those named by Connection go, over all its lines; only then is anything added.
pub fn request(input: &RequestHead, out: &mut RequestHead, how: &Forwarding<'_>) {
    out.clear();
    out.copy_method(input);
    set_target(input, out, how.base_path);
    let host = match how.host {
        HostPolicy::Preserve => input.authority(),
        HostPolicy::Upstream(host) | HostPolicy::Literal(host) => host.as_bytes(),
    };
    let listed = Listed::new(input.fields());
    let fields = out.fields_mut();
    fields.push(b"Host", host);
    let has_id = copy_request_fields(input, fields, how, &listed);
    add_connection(input, fields, how.upgrade);
    add_forwarded(input, fields, how, &listed);
    match how.request_id {
        RequestId::Keep(id) | RequestId::Make(id) if !has_id && !id.is_empty() => {
            fields.push(b"X-Request-Id", id);
        }
        _ => {}
    }
    if how.via {
        add_via(input.version(), fields);
    }
    for (name, value) in how.add {
        let known = Name::of(name);
        if !known.is_hop_by_hop() && known != Name::ContentLength {
            fields.push(name, value);
        }
    }
}

/// Makes `out` the response that the client shall see; of a 101, `upgrade_accepted` keeps the `Upgrade` field.
///
/// `Connection` and framing come with [`write_response`](super::write_response).
///
/// # Source
/// RFC 9110 §7.6.1, §7.6.3, §7.8.
pub fn response(input: &ResponseHead, out: &mut ResponseHead, via: bool, upgrade_accepted: bool) {
    out.clear();
    out.copy_status(input);
    let listed = Listed::new(input.fields());
    let is_chunked = input.fields().find(Name::TransferEncoding).is_some();
    let fields = out.fields_mut();
    for line in input.fields().entries() {
        let passes = match line.id {
            Name::Upgrade => upgrade_accepted,
            Name::Trailer => is_chunked && !listed.names(&line),
            Name::ContentLength => false,
            id => !id.is_hop_by_hop() && !listed.names(&line),
        };
        if passes {
            fields.push_entry(&line);
        }
    }
    if via {
        add_via(input.version(), fields);
    }
}

/// The protocol the client asks to change to, if it is one of `allowed`, asked for in HTTP/1.1 and named by Connection.
///
/// # Source
/// RFC 9110 §7.8.
#[must_use]
pub fn upgrade_requested<'a>(input: &'a RequestHead, allowed: &[&str]) -> Option<&'a [u8]> {
    let fields = input.fields();
    if fields.find(Name::Upgrade).is_none() || input.version() == Version::Http10 {
        return None;
    }
    if !fields.contains_token(Name::Connection.as_str(), Name::Upgrade.as_str()) {
        return None;
    }
    let is_allowed = |item: &&[u8]| {
        allowed
            .iter()
            .any(|protocol| item.eq_ignore_ascii_case(protocol.as_bytes()))
    };
    fields.list(Name::Upgrade.as_str()).find(is_allowed)
}

/// The names that Connection lists, with a sieve so that most fields are let through at one glance.
struct Listed<'a> {
    /// Where the Connection lines are.
    fields: &'a Fields,
    /// One bit per length and first letter of a listed name.
    sieve: u64,
}

impl<'a> Listed<'a> {
    /// Reads all Connection lines once.
    fn new(fields: &'a Fields) -> Self {
        let mut sieve = 0;
        if fields.find(Name::Connection).is_some() {
            for option in fields.list(Name::Connection.as_str()) {
                sieve |= Self::bit(option);
            }
        }
        Self { fields, sieve }
    }

    /// Whether Connection lists the line's name. Host and the framing fields cannot be taken away that way.
    fn names(&self, line: &Entry<'_>) -> bool {
        self.sieve & Self::bit(line.name) != 0
            && !matches!(
                line.id,
                Name::Host | Name::ContentLength | Name::TransferEncoding
            )
            && self
                .fields
                .list(Name::Connection.as_str())
                .any(|option| option.eq_ignore_ascii_case(line.name))
    }

    /// The sieve's bit for a name.
    fn bit(name: &[u8]) -> u64 {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let index = u32::from(first).wrapping_add(u32::try_from(name.len()).unwrap_or(0) << 2) & 63;
        1u64.wrapping_shl(index)
    }
}

/// Copies what is end-to-end and not replaced later. Returns whether a request id of the client's was among it.
fn copy_request_fields(
    input: &RequestHead,
    fields: &mut Fields,
    how: &Forwarding<'_>,
    listed: &Listed<'_>,
) -> bool {
    let is_chunked = input.fields().find(Name::TransferEncoding).is_some();
    let mut has_id = false;
    for line in input.fields().entries() {
        let passes = match line.id {
            Name::Host | Name::ContentLength => false,
            // §6.6.2: it announces trailers, which pass along with the chunks.
            Name::Trailer => is_chunked,
            id if id.is_hop_by_hop() => false,
            Name::Expect => input.version() == Version::Http11,
            Name::XForwardedFor => how.trusted && !how.forwarded.adds_x(),
            Name::Forwarded => how.trusted && !how.forwarded.adds_rfc7239(),
            Name::XForwardedHost | Name::XForwardedProto => how.trusted,
            Name::XRequestId => match how.request_id {
                RequestId::Off => true,
                RequestId::Make(_) => false,
                RequestId::Keep(_) => !line.value.is_empty() && !has_id,
            },
            _ => true,
        };
        if passes && !listed.names(&line) {
            has_id |= line.id == Name::XRequestId;
            fields.push_entry(&line);
        }
    }
    has_id
}

/// The request's own hop: `TE: trailers` and a permitted upgrade, each named by Connection. RFC 9110 §10.1.4, §7.8.
fn add_connection(input: &RequestHead, fields: &mut Fields, allowed: &[&str]) {
    let upgrade = upgrade_requested(input, allowed);
    let has_trailers = input.version() == Version::Http11
        && input.fields().find(Name::Te).is_some()
        && input.fields().contains_token(Name::Te.as_str(), "trailers");
    if has_trailers {
        fields.push(b"TE", b"trailers");
    }
    if let Some(protocol) = upgrade {
        fields.push(b"Upgrade", protocol);
    }
    match (has_trailers, upgrade.is_some()) {
        (true, true) => fields.push(b"Connection", b"TE, upgrade"),
        (true, false) => fields.push(b"Connection", b"TE"),
        (false, true) => fields.push(b"Connection", b"upgrade"),
        (false, false) => {}
    }
}

/// Adds the forwarding fields; of a trusted client, the earlier values stay in front.
fn add_forwarded(
    input: &RequestHead,
    fields: &mut Fields,
    how: &Forwarding<'_>,
    listed: &Listed<'_>,
) {
    let host = input.authority();
    if how.forwarded.adds_x() {
        add_x_forwarded(input, fields, how, listed, host);
    }
    if how.forwarded.adds_rfc7239() {
        fields.push_with(b"Forwarded", |value| {
            if how.trusted {
                fold(input.fields(), Name::Forwarded, listed, value);
            }
            write_element(how, host, value);
        });
    }
}

/// Adds `X-Forwarded-For`, `-Host`, `-Proto`.
fn add_x_forwarded(
    input: &RequestHead,
    fields: &mut Fields,
    how: &Forwarding<'_>,
    listed: &Listed<'_>,
    host: &[u8],
) {
    let has_prior = how.trusted && input.fields().find(Name::XForwardedFor).is_some();
    if has_prior || how.client.is_some() {
        fields.push_with(b"X-Forwarded-For", |value| {
            if has_prior {
                fold(input.fields(), Name::XForwardedFor, listed, value);
            }
            match how.client {
                Some(client) => write_address(client, value),
                // Nobody to append: the folded list must not end in a comma.
                None => value.truncate(value.len().saturating_sub(2)),
            }
        });
    }
    // A trusted client's own values were copied; only what is missing is added.
    if !host.is_empty() && fields.find(Name::XForwardedHost).is_none() {
        fields.push(b"X-Forwarded-Host", host);
    }
    if fields.find(Name::XForwardedProto).is_none() {
        fields.push(b"X-Forwarded-Proto", how.scheme.as_bytes());
    }
}

/// Appends the values of all lines of a name, each followed by a comma and a space.
fn fold(fields: &Fields, name: Name, listed: &Listed<'_>, value: &mut Vec<u8>) {
    for line in fields
        .entries()
        .filter(|line| line.id == name && !listed.names(line))
    {
        if !line.value.is_empty() {
            value.extend_from_slice(line.value);
            value.extend_from_slice(b", ");
        }
    }
}

/// Appends one forwarded-element. RFC 7239 §4 and §6: addresses of version 6 in brackets and quotes.
fn write_element(how: &Forwarding<'_>, host: &[u8], value: &mut Vec<u8>) {
    value.extend_from_slice(b"for=");
    match how.client.map(|client| client.to_canonical()) {
        None => value.extend_from_slice(b"unknown"),
        Some(client @ IpAddr::V4(_)) => write_address(client, value),
        Some(client @ IpAddr::V6(_)) => {
            value.extend_from_slice(b"\"[");
            write_address(client, value);
            value.extend_from_slice(b"]\"");
        }
    }
    if is_token(host) {
        value.extend_from_slice(b";host=");
        value.extend_from_slice(host);
    } else if !host.is_empty() {
        // A valid authority has neither quote nor backslash.
        value.extend_from_slice(b";host=\"");
        value.extend_from_slice(host);
        value.push(b'"');
    }
    value.extend_from_slice(b";proto=");
    value.extend_from_slice(how.scheme.as_bytes());
}

/// Appends an address; one of version 4 in the clothes of version 6 is undressed.
fn write_address(address: IpAddr, value: &mut Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    value.push(b'.');
                }
                value.extend_from_slice(Decimal::new(octet.into()).as_ref());
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(address) => drop(write!(value, "{address}")),
    }
}

/// Adds our line to Via; the version is the one the message came with. RFC 9110 §7.6.3.
fn add_via(received: Version, fields: &mut Fields) {
    fields.push(
        b"Via",
        match received {
            Version::Http10 => b"1.0 osier",
            Version::Http11 => b"1.1 osier",
        },
    );
}

/// Joins the target to the base path: absolute-form becomes origin-form, `OPTIONS http://h` becomes `*`.
fn set_target(input: &RequestHead, out: &mut RequestHead, base: &str) {
    let (path, query) = match input.form() {
        Target::Asterisk => return out.set_target_parts(&[b"*"]),
        Target::Authority(authority) => return out.set_target_parts(&[authority]),
        // RFC 9112 §3.2.4.
        Target::Absolute {
            path: [],
            query: None,
            ..
        } if input.is_options() => {
            return out.set_target_parts(&[b"*"]);
        }
        Target::Origin { path, query } | Target::Absolute { path, query, .. } => (path, query),
    };
    let path = if path.is_empty() { b"/" } else { path };
    if base.is_empty() {
        let mark: &[u8] = if query.is_some() { b"?" } else { b"" };
        return out.set_target_parts(&[path, mark, query.unwrap_or_default()]);
    }
    let (base_path, base_query) = split_query(base.as_bytes());
    let base_query = base_query.unwrap_or_default();
    let base_path = base_path.strip_suffix(b"/").unwrap_or(base_path);
    let slash: &[u8] = if base_path.is_empty() || base_path.starts_with(b"/") {
        b""
    } else {
        b"/"
    };
    let mark: &[u8] = if query.is_some() || !base_query.is_empty() {
        b"?"
    } else {
        b""
    };
    let query = query.unwrap_or_default();
    let and: &[u8] = if base_query.is_empty() || query.is_empty() {
        b""
    } else {
        b"&"
    };
    out.set_target_parts(&[slash, base_path, path, mark, base_query, and, query]);
}
