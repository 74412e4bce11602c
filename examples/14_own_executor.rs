//! The proxy on an executor of your own: one client connection, smol's sockets, no worker of osier's.
//!
//!     cargo run --example 14_own_executor
//!
//! What osier asks of a connection is a small trait; any futures-io reader and writer will do for it.

use std::io::{self, Read, Write};

use osier::ReverseProxy;
use osier::context;
use osier::net::address::Address;
use osier::net::dialer::Dial;
use osier::net::pair::Pair;
use osier::proxy::session;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

/// Dials with smol.
struct SmolDial;

impl Dial for SmolDial {
    type Stream = Pair<TcpStream, TcpStream>;

    async fn dial(&self, to: &Address) -> io::Result<Self::Stream> {
        let Address::Inet(addr) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let stream = TcpStream::connect(addr).await?;
        Ok(Pair::new(stream.clone(), stream))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = start_origin()?;
    let proxy = ReverseProxy::builder()
        .to(&origin)?
        .rewrite(|_, out| {
            let _ = out.fields_mut().set("X-Via", "an executor of my own");
        })
        .build();
    let executor = smol::LocalExecutor::new();
    let answer = smol::block_on(executor.run(async {
        let gateway = proxy.gateway(SmolDial);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let serving = executor.spawn(async move {
            let (client, peer) = listener.accept().await?;
            let (ctx, _cancel) = context::background()
                .named("session", peer.to_string())
                .with_cancel();
            session::serve(gateway, Pair::new(client.clone(), client), Some(peer), ctx).await;
            io::Result::Ok(())
        });
        let mut client = TcpStream::connect(addr).await?;
        client
            .write_all(b"GET /hello HTTP/1.1\r\nHost: example\r\nConnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        drop(client);
        serving.await?;
        io::Result::Ok(answer)
    }))?;
    println!("{answer}");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.contains("X-Via: an executor of my own"));
    Ok(())
}

/// An origin that answers one request with what it received.
fn start_origin() -> io::Result<String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let authority = listener.local_addr()?.to_string();
    std::thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut request = [0; 4096];
        let count = stream.read(&mut request)?;
        let request = &request[..count];
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Length: {count}\r\nConnection: close\r\n\r\n"
        )?;
        stream.write_all(request)
    });
    Ok(authority)
}
