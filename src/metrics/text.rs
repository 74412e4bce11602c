//! The text format of Prometheus, version 0.0.4: families, each with its samples behind it.
//!
//! In a label's value backslash, quote and line feed are escaped; in a help text, backslash and line feed.

use std::fmt::{self, Display, Write as _};
use std::time::Duration;

use super::Distribution;

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only ever grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Numbers by bucket.
    Histogram,
}

/// A page in the making.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    /// Of the family that is being written.
    name: &'static str,
}

impl Page {
    /// What `Content-Type` says of it.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// The samples that follow are of this name.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.text, "# HELP {name} {}", Escaped(help, false));
        let _ = writeln!(self.text, "# TYPE {name} {kind}");
    }

    /// One number of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A family of one number, without labels.
    pub fn single(&mut self, name: &'static str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// One histogram of the family.
    pub fn histogram(&mut self, labels: &[(&str, &str)], seen: &Distribution) {
        for (bound, count) in seen.cumulated() {
            self.line("_bucket", labels, Some(("le", bound)), count);
        }
        self.line("_sum", labels, None, Seconds(seen.sum()));
        self.line("_count", labels, None, seen.count());
    }

    /// The whole page.
    #[must_use]
    pub fn finish(self) -> String {
        self.text
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        more: Option<(&str, &str)>,
        value: impl Display,
    ) {
        let _ = write!(self.text, "{}{suffix}", self.name);
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(more) {
            let _ = write!(self.text, "{before}{name}=\"{}\"", Escaped(value, true));
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

/// A text in which nothing ends it before its end; the flag: a quote would.
struct Escaped<'a>(&'a str, bool);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let ends = |octet: char| matches!(octet, '\\' | '\n') || (self.1 && octet == '"');
        while let Some((plain, from)) = rest.find(ends).and_then(|at| rest.split_at_checked(at)) {
            f.write_str(plain)?;
            let mut characters = from.chars();
            f.write_str(match characters.next() {
                Some('\n') => "\\n",
                Some('"') => "\\\"",
                _ => "\\\\",
            })?;
            rest = characters.as_str();
        }
        f.write_str(rest)
    }
}

/// A time, as seconds with as many decimals as it has.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if nanos == 0 {
            return write!(f, "{whole}");
        }
        let text = format!("{nanos:09}");
        write!(f, "{whole}.{}", text.trim_end_matches('0'))
    }
}
