/// Certificates that are asked for: what is served until there is one, and an authority that gives some.
#[cfg(feature = "acme")]
mod acme;
/// What is said inside is HTTP as ever: bodies, tunnels, ends, and ciphertext that comes in any pieces.
mod inside;
/// Certificates and keys made on the spot, and clients that trust them.
mod people;
/// The same, to programs that others wrote.
mod programs;
/// Certificates that are renewed, and pairs that do not fit.
mod renewal;
/// Who is shown what, who is let in, and who is not.
mod who;

pub(crate) use people::{Authority, Client, Files, Shown};

use crate::reload::Gateway;

/// A gateway whose one listener speaks TLS, with `more` in its table and `rest` behind it.
pub(crate) fn gateway(tls: &str, more: &str, rest: &str) -> Gateway {
    Gateway::started(text(tls, more, rest), &[])
}

/// The same, with one certificate, for `a.example`, and `rest` behind the listener.
fn of_one(authority: &Authority, files: &Files, rest: &str) -> Gateway {
    let pair = files.pair("own", &authority.server(&["a.example"]));
    gateway(&format!("{{ {pair} }}"), "", rest)
}

fn text(tls: &str, more: &str, rest: &str) -> String {
    format!(
        "workers = 2\nshutdown = {{ grace = \"2s\" }}\nadmin = {{ listen = \"127.0.0.1:0\" }}\n\
         [[listen]]\naddr = \"127.0.0.1:0\"\ntls = {tls}\n{more}\n{rest}"
    )
}

/// A route that answers with who asks, and how.
const WHO: &str = "[[route]]\nrespond = { body = \"here\" }\n\
    headers.response = { set = { X-Scheme = \"{scheme}\", X-Subject = \"{client_subject}\" } }\n";
