//! What time it was: the stamps that records begin with.

use std::time::{SystemTime, UNIX_EPOCH};

use super::format::{push_number, push_three, push_two};

/// How a time is written, but for what comes below the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Form {
    /// `2026-01-31T12:34:56`, and then `.789Z` (RFC 3339).
    #[default]
    Iso,
    /// `31/Jan/2026:12:34:56 +0000`, as web servers have written it since the first of them.
    Common,
}

/// Writes stamps. It keeps the second it wrote last: most records follow another within it.
#[derive(Debug, Default)]
pub(super) struct Stamper {
    /// What `text` says: so many seconds after 1970, in this form.
    second: Option<(u64, Form)>,
    text: Vec<u8>,
}

impl Stamper {
    /// Appends `time` in UTC. A time before 1970 is taken for 1970.
    pub(super) fn push(&mut self, form: Form, time: SystemTime, to: &mut Vec<u8>) {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = Some((since_epoch.as_secs(), form));
        if self.second != second {
            self.second = second;
            self.text.clear();
            push_second(form, since_epoch.as_secs(), &mut self.text);
        }
        to.extend_from_slice(&self.text);
        if form == Form::Iso {
            to.push(b'.');
            push_three(to, u64::from(since_epoch.subsec_millis()));
            to.push(b'Z');
        }
    }
}

fn push_second(form: Form, seconds: u64, to: &mut Vec<u8>) {
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    let (year, month, day) = civil(seconds / 86_400);
    match form {
        Form::Iso => {
            push_number(to, year);
            to.push(b'-');
            push_two(to, month);
            to.push(b'-');
            push_two(to, day);
            to.push(b'T');
        }
        Form::Common => {
            push_two(to, day);
            to.push(b'/');
            let name = usize::try_from(month)
                .ok()
                .and_then(|month| MONTHS.get(month.checked_sub(1)?));
            to.extend_from_slice(name.map_or(b"???", |name| *name));
            to.push(b'/');
            push_number(to, year);
            to.push(b':');
        }
    }
    push_two(to, seconds / 3600 % 24);
    to.push(b':');
    push_two(to, seconds / 60 % 60);
    to.push(b':');
    push_two(to, seconds % 60);
    if form == Form::Common {
        to.extend_from_slice(b" +0000");
    }
}

/// The date so many days after 1970-01-01, in the Gregorian calendar.
pub(super) fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from March, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}
