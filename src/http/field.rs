//! Field lines: an ordered list of names and values that owns its octets.
//!
//! Everything that enters is checked here, once: a name is a token, a value has no CR, LF, NUL or other control.
//! So whatever is written out later needs no second look. This file knows the names of a few fields but no meaning
//! of any. Source: RFC 9110 §5 (fields, lists, tokens, quoted strings), RFC 9112 §5 (field lines).

use super::error::FieldError;
use std::fmt;

/// Field lines in the order they came, names in the case they came.
///
/// The octets lie in one buffer, each line as it is written: `name: value CRLF`. A line taken out leaves its octets
/// behind until [`Fields::clear`], so a value that is recycled by `clear` or [`Fields::clone_from`] stops allocating
/// once it has met its largest section. `push` and `set` add; `get`, `list`, `iter` read; `remove`, `retain` take out.
pub struct Fields {
    /// Octets of all lines ever added since `clear`.
    octets: Vec<u8>,
    /// The lines in order.
    /// Invariant: the range of each lies inside `octets` and reads `name ": " value CR LF`.
    lines: Vec<Line>,
    /// Whether the octets are the lines, one behind the other in their order, and nothing else.
    is_dense: bool,
    /// The names there are lines of.
    /// Invariant: holds a name if and only if a line has it.
    names: Names,
}

/// Where one line lies in the octets.
#[derive(Clone, Copy)]
struct Line {
    /// First octet of the name.
    start: u32,
    /// Octets of the name.
    name_octets: u32,
    /// Octets of the value.
    value_octets: u32,
    /// The name, classified when the line was added.
    name: Name,
}

/// Lines that lie one behind the other, and so can be copied in one piece.
#[derive(Default)]
struct Run {
    /// First octet of the first line.
    start: u32,
    /// Where the last line ends.
    end: u32,
}

/// A set of [`Name`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Names(u64);

/// The field names osier itself reads or writes; every other name is [`Name::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the field of that name")]
pub enum Name {
    Other,
    Connection,
    ContentLength,
    Cookie,
    Date,
    Expect,
    Forwarded,
    Host,
    KeepAlive,
    MaxForwards,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Referer,
    Server,
    Te,
    Traceparent,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedProto,
    /// Any other name that begins with `X-Forwarded-`.
    XForwardedOther,
    XRequestId,
}

impl Fields {
    /// Makes an empty section; allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            octets: Vec::new(),
            lines: Vec::new(),
            is_dense: true,
            names: Names::NONE,
        }
    }

    /// Takes all lines out and keeps the memory.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.lines.clear();
        self.is_dense = true;
        self.names = Names::NONE;
    }

    /// Adds a line at the end. White space around the value is not part of it and is left out.
    ///
    /// # Errors
    /// [`FieldError::EmptyName`], [`FieldError::BadName`], [`FieldError::NulInValue`],
    /// [`FieldError::ControlInValue`], [`FieldError::BareCr`], [`FieldError::BareLf`]: nothing was added.
    ///
    /// # Source
    /// RFC 9110 §5.1, §5.5.
    pub fn push(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), FieldError> {
        let (name, value) = (name.as_ref(), trim(value.as_ref()));
        check_name(name)?;
        check_value(value)?;
        self.push_checked(name, value);
        Ok(())
    }

    /// As [`Fields::push`], with the value that `write` appends: it is written where it stays.
    ///
    /// # Errors
    /// As [`Fields::push`]: nothing was added.
    pub(crate) fn push_by(
        &mut self,
        name: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FieldError> {
        check_name(name)?;
        let start = self.octets.len();
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(b": ");
        let value_start = self.octets.len();
        write(&mut self.octets);
        let written = self.octets.get(value_start..).unwrap_or_default();
        let value = trim(written);
        if let Err(error) = check_value(value) {
            self.octets.truncate(start);
            return Err(error);
        }
        let value_octets = value.len();
        if value_octets < written.len() {
            let value = value.to_vec();
            self.octets.truncate(value_start);
            self.octets.extend_from_slice(&value);
        }
        self.octets.extend_from_slice(b"\r\n");
        self.add_line(start, name.len(), value_octets, Name::of(name));
        Ok(())
    }

    /// Adds a line that was made ready.
    pub fn push_ready(&mut self, line: &ReadyLine) {
        let start = self.octets.len();
        self.octets.extend_from_slice(&line.octets);
        self.add_line(start, line.name_octets, line.value_octets, line.name);
    }

    /// Replaces all lines of `name` by one, in the place of the first of them, else at the end.
    ///
    /// # Errors
    /// As [`Fields::push`]: nothing was changed.
    pub fn set(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), FieldError> {
        let value = value.as_ref();
        self.set_by(name.as_ref(), |octets| octets.extend_from_slice(value))
    }

    /// As [`Fields::set`], with the value that `write` appends.
    ///
    /// # Errors
    /// As [`Fields::push`]: nothing was changed.
    pub(crate) fn set_by(
        &mut self,
        name: &[u8],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), FieldError> {
        let place = self.position(name);
        self.push_by(name, write)?;
        let Some(place) = place else { return Ok(()) };

        // The new line goes where the first old one was; the other old ones go.
        if let Some(fresh) = self.lines.pop() {
            self.remove(name);
            self.lines.insert(place.min(self.lines.len()), fresh);
            self.is_dense = false;
            self.names = self.names.with(fresh.name);
        }
        Ok(())
    }

    /// Takes out all lines of `name`. Returns how many there were.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> usize {
        let name = name.as_ref();
        let before = self.lines.len();
        let kind = Name::of(name);
        if !self.has(kind) {
            return 0;
        }
        let octets = &self.octets;
        let is_it = |line: &Line| line.name == kind && line.has_name(octets, name);
        if !self.lines.iter().any(is_it) {
            return 0;
        }
        self.lines.retain(|line| !is_it(line));
        self.is_dense = false;
        self.names = Names::of_lines(&self.lines);
        before.saturating_sub(self.lines.len())
    }

    /// Keeps the lines for which `keep(name, value)` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        let octets = &self.octets;
        self.lines
            .retain(|line| keep(line.name(octets), line.value(octets)));
        self.is_dense = false;
        self.names = Names::of_lines(&self.lines);
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All lines as (name, value), in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines
            .iter()
            .map(|line| (line.name(&self.octets), line.value(&self.octets)))
    }

    /// The value of the first line of `name`, case-insensitively.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.position(name.as_ref())
            .and_then(|place| self.lines.get(place))
            .map(|line| line.value(&self.octets))
    }

    /// The values of all lines of `name`, in order.
    pub fn get_all<'a>(
        &'a self,
        name: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> impl Iterator<Item = &'a [u8]> {
        let name = name.as_ref();
        let kind = Name::of(name);
        self.all_of(kind)
            .filter(move |line| line.has_name(&self.octets, name))
            .map(|line| line.value(&self.octets))
    }

    /// The items of the list that all lines of `name` form together.
    ///
    /// Commas in quoted strings do not split; white space around an item is left out, and so is an empty item.
    ///
    /// # Source
    /// RFC 9110 §5.3 (lines form one list), §5.6.1 (lists), §5.6.4 (quoted strings).
    pub fn list<'a>(
        &'a self,
        name: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).flat_map(items)
    }

    /// Whether the list of `name` holds `token`, case-insensitively.
    #[must_use]
    pub fn contains_token(&self, name: impl AsRef<[u8]>, token: impl AsRef<[u8]>) -> bool {
        self.list(&name)
            .any(|item| item.eq_ignore_ascii_case(token.as_ref()))
    }

    /// Whether there is a line of `name`, one of the known ones.
    #[must_use]
    #[inline]
    pub fn has(&self, name: Name) -> bool {
        self.names.has(name)
    }

    /// The value of the first line of `name`, one of the known ones.
    #[must_use]
    #[inline]
    pub fn first(&self, name: Name) -> Option<&[u8]> {
        self.all_of(name)
            .next()
            .map(|line| line.value(&self.octets))
    }

    /// The values of all lines of `name`, one of the known ones, in order.
    pub fn all(&self, name: Name) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.all_of(name).map(|line| line.value(&self.octets))
    }

    /// The list items of `name`, one of the known ones; as [`Fields::list`].
    pub fn items(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(items)
    }

    /// What stands between the commas of `name`, one of the known ones whose items are tokens.
    ///
    /// As [`Fields::items`], but a quote hides no comma: where none may stand, none may hide an item.
    pub(super) fn words(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.all(name)
            .flat_map(|value| value.split(|octet| *octet == b','))
            .map(trim)
            .filter(|word| !word.is_empty())
    }

    /// Whether there is a line of any of `names`.
    #[inline]
    pub(super) fn has_any(&self, names: Names) -> bool {
        !self.names.and(names).is_empty()
    }

    /// Adds a line whose name and value the caller has checked, or taken from another section.
    #[inline]
    fn push_checked(&mut self, name: &[u8], value: &[u8]) {
        let start = self.octets.len();
        // One growth at most, whatever follows.
        let length = name.len().saturating_add(value.len()).saturating_add(4);
        self.octets.reserve(length);
        self.octets.extend_from_slice(name);
        self.octets.extend_from_slice(b": ");
        self.octets.extend_from_slice(value);
        self.octets.extend_from_slice(b"\r\n");
        self.add_line(start, name.len(), value.len(), Name::of(name));
    }

    /// Adds a line of a known name, given as it begins, `Name: `; `write` appends the value, a checked one.
    #[inline]
    pub(super) fn push_known<const N: usize>(
        &mut self,
        kind: Name,
        begin: &[u8; N],
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.octets.len();
        self.octets.extend_from_slice(begin);
        let value_start = self.octets.len();
        write(&mut self.octets);
        // Nothing takes octets away while a value is written.
        let value_octets = self.octets.len().wrapping_sub(value_start);
        self.octets.extend_from_slice(b"\r\n");
        self.add_line(start, N.saturating_sub(2), value_octets, kind);
    }

    /// Adds a line of a known name with a value to be checked; as [`Fields::push`], but the name is not looked up.
    ///
    /// # Errors
    /// As [`Fields::push`]: nothing was added.
    #[inline]
    pub(super) fn push_value<const N: usize>(
        &mut self,
        kind: Name,
        begin: &[u8; N],
        value: &[u8],
    ) -> Result<(), FieldError> {
        let value = trim(value);
        check_value(value)?;
        self.push_known(kind, begin, |octets| octets.extend_from_slice(value));
        Ok(())
    }

    /// Begins anew with a copy of `octets`; lines inside it are then added by [`Fields::extend_inside`].
    #[inline]
    pub(super) fn refill(&mut self, octets: &[u8]) {
        self.clear();
        self.is_dense = false;
        self.octets.extend_from_slice(octets);
    }

    /// Adds checked lines that lie in the octets given to [`Fields::refill`], as they would be written.
    ///
    /// Of each: its first octet, its name, the octets of its value.
    #[inline]
    pub(super) fn extend_inside<'l>(
        &mut self,
        lines: impl Iterator<Item = (usize, &'l [u8], usize)>,
    ) {
        let Self { octets, names, .. } = self;
        // As for `add_line`: what does not fit is lost, not mixed.
        if u32::try_from(octets.len()).is_err() {
            return;
        }
        let lines = lines.map(|(start, name, value_octets)| {
            let kind = Name::classify(name);
            *names = names.with(kind);
            Line {
                start: start as u32,
                name_octets: name.len() as u32,
                value_octets: value_octets as u32,
                name: kind,
            }
        });
        self.lines.extend(lines);
    }

    /// Adds a checked line that may lie at `start` of the octets given to [`Fields::refill`].
    ///
    /// If it does not lie there exactly as it would be written (`Name:value`), a copy that does is appended.
    pub(super) fn push_perhaps_inside(&mut self, start: usize, name: &[u8], value: &[u8]) {
        let colon = start.saturating_add(name.len());
        let value_start = colon.saturating_add(2);
        let value_end = value_start.saturating_add(value.len());
        let is_canonical = self.octets.get(colon..value_start) == Some(b": ")
            && self.octets.get(value_end..value_end.saturating_add(2)) == Some(b"\r\n");
        if is_canonical {
            self.add_line(start, name.len(), value.len(), Name::of(name));
        } else {
            self.push_checked(name, value);
        }
    }

    /// Adds the lines of `other` except those of `dropped`, and those that `named` names unless they are of `fixed`.
    #[inline]
    pub(super) fn append_from(
        &mut self,
        other: &Self,
        dropped: Names,
        (named, fixed): (&[&[u8]], Names),
    ) {
        if named.is_empty() {
            self.append_if(other, |line| !dropped.has(line.name));
            return;
        }
        let is_named = |line: &Line| {
            let name = line.name(&other.octets);
            named.iter().any(|other| other.eq_ignore_ascii_case(name))
        };
        self.append_if(other, |line| {
            !dropped.has(line.name) && (fixed.has(line.name) || !is_named(line))
        });
    }

    /// Adds the lines of `other` that are to be kept.
    #[inline]
    fn append_if(&mut self, other: &Self, keep: impl Fn(&Line) -> bool) {
        // Nothing that is added lies beyond this.
        let end = self.octets.len().saturating_add(other.octets.len());
        if u32::try_from(end).is_err() {
            return;
        }
        let mut names = self.names;
        let mut run = Run::default();
        // How far the lines of the run move.
        let mut distance = 0_u32;
        for line in &other.lines {
            if !keep(line) {
                continue;
            }
            if line.start == run.end {
                run.end = line.end();
            } else {
                self.octets.extend_from_slice(run.of(&other.octets));
                run = Run::begin(line);
                distance = (self.octets.len() as u32).wrapping_sub(line.start);
            }
            names = names.with(line.name);
            self.lines.push(Line {
                start: line.start.wrapping_add(distance),
                ..*line
            });
        }
        self.names = names;
        self.octets.extend_from_slice(run.of(&other.octets));
    }

    /// Appends every line but those of `dropped`, as it goes on the wire.
    #[inline]
    pub(super) fn write(&self, dropped: Names, buf: &mut Vec<u8>) {
        if self.is_dense && !self.has_any(dropped) {
            buf.extend_from_slice(&self.octets);
        } else {
            self.write_runs(dropped, buf);
        }
    }

    /// As [`Fields::write`], for lines that have gaps between them.
    fn write_runs(&self, dropped: Names, buf: &mut Vec<u8>) {
        let mut run = Run::default();
        for line in self.lines.iter().filter(|line| !dropped.has(line.name)) {
            if !run.extend(line) {
                buf.extend_from_slice(run.of(&self.octets));
                run = Run::begin(line);
            }
        }
        buf.extend_from_slice(run.of(&self.octets));
    }

    /// The lines of one kind.
    #[inline]
    fn all_of(&self, kind: Name) -> impl DoubleEndedIterator<Item = &Line> {
        let lines = if self.has(kind) {
            self.lines.as_slice()
        } else {
            &[]
        };
        lines.iter().filter(move |line| line.name == kind)
    }

    /// Where the first line of `name` is.
    fn position(&self, name: &[u8]) -> Option<usize> {
        let kind = Name::of(name);
        if !self.has(kind) {
            return None;
        }
        self.lines
            .iter()
            .position(|line| line.name == kind && line.has_name(&self.octets, name))
    }

    /// Notes a line that lies in the octets.
    #[inline]
    fn add_line(&mut self, start: usize, name_octets: usize, value_octets: usize, name: Name) {
        // Sections are bounded far below 4 GiB; one that is not would lose its lines, not mix them. Where all octets
        // have a place that fits, so have the parts of a line.
        if u32::try_from(self.octets.len()).is_ok() {
            self.names = self.names.with(name);
            self.lines.push(Line {
                start: start as u32,
                name_octets: name_octets as u32,
                value_octets: value_octets as u32,
                name,
            });
        }
    }
}

/// A field line that was checked when it was made, to be added to many sections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyLine {
    /// As they are written: `name: value CRLF`.
    octets: Box<[u8]>,
    name_octets: usize,
    value_octets: usize,
    name: Name,
}

impl ReadyLine {
    /// Makes the line that [`Fields::push`] would add.
    ///
    /// # Errors
    /// As [`Fields::push`].
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, FieldError> {
        let (name, value) = (name.as_ref(), trim(value.as_ref()));
        check_name(name)?;
        check_value(value)?;
        Ok(Self {
            octets: [name, b": ", value, b"\r\n"].concat().into(),
            name_octets: name.len(),
            value_octets: value.len(),
            name: Name::of(name),
        })
    }
}

impl Default for Fields {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self {
            octets: self.octets.clone(),
            lines: self.lines.clone(),
            is_dense: self.is_dense,
            names: self.names,
        }
    }

    fn clone_from(&mut self, source: &Self) {
        self.octets.clone_from(&source.octets);
        self.lines.clone_from(&source.lines);
        self.is_dense = source.is_dense;
        self.names = source.names;
    }
}

impl PartialEq for Fields {
    /// Same lines in the same order: names case-insensitively, values octet by octet.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .zip(other.iter())
                .all(|(a, b)| a.0.eq_ignore_ascii_case(b.0) && a.1 == b.1)
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| {
                (
                    name.escape_ascii().to_string(),
                    value.escape_ascii().to_string(),
                )
            }))
            .finish()
    }
}

impl Run {
    /// A run of one line.
    #[inline]
    fn begin(line: &Line) -> Self {
        Self {
            start: line.start,
            end: line.end(),
        }
    }

    /// Takes `line` in, if it lies right behind the run. Says whether it does.
    #[inline]
    fn extend(&mut self, line: &Line) -> bool {
        let does = line.start == self.end;
        if does {
            self.end = line.end();
        }
        does
    }

    /// The octets of the run.
    #[inline]
    fn of<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        octets
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }
}

impl Line {
    /// The octets of the name.
    #[inline]
    fn name<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        range(octets, self.start as usize, self.name_octets as usize)
    }

    /// The octets of the value.
    #[inline]
    fn value<'a>(&self, octets: &'a [u8]) -> &'a [u8] {
        let start = (self.start as usize)
            .saturating_add(self.name_octets as usize)
            .saturating_add(2);
        range(octets, start, self.value_octets as usize)
    }

    /// Where the line ends, behind its CRLF.
    #[inline]
    fn end(&self) -> u32 {
        // The invariant of `Fields` has it inside the octets.
        self.start
            .wrapping_add(self.name_octets)
            .wrapping_add(self.value_octets)
            .wrapping_add(4)
    }

    /// Whether the name is `name`, case-insensitively; the kind is already known to be equal.
    #[inline]
    fn has_name(&self, octets: &[u8], name: &[u8]) -> bool {
        self.name.is_exact() || self.name(octets).eq_ignore_ascii_case(name)
    }
}

impl Name {
    /// Classifies a field name by its length first, then its octets, case-insensitively.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        Self::classify(name)
    }

    /// As [`Name::of`], in line: for the loop that meets every name of every message.
    #[inline(always)]
    fn classify(name: &[u8]) -> Self {
        match name.len() {
            2 if is(name, b"te") => Self::Te,
            3 if is(name, b"via") => Self::Via,
            4 if is(name, b"host") => Self::Host,
            4 if is(name, b"date") => Self::Date,
            6 if is(name, b"server") => Self::Server,
            6 if is(name, b"expect") => Self::Expect,
            6 if is(name, b"cookie") => Self::Cookie,
            7 if is(name, b"upgrade") => Self::Upgrade,
            7 if is(name, b"trailer") => Self::Trailer,
            7 if is(name, b"referer") => Self::Referer,
            9 if is(name, b"forwarded") => Self::Forwarded,
            10 if is(name, b"connection") => Self::Connection,
            10 if is(name, b"keep-alive") => Self::KeepAlive,
            10 if is(name, b"user-agent") => Self::UserAgent,
            11 if is(name, b"traceparent") => Self::Traceparent,
            12 if is(name, b"x-request-id") => Self::XRequestId,
            12 if is(name, b"max-forwards") => Self::MaxForwards,
            14 if is(name, b"content-length") => Self::ContentLength,
            15 if is(name, b"x-forwarded-for") => Self::XForwardedFor,
            16 if is(name, b"x-forwarded-host") => Self::XForwardedHost,
            16 if is(name, b"proxy-connection") => Self::ProxyConnection,
            17 if is(name, b"transfer-encoding") => Self::TransferEncoding,
            17 if is(name, b"x-forwarded-proto") => Self::XForwardedProto,
            18 if is(name, b"proxy-authenticate") => Self::ProxyAuthenticate,
            19 if is(name, b"proxy-authorization") => Self::ProxyAuthorization,
            _ => match name.first_chunk::<12>() {
                Some(start) if is(start, b"x-forwarded-") => Self::XForwardedOther,
                _ => Self::Other,
            },
        }
    }

    /// Whether the kind stands for exactly one name.
    #[inline]
    fn is_exact(self) -> bool {
        !matches!(self, Self::Other | Self::XForwardedOther)
    }
}

impl Names {
    /// No name.
    pub(super) const NONE: Self = Self(0);

    /// The set of `names`.
    pub(super) const fn of(names: &[Name]) -> Self {
        let (mut set, mut rest) = (Self::NONE, names);
        while let [first, after @ ..] = rest {
            set = set.with(*first);
            rest = after;
        }
        set
    }

    /// The names of `lines`.
    fn of_lines(lines: &[Line]) -> Self {
        lines
            .iter()
            .fold(Self::NONE, |set, line| set.with(line.name))
    }

    /// These and `name`.
    #[inline]
    pub(super) const fn with(self, name: Name) -> Self {
        // There are fewer than 64 names.
        Self(self.0 | 1_u64.wrapping_shl(name as u32))
    }

    /// These and `name`, if `condition`.
    #[inline]
    pub(super) const fn with_if(self, condition: bool, name: Name) -> Self {
        if condition { self.with(name) } else { self }
    }

    /// Those that both hold.
    #[inline]
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether `name` is among them.
    #[inline]
    pub(super) const fn has(self, name: Name) -> bool {
        self.0 & Self::NONE.with(name).0 != 0
    }

    /// Whether there are none.
    #[inline]
    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The items of one list value; as [`Fields::list`].
#[inline]
fn items(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    Items { rest: list }
}

/// The items of one list value.
struct Items<'a> {
    /// What has not been split yet.
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = item_end(self.rest);
            let (item, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, &[]));
            self.rest = rest.split_first().map_or(&[], |(_comma, after)| after);
            let item = trim(item);
            if !item.is_empty() {
                return Some(item);
            }
        }
        None
    }
}

/// How many octets the first item of a list has; the comma after it, if any, is not counted.
fn item_end(list: &[u8]) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = list.iter().position(|octet| {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' => return !is_quoted,
            _ => {}
        }
        false
    });
    end.unwrap_or(list.len())
}

/// Leaves out the white space (SP, HTAB) around `value`.
#[inline]
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_space = |octet: &u8| matches!(octet, b' ' | b'\t');
    let start = value
        .iter()
        .position(|octet| !is_space(octet))
        .unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|octet| !is_space(octet))
        .map_or(start, |last| last.saturating_add(1));
    value.get(start..end).unwrap_or_default()
}

/// Checks that `name` is a token.
pub(super) fn check_name(name: &[u8]) -> Result<(), FieldError> {
    match name {
        [] => Err(FieldError::EmptyName),
        [.., b' ' | b'\t'] => Err(FieldError::SpaceBeforeColon),
        _ if is_token(name) => Ok(()),
        _ => Err(FieldError::BadName),
    }
}

/// Checks that `value` has nothing but HTAB, SP, VCHAR and obs-text.
pub(super) fn check_value(value: &[u8]) -> Result<(), FieldError> {
    // Without a branch per octet: nearly every value is right.
    if value
        .iter()
        .fold(true, |right, octet| right & is_value_octet(*octet))
    {
        return Ok(());
    }
    match value.iter().find(|octet| !is_value_octet(**octet)) {
        None => Ok(()),
        Some(b'\r') => Err(FieldError::BareCr),
        Some(b'\n') => Err(FieldError::BareLf),
        Some(0) => Err(FieldError::NulInValue),
        Some(_) => Err(FieldError::ControlInValue),
    }
}

/// Whether `octets` is `1*tchar` (RFC 9110 §5.6.2).
pub(super) fn is_token(octets: &[u8]) -> bool {
    !octets.is_empty() && octets.iter().all(|octet| is_tchar(*octet))
}

/// Whether `octet` may stand in a token.
#[inline]
pub(super) fn is_tchar(octet: u8) -> bool {
    static TCHARS: [bool; 256] = {
        let (mut set, mut octet) = ([false; 256], 0_u8);
        while octet < 0x80 {
            #[allow(clippy::indexing_slicing, reason = "every octet has a place")]
            {
                set[octet as usize] = is_in_tchar(octet);
            }
            octet = octet.wrapping_add(1);
        }
        set
    };
    TCHARS.get(usize::from(octet)).copied().unwrap_or(false)
}

/// The same, as the grammar has it.
const fn is_in_tchar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether `octet` may stand in a field value.
#[inline]
pub(super) fn is_value_octet(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}

/// `length` octets from `start`; empty when they do not lie inside, which the invariant of `Fields` rules out.
#[inline]
fn range(octets: &[u8], start: usize, length: usize) -> &[u8] {
    octets
        .get(start..start.saturating_add(length))
        .unwrap_or_default()
}

/// Whether `octets` is `lower`, which is in lower case, in any case. Without a loop where the length is known.
#[inline]
pub(super) fn is<const N: usize>(octets: &[u8], lower: &[u8; N]) -> bool {
    let Ok(octets) = <&[u8; N]>::try_from(octets) else {
        return false;
    };
    // Bit 5 makes a letter a small one. It is set for letters only: with it CR would be a hyphen.
    let pairs = octets.iter().zip(lower);
    pairs.fold(0, |differs, (octet, small)| {
        let case = if small.is_ascii_lowercase() { 0x20 } else { 0 };
        differs | ((octet | case) ^ small)
    }) == 0
}
