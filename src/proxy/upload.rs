//! A request's content on its way through an exchange: how far it was read, and what of it could be sent again.

use std::cell::{Cell, RefCell};

use crate::http::body::{Decoder, Encoder};
use crate::http::framing::{Framed, Framing};
use crate::http::limits::Limits;

/// What the client has sent of its content so far, over all attempts.
pub(super) struct Upload {
    pub(super) decoder: Decoder,
    pub(super) replay: Replay,
}

/// The content that was read, for another attempt.
pub(super) struct Replay {
    kept: RefCell<Kept>,
    /// Octets are under way: whoever ends now loses them.
    midway: Cell<bool>,
}

enum Kept {
    /// Everything up to here, and how much it may become.
    Whole(Vec<u8>, usize),
    /// It is too much, or was never wanted.
    Nothing,
}

impl Upload {
    /// `kept_max`: how many octets are kept to be sent again.
    pub(super) fn new(framed: &Framed, limits: &Limits, kept_max: usize) -> Self {
        let fits = match framed.framing() {
            Framing::None | Framing::Length(0) => true,
            Framing::Length(length) => length <= kept_max as u64,
            _ => kept_max > 0,
        };
        let kept = if fits {
            Kept::Whole(Vec::new(), kept_max)
        } else {
            Kept::Nothing
        };
        Self {
            decoder: Decoder::new(framed, limits),
            replay: Replay {
                kept: RefCell::new(kept),
                midway: Cell::new(false),
            },
        }
    }

    /// Whether the request can be sent once more, of whose content `received` octets were read.
    pub(super) fn is_repeatable(&self, received: u64) -> bool {
        !self.replay.midway.get() && (received == 0 || self.replay.is_kept())
    }

    /// Puts what was read in earlier attempts behind a new head. Returns how many octets of content.
    pub(super) fn repeat(&self, encoder: &mut Encoder, out: &mut Vec<u8>) -> usize {
        let kept = self.replay.kept.borrow();
        let Kept::Whole(octets, _) = &*kept else {
            return 0;
        };
        if octets.is_empty() {
            return 0;
        }
        let Ok(chunk_head) = encoder.chunk_head(octets.len()) else {
            return 0;
        };
        out.extend_from_slice(&chunk_head);
        out.extend_from_slice(octets);
        out.extend_from_slice(encoder.chunk_tail(octets.len()));
        octets.len()
    }
}

impl Replay {
    pub(super) fn set_midway(&self, is_midway: bool) {
        self.midway.set(is_midway);
    }

    /// Everything that was read is there.
    pub(super) fn is_kept(&self) -> bool {
        matches!(&*self.kept.borrow(), Kept::Whole(..))
    }

    /// Content that was read.
    pub(super) fn note(&self, octets: &[u8]) {
        let mut kept = self.kept.borrow_mut();
        if let Kept::Whole(all, most) = &mut *kept {
            if all.len() + octets.len() <= *most {
                all.extend_from_slice(octets);
                return;
            }
            *kept = Kept::Nothing;
        }
    }
}
