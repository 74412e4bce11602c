//! From the message that came to the message that goes. Strip first, then add; what came stays untouched.
//!
//! One function per direction, each a list of small steps in a fixed order, so that nothing a peer names can take away
//! what osier adds. Framing fields are never forwarded: the writer says them anew from a [`Framed`](super::Framed).
//! Source: RFC 9110 §7.6 (forwarding), §7.7, §7.8, §10.1.4; RFC 9112 §3.2; RFC 7239.

use super::body::may_be_trailer;
use super::error::{FieldError, TargetError};
use super::field::{Fields, Name, Names, is_token};
use super::head::{Expectation, RequestHead, ResponseHead, Version};
use super::number::{parse_decimal, write_decimal, write_ipv4};
use super::options::{Options, names_field};
use super::target::Target;
use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;
use std::{error, fmt};

/// How a request goes on to the origin.
#[derive(Debug, Clone, Copy)]
pub struct Forwarding<'a> {
    /// The address of the client; none on a Unix socket.
    pub client_ip: Option<IpAddr>,
    /// `http` or `https`: how the client came.
    pub scheme: &'a str,
    /// Whether the client's own forwarding fields are believed and appended to; else they are replaced.
    pub trusted: bool,
    /// What the origin gets as Host.
    pub host: HostPolicy<'a>,
    /// What the origin gets as Host when it is to be the client's and the client gave none (HTTP/1.0).
    pub fallback_host: &'a [u8],
    /// Which forwarding fields are added.
    pub forwarded: ForwardedStyle,
    /// What happens to X-Request-Id.
    pub request_id: RequestId<'a>,
    /// Whether Via is added.
    pub via: bool,
    /// The protocols a client may upgrade to, such as `websocket`.
    pub upgrade: &'a [Cow<'static, str>],
    /// Fields added after everything else.
    pub add: &'a [(&'a str, &'a str)],
    /// The path that goes before the client's; may have a query. Empty: nothing goes before.
    pub base_path: &'a str,
    /// The path the origin gets instead of the client's, where a route rewrites it. Begins with `/`.
    pub path: Option<&'a [u8]>,
}

impl Default for Forwarding<'_> {
    fn default() -> Self {
        Self {
            client_ip: None,
            scheme: "http",
            trusted: false,
            host: HostPolicy::Preserve,
            fallback_host: b"",
            forwarded: ForwardedStyle::X,
            request_id: RequestId::Off,
            via: false,
            upgrade: const { &[Cow::Borrowed("websocket")] },
            add: &[],
            base_path: "",
            path: None,
        }
    }
}

/// What the origin gets as Host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPolicy<'a> {
    /// What the client asked for.
    Preserve,
    /// The authority of the origin.
    Upstream(&'a [u8]),
    /// A name from the configuration.
    Literal(&'a [u8]),
}

/// Which forwarding fields are added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedStyle {
    /// X-Forwarded-For, -Host and -Proto.
    X,
    /// Forwarded (RFC 7239).
    Rfc7239,
    /// All of them.
    Both,
    /// None.
    Off,
}

impl ForwardedStyle {
    /// Whether X-Forwarded-* are added.
    fn has_x(self) -> bool {
        matches!(self, Self::X | Self::Both)
    }

    /// Whether Forwarded is added.
    fn has_rfc7239(self) -> bool {
        matches!(self, Self::Rfc7239 | Self::Both)
    }
}

/// What happens to X-Request-Id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// It is a field like any other.
    Off,
    /// The client's stays; if there is none this one is added.
    Keep(&'a [u8]),
    /// This one replaces the client's.
    Make(&'a [u8]),
}

/// How a response goes back to the client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Returning<'a> {
    /// The version the client speaks.
    pub client_version: Version,
    /// Whether Via is added.
    pub via: bool,
    /// The time as an HTTP-date, for a final response that has no Date (RFC 9110 §6.6.1).
    pub date: Option<&'a [u8]>,
    /// Fields added after everything else.
    pub add: &'a [(&'a str, &'a str)],
}

/// Why a message cannot be made: what the configuration adds to it is no field or no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardError {
    /// A field to add, or the Host to set.
    Field(FieldError),
    /// The base path, or the path of a rewrite.
    Target(TargetError),
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(_) => f.write_str("a field to be added is malformed"),
            Self::Target(_) => f.write_str("the request-target to be sent is malformed"),
        }
    }
}

impl error::Error for ForwardError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Field(source) => Some(source),
            Self::Target(source) => Some(source),
        }
    }
}

impl From<FieldError> for ForwardError {
    fn from(source: FieldError) -> Self {
        Self::Field(source)
    }
}

impl From<TargetError> for ForwardError {
    fn from(source: TargetError) -> Self {
        Self::Target(source)
    }
}

/// Makes the request that goes to the origin. Input: a parsed head, unchanged. Output: all of `out`, in HTTP/1.1.
///
/// - Left out: the hop-by-hop fields, Proxy-Authorization and Proxy-Authenticate, the framing fields, and every field
///   that Connection names. Host and what osier writes itself cannot be named away. Expect of an HTTP/1.0 client, or of
///   one whose request has no content.
/// - `TE: trailers` and an allowed Upgrade are said again, for this hop. An Upgrade of a request with content is not:
///   nobody could tell content from tunnel.
/// - absolute-form becomes origin-form, its authority Host; `OPTIONS http://host` becomes `OPTIONS *`.
/// - Max-Forwards of OPTIONS and TRACE goes down by one.
///
/// # Errors
/// [`ForwardError`], only for what `how` brings. `out` is not to be sent then.
///
/// # Source
/// RFC 9110 §7.6.1 to §7.8, RFC 9112 §3.2.
pub fn request(
    input: &RequestHead,
    out: &mut RequestHead,
    how: &Forwarding<'_>,
) -> Result<(), ForwardError> {
    out.version = Version::Http11;
    out.method.clear();
    out.method.extend_from_slice(&input.method);
    write_target(input, out, how)?;

    let fields = out.fields_mut();
    fields.clear();
    // Looked up once for all who say it again.
    let authority = input.authority().map(|authority| authority.octets);
    add_host(authority, fields, how)?;
    let max_forwards = input.max_forwards();
    keep_request_fields(input, max_forwards, fields, how);
    renew_te(input, fields);
    renew_trailer(input.fields(), fields);
    renew_expect(input, fields);
    renew_upgrade(input, fields, how.upgrade);
    lower_max_forwards(max_forwards, fields);
    if how.forwarded.has_x() {
        add_x_forwarded(input, authority, fields, how);
    }
    if how.forwarded.has_rfc7239() {
        add_forwarded(input, authority, fields, how);
    }
    if how.via {
        add_via(input.version, fields);
    }
    add_request_id(fields, how.request_id)?;
    add_fields(fields, how.add)
}

/// Makes the response that goes to the client, interim or final. Input: a parsed head, unchanged. Output: all of `out`.
///
/// Left out as in [`request`]; Upgrade stays in a 101 and in a 426, which means nothing without it.
///
/// # Errors
/// [`ForwardError`], only for what `how` brings. `out` is not to be sent then.
///
/// # Source
/// RFC 9110 §7.6.1, §7.6.3, §6.6.1.
pub fn response(
    input: &ResponseHead,
    out: &mut ResponseHead,
    how: &Returning<'_>,
) -> Result<(), ForwardError> {
    out.version = Version::Http11;
    out.status = input.status;
    out.reason.clear();
    out.reason.extend_from_slice(&input.reason);

    let fields = out.fields_mut();
    fields.clear();
    keep_response_fields(input, fields, how.client_version);
    if how.via {
        add_via(input.version, fields);
    }
    match how.date {
        Some(date) if input.status >= 200 && !fields.has(Name::Date) => {
            fields.push_value(Name::Date, b"Date: ", date)?
        }
        _ => {}
    }
    add_fields(fields, how.add)
}

/// Writes the target the origin gets: origin-form, or what goes without a path.
fn write_target(
    input: &RequestHead,
    out: &mut RequestHead,
    how: &Forwarding<'_>,
) -> Result<(), TargetError> {
    let is_plain = input.target.first() == Some(&b'/')
        && how.path.is_none()
        && matches!(how.base_path, "" | "/");
    out.target.clear();
    if is_plain {
        out.target.extend_from_slice(&input.target);
        return Ok(());
    }
    let form = input.form()?;
    match form {
        // §3.2.4 of RFC 9112: the last proxy says OPTIONS * for a target without path and query.
        Target::Absolute {
            path: [],
            query: None,
            ..
        } if input.method == b"OPTIONS" => {
            out.target.push(b'*');
            return Ok(());
        }
        Target::Asterisk | Target::Authority { .. } => {
            out.target.extend_from_slice(&input.target);
            return Ok(());
        }
        Target::Origin { .. } | Target::Absolute { .. } => {}
    }
    let joined = &mut out.target;
    join_target(
        how.base_path.as_bytes(),
        how.path.unwrap_or_else(|| form.path()),
        form.query(),
        joined,
    );
    match joined
        .iter()
        .all(|octet| super::target::is_target_octet(*octet))
    {
        true => Ok(()),
        false => Err(TargetError::BadOctet),
    }
}

/// Joins a base, which may have a query, with a path and a query: one slash between paths, `&` between queries.
pub(super) fn join_target(base: &[u8], path: &[u8], query: Option<&[u8]>, out: &mut Vec<u8>) {
    let mut parts = base.splitn(2, |octet| *octet == b'?');
    let (base_path, base_query) = (parts.next().unwrap_or_default(), parts.next());

    // Paths: exactly one slash in front, exactly one where they meet.
    if !base_path.is_empty() && !base_path.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(base_path.strip_suffix(b"/").unwrap_or(base_path));
    if !path.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(path);

    // Queries: the base's first, for an origin that reads the first of two equal names trusts its own.
    let base_query = base_query.filter(|query| !query.is_empty());
    if let Some(first) = base_query.or(query) {
        out.push(b'?');
        out.extend_from_slice(first);
    }
    if let (Some(_), Some(second @ [_, ..])) = (base_query, query) {
        out.push(b'&');
        out.extend_from_slice(second);
    }
}

/// Copies the fields of a request that go on as they are.
fn keep_request_fields(
    input: &RequestHead,
    max_forwards: Option<u64>,
    out: &mut Fields,
    how: &Forwarding<'_>,
) {
    // Expect, Host, TE, Trailer and Upgrade are said anew by other steps.
    let mut dropped = HOP_BY_HOP
        .with(Name::Expect)
        .with(Name::Host)
        .with(Name::Te)
        .with(Name::Trailer)
        .with(Name::Upgrade);
    let is_made = matches!(how.request_id, RequestId::Make(_));
    dropped = dropped
        .with_if(max_forwards.is_some(), Name::MaxForwards)
        .with_if(is_made, Name::XRequestId);
    if !how.trusted {
        dropped = dropped
            .with(Name::XForwardedHost)
            .with(Name::XForwardedProto)
            .with(Name::XForwardedOther);
    }
    dropped = dropped
        .with_if(!how.trusted || how.forwarded.has_x(), Name::XForwardedFor)
        .with_if(!how.trusted || how.forwarded.has_rfc7239(), Name::Forwarded);

    // What the gateway says by these, no peer may name away.
    const FIXED: Names = Names::of(&[
        Name::MaxForwards,
        Name::XForwardedFor,
        Name::XForwardedHost,
        Name::XForwardedProto,
    ]);
    let fields = input.fields();
    let nominated = nominated(fields, input.options());
    out.append_from(fields, dropped, (&nominated, FIXED));
}

/// Copies the fields of a response that go on as they are.
fn keep_response_fields(input: &ResponseHead, out: &mut Fields, client: Version) {
    let dropped = HOP_BY_HOP
        .with(Name::Te)
        .with_if(!matches!(input.status, 101 | 426), Name::Upgrade)
        .with(Name::Trailer);
    const FIXED: Names = Names::of(&[Name::Upgrade]);
    let fields = input.fields();
    let nominated = nominated(fields, input.options());
    out.append_from(fields, dropped, (&nominated, FIXED));
    if client == Version::Http11 {
        renew_trailer(fields, out);
    }
}

/// The fields that concern one connection only, and the framing fields, which the writer says anew.
///
/// TE and Upgrade are hop-by-hop too; they are handled where they may be said again. Trailer is not: it goes with the
/// trailer section (RFC 9110 §6.6.2), as far as that goes.
const HOP_BY_HOP: Names = Names::of(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyAuthenticate,
    Name::ProxyAuthorization,
    Name::ProxyConnection,
    Name::TransferEncoding,
    Name::ContentLength,
]);

/// The field names that Connection lists, those left out that no peer may name away.
///
/// Allocates only when something is nominated, which is rare.
#[inline]
fn nominated(fields: &Fields, options: Options) -> Vec<&[u8]> {
    if !options.fields {
        return Vec::new();
    }
    fields
        .words(Name::Connection)
        .filter(|option| names_field(option))
        .collect()
}

/// Whether Connection names the field `name`, which then concerns one connection only, in the trailer section too.
///
/// # Source
/// RFC 9110 §7.6.1.
#[must_use]
pub fn is_named_away(fields: &Fields, name: &[u8]) -> bool {
    fields
        .words(Name::Connection)
        .any(|option| option.eq_ignore_ascii_case(name))
}

/// Adds Host, as the first field (RFC 9110 §7.2 wants it early).
fn add_host(
    authority: Option<&[u8]>,
    out: &mut Fields,
    how: &Forwarding<'_>,
) -> Result<(), FieldError> {
    const HOST: &[u8; 6] = b"Host: ";
    match (how.host, authority) {
        (HostPolicy::Preserve, Some(authority)) => out.push_known(Name::Host, HOST, |octets| {
            octets.extend_from_slice(authority)
        }),
        (HostPolicy::Preserve, None) => out.push_value(Name::Host, HOST, how.fallback_host)?,
        (HostPolicy::Upstream(host) | HostPolicy::Literal(host), _) => {
            out.push_value(Name::Host, HOST, host)?
        }
    }
    Ok(())
}

/// Says `TE: trailers` again if an HTTP/1.1 client said it (RFC 9110 §10.1.4).
fn renew_te(input: &RequestHead, out: &mut Fields) {
    let fields = input.fields();
    let asks = fields.has(Name::Te)
        && input.version == Version::Http11
        && fields
            .items(Name::Te)
            .any(|item| item.eq_ignore_ascii_case(b"trailers"));
    if asks {
        out.push_known(Name::Te, b"TE: ", |octets| {
            octets.extend_from_slice(b"trailers")
        });
    }
}

/// Says Trailer again with the names that a trailer section may bring (RFC 9110 §6.5.1, §6.6.2): to announce the others
/// would announce what will not come, and some refuse a message for it.
fn renew_trailer(fields: &Fields, out: &mut Fields) {
    if !fields.has(Name::Trailer) {
        return;
    }
    let may_come =
        |name: &&[u8]| is_token(name) && may_be_trailer(name) && !is_named_away(fields, name);
    let mut names = fields.words(Name::Trailer).filter(may_come).peekable();
    if names.peek().is_some() {
        out.push_known(Name::Trailer, b"Trailer: ", |octets| {
            join_list(names, octets)
        });
    }
}

/// Says `Expect: 100-continue` again, where content follows that it can be about (RFC 9110 §10.1.1).
fn renew_expect(input: &RequestHead, out: &mut Fields) {
    if input.expectation() == Expectation::Continue && announces_content(input.fields()) {
        out.push_known(Name::Expect, b"Expect: ", |octets| {
            octets.extend_from_slice(b"100-continue")
        });
    }
}

/// Says Upgrade again with the protocols that are allowed, in the client's order.
fn renew_upgrade(input: &RequestHead, out: &mut Fields, allowed: &[Cow<'static, str>]) {
    if !input.asks_for_upgrade() || announces_content(input.fields()) {
        return;
    }
    let is_allowed = |protocol: &&[u8]| {
        allowed
            .iter()
            .any(|name| protocol.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut protocols = input
        .fields()
        .items(Name::Upgrade)
        .filter(is_allowed)
        .peekable();
    if protocols.peek().is_some() {
        out.push_known(Name::Upgrade, b"Upgrade: ", |octets| {
            join_list(protocols, octets)
        });
    }
}

/// Whether a request says that content follows.
fn announces_content(fields: &Fields) -> bool {
    fields.has(Name::TransferEncoding)
        || fields
            .all(Name::ContentLength)
            .any(|value| parse_decimal(value) != Ok(0))
}

/// Counts Max-Forwards of OPTIONS and TRACE down (RFC 9110 §7.6.2). At zero the gateway should have answered.
fn lower_max_forwards(count: Option<u64>, out: &mut Fields) {
    if let Some(count) = count {
        out.push_known(Name::MaxForwards, b"Max-Forwards: ", |octets| {
            write_decimal(count.saturating_sub(1), octets)
        });
    }
}

/// Adds X-Forwarded-For, -Host and -Proto; behind a trusted client appends to the first and keeps the others.
fn add_x_forwarded(
    input: &RequestHead,
    authority: Option<&[u8]>,
    out: &mut Fields,
    how: &Forwarding<'_>,
) {
    let fields = input.fields();
    let has_prior = how.trusted && fields.items(Name::XForwardedFor).next().is_some();
    if how.client_ip.is_some() || has_prior {
        add_x_forwarded_for(input, out, how, has_prior);
    }
    if !(how.trusted && out.has(Name::XForwardedHost)) {
        if let Some(authority) = authority.filter(|authority| !authority.is_empty()) {
            out.push_known(Name::XForwardedHost, b"X-Forwarded-Host: ", |octets| {
                octets.extend_from_slice(authority)
            });
        }
    }
    if !(how.trusted && out.has(Name::XForwardedProto)) {
        out.push_known(Name::XForwardedProto, b"X-Forwarded-Proto: ", |octets| {
            octets.extend_from_slice(scheme(how))
        });
    }
}

/// Adds X-Forwarded-For.
#[inline]
fn add_x_forwarded_for(
    input: &RequestHead,
    out: &mut Fields,
    how: &Forwarding<'_>,
    has_prior: bool,
) {
    out.push_known(Name::XForwardedFor, b"X-Forwarded-For: ", |octets| {
        let start = octets.len();
        if has_prior {
            join_list(input.fields().items(Name::XForwardedFor), octets);
        }
        if let Some(ip) = how.client_ip {
            if octets.len() > start {
                octets.extend_from_slice(b", ");
            }
            write_ip(ip, octets);
        }
    });
}

/// Adds an element to Forwarded; behind a trusted client after those it sent (RFC 7239 §4).
fn add_forwarded(
    input: &RequestHead,
    authority: Option<&[u8]>,
    out: &mut Fields,
    how: &Forwarding<'_>,
) {
    let prior = how
        .trusted
        .then(|| input.fields().items(Name::Forwarded))
        .into_iter()
        .flatten();
    out.push_known(Name::Forwarded, b"Forwarded: ", |octets| {
        let start = octets.len();
        join_list(prior, octets);
        octets.extend_from_slice(if octets.len() > start {
            b", for="
        } else {
            b"for="
        });
        match how.client_ip.map(|ip| ip.to_canonical()) {
            None => octets.extend_from_slice(b"unknown"),
            Some(ip @ IpAddr::V4(_)) => write_ip(ip, octets),
            Some(ip @ IpAddr::V6(_)) => {
                octets.extend_from_slice(b"\"[");
                write_ip(ip, octets);
                octets.extend_from_slice(b"]\"");
            }
        }
        if let Some(authority) = authority.filter(|authority| !authority.is_empty()) {
            // The grammar of an authority has neither `"` nor `\`, so it quotes as it is.
            octets.extend_from_slice(b";host=\"");
            octets.extend_from_slice(authority);
            octets.push(b'"');
        }
        octets.extend_from_slice(b";proto=");
        octets.extend_from_slice(scheme(how));
    });
}

/// The scheme, held to the two there are: it goes into fields unchecked.
fn scheme(how: &Forwarding<'_>) -> &'static [u8] {
    if how.scheme == "https" {
        b"https"
    } else {
        b"http"
    }
}

/// Adds what was received and by whom, after any Via there is (RFC 9110 §7.6.3).
fn add_via(received: Version, out: &mut Fields) {
    let value: &[u8] = match received {
        Version::Http10 => b"1.0 osier",
        Version::Http11 => b"1.1 osier",
    };
    out.push_known(Name::Via, b"Via: ", |octets| {
        octets.extend_from_slice(value)
    });
}

/// Sees to it that there is a request id.
fn add_request_id(out: &mut Fields, request_id: RequestId<'_>) -> Result<(), FieldError> {
    match request_id {
        RequestId::Keep(_) if out.has(Name::XRequestId) => Ok(()),
        RequestId::Keep(fresh) | RequestId::Make(fresh) => {
            out.push_value(Name::XRequestId, b"X-Request-Id: ", fresh)
        }
        RequestId::Off => Ok(()),
    }
}

/// Adds the fields of the configuration.
#[inline]
fn add_fields(out: &mut Fields, add: &[(&str, &str)]) -> Result<(), ForwardError> {
    for (name, value) in add {
        out.push(name, value)?;
    }
    Ok(())
}

/// Appends list items with `, ` between them.
fn join_list<'a>(items: impl Iterator<Item = &'a [u8]>, octets: &mut Vec<u8>) {
    let mut before: &[u8] = b"";
    for item in items {
        octets.extend_from_slice(before);
        octets.extend_from_slice(item);
        before = b", ";
    }
}

/// Appends an address; an IPv4 address in IPv6 clothes as IPv4.
fn write_ip(ip: IpAddr, octets: &mut Vec<u8>) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => write_ipv4(ip.octets(), octets),
        // Writing to a Vec cannot fail.
        IpAddr::V6(ip) => drop(write!(octets, "{ip}")),
    }
}
