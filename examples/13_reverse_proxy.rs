//! The reverse proxy as a library: 127.0.0.1:8086 in front of one origin, until Ctrl-C.
//!
//!     cargo run --release --example 13_reverse_proxy -- 127.0.0.1:8080
//!
//! Then: curl -i http://127.0.0.1:8086/
//!
//! Two more arguments say where else to listen, for clients and for those who look at the tree.

use std::error::Error;

use osier::ReverseProxy;
use osier::server::{Options, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let mut next = |default: &str| args.next().unwrap_or_else(|| default.to_owned());
    let origin = next("127.0.0.1:8080");
    let proxy = ReverseProxy::builder()
        .to(&origin)?
        .modify_response(|response| Ok(response.fields_mut().set("X-Proxy", "osier")?))
        .build();
    let server = Server::start(Options {
        listen: vec![next("127.0.0.1:8086").parse()?],
        admin: Some(next("127.0.0.1:8087").parse()?),
        rules: proxy.rules().clone(),
        ..Options::default()
    })?;
    if let ([clients, ..], Some(tree)) = (server.listening(), server.admin()) {
        println!("http://{clients}/ → {origin}; the live tree is on http://{tree}/");
    }
    server.run()?;
    Ok(())
}
