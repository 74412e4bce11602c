//! `osier explain`: what a configuration makes of a request, and why.

use std::fmt::Write as _;

use super::args::ExplainFlags;
use super::run::load;
use super::{FAILED, print, say};
use crate::config::{
    Action, Auth, Config, Edits, Endpoint, Listener, Route, TimeoutName, Upstream,
};
use crate::http::head::{Parsed, RequestHead};
use crate::http::limits::Limits;
use crate::http::path::normalise;
use crate::proxy::route::{Asked, Table};

/// Explains a request, without sending anything.
pub(super) fn run(flags: &ExplainFlags) -> u8 {
    let config = match load(&flags.file) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match text(&config, flags) {
        Ok(text) => print(&text),
        Err(why) => {
            say(format_args!("osier explain: {why}"));
            FAILED
        }
    }
}

/// What is said of the request.
///
/// # Errors
/// It is no request that could be sent.
pub(super) fn text(config: &Config, flags: &ExplainFlags) -> Result<String, String> {
    let request = request(flags)?;
    let form = request.form().map_err(|error| error.to_string())?;
    let mut buffer = Vec::new();
    let path = match form.path() {
        [] => &[][..],
        raw => normalise(raw, &mut buffer),
    };
    let asked = Asked {
        host: request.authority().map_or(&b""[..], |it| it.host),
        path,
        method: request.method(),
        fields: request.fields(),
        query: form.query().unwrap_or_default(),
        client: flags.client,
    };
    let table = Table::new(config.routes.iter().map(|it| it.matchers.clone()).collect());
    let explained = table.explain(&asked);
    let mut out = String::new();
    let _ = writeln!(out, "path     {}, as routes see it", path.escape_ascii());
    if flags.client.is_none() {
        out.push_str("client   not given (--client IP): no route for certain clients holds\n");
    }
    let listener = listener(config, flags);
    if let Some((listener, port)) = listener.and_then(|it| Some((it, it.redirect?))) {
        let _ = writeln!(
            out,
            "answer   308, to https on port {port}: so is everything that comes to {}",
            listener
                .addresses
                .first()
                .map(ToString::to_string)
                .unwrap_or_default()
        );
        return Ok(out);
    }
    #[cfg(feature = "tls")]
    for pair in listener
        .iter()
        .filter_map(|it| it.tls.as_ref())
        .flat_map(|it| &it.pairs)
    {
        let path = pair.cert.display();
        let names = pair.identity.as_ref().map(|it| it.facts().names.join(", "));
        let names = names.map_or_else(|| "not there yet".to_owned(), |it| format!("for {it}"));
        let _ = writeln!(out, "tls      {path}, {names}");
    }
    match explained
        .found
        .and_then(|at| Some((at, config.routes.get(at)?)))
    {
        Some((at, route)) => describe(&mut out, config, listener, at, route),
        None => out.push_str("route    none: 404 no_route\n"),
    }
    if !explained.others.is_empty() {
        out.push_str("others\n");
    }
    for (at, why) in &explained.others {
        let name = config.routes.get(*at).map(|it| it.matchers.to_string());
        let _ = writeln!(
            out,
            "         {}. {}: {why}",
            at + 1,
            name.unwrap_or_default()
        );
    }
    if explained.left_out > 0 {
        let _ = writeln!(out, "         and {} more", explained.left_out);
    }
    Ok(out)
}

/// The request as a client would send it.
fn request(flags: &ExplainFlags) -> Result<RequestHead, String> {
    let rest = flags
        .url
        .split_once("://")
        .map_or(flags.url.as_str(), |(_, rest)| rest);
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(at);
    let slash = if target.starts_with('/') { "" } else { "/" };
    let mut octets = format!("{} {slash}{target} HTTP/1.1\r\n", flags.method);
    if !flags
        .fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        let _ = write!(octets, "Host: {authority}\r\n");
    }
    for (name, value) in &flags.fields {
        let _ = write!(octets, "{name}: {value}\r\n");
    }
    octets.push_str("\r\n");
    let mut head = RequestHead::new();
    match head.parse(octets.as_bytes(), &Limits::default()) {
        Ok(Parsed::Complete(_)) => Ok(head),
        Ok(Parsed::Partial) => Err("this makes no request".to_owned()),
        Err(error) => Err(format!("this makes no request: {error}")),
    }
}

/// The first listener that speaks as the URL says, or else the first.
fn listener<'a>(config: &'a Config, flags: &ExplainFlags) -> Option<&'a Listener> {
    let (scheme, _) = flags.url.split_once("://").unwrap_or_default();
    #[cfg(feature = "tls")]
    let is_secure = |listener: &Listener| listener.tls.is_some();
    #[cfg(not(feature = "tls"))]
    let is_secure = |_: &Listener| false;
    let mut listeners = config.listeners.iter();
    let found = match scheme {
        "https" => listeners.find(|it| is_secure(it)),
        "http" => listeners.find(|it| !is_secure(it)),
        _ => None,
    };
    found.or_else(|| config.listeners.first())
}

fn describe(
    out: &mut String,
    config: &Config,
    listener: Option<&Listener>,
    at: usize,
    route: &Route,
) {
    let _ = writeln!(out, "route    {}. {}", at + 1, route.matchers);
    let mut upstreams: Vec<&Upstream> = Vec::new();
    match &route.action {
        Action::Forward(shares) => {
            for share in shares {
                let Some(upstream) = config.upstreams.get(share.upstream) else {
                    continue;
                };
                let weight = if shares.len() > 1 {
                    format!(" (weight {})", share.weight)
                } else {
                    String::new()
                };
                let endpoint = |it: &Endpoint| match it.is_service {
                    true => format!("the SRV records of {it}"),
                    false => it.to_string(),
                };
                let endpoints: Vec<_> = upstream.endpoints.iter().map(endpoint).collect();
                let _ = writeln!(
                    out,
                    "to       {}{weight}: {}",
                    upstream.name,
                    endpoints.join(", ")
                );
                if let Some(tls) = &upstream.tls {
                    let _ = writeln!(out, "tls      {tls}");
                }
                upstreams.push(upstream);
            }
            let _ = writeln!(out, "sent     {}", sent(route));
        }
        Action::Redirect { to, status } => {
            let _ = writeln!(out, "answer   {status}, to {to}");
        }
        Action::Respond { status, body } => {
            let _ = writeln!(out, "answer   {status}, {} octets from here", body.len());
        }
    }
    edits(out, "request ", &route.request);
    edits(out, "response", &route.response);
    if let Some(limit) = &route.rate_limit {
        let rate = limit
            .rate
            .map(|rate| format!("{rate}, burst {}", limit.burst));
        let concurrent = limit.concurrent.map(|count| format!("{count} at a time"));
        let parts: Vec<_> = rate.into_iter().chain(concurrent).collect();
        let _ = writeln!(out, "limit    {}", parts.join(", "));
    }
    match &route.auth {
        None => {}
        Some(Auth::Forward(auth)) => {
            let upstream = config.upstreams.get(auth.upstream);
            let name = upstream.map_or("", |upstream| &upstream.name);
            let _ = writeln!(out, "auth     {name} is asked for {}", auth.path);
        }
        #[cfg(feature = "auth")]
        Some(Auth::Basic { path, users }) => {
            let (path, count) = (path.display(), users.count());
            let _ = writeln!(out, "auth     a password, for {count} in {path}");
        }
    }
    let Some(listener) = listener else {
        return;
    };
    let upstream = upstreams.first().copied();
    let mut timeouts = config.timeouts_of(listener, route, upstream);
    let mut usual = crate::proxy::timeout::Timeouts::default();
    let names = TimeoutName::ALL.into_iter().map(|name| {
        let value = *name.of(&mut timeouts);
        let mark = if value == *name.of(&mut usual) {
            ""
        } else {
            " (not the default)"
        };
        let value = value.map_or_else(|| "off".to_owned(), crate::config::value::duration_text);
        format!("{} {value}{mark}", name.name())
    });
    let names: Vec<_> = names.collect();
    let _ = writeln!(out, "timeouts {}", names.join(", "));
    let body = config.limits_of(listener, route, upstream).body;
    if let Some(body) = body {
        let _ = writeln!(out, "body     at most {body} octets");
    }
}

/// What becomes of the path on its way to the origin.
fn sent(route: &Route) -> String {
    match &route.rewrite {
        crate::config::Rewrite::Keep if route.paths == crate::config::Paths::Normal => {
            "the path as routes see it".to_owned()
        }
        crate::config::Rewrite::Keep => "the path as the client wrote it".to_owned(),
        crate::config::Rewrite::Strip(prefix) => {
            format!("the path as routes see it, without {prefix}")
        }
        crate::config::Rewrite::To(template) => format!("{template} in place of the path"),
    }
}

fn edits(out: &mut String, which: &str, edits: &Edits) {
    for name in &edits.remove {
        let _ = writeln!(out, "{which} {name} is taken out");
    }
    for (name, value) in &edits.set {
        let _ = writeln!(out, "{which} {name} is set to {value}");
    }
    for (name, value) in &edits.add {
        let _ = writeln!(out, "{which} {name}: {value} is added");
    }
}
