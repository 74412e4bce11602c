//! Questions for SRV records, and what is answered (RFC 1035 §4, RFC 2782). Octets in, values out.
//!
//! What is answered comes from elsewhere: an answer to another question is none, a target that no host can be called is
//! passed over, and of many records only so many are taken.

use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{
    CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    header_buffer,
};

use super::super::service::{Record, Records};

/// So many records are taken, those of the lowest priorities and the highest weights.
pub(in crate::net) const RECORDS_MAX: usize = 64;
/// So many names in a row may be other names for each other.
const ALIASES_MAX: usize = 16;

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
    let name = Name::new(name).ok()?;
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let (kind, class) = (QTYPE::TYPE(TYPE::SRV), QCLASS::CLASS(CLASS::IN));
    packet
        .questions
        .push(Question::new(name, kind, class, false));
    packet.build_bytes_vec().ok()
}

/// What `octets` say to the question for `name` that had this id. `None`: they are no answer to it.
pub(in crate::net) fn reply(id: u16, name: &str, octets: &[u8]) -> Option<Reply> {
    let asked = Name::new(name).ok()?;
    let is_ours = header_buffer::id(octets).ok()? == id
        && header_buffer::has_flags(octets, PacketFlag::RESPONSE).ok()?;
    let is_truncated = header_buffer::has_flags(octets, PacketFlag::TRUNCATION).ok()?;
    if !is_ours {
        return None;
    }
    if is_truncated {
        // It may end anywhere, and none of it is believed.
        return Some(Reply::Truncated);
    }
    let packet = Packet::parse(octets).ok()?;
    let [question] = packet.questions.as_slice() else {
        return None;
    };
    let is_answer = packet.opcode() == OPCODE::StandardQuery
        && question.qname == asked
        && question.qtype == QTYPE::TYPE(TYPE::SRV)
        && question.qclass == QCLASS::CLASS(CLASS::IN);
    if !is_answer {
        return None;
    }
    Some(match packet.rcode() {
        RCODE::NoError => records(&asked, &packet.answers),
        RCODE::NameError => Reply::Nothing("there is no such name"),
        RCODE::Refused => Reply::Refused("the server refuses"),
        RCODE::ServerFailure => Reply::Refused("the server fails"),
        _ => Reply::Refused("the server does not know how"),
    })
}

/// The records of `asked`, under whatever name they are.
fn records(asked: &Name<'_>, answers: &[ResourceRecord<'_>]) -> Reply {
    let mut owner = asked;
    let mut ttl = u32::MAX;
    for _ in 0..ALIASES_MAX {
        let mut aliases = answers.iter().filter(|it| it.name == *owner);
        let alias = aliases.find_map(|it| match &it.rdata {
            RData::CNAME(alias) => Some((&alias.0, it.ttl)),
            _ => None,
        });
        let Some((alias, of_alias)) = alias else {
            break;
        };
        (owner, ttl) = (alias, ttl.min(of_alias));
    }
    let (mut all, mut is_there) = (Vec::new(), false);
    for answer in answers.iter().filter(|it| it.name == *owner) {
        let RData::SRV(srv) = &answer.rdata else {
            continue;
        };
        is_there = true;
        ttl = ttl.min(answer.ttl);
        // `.`: there is decidedly no such service here (RFC 2782).
        let Some(host) = host(&srv.target).filter(|_| srv.port != 0) else {
            continue;
        };
        all.push(Record {
            target: format!("{host}:{}", srv.port),
            priority: srv.priority,
            weight: srv.weight.into(),
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
fn host(target: &Name<'_>) -> Option<String> {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let mut host = String::new();
    for label in target.get_labels() {
        // In the text of a label what is not plain is escaped, which is not plain either.
        let label = label.to_string().to_ascii_lowercase();
        if !label.bytes().all(plain) {
            return None;
        }
        if !host.is_empty() {
            host.push('.');
        }
        host.push_str(&label);
    }
    (!host.is_empty()).then_some(host)
}

/// One record for each target, and only so many: always the same ones, in whatever order they came.
fn chosen(mut all: Vec<Record>) -> Vec<Record> {
    all.sort_by(|one, other| {
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
    all.sort_by(|one, other| {
        let by_weight = other.weight.cmp(&one.weight);
        one.priority.cmp(&other.priority).then(by_weight)
    });
    all.truncate(RECORDS_MAX);
    all
}
