//! The result into the repository: the tables into `benches/README.md`, the picture into `benches/peers.svg`.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use crate::result::Report;
use crate::{json, markdown, toolchain};

/// What stands around the tables in README.md.
const BEGIN: &str = "<!-- peers: begin -->\n";
const END: &str = "<!-- peers: end -->\n";

pub(crate) fn publish(report: &Report) -> io::Result<()> {
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let readme = benches.join("README.md");
    let text = fs::read_to_string(&readme)?;
    let tables = markdown::write(report);
    let text = between(&text, &tables)
        .ok_or_else(|| io::Error::other("benches/README.md has no place for the tables"))?;
    fs::write(&readme, text)?;
    draw(report, &benches.join("peers.svg"))?;
    eprintln!("wrote benches/README.md and benches/peers.svg");
    Ok(())
}

/// `text` with `tables` between the marks.
fn between(text: &str, tables: &str) -> Option<String> {
    let begin = text.find(BEGIN)? + BEGIN.len();
    let end = begin + text[begin..].find(END)?;
    Some(format!("{}{tables}{}", &text[..begin], &text[end..]))
}

/// The plotter is a program of the bench's own workspace, so that osier needs no plotting library.
fn draw(report: &Report, to: &Path) -> io::Result<()> {
    let plot = toolchain::rust("plot").map_err(io::Error::other)?;
    let result = toolchain::build_dir().join("result.json");
    fs::write(&result, json::write(report))?;
    let status = Command::new(plot).args([&result, to]).status()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other("the result could not be drawn"))
}
