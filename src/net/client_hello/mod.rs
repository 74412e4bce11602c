//! The name a TLS client asks for, out of its first message, which is looked at and nothing more.
//!
//! Pure: octets in, a [`Hello`] or what is wrong with them out. However the message is split over records, and the
//! records over reads, it is the same message.
//!
//! # Source
//! RFC 8446 §4.1.2 and §5.1; RFC 6066 §3.

#[cfg(test)]
mod tests;

use std::fmt;

/// The octets of a ClientHello and its records at most. The largest that clients send, with several post-quantum key
/// shares, have about 4 KiB.
pub const OCTETS_MAX: usize = 16 * 1024;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
/// The octets of a fragment at most (RFC 8446 §5.1).
const FRAGMENT_MAX: usize = 1 << 14;
/// A name in DNS has no more (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;

/// A TLS client's first message, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The host it wants, in lower case and without a dot at its end. `None`: it does not say.
    pub server_name: Option<String>,
}

/// What [`parse`] made of the octets so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a ClientHello, and are not one yet.
    Partial,
    /// They begin with this one.
    Complete(Hello),
}

/// Why there is no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sin {
    /// It is another protocol.
    NotTls,
    /// It has no end within [`OCTETS_MAX`].
    TooLong,
    /// It breaks the grammar, or its name is none.
    Malformed,
}

impl Sin {
    /// The word for it in logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::TooLong => "client_hello_too_long",
            Self::Malformed => "client_hello_malformed",
        }
    }
}

impl fmt::Display for Sin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotTls => "the connection does not begin with TLS",
            Self::TooLong => "the ClientHello is too long",
            Self::Malformed => "the ClientHello is malformed",
        })
    }
}

impl std::error::Error for Sin {}

/// Reads the ClientHello at the front of `input`, which is everything that has come so far.
///
/// # Errors
/// Whatever comes behind these octets, there is no ClientHello that can be used: a [`Sin`] says why.
pub fn parse(input: &[u8]) -> Result<Parsed, Sin> {
    let within = input.get(..OCTETS_MAX).unwrap_or(input);
    let Some(message) = message(within)? else {
        return match within.len() {
            OCTETS_MAX => Err(Sin::TooLong),
            _ => Ok(Parsed::Partial),
        };
    };
    let server_name = server_name(&message).ok_or(Sin::Malformed)?;
    Ok(Parsed::Complete(Hello { server_name }))
}

/// The body of the ClientHello, put together from its records. `None`: not all of it has come.
fn message(input: &[u8]) -> Result<Option<Vec<u8>>, Sin> {
    const HEADER: usize = 4;
    let mut message = Vec::new();
    let mut rest = input;
    loop {
        // Two octets tell it from all other protocols, nearly always; a version too high is for the server to refuse.
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE)
            || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Err(match message.is_empty() {
                true => Sin::NotTls,
                // Another record in the middle of the message (RFC 8446 §5.1).
                false => Sin::Malformed,
            });
        }
        let Some(&[_, _, _, high, low]) = rest.get(..5) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > FRAGMENT_MAX {
            return Err(Sin::Malformed);
        }
        let fragment = rest.get(5..).unwrap_or_default();
        let is_whole = fragment.len() >= length;
        message.extend_from_slice(fragment.get(..length).unwrap_or(fragment));
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Sin::Malformed);
        }
        if let Some(&[_, a, b, c]) = message.get(..HEADER) {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if length > OCTETS_MAX {
                return Err(Sin::TooLong);
            }
            if let Some(body) = message.get(HEADER..HEADER + length) {
                return Ok(Some(body.to_vec()));
            }
        }
        if !is_whole {
            return Ok(None);
        }
        rest = fragment.get(length..).unwrap_or_default();
    }
}

/// The name in the body of a ClientHello. The outer `None`: it breaks the grammar.
fn server_name(body: &[u8]) -> Option<Option<String>> {
    // The version and the random.
    let mut body = Reader(body.get(34..)?);
    let _session_id = body.vector8()?;
    let _cipher_suites = body.vector16()?;
    let _compression_methods = body.vector8()?;
    if body.0.is_empty() {
        // Before extensions there were none.
        return Some(None);
    }
    let mut extensions = Reader(body.vector16()?);
    if !body.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vector16()?;
        if kind == SERVER_NAME {
            // There is one of each kind at most (RFC 8446 §4.2).
            if found.is_some() {
                return None;
            }
            found = Some(host_name(content)?);
        }
    }
    Some(found)
}

/// The host in a server_name extension.
fn host_name(content: &[u8]) -> Option<String> {
    let mut content = Reader(content);
    let mut names = Reader(content.vector16()?);
    if !content.0.is_empty() {
        return None;
    }
    // There is one name of a kind at most, and one kind; another kind would have to be of the same form.
    let kind = names.u8()?;
    let name = names.vector16()?;
    if kind != HOST_NAME || !names.0.is_empty() {
        return None;
    }
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_name = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let is_one = !name.is_empty() && name.len() <= NAME_MAX && name.iter().all(is_name);
    let text = String::from_utf8(name.to_ascii_lowercase());
    text.ok().filter(|_| is_one)
}

/// What is still to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        let octets = self.take(2)?.try_into().ok()?;
        Some(u16::from_be_bytes(octets))
    }

    /// A vector with its length in one octet in front.
    fn vector8(&mut self) -> Option<&'a [u8]> {
        let count = self.u8()?;
        self.take(usize::from(count))
    }

    /// A vector with its length in two octets in front.
    fn vector16(&mut self) -> Option<&'a [u8]> {
        let count = self.u16()?;
        self.take(usize::from(count))
    }
}
