//! What a seed means: the rules of the gateway, the tempers of the origins, the clients, and what happens to them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use osier::balance::{Eject, Policy};
use osier::http::deadline::DeadlineField;
use osier::http::limits::Limits;
use osier::http::network::Network;
use osier::limit::Permits;
use osier::net::address::Address;
use osier::net::pool::Keepalive;
use osier::proxy::gateway::{Endpoint, Rules, Target};
use osier::proxy::retry::{On, Retry};
use osier::proxy::site::{Accepting, Auth, ForwardAuth, Hedge, Mirror, Placed, Site};
use osier::proxy::timeout::Timeouts;

use super::client::Script;
use super::dice::Dice;
use super::origin::Temper;
use super::wire::Manner;

/// Everything that is settled before a run begins.
pub(crate) struct Plan {
    pub(crate) site: Site,
    /// By port, counted from 1.
    pub(crate) tempers: Vec<Temper>,
    /// Of the connections to clients, and of those to origins.
    pub(crate) manners: [Manner; 2],
    /// How many times of a hundred a connection to an origin is not made.
    pub(crate) misdials: usize,
    /// Who comes, and when.
    pub(crate) clients: Vec<(Duration, Script)>,
    /// What happens, and when.
    pub(crate) acts: Vec<(Duration, Act)>,
    /// Octets of buffers there may be.
    pub(crate) budget: usize,
}

/// Something that happens to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// A node of the tree is cancelled by its id.
    Cancel,
    /// A connection is reset in both directions.
    Cut,
    /// A connection loses everything from then on.
    Lose,
    /// The same site is served anew.
    Reload,
    /// The session that idles longest makes room.
    Evict,
    /// The gateway drains, and what is left after a while is cancelled.
    Drain,
}

impl Plan {
    /// As the dice fall.
    pub(crate) fn draw(dice: &Dice) -> Self {
        let endpoints = dice.between(1, 3);
        let misery = dice.pick(&[0, 0, 10, 30, 60]);
        let sloth = dice.pick(&[0, 0, 10, 40]);
        // Two more: of a mirror, and of whoever is asked who may.
        let tempers = (0..endpoints + 2).map(|_| Temper {
            misery,
            sloth,
            idles_for: dice.chance(50).then(|| dice.millis(1, 8000)),
        });
        let tempers = tempers.collect();
        let clients = (0..dice.between(1, 5)).map(|number| {
            let script = Script::draw(number, dice);
            (dice.millis(0, 3000), script)
        });
        let clients = clients.collect();
        Self {
            site: site(endpoints, dice),
            tempers,
            manners: [manner(dice), manner(dice)],
            misdials: dice.pick(&[0, 0, 5, 30]),
            clients,
            acts: acts(dice),
            budget: dice.pick(&[64 << 20, 64 << 20, 300 << 10, 40 << 10]),
        }
    }

    /// Nothing happens to it but what clients and origins do.
    pub(crate) fn is_calm(&self) -> bool {
        self.acts.iter().all(|(_, act)| *act == Act::Reload)
    }

    /// Nothing is waited for before a connection to an origin is made.
    pub(crate) fn connects_at_once(&self) -> bool {
        let route = &self.site.routes[0];
        let endpoints = &self.site.upstreams[0].endpoints;
        route.auth.is_none()
            && route.hedge.is_none()
            && endpoints.iter().all(|placed| placed.permits.is_none())
    }

    /// Connections are cut off without a word, so that nobody on them can know.
    pub(crate) fn has_losses(&self) -> bool {
        self.acts.iter().any(|(_, act)| *act == Act::Lose)
    }

    /// Everything that could be waited for has a limit.
    pub(crate) fn is_bounded(&self) -> bool {
        self.site.routes[0].terms.iter().all(|terms| {
            let Timeouts {
                header,
                idle,
                body,
                connect,
                response,
                request,
                tunnel,
                tunnel_max,
                total,
            } = &terms.timeouts;
            let all = [header, idle, body, connect, tunnel];
            all.iter().all(|limit| limit.is_some())
                && (response.is_some() || request.is_some() || total.is_some())
                && (tunnel_max.is_some() || tunnel.is_some())
        })
    }
}

fn acts(dice: &Dice) -> Vec<(Duration, Act)> {
    let count = match dice.chance(60) {
        true => 0,
        false => dice.between(1, 6),
    };
    let all = [
        Act::Cancel,
        Act::Cancel,
        Act::Cut,
        Act::Lose,
        Act::Reload,
        Act::Evict,
    ];
    let mut acts: Vec<_> = (0..count)
        .map(|_| (dice.millis(0, 9000), dice.pick(&all)))
        .collect();
    if dice.chance(25) {
        acts.push((dice.millis(0, 9000), Act::Drain));
    }
    acts.sort_by_key(|act| act.0);
    acts
}

fn manner(dice: &Dice) -> Manner {
    Manner {
        room: dice.pick(&[1, 100, 4096, 65_536, 65_536]),
        piece: dice.pick(&[1, 7, 1000, 65_536, 65_536]),
        latency: dice.pick(&[0, 0, 1, 20, 300]).millis(),
        fickle: dice.pick(&[0, 0, 10]),
    }
    .sensible()
}

impl Manner {
    /// Octet by octet with pauses in between would take for ever: only one of both.
    fn sensible(mut self) -> Self {
        if self.latency > Duration::from_millis(1) {
            self.room = self.room.max(4096);
        }
        self
    }
}

trait Millis {
    fn millis(self) -> Duration;
}

impl Millis for u64 {
    fn millis(self) -> Duration {
        Duration::from_millis(self)
    }
}

fn timeouts(dice: &Dice) -> Timeouts {
    let maybe = |first, last, percent| dice.chance(percent).then(|| dice.millis(first, last));
    Timeouts {
        request: maybe(1, 9000, 80),
        total: maybe(1, 15_000, 30),
        header: maybe(1, 5000, 95),
        idle: maybe(1, 9000, 95),
        body: maybe(1, 5000, 95),
        connect: maybe(1, 3000, 95),
        response: maybe(1, 5000, 80),
        tunnel: maybe(1, 9000, 95),
        tunnel_max: maybe(1, 9000, 30),
    }
}

/// The address of an origin.
pub(crate) fn address(port: usize) -> Address {
    Address::Inet(SocketAddr::from(([192, 0, 2, 1], port as u16)))
}

fn site(endpoints: usize, dice: &Dice) -> Site {
    let place = |port: usize| Endpoint {
        addresses: match dice.chance(15) {
            // A name with two addresses.
            true => vec![address(port), address(1)].into(),
            false => vec![address(port)].into(),
        },
        name: format!("origin-{port}").into(),
        base_path: String::new(),
        tls: None,
    };
    let rules = Rules {
        timeouts: timeouts(dice),
        limits: Limits {
            interim_max: dice.pick(&[2, 16]),
            content_octets_max: dice.pick(&[u64::MAX, u64::MAX, 5000]),
            ..Limits::default()
        },
        keepalive: Keepalive {
            idle: dice.millis(0, 9000),
            max_idle: dice.below(4),
            max_age: dice.millis(1, 20_000),
        },
        policy: dice.pick(&[
            Policy::RoundRobin,
            Policy::LeastConn,
            Policy::P2c,
            Policy::Ewma,
            Policy::Random,
            Policy::First,
            Policy::Hash,
        ]),
        attempts_max: 1,
        target: Target::Upstream((1..=endpoints).map(place).collect()),
        ..Rules::default()
    };
    let mut site = Site::from(rules);
    let main = &mut site.upstreams[0];
    main.queue_timeout = dice.millis(0, 4000);
    main.eject = dice.chance(40).then(Eject::default);
    main.sticky = dice.chance(10).then(|| "at".to_owned());
    main.deadline_field = dice
        .chance(20)
        .then(|| DeadlineField::from_name("grpc-timeout"));
    if dice.chance(50) {
        let (most, queue) = (dice.between(1, 3), dice.below(4));
        for placed in &mut main.endpoints {
            placed.permits = Some(Permits::new(most, queue));
        }
    }
    for port in [endpoints + 1, endpoints + 2] {
        let mut other = site.upstreams[0].clone();
        other.name = format!("other-{port}").into();
        let mut placed = Placed::new(place(port));
        placed.permits = dice.chance(30).then(|| Permits::new(1, 1));
        other.endpoints = vec![placed];
        site.upstreams.push(other);
    }
    let listen = site.listeners[0].clone();
    site.listeners = vec![listen];
    if let Some(listen) = &mut site.listeners[0] {
        listen.half_close = dice.chance(30);
    }
    let route = &mut site.routes[0];
    route.retry = Retry {
        attempts_max: dice.between(1, 4) as u32,
        on: On {
            connect: dice.chance(80),
            stale: dice.chance(90),
            closed: dice.chance(80),
            timeout: dice.chance(50),
            statuses: dice.pick(&[&[][..], &[503][..]]).to_vec(),
        },
        per_try: dice.chance(30).then(|| dice.millis(1, 3000)),
        budget: dice.chance(50).then_some(200),
        replay_max: dice.pick(&[0, 100, 64 * 1024]),
        pause: dice.millis(0, 100),
    };
    route.hedge = dice.chance(25).then(|| Hedge {
        after: dice.millis(0, 1500),
        max: dice.between(1, 3) as u32,
    });
    route.mirror = dice.chance(20).then(|| Mirror {
        upstream: 1,
        percent: dice.pick(&[50, 100]),
    });
    route.auth = dice.chance(15).then(|| {
        Auth::Forward(ForwardAuth {
            upstream: 2,
            path: "/may".to_owned(),
            copy: vec!["x-may".to_owned()],
            timeout: dice.millis(1, 3000),
        })
    });
    let everybody = |text: &str| text.parse::<Network>().ok();
    route.patience = Accepting {
        fields: match dice.chance(50) {
            true => vec![DeadlineField::from_name("grpc-timeout")],
            false => Vec::new(),
        },
        from: everybody("0.0.0.0/0").map(|all| vec![all]),
    };
    site
}

/// The same rules, as another configuration has them: what is known of the endpoints stays.
pub(crate) fn anew(site: &Site) -> Arc<Site> {
    let mut table = Site::from(Rules::default());
    table.listeners = site.listeners.clone();
    table.routes = site.routes.clone();
    table.upstreams = site.upstreams.clone();
    Arc::new(table)
}
