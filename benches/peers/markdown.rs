//! The result as Markdown tables.

use std::fmt::Write as _;

use crate::peer::osier::BARE;
use crate::result::{Report, Row, Sample, Table};

/// A generator busier than this sets the rate, not the proxy.
const GENERATOR_LIMIT: f64 = 0.97;

pub(crate) fn write(report: &Report) -> String {
    let mut out = String::new();
    for note in &report.notes {
        line(&mut out, &format!("- {note}"));
    }
    for peer in &report.peers {
        let colon = if peer.remark.is_empty() { "" } else { ": " };
        line(
            &mut out,
            &format!("- **{}** {}{colon}{}", peer.name, peer.version, peer.remark),
        );
    }
    for missing in &report.missing {
        line(
            &mut out,
            &format!("- missing: **{}**: {}", missing.name, missing.why),
        );
    }
    overview(&mut out, report);
    for table in &report.tables {
        match table.rate {
            None => closed(&mut out, report, table),
            Some(rate) => open(&mut out, table, rate),
        }
    }
    weights(&mut out, report);
    configurations(&mut out, report);
    out
}

/// CPU per request of everybody, all shapes side by side.
fn overview(out: &mut String, report: &Report) {
    let tables: Vec<&Table> = report
        .tables
        .iter()
        .filter(|table| table.rate.is_none() && table.workers == 1)
        .collect();
    if tables.is_empty() {
        return;
    }
    line(
        out,
        "\n### CPU µs per request (in brackets: osier's ÷ its)\n",
    );
    let mut head = vec!["proxy".to_owned()];
    head.extend(tables.iter().map(|table| table.title.clone()));
    heading(out, &head);
    for peer in &report.peers {
        let mut cells = vec![peer.name.to_owned()];
        for table in &tables {
            let own = table.row(peer.name).and_then(cpu);
            let osier = table.row(BARE).and_then(cpu);
            cells.push(match (own, osier) {
                (Some(own), Some(_)) if peer.name == BARE => format!("**{}**", figure(own)),
                (Some(own), Some(osier)) => format!("{} ({:.2})", figure(own), osier / own),
                (Some(own), None) => figure(own),
                (None, _) => "–".to_owned(),
            });
        }
        cells_line(out, &cells);
    }
}

fn closed(out: &mut String, report: &Report, table: &Table) {
    line(out, &format!("\n### {}\n", table.title));
    let mut head: Vec<String> = [
        "proxy",
        "CPU µs/request",
        "user",
        "system",
        "osier ÷ it",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "proxy busy",
        "generator busy",
    ]
    .map(str::to_owned)
    .to_vec();
    let one_worker = report
        .tables
        .iter()
        .find(|other| table.workers > 1 && other.key == crate::shape::MAIN);
    if one_worker.is_some() {
        head.push("requests/s ÷ one worker's".to_owned());
    }
    if table.handshakes {
        head.push("handshakes per second of CPU time".to_owned());
    }
    heading(out, &head);
    let osier = table.row(BARE).and_then(cpu);
    let mut limited = false;
    for row in &table.rows {
        let Some(own) = cpu(row) else {
            trouble(out, row, head.len());
            continue;
        };
        let of = |pick: fn(&Sample) -> f64| row.median(pick).unwrap_or_default();
        let bound = of(|sample| sample.load_busy) > GENERATOR_LIMIT;
        limited |= bound;
        let mut cells = vec![
            name(row),
            figure(own),
            figure(of(|sample| sample.user)),
            figure(of(|sample| sample.system)),
            osier.map_or_else(String::new, |osier| format!("{:.2}", osier / own)),
            format!(
                "{:.0}{}",
                of(|sample| sample.rate),
                if bound { " †" } else { "" }
            ),
            figure(of(|sample| sample.p50)),
            figure(of(|sample| sample.p99)),
            percent(of(|sample| sample.proxy_busy)),
            percent(of(|sample| sample.load_busy)),
        ];
        if let Some(one) = one_worker {
            let rate = one
                .row(row.peer)
                .and_then(|row| row.median(|sample| sample.rate));
            cells.push(rate.map_or_else(String::new, |rate| {
                format!("{:.2}", of(|sample| sample.rate) / rate)
            }));
        }
        if table.handshakes {
            cells.push(format!("{:.0}", 1e6 / own));
        }
        cells_line(out, &cells);
    }
    if limited {
        line(
            out,
            "\n† the generator's core was full: the proxy could have done more.",
        );
    }
    failures(out, table);
}

fn open(out: &mut String, table: &Table, rate: f64) {
    line(out, &format!("\n### Open loop, {}\n", table.title));
    let head = [
        "proxy",
        "requests/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "CPU µs/request",
    ]
    .map(str::to_owned);
    heading(out, &head);
    for row in &table.rows {
        let Some(own) = cpu(row) else {
            trouble(out, row, head.len());
            continue;
        };
        let of = |pick: fn(&Sample) -> f64| row.median(pick).unwrap_or_default();
        let served = of(|sample| sample.rate);
        let behind = if served < rate * 0.98 {
            " (falls behind)"
        } else {
            ""
        };
        let cells = [
            name(row),
            format!("{served:.0}{behind}"),
            figure(of(|sample| sample.p50)),
            figure(of(|sample| sample.p99)),
            figure(of(|sample| sample.p999)),
            figure(own),
        ];
        cells_line(out, &cells);
    }
    failures(out, table);
}

fn weights(out: &mut String, report: &Report) {
    if report.weights.is_empty() {
        return;
    }
    line(out, "\n### Memory, start, size\n");
    let head = [
        "proxy".to_owned(),
        "PSS KiB, fresh".to_owned(),
        "after all the load".to_owned(),
        format!(
            "PSS octets per idle client ({} of them)",
            report.idle_clients
        ),
        "start to first answer, ms".to_owned(),
        "program, MB".to_owned(),
    ];
    heading(out, &head);
    for weight in &report.weights {
        let or_dash = |value: Option<f64>| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.0}"))
        };
        let cells = [
            weight.peer.to_owned(),
            format!("{:.0}", weight.fresh),
            or_dash(weight.loaded),
            or_dash(weight.per_client),
            format!("{:.1}", weight.start),
            format!("{:.2}", weight.binary / 1e6),
        ];
        cells_line(out, &cells);
    }
}

fn configurations(out: &mut String, report: &Report) {
    line(
        out,
        "\n<details><summary>Commands and configurations</summary>\n",
    );
    for peer in &report.peers {
        line(
            out,
            &format!("{}:\n\n```\n{}```\n", peer.name, peer.configuration),
        );
    }
    line(out, "</details>");
}

fn trouble(out: &mut String, row: &Row, width: usize) {
    let mut cells = vec![String::new(); width];
    cells[0] = row.peer.to_owned();
    cells[1] = row.trouble.clone().unwrap_or_else(|| "–".to_owned());
    cells_line(out, &cells);
}

fn failures(out: &mut String, table: &Table) {
    for row in &table.rows {
        let failed: f64 = row.rounds.iter().map(|sample| sample.failures).sum();
        if failed > 0.0 {
            line(
                out,
                &format!("\n{}: {failed:.0} requests failed.", row.peer),
            );
        }
    }
}

fn name(row: &Row) -> String {
    if row.peer == BARE {
        format!("**{BARE}**")
    } else {
        row.peer.to_owned()
    }
}

fn cpu(row: &Row) -> Option<f64> {
    row.median(|sample| sample.cpu)
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

fn heading(out: &mut String, cells: &[String]) {
    cells_line(out, cells);
    let mut rule = vec!["--:"; cells.len()];
    rule[0] = "---";
    line(out, &format!("|{}|", rule.join("|")));
}

fn cells_line(out: &mut String, cells: &[String]) {
    line(out, &format!("| {} |", cells.join(" | ")));
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a String takes everything");
}
