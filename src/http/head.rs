//! Heads: the start line and the header section of a message, as owned values.
//!
//! httparse splits the octets; this file holds it to the RFC where it is kinder than we are (bare LF, empty lines in
//! front, octets above 0x7e in a target, empty reasons) and checks what a gateway must know before anything else: the
//! request-target, Host, the limits. Framing is not decided here. A head that parsed is well formed, whole and small
//! enough. Heads are recycled: parsing into a head that was used before allocates nothing.
//! Source: RFC 9112 §2 to §5, RFC 9110 §7.2, §9, §15.

use super::diagnose::{has_loose_line_end, line_end_sin, request_sin, response_sin};
use super::error::{FieldError, HeadError, TargetError};
use super::field::{Fields, Name, check_value, is_token};
use super::limits::Limits;
use super::number::{NumberError, parse_decimal};
use super::options::Options;
use super::target::{
    Authority, Target, check_target, is_target_octet, parse_authority, parse_target,
};
use httparse::{Header, Status};
use std::mem::MaybeUninit;

pub use super::scanner::HeadScanner;
pub use super::write::{ConnectionOption, write_interim, write_request, write_response};

/// The versions osier speaks. A later minor version of HTTP/1 is read as 1.1 (RFC 9110 §2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// What parsing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// The head is whole; so many octets of the input were it.
    Complete(usize),
    /// More octets are needed. Nothing was lost: parse again with the same octets and more.
    Partial,
}

/// What a request expects before it sends its content (RFC 9110 §10.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing.
    None,
    /// `100-continue`.
    Continue,
    /// Something else: 417.
    Unknown,
}

/// The head of a request.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The version of the message.
    pub(super) version: Version,
    /// A token.
    pub(super) method: Vec<u8>,
    /// The request-target; every octet of it is VCHAR and not `#`.
    pub(super) target: Vec<u8>,
    /// The header section.
    fields: Fields,
    /// What parsing learnt of the fields; nothing once they may have changed.
    known: Option<KnownRequest>,
}

/// What parsing a request learns of its fields, and is asked for later.
#[derive(Debug, Clone, Copy)]
struct KnownRequest {
    /// The connection options.
    options: Options,
    /// Octets of the host that Host begins with, and the port behind it. Zero and none where there is no Host.
    host: (usize, Option<u16>),
}

impl RequestHead {
    /// Makes an empty head, to be filled by [`RequestHead::parse`] or by hand; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.version = Version::Http11;
        self.method.clear();
        self.target.clear();
        self.fields_mut().clear();
    }

    /// Reads a request head into `self`. Returns [`Parsed::Complete`] with the octets consumed.
    ///
    /// Empty lines before the request line are skipped and count as consumed. What follows the head is not looked at.
    /// After `Partial` or an error `self` holds nothing to rely on, but for the log its method and target may be there.
    ///
    /// # Errors
    /// [`HeadError`]: the peer sees [`HeadError::status`], 400, 414, 431, 501 or 505, and the connection closes, for
    /// nobody knows where the next message would begin.
    ///
    /// # Source
    /// RFC 9112 §2.2, §2.3, §3, §5; RFC 9110 §7.2.
    pub fn parse(&mut self, octets: &[u8], limits: &Limits) -> Result<Parsed, HeadError> {
        let mut lines = [const { MaybeUninit::uninit() }; LINES];
        if limits.fields_max <= LINES {
            let lines = lines.get_mut(..limits.fields_max).unwrap_or_default();
            return self.parse_with(octets, limits, lines);
        }
        match self.parse_with(octets, limits, &mut lines) {
            // More lines than the usual room: once more, with all the room the limit allows.
            Err(HeadError::Field(FieldError::TooMany(_))) => self.parse_with(
                octets,
                limits,
                &mut vec![MaybeUninit::uninit(); limits.fields_max],
            ),
            other => other,
        }
    }

    /// Parses with room for as many lines as `lines` has.
    fn parse_with<'o>(
        &mut self,
        octets: &'o [u8],
        limits: &Limits,
        lines: &mut [MaybeUninit<Header<'o>>],
    ) -> Result<Parsed, HeadError> {
        self.clear();
        let window = octets.get(..limits.head_octets_max).unwrap_or(octets);
        let (leading, head) = skip_leading_lines(window, limits)?;
        let is_full = window.len() >= limits.head_octets_max;

        let mut request = httparse::Request::new(&mut []);
        let consumed = match request.parse_with_uninit_headers(head, lines) {
            Ok(Status::Complete(consumed)) => consumed,
            Ok(Status::Partial) => {
                check_line_so_far(head, is_full, limits)?;
                if is_full {
                    return Err(HeadError::TooLarge(limits.head_octets_max));
                }
                return Ok(Parsed::Partial);
            }
            Err(httparse::Error::TooManyHeaders) => {
                check_line_so_far(head, false, limits)?;
                return Err(FieldError::TooMany(limits.fields_max).into());
            }
            Err(httparse::Error::Version) => {
                return self.parse_later_version(octets, leading, limits);
            }
            Err(_) => {
                check_line_so_far(head, false, limits)?;
                return Err(request_sin(head));
            }
        };
        let head = head.get(..consumed).unwrap_or_default();

        // httparse gives all three whenever the head is complete.
        self.version = if request.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        let method = request.method.unwrap_or_default().as_bytes();
        let target = request.path.unwrap_or_default().as_bytes();
        self.method.extend_from_slice(method);
        self.target.extend_from_slice(target);
        // Before its other lines, as for a head that is not whole yet: what is refused stays refused, for the same sin.
        if self.method.len() > limits.method_octets_max {
            return Err(HeadError::MethodTooLong(limits.method_octets_max));
        }
        if self.target.len() > limits.target_octets_max {
            return Err(TargetError::TooLong(limits.target_octets_max).into());
        }
        let line_octets = method
            .len()
            .saturating_add(target.len())
            .saturating_add(b"  HTTP/1.1\r\n".len());
        fill_head(&mut self.fields, head, line_octets, request.headers)?;
        self.check(limits)?;
        Ok(Parsed::Complete(leading.saturating_add(consumed)))
    }

    /// Reads `HTTP/1.2` to `HTTP/1.9` as HTTP/1.1 (RFC 9110 §2.5); refuses every other version.
    #[cold]
    fn parse_later_version(
        &mut self,
        octets: &[u8],
        leading: usize,
        limits: &Limits,
    ) -> Result<Parsed, HeadError> {
        let head = octets.get(leading..).unwrap_or_default();
        let line = head
            .split(|octet| *octet == b'\n')
            .next()
            .unwrap_or_default();
        let version_start = line
            .iter()
            .rposition(|octet| *octet == b' ')
            .map_or(0, |space| space.saturating_add(1));
        match as_http11(octets, leading.saturating_add(version_start)) {
            Some(rewritten) => self.parse(&rewritten, limits),
            None => {
                check_line_so_far(head, false, limits)?;
                Err(request_sin(head))
            }
        }
    }

    /// Checks what a whole head must keep: the target, Host, connection options. Keeps what it learns by it.
    #[inline]
    fn check(&mut self, limits: &Limits) -> Result<(), HeadError> {
        check_target(&self.method, &self.target)?;
        let host = self.check_host()?;
        let options = check_options(&self.fields, limits)?;
        // Of a response it would only cost the client its answer: what it names away is gone all the same.
        if options.is_malformed {
            return Err(FieldError::BadOption.into());
        }
        self.known = Some(KnownRequest { options, host });
        Ok(())
    }

    /// §3.2 of RFC 9112: exactly one valid Host in HTTP/1.1, at most one before; absolute-form does not excuse it.
    ///
    /// Returns the octets of the host and the port.
    #[inline]
    fn check_host(&self) -> Result<(usize, Option<u16>), HeadError> {
        let mut hosts = self.fields.all(Name::Host);
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http11 => Err(HeadError::HostMissing),
            (None, _) => Ok((0, None)),
            (Some(host), None) => parse_authority(host)
                .map(|authority| (authority.host.len(), authority.port))
                .map_err(|_| HeadError::BadHost),
            (Some(_), Some(_)) => Err(HeadError::HostTwice),
        }
    }

    /// Sets the version.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Sets the method.
    ///
    /// # Errors
    /// [`HeadError::BadMethod`]: no token; nothing was changed.
    pub fn set_method(&mut self, method: impl AsRef<[u8]>) -> Result<(), HeadError> {
        let method = method.as_ref();
        if !is_token(method) {
            return Err(HeadError::BadMethod);
        }
        self.method.clear();
        self.method.extend_from_slice(method);
        Ok(())
    }

    /// Sets the request-target. Which form suits the method is the caller's concern.
    ///
    /// # Errors
    /// [`TargetError::Empty`], [`TargetError::BadOctet`]: nothing was changed.
    pub fn set_target(&mut self, target: impl AsRef<[u8]>) -> Result<(), TargetError> {
        let target = target.as_ref();
        if target.is_empty() {
            return Err(TargetError::Empty);
        }
        if !target.iter().all(|octet| is_target_octet(*octet)) {
            return Err(TargetError::BadOctet);
        }
        self.target.clear();
        self.target.extend_from_slice(target);
        Ok(())
    }

    /// The header section, to change it.
    pub fn fields_mut(&mut self) -> &mut Fields {
        self.known = None;
        &mut self.fields
    }

    /// The method, in the case it came: methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        &self.method
    }

    /// The request-target as it came.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// The version of the message.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header section.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The request-target taken apart.
    ///
    /// # Errors
    /// None for a head that parsed; for one made by hand, as [`parse_target`].
    pub fn form(&self) -> Result<Target<'_>, TargetError> {
        parse_target(&self.method, &self.target)
    }

    /// Whom the request is for: the authority of the target where it has one, else Host.
    ///
    /// None for an HTTP/1.0 request that says nothing; an empty host for an empty Host.
    ///
    /// # Source
    /// RFC 9112 §3.3; §3.2.2: absolute-form wins, and Host is ignored then.
    #[must_use]
    pub fn authority(&self) -> Option<Authority<'_>> {
        let of_target = match self.target.first() {
            Some(b'/') => None,
            _ => self.form().ok().and_then(|target| target.authority()),
        };
        of_target.or_else(|| self.host())
    }

    /// What Host says, if it is an authority.
    #[inline]
    fn host(&self) -> Option<Authority<'_>> {
        let octets = self.fields.first(Name::Host)?;
        match self.known {
            Some(KnownRequest {
                host: (host_octets, port),
                ..
            }) => Some(Authority {
                octets,
                host: octets.get(..host_octets)?,
                port,
            }),
            None => parse_authority(octets).ok(),
        }
    }

    /// The connection options.
    #[inline]
    pub(super) fn options(&self) -> Options {
        match self.known {
            Some(known) => known.options,
            None => Options::of(&self.fields),
        }
    }

    /// What the client expects. HTTP/1.0 cannot expect anything (RFC 9110 §10.1.1).
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        if !self.fields.has(Name::Expect) {
            return Expectation::None;
        }
        let mut items = self.fields.items(Name::Expect).peekable();
        if items.peek().is_none() || self.version == Version::Http10 {
            Expectation::None
        } else if items.all(|item| item.eq_ignore_ascii_case(b"100-continue")) {
            Expectation::Continue
        } else {
            Expectation::Unknown
        }
    }

    /// How many more times an OPTIONS or a TRACE may be forwarded; at zero the gateway answers it itself.
    ///
    /// More than 64 bits are as many as 64 bits hold. What is no number says nothing.
    ///
    /// # Source
    /// RFC 9110 §7.6.2.
    #[must_use]
    #[inline]
    pub fn max_forwards(&self) -> Option<u64> {
        if !self.fields.has(Name::MaxForwards) || !matches!(self.method(), b"OPTIONS" | b"TRACE") {
            return None;
        }
        match parse_decimal(self.fields.first(Name::MaxForwards)?) {
            Ok(count) => Some(count),
            Err(NumberError::Overflow) => Some(u64::MAX),
            Err(NumberError::NotDigits) => None,
        }
    }

    /// Whether the method is HEAD.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == b"HEAD"
    }

    /// Whether the method is CONNECT.
    #[must_use]
    pub fn is_connect(&self) -> bool {
        self.method == b"CONNECT"
    }

    /// Whether sending it twice means the same as once (RFC 9110 §9.2.2).
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method(), b"PUT" | b"DELETE")
    }

    /// Whether it asks for nothing but an answer (RFC 9110 §9.2.1).
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
    }

    /// Whether the client asks for a protocol by `Connection: upgrade` and Upgrade (RFC 9110 §7.8).
    #[must_use]
    pub fn asks_for_upgrade(&self) -> bool {
        self.fields.has(Name::Upgrade)
            && self.version == Version::Http11
            && self.fields.items(Name::Upgrade).next().is_some()
            && self.options().upgrade
    }
}

impl Clone for RequestHead {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.version = source.version;
        self.method.clone_from(&source.method);
        self.target.clone_from(&source.target);
        self.fields.clone_from(&source.fields);
        self.known = source.known;
    }
}

impl PartialEq for RequestHead {
    /// The same start line, and the same fields as [`Fields`] compares them.
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.method == other.method
            && self.target == other.target
            && self.fields == other.fields
    }
}

impl Eq for RequestHead {}

/// The head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// The version of the message.
    pub(super) version: Version,
    /// Three digits.
    /// Invariant: 100 to 999.
    pub(super) status: u16,
    /// The reason phrase, often empty; HTAB, SP, VCHAR and obs-text.
    pub(super) reason: Vec<u8>,
    /// The header section.
    fields: Fields,
    /// The connection options, as parsing read them; nothing once the fields may have changed.
    known: Option<Options>,
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self {
            version: Version::Http11,
            status: 500,
            reason: Vec::new(),
            fields: Fields::new(),
            known: None,
        }
    }
}

impl ResponseHead {
    /// Makes an empty head with status 500, to be filled by [`ResponseHead::parse`] or by hand; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.version = Version::Http11;
        self.status = 500;
        self.reason.clear();
        self.fields_mut().clear();
    }

    /// Reads a response head into `self`, interim or final. Returns [`Parsed::Complete`] with the octets consumed.
    ///
    /// An empty line before the status line is refused: it belongs to no message. A status line without reason and
    /// without the space before it is accepted.
    ///
    /// # Errors
    /// [`HeadError`]: the origin broke the protocol; nothing of it may be forwarded, and its connection closes.
    ///
    /// # Source
    /// RFC 9112 §2.2, §2.3, §4, §5.
    pub fn parse(&mut self, octets: &[u8], limits: &Limits) -> Result<Parsed, HeadError> {
        let mut lines = [const { MaybeUninit::uninit() }; LINES];
        if limits.fields_max <= LINES {
            let lines = lines.get_mut(..limits.fields_max).unwrap_or_default();
            return self.parse_with(octets, limits, lines);
        }
        match self.parse_with(octets, limits, &mut lines) {
            // As for requests: once more, with all the room the limit allows.
            Err(HeadError::Field(FieldError::TooMany(_))) => self.parse_with(
                octets,
                limits,
                &mut vec![MaybeUninit::uninit(); limits.fields_max],
            ),
            other => other,
        }
    }

    /// Parses with room for as many lines as `lines` has.
    fn parse_with<'o>(
        &mut self,
        octets: &'o [u8],
        limits: &Limits,
        lines: &mut [MaybeUninit<Header<'o>>],
    ) -> Result<Parsed, HeadError> {
        self.clear();
        let head = octets.get(..limits.head_octets_max).unwrap_or(octets);
        if let [b'\r', b'\n', ..] | [b'\n', ..] = head {
            return Err(HeadError::LeadingLineInResponse);
        }

        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let consumed = match config.parse_response_with_uninit_headers(&mut response, head, lines) {
            Ok(Status::Complete(consumed)) => consumed,
            Ok(Status::Partial) if head.len() >= limits.head_octets_max => {
                return Err(HeadError::TooLarge(limits.head_octets_max));
            }
            Ok(Status::Partial) => return Ok(Parsed::Partial),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(FieldError::TooMany(limits.fields_max).into());
            }
            Err(httparse::Error::Version) => {
                let rewritten = as_http11(octets, 0).ok_or_else(|| response_sin(head))?;
                return self.parse(&rewritten, limits);
            }
            Err(_) => return Err(response_sin(head)),
        };
        let head = head.get(..consumed).unwrap_or_default();

        self.version = if response.version == Some(0) {
            Version::Http10
        } else {
            Version::Http11
        };
        let reason = match response.reason {
            Some(reason) if !reason.is_empty() => reason.as_bytes(),
            _ => reason_of_line(head),
        };
        let line_octets = reason.len().saturating_add(b"HTTP/1.1 200 \r\n".len());
        fill_head(&mut self.fields, head, line_octets, response.headers)?;
        self.set_reason(reason)
            .map_err(|_| HeadError::BadStatusLine)?;
        match response.code {
            Some(status @ 100..=999) => self.status = status,
            _ => return Err(HeadError::BadStatus),
        }
        self.known = Some(check_options(&self.fields, limits)?);
        Ok(Parsed::Complete(consumed))
    }

    /// Sets the version.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Sets the status code, and the reason phrase that RFC 9110 §15 gives it.
    ///
    /// # Errors
    /// [`HeadError::BadStatus`]: not 100 to 999; nothing was changed.
    pub fn set_status(&mut self, status: u16) -> Result<(), HeadError> {
        if !(100..=999).contains(&status) {
            return Err(HeadError::BadStatus);
        }
        self.status = status;
        self.reason.clear();
        self.reason.extend_from_slice(reason_of(status).as_bytes());
        Ok(())
    }

    /// Sets the reason phrase.
    ///
    /// # Errors
    /// As for a field value: nothing was changed.
    pub fn set_reason(&mut self, reason: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let reason = reason.as_ref();
        check_value(reason)?;
        self.reason.clear();
        self.reason.extend_from_slice(reason);
        Ok(())
    }

    /// The header section, to change it.
    pub fn fields_mut(&mut self) -> &mut Fields {
        self.known = None;
        &mut self.fields
    }

    /// The status code, 100 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; may be empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// The version of the message.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The header section.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The connection options.
    #[inline]
    pub(super) fn options(&self) -> Options {
        match self.known {
            Some(options) => options,
            None => Options::of(&self.fields),
        }
    }

    /// Whether another response to the same request follows: 1xx, but not 101, after which no HTTP follows.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        matches!(self.status, 100..=199) && self.status != 101
    }
}

impl Clone for ResponseHead {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, source: &Self) {
        self.version = source.version;
        self.status = source.status;
        self.reason.clone_from(&source.reason);
        self.fields.clone_from(&source.fields);
        self.known = source.known;
    }
}

impl PartialEq for ResponseHead {
    /// The same status line, and the same fields as [`Fields`] compares them.
    fn eq(&self, other: &Self) -> bool {
        self.version == other.version
            && self.status == other.status
            && self.reason == other.reason
            && self.fields == other.fields
    }
}

impl Eq for ResponseHead {}

/// Fills `fields` with the lines httparse found in `head`, behind a start line of so many octets, CRLF included.
///
/// # Errors
/// As [`fill_fields`].
#[inline]
fn fill_head(
    fields: &mut Fields,
    head: &[u8],
    line_octets: usize,
    lines: &[Header<'_>],
) -> Result<(), FieldError> {
    if fill_plain(fields, head, line_octets, lines).is_none() {
        return fill_fields(fields, head, lines);
    }
    // What httparse took for a name or a value has neither CR nor LF in it, and every other octet was looked at.
    debug_assert!(!has_loose_line_end(head), "each line end was seen");
    Ok(())
}

/// Fills `fields` from a head in which each line is as it would be written: `name: value CRLF`, one behind the other up
/// to the empty line. None: it is not such a head, and `fields` holds nothing to rely on.
#[inline]
fn fill_plain(
    fields: &mut Fields,
    head: &[u8],
    line_octets: usize,
    lines: &[Header<'_>],
) -> Option<()> {
    fields.refill(head);
    let mut start = line_octets;
    let mut is_plain = head.get(..start)?.ends_with(b"\r\n");
    // Neither a name nor a value has an LF in it, and a name begins where the line before ended. So if CRLF is where the
    // line would end as it would be written, and a space where it would have one, then each octet is where it would be.
    // What is not plain is filled anew; a sum that wraps is no place in the head.
    fields.extend_inside(lines.iter().map(|line| {
        let place = start;
        let colon = place.wrapping_add(line.name.len());
        start = colon.wrapping_add(line.value.len()).wrapping_add(4);
        is_plain &= head.get(colon.wrapping_add(1)) == Some(&b' ');
        is_plain &= head
            .get(..start)
            .is_some_and(|lines| lines.ends_with(b"\r\n"));
        (place, line.name.as_bytes(), line.value.len())
    }));
    (is_plain && head.get(start..)? == b"\r\n").then_some(())
}

/// Fills `fields` with the lines httparse found in `head`, once its line ends are known to be CRLF.
///
/// # Errors
/// [`FieldError::BareCr`], [`FieldError::BareLf`]: §2.2, httparse takes a bare LF for a line end. We do not.
#[cold]
pub(super) fn fill_fields(
    fields: &mut Fields,
    head: &[u8],
    lines: &[Header<'_>],
) -> Result<(), FieldError> {
    if has_loose_line_end(head) {
        return Err(line_end_sin(head).unwrap_or(FieldError::BareLf));
    }
    fields.refill(head);
    let base = head.as_ptr().addr();
    for line in lines {
        let name = line.name.as_bytes();
        let start = name.as_ptr().addr().saturating_sub(base);
        fields.push_perhaps_inside(start, name, line.value);
    }
    Ok(())
}

/// Skips empty lines before a request line. Returns the octets skipped and what follows.
#[inline]
fn skip_leading_lines<'o>(
    octets: &'o [u8],
    limits: &Limits,
) -> Result<(usize, &'o [u8]), HeadError> {
    let mut rest = octets;
    while let [b'\r', b'\n', after @ ..] = rest {
        rest = after;
    }
    let skipped = octets.len().saturating_sub(rest.len());
    if skipped > limits.leading_lines_max.saturating_mul(2) {
        return Err(HeadError::LeadingLines(limits.leading_lines_max));
    }
    Ok((skipped, rest))
}

/// Refuses the request line of a head that is not whole, or is wrong further on, for its length. What is too long at its
/// first look is too long at each later one, whatever has come behind it.
#[cold]
fn check_line_so_far(head: &[u8], is_full: bool, limits: &Limits) -> Result<(), HeadError> {
    let mut lines = head.splitn(2, |octet| *octet == b'\n');
    let line = lines.next().unwrap_or_default();
    let is_cut = lines.next().is_none();
    let mut parts = line.split(|octet| *octet == b' ');
    let (method, target) = (
        parts.next().unwrap_or_default(),
        parts.next().unwrap_or_default(),
    );
    if method.len() > limits.method_octets_max {
        return Err(HeadError::MethodTooLong(limits.method_octets_max));
    }
    if target.len() > limits.target_octets_max || (is_full && is_cut) {
        return Err(TargetError::TooLong(limits.target_octets_max).into());
    }
    Ok(())
}

/// A copy of `octets` in which `HTTP/1.x` at `start`, x from 2 to 9, reads `HTTP/1.1`.
fn as_http11(octets: &[u8], start: usize) -> Option<Vec<u8>> {
    let minor = start.checked_add(b"HTTP/1.".len())?;
    if octets.get(start..minor)? != b"HTTP/1." || !matches!(octets.get(minor)?, b'2'..=b'9') {
        return None;
    }
    let mut copy = octets.to_vec();
    *copy.get_mut(minor)? = b'1';
    Some(copy)
}

/// The reason of a status line that httparse has none of: there is none, or there is obs-text in it. What follows
/// `HTTP/1.1 200` and one space.
#[cold]
fn reason_of_line(head: &[u8]) -> &[u8] {
    let line = head
        .split(|octet| *octet == b'\r')
        .next()
        .unwrap_or_default();
    line.get(b"HTTP/1.1 200 ".len()..).unwrap_or_default()
}

/// Reads the connection options and bounds them, and so the work of looking for each of them among the fields.
#[inline]
fn check_options(fields: &Fields, limits: &Limits) -> Result<Options, HeadError> {
    let options = Options::of(fields);
    if options.count as usize > limits.connection_options_max {
        return Err(FieldError::TooManyOptions(limits.connection_options_max).into());
    }
    Ok(options)
}

/// The reason phrase RFC 9110 §15 (and RFC 6585, RFC 8297, RFC 8470) gives a status code, or an empty one.
#[must_use]
pub fn reason_of(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        511 => "Network Authentication Required",
        _ => "",
    }
}

/// Field lines there is room for without allocating; costs nothing when they are not used.
const LINES: usize = 128;
