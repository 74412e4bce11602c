//! HTTP/1.1 messages as a peer reads them: a second reading of RFC 9112, strict, that shares nothing with osier's own.
//!
//! Every exchange has a tag, and all content is made of it. So wherever an octet turns up, it says whose it is.

/// A head that was read.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The start line.
    pub(crate) start: String,
    fields: Vec<(String, String)>,
    /// How many octets it took, the empty line included.
    pub(crate) octets: usize,
}

impl Head {
    /// Reads the head these octets begin with. `None`: it is not there yet.
    pub(crate) fn read(octets: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = find(octets, b"\r\n\r\n") else {
            return Ok(None);
        };
        // Octets above 0x7f may be in values, and are no text.
        let text: String = octets[..end].iter().map(|octet| *octet as char).collect();
        let mut lines = text.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let mut fields = Vec::new();
        for line in lines {
            let (name, value) = line
                .split_once(": ")
                .ok_or_else(|| format!("a line that is no field: {line:?}"))?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || !name.chars().all(is_name) || value.contains(['\r', '\n', '\0']) {
                return Err(format!("a field that is none: {line:?}"));
            }
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        Ok(Some(Self {
            start,
            fields,
            octets: end + 4,
        }))
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    /// How many lines of this name there are.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|it| it.0 == name).count()
    }

    /// `Connection` has this option.
    pub(crate) fn has_option(&self, option: &str) -> bool {
        let mut lines = self.fields.iter().filter(|it| it.0 == "connection");
        lines.any(|it| {
            it.1.split(',')
                .any(|it| it.trim().eq_ignore_ascii_case(option))
        })
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Result<u16, String> {
        let rest = self.start.strip_prefix("HTTP/1.1 ");
        let digits = rest.and_then(|rest| rest.get(..3));
        let status = digits.and_then(|digits| digits.parse().ok());
        status.ok_or_else(|| format!("no status line: {:?}", self.start))
    }

    /// How the content of a message is delimited, if it has some.
    fn delimited(&self) -> Result<Option<Body>, String> {
        let (lengths, codings) = (
            self.count("content-length"),
            self.count("transfer-encoding"),
        );
        match (lengths, codings) {
            (0, 0) => Ok(None),
            (1, 0) => {
                let value = self.field("content-length").unwrap_or_default();
                let is_number = !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit());
                let length = value.parse().ok().filter(|_| is_number);
                length
                    .map(|length| Some(Body::Length(length)))
                    .ok_or_else(|| format!("no length: {value:?}"))
            }
            (0, 1) if self.field("transfer-encoding") == Some("chunked") => Ok(Some(Body::Chunked)),
            _ => Err(format!("framed in two ways: {self:?}")),
        }
    }

    /// How the content of a request is delimited.
    pub(crate) fn request_body(&self) -> Result<Body, String> {
        Ok(self.delimited()?.unwrap_or(Body::Length(0)))
    }

    /// How the content of a response to a request of this method is delimited.
    pub(crate) fn response_body(&self, method: &str) -> Result<Body, String> {
        let delimited = self.delimited()?;
        let status = self.status()?;
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return Ok(Body::Length(0));
        }
        Ok(delimited.unwrap_or(Body::UntilClose))
    }
}

/// How content is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Length(usize),
    Chunked,
    UntilClose,
}

/// What of some content was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) octets: Vec<u8>,
    /// How many octets of the message it took.
    pub(crate) used: usize,
    /// Its end was seen. Never where only the connection's end is one.
    pub(crate) is_whole: bool,
}

impl Body {
    /// Reads as much of the content as is there.
    pub(crate) fn read(self, octets: &[u8]) -> Result<Content, String> {
        match self {
            Self::Length(length) => {
                let used = length.min(octets.len());
                Ok(Content {
                    octets: octets[..used].to_vec(),
                    used,
                    is_whole: used == length,
                })
            }
            Self::UntilClose => Ok(Content {
                octets: octets.to_vec(),
                used: octets.len(),
                is_whole: false,
            }),
            Self::Chunked => dechunk(octets),
        }
    }
}

/// RFC 9112 §7.1, without extensions: nobody here sends any to those who read with this.
fn dechunk(octets: &[u8]) -> Result<Content, String> {
    let mut content = Content::default();
    loop {
        let rest = &octets[content.used..];
        let Some(end) = find(rest, b"\r\n") else {
            return match rest.len() {
                0..=18 => Ok(content),
                _ => Err("a chunk-size line without an end".to_owned()),
            };
        };
        let size = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        let is_hex = !size.is_empty() && size.bytes().all(|it| it.is_ascii_hexdigit());
        let size = usize::from_str_radix(size, 16).ok().filter(|_| is_hex);
        let size = size.ok_or_else(|| format!("no chunk-size: {:?}", &rest[..end.min(40)]))?;
        let data = &rest[end + 2..];
        if size == 0 {
            // The trailer section: lines up to an empty one.
            let Some(line) = find(data, b"\r\n") else {
                return Ok(content);
            };
            let whole = match line {
                0 => Some(2),
                _ => find(data, b"\r\n\r\n").map(|end| end + 4),
            };
            if let Some(trailers) = whole {
                content.used += end + 2 + trailers;
                content.is_whole = true;
            }
            return Ok(content);
        }
        if data.len() < size + 2 {
            content
                .octets
                .extend_from_slice(&data[..size.min(data.len())]);
            content.used = octets.len();
            return Ok(content);
        }
        if &data[size..size + 2] != b"\r\n" {
            return Err("a chunk that is longer than its size".to_owned());
        }
        content.octets.extend_from_slice(&data[..size]);
        content.used += end + 2 + size + 2;
    }
}

/// Follows content as it arrives, and looks at no octet of it twice.
pub(crate) struct Scan {
    body: Body,
    /// Where the next chunk begins.
    at: usize,
}

impl Scan {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, at: 0 }
    }

    /// How many octets the content takes, once its end is there. `octets`: all of it so far.
    pub(crate) fn end(&mut self, octets: &[u8]) -> Result<Option<usize>, String> {
        match self.body {
            Body::Length(length) => Ok((octets.len() >= length).then_some(length)),
            Body::UntilClose => Ok(None),
            Body::Chunked => {
                let rest = &octets[self.at..];
                // Whole chunks only: the one that is arriving is looked at again when it has come.
                let mut whole = 0;
                while let Some(line) = find(&rest[whole..rest.len().min(whole + 20)], b"\r\n") {
                    let size = std::str::from_utf8(&rest[whole..whole + line]).unwrap_or_default();
                    let size = usize::from_str_radix(size, 16).map_err(|_| "no chunk-size")?;
                    if size == 0 || rest.len() < whole + line + 2 + size + 2 {
                        break;
                    }
                    whole += line + 2 + size + 2;
                }
                self.at += whole;
                let last = dechunk(&octets[self.at..])?;
                Ok(last.is_whole.then_some(self.at + last.used))
            }
        }
    }
}

/// The first `count` octets of all that belongs to `tag`.
pub(crate) fn pattern(tag: &str, count: usize) -> Vec<u8> {
    tag.bytes().chain(*b"|").cycle().take(count).collect()
}

/// Content in chunks of these sizes, in turn.
pub(crate) fn chunked(content: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = content;
    for size in sizes.iter().copied().cycle() {
        let (chunk, more) = rest.split_at(size.clamp(1, rest.len().max(1)).min(rest.len()));
        if chunk.is_empty() {
            break;
        }
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
        rest = more;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Where `what` begins first.
pub(crate) fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}
