//! `osier init`: a configuration that does what the one-liner does, with the other keys in comments.

use std::fmt::Write as _;

use super::args::ProxyFlags;
use crate::config::print::{networks_text, quoted};
use crate::config::value::duration_text;
use crate::log::Destination;
use crate::net::address::Address;
use crate::proxy::gateway::Host;
use crate::proxy::template::{Part, Template};

/// Where it listens and goes to, when nobody says.
const LISTEN: &str = "127.0.0.1:8086";
const TO: &str = "127.0.0.1:8080";

/// The configuration equal to `flags`.
pub(super) fn text(flags: &ProxyFlags) -> String {
    let mut out = String::from(
        "# osier's configuration. `osier check -c FILE` says whether it is right.\n\
         # What stands in comments is the default.\n\n",
    );
    let workers = flags.workers.map(|count| count.to_string());
    line(
        &mut out,
        workers,
        "workers = ",
        "\"auto\"",
        "or a number; one thread each",
    );
    out.push_str("# max_connections = \"auto\"       # from the limit on open files\n");
    let trusted = (!flags.trusted.is_empty()).then(|| networks_text(&flags.trusted));
    let why = "whose X-Forwarded-* is believed: networks, or \"private\"";
    line(&mut out, trusted, "trusted_proxies = ", "[]", why);
    out.push_str("# shutdown = { delay = \"0s\", grace = \"30s\" }\n");
    out.push_str("\n[log]\n");
    let access = access(&flags.access_log).map(|text| quoted(&text));
    line(
        &mut out,
        access,
        "access = ",
        "\"off\"",
        "off, stdout, unix:PATH or a file",
    );
    out.push_str(LOG);
    match &flags.admin {
        Some(address) => {
            let _ = write!(
                out,
                "\n[admin]\nlisten = {}\n",
                quoted(&address.to_string())
            );
        }
        None => out.push_str(
            "\n# [admin]                        # the live tree, and cancelling\n\
                              # listen = \"127.0.0.1:8087\"\n",
        ),
    }
    out.push_str("\n[timeouts]                       # \"off\" turns one off\n");
    let request = flags.timeout.map(|timeout| quoted(&duration_text(timeout)));
    let why = "until the final response head, all attempts together";
    line(&mut out, request, "request = ", "\"60s\"", why);
    out.push_str(TIMEOUTS);
    out.push_str(LIMITS);
    let mut listen: Vec<String> = Vec::new();
    for address in &flags.listen {
        let text = quoted(&address.to_string());
        // Port 0 is another port each time.
        let is_any = matches!(address, Address::Inet(addr) if addr.port() == 0);
        if is_any || !listen.contains(&text) {
            listen.push(text);
        }
    }
    if listen.is_empty() {
        listen.push(quoted(LISTEN));
    }
    let _ = write!(out, "\n[[listen]]\naddr = [{}]\n", listen.join(", "));
    out.push_str("# half_close = \"cancel\"          # or allow: a client's FIN before the response is no farewell\n");
    let _ = write!(
        out,
        "\n[upstream.app]\nto = [{}]\n",
        origins(flags).join(", ")
    );
    if flags.to.iter().any(|to| to.is_tls) {
        out.push_str(
            "# tls = { ca = \"…\", sni = \"…\", cert = \"…\", key = \"…\" }   # an authority of your own; what shows the origin who we are\n",
        );
    }
    out.push_str("# keepalive = { idle = \"20s\", max_idle = 64, max_age = \"10m\" }\n");
    out.push_str("\n[[route]]                        # every request; `host` and `path` narrow it\nto = \"app\"\n");
    let host = match &flags.host {
        Host::Preserve => None,
        Host::Upstream => Some(quoted("upstream")),
        Host::Literal(name) => Some(quoted(name)),
    };
    line(
        &mut out,
        host,
        "host_header = ",
        "\"preserve\"",
        "preserve, upstream or a name",
    );
    let fields = fields(&flags.add);
    if !fields.is_empty() {
        let _ = writeln!(
            out,
            "headers.request = {{ add = {{ {} }} }}",
            fields.join(", ")
        );
    }
    out.push_str("# retry = { attempts = 2 }       # all tries, the first included\n");
    out
}

/// What no flag says of the log.
const LOG: &str = "\
# format = \"logfmt\"              # logfmt, json or combined
# level = \"info\"                 # error, warn, info or debug
# redact_query = false           # true leaves queries out of access records
";

/// The timeouts that no flag sets.
const TIMEOUTS: &str = "\
# total = \"off\"                  # the whole exchange, with its bodies
# header = \"10s\"                 # the whole request head
# idle = \"60s\"                   # a client's connection between two requests
# body = \"30s\"                   # a body without progress
# connect = \"3s\"                 # a new connection to an origin
# response = \"30s\"               # the origin's first octet, once it has the request
# tunnel = \"1h\"                  # an upgraded connection without octets
# tunnel_max = \"off\"             # an upgraded connection, from beginning to end
";

/// The limits; no flag sets them.
const LIMITS: &str = "
[limits]
# head = \"16KiB\"                 # a request head
# fields = 100                   # field lines of a request
# body = \"unlimited\"             # a request's content
# body_rate = \"off\"              # octets a second, on the whole, of a body that comes and goes
# per_ip = \"unlimited\"           # connections from one address
# buffers = \"auto\"               # all buffers of the process
";

/// A key with its value, or in a comment with its default.
fn line(out: &mut String, value: Option<String>, key: &str, usual: &str, comment: &str) {
    let _ = match value {
        Some(value) => writeln!(out, "{key}{value}"),
        None => writeln!(out, "{:<32} # {comment}", format!("# {key}{usual}")),
    };
}

/// A word of `log.access`; `None` for off.
fn access(destination: &Destination) -> Option<String> {
    match destination {
        Destination::Off => None,
        Destination::Stdout => Some("stdout".to_owned()),
        Destination::Unix(path) => Some(format!("unix:{}", path.display())),
        Destination::File(path) => {
            let path = path.display().to_string();
            // A name alone would be taken for a mistyped word.
            Some(if path.contains('/') {
                path
            } else {
                format!("./{path}")
            })
        }
    }
}

/// The endpoints; one that is given twice has the weight of two.
fn origins(flags: &ProxyFlags) -> Vec<String> {
    let mut origins: Vec<(String, usize)> = Vec::new();
    for to in &flags.to {
        let origin = to.to_string();
        match origins.iter_mut().find(|(other, _)| *other == origin) {
            Some((_, weight)) => *weight += 1,
            None => origins.push((origin, 1)),
        }
    }
    if origins.is_empty() {
        origins.push((TO.to_owned(), 1));
    }
    let origins = origins.into_iter();
    origins
        .map(|(origin, weight)| match weight {
            1 => quoted(&origin),
            _ => format!("{{ addr = {}, weight = {weight} }}", quoted(&origin)),
        })
        .collect()
}

/// The added field lines, one key for all of a name. Braces in a value are braces.
fn fields(add: &[(String, String)]) -> Vec<String> {
    let mut fields: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, value) in add {
        let parts = vec![Part::Text(value.clone())];
        let value = quoted(&Template { parts }.to_string());
        match fields.iter_mut().find(|(other, _)| other == name) {
            Some((_, values)) => values.push(value),
            None => fields.push((name, vec![value])),
        }
    }
    let fields = fields.into_iter();
    fields
        .map(|(name, values)| format!("{} = [{}]", quoted(name), values.join(", ")))
        .collect()
}
