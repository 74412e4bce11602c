//! A table of the file, read key by key: every key that nobody asks for is an error.
//!
//! The names that are asked for are the names there are: "keys here" is never written down a second time.

use std::cell::RefCell;

use toml_span::value::{Key, Value, ValueInner};

use super::diagnostic::{Diagnostic, Found, Span};
use super::suggest::nearest;

/// What was written: a value, where it is, and under which key.
#[derive(Debug, Clone)]
pub(super) struct Written<T> {
    pub(super) value: T,
    /// Where the value is.
    pub(super) at: Span,
    /// Where its key is.
    pub(super) key: Span,
    /// The key with those above it, as `timeouts.request`.
    pub(super) name: String,
}

impl<T> Written<T> {
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> Written<U> {
        Written {
            value: map(self.value),
            at: self.at,
            key: self.key,
            name: self.name,
        }
    }
}

/// A name of the file's own choice, and what it stands for: a field line, a status with its page.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: Written<String>,
}

/// A value that may be a word or a number.
#[derive(Debug, Clone)]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
}

/// What all tables of a file share while they are read.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) environment: &'a dyn Fn(&str) -> Option<String>,
    pub(super) found: &'a Found,
}

/// A table that is being read.
pub(super) struct Table<'a> {
    reader: &'a Reader<'a>,
    /// Where it is in the file, as `upstream.app`; empty for the file itself.
    path: String,
    /// In the order of the file.
    entries: Vec<(&'a Key<'a>, &'a Value<'a>)>,
    /// The keys that were asked for, in that order.
    asked: RefCell<Vec<&'static str>>,
    /// The line that opens it.
    pub(super) at: Span,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(reader: &'a Reader<'a>, value: &'a Value<'a>) -> Option<Self> {
        Self::new(reader, String::new(), value)
    }

    /// `None`: it is no table.
    fn new(reader: &'a Reader<'a>, path: String, value: &'a Value<'a>) -> Option<Self> {
        let mut entries: Vec<_> = value.as_table()?.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| key.span.start);
        Some(Self {
            reader,
            path,
            entries,
            asked: RefCell::default(),
            at: reader.first_line(value.span.into()),
        })
    }

    /// Says of every key that nobody asked for that there is none.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in &self.entries {
            let name = key.name.as_ref();
            if asked.contains(&name) {
                continue;
            }
            let span = key.span.into();
            let place = if self.path.is_empty() {
                String::new()
            } else {
                format!(" in `{}`", self.path)
            };
            let label = match nearest(name, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "no such key".to_owned(),
            };
            self.reader.found.push(
                Diagnostic::error(span, format!("unknown key `{name}`{place}"))
                    .label(label)
                    .help(format!("keys here: {}", asked.join(", "))),
            );
        }
    }

    /// A string. `expected` says what such a value looks like.
    pub(super) fn text(&self, name: &'static str, expected: &str) -> Option<Written<String>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let text = self.reader.text_of(value, &full, expected)?;
        Some(written(text, key, value, full))
    }

    pub(super) fn flag(&self, name: &'static str) -> Option<Written<bool>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let Some(flag) = value.as_bool() else {
            self.reader.wrong_type(value, &full, "true or false");
            return None;
        };
        Some(written(flag, key, value, full))
    }

    pub(super) fn number(&self, name: &'static str, expected: &str) -> Option<Written<i64>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let Some(number) = value.as_integer() else {
            self.reader.wrong_type(value, &full, expected);
            return None;
        };
        Some(written(number, key, value, full))
    }

    /// A number from 0 to 1, or the word `off`, which is read as infinite: no bound.
    pub(super) fn fraction(&self, name: &'static str) -> Option<Written<f64>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let number = match value.as_str() {
            Some("off") => Some(f64::INFINITY),
            _ => value
                .as_float()
                .or_else(|| value.as_integer().map(|it| it as f64)),
        };
        let Some(number) = number else {
            let expected = "a number such as 0.2, or \"off\"";
            self.reader.wrong_type(value, &full, expected);
            return None;
        };
        Some(written(number, key, value, full))
    }

    /// A string or a number.
    pub(super) fn scalar(&self, name: &'static str, expected: &str) -> Option<Written<Scalar>> {
        let (_, value) = self.entry(name)?;
        if value.as_integer().is_some() {
            Some(self.number(name, expected)?.map(Scalar::Number))
        } else {
            Some(self.text(name, expected)?.map(Scalar::Text))
        }
    }

    /// A string, or a list of strings.
    pub(super) fn texts(
        &self,
        name: &'static str,
        expected: &str,
    ) -> Option<Written<Vec<Written<String>>>> {
        self.list(name, |reader, key, value, full| {
            let text = reader.text_of(value, full, expected)?;
            Some(written(text, key, value, full.to_owned()))
        })
    }

    /// One value, or a list of such; what `each` refuses is left out.
    pub(super) fn list<T>(
        &self,
        name: &'static str,
        mut each: impl FnMut(&'a Reader<'a>, &Key<'a>, &'a Value<'a>, &str) -> Option<T>,
    ) -> Option<Written<Vec<T>>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let values = value
            .as_array()
            .map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
        let list = values
            .iter()
            .filter_map(|value| each(self.reader, key, value, &full))
            .collect();
        Some(written(list, key, value, full))
    }

    /// A table below this one, read by `read`.
    pub(super) fn table<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Self) -> T,
    ) -> Option<Written<T>> {
        let (key, value) = self.entry(name)?;
        let full = self.full(name);
        let read = self.reader.table(&full, value, read)?;
        Some(written(read, key, value, full))
    }

    /// `[[name]]`, each read by `read`.
    pub(super) fn tables<T>(&self, name: &'static str, read: impl Fn(&Self) -> T) -> Vec<T> {
        let Some((_, value)) = self.entry(name) else {
            return Vec::new();
        };
        let is_list = value.as_array().is_some_and(|list| {
            let mut list = list.iter();
            list.all(|value| value.as_table().is_some())
        });
        if !is_list {
            let at = self.reader.first_line(value.span.into());
            let message = format!("`{name}` is a list of tables");
            let label = format!("write `[[{name}]]`");
            self.reader
                .found
                .push(Diagnostic::error(at, message).label(label));
        }
        let list = self.list(name, |reader, _, value, full| {
            value.as_table()?;
            reader.table(full, value, &read)
        });
        list.map(|list| list.value).unwrap_or_default()
    }

    /// A table whose keys are names of the file's own choice, each a table read by `read`.
    pub(super) fn named<T>(
        &self,
        name: &'static str,
        read: impl Fn(&Self) -> T,
    ) -> Vec<Written<T>> {
        self.free(
            name,
            &format!("a table: `[{name}.NAME]`"),
            |table, key, value| {
                let full = format!("{}.{}", table.path, key.name);
                let read = table.reader.table(&full, value, &read)?;
                Some(written(read, key, value, key.name.to_string()))
            },
        )
    }

    /// A table whose keys are names of the file's own choice, each with a string.
    pub(super) fn pairs(&self, name: &'static str, expected: &str) -> Vec<Pair> {
        self.free(name, "a table of names and strings", |table, key, value| {
            table.pair(key, value, expected)
        })
    }

    /// The same, each with a string or a list of them.
    pub(super) fn pair_lists(&self, name: &'static str, expected: &str) -> Vec<Pair> {
        let lists = self.free(name, "a table of names and strings", |table, key, value| {
            let values = value
                .as_array()
                .map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
            let pairs = values.iter();
            let pairs = pairs.filter_map(|value| table.pair(key, value, expected));
            Some(pairs.collect::<Vec<_>>())
        });
        lists.into_iter().flatten().collect()
    }

    fn pair(&self, key: &Key<'_>, value: &Value<'_>, expected: &str) -> Option<Pair> {
        let full = self.full(&key.name);
        let text = self.reader.text_of(value, &full, expected)?;
        Some(Pair {
            name: key.name.to_string(),
            value: written(text, key, value, full),
        })
    }

    /// Where the key `name` is, if it was written at all, well or not.
    pub(super) fn mentions(&self, name: &str) -> Option<Span> {
        let mut entries = self.entries.iter();
        entries
            .find(|(key, _)| key.name == name)
            .map(|(key, _)| key.span.into())
    }

    fn free<T>(
        &self,
        name: &'static str,
        expected: &str,
        mut each: impl FnMut(&Self, &'a Key<'a>, &'a Value<'a>) -> Option<T>,
    ) -> Vec<T> {
        let Some((_, value)) = self.entry(name) else {
            return Vec::new();
        };
        let full = self.full(name);
        let Some(table) = Table::new(self.reader, full.clone(), value) else {
            self.reader.wrong_type(value, &full, expected);
            return Vec::new();
        };
        let entries = table.entries.iter();
        entries
            .filter_map(|(key, value)| each(&table, key, value))
            .collect()
    }

    fn entry(&self, name: &'static str) -> Option<(&'a Key<'a>, &'a Value<'a>)> {
        {
            let mut asked = self.asked.borrow_mut();
            if !asked.contains(&name) {
                asked.push(name);
            }
        }
        let mut entries = self.entries.iter();
        entries.find(|(key, _)| key.name == name).copied()
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

impl<'a> Reader<'a> {
    /// `value` as a table, read by `read`; its unknown keys are said.
    pub(super) fn table<T>(
        &'a self,
        full: &str,
        value: &'a Value<'a>,
        read: impl FnOnce(&Table<'a>) -> T,
    ) -> Option<T> {
        let Some(table) = Table::new(self, full.to_owned(), value) else {
            let name = full.rsplit('.').next().unwrap_or(full);
            self.wrong_type(value, full, &format!("a table: `{name} = {{ … }}`"));
            return None;
        };
        let read = read(&table);
        table.finish();
        Some(read)
    }

    /// The string in `value`, with the environment put in.
    pub(super) fn text_of(&self, value: &Value<'_>, full: &str, expected: &str) -> Option<String> {
        match value.as_str() {
            Some(text) => self.substitute(text, value.span.into()),
            None => {
                self.wrong_type(value, full, expected);
                None
            }
        }
    }

    pub(super) fn wrong_type(&self, value: &Value<'_>, full: &str, expected: &str) {
        let is = match value.as_ref() {
            ValueInner::String(_) => "a string",
            ValueInner::Integer(_) => "a number",
            ValueInner::Float(_) => "a number with a point",
            ValueInner::Boolean(_) => "true or false",
            ValueInner::Array(_) => "a list",
            ValueInner::Table(_) => "a table",
        };
        self.found.push(
            Diagnostic::error(
                self.first_line(value.span.into()),
                format!("`{full}` cannot be {is}"),
            )
            .label(format!("expected {expected}")),
        );
    }

    /// Puts the environment's values in the place of `${NAME}`; `$${` is `${` itself.
    fn substitute(&self, text: &str, at: Span) -> Option<String> {
        let (mut out, mut rest, mut is_whole) = (String::new(), text, true);
        while let Some(start) = rest.find("${") {
            let (before, behind) = rest.split_at(start);
            let behind = behind.get(2..).unwrap_or_default();
            if let Some(before) = before.strip_suffix('$') {
                out.push_str(before);
                out.push_str("${");
                rest = behind;
                continue;
            }
            out.push_str(before);
            let name = behind.split('}').next().unwrap_or_default();
            rest = behind.get(name.len() + 1..).unwrap_or_default();
            let is_name = !name.is_empty()
                && !name.starts_with(|first: char| first.is_ascii_digit())
                && name
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || octet == b'_')
                && name.len() < behind.len();
            let value = if is_name {
                (self.environment)(name)
            } else {
                None
            };
            match value {
                Some(value) => out.push_str(&value),
                None => {
                    is_whole = false;
                    self.not_in_the_environment(name, is_name, at);
                }
            }
        }
        out.push_str(rest);
        is_whole.then_some(out)
    }

    fn not_in_the_environment(&self, name: &str, is_name: bool, at: Span) {
        // Right under the variable, where the string is written without escapes in front of it.
        let inner = self.text.get(at.start..at.end).unwrap_or_default();
        let whole = format!("${{{name}}}");
        let at = inner.find(&whole).map_or(at, |offset| Span {
            start: at.start + offset,
            end: at.start + offset + whole.len(),
        });
        self.found.push(if is_name {
            Diagnostic::error(at, format!("the environment has no `{name}`"))
                .label("not set")
                .help("set it, even if to nothing, or write `$${` for a literal `${`")
        } else {
            Diagnostic::error(at, format!("`${{{name}` names no environment variable"))
                .label("expected `${NAME}`")
                .help("write `$${` for a literal `${`")
        });
    }

    /// The part of a span that is on its first line.
    pub(super) fn first_line(&self, span: Span) -> Span {
        let text = self.text.get(span.start..span.end).unwrap_or_default();
        let line = text.split('\n').next().unwrap_or_default();
        // A header's comment is not the header.
        let line = match line.starts_with('[').then(|| line.rfind(']')).flatten() {
            Some(at) if !line.get(..at).unwrap_or_default().contains('#') => {
                line.get(..=at).unwrap_or(line)
            }
            _ => line,
        };
        Span {
            start: span.start,
            end: span.start + line.trim_end().len(),
        }
    }
}

fn written<T>(value: T, key: &Key<'_>, at: &Value<'_>, name: String) -> Written<T> {
    Written {
        value,
        at: at.span.into(),
        key: key.span.into(),
        name,
    }
}
