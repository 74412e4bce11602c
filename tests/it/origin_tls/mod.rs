/// Who is believed, who is not, and what is said of it.
mod belief;
/// What is said inside: HTTP as ever.
mod inside;
/// An origin that speaks TLS, made of rustls.
mod peer;
/// Origins that others wrote.
mod programs;
/// What is read again, and what is thrown away with what was.
mod renewal;

use crate::reload::Gateway;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use crate::tls::{Authority, Files, Shown};
use peer::Peer;

/// A certificate for `name` that is signed by its own key, and says that it is an authority's or does not.
fn alone(name: &str, is_ca: bool) -> Shown {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    Shown {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

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
