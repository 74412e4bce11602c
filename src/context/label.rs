//! The name of a node in the tree: short ones are kept in place, since one is made for every request.

use std::fmt;
use std::sync::Arc;

/// How many octets are kept without an allocation.
const INLINE_MAX: usize = 22;
/// How many octets of a name are kept at all: a label is for people to read.
const OCTETS_MAX: usize = 96;

/// What a node is called beside its kind: a peer's address, a method and a path.
#[derive(Clone)]
pub struct Label(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Inline { len: u8, octets: [u8; INLINE_MAX] },
    Shared(Arc<str>),
}

impl Label {
    /// A label with this text, cut to 96 octets. Up to 22 octets allocate nothing.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let text = cut(text);
        let mut octets = [0; INLINE_MAX];
        match octets.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                // Not more than INLINE_MAX, so it fits.
                Self(Repr::Inline {
                    len: text.len() as u8,
                    octets,
                })
            }
            None => Self(Repr::Shared(text.into())),
        }
    }

    /// A label of two words with a blank between, from octets that may be anything: a method and a target.
    #[must_use]
    pub fn words(first: &[u8], second: &[u8]) -> Self {
        let mut text = [0_u8; OCTETS_MAX];
        let mut len = 0;
        for octet in first.iter().chain(b" ").chain(second).take(OCTETS_MAX) {
            if let Some(place) = text.get_mut(len) {
                *place = if octet.is_ascii_graphic() || *octet == b' ' {
                    *octet
                } else {
                    b'?'
                };
                len += 1;
            }
        }
        Self::new(std::str::from_utf8(text.get(..len).unwrap_or_default()).unwrap_or_default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Static(text) => text,
            Repr::Inline { len, octets } => octets
                .get(..usize::from(*len))
                .and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default(),
            Repr::Shared(text) => text,
        }
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(OCTETS_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl From<&'static str> for Label {
    fn from(text: &'static str) -> Self {
        Self(Repr::Static(text))
    }
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Arc<str>> for Label {
    fn from(text: Arc<str>) -> Self {
        Self(Repr::Shared(text))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
