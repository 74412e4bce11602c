//! Draws what `cargo bench --bench peers` found: `plot RESULT.json PICTURE.svg`.
//!
//! Three panels: CPU per request with the floor as a line, memory per idle client, latency against rate.

use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;
use std::error::Error;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1000;
const PANEL_HEIGHT: u32 = 380;
/// The row that all others are compared with, and the one that reads no HTTP.
const OWN: &str = "osier";
const FLOOR: &str = "HAProxy tcp";
/// The shape of the first panel.
const MAIN: &str = "small-64";

const OWN_COLOR: RGBColor = RGBColor(0x1b, 0x7f, 0x5c);
const OTHER_COLOR: RGBColor = RGBColor(0x9a, 0xa5, 0xb1);
const INK: RGBColor = RGBColor(0x33, 0x33, 0x33);

fn main() -> Drawn {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else {
        return Err("plot RESULT.json PICTURE.svg".into());
    };
    let result: Value = serde_json::from_str(&std::fs::read_to_string(from)?)?;
    let panels: [fn(&Value, &Area<'_>) -> Drawn; 3] = [cpu, memory, latency];
    let picture = SVGBackend::new(to, (WIDTH, PANEL_HEIGHT * 3)).into_drawing_area();
    picture.fill(&WHITE)?;
    for (area, panel) in picture.split_evenly((3, 1)).iter().zip(panels) {
        panel(&result, area)?;
    }
    picture.present()?;
    Ok(())
}

/// One bar: whose, and how long.
struct Bar {
    name: String,
    value: f64,
}

fn cpu(result: &Value, area: &Area<'_>) -> Drawn {
    let Some(table) = table(result, MAIN) else {
        return Ok(());
    };
    let mut bars = bars(rows(table), "peer", |row| row["median"]["cpu"].as_f64());
    let floor = bars
        .iter()
        .find(|bar| bar.name == FLOOR)
        .map(|bar| bar.value);
    bars.retain(|bar| bar.name != FLOOR);
    let shape = table["title"].as_str().unwrap_or_default();
    let line = floor.map_or_else(String::new, |floor| {
        format!(" (red: the floor, {FLOOR}, {})", figure(floor))
    });
    let title = format!("CPU µs per request, {shape}{line}");
    bar_panel(area, &title, bars, floor)
}

fn memory(result: &Value, area: &Area<'_>) -> Drawn {
    let weights = result["weights"].as_array().map_or(&[][..], Vec::as_slice);
    let bars = bars(weights, "peer", |row| {
        row["octets_per_idle_client"]
            .as_f64()
            .map(|octets| octets / 1024.0)
    });
    let clients = result["idle_clients"].as_f64().unwrap_or_default();
    let title = format!("PSS KiB per idle keep-alive client, of {clients:.0}");
    bar_panel(area, &title, bars, None)
}

fn bar_panel(area: &Area<'_>, title: &str, mut bars: Vec<Bar>, floor: Option<f64>) -> Drawn {
    if bars.is_empty() {
        return Ok(());
    }
    // The shortest on top.
    bars.sort_by(|one, other| other.value.total_cmp(&one.value));
    let longest = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
    let count = bars.len();
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(28)
        .y_label_area_size(130)
        .build_cartesian_2d(0.0..longest * 1.12, 0.0..count as f64)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .light_line_style(TRANSPARENT)
        .draw()?;
    let plain = ("sans-serif", 14).into_font().color(&INK);
    for (index, bar) in bars.iter().enumerate() {
        let (low, high) = (index as f64 + 0.18, index as f64 + 0.82);
        let color = if bar.name.starts_with(OWN) {
            OWN_COLOR
        } else {
            OTHER_COLOR
        };
        chart.draw_series([Rectangle::new(
            [(0.0, low), (bar.value, high)],
            color.filled(),
        )])?;
        let (x, y) = chart.backend_coord(&(0.0, high));
        area.draw_text(&bar.name, &plain, local(area, (x - 124, y + 3)))?;
        let (x, y) = chart.backend_coord(&(bar.value, high));
        area.draw_text(&figure(bar.value), &plain, local(area, (x + 6, y + 3)))?;
    }
    if let Some(floor) = floor {
        let line = [(floor, 0.0), (floor, count as f64)];
        chart.draw_series([PathElement::new(line.to_vec(), RED.stroke_width(2))])?;
    }
    Ok(())
}

/// p99 against the rate that was sent, one line per proxy; both axes as they are read best.
fn latency(result: &Value, area: &Area<'_>) -> Drawn {
    let mut fixed: Vec<(f64, &Value)> = tables(result)
        .iter()
        .filter_map(|table| Some((table["rate"].as_f64()?, table)))
        .collect();
    fixed.sort_by(|one, other| one.0.total_cmp(&other.0));
    let Some((highest, _)) = fixed.last() else {
        return Ok(());
    };
    let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for (rate, table) in &fixed {
        for bar in bars(rows(table), "peer", |row| row["median"]["p99"].as_f64()) {
            match lines.iter_mut().find(|(name, _)| *name == bar.name) {
                Some((_, points)) => points.push((*rate, bar.value)),
                None => lines.push((bar.name, vec![(*rate, bar.value)])),
            }
        }
    }
    let values = lines.iter().flat_map(|(_, points)| points).map(|(_, y)| *y);
    let (least, most) = values.fold((f64::MAX, 0.0), |(least, most), y| {
        (f64::min(least, y), f64::max(most, y))
    });
    let mut chart = ChartBuilder::on(area)
        .caption(
            "p99 in µs (logarithmic) against requests per second, open loop",
            ("sans-serif", 20),
        )
        .margin(14)
        .margin_right(170)
        .x_label_area_size(28)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..highest * 1.05, (least * 0.7..most * 1.5).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (index, (name, points)) in lines.iter().enumerate() {
        let own = name.starts_with(OWN);
        let color = if own {
            OWN_COLOR.to_rgba()
        } else {
            Palette99::pick(index).to_rgba()
        };
        let style = color.stroke_width(if own { 3 } else { 1 });
        chart.draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?;
        // The legend stands beside the chart: inside, it would hide lines.
        let (x, y) = ((WIDTH - 150) as i32, 60 + index as i32 * 20);
        area.draw(&PathElement::new([(x, y + 7), (x + 18, y + 7)], style))?;
        let plain = ("sans-serif", 13).into_font().color(&INK);
        area.draw_text(name, &plain, (x + 24, y))?;
    }
    Ok(())
}

fn tables(result: &Value) -> &[Value] {
    result["tables"].as_array().map_or(&[], Vec::as_slice)
}

fn table<'a>(result: &'a Value, key: &str) -> Option<&'a Value> {
    tables(result).iter().find(|table| table["key"] == key)
}

fn rows(table: &Value) -> &[Value] {
    table["rows"].as_array().map_or(&[], Vec::as_slice)
}

/// The rows that have a value.
fn bars(rows: &[Value], name: &str, value: impl Fn(&Value) -> Option<f64>) -> Vec<Bar> {
    rows.iter()
        .filter_map(|row| {
            Some(Bar {
                name: row[name].as_str()?.to_owned(),
                value: value(row)?,
            })
        })
        .collect()
}

/// A place of the whole picture, as a place of one area.
fn local(area: &Area<'_>, (x, y): (i32, i32)) -> (i32, i32) {
    let (left, top) = area.get_base_pixel();
    (x - left, y - top)
}

fn figure(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}
