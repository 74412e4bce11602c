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

/// An endpoint's part in the numbers that are made of it and of keys.
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

/// How well an endpoint fits a key: whoever fits best has it. Of many keys each endpoint fits as many best as its weight is
/// of all, and when one goes only its own keys move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fitness {
    part: f64,
    weight: f64,
}

impl Fitness {
    /// `number` is made of the key and the endpoint.
    pub(super) fn of(number: u64, weight: u32) -> Self {
        Self {
            part: part(number),
            weight: f64::from(weight),
        }
    }

    /// Whether `-weight / ln(part)` is greater than the other's, nearly always found without a logarithm.
    pub(super) fn is_better_than(self, other: Self) -> bool {
        // The logarithm of x is at least as far from 0 as x is from 1, and at most as far as that divided by x. What is
        // rounded must not decide.
        const MARGIN: f64 = 1.0 - 1e-9;
        let (own, others) = (
            self.weight * (1.0 - other.part),
            other.weight * (1.0 - self.part),
        );
        if own * self.part * MARGIN > others {
            return true;
        }
        if others * other.part * MARGIN > own {
            return false;
        }
        self.weight * -other.part.ln() > other.weight * -self.part.ln()
    }
}

/// A number above 0 and below 1, of the 52 bits that are exact with the half beside them.
fn part(number: u64) -> f64 {
    ((number >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}
