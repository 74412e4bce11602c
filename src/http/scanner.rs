//! Tells cheaply whether parsing a growing head again can have another outcome.
//!
//! A head may come one octet at a time. Parsing it anew each time would cost the square of its length; the scanner
//! looks at each octet once. It finds line ends and nothing else: what a head means stays with `head`.

use super::limits::Limits;

/// Watches one head grow. One per connection; [`HeadScanner::reset`] between messages.
///
/// ```
/// use osier::http::{HeadScanner, Limits, Parsed, RequestHead};
///
/// let (limits, mut head, mut scanner) = (Limits::default(), RequestHead::new(), HeadScanner::new());
/// let octets = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// for count in 1..=octets.len() {
///     let here = &octets[..count];
///     if scanner.is_worthwhile(here, &limits) {
///         let parsed = head.parse(here, &limits).unwrap();
///         assert_eq!(parsed == Parsed::Partial, count < octets.len());
///     }
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct HeadScanner {
    /// Whether it was asked before. Nearly every head is whole at the first look, and then is not looked at here.
    was_asked: bool,
    /// Octets looked at so far.
    scanned: usize,
    /// Octets of the line being looked at, CR not counted.
    line_octets: usize,
    /// Whole lines so far, empty ones before the first not counted.
    lines: usize,
    /// Empty lines before the first.
    leading: usize,
    /// Whether the empty line that ends a head was seen.
    is_ended: bool, // set once, by the line itself
}

impl HeadScanner {
    /// Makes a scanner at the beginning of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins anew with the next message.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether to parse now. Input: all octets of the message so far, the same ones as before and those that came.
    ///
    /// True at the first call, when the start line is whole, when the head is, and when a limit is reached; in
    /// between parsing could only say [`Parsed::Partial`](super::Parsed::Partial) again. Each octet is looked at once.
    pub fn is_worthwhile(&mut self, octets: &[u8], limits: &Limits) -> bool {
        if !std::mem::replace(&mut self.was_asked, true) {
            return true;
        }
        let lines_before = self.lines;
        for octet in octets.get(self.scanned..).unwrap_or_default() {
            match octet {
                b'\n' => self.end_line(),
                b'\r' => {}
                _ => self.line_octets = self.line_octets.saturating_add(1),
            }
        }
        self.scanned = octets.len().max(self.scanned);

        let start_line_max = limits
            .method_octets_max
            .saturating_add(limits.target_octets_max)
            .saturating_add(16);
        self.is_ended
            || (lines_before == 0 && self.lines > 0)
            || (self.lines == 0 && self.line_octets > start_line_max)
            || self.leading > limits.leading_lines_max
            || octets.len() >= limits.head_octets_max
    }

    /// Counts a line that has ended.
    fn end_line(&mut self) {
        match (self.line_octets, self.lines) {
            (0, 0) => self.leading = self.leading.saturating_add(1),
            (0, _) => self.is_ended = true,
            _ => self.lines = self.lines.saturating_add(1),
        }
        self.line_octets = 0;
    }
}
