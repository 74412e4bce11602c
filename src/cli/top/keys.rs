//! Octets from a terminal → keys. They may come cut anywhere; an Escape is one only when nothing follows it at once, which
//! whoever waits says with [`Keys::nothing_follows`].

/// A key, as far as there is something to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C: always the end.
    Interrupt,
    /// Ctrl-U: all that was typed goes.
    Erase,
}

/// What has arrived and is no whole key yet.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pending: Vec<u8>,
}

/// What the front of the octets is.
enum Front {
    /// A key, or nothing that means anything, and how long it is.
    Whole(Option<Key>, usize),
    /// More must come.
    Part,
}

/// No sequence that means something is longer.
const SEQUENCE_OCTETS_MAX: usize = 32;

impl Keys {
    /// Takes octets, and returns the keys that are whole now.
    pub(super) fn push(&mut self, octets: &[u8]) -> Vec<Key> {
        self.pending.extend_from_slice(octets);
        let mut keys = Vec::new();
        while let Front::Whole(key, len) = front(&self.pending) {
            keys.extend(key);
            self.pending.drain(..len);
        }
        keys
    }

    /// An Escape may be alone: something must be waited for, but not for long.
    pub(super) fn is_undecided(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Nothing more has come: an Escape at the front was the key, and half a character was nothing.
    pub(super) fn nothing_follows(&mut self) -> Option<Key> {
        let pending = std::mem::take(&mut self.pending);
        (pending == [0x1b]).then_some(Key::Escape)
    }
}

fn front(octets: &[u8]) -> Front {
    match octets {
        [] | [0x1b] => Front::Part,
        // Twice: the first one is alone.
        [0x1b, 0x1b, ..] => Front::Whole(Some(Key::Escape), 1),
        [0x1b, b'[', rest @ ..] => control(rest),
        [0x1b, b'O'] => Front::Part,
        [0x1b, b'O', last, ..] => Front::Whole(arrow(*last), 3),
        // With Alt: nothing that is known.
        [0x1b, _, ..] => Front::Whole(None, 2),
        [b'\r' | b'\n', ..] => Front::Whole(Some(Key::Enter), 1),
        [0x7f | 0x08, ..] => Front::Whole(Some(Key::Backspace), 1),
        [0x03, ..] => Front::Whole(Some(Key::Interrupt), 1),
        [0x15, ..] => Front::Whole(Some(Key::Erase), 1),
        [0x00..=0x1f, ..] => Front::Whole(None, 1),
        _ => character(octets),
    }
}

/// What is behind `ESC [`: parameters, and one octet that ends them.
fn control(rest: &[u8]) -> Front {
    let end = rest.iter().position(|octet| matches!(octet, 0x40..=0x7e));
    let Some(end) = end else {
        return if rest.len() < SEQUENCE_OCTETS_MAX {
            Front::Part
        } else {
            Front::Whole(None, rest.len() + 2)
        };
    };
    let key = match rest.get(..=end).unwrap_or_default() {
        [last] => arrow(*last),
        b"1~" | b"7~" => Some(Key::Home),
        b"4~" | b"8~" => Some(Key::End),
        b"5~" => Some(Key::PageUp),
        b"6~" => Some(Key::PageDown),
        _ => None,
    };
    Front::Whole(key, end + 3)
}

fn arrow(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

/// A character of UTF-8; an octet that begins none is nothing.
fn character(octets: &[u8]) -> Front {
    let whole = octets.utf8_chunks().next();
    let Some(whole) = whole else {
        return Front::Part;
    };
    match whole.valid().chars().next() {
        Some(c) => Front::Whole(Some(Key::Char(c)).filter(|_| !c.is_control()), c.len_utf8()),
        // The front of a character, if more can still come.
        None if whole.invalid().len() == octets.len() && octets.len() < 4 && may_grow(octets) => {
            Front::Part
        }
        None => Front::Whole(None, whole.invalid().len()),
    }
}

fn may_grow(octets: &[u8]) -> bool {
    std::str::from_utf8(octets).is_err_and(|error| error.error_len().is_none())
}
