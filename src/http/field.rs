//! Field lines: names, values, lists. Owned, in order, in their original case.
//!
//! One vector of octets, one of lines that point into it; names are classified once, so that looking one up compares
//! a small number. Nothing here knows what a field means. RFC 9110 §5, RFC 9112 §5.

use std::fmt;

/// The field lines of one section, recyclable: `clear` and `clone_from` keep the memory.
#[derive(Default)]
pub struct Fields {
    /// What the lines point into; may hold octets that no line uses.
    octets: Vec<u8>,
    /// In the order of arrival. Invariant: every range lies within `octets`.
    lines: Vec<Line>,
}

impl Fields {
    /// Forgets all lines, keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.lines.clear();
    }

    /// Appends a line. In `value`, CR, LF and NUL become spaces (RFC 9110 §5.5) and outer whitespace goes; a `name`
    /// that is no token is not appended at all, so that nothing can be written that is not a field line.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_parts(name, &[value]);
    }

    /// As [`Fields::push`], with the value in several parts.
    pub fn push_parts(&mut self, name: &[u8], parts: &[&[u8]]) {
        self.push_with(name, |octets| {
            for part in parts {
                octets.extend_from_slice(part);
            }
        });
    }

    /// Replaces the first line of that name, removes the others; appends when there is none.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        if !is_token(name.as_bytes()) {
            return;
        }
        self.push(name.as_bytes(), value);
        let Some(new) = self.lines.pop() else { return };
        let wanted = Wanted::new(name);
        let mut placed = false;
        let octets = &self.octets;
        self.lines.retain_mut(|line| {
            if !wanted.is(octets, line) {
                return true;
            }
            if !placed {
                *line = new;
            }
            !std::mem::replace(&mut placed, true)
        });
        if !placed {
            self.lines.push(new);
        }
    }

    /// Removes every line of that name.
    pub fn remove(&mut self, name: &str) {
        let wanted = Wanted::new(name);
        let octets = &self.octets;
        self.lines.retain(|line| !wanted.is(octets, line));
    }

    /// Keeps the lines for which `keep(name, value)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let octets = &self.octets;
        self.lines
            .retain(|line| keep(line.name(octets), line.value(octets)));
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// About how many octets writing all lines takes.
    pub(crate) fn octets_count(&self) -> usize {
        self.octets
            .len()
            .saturating_add(self.lines.len().saturating_mul(4))
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Every line as name and value, in order, in its original case.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .map(|line| (line.name(&self.octets), line.value(&self.octets)))
    }

    /// Every line with its classified name.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.lines.iter().map(|line| Entry {
            id: line.id,
            name: line.name(&self.octets),
            value: line.value(&self.octets),
        })
    }

    /// The value of the first line of that name, in any case.
    #[must_use]
    pub fn get<'a>(&'a self, name: &str) -> Option<&'a [u8]> {
        let wanted = Wanted::new(name);
        self.lines
            .iter()
            .find(|line| wanted.is(&self.octets, line))
            .map(|line| line.value(&self.octets))
    }

    /// The values of all lines of that name, in order.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let wanted = Wanted::new(name);
        self.lines
            .iter()
            .filter(move |line| wanted.is(&self.octets, line))
            .map(|line| line.value(&self.octets))
    }

    /// The value of the first line of a known name. Not for [`Name::Other`].
    #[must_use]
    pub fn find(&self, name: Name) -> Option<&[u8]> {
        self.lines
            .iter()
            .find(|line| line.id == name)
            .map(|line| line.value(&self.octets))
    }

    /// The values of all lines of a known name, in order. Not for [`Name::Other`].
    pub fn find_all(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.lines
            .iter()
            .filter(move |line| line.id == name)
            .map(|line| line.value(&self.octets))
    }

    /// The items of the `#list` over all lines of that name: outer whitespace trimmed, empty items skipped, commas in
    /// quoted strings left alone.
    ///
    /// # Source
    /// RFC 9110 §5.6.1.2.
    #[must_use]
    pub fn list<'a>(&'a self, name: &'a str) -> List<'a> {
        List {
            fields: self,
            wanted: Wanted::new(name),
            next_line: 0,
            rest: &[],
        }
    }

    /// Whether an item of the list is `token`, in any case.
    #[must_use]
    pub fn contains_token(&self, name: &str, token: &str) -> bool {
        self.list(name)
            .any(|item| item.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// Appends a line whose value `fill` writes. Same rules as [`Fields::push`].
    pub(crate) fn push_with(&mut self, name: &[u8], fill: impl FnOnce(&mut Vec<u8>)) {
        if !is_token(name) {
            return;
        }
        let name_at = self.octets.len();
        self.octets.extend_from_slice(name);
        let value_at = self.octets.len();
        fill(&mut self.octets);
        let value = self.octets.get_mut(value_at..).unwrap_or_default();
        if value.iter().any(|&octet| is_forbidden(octet)) {
            value
                .iter_mut()
                .filter(|octet| is_forbidden(**octet))
                .for_each(|octet| *octet = b' ');
        }
        let trimmed = trim(value);
        let value_at = value_at.wrapping_add(offset(value, trimmed));
        let value_len = trimmed.len();
        self.lines.push(Line {
            name_at,
            name_len: name.len(),
            value_at,
            value_len,
            id: Name::of(name),
        });
    }

    /// Appends a line copied from another section, whose octets are known to be good.
    pub(crate) fn push_entry(&mut self, entry: &Entry<'_>) {
        let name_at = self.octets.len();
        self.octets.extend_from_slice(entry.name);
        let value_at = self.octets.len();
        self.octets.extend_from_slice(entry.value);
        let (name_len, value_len) = (entry.name.len(), entry.value.len());
        self.lines.push(Line {
            name_at,
            name_len,
            value_at,
            value_len,
            id: entry.id,
        });
    }

    /// Replaces everything by the lines httparse found in `head`: one copy, then ranges.
    pub(crate) fn load(&mut self, head: &[u8], parsed: &[httparse::Header<'_>]) {
        self.clear();
        self.octets.extend_from_slice(head);
        self.lines.extend(parsed.iter().map(|line| {
            let name = line.name.as_bytes();
            let value = trim(line.value);
            Line {
                name_at: offset(head, name),
                name_len: name.len(),
                value_at: if value.is_empty() {
                    0
                } else {
                    offset(head, value)
                },
                value_len: value.len(),
                id: Name::of(name),
            }
        }));
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self {
            octets: self.octets.clone(),
            lines: self.lines.clone(),
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.octets.clone_from(&source.octets);
        self.lines.clone_from(&source.lines);
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |octets| String::from_utf8_lossy(octets).into_owned();
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

/// One line, read.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What the name is known as.
    pub id: Name,
    /// The name in its original case.
    pub name: &'a [u8],
    /// The value without outer whitespace.
    pub value: &'a [u8],
}

/// The items of a `#list`, see [`Fields::list`].
#[derive(Debug, Clone)]
pub struct List<'a> {
    /// Where the lines are.
    fields: &'a Fields,
    /// Which of them count.
    wanted: Wanted<'a>,
    /// The line to read when `rest` is used up.
    next_line: usize,
    /// What is left of the current line.
    rest: &'a [u8],
}

impl<'a> Iterator for List<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let fields = self.fields;
        loop {
            while let Some(item) = split_item(&mut self.rest) {
                if !item.is_empty() {
                    return Some(item);
                }
            }
            let line = fields.lines.get(self.next_line)?;
            self.next_line = self.next_line.wrapping_add(1);
            if self.wanted.is(&fields.octets, line) {
                self.rest = line.value(&fields.octets);
            }
        }
    }
}

/// Writes [`Name`] from its table, and the classification by length.
macro_rules! names {
    ($($(#[$doc:meta])* $id:ident = $text:literal,)+) => {
        /// The names the gateway itself looks at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Name {
            $($(#[$doc])* #[doc = concat!("`", $text, "`")] $id,)+
            /// Any other name.
            Other,
        }

        impl Name {
            /// The name in lower case; empty for [`Name::Other`].
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$id => $text,)+ Self::Other => "" }
            }

            /// Every known name.
            pub const KNOWN: &'static [Self] = &[$(Self::$id,)+];
        }
    };
}

names! {
    Host = "host",
    Connection = "connection",
    ContentLength = "content-length",
    TransferEncoding = "transfer-encoding",
    Te = "te",
    Trailer = "trailer",
    Upgrade = "upgrade",
    KeepAlive = "keep-alive",
    ProxyConnection = "proxy-connection",
    ProxyAuthenticate = "proxy-authenticate",
    ProxyAuthorization = "proxy-authorization",
    Expect = "expect",
    Forwarded = "forwarded",
    XForwardedFor = "x-forwarded-for",
    XForwardedHost = "x-forwarded-host",
    XForwardedProto = "x-forwarded-proto",
    XRequestId = "x-request-id",
    Via = "via",
    Date = "date",
    Server = "server",
    ContentType = "content-type",
}

impl Name {
    /// Classifies a name in any case: by length, then first letter, then all of it.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let candidate = match (name.len(), first) {
            (2, b't') => Self::Te,
            (3, b'v') => Self::Via,
            (4, b'h') => Self::Host,
            (4, b'd') => Self::Date,
            (6, b'e') => Self::Expect,
            (6, b's') => Self::Server,
            (7, b't') => Self::Trailer,
            (7, b'u') => Self::Upgrade,
            (9, b'f') => Self::Forwarded,
            (10, b'c') => Self::Connection,
            (10, b'k') => Self::KeepAlive,
            (12, b'c') => Self::ContentType,
            (12, b'x') => Self::XRequestId,
            (14, b'c') => Self::ContentLength,
            (15, b'x') => Self::XForwardedFor,
            (16, b'x') => Self::XForwardedHost,
            (16, b'p') => Self::ProxyConnection,
            (17, b't') => Self::TransferEncoding,
            (17, b'x') => Self::XForwardedProto,
            (18, b'p') => Self::ProxyAuthenticate,
            (19, b'p') => Self::ProxyAuthorization,
            _ => return Self::Other,
        };
        if candidate.as_str().as_bytes().eq_ignore_ascii_case(name) {
            candidate
        } else {
            Self::Other
        }
    }

    /// Whether the field belongs to one connection only, named by `Connection` or not.
    ///
    /// # Source
    /// RFC 9110 §7.6.1, §11.7, RFC 9112 §6.1.
    #[must_use]
    pub fn is_hop_by_hop(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::TransferEncoding
                | Self::Te
                | Self::Trailer
                | Self::Upgrade
                | Self::KeepAlive
                | Self::ProxyConnection
                | Self::ProxyAuthenticate
                | Self::ProxyAuthorization
        )
    }
}

/// Where one line's name and value lie.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// First octet of the name.
    name_at: usize,
    /// Octets of the name.
    name_len: usize,
    /// First octet of the value.
    value_at: usize,
    /// Octets of the value.
    value_len: usize,
    /// What the name is known as.
    id: Name,
}

impl Line {
    /// The name within `octets`.
    fn name<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        piece(octets, self.name_at, self.name_len)
    }

    /// The value within `octets`.
    fn value<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        piece(octets, self.value_at, self.value_len)
    }
}

/// A name that is looked for.
#[derive(Debug, Clone, Copy)]
struct Wanted<'a> {
    /// Compared first, and alone unless it is [`Name::Other`].
    id: Name,
    /// Compared in any case for unknown names.
    text: &'a [u8],
}

impl<'a> Wanted<'a> {
    /// Classifies the name that is looked for.
    fn new(name: &'a str) -> Self {
        Self {
            id: Name::of(name.as_bytes()),
            text: name.as_bytes(),
        }
    }

    /// Whether `line` has that name.
    fn is(&self, octets: &[u8], line: &Line) -> bool {
        line.id == self.id
            && (self.id != Name::Other || line.name(octets).eq_ignore_ascii_case(self.text))
    }
}

/// Whether `octets` is a token: `1*tchar`.
///
/// # Source
/// RFC 9110 §5.6.2.
#[must_use]
pub fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|&octet| is_tchar(octet))
}

/// Whether `octet` may stand in a token.
pub(crate) fn is_tchar(octet: u8) -> bool {
    TCHAR.get(usize::from(octet)).is_some_and(|&yes| yes)
}

/// Without outer spaces and tabs (OWS, RFC 9110 §5.6.3); no other octet counts as white.
pub(crate) fn trim(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = octets {
        octets = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}

/// Takes the next item of a list, trimmed and possibly empty; `None` at the end of the line.
pub(crate) fn split_item<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let mut quoted = false;
    let mut escaped = false;
    let comma = rest.iter().position(|&octet| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    });
    let end = comma.unwrap_or(rest.len());
    let item = rest.get(..end).unwrap_or_default();
    *rest = rest.get(end.wrapping_add(1)..).unwrap_or_default();
    Some(trim(item))
}

/// Octets that no value may carry onto the wire: controls other than HTAB.
fn is_forbidden(octet: u8) -> bool {
    (octet < 0x20 && octet != b'\t') || octet == 0x7f
}

/// The distance of `part` from the start of `whole`, for a part that lies within.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr())
}

/// The `len` octets from `at`; empty if they do not exist.
fn piece(octets: &[u8], at: usize, len: usize) -> &[u8] {
    octets.get(at..at.wrapping_add(len)).unwrap_or_default()
}

/// The octets of a token.
const TCHAR: [bool; 256] = octet_set(b"!#$%&'*+-.^_`|~");

/// Letters, digits and `more`.
pub(crate) const fn octet_set(more: &[u8]) -> [bool; 256] {
    let mut set = [false; 256];
    let mut octet = 0u8;
    while octet < 128 {
        if octet.is_ascii_alphanumeric() {
            set_true(&mut set, octet);
        }
        octet = octet.wrapping_add(1);
    }
    let mut rest = more;
    while let [first, others @ ..] = rest {
        set_true(&mut set, *first);
        rest = others;
    }
    set
}

/// Marks one octet.
#[allow(clippy::indexing_slicing)] // an octet is always below 256; `get_mut` is not const in 1.85
const fn set_true(set: &mut [bool; 256], octet: u8) {
    set[octet as usize] = true;
}
