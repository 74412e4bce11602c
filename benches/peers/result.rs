//! What a run found, before anybody prints it.

use crate::peer::Missing;

/// One measurement of one proxy.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// CPU µs per request.
    pub(crate) cpu: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Requests per second.
    pub(crate) rate: f64,
    /// Latencies in µs.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// How much of its cores the proxy used, and the generator of its own.
    pub(crate) proxy_busy: f64,
    pub(crate) load_busy: f64,
    /// Requests that failed.
    pub(crate) failures: f64,
}

/// One proxy under one shape.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    pub(crate) rounds: Vec<Sample>,
    /// Why there are no more rounds.
    pub(crate) trouble: Option<String>,
}

/// All proxies under one shape.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) key: String,
    pub(crate) title: String,
    /// Requests per second, where they are fixed.
    pub(crate) rate: Option<f64>,
    pub(crate) workers: usize,
    /// Each request has a connection of its own, which begins with a handshake of TLS.
    pub(crate) handshakes: bool,
    pub(crate) rows: Vec<Row>,
}

/// What a proxy weighs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weight {
    pub(crate) peer: &'static str,
    /// PSS in KiB: after the first answer, and after everything else that was measured.
    pub(crate) fresh: f64,
    pub(crate) loaded: Option<f64>,
    /// PSS octets per idle client.
    pub(crate) per_client: Option<f64>,
    /// Milliseconds from the start of the program to its first answer.
    pub(crate) start: f64,
    /// Octets of the program's file.
    pub(crate) binary: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) remark: &'static str,
    pub(crate) configuration: String,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    /// Sentences about the machine and the run.
    pub(crate) notes: Vec<String>,
    pub(crate) peers: Vec<Described>,
    pub(crate) missing: Vec<Missing>,
    pub(crate) tables: Vec<Table>,
    pub(crate) idle_clients: usize,
    pub(crate) weights: Vec<Weight>,
}

impl Row {
    /// The median of one figure over the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(self.rounds.iter().map(figure).collect())
    }
}

impl Table {
    pub(crate) fn row(&self, peer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.peer == peer)
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
    match values.as_slice() {
        [] => None,
        values if odd => Some(values[half]),
        values => Some(f64::midpoint(values[half - 1], values[half])),
    }
}
