//! `osier demo`: an origin, the gateway in front of it, and the live tree, in one process.

use std::net::TcpListener;
use std::thread;

use super::args::{self, DemoFlags, To};
use super::{FAILED, origin, print, say, serve};
use crate::net::address::Address;
use crate::proxy::gateway::{Rules, Target};
use crate::server::{Options, Server};

/// Where the gateway listens, if the port is free.
const GATEWAY: &str = "127.0.0.1:8086";

/// Runs the demo until told to stop.
pub(super) fn run(flags: DemoFlags) -> u8 {
    let started = start_origin().map(|authority| {
        let to = To {
            authority,
            base_path: String::new(),
        };
        serve::endpoint(&to)
    });
    let endpoint = match started {
        Ok(endpoint) => endpoint,
        Err(error) => {
            say(format_args!(
                "osier: the demo's origin cannot start: {error}"
            ));
            return FAILED;
        }
    };
    let name = endpoint.name.clone();
    let defaults = Options::default();
    let address = |text: &str| text.trim_start_matches("http://").parse::<Address>().ok();
    let options = Options {
        listen: address(GATEWAY).into_iter().collect(),
        admin: address(args::ADMIN),
        may_move: true,
        workers: flags.workers,
        rules: Rules {
            target: Target::Upstream(vec![endpoint]),
            ..defaults.rules
        },
        ..defaults
    };
    match Server::start(options) {
        Ok(server) => {
            serve::announce(&server, &format!("{name} (the demo's origin)"));
            welcome(&server);
            serve::run(server)
        }
        Err(error) => serve::failed_to_start(&error),
    }
}

/// Starts the origin on a port of its own, in a thread of its own.
fn start_origin() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let authority = listener.local_addr()?.to_string();
    thread::Builder::new()
        .name("osier-origin".into())
        .spawn(move || {
            if let Err(error) = smol::block_on(origin::serve(listener)) {
                say(format_args!("osier: the demo's origin has ended: {error}"));
            }
        })?;
    Ok(authority)
}

fn welcome(server: &Server) {
    let gateway = server
        .listening()
        .first()
        .map(serve::shown)
        .unwrap_or_default();
    let admin = server.admin().map(serve::shown).unwrap_or_default();
    let usual = serve::shown(&Address::from(std::net::SocketAddr::from((
        [127, 0, 0, 1],
        8087,
    )))) == admin;
    let flag = if usual {
        String::new()
    } else {
        format!(" --admin {admin}")
    };
    print(&format!(
        "\n  the gateway     {gateway}/\n  the live tree   {admin}/\n\n\
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
