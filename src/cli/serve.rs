//! The commands that serve: the one-liner and `respond`.

use std::io;

use super::args::{ProxyFlags, RespondFlags, RunFlags, To};
use super::run::load;
use super::{DONE, FAILED, TRY_LATER, say};
use crate::http::head::reason_of;
use crate::log;
use crate::net::address::Address;
use crate::net::tls::origin::Toward;
#[cfg(feature = "tls")]
use crate::net::tls::version::Version;
use crate::proxy::answer::Answer;
use crate::proxy::gateway::{Endpoint, Identity, Rules, Target};
use crate::proxy::timeout::Timeouts;
use crate::server::{self, Notify, Options, Passed, Replacement, Server, StartError};

/// Proxies until told to stop.
pub(super) fn proxy(flags: ProxyFlags) -> u8 {
    let endpoints = match endpoints(&flags.to) {
        Ok(endpoints) => endpoints,
        Err(why) => {
            say(format_args!("osier: --to: {why}"));
            return FAILED;
        }
    };
    let defaults = Options::default();
    let mut timeouts = Timeouts::default();
    if flags.timeout.is_some() {
        timeouts.request = flags.timeout;
    }
    let identity = (flags.user.is_some() || flags.group.is_some()).then_some(server::Identity {
        user: flags.user,
        group: flags.group,
    });
    let options = Options {
        retry: if flags.retry {
            flags.listen.clone()
        } else {
            Vec::new()
        },
        listen: flags.listen,
        admin: flags.admin,
        identity,
        workers: flags.workers,
        log: log::Settings {
            access: flags.access_log,
            ..log::Settings::default()
        },
        rules: Rules {
            timeouts,
            identity: Identity {
                trusted: flags.trusted,
                host: flags.host,
                add: flags.add,
            },
            policy: flags.balance,
            target: Target::Upstream(endpoints),
            ..defaults.rules
        },
        ..defaults
    };
    let to: Vec<_> = flags.to.iter().map(To::to_string).collect();
    serve(options, &to.join(", "))
}

/// Serves what a file says until told to stop.
pub(super) fn file(flags: RunFlags) -> u8 {
    match load(&flags.file) {
        Ok(config) => {
            let what = flags.file.display().to_string();
            serve(Options::of_file(flags.file, config, flags.watch), &what)
        }
        Err(code) => code,
    }
}

/// Answers everything alike until told to stop.
pub(super) fn respond(flags: RespondFlags) -> u8 {
    let content = flags
        .body
        .unwrap_or_else(|| format!("{}\n", reason_of(flags.status)).into_bytes());
    let defaults = Options::default();
    let options = Options {
        listen: flags.listen,
        workers: flags.workers,
        rules: Rules {
            target: Target::Respond(Answer::respond(flags.status, content)),
            ..defaults.rules
        },
        ..defaults
    };
    serve(options, &format!("answers {}", flags.status))
}

/// What `--to` names, all of them. A name is looked up by the server.
///
/// # Errors
/// One is to be spoken to by TLS, and nothing says whom to believe.
fn endpoints(to: &[To]) -> Result<Vec<Endpoint>, String> {
    let speech = speech(to.iter().any(|to| to.is_tls))?;
    to.iter()
        .map(|to| {
            Ok(Endpoint {
                base_path: to.base_path.clone(),
                tls: speech.as_ref().map(|speech| speech(to)).transpose()?,
                ..Endpoint::named(&to.authority)
            })
        })
        .collect()
}

/// How endpoints are spoken to.
type Speech = Box<dyn Fn(&To) -> Result<Toward, String>>;

/// By TLS, if it is: with the system's authorities.
#[cfg(feature = "tls")]
fn speech(is_tls: bool) -> Result<Option<Speech>, String> {
    use crate::config::system_roots;
    use crate::net::address::host_of;
    use crate::net::tls::origin::{Client, Terms};

    if !is_tls {
        return Ok(None);
    }
    let roots = system_roots().map_err(|why| {
        format!(
            "no certificates of authorities to verify origins with: {why}; install `ca-certificates`, or name a file \
             in SSL_CERT_FILE"
        )
    })?;
    let client = Client::new(Terms {
        roots: Some(roots.authorities),
        identity: None,
        min_version: Version::default(),
    });
    let client = client.map_err(|error| error.to_string())?;
    Ok(Some(Box::new(move |to| {
        let toward = client.toward(host_of(&to.authority).unwrap_or_default());
        toward.map_err(|error| format!("`{to}`: {error}"))
    })))
}

/// In the clear.
#[cfg(not(feature = "tls"))]
#[expect(clippy::unnecessary_wraps, reason = "as where there is TLS")]
fn speech(_is_tls: bool) -> Result<Option<Speech>, String> {
    Ok(None)
}

fn serve(mut options: Options, what: &str) -> u8 {
    if let Err(error) = fit_in(&mut options) {
        say(format_args!("osier: {error}"));
        return FAILED;
    }
    match Server::start(options) {
        Ok(server) => {
            announce(&server, what);
            run(server)
        }
        Err(error) => failed_to_start(&error),
    }
}

/// Looks at how the process was started: with sockets, with somebody to report to, and under which name.
fn fit_in(options: &mut Options) -> io::Result<()> {
    options.passed = Passed::from_environment()?;
    options.notify = Notify::from_environment()?;
    // Without it only USR2 lacks something, and says so.
    options.replacement = Replacement::of_process().ok();
    Ok(())
}

/// Says why there is no server. What may be otherwise later is told apart from what will not.
pub(super) fn failed_to_start(error: &StartError) -> u8 {
    say(format_args!("osier: {error}"));
    match error {
        StartError::Bind(..) => TRY_LATER,
        StartError::Privileges(_)
        | StartError::Sandbox(_)
        | StartError::Log(_)
        | StartError::Worker(_) => FAILED,
    }
}

/// Runs a server to its end.
pub(super) fn run(server: Server) -> u8 {
    match server.run() {
        Ok(()) => DONE,
        Err(error) => {
            say(format_args!("osier: {error}"));
            FAILED
        }
    }
}

/// The one line at start: what listens where, with how many workers and connections.
pub(super) fn announce(server: &Server, what: &str) {
    let missing = server
        .missing()
        .map(|address| format!("({address}, not yet)"));
    let listening: Vec<_> = server
        .listening()
        .iter()
        .map(|address| match address {
            Address::Inet(addr) if server.is_of_stream(address) => format!("tcp://{addr}"),
            _ if server.is_secure(address) => shown(address).replacen("http:", "https:", 1),
            _ => shown(address),
        })
        .chain(missing)
        .collect();
    let capacity = server.capacity();
    let admin = server
        .admin()
        .map(|address| format!(", admin on {}", shown(address)))
        .unwrap_or_default();
    say(format_args!(
        "osier {}: {} → {what}, {} worker{}, at most {} connections{admin}",
        env!("CARGO_PKG_VERSION"),
        listening.join(", "),
        capacity.workers,
        if capacity.workers == 1 { "" } else { "s" },
        capacity.connections,
    ));
}

/// An address as something to click on.
pub(super) fn shown(address: &Address) -> String {
    match address {
        Address::Inet(addr) => format!("http://{addr}"),
        Address::Unix(_) => address.to_string(),
    }
}
