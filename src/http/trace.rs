//! The trace a request belongs to, as W3C Trace Context names it.
//!
//! The field is passed on as it came; osier only reads the id, for its log. Source: W3C Trace Context §3.2.

/// The trace id of a `traceparent` field: 32 hexadecimal digits. None where the field is malformed.
#[must_use]
pub fn trace_id(traceparent: &[u8]) -> Option<&[u8]> {
    let [version, id, parent, flags] = split(traceparent)?;
    let is_hex = |octets: &[u8]| {
        let mut octets = octets.iter();
        octets.all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |octets: &[u8]| octets.iter().all(|octet| *octet == b'0');
    let is_right = [version, id, parent, flags].into_iter().all(is_hex)
        && version != b"ff"
        && !is_zero(id)
        && !is_zero(parent);
    is_right.then_some(id)
}

/// The four parts, of 2, 32, 16 and 2 octets. A later version may have more behind a further dash.
fn split(field: &[u8]) -> Option<[&[u8]; 4]> {
    let (known, rest) = field.split_at_checked(55)?;
    let version = known.get(..2)?;
    let is_whole = match rest {
        [] => true,
        [b'-', ..] => version != b"00",
        _ => false,
    };
    let dashes = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
    (is_whole && dashes).then_some([
        version,
        known.get(3..35)?,
        known.get(36..52)?,
        known.get(53..55)?,
    ])
}
