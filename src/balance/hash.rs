//! Numbers from keys: the same on every machine, so that all gateways agree on who has a key.

/// A number for a key.
pub(super) fn of(key: &[u8]) -> u64 {
    // FNV-1a, mixed once more: its last octets alone change too little.
    let folded = key.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed(folded)
}

/// A number in which every bit depends on every bit of `number`.
pub(super) fn mixed(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// An endpoint's part in the numbers that are made of it and of keys. It is eight octets, so that those of a hundred
/// endpoints come in a dozen lines of cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn of(name: &[u8]) -> Self {
        Self(of(name))
    }

    /// A number of a key and of this endpoint: the two halves of a product, which is cheaper than to mix once more. It is
    /// made for each endpoint of every pick.
    pub(super) fn with(self, key: u64) -> u64 {
        let product = u128::from(key ^ self.0) * u128::from(self.0.rotate_left(32) | 1);
        (product >> 64) as u64 ^ product as u64
    }
}

/// How well an endpoint of this weight fits a key, of which `number` is made of both: whoever fits best has it. Of many
/// keys each endpoint fits as many best as its weight is of all, and when one goes only its own keys move.
pub(super) fn fitness(number: u64, weight: u32) -> f64 {
    -f64::from(weight) / part(number).ln()
}

/// Whether an endpoint of this weight may fit better than that. A no is certain, and costs no logarithm.
pub(super) fn may_fit_better(number: u64, weight: u32, than: f64) -> bool {
    // The logarithm of what is below 1 is at least as far from 0 as that is from 1. What is rounded must not pass
    // anybody over.
    const MARGIN: f64 = 1.0 - 1e-9;
    f64::from(weight) > than * (1.0 - part(number)) * MARGIN
}

/// A number above 0 and below 1, of the 53 bits that are exact.
fn part(number: u64) -> f64 {
    ((number >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}
