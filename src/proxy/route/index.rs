//! Values by key: under a whole key, under a part of one, under any key at all. The most specific comes first.
//!
//! A look-up hashes the key once and then only those parts of it that are as long as some part that was put in, so that
//! neither the count of values nor the length of what a client sends decides what it costs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Values under keys, parts of keys, and any key.
#[derive(Debug)]
pub(super) struct Index<T> {
    /// Those of one key.
    whole: Values<T>,
    /// The longest of these keys, in octets.
    whole_octets_max: usize,
    /// Those of every key that has this part.
    parts: Values<T>,
    /// How long the parts are, in octets. Invariant: longest first, each length once.
    part_octets: Vec<usize>,
    /// That of every key, and of none.
    any: T,
}

impl<T: Default> Index<T> {
    /// The value under the whole `key`, made if there is none.
    pub(super) fn whole(&mut self, key: &str) -> &mut T {
        self.whole_octets_max = self.whole_octets_max.max(key.len());
        self.whole.entry(key.as_bytes().into()).or_default()
    }

    /// The value under every key that has this `part`, made if there is none.
    pub(super) fn part(&mut self, part: &str) -> &mut T {
        let place = self
            .part_octets
            .binary_search_by(|octets| part.len().cmp(octets));
        if let Err(place) = place {
            self.part_octets.insert(place, part.len());
        }
        self.parts.entry(part.as_bytes().into()).or_default()
    }

    /// The value under any key.
    pub(super) fn any(&mut self) -> &mut T {
        &mut self.any
    }
}

impl<T> Index<T> {
    /// Asks `look` of the values that `key` leads to, from the most to the least specific, until it finds something. An
    /// empty key leads to what is under any.
    ///
    /// `part` gives the part of the key that has so many octets, if a key can be divided there.
    pub(super) fn find<'k, R>(
        &self,
        key: &'k [u8],
        part: impl Fn(&'k [u8], usize) -> Option<&'k [u8]>,
        look: impl Fn(&T) -> Option<R>,
    ) -> Option<R> {
        if !key.is_empty() && key.len() <= self.whole_octets_max {
            let found = self.whole.get(key).and_then(&look);
            if found.is_some() {
                return found;
            }
        }
        let mut parts = self.part_octets.iter();
        parts
            .find_map(|octets| look(self.parts.get(part(key, *octets)?)?))
            .or_else(|| look(&self.any))
    }
}

impl<T: Default> Default for Index<T> {
    fn default() -> Self {
        Self {
            whole: Values::default(),
            whole_octets_max: 0,
            parts: Values::default(),
            part_octets: Vec::new(),
            any: T::default(),
        }
    }
}

/// Values under their keys. What is put in comes from a configuration: no client can choose keys that collide, so the
/// hash need not keep a secret.
type Values<T> = HashMap<Box<[u8]>, T, BuildHasherDefault<Fnv>>;

/// FNV-1a: for keys as short as these faster than the hashes that read words.
#[derive(Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, octets: &[u8]) {
        let step =
            |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
        self.0 = octets.iter().fold(self.0, step);
    }

    /// How long the key is: one step, not eight.
    fn write_usize(&mut self, number: usize) {
        self.write(&[number as u8]);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
