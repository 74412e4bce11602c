//! Heads: start line and field lines, owned and recyclable.
//!
//! httparse finds the pieces; what it lets pass and we do not (bare LF, Host, the target's form) is checked here, over
//! the octets it consumed. What it refuses is walked once more to give the sin its name. Framing is judged elsewhere.
//! RFC 9112 §2 to §5.

use std::mem::MaybeUninit;

use super::error::HeadError;
use super::field::{Fields, Name, is_tchar};
use super::limits::{FIELDS_CEILING, Limits};
use super::target::{Target, is_host};

/// A version this room speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// What parsing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Parsed {
    /// The head took so many octets; what follows is content or the next message.
    Complete(usize),
    /// No fault so far, more octets are needed. The head's value is then unspecified.
    Partial,
}

/// What the client asks with `Expect`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// Nothing, or HTTP/1.0, where the field means nothing.
    None,
    /// `100-continue`: it waits before it sends its content.
    Continue,
    /// Anything else: 417.
    Unknown,
}

/// The head of a request. Parsing into one again reuses its memory.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// A token.
    method: Vec<u8>,
    /// Without spaces and controls.
    target: Vec<u8>,
    /// As the sender wrote it.
    version: Version,
    /// In order and in the original case.
    fields: Fields,
}

impl RequestHead {
    /// Parses one head from the start of `octets` and checks everything but its framing.
    ///
    /// Input: what has been read, from the first octet of the message. Output: [`Parsed::Complete`] with the octets
    /// consumed, empty lines before the request line included.
    ///
    /// # Errors
    /// Each sin of [`HeadError`]; the peer sees its status and the connection closes.
    ///
    /// # Source
    /// RFC 9112 §2.2, §3, §5.
    pub fn parse(&mut self, octets: &[u8], limits: &Limits) -> Result<Parsed, HeadError> {
        self.clear();
        let seen = octets.get(..limits.head_octets_max).unwrap_or(octets);
        let (skipped, seen_head) = skip_empty_lines(seen)?;
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
        let room = room
            .get_mut(..limits.fields_max.min(FIELDS_CEILING))
            .unwrap_or_default();
        let mut found = httparse::Request::new(&mut []);
        let consumed = match found.parse_with_uninit_headers(seen_head, room) {
            Ok(httparse::Status::Complete(consumed)) => consumed,
            outcome => {
                if is_target_too_long(seen_head, limits) {
                    return Err(HeadError::TargetTooLong);
                }
                return not_complete(outcome, seen, limits, || request_sin(seen_head));
            }
        };
        let head = seen_head.get(..consumed).unwrap_or_default();
        self.method
            .extend_from_slice(found.method.unwrap_or_default().as_bytes());
        self.target
            .extend_from_slice(found.path.unwrap_or_default().as_bytes());
        self.version = version(found.version);
        self.fields.load(head, found.headers);
        if self.target.len() > limits.target_octets_max {
            return Err(HeadError::TargetTooLong);
        }
        if !lines_end_in_crlf(head) {
            return Err(request_sin(head));
        }
        self.check(limits)?;
        Ok(Parsed::Complete(skipped.saturating_add(consumed)))
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.method.clear();
        self.target.clear();
        self.version = Version::Http11;
        self.fields.clear();
    }

    /// Replaces the method; octets that cannot stand in a token are left out.
    pub fn set_method(&mut self, method: &[u8]) {
        self.method.clear();
        self.method
            .extend(method.iter().copied().filter(|&octet| is_tchar(octet)));
    }

    /// Replaces the target; spaces and controls are percent-encoded.
    pub fn set_target(&mut self, target: &[u8]) {
        self.set_target_parts(&[target]);
    }

    /// Replaces the version.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// The fields, to edit.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The method, in its original case.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        &self.method
    }

    /// The whole target as it was sent.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        &self.target
    }

    /// The version as it was sent.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The target in its form; an origin-form of nothing before anything was parsed.
    #[must_use]
    pub fn form(&self) -> Target<'_> {
        Target::sort(&self.method, &self.target).unwrap_or(Target::Origin {
            path: b"",
            query: None,
        })
    }

    /// The authority that is asked: the target's own if it names one, else Host, else empty.
    ///
    /// # Source
    /// RFC 9112 §3.2.2 and §3.3.
    #[must_use]
    pub fn authority(&self) -> &[u8] {
        let from_target = if self.target.first() == Some(&b'/') {
            None
        } else {
            self.form().authority()
        };
        from_target
            .or_else(|| self.fields.find(Name::Host))
            .unwrap_or_default()
    }

    /// The path without the query: `*` for the asterisk-form, empty for CONNECT.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        self.form().path()
    }

    /// The query, after the `?`; `None` without one.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.form().query()
    }

    /// What `Expect` asks.
    ///
    /// # Source
    /// RFC 9110 §10.1.1.
    #[must_use]
    pub fn expectation(&self) -> Expectation {
        if self.version == Version::Http10 || self.fields.find(Name::Expect).is_none() {
            return Expectation::None;
        }
        let mut expectation = Expectation::None;
        for item in self.fields.list(Name::Expect.as_str()) {
            if !item.eq_ignore_ascii_case(b"100-continue") {
                return Expectation::Unknown;
            }
            expectation = Expectation::Continue;
        }
        expectation
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

    /// Whether the method is OPTIONS.
    #[must_use]
    pub fn is_options(&self) -> bool {
        self.method == b"OPTIONS"
    }

    /// Whether the method only reads. RFC 9110 §9.2.1.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
    }

    /// Whether sending the request twice is as good as once. RFC 9110 §9.2.2.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.is_safe() || matches!(self.method(), b"PUT" | b"DELETE")
    }

    /// Takes the method of another head.
    pub(crate) fn copy_method(&mut self, other: &Self) {
        self.method.clone_from(&other.method);
    }

    /// As [`RequestHead::set_target`], with the target in several parts.
    pub(crate) fn set_target_parts(&mut self, parts: &[&[u8]]) {
        self.target.clear();
        for part in parts {
            if !part.iter().any(|&octet| is_no_target(octet)) {
                self.target.extend_from_slice(part);
                continue;
            }
            for &octet in *part {
                if is_no_target(octet) {
                    let digit = super::number::hex_digit;
                    self.target
                        .extend_from_slice(&[b'%', digit(octet >> 4), digit(octet)]);
                } else {
                    self.target.push(octet);
                }
            }
        }
    }

    /// Target form, Host and the length of Connection.
    fn check(&self, limits: &Limits) -> Result<(), HeadError> {
        Target::parse(&self.method, &self.target)?;
        let mut host = None;
        let mut connection_octets = 0usize;
        for line in self.fields.entries() {
            match line.id {
                Name::Host if host.is_some() => return Err(HeadError::DoubleHost),
                Name::Host => host = Some(line.value),
                Name::Connection => {
                    connection_octets = connection_octets.saturating_add(line.value.len());
                }
                _ => {}
            }
        }
        match host {
            Some(host) if !is_host(host) => Err(HeadError::BadHost),
            None if self.version == Version::Http11 => Err(HeadError::MissingHost),
            _ if connection_octets > limits.connection_octets_max => {
                Err(HeadError::ConnectionTooLong)
            }
            _ => Ok(()),
        }
    }
}

impl Clone for RequestHead {
    fn clone(&self) -> Self {
        let (method, target) = (self.method.clone(), self.target.clone());
        Self {
            method,
            target,
            version: self.version,
            fields: self.fields.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.method.clone_from(&source.method);
        self.target.clone_from(&source.target);
        self.version = source.version;
        self.fields.clone_from(&source.fields);
    }
}

/// The head of a response. Parsing into one again reuses its memory.
#[derive(Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// From 100 to 999.
    status: u16,
    /// Without controls; empty if the sender's was not ASCII.
    reason: Vec<u8>,
    /// As the sender wrote it.
    version: Version,
    /// In order and in the original case.
    fields: Fields,
}

impl ResponseHead {
    /// Parses one head from the start of `octets`, as strictly as a request's.
    ///
    /// Input: what has been read, from the first octet of the message. Output: [`Parsed::Complete`] with the octets
    /// consumed.
    ///
    /// # Errors
    /// Each sin of [`HeadError`]; the client sees 502 and the origin's connection closes.
    ///
    /// # Source
    /// RFC 9112 §2.2, §4, §5.
    pub fn parse(&mut self, octets: &[u8], limits: &Limits) -> Result<Parsed, HeadError> {
        self.clear();
        let seen = octets.get(..limits.head_octets_max).unwrap_or(octets);
        if let Some(b'\r' | b'\n') = seen.first() {
            return Err(HeadError::EmptyLinesFirst);
        }
        let mut room = [const { MaybeUninit::uninit() }; FIELDS_CEILING];
        let room = room
            .get_mut(..limits.fields_max.min(FIELDS_CEILING))
            .unwrap_or_default();
        let mut found = httparse::Response::new(&mut []);
        let outcome = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut found, seen, room);
        let consumed = match outcome {
            Ok(httparse::Status::Complete(consumed)) => consumed,
            outcome => return not_complete(outcome, seen, limits, || response_sin(seen)),
        };
        let head = seen.get(..consumed).unwrap_or_default();
        self.status = found.code.unwrap_or_default();
        self.reason
            .extend_from_slice(found.reason.unwrap_or_default().as_bytes());
        self.version = version(found.version);
        self.fields.load(head, found.headers);
        if !lines_end_in_crlf(head) {
            return Err(response_sin(head));
        }
        if self.status < 100 {
            return Err(HeadError::BadStatus);
        }
        let connection_octets: usize = self
            .fields
            .find_all(Name::Connection)
            .map(<[u8]>::len)
            .sum();
        if connection_octets > limits.connection_octets_max {
            return Err(HeadError::ConnectionTooLong);
        }
        Ok(Parsed::Complete(consumed))
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.status = 200;
        self.reason.clear();
        self.version = Version::Http11;
        self.fields.clear();
    }

    /// Replaces the status; kept between 100 and 999.
    pub fn set_status(&mut self, status: u16) {
        self.status = status.clamp(100, 999);
    }

    /// Replaces the reason phrase; controls become spaces.
    pub fn set_reason(&mut self, reason: &[u8]) {
        let clean = |&octet: &u8| {
            if octet < b' ' || octet == 0x7f {
                b' '
            } else {
                octet
            }
        };
        self.reason.clear();
        self.reason.extend(reason.iter().map(clean));
    }

    /// Replaces the version.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// The fields, to edit.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase, which means nothing.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// The version as it was sent.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Whether another response follows: 1xx other than 101. RFC 9110 §15.2.
    #[must_use]
    pub fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Takes status and reason of another head.
    pub(crate) fn copy_status(&mut self, other: &Self) {
        self.status = other.status;
        self.reason.clone_from(&other.reason);
    }
}

impl Default for ResponseHead {
    fn default() -> Self {
        Self {
            status: 200,
            reason: Vec::new(),
            version: Version::Http11,
            fields: Fields::default(),
        }
    }
}

impl Clone for ResponseHead {
    fn clone(&self) -> Self {
        let (reason, fields) = (self.reason.clone(), self.fields.clone());
        Self {
            status: self.status,
            reason,
            version: self.version,
            fields,
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.status = source.status;
        self.reason.clone_from(&source.reason);
        self.version = source.version;
        self.fields.clone_from(&source.fields);
    }
}

/// Tells when parsing again is worth it, so that a head that drips in costs linear work overall.
///
/// It parses at once, when an empty line has come, when the octets have doubled, and when they reach the limit.
#[derive(Debug, Clone, Copy)]
pub struct HeadScanner {
    /// Octets already searched for an empty line.
    seen: usize,
    /// Octets at which parsing is worth it whatever they are.
    next: usize,
    /// The head's limit: at it, parsing decides.
    limit: usize,
}

impl HeadScanner {
    /// A scanner for one head.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            seen: 0,
            next: 1,
            limit: limits.head_octets_max,
        }
    }

    /// Starts over for the next head.
    pub fn reset(&mut self) {
        self.seen = 0;
        self.next = 1;
    }

    /// Whether parsing `octets`, all that was read of this head so far, can tell something new.
    #[must_use]
    pub fn worth_parsing(&mut self, octets: &[u8]) -> bool {
        let is_first = self.seen == 0;
        let fresh = octets
            .get(self.seen.saturating_sub(3)..)
            .unwrap_or_default();
        self.seen = octets.len();
        // The first look needs no search, and neither does the last.
        let is_due = octets.len() >= self.next || octets.len() >= self.limit;
        if is_due {
            self.next = octets.len().saturating_mul(2);
        }
        is_due || (!is_first && has_empty_line(fresh))
    }
}

impl Default for HeadScanner {
    fn default() -> Self {
        Self::new(&Limits::default())
    }
}

/// Passes up to two empty lines before a request line. RFC 9112 §2.2 asks for at least one.
fn skip_empty_lines(octets: &[u8]) -> Result<(usize, &[u8]), HeadError> {
    let mut rest = octets;
    for skipped in [0usize, 2, 4] {
        rest = match rest {
            [b'\n', ..] => return Err(HeadError::BareLf),
            [b'\r', b'\n', ..] if skipped == 4 => return Err(HeadError::EmptyLinesFirst),
            [b'\r', b'\n', rest @ ..] => rest,
            [b'\r'] => return Ok((skipped, &[])),
            [b'\r', ..] => return Err(HeadError::BareCr),
            rest => return Ok((skipped, rest)),
        };
    }
    Ok((4, rest))
}

/// What to say when httparse found no whole head.
fn not_complete(
    outcome: httparse::Result<usize>,
    seen: &[u8],
    limits: &Limits,
    sin: impl FnOnce() -> HeadError,
) -> Result<Parsed, HeadError> {
    match outcome {
        Ok(_) if seen.len() >= limits.head_octets_max => Err(HeadError::HeadTooLarge),
        Ok(_) => Ok(Parsed::Partial),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyFields),
        Err(_) => Err(sin()),
    }
}

/// Whether the target, as far as it is there and well formed, is over its limit.
fn is_target_too_long(head: &[u8], limits: &Limits) -> bool {
    let mut words = head.splitn(2, |&octet| octet == b' ');
    let target = words.nth(1).unwrap_or_default();
    let octets = target
        .iter()
        .take_while(|&&octet| !is_no_target(octet))
        .count();
    octets > limits.target_octets_max
}

/// Whether every LF has its CR. (httparse has made sure that every CR has its LF.)
fn lines_end_in_crlf(head: &[u8]) -> bool {
    let feeds = head.iter().filter(|&&octet| octet == b'\n').count();
    let next = head.get(1..).unwrap_or_default();
    let ends = head
        .iter()
        .zip(next)
        .filter(|&(&octet, &next)| octet == b'\r' && next == b'\n');
    ends.count() == feeds
}

/// Whether an empty line is in there, with or without its CRs.
fn has_empty_line(octets: &[u8]) -> bool {
    let after = |count: usize| octets.get(count..).unwrap_or_default();
    let crlf = octets.iter().zip(after(1)).zip(after(2));
    crlf.into_iter()
        .any(|((&a, &b), &c)| a == b'\n' && (b == b'\n' || (b == b'\r' && c == b'\n')))
        || octets.ends_with(b"\n\n")
}

/// Our version for httparse's.
fn version(found: Option<u8>) -> Version {
    if found == Some(0) {
        Version::Http10
    } else {
        Version::Http11
    }
}

/// Whether an octet cannot stand in a target.
fn is_no_target(octet: u8) -> bool {
    octet <= b' ' || octet == 0x7f
}

/// Names the first sin of a request head that was refused.
fn request_sin(head: &[u8]) -> HeadError {
    let mut rest = head.iter().copied();
    // RFC 9112 §3: method SP request-target SP HTTP-version CRLF.
    for (index, octet) in rest.by_ref().enumerate() {
        match octet {
            b' ' if index > 0 => break,
            _ if !is_tchar(octet) => return HeadError::BadMethod,
            _ => {}
        }
    }
    for (index, octet) in rest.by_ref().enumerate() {
        match octet {
            b' ' if index > 0 => break,
            b'\r' | b'\n' if index > 0 => return HeadError::MissingVersion,
            _ if is_no_target(octet) => return HeadError::BadTarget,
            _ => {}
        }
    }
    version_sin(&mut rest)
        .or_else(|| line_end_sin(&mut rest, HeadError::BadVersion))
        .unwrap_or_else(|| {
            // A target that is not UTF-8 is refused after its last octet, with nothing else wrong before.
            field_sin(&mut rest).unwrap_or(HeadError::Malformed)
        })
}

/// Names the first sin of a response head that was refused.
fn response_sin(head: &[u8]) -> HeadError {
    let mut rest = head.iter().copied();
    if let Some(sin) = version_sin(&mut rest) {
        return sin;
    }
    // RFC 9112 §4: HTTP-version SP status-code SP [reason-phrase] CRLF.
    if rest.next().is_some_and(|octet| octet != b' ') {
        return HeadError::BadVersion;
    }
    if rest.by_ref().take(3).any(|octet| !octet.is_ascii_digit()) {
        return HeadError::BadStatus;
    }
    match rest.next() {
        Some(b' ') => loop {
            match rest.next() {
                Some(b'\r') => break,
                Some(b'\n') => return HeadError::BareLf,
                Some(octet) if (octet < b' ' && octet != b'\t') || octet == 0x7f => {
                    return HeadError::BadReason;
                }
                Some(_) => {}
                None => return HeadError::Malformed,
            }
        },
        Some(b'\r') => {}
        Some(b'\n') => return HeadError::BareLf,
        _ => return HeadError::BadStatus,
    }
    match rest.next() {
        Some(b'\n') => field_sin(&mut rest).unwrap_or(HeadError::Malformed),
        _ => HeadError::BareCr,
    }
}

/// Passes `HTTP/1.0` or `HTTP/1.1`, or names what is wrong with it.
fn version_sin(rest: &mut impl Iterator<Item = u8>) -> Option<HeadError> {
    for (index, want) in b"HTTP/1.1".iter().copied().enumerate() {
        match rest.next() {
            Some(octet) if octet == want || (index == 7 && octet == b'0') => {}
            Some(octet) if octet.is_ascii_digit() && (index == 5 || index == 7) => {
                return Some(HeadError::UnsupportedVersion);
            }
            Some(_) => return Some(HeadError::BadVersion),
            None => return Some(HeadError::Malformed),
        }
    }
    None
}

/// Passes CRLF, or names what is there instead.
fn line_end_sin(rest: &mut impl Iterator<Item = u8>, other: HeadError) -> Option<HeadError> {
    match rest.next() {
        Some(b'\r') if rest.next() == Some(b'\n') => None,
        Some(b'\r') => Some(HeadError::BareCr),
        Some(b'\n') => Some(HeadError::BareLf),
        Some(_) => Some(other),
        None => Some(HeadError::Malformed),
    }
}

/// Walks field lines and names the first sin; `None` when they are good or end early.
pub(crate) fn field_sin(rest: &mut impl Iterator<Item = u8>) -> Option<HeadError> {
    loop {
        // The line's name, up to its colon.
        let mut name_octets = 0usize;
        loop {
            match rest.next()? {
                b':' if name_octets == 0 => return Some(HeadError::EmptyFieldName),
                b':' => break,
                b' ' | b'\t' if name_octets == 0 => return Some(HeadError::ObsFold),
                b' ' | b'\t' => return Some(HeadError::WhitespaceBeforeColon),
                b'\r' if name_octets == 0 => {
                    return (rest.next()? != b'\n').then_some(HeadError::BareCr);
                }
                b'\n' if name_octets == 0 => return Some(HeadError::BareLf),
                b'\r' | b'\n' => return Some(HeadError::MissingColon),
                octet if !is_tchar(octet) => return Some(HeadError::BadFieldName),
                _ => name_octets = name_octets.saturating_add(1),
            }
        }
        // Its value, up to its CRLF.
        loop {
            match rest.next()? {
                b'\r' => break,
                b'\n' => return Some(HeadError::BareLf),
                0 => return Some(HeadError::NulInValue),
                octet if (octet < b' ' && octet != b'\t') || octet == 0x7f => {
                    return Some(HeadError::ControlInValue);
                }
                _ => {}
            }
        }
        if rest.next()? != b'\n' {
            return Some(HeadError::BareCr);
        }
    }
}
