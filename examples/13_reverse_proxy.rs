//! The reverse proxy as a library: 127.0.0.1:8086 in front of one origin, until Ctrl-C.
//!
//!     cargo run --release --example 13_reverse_proxy -- 127.0.0.1:8080
//!
//! Then: curl -i http://127.0.0.1:8086/

use std::error::Error;

use osier::ReverseProxy;
use osier::server::{Options, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let origin = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let proxy = ReverseProxy::builder()
        .to(&origin)?
        .modify_response(|response| Ok(response.fields_mut().set("X-Proxy", "osier")?))
        .build();
    let server = Server::start(Options {
        listen: vec!["127.0.0.1:8086".parse()?],
        admin: Some("127.0.0.1:8087".parse()?),
        rules: proxy.rules().clone(),
        ..Options::default()
    })?;
    println!("http://127.0.0.1:8086/ → {origin}; the live tree is on http://127.0.0.1:8087/");
    server.run()?;
    Ok(())
}
