//! One hashed password: bcrypt, or the SHA-crypt of the C library.

use base64ct::{Base64Bcrypt, Encoding as _};
use sha_crypt::{Params, sha256_crypt, sha512_crypt};
use subtle::ConstantTimeEq as _;

use super::Why;

/// What a bcrypt hash may cost at most: two to the power of that many rounds, about a second.
const BCRYPT_COST_MAX: u32 = 14;
/// And at least, by its definition.
const BCRYPT_COST_MIN: u32 = 4;
/// How much of a password bcrypt looks at. What is longer is cut, as those who make the hashes cut it.
const BCRYPT_OCTETS_MAX: usize = 72;
/// How many rounds a SHA-crypt hash may have at most, about a second too.
const SHA_ROUNDS_MAX: u32 = 1_000_000;
/// How long its salt is at most.
const SHA_SALT_MAX: usize = 16;

/// The digits of SHA-crypt's own base64.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A hashed password.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Hash {
    /// `$2a$`, `$2b$` and `$2y$`, which are one for passwords of at most 255 octets.
    Bcrypt {
        cost: u32,
        salt: [u8; 16],
        digest: [u8; 23],
    },
    /// `$5$` and `$6$`.
    Sha {
        is_512: bool,
        params: Params,
        salt: Vec<u8>,
        /// As the file has it.
        digest: Vec<u8>,
    },
}

impl Hash {
    /// Reads what stands behind a user's name.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Why> {
        let parts = match text.strip_prefix(b"$") {
            Some(rest) => rest.split(|octet| *octet == b'$').collect::<Vec<_>>(),
            None if text.starts_with(b"{SHA}") => return Err(Why::Weak("{SHA}")),
            None if text.starts_with(b"{SSHA}") => return Err(Why::Weak("{SSHA}")),
            // The hash of DES crypt looks like any word.
            None => return Err(Why::Weak("a plain password or DES crypt")),
        };
        match parts.as_slice() {
            [b"2a" | b"2b" | b"2y", cost, rest] => bcrypt_of(cost, rest),
            [b"2" | b"2x", ..] => Err(Why::Weak("a bcrypt with a known flaw")),
            [b"apr1", ..] => Err(Why::Weak("MD5 (apr1)")),
            [b"1", ..] => Err(Why::Weak("MD5")),
            [name @ (b"5" | b"6"), salt, digest] => sha_of(name, Params::RECOMMENDED, salt, digest),
            [name @ (b"5" | b"6"), rounds, salt, digest] => {
                let rounds = rounds.strip_prefix(b"rounds=").ok_or(Why::Malformed)?;
                let rounds = number(rounds)?;
                if rounds > SHA_ROUNDS_MAX {
                    return Err(Why::Costly);
                }
                let params = Params::new(rounds).map_err(|_| Why::Malformed)?;
                sha_of(name, params, salt, digest)
            }
            [b"2a" | b"2b" | b"2y" | b"5" | b"6", ..] => Err(Why::Malformed),
            _ => Err(Why::Weak("an unknown hash")),
        }
    }

    /// Whether this is the hash of `password`. As slow as it was made to be.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { cost, salt, digest } => {
                // The end is hashed too, where there is room for it.
                let mut octets = password.to_vec();
                octets.push(0);
                octets.truncate(BCRYPT_OCTETS_MAX);
                let made = bcrypt::bcrypt(*cost, *salt, &octets);
                made.get(..digest.len())
                    .is_some_and(|made| made.ct_eq(digest).into())
            }
            Self::Sha {
                is_512: true,
                params,
                salt,
                digest,
            } => {
                let made = sha512_crypt(password, salt, *params);
                written_512(&made).ct_eq(digest).into()
            }
            Self::Sha {
                params,
                salt,
                digest,
                ..
            } => {
                let made = sha256_crypt(password, salt, *params);
                written_256(&made).ct_eq(digest).into()
            }
        }
    }
}

fn bcrypt_of(cost: &[u8], rest: &[u8]) -> Result<Hash, Why> {
    if cost.len() != 2 {
        return Err(Why::Malformed);
    }
    let cost = number(cost)?;
    if cost > BCRYPT_COST_MAX {
        return Err(Why::Costly);
    }
    let (salt_text, digest_text) = rest.split_at_checked(22).ok_or(Why::Malformed)?;
    let (mut salt, mut digest) = ([0; 16], [0; 23]);
    let lengths = [
        Base64Bcrypt::decode(salt_text, &mut salt).map(<[u8]>::len),
        Base64Bcrypt::decode(digest_text, &mut digest).map(<[u8]>::len),
    ];
    match lengths {
        [Ok(16), Ok(23)] if cost >= BCRYPT_COST_MIN => Ok(Hash::Bcrypt { cost, salt, digest }),
        _ => Err(Why::Malformed),
    }
}

fn sha_of(name: &[u8], params: Params, salt: &[u8], digest: &[u8]) -> Result<Hash, Why> {
    let is_512 = name == b"6";
    let length = if is_512 { 86 } else { 43 };
    let is_digest = digest.len() == length && digest.iter().all(|octet| DIGITS.contains(octet));
    if !is_digest || salt.len() > SHA_SALT_MAX {
        return Err(Why::Malformed);
    }
    Ok(Hash::Sha {
        is_512,
        params,
        salt: salt.to_vec(),
        digest: digest.to_vec(),
    })
}

/// Digits only, where `parse` would take a sign.
fn number(digits: &[u8]) -> Result<u32, Why> {
    let text = std::str::from_utf8(digits).map_err(|_| Why::Malformed)?;
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(Why::Malformed);
    }
    // Only what is too large is left.
    text.parse().map_err(|_| Why::Costly)
}

/// A digest as files have it: its octets in an order of their own, in base64 from the lowest bits up.
///
/// # Source
/// U. Drepper, "Unix crypt using SHA-256 and SHA-512", 22.
fn written_512(digest: &[u8; 64]) -> Vec<u8> {
    let mut out = Vec::with_capacity(86);
    for group in 0..21 {
        let [a, b, c] = [group, group + 21, group + 42];
        let order = match group % 3 {
            0 => [a, b, c],
            1 => [b, c, a],
            _ => [c, a, b],
        };
        push_group(order.map(|place| digest[place]), 4, &mut out);
    }
    push_group([0, 0, digest[63]], 2, &mut out);
    out
}

/// The same for the shorter one.
fn written_256(digest: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(43);
    for group in 0..10 {
        let [a, b, c] = [group, group + 10, group + 20];
        let order = match group % 3 {
            0 => [a, b, c],
            1 => [c, a, b],
            _ => [b, c, a],
        };
        push_group(order.map(|place| digest[place]), 4, &mut out);
    }
    push_group([0, digest[31], digest[30]], 3, &mut out);
    out
}

fn push_group(octets: [u8; 3], digits: usize, out: &mut Vec<u8>) {
    let [high, middle, low] = octets.map(usize::from);
    let bits = high << 16 | middle << 8 | low;
    out.extend((0..digits).map(|digit| DIGITS[bits >> (6 * digit) & 63]));
}
