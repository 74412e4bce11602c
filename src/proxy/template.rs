//! Text with holes: `{client_ip}` and its like, filled in for every request.

use std::fmt;

/// What a hole is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hole {
    /// The client's address; `unix` for a unix socket.
    ClientIp,
    /// Whom the client's certificate names, as RFC 4514 writes it; empty where it has shown none.
    ClientSubject,
    /// The host the request is for, without the port.
    Host,
    /// The request's method.
    Method,
    /// The path that goes to the origin, without the query.
    Path,
    /// The query behind the `?`; empty where there is none.
    Query,
    /// The id of the request.
    RequestId,
    /// `http` or `https`.
    Scheme,
    /// The name of the upstream the request goes to; empty where it goes to none.
    Upstream,
    /// Path and query, as the client sent them.
    Uri,
}

impl Hole {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::ClientIp,
        Self::ClientSubject,
        Self::Host,
        Self::Method,
        Self::Path,
        Self::Query,
        Self::RequestId,
        Self::Scheme,
        Self::Upstream,
        Self::Uri,
    ];

    /// Its name, as it stands between braces.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientIp => "client_ip",
            Self::ClientSubject => "client_subject",
            Self::Host => "host",
            Self::Method => "method",
            Self::Path => "path",
            Self::Query => "query",
            Self::RequestId => "request_id",
            Self::Scheme => "scheme",
            Self::Upstream => "upstream",
            Self::Uri => "uri",
        }
    }
}

/// One part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Part {
    /// This, as it is.
    Text(String),
    /// What this is for the request.
    Hole(Hole),
}

/// Text with holes; two texts never stand side by side, and none is empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Template {
    /// Its parts, in order.
    pub parts: Vec<Part>,
}

impl Template {
    /// Reads `text`, in which `{name}` is a hole and `{{` and `}}` are braces.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            plain.push_str(before);
            if let Some(behind) = behind.strip_prefix("{{") {
                plain.push('{');
                rest = behind;
            } else if let Some(behind) = behind.strip_prefix("}}") {
                plain.push('}');
                rest = behind;
            } else {
                let inner = behind
                    .strip_prefix('{')
                    .and_then(|inner| inner.split_once('}'));
                let (name, behind) = inner.ok_or(TemplateError::Brace)?;
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(Part::Hole(hole(name)?));
                rest = behind;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text, where there is no hole in it.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The template filled in, each hole by `fill`.
    #[must_use]
    pub fn fill<'a>(&'a self, mut fill: impl FnMut(Hole) -> &'a str) -> String {
        let parts = self.parts.iter();
        parts
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Hole(hole) => fill(*hole),
            })
            .collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}"))?,
                Part::Hole(hole) => write!(f, "{{{}}}", hole.name())?,
            }
        }
        Ok(())
    }
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A brace without its partner.
    Brace,
    /// A hole of this name is not known.
    Unknown(String),
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Brace => f.write_str("write `{{` and `}}` for braces"),
            Self::Unknown(_) => write!(
                f,
                "there are: {{{}}}; write `{{{{` for a brace",
                Hole::ALL.map(Hole::name).join("}, {")
            ),
        }
    }
}

impl std::error::Error for TemplateError {}

fn hole(name: &str) -> Result<Hole, TemplateError> {
    let found = Hole::ALL.into_iter().find(|hole| hole.name() == name);
    found.ok_or_else(|| TemplateError::Unknown(name.to_owned()))
}
