//! What was typed after `cargo bench --bench peers --`.

use lexopt::{Arg, Parser, ValueExt};

pub(crate) const HELP: &str = "\
cargo bench --bench peers -- [OPTIONS]

  --quick        three shapes, two rounds: about a minute (the default)
  --full         everything, five rounds: about 25 minutes
  --tls          only what goes over TLS, five rounds: about two minutes
  --check        only the check that no proxy changes what it carries
  --json         prints the result as JSON instead of Markdown
  --write        puts the tables into benches/README.md and draws benches/peers.svg
  --only NAMES   only peers whose name contains one of these, separated by commas; osier is always there
  --shape TEXT   only shapes with this in their title
  --rounds N     how often every figure is taken
  --seconds S    how long each time
";

#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) full: bool,
    pub(crate) tls: bool,
    pub(crate) check: bool,
    pub(crate) json: bool,
    pub(crate) write: bool,
    pub(crate) only: Vec<String>,
    pub(crate) shape: Option<String>,
    pub(crate) rounds: Option<usize>,
    pub(crate) seconds: Option<f64>,
}

/// `None`: help was asked for.
pub(crate) fn parse() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options::default();
    // `cargo bench` passes `--bench`; `cargo test` does not, and has no minute to give.
    let mut measuring = false;
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("bench") => measuring = true,
            Arg::Long("quick") => options.full = false,
            Arg::Long("full") => options.full = true,
            Arg::Long("tls") => options.tls = true,
            Arg::Long("check") => options.check = true,
            Arg::Long("json") => options.json = true,
            Arg::Long("write") => options.write = true,
            Arg::Long("only") => {
                let names = parser.value()?.string()?.to_lowercase();
                options.only = names.split(',').map(str::to_owned).collect();
            }
            Arg::Long("shape") => options.shape = Some(parser.value()?.string()?.to_lowercase()),
            Arg::Long("rounds") => options.rounds = Some(parser.value()?.parse()?),
            Arg::Long("seconds") => options.seconds = Some(parser.value()?.parse()?),
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    options.check |= !measuring;
    Ok(Some(options))
}
