//! What an Authorization field says of its client.

use std::fmt;

use base64ct::{Base64, Encoding as _};

/// A user's name may have so many octets, and so may a password: as many as the tools that write the files take.
pub(super) const OCTETS_MAX: usize = 255;

/// A name and a password, as a client sent them.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Without a colon.
    pub(super) user: Vec<u8>,
    pub(super) password: Vec<u8>,
}

impl Credentials {
    /// Reads a field's value: `Basic`, in any case, and the base64 of `USER:PASSWORD`.
    ///
    /// `None`: it is of another scheme, or malformed, has control characters (RFC 7617 §2 forbids them) or a name or a
    /// password of more than 255 octets.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        const SCHEME: &[u8] = b"basic";
        // RFC 9110 §11.4: one or more spaces.
        let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
        let token = rest.trim_ascii();
        if !scheme.eq_ignore_ascii_case(SCHEME) || !rest.starts_with(b" ") {
            return None;
        }
        let mut decoded = [0; 2 * OCTETS_MAX + 1];
        let pair = Base64::decode(token, &mut decoded).ok()?;
        let colon = pair.iter().position(|octet| *octet == b':')?;
        let (user, password) = (pair.get(..colon)?, pair.get(colon + 1..)?);
        let fits = user.len().max(password.len()) <= OCTETS_MAX;
        let is_clean = !pair.iter().any(u8::is_ascii_control);
        (fits && is_clean).then(|| Self {
            user: user.to_vec(),
            password: password.to_vec(),
        })
    }
}

/// Without the password.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = String::from_utf8_lossy(&self.user);
        f.debug_struct("Credentials")
            .field("user", &user)
            .finish_non_exhaustive()
    }
}
