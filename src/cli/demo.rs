//! `osier demo`: an origin, the gateway in front of it, the live tree and its lessons, in one process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::args::{self, DemoFlags};
use super::learn::Course;
use super::{FAILED, origin, print, say, serve};
use crate::config::{self, Config, Surroundings};
use crate::net::address::Address;
use crate::server::{Options, Server};

/// Where the gateway listens, if the port is free.
const GATEWAY: &str = "127.0.0.1:8086";
/// What is said of the demo's configuration calls it this.
const NAME: &str = "the demo's own configuration";

/// Runs the demo until told to stop.
pub(super) fn run(flags: DemoFlags) -> u8 {
    let authorities = match start_origin() {
        Ok(authorities) => authorities,
        Err(error) => {
            say(format_args!(
                "osier: the demo's origin cannot start: {error}"
            ));
            return FAILED;
        }
    };
    let listen = flags.listen.or_else(|| GATEWAY.parse().ok());
    let admin = flags
        .admin
        .or_else(|| args::ADMIN.trim_start_matches("http://").parse().ok());
    let (Some(listen), Some(admin)) = (listen, admin) else {
        return FAILED;
    };
    let config = match configuration(&listen, &authorities) {
        Ok(config) => config,
        Err(said) => {
            say(format_args!("{said}"));
            return FAILED;
        }
    };
    let options = Options {
        admin: Some(admin),
        may_move: true,
        workers: flags.workers,
        ..Options::of_file(PathBuf::from(NAME), config, false)
    };
    let [authority, _] = authorities;
    match Server::start(options) {
        Ok(mut server) => {
            serve::announce(&server, &format!("{authority} (the demo's origin)"));
            welcome(&server);
            if let Some(gateway) = server.listening().first().cloned() {
                server = server.teaching(Arc::new(Course::new(gateway)));
            }
            serve::run(server)
        }
        Err(error) => serve::failed_to_start(&error),
    }
}

/// What the gateway is told.
fn configuration(listen: &Address, [origin, other]: &[String; 2]) -> Result<Config, String> {
    let text = include_str!("demo.toml")
        .replace("{listen}", &listen.to_string())
        .replace("{origin}", origin)
        .replace("{other}", other);
    let around = Surroundings {
        environment: &|_| None,
        file: &|_: &Path| Err(std::io::ErrorKind::NotFound.into()),
        folder: &|_: &Path| Err(std::io::ErrorKind::NotFound.into()),
    };
    let outcome = config::read(NAME, text.as_bytes(), &around);
    outcome
        .config
        .ok_or_else(|| outcome.report.render(false).trim_end().to_owned())
}

/// Starts the origin on two ports of its own, in a thread of its own.
fn start_origin() -> std::io::Result<[String; 2]> {
    let listeners = [
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    ];
    let [one, other] = &listeners;
    let authorities = [
        one.local_addr()?.to_string(),
        other.local_addr()?.to_string(),
    ];
    thread::Builder::new()
        .name("osier-origin".into())
        .spawn(move || {
            if let Err(error) = smol::block_on(origin::serve(listeners)) {
                say(format_args!("osier: the demo's origin has ended: {error}"));
            }
        })?;
    Ok(authorities)
}

fn welcome(server: &Server) {
    let gateway = server
        .listening()
        .first()
        .map(serve::shown)
        .unwrap_or_default();
    let admin = server.admin().map(serve::shown).unwrap_or_default();
    let usual = args::ADMIN.trim_start_matches("http://") == admin.trim_start_matches("http://");
    let flag = if usual {
        String::new()
    } else {
        format!(" --admin {admin}")
    };
    print(&format!(
        "\n  the gateway     {gateway}/\n  the live tree   {admin}/      and five lessons to play: press Learn\n\n\
         Try, in another terminal:\n\n\
         \x20 curl {gateway}/            the request, as the origin sees it\n\
         \x20 curl {gateway}/slow        takes ten seconds: time to look at the tree,\n\
         \x20 osier tree{flag}{pad}and to end that branch with `osier cancel ID{flag}`\n\
         \x20 osier top{flag}{pad_top}the tree as it changes; `q` ends it\n\
         \x20 curl -N {gateway}/events   a stream, as it happens; ws://…/ws says everything back\n\n\
         Ctrl-C drains; a second one ends it at once.\n\n",
        pad = " ".repeat(29_usize.saturating_sub(flag.len()).max(2)),
        pad_top = " ".repeat(30_usize.saturating_sub(flag.len()).max(2)),
    ));
}
