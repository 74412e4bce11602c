//! Questions for SRV records, and what is answered (RFC 1035 §4, RFC 2782). Octets in, values out.
//!
//! What is answered comes from elsewhere: an answer to another question is none, a target that no host can be called is
//! passed over, and of many records only so many are taken.

use std::time::Duration;

use super::super::service::{Record, Records};

/// So many records are taken, those of the lowest priorities and the highest weights.
pub(in crate::net) const RECORDS_MAX: usize = 64;
/// So many names in a row may be other names for each other.
const ALIASES_MAX: usize = 16;
/// Octets of a label (§2.3.4).
const LABEL_MAX: u8 = 63;
/// Octets of a name, with all lengths and the empty label at its end (§2.3.4).
const NAME_MAX: usize = 255;

/// Types and the class of records (§3.2.2, §3.2.4; RFC 2782).
const CNAME: u16 = 5;
const SRV: u16 = 33;
const INTERNET: u16 = 1;

/// The flags of a message, by bits (§4.1.1).
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const CODE: u16 = 0x000f;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::net) enum Reply {
    /// These are the records.
    Records(Records),
    /// There is no such name, or none with such records.
    Nothing(&'static str),
    /// The answer is longer than this way allows.
    Truncated,
    /// The server cannot say.
    Refused(&'static str),
}

/// The question for the records of `name`, as octets. `None`: no name is like that.
pub(in crate::net) fn question(id: u16, name: &str) -> Option<Vec<u8>> {
    let name = wire(name)?;
    let mut octets = Vec::new();
    // One question, and nothing else.
    for number in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        octets.extend(number.to_be_bytes());
    }
    octets.extend(name);
    octets.push(0);
    for number in [SRV, INTERNET] {
        octets.extend(number.to_be_bytes());
    }
    Some(octets)
}

/// What `octets` say to the question for `name` that had this id. `None`: they are no answer to it.
pub(in crate::net) fn reply(id: u16, name: &str, octets: &[u8]) -> Option<Reply> {
    let asked = wire(name)?;
    let mut message = Reader { octets, at: 0 };
    let is_ours = message.number()? == id;
    let flags = message.number()?;
    if !is_ours || flags & RESPONSE == 0 {
        return None;
    }
    if flags & TRUNCATED != 0 {
        // It may end anywhere, and none of it is believed.
        return Some(Reply::Truncated);
    }
    let (questions, answers) = (message.number()?, message.number()?);
    // How much there is in the two sections behind the answers, which say nothing that was asked for.
    message.take(4)?;
    let is_answer = questions == 1
        && flags & OPCODE == 0
        && message.name()? == asked
        && message.number()? == SRV
        && message.number()? == INTERNET;
    if !is_answer {
        return None;
    }
    Some(match flags & CODE {
        0 => records(asked, &message.answers(answers)?),
        3 => Reply::Nothing("there is no such name"),
        5 => Reply::Refused("the server refuses"),
        2 => Reply::Refused("the server fails"),
        _ => Reply::Refused("the server does not know how"),
    })
}

/// Labels, each behind its length, in lower case: names that are equal have equal octets. Without the empty label at the end.
type Name = Vec<u8>;

/// `name` as it is in a message. `None`: no name is like that.
fn wire(name: &str) -> Option<Name> {
    let mut octets = Vec::new();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let length = u8::try_from(label.len()).ok()?;
        if !(1..=LABEL_MAX).contains(&length) {
            return None;
        }
        octets.push(length);
        octets.extend(label.to_ascii_lowercase().bytes());
    }
    (octets.len() < NAME_MAX).then_some(octets)
}

/// A message that is read from its beginning.
struct Reader<'m> {
    octets: &'m [u8],
    /// Where it is read on.
    at: usize,
}

/// What an answer says of a name.
struct Answer {
    owner: Name,
    ttl: u32,
    says: Says,
}

enum Says {
    /// It is another name for this one (CNAME).
    Alias(Name),
    Service {
        priority: u16,
        weight: u16,
        port: u16,
        target: Name,
    },
}

/// `None`, of all of them: the message ends before that, or is malformed.
impl<'m> Reader<'m> {
    fn take(&mut self, count: usize) -> Option<&'m [u8]> {
        let (taken, _) = self.octets.get(self.at..)?.split_at_checked(count)?;
        self.at += count;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A name, the rest of which may be elsewhere (§4.1.4). That has to be in front of it each time, so it comes to an end.
    fn name(&mut self) -> Option<Name> {
        let mut name = Name::new();
        let mut begin = self.at;
        // Where it goes on behind the name, once that is known.
        let mut behind = None;
        loop {
            let length = self.take(1)?.first()?;
            match length {
                0 => break,
                1..=LABEL_MAX => {
                    name.push(*length);
                    name.extend(self.take(usize::from(*length))?.to_ascii_lowercase());
                }
                0xc0.. => {
                    let low = self.take(1)?.first()?;
                    behind.get_or_insert(self.at);
                    let rest = usize::from(u16::from_be_bytes([length & 0x3f, *low]));
                    if rest >= begin {
                        return None;
                    }
                    (begin, self.at) = (rest, rest);
                }
                _ => return None,
            }
            if name.len() >= NAME_MAX {
                return None;
            }
        }
        self.at = behind.unwrap_or(self.at);
        Some(name)
    }

    /// So many answers. Of what was not asked for there is nothing among them.
    fn answers(&mut self, count: u16) -> Option<Vec<Answer>> {
        let mut answers = Vec::new();
        for _ in 0..count {
            let owner = self.name()?;
            let (kind, class) = (self.number()?, self.number()?);
            let ttl = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
            let length = self.number()?;
            let begin = self.at;
            self.take(usize::from(length))?;
            let behind = self.at;
            self.at = begin;
            let says = match (kind, class) {
                (SRV, INTERNET) => Says::Service {
                    priority: self.number()?,
                    weight: self.number()?,
                    port: self.number()?,
                    target: self.name()?,
                },
                (CNAME, INTERNET) => Says::Alias(self.name()?),
                _ => {
                    self.at = behind;
                    continue;
                }
            };
            if self.at != behind {
                return None;
            }
            answers.push(Answer { owner, ttl, says });
        }
        Some(answers)
    }
}

/// The records of `asked`, under whatever name they are.
fn records(asked: Name, answers: &[Answer]) -> Reply {
    let mut owner = &asked;
    let mut ttl = u32::MAX;
    for _ in 0..ALIASES_MAX {
        let mut aliases = answers.iter().filter(|it| it.owner == *owner);
        let alias = aliases.find_map(|it| match &it.says {
            Says::Alias(alias) => Some((alias, it.ttl)),
            Says::Service { .. } => None,
        });
        let Some((alias, of_alias)) = alias else {
            break;
        };
        (owner, ttl) = (alias, ttl.min(of_alias));
    }
    let (mut all, mut is_there) = (Vec::new(), false);
    for answer in answers.iter().filter(|it| it.owner == *owner) {
        let Says::Service {
            priority,
            weight,
            port,
            target,
        } = &answer.says
        else {
            continue;
        };
        is_there = true;
        ttl = ttl.min(answer.ttl);
        // `.`: there is decidedly no such service here (RFC 2782).
        let Some(host) = host(target).filter(|_| *port != 0) else {
            continue;
        };
        all.push(Record {
            target: format!("{host}:{port}"),
            priority: *priority,
            weight: u32::from(*weight),
        });
    }
    match is_there {
        true => Reply::Records(Records {
            all: chosen(all),
            ttl: Duration::from_secs(ttl.into()),
        }),
        false => Reply::Nothing("it has no SRV records"),
    }
}

/// What the host is called. `None`: no host can be called that.
fn host(target: &[u8]) -> Option<String> {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let mut labels = Reader {
        octets: target,
        at: 0,
    };
    let mut host = String::new();
    while let Some([length]) = labels.take(1) {
        let label = labels.take(usize::from(*length))?;
        if !label.iter().all(plain) {
            return None;
        }
        if !host.is_empty() {
            host.push('.');
        }
        host.push_str(std::str::from_utf8(label).ok()?);
    }
    (!host.is_empty()).then_some(host)
}

/// One record for each target, and only so many: always the same ones, in whatever order they came.
fn chosen(mut all: Vec<Record>) -> Vec<Record> {
    // Those that are equal become one.
    all.sort_unstable_by(|one, other| {
        let by_target = one.target.cmp(&other.target);
        by_target.then(one.priority.cmp(&other.priority))
    });
    all.dedup_by(|next, kept| {
        let is_same = next.target == kept.target;
        if is_same && next.priority == kept.priority {
            kept.weight = kept.weight.saturating_add(next.weight).min(u16::MAX.into());
        }
        is_same
    });
    all.sort_unstable_by(|one, other| {
        let by_weight = other.weight.cmp(&one.weight);
        let by_priority = one.priority.cmp(&other.priority).then(by_weight);
        by_priority.then_with(|| one.target.cmp(&other.target))
    });
    all.truncate(RECORDS_MAX);
    all
}
