//! The result as JSON, for machines: everything the tables have, and every round.

use std::fmt::{self, Write};

use crate::result::{Report, Row, Sample, Table, Weight};

/// A JSON value.
enum Json {
    Number(f64),
    Nothing,
    Text(String),
    List(Vec<Self>),
    Map(Vec<(&'static str, Self)>),
}

pub(crate) fn write(report: &Report) -> String {
    let texts = |list: &[String]| Json::List(list.iter().cloned().map(Json::Text).collect());
    let peers = report.peers.iter().map(|peer| {
        Json::Map(vec![
            ("name", text(peer.name)),
            ("version", text(&peer.version)),
            ("remark", text(peer.remark)),
            ("configuration", text(&peer.configuration)),
        ])
    });
    let missing = report.missing.iter().map(|missing| {
        Json::Map(vec![
            ("name", text(missing.name)),
            ("why", text(&missing.why)),
        ])
    });
    let all = Json::Map(vec![
        ("notes", texts(&report.notes)),
        ("peers", Json::List(peers.collect())),
        ("missing", Json::List(missing.collect())),
        (
            "tables",
            Json::List(report.tables.iter().map(table).collect()),
        ),
        ("idle_clients", Json::Number(report.idle_clients as f64)),
        (
            "weights",
            Json::List(report.weights.iter().map(weight).collect()),
        ),
    ]);
    format!("{all}\n")
}

fn table(table: &Table) -> Json {
    Json::Map(vec![
        ("key", text(&table.key)),
        ("title", text(&table.title)),
        ("rate", number(table.rate)),
        ("workers", Json::Number(table.workers as f64)),
        ("rows", Json::List(table.rows.iter().map(row).collect())),
    ])
}

fn row(row: &Row) -> Json {
    let median = |pick: fn(&Sample) -> f64| number(row.median(pick));
    Json::Map(vec![
        ("peer", text(row.peer)),
        (
            "trouble",
            row.trouble.as_deref().map_or(Json::Nothing, text),
        ),
        (
            "median",
            Json::Map(figures().map(|(name, pick)| (name, median(pick))).into()),
        ),
        (
            "rounds",
            Json::List(row.rounds.iter().map(sample).collect()),
        ),
    ])
}

fn sample(sample: &Sample) -> Json {
    Json::Map(
        figures()
            .map(|(name, pick)| (name, Json::Number(pick(sample))))
            .into(),
    )
}

/// A figure's name and how to take it.
type Figure = (&'static str, fn(&Sample) -> f64);

/// All figures of a sample. Times are in µs.
fn figures() -> [Figure; 10] {
    [
        ("cpu", |sample| sample.cpu),
        ("user", |sample| sample.user),
        ("system", |sample| sample.system),
        ("rate", |sample| sample.rate),
        ("p50", |sample| sample.p50),
        ("p99", |sample| sample.p99),
        ("p999", |sample| sample.p999),
        ("proxy_busy", |sample| sample.proxy_busy),
        ("load_busy", |sample| sample.load_busy),
        ("failures", |sample| sample.failures),
    ]
}

fn weight(weight: &Weight) -> Json {
    Json::Map(vec![
        ("peer", text(weight.peer)),
        ("fresh_kib", Json::Number(weight.fresh)),
        ("loaded_kib", number(weight.loaded)),
        ("octets_per_idle_client", number(weight.per_client)),
        ("start_ms", Json::Number(weight.start)),
        ("program_octets", Json::Number(weight.binary)),
    ])
}

fn text(text: &str) -> Json {
    Json::Text(text.to_owned())
}

fn number(number: Option<f64>) -> Json {
    number.map_or(Json::Nothing, Json::Number)
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if number.is_finite() => write!(f, "{number:.3}"),
            Self::Number(_) | Self::Nothing => f.write_str("null"),
            Self::Text(text) => quoted(f, text),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    f.write_str(if index == 0 { "[" } else { "," })?;
                    item.fmt(f)?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Self::Map(members) => {
                for (index, (name, value)) in members.iter().enumerate() {
                    f.write_str(if index == 0 { "{\n" } else { ",\n" })?;
                    quoted(f, name)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for char in text.chars() {
        match char {
            '"' | '\\' => write!(f, "\\{char}")?,
            '\n' => f.write_str("\\n")?,
            char if char.is_control() => write!(f, "\\u{:04x}", u32::from(char))?,
            char => f.write_char(char)?,
        }
    }
    f.write_char('"')
}
