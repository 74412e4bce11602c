//! Arguments → [`Command`]: as close to what was typed as can be, with every value understood.

use std::ffi::OsString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use super::commands;
use super::completions::Shell;
use crate::balance::Policy;
use crate::config::OWN_FIELDS;
use crate::config::value::{self, Scheme};
use crate::http::field::Fields;
use crate::http::network::Network;
use crate::http::target::parse_authority;
use crate::log::Destination;
use crate::net::address::Address;
use crate::proxy::gateway::Host;

/// Where the admin interface is looked for, when nobody says.
pub(super) const ADMIN: &str = "http://127.0.0.1:8087";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// There were no arguments.
    Nothing,
    Help(Option<&'static str>),
    Version,
    Proxy(ProxyFlags),
    Respond(RespondFlags),
    Demo(DemoFlags),
    Run(RunFlags),
    Check(CheckFlags),
    Explain(ExplainFlags),
    /// A configuration that does what the one-liner does with these flags.
    Init(ProxyFlags),
    Tree(TreeFlags),
    Top(TopFlags),
    Cancel {
        admin: Address,
        id: u64,
        because: String,
    },
    Status {
        admin: Address,
    },
    Reload {
        admin: Address,
    },
    /// Gives an endpoint nothing new, or something again.
    Drain {
        admin: Address,
        endpoint: String,
        is_draining: bool,
    },
    Completions(Shell),
}

/// The one-liner's flags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ProxyFlags {
    pub(super) balance: Policy,
    pub(super) listen: Vec<Address>,
    pub(super) to: Vec<To>,
    pub(super) timeout: Option<Duration>,
    pub(super) workers: Option<usize>,
    pub(super) admin: Option<Address>,
    pub(super) access_log: Destination,
    pub(super) add: Vec<(String, String)>,
    pub(super) host: Host,
    pub(super) trusted: Vec<Network>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    /// An address that no interface has yet is no error.
    pub(super) retry: bool,
}

/// The flags of `run`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RunFlags {
    pub(super) file: PathBuf,
    /// The file is read again when it changes.
    pub(super) watch: bool,
}

/// The flags of `check`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CheckFlags {
    pub(super) file: PathBuf,
    pub(super) says: Says,
}

/// The flags of `explain`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ExplainFlags {
    pub(super) file: PathBuf,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) client: Option<IpAddr>,
}

/// What `check` says of a file that is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// That it is.
    Summary,
    /// What was found, as JSON.
    Json,
    /// What it means, with all defaults.
    Config,
}

/// One `--to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct To {
    /// It is spoken to by TLS.
    pub(super) is_tls: bool,
    /// `host:port`, or `unix:PATH`.
    pub(super) authority: String,
    /// The path in front of every path.
    pub(super) base_path: String,
}

/// As `--to` takes it.
impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.is_tls {
            true => "https://",
            false if self.base_path.is_empty() => "",
            false => "http://",
        };
        write!(f, "{scheme}{}{}", self.authority, self.base_path)
    }
}

/// The flags of `respond`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RespondFlags {
    pub(super) listen: Vec<Address>,
    pub(super) status: u16,
    pub(super) body: Option<Vec<u8>>,
    pub(super) workers: Option<usize>,
}

/// The flags of `demo`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DemoFlags {
    pub(super) listen: Option<Address>,
    pub(super) admin: Option<Address>,
    pub(super) workers: Option<usize>,
}

/// The flags of `tree`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TreeFlags {
    pub(super) admin: Address,
    pub(super) form: Form,
    /// The node on top; the server's root unless said.
    pub(super) root: Option<u64>,
    /// How many levels below it.
    pub(super) depth: Option<u64>,
    /// How many nodes at most.
    pub(super) max: Option<u64>,
}

/// How the tree is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Text,
    Json,
    Dot,
    Mermaid,
}

/// The flags of `top`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TopFlags {
    pub(super) admin: Address,
    pub(super) sort: Sort,
    /// From one look to the next.
    pub(super) interval: Duration,
    /// The table is printed once, wherever that goes.
    pub(super) is_once: bool,
}

/// Which node comes first.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// The oldest.
    #[default]
    Age,
    /// The one whose deadline is next.
    Budget,
}

/// Reads the arguments; the first is the program's own name.
pub(super) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut arguments: Vec<OsString> = arguments.into_iter().skip(1).collect();
    let Some(first) = arguments.first() else {
        return Ok(Command::Nothing);
    };
    // The one-liner has no command word: it begins with a flag.
    if first.as_encoded_bytes().starts_with(b"-") {
        return one_liner(&mut Parser::from_args(arguments));
    }
    let word = arguments.remove(0);
    let mut parser = Parser::from_args(arguments);
    match word.to_str() {
        Some("demo") => demo(&mut parser),
        Some("respond") => respond(&mut parser),
        Some("run") => run(&mut parser),
        Some("check") => check(&mut parser),
        Some("explain") => explain(&mut parser),
        Some("init") => init(&mut parser),
        Some("tree") => tree(&mut parser),
        Some("top") => top(&mut parser),
        Some("cancel") => cancel(&mut parser),
        Some("status") => Ok(match admin_alone(&mut parser)? {
            Some(admin) => Command::Status { admin },
            None => Command::Help(Some("status")),
        }),
        Some("reload") => Ok(match admin_alone(&mut parser)? {
            Some(admin) => Command::Reload { admin },
            None => Command::Help(Some("reload")),
        }),
        Some("drain") => drain(&mut parser, true),
        Some("undrain") => drain(&mut parser, false),
        Some("completions") => completions(&mut parser),
        Some("help") => help(&mut parser),
        _ => Err(UsageError::UnknownCommand(
            word.to_string_lossy().into_owned(),
        )),
    }
}

fn one_liner(parser: &mut Parser) -> Result<Command, UsageError> {
    let flags = match proxy(parser, None)? {
        Asked::For(flags) => flags,
        Asked::Else(command) => return Ok(command),
    };
    match (flags.listen.is_empty(), flags.to.is_empty()) {
        (true, _) => Err(UsageError::Missing("--listen ADDRESS")),
        (_, true) => Err(UsageError::Missing("--to ADDRESS")),
        _ => Ok(Command::Proxy(flags)),
    }
}

fn init(parser: &mut Parser) -> Result<Command, UsageError> {
    Ok(match proxy(parser, Some("init"))? {
        Asked::For(flags) => Command::Init(flags),
        Asked::Else(command) => command,
    })
}

fn run(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut file, mut watch) = (None, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("run"))),
            Arg::Short('c') | Arg::Long("config") => file = Some(PathBuf::from(parser.value()?)),
            Arg::Long("watch") => watch = true,
            Arg::Value(_) => return Err(UsageError::Missing("-c in front of the file")),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or(UsageError::Missing("-c FILE"))?;
    Ok(Command::Run(RunFlags { file, watch }))
}

fn explain(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut file, mut words, mut fields, mut client) = (None, Vec::new(), Vec::new(), None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("explain"))),
            Arg::Short('c') | Arg::Long("config") => file = Some(PathBuf::from(parser.value()?)),
            Arg::Short('H') | Arg::Long("header") => {
                let line = text(parser)?;
                let (name, value) = line.split_once(':').ok_or_else(|| {
                    UsageError::Why("--header", format!("`{line}`: expected 'K: v'"))
                })?;
                fields.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            Arg::Long("client") => {
                let ip = text(parser)?;
                let parsed = ip.parse().map_err(|_| {
                    UsageError::Why("--client", format!("`{ip}`: expected an address"))
                })?;
                client = Some(parsed);
            }
            Arg::Value(word) => words.push(word.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    let file = file.ok_or(UsageError::Missing("-c FILE"))?;
    let (method, url) = match words.as_slice() {
        [url] => ("GET".to_owned(), url.clone()),
        [method, url] => (method.clone(), url.clone()),
        _ => return Err(UsageError::Missing("[METHOD] URL")),
    };
    Ok(Command::Explain(ExplainFlags {
        file,
        method,
        url,
        fields,
        client,
    }))
}

fn check(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut file, mut json, mut print) = (None, false, false);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("check"))),
            Arg::Short('c') | Arg::Long("config") => file = Some(PathBuf::from(parser.value()?)),
            Arg::Long("json") => json = true,
            Arg::Long("print") => print = true,
            Arg::Value(_) => return Err(UsageError::Missing("-c in front of the file")),
            other => return Err(other.unexpected().into()),
        }
    }
    let says = match (json, print) {
        (false, false) => Says::Summary,
        (true, false) => Says::Json,
        (false, true) => Says::Config,
        (true, true) => {
            let why = "cannot be together with --json: two things on one output";
            return Err(UsageError::Why("--print", why.to_owned()));
        }
    };
    let file = file.ok_or(UsageError::Missing("-c FILE"))?;
    Ok(Command::Check(CheckFlags { file, says }))
}

/// What flags ask for.
enum Asked {
    For(ProxyFlags),
    /// Something else, such as help.
    Else(Command),
}

/// The flags of the one-liner, behind `command` or behind nothing.
fn proxy(parser: &mut Parser, command: Option<&'static str>) -> Result<Asked, UsageError> {
    let mut flags = ProxyFlags::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Asked::Else(Command::Help(command))),
            Arg::Short('V') | Arg::Long("version") if command.is_none() => {
                return Ok(Asked::Else(Command::Version));
            }
            Arg::Short('l') | Arg::Long("listen") => {
                flags.listen.push(address("--listen", parser)?)
            }
            Arg::Short('t') | Arg::Long("to") => flags.to.push(to(&text(parser)?)?),
            Arg::Long("balance") => {
                let policy = text(parser)?;
                let known = Policy::WORDS.iter().find(|(word, _)| *word == policy);
                let expected = "round_robin, least_conn, p2c, ewma, random or first";
                let known =
                    known.ok_or_else(|| UsageError::value("--balance", policy, expected))?;
                flags.balance = known.1;
            }
            Arg::Long("timeout") => flags.timeout = Some(duration("--timeout", &text(parser)?)?),
            Arg::Long("workers") => flags.workers = workers(parser)?,
            Arg::Long("admin") => flags.admin = Some(admin(parser)?),
            Arg::Long("access-log") => flags.access_log = Destination::parse(&text(parser)?),
            Arg::Long("add-request-header") => flags.add.push(field_line(&text(parser)?)?),
            Arg::Long("host-header") => {
                flags.host = match text(parser)?.as_str() {
                    "preserve" => Host::Preserve,
                    "upstream" => Host::Upstream,
                    name if parse_authority(name.as_bytes()).is_ok() => {
                        Host::Literal(name.to_owned())
                    }
                    other => {
                        return Err(UsageError::value(
                            "--host-header",
                            other,
                            "preserve, upstream or a host name",
                        ));
                    }
                }
            }
            Arg::Long("user") => flags.user = Some(text(parser)?),
            Arg::Long("group") => flags.group = Some(text(parser)?),
            Arg::Long("retry") => flags.retry = true,
            Arg::Long("trust") => flags.trusted.extend(networks(&text(parser)?)?),
            other => return Err(other.unexpected().into()),
        }
    }
    if let (Some(plain), true) = (
        flags.to.iter().find(|to| !to.is_tls),
        flags.to.iter().any(|to| to.is_tls),
    ) {
        let why = format!("`{plain}` is without TLS and others are with it: all or none");
        return Err(UsageError::Why("--to", why));
    }
    Ok(Asked::For(flags))
}

fn respond(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut flags = RespondFlags {
        listen: Vec::new(),
        status: 200,
        body: None,
        workers: None,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("respond"))),
            Arg::Short('l') | Arg::Long("listen") => {
                flags.listen.push(address("--listen", parser)?)
            }
            Arg::Long("status") => {
                let status = text(parser)?;
                flags.status = status
                    .parse()
                    .ok()
                    .filter(|status| (200..=599).contains(status))
                    .ok_or_else(|| {
                        UsageError::value("--status", status, "a number from 200 to 599")
                    })?;
            }
            Arg::Long("workers") => flags.workers = workers(parser)?,
            Arg::Value(body) if flags.body.is_none() => {
                flags.body = Some(body.into_encoded_bytes())
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if flags.listen.is_empty() {
        return Err(UsageError::Missing("--listen ADDRESS"));
    }
    Ok(Command::Respond(flags))
}

fn demo(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut flags = DemoFlags::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("demo"))),
            Arg::Short('l') | Arg::Long("listen") => {
                flags.listen = Some(address("--listen", parser)?)
            }
            Arg::Long("admin") => flags.admin = Some(admin(parser)?),
            Arg::Long("workers") => flags.workers = workers(parser)?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Demo(flags))
}

fn tree(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut at, mut form, mut root, mut depth, mut max) = (None, None, None, None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("tree"))),
            Arg::Long("admin") => once(&mut at, "--admin", admin(parser)?)?,
            Arg::Long("json") => one_form(&mut form, "--json", Form::Json)?,
            Arg::Long("dot") => one_form(&mut form, "--dot", Form::Dot)?,
            Arg::Long("mermaid") => one_form(&mut form, "--mermaid", Form::Mermaid)?,
            Arg::Long("root") => {
                let what = "a number, as `osier tree` shows it";
                once(&mut root, "--root", number(parser, "--root", 0, what)?)?;
            }
            Arg::Long("depth") => {
                let what = "a number of levels";
                once(&mut depth, "--depth", number(parser, "--depth", 0, what)?)?;
            }
            Arg::Long("max") => {
                let what = "a number of nodes, 1 at least";
                once(&mut max, "--max", number(parser, "--max", 1, what)?)?;
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Tree(TreeFlags {
        admin: or_usual(at)?,
        form: form.map_or(Form::Text, |(_, form)| form),
        root,
        depth,
        max,
    }))
}

/// Keeps a form, if it is the only one.
fn one_form(
    kept: &mut Option<(&'static str, Form)>,
    flag: &'static str,
    form: Form,
) -> Result<(), UsageError> {
    match kept.replace((flag, form)) {
        None => Ok(()),
        Some((before, _)) if before == flag => Err(UsageError::Twice(flag)),
        Some((before, _)) => {
            let why = format!("cannot be together with {before}: two forms on one output");
            Err(UsageError::Why(flag, why))
        }
    }
}

fn top(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut at, mut sort, mut interval, mut is_once) = (None, None, None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("top"))),
            Arg::Long("admin") => once(&mut at, "--admin", admin(parser)?)?,
            Arg::Long("by") => {
                let by = match text(parser)?.as_str() {
                    "age" => Sort::Age,
                    "budget" => Sort::Budget,
                    other => return Err(UsageError::value("--by", other, "age or budget")),
                };
                once(&mut sort, "--by", by)?;
            }
            Arg::Long("interval") => {
                let text = text(parser)?;
                let span = duration("--interval", &text)?;
                if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&span) {
                    return Err(UsageError::value("--interval", text, "from 100ms to 1h"));
                }
                once(&mut interval, "--interval", span)?;
            }
            Arg::Long("once") => once(&mut is_once, "--once", true)?,
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Top(TopFlags {
        admin: or_usual(at)?,
        sort: sort.unwrap_or_default(),
        interval: interval.unwrap_or(INTERVAL),
        is_once: is_once.unwrap_or(false),
    }))
}

/// How often `top` looks, when nobody says.
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Keeps the value of a flag that means nothing twice.
fn once<T>(kept: &mut Option<T>, flag: &'static str, value: T) -> Result<(), UsageError> {
    match kept.replace(value) {
        None => Ok(()),
        Some(_) => Err(UsageError::Twice(flag)),
    }
}

/// A number in digits alone, `least` at least.
fn number(
    parser: &mut Parser,
    flag: &'static str,
    least: u64,
    what: &'static str,
) -> Result<u64, UsageError> {
    let text = text(parser)?;
    let is_digits = text.bytes().all(|octet| octet.is_ascii_digit());
    let number = text.parse().ok().filter(|it| is_digits && *it >= least);
    number.ok_or_else(|| UsageError::value(flag, text, what))
}

fn cancel(parser: &mut Parser) -> Result<Command, UsageError> {
    let (mut at, mut id, mut because) = (None, None, String::new());
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("cancel"))),
            Arg::Long("admin") => at = Some(admin(parser)?),
            Arg::Long("because") => because = text(parser)?,
            Arg::Value(value) if id.is_none() => {
                let value = value.to_string_lossy().into_owned();
                id = Some(value.parse().map_err(|_| {
                    UsageError::value("ID", value, "a number, as `osier tree` shows it")
                })?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let id = id.ok_or(UsageError::Missing("ID, a number that `osier tree` shows"))?;
    Ok(Command::Cancel {
        admin: or_usual(at)?,
        id,
        because,
    })
}

fn drain(parser: &mut Parser, is_draining: bool) -> Result<Command, UsageError> {
    let (mut at, mut endpoint) = (None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => {
                let command = if is_draining { "drain" } else { "undrain" };
                return Ok(Command::Help(Some(command)));
            }
            Arg::Long("admin") => at = Some(admin(parser)?),
            Arg::Value(value) if endpoint.is_none() => {
                let value = value.to_string_lossy().into_owned();
                if !value.contains('/') {
                    let expected = "UPSTREAM/ADDRESS, as `osier status` shows them";
                    return Err(UsageError::value("ENDPOINT", value, expected));
                }
                endpoint = Some(value);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let missing = UsageError::Missing("UPSTREAM/ADDRESS, as `osier status` shows them");
    Ok(Command::Drain {
        admin: or_usual(at)?,
        endpoint: endpoint.ok_or(missing)?,
        is_draining,
    })
}

/// The flags of a command that has no other than `--admin`; `None`: its help is asked for.
fn admin_alone(parser: &mut Parser) -> Result<Option<Address>, UsageError> {
    let mut at = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("admin") => at = Some(admin(parser)?),
            other => return Err(other.unexpected().into()),
        }
    }
    or_usual(at).map(Some)
}

fn completions(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut shell = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("completions"))),
            Arg::Value(word) if shell.is_none() => {
                let found = Shell::ALL.into_iter().find(|(name, _)| word == **name);
                let word = word.to_string_lossy().into_owned();
                let (_, found) =
                    found.ok_or_else(|| UsageError::value("SHELL", word, "bash, zsh or fish"))?;
                shell = Some(found);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let shell = shell.ok_or(UsageError::Missing("SHELL: bash, zsh or fish"))?;
    Ok(Command::Completions(shell))
}

fn help(parser: &mut Parser) -> Result<Command, UsageError> {
    let mut topic = None;
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(Some("help"))),
            Arg::Value(word) if topic.is_none() => {
                let word = word.to_string_lossy().into_owned();
                let entry = commands::find(&word).ok_or(UsageError::UnknownCommand(word))?;
                topic = Some(entry.name);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Help(topic))
}

fn text(parser: &mut Parser) -> Result<String, UsageError> {
    Ok(parser.value()?.string()?)
}

fn address(flag: &'static str, parser: &mut Parser) -> Result<Address, UsageError> {
    let text = text(parser)?;
    let address = text
        .strip_prefix("http://")
        .unwrap_or(&text)
        .trim_end_matches('/');
    address
        .parse()
        .map_err(|error| UsageError::Why(flag, format!("{error}")))
}

/// The admin interface is private: loopback or a unix socket.
fn admin(parser: &mut Parser) -> Result<Address, UsageError> {
    let address = address("--admin", parser)?;
    if address.is_local() {
        Ok(address)
    } else {
        Err(UsageError::Why(
            "--admin",
            format!("{address} is not on this machine; use a loopback address or unix:PATH"),
        ))
    }
}

fn or_usual(admin: Option<Address>) -> Result<Address, UsageError> {
    match admin {
        Some(address) => Ok(address),
        None => ADMIN
            .trim_start_matches("http://")
            .parse()
            .map_err(|error| UsageError::Why("--admin", format!("{error}"))),
    }
}

fn to(text: &str) -> Result<To, UsageError> {
    match value::origin(text) {
        Ok(origin) if origin.scheme == Some(Scheme::Https) && cfg!(not(feature = "tls")) => {
            let authority = origin.authority;
            let why = format!("`{authority}` by TLS: this osier was built without `tls`");
            Err(UsageError::Why("--to", why))
        }
        Ok(origin) => Ok(To {
            is_tls: origin.scheme == Some(Scheme::Https),
            authority: origin.authority,
            base_path: origin.base_path,
        }),
        Err(why) => Err(UsageError::Why("--to", format!("`{text}`: {why}"))),
    }
}

fn workers(parser: &mut Parser) -> Result<Option<usize>, UsageError> {
    let text = text(parser)?;
    if text == "auto" {
        return Ok(None);
    }
    match text.parse::<usize>() {
        Ok(count @ 1..=1024) => Ok(Some(count)),
        _ => Err(UsageError::value(
            "--workers",
            text,
            "auto, or a number from 1 to 1024",
        )),
    }
}

/// `10s`, `250ms`, `2m`, `1h`.
fn duration(flag: &'static str, text: &str) -> Result<Duration, UsageError> {
    value::duration(text)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| UsageError::value(flag, text, "a duration such as 250ms, 10s, 2m or 1h"))
}

fn field_line(text: &str) -> Result<(String, String), UsageError> {
    let wrong = || {
        let what = "a field line such as 'X-Name: value'";
        UsageError::value("--add-request-header", text, what)
    };
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let value = value.trim_matches([' ', '\t']);
    // What a field may be is for the room of fields to say.
    Fields::new().push(name, value).map_err(|_| wrong())?;
    if OWN_FIELDS.contains(&name.to_ascii_lowercase().as_str()) {
        let why = format!("osier writes `{name}` itself");
        return Err(UsageError::Why("--add-request-header", why));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn networks(text: &str) -> Result<Vec<Network>, UsageError> {
    if text == "private" {
        return Ok(Network::private());
    }
    match text.parse() {
        Ok(network) => Ok(vec![network]),
        Err(why) => Err(UsageError::Why("--trust", format!("`{text}`: {why}"))),
    }
}

/// Why the arguments make no sense.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UsageError {
    /// No such command.
    UnknownCommand(String),
    /// A flag that is unknown, or lacks its value.
    Flag(String),
    /// This has to be given.
    Missing(&'static str),
    /// The value of a flag is not what it takes: flag, value, what it takes.
    Value(&'static str, String, &'static str),
    /// The value of a flag is not what it takes: flag, why.
    Why(&'static str, String),
    /// A flag that means nothing twice.
    Twice(&'static str),
}

impl UsageError {
    fn value(flag: &'static str, value: impl Into<String>, what: &'static str) -> Self {
        Self::Value(flag, value.into(), what)
    }
}

impl From<lexopt::Error> for UsageError {
    fn from(error: lexopt::Error) -> Self {
        Self::Flag(error.to_string())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCommand(word) => write!(f, "no command `{word}`"),
            Self::Flag(what) => f.write_str(what),
            Self::Missing(what) => write!(f, "{what} is missing"),
            Self::Value(flag, value, what) => write!(f, "{flag}: `{value}` is not {what}"),
            Self::Why(flag, why) => write!(f, "{flag}: {why}"),
            Self::Twice(flag) => write!(f, "{flag} is there twice"),
        }?;
        f.write_str("; see `osier --help`")
    }
}
