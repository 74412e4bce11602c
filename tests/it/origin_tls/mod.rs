/// An origin that speaks TLS, made of rustls.
mod peer;
/// Origins that others wrote.
mod programs;
/// What is said inside: HTTP as ever.
mod inside;
/// Who is believed, who is not, and what is said of it.
mod belief;
/// What is read again, and what is thrown away with what was.
mod renewal;

use crate::reload::Gateway;
use crate::tls::{Authority, Files};
use peer::Peer;

/// Who vouches for origins, and the files that say so.
struct World {
    authority: Authority,
    files: Files,
    ca: String,
}

impl World {
    fn new() -> Self {
        let (authority, files) = (Authority::new(), Files::new());
        let ca = files.write("ca.pem", &authority.pem);
        Self {
            authority,
            files,
            ca,
        }
    }

    /// The table of an upstream that believes in this world, with more in it.
    fn tls(&self, more: &str) -> String {
        format!("tls = {{ ca = \"{}\", {more} }}\n", self.ca)
    }

    /// A gateway in front of `peer`, which shows a certificate for `a.example`.
    fn gateway(&self, peer: &Peer, more: &str) -> Gateway {
        self.gateway_with(peer, "sni = \"a.example\"", more)
    }

    /// The same with these keys in the upstream's table.
    fn gateway_with(&self, peer: &Peer, keys: &str, more: &str) -> Gateway {
        Gateway::run(&self.text(peer, keys, more), &[])
    }

    fn text(&self, peer: &Peer, keys: &str, more: &str) -> String {
        format!(
            "[upstream.app]\nto = \"{}\"\n{}{more}\n[[route]]\nto = \"app\"\n",
            peer.address,
            self.tls(keys)
        )
    }
}
