//! Which octets can stand as they are, asked of many at once: nearly all that is logged can, and is looked at for every
//! request.

/// Octets that can stand as they are in every format: the ASCII graphics but `"`, `=` and `\`.
pub(in crate::log) const BARE: u8 = 1;
/// Octets that can stand between double quotes only: the blank, and `=`, which logfmt has a meaning for.
pub(in crate::log) const QUOTED: u8 = 2;

/// The octet is of one of these kinds. All others are escaped, in every format.
pub(in crate::log) fn is_of(octet: u8, kinds: u8) -> bool {
    match octet {
        b'"' | b'\\' => false,
        b' ' | b'=' => kinds & QUOTED != 0,
        b'!'..=b'~' => kinds & BARE != 0,
        _ => false,
    }
}

/// Every octet is of one of these kinds, of which [`BARE`] is one.
pub(in crate::log) fn has_only<const KINDS: u8>(octets: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (octets.first_chunk::<8>(), octets.last_chunk::<8>()) {
        // The last eight may have been looked at in part.
        return has_word::<KINDS>(u64::from_ne_bytes(*first))
            && has_word::<KINDS>(u64::from_ne_bytes(*last))
            && (octets.len() <= 16
                || octets.chunks_exact(8).all(|chunk| {
                    let word = chunk.first_chunk().copied().unwrap_or_default();
                    has_word::<KINDS>(u64::from_ne_bytes(word))
                }));
    }
    if let (Some(first), Some(last)) = (octets.first_chunk::<4>(), octets.last_chunk::<4>()) {
        let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
        return has_word::<KINDS>(u64::from(first) << 32 | u64::from(last));
    }
    octets.iter().all(|octet| is_of(*octet, KINDS))
}

/// The same for eight octets in a word, in any order.
///
/// Each sum sets the high bit of an octet that it is about. It may set that of the octet above too, but then one is set
/// for good reason already, and whether any is set is all that is asked.
#[inline(always)]
fn has_word<const KINDS: u8>(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
    let equal = |octet: u8| {
        let zeros = word ^ (ONES * u64::from(octet));
        zeros.wrapping_sub(ONES) & !zeros
    };
    // DEL and above: itself, or with one more, at least 0x80.
    let above = word | word.wrapping_add(ONES);
    let mut others = above | equal(b'"') | equal(b'\\');
    others |= if KINDS & QUOTED == 0 {
        below(b'!') | equal(b'=')
    } else {
        below(b' ')
    };
    others & (ONES << 7) == 0
}
