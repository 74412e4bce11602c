//! The proxy for library users: a builder with the hooks that a Go programmer looks for, served on osier's workers or,
//! one connection at a time, on any executor.

use std::error::Error as StdError;
use std::rc::Rc;
use std::sync::Arc;

use super::{Options, Server, StartError};
use crate::http::head::{RequestHead, ResponseHead};
use crate::http::network::Network;
use crate::log::{Log, Scribe};
use crate::net::address::{Address, AddressError};
use crate::net::dialer::Dial;
use crate::proxy::answer::Answer;
use crate::proxy::error::Error;
use crate::proxy::gateway::{Endpoint, Gateway, Host, Rules, Target};
use crate::proxy::site::Site;
use crate::proxy::timeout::Timeouts;
use crate::runtime::buffer::{Budget, Buffers};

/// How many octets of buffers a gateway that is driven by hand may hold.
const ALONE_OCTETS: usize = 16 << 20;

/// A reverse proxy, ready to serve.
///
/// ```no_run
/// use osier::ReverseProxy;
///
/// let proxy = ReverseProxy::builder()
///     .to("127.0.0.1:8080")?
///     .rewrite(|input, out| {
///         // What came in cannot be changed; what goes out has no hop-by-hop field any more.
///         let seen = input.fields().get("user-agent").unwrap_or(b"unknown").to_vec();
///         let _ = out.fields_mut().set("X-Client", seen);
///     })
///     .modify_response(|response| {
///         response.fields_mut().remove("Server");
///         Ok(())
///     })
///     .build();
/// proxy.serve("127.0.0.1:8086".parse()?)?.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReverseProxy {
    rules: Rules,
}

impl ReverseProxy {
    /// Begins a proxy with every default.
    pub fn builder() -> Builder {
        Builder {
            rules: Options::default().rules,
            endpoints: Vec::new(),
        }
    }

    /// The rules it follows: also what [`Options`] wants for everything the builder has no word for.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Listens and starts the workers; [`Server::run`] then serves.
    ///
    /// # Errors
    /// [`StartError`]: what could not be had.
    pub fn serve(self, listen: Address) -> Result<Server, StartError> {
        Server::start(Options {
            listen: vec![listen],
            rules: self.rules,
            ..Options::default()
        })
    }

    /// A gateway for the calling thread, on whatever executor runs there: drive each connection with
    /// [`session::serve`](crate::proxy::session::serve).
    pub fn gateway<D: Dial>(&self, dial: D) -> Rc<Gateway<D>> {
        let buffers = Buffers::new(Arc::new(Budget::new(ALONE_OCTETS)));
        let scribe = Scribe::new(Log::silent());
        Rc::new(Gateway::new(
            Arc::new(Site::from(self.rules.clone())),
            dial,
            buffers,
            scribe,
            0,
        ))
    }
}

/// Makes a [`ReverseProxy`].
#[derive(Debug, Clone)]
#[must_use = "`build` makes the proxy"]
pub struct Builder {
    rules: Rules,
    endpoints: Vec<Endpoint>,
}

impl Builder {
    /// Adds an origin: `host:port`, or `unix:PATH`. With several, each has its turn.
    ///
    /// # Errors
    /// [`AddressError`]: it is no address, or does not resolve.
    pub fn to(mut self, authority: &str) -> Result<Self, AddressError> {
        self.endpoints.push(Endpoint::resolve(authority)?);
        Ok(self)
    }

    /// Adds an origin that is described already, a base path included.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// Edits each request that goes to an origin. What came in stays as it is; what goes out has lost its hop-by-hop
    /// fields and has its forwarding fields.
    pub fn rewrite(
        mut self,
        edit: impl Fn(&RequestHead, &mut RequestHead) + Send + Sync + 'static,
    ) -> Self {
        self.rules.hooks.rewrite = Some(Arc::new(edit));
        self
    }

    /// Edits each final response, a 101 too. An error rejects it: the origin's connection is closed, the client gets 502.
    pub fn modify_response(
        mut self,
        edit: impl Fn(&mut ResponseHead) -> Result<(), Box<dyn StdError + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.rules.hooks.modify_response = Some(Arc::new(edit));
        self
    }

    /// Chooses what a client is answered for an error; `None` leaves the usual answer.
    pub fn error_response(
        mut self,
        choose: impl Fn(&Error) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        self.rules.hooks.error_response = Some(Arc::new(choose));
        self
    }

    /// What the origin sees as Host.
    pub fn host(mut self, host: Host) -> Self {
        self.rules.identity.host = host;
        self
    }

    /// Adds a network whose `X-Forwarded-*` is believed and appended to.
    pub fn trust(mut self, network: Network) -> Self {
        self.rules.identity.trusted.push(network);
        self
    }

    /// How long things may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.rules.timeouts = timeouts;
        self
    }

    /// The proxy.
    #[must_use]
    pub fn build(mut self) -> ReverseProxy {
        self.rules.target = Target::Upstream(self.endpoints);
        ReverseProxy { rules: self.rules }
    }
}
