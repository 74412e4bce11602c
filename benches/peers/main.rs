//! osier beside other proxies, under the same load in the same run: `cargo bench --bench peers`.
//!
//! See `benches/README.md` for what is measured and how. Absolute figures move from machine to machine and from minute
//! to minute; the ratios in one run do not.

mod client;
mod content;
mod cores;
mod engine;
mod histogram;
mod json;
mod markdown;
mod measure;
mod options;
mod origin;
mod peer;
mod process;
mod progress;
mod publish;
mod result;
mod run;
mod shape;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
mod tls;
mod toolchain;
mod verify;
mod wire;

use std::io;
use std::process::ExitCode;

use options::Options;
use run::Run;

fn main() -> ExitCode {
    let options = match options::parse() {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    match bench(options) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(options: Options) -> io::Result<ExitCode> {
    let mut run = Run::new(options.clone())?;
    if options.check {
        let changed = run.check()?;
        return Ok(if changed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    let report = run.all()?;
    let text = if options.json {
        json::write(&report)
    } else {
        markdown::write(&report)
    };
    print!("{text}");
    if options.write {
        publish::publish(&report)?;
    }
    Ok(ExitCode::SUCCESS)
}
