//! Files of users: a line is `USER:HASH`, or empty, or begins with `#`.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::credentials::OCTETS_MAX;
use super::hash::Hash;

/// Counts the files that were read.
static READ: AtomicUsize = AtomicUsize::new(0);

/// The users of one file. Two are equal that let in the same ones by the same hashes.
pub struct Users {
    /// By name, each once. Never empty.
    list: Vec<(Vec<u8>, Hash)>,
    /// Which file it was, of all that this process has read.
    generation: usize,
    hasher: RandomState,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its number, from 1; 0 for the file as a whole.
    pub line: usize,
    /// Whose line it is, where that can be told.
    pub user: String,
    /// What is wrong.
    pub why: Why,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Nobody is in the file.
    Empty,
    /// It is not `USER:HASH`, or the name is empty, has control characters or more than 255 octets.
    NoUser,
    /// The user has a line already.
    Twice,
    /// The hash is cut, or has digits that it cannot have.
    Malformed,
    /// The hash costs too much: bcrypt at more than 14, or more than 1,000,000 rounds of SHA-crypt.
    Costly,
    /// The hash is not taken, or is none: what it is.
    Weak(&'static str),
}

impl Users {
    /// Reads a file's content.
    ///
    /// # Errors
    /// All that is wrong, in the order of lines.
    pub fn parse(content: &[u8]) -> Result<Self, Vec<Problem>> {
        let mut list: Vec<(Vec<u8>, Hash)> = Vec::new();
        let mut problems = Vec::new();
        let mut lines = Vec::new();
        for (index, line) in content.split(|octet| *octet == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match user_of(line) {
                Some((user, rest)) => lines.push((user, index + 1, rest)),
                None => problems.push(Problem::new(index + 1, b"", Why::NoUser)),
            }
        }
        if lines.is_empty() && problems.is_empty() {
            problems.push(Problem::new(0, b"", Why::Empty));
        }
        lines.sort_by_key(|(user, line, _)| (*user, *line));
        for (user, line, rest) in lines {
            if list.last().is_some_and(|(last, _)| last == user) {
                problems.push(Problem::new(line, user, Why::Twice));
                continue;
            }
            // What stands behind another colon is a comment.
            let hash = rest.split(|octet| *octet == b':').next();
            match Hash::parse(hash.unwrap_or_default()) {
                Ok(hash) => list.push((user.to_vec(), hash)),
                Err(why) => problems.push(Problem::new(line, user, why)),
            }
        }
        if problems.is_empty() {
            return Ok(Self {
                list,
                generation: READ.fetch_add(1, Ordering::Relaxed),
                hasher: RandomState::new(),
            });
        }
        problems.sort_by_key(|problem| problem.line);
        Err(problems)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Which file it was, of all that this process has read.
    pub(super) fn generation(&self) -> usize {
        self.generation
    }

    /// Whether `user` is there and has this password.
    ///
    /// Takes its time. A user that is not there costs as much as one who is: always the same one for that name, so that
    /// asking again tells nothing.
    pub(super) fn has(&self, user: &[u8], password: &[u8]) -> bool {
        let found = self
            .list
            .binary_search_by(|(name, _)| name.as_slice().cmp(user));
        let (place, is_there) = match found {
            Ok(place) => (place, true),
            Err(_) => {
                let drawn = self.hasher.hash_one(user) as usize;
                (drawn.checked_rem(self.list.len()).unwrap_or(0), false)
            }
        };
        let is_right = self
            .list
            .get(place)
            .is_some_and(|(_, hash)| hash.is_of(password));
        is_right && is_there
    }
}

fn user_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (user, rest) = (line.get(..colon)?, line.get(colon + 1..)?);
    let is_name = (1..=OCTETS_MAX).contains(&user.len());
    (is_name && !user.iter().any(u8::is_ascii_control)).then_some((user, rest))
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Users {}

/// Without names and hashes.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}

impl Problem {
    fn new(line: usize, user: &[u8], why: Why) -> Self {
        Self {
            line,
            user: String::from_utf8_lossy(user).into_owned(),
            why,
        }
    }
}

/// Says what is wrong, and never what a hash or a password was.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}", self.line)?;
            if !self.user.is_empty() {
                write!(f, ", user `{}`", self.user)?;
            }
            f.write_str(": ")?;
        }
        match self.why {
            Why::Empty => f.write_str("there is no user in it"),
            Why::NoUser => f.write_str("expected `USER:HASH`"),
            Why::Twice => f.write_str("that user has a line already"),
            Why::Malformed => f.write_str("the hash is malformed"),
            Why::Costly => f.write_str("the hash costs too much"),
            Why::Weak(what) => write!(f, "{what} is not taken"),
        }
    }
}
