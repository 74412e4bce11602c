//! A tunnel: octets both ways, as they come, after the origin has switched protocols.

use super::error::What;
use super::exchange::Upgraded;
use super::octets::{Between, Both};
use super::record::record;
use super::session::Session;
use super::timeout::Timeout;
use crate::context::Reason;
use crate::net::dialer::Dial;
use crate::net::stream::Stream;
use crate::runtime::buffer::Buffer;

/// Carries a tunnel to its end. `client_input` is what the client sent behind its request.
pub(super) async fn run<C: Stream, D: Dial>(
    session: &Session<C, D>,
    upgraded: Upgraded<D::Stream>,
    client_input: Option<Buffer>,
) {
    let gateway = &*session.gateway;
    let Upgraded {
        origin,
        input: origin_input,
        label,
        mut told,
        heads,
        terms,
        admitted: _admitted,
    } = upgraded;
    let named = session.ctx.named("tunnel", label);
    let (ctx, _cancel) = match terms.timeouts.tunnel_max {
        Some(max) => named.with_timeout_cause(max, Reason::Static(Timeout::TunnelMax.as_static())),
        None => named.with_cancel(),
    };
    let between = Between {
        client: &session.client,
        origin: &origin.stream,
        buffers: &gateway.buffers,
        idle: terms.timeouts.tunnel,
        counts: None,
    };
    let received = Both {
        up: client_input,
        down: origin_input,
    };
    let carried = Both {
        up: &mut told.received,
        down: &mut told.sent,
    };
    let ended = between.carry(&ctx, received, carried).await;
    if let Err(error) = ended {
        if matches!(error.what, What::Gone | What::Io(_)) {
            // One side was cut; to the other, a clean end would look like the whole.
            session.client.abort();
            origin.stream.abort();
        }
        if !matches!(error.what, What::Gone | What::Io(_)) {
            told.blame(&error);
            gateway.scribe.trouble(format_args!(
                "tunnel#{} {} cause={error}",
                ctx.id(),
                ctx.label()
            ));
        }
    }
    record(session, &heads, &told);
}
