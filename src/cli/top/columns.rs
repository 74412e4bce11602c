//! Text in columns of a terminal: how wide it is there, cut and padded, and made harmless first.

use std::fmt::Write as _;
use std::time::Duration;

/// `text` as it can stand in one line of a terminal: a character that does something, or whose width terminals do not
/// agree on, is written `\u{HEX}`.
pub(super) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if width_of(c).is_some() {
            out.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", c.escape_unicode());
        }
    }
    out
}

/// How many columns a text takes that is [`harmless`].
pub(super) fn width(text: &str) -> usize {
    text.chars().filter_map(width_of).sum()
}

/// `text` in exactly `columns`: what does not fit is cut, with a `…` in its place.
pub(super) fn fitted(text: &str, columns: usize, is_right: bool) -> String {
    let mut text = clipped(text, columns);
    let blanks = " ".repeat(columns.saturating_sub(width(&text)));
    if is_right {
        text.insert_str(0, &blanks);
    } else {
        text.push_str(&blanks);
    }
    text
}

/// `text` in at most `columns`.
pub(super) fn clipped(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let Some(room) = columns.checked_sub(1) else {
        return String::new();
    };
    let mut taken = 0;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            taken += width_of(*c).unwrap_or(0);
            taken <= room
        })
        .collect();
    out.push('…');
    out
}

/// One column or two; none where that is not known for sure: controls, what joins or turns its neighbours, what has no
/// width of its own, and what is not assigned.
fn width_of(c: char) -> Option<usize> {
    match c {
        ' '..='~'
        | '\u{a1}'..='\u{ac}'
        | '\u{ae}'..='\u{2ff}'
        | '\u{370}'..='\u{377}'
        | '\u{37a}'..='\u{37f}'
        | '\u{384}'..='\u{38a}'
        | '\u{38c}'
        | '\u{38e}'..='\u{3a1}'
        | '\u{3a3}'..='\u{482}'
        | '\u{48a}'..='\u{52f}'
        | '\u{531}'..='\u{556}'
        | '\u{561}'..='\u{587}'
        | '\u{1e00}'..='\u{1eff}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}'
        | '\u{20a0}'..='\u{20bf}'
        | '\u{2190}'..='\u{2199}'
        | '\u{2200}'..='\u{22ff}'
        | '\u{2500}'..='\u{259f}' => Some(1),
        '\u{3001}'..='\u{3029}'
        | '\u{3030}'..='\u{303e}'
        | '\u{3041}'..='\u{3096}'
        | '\u{309b}'..='\u{30ff}'
        | '\u{3105}'..='\u{312f}'
        | '\u{3131}'..='\u{3163}'
        | '\u{3165}'..='\u{318e}'
        | '\u{31a0}'..='\u{31bf}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{fa6d}'
        | '\u{ff01}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1f320}'
        | '\u{1f330}'..='\u{1f335}'
        | '\u{1f337}'..='\u{1f37c}'
        | '\u{1f400}'..='\u{1f43e}'
        | '\u{1f600}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6c5}'
        | '\u{20000}'..='\u{2a6df}' => Some(2),
        _ => None,
    }
}

/// A span of time in few columns: `250ms`, `4.98s`, `3m02s`, `1h05m`, `2d03h`.
pub(super) fn short(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0 => format!("{}ms", span.subsec_millis()),
        1..60 => format!("{secs}.{:02}s", span.subsec_millis() / 10),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86_400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86_400, secs % 86_400 / 3600),
    }
}

/// The same where only whole seconds are known.
pub(super) fn whole(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..60 => format!("{secs}s"),
        _ => short(span),
    }
}
