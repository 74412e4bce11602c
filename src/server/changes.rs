//! What a new configuration makes otherwise, for people.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::net::address::Address;

/// More than so many changes are counted, not listed.
const LISTED_MAX: usize = 50;

/// What is otherwise in `new` than it was in `old`.
pub(super) fn between(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    let addresses = |config: &Config| {
        let addresses = super::reload::addresses(config);
        named(&mut addresses.map(|it| (Address::to_string(it), String::new())))
    };
    compare("listen", &addresses(old), &addresses(new), &mut changes);
    let upstreams = |config: &Config| {
        let upstreams = config.upstreams.iter();
        named(&mut upstreams.map(|it| (it.name.clone(), format!("{it:?}"))))
    };
    compare("upstream", &upstreams(old), &upstreams(new), &mut changes);
    let routes = |config: &Config| {
        // By name, not by place: which upstream a route goes to is more than its number.
        let name = |share: &crate::config::Share| {
            let upstream = config.upstreams.get(share.upstream);
            (upstream.map(|it| it.name.as_str()), share.weight)
        };
        let to = |route: &crate::config::Route| match &route.action {
            crate::config::Action::Forward(shares) => shares.iter().map(name).collect(),
            _ => Vec::new(),
        };
        let routes = config.routes.iter();
        named(&mut routes.map(|it| {
            let mut rest = it.clone();
            let to = to(it);
            if let crate::config::Action::Forward(shares) = &mut rest.action {
                shares.clear();
            }
            let name = it.matchers.to_string();
            (name, format!("{to:?}{rest:?}"))
        }))
    };
    compare("route", &routes(old), &routes(new), &mut changes);
    let streams = |config: &Config| {
        let name = |upstream: usize| config.upstreams.get(upstream).map(|it| it.name.clone());
        let streams = config.streams.iter();
        named(&mut streams.map(|it| {
            let sni = it.sni.iter().flatten();
            let sni: Vec<_> = sni.map(|(pattern, to)| (pattern, name(*to))).collect();
            let to = (it.to.and_then(name), sni);
            let mut rest = it.clone();
            (rest.to, rest.sni) = (None, None);
            (it.name(), format!("{to:?}{rest:?}"))
        }))
    };
    compare("stream", &streams(old), &streams(new), &mut changes);
    let mut note = |differs: bool, what: &str| {
        if differs {
            changes.push(format!("{what} changed"));
        }
    };
    note(old.timeouts != new.timeouts, "timeouts");
    note(old.limits != new.limits, "limits");
    note(old.log != new.log, "log");
    note(old.trusted != new.trusted, "trusted_proxies");
    note(old.shutdown != new.shutdown, "shutdown");
    let details = |config: &Config| {
        let listeners = config.listeners.iter();
        listeners
            .map(|it| {
                let timeouts = it.timeouts.clone();
                let introduced = it.proxy_protocol;
                (it.half_close, introduced, it.redirect, timeouts, it.limits)
            })
            .collect::<Vec<_>>()
    };
    note(details(old) != details(new), "what listeners are held to");
    #[cfg(feature = "tls")]
    {
        let tls = |config: &Config| {
            let listeners = config.listeners.iter();
            listeners.map(|it| it.tls.clone()).collect::<Vec<_>>()
        };
        note(tls(old) != tls(new), "tls of listeners");
    }
    if changes.len() > LISTED_MAX {
        let more = changes.len() - LISTED_MAX;
        changes.truncate(LISTED_MAX);
        changes.push(format!("and {more} more"));
    }
    changes
}

/// What cannot be changed while the process runs.
pub(super) fn impossible(old: &Config, new: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut note = |differs: bool, what: &str| {
        if differs {
            warnings.push(format!(
                "`{what}` stays as it is: that needs a new process (USR2, or a restart)"
            ));
        }
    };
    note(old.workers != new.workers, "workers");
    note(
        old.max_connections != new.max_connections,
        "max_connections",
    );
    note(old.limits.buffers != new.limits.buffers, "limits.buffers");
    note(old.user != new.user || old.group != new.group, "user");
    note(old.admin != new.admin, "admin");
    if old.sandbox != new.sandbox {
        // What takes over from this process is inside as well.
        warnings.push("`sandbox` stays as it is: that needs a restart".to_owned());
    }
    warnings
}

/// All that has a name, and what there is to say of it.
type Named = BTreeMap<String, String>;

fn named(all: &mut dyn Iterator<Item = (String, String)>) -> Named {
    // One by one: to collect them is to sort them, which is more code than all that is here.
    let mut named = Named::new();
    named.extend(all);
    named
}

/// Says of everything named in either what became of it.
fn compare(kind: &str, old: &Named, new: &Named, changes: &mut Vec<String>) {
    for (name, value) in new {
        match old.get(name) {
            None => changes.push(format!("{kind} {name} added")),
            Some(before) if before != value => changes.push(format!("{kind} {name} changed")),
            Some(_) => {}
        }
    }
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changes.push(format!("{kind} {name} removed"));
    }
}
