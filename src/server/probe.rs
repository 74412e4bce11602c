//! Active health checks: a thread that asks the endpoints how they are, beside all traffic.

use std::io;
use std::sync::Arc;
use std::thread;

use async_channel::{Receiver, Sender};
use async_io::Timer;
use smol::LocalExecutor;

use crate::clock;
use crate::context::{Context, Label};
use crate::http::head::{Parsed, ResponseHead};
use crate::http::limits::Limits;
use crate::log::Log;
use crate::net::control::Line;
use crate::net::fault::Fault;
use crate::net::proxy_protocol::{Header, Version};
use crate::proxy::site::{Placed, Probing, Site};

/// The thread's stack: what is deep is one probe.
const STACK_OCTETS: usize = 256 * 1024;

/// The health checks of a server. They end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Probes {
    sites: Option<Sender<Arc<Site>>>,
}

impl Probes {
    /// Checks what `site` says from now on. The thread begins with the first site that says something.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn serve(&mut self, site: &Arc<Site>, ctx: &Context, log: &Log) -> io::Result<()> {
        if self.sites.is_none() {
            if site.upstreams.iter().all(|it| it.health.is_none()) {
                return Ok(());
            }
            let (sites, inbox) = async_channel::unbounded();
            let (ctx, log) = (ctx.clone(), log.clone());
            thread::Builder::new()
                .name("osier-probes".to_owned())
                .stack_size(STACK_OCTETS)
                .spawn(move || smol::block_on(work(&inbox, &ctx, &log)))?;
            self.sites = Some(sites);
        }
        if let Some(sites) = &self.sites {
            let _ = sites.try_send(site.clone());
        }
        Ok(())
    }
}

/// Checks what the last site says, until there is no server any more.
async fn work(inbox: &Receiver<Arc<Site>>, ctx: &Context, log: &Log) {
    let mut next = inbox.recv().await;
    while let Ok(site) = next {
        let executor = LocalExecutor::new();
        for upstream in &site.upstreams {
            let Some(probing) = &upstream.health else {
                continue;
            };
            for placed in &upstream.endpoints {
                let check = Check {
                    upstream: &upstream.name,
                    placed,
                    probing,
                    send_proxy: upstream.send_proxy,
                    ctx,
                    log,
                };
                executor.spawn(check.go_on()).detach();
            }
        }
        next = executor.run(inbox.recv()).await;
    }
}

/// The check of one endpoint.
struct Check<'a> {
    upstream: &'a str,
    placed: &'a Placed,
    probing: &'a Probing,
    send_proxy: Option<Version>,
    ctx: &'a Context,
    log: &'a Log,
}

impl Check<'_> {
    async fn go_on(self) {
        let Self {
            upstream,
            placed,
            probing,
            ..
        } = self;
        let name = &placed.endpoint.name;
        while self.ctx.err().is_none() {
            let said = self.ask().await;
            let now = clock::now();
            let changed = placed
                .state
                .probed(said.is_ok(), probing.rise, probing.fall, now);
            match (changed, said) {
                (Some(true), _) => self
                    .log
                    .info(format_args!("upstream {upstream}: {name} is well again")),
                (Some(false), Err(why)) => self
                    .log
                    .warn(format_args!("upstream {upstream}: {name} is out: {why}")),
                _ => {}
            }
            Timer::after(probing.every).await;
        }
    }

    /// One probe, as a node of the tree.
    ///
    /// # Errors
    /// What was wrong, for the log.
    async fn ask(&self) -> Result<(), String> {
        let named = self
            .ctx
            .named("probe", Label::new(&self.placed.endpoint.name));
        let (ctx, _cancel) = named.with_timeout(self.probing.timeout);
        match ctx.run(self.probe()).await {
            Ok(answered) => answered,
            Err(error) => Err(error.to_string()),
        }
    }

    async fn probe(&self) -> Result<(), String> {
        let endpoint = &self.placed.endpoint;
        endpoint.addresses.known().await;
        let addresses = endpoint.addresses.get();
        let address = addresses.first().ok_or("the name does not resolve")?;
        let said = |error: io::Error| match Fault::of(&error) {
            Some(fault) => format!("tls:{} ({error})", fault.word),
            None => error.to_string(),
        };
        let mut front = Vec::new();
        if let Some(version) = self.send_proxy {
            // For nobody: the connection is our own.
            Header::Local.write(version, &mut front);
        }
        let connected = Line::connect(address, &front, endpoint.tls.as_ref()).await;
        let mut stream = connected.map_err(said)?;
        let Some(path) = &self.probing.path else {
            return Ok(());
        };
        let host = match endpoint.name.starts_with("unix:") {
            true => "localhost",
            false => endpoint.host(),
        };
        let request = format!(
            "GET {}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: osier\r\nConnection: close\r\n\r\n",
            endpoint.base_path
        );
        stream.write_all(request.as_bytes()).await.map_err(said)?;
        let (limits, mut head) = (Limits::default(), ResponseHead::default());
        let mut input = Vec::new();
        loop {
            let mut room = [0; 2048];
            let count = stream.read(&mut room).await.map_err(said)?;
            input.extend_from_slice(room.get(..count).unwrap_or_default());
            match head.parse(&input, &limits) {
                Ok(Parsed::Complete(_)) => break,
                Ok(Parsed::Partial) if count > 0 => {}
                Ok(Parsed::Partial) => return Err("closed without an answer".to_owned()),
                Err(error) => return Err(error.sin().to_owned()),
            }
        }
        let status = head.status();
        let is_in = |(first, last): &(u16, u16)| (*first..=*last).contains(&status);
        match self.probing.expect.iter().any(is_in) {
            true => Ok(()),
            false => Err(format!("status {status}")),
        }
    }
}
