//! How much this process may use: cores, descriptors, memory.

use std::fs;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are not for connections: the workers' own, listeners, logs, the reserve. Where there are few, half of
/// them.
const DESCRIPTORS_KEPT: u64 = 64;
/// Of the rest, one in so many is kept for connections to origins. Most clients idle at any moment; an exchange that
/// finds none left waits for one, within its connect timeout.
const ORIGIN_SHARE: u64 = 4;
/// How many connections, where descriptors are unlimited.
const CONNECTIONS_MAX: u64 = 1 << 20;
/// Buffers take a quarter of the memory, and never more than this.
const BUFFER_OCTETS_MAX: u64 = 64 << 20;
/// With less memory than this, one worker is enough.
const SMALL_MEMORY: u64 = 128 << 20;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// How many workers there are.
    pub workers: usize,
    /// How many client connections at most.
    pub connections: usize,
    /// How many octets all buffers together may have.
    pub buffer_octets: usize,
}

impl Capacity {
    /// Looks at the process and the machine, and raises the soft limit of descriptors to the hard one.
    #[must_use]
    pub fn of_process(workers: Option<usize>) -> Self {
        let memory = memory_limit();
        let auto = || {
            if memory < SMALL_MEMORY {
                1
            } else {
                thread::available_parallelism().map_or(1, usize::from)
            }
        };
        let connections = connections(raise_descriptors());
        Self {
            workers: workers.unwrap_or_else(auto).max(1),
            connections: usize::try_from(connections).unwrap_or(usize::MAX),
            buffer_octets: usize::try_from((memory / 4).min(BUFFER_OCTETS_MAX))
                .unwrap_or(usize::MAX),
        }
    }

    pub(super) fn connections_per_worker(&self) -> usize {
        self.connections.div_ceil(self.workers)
    }
}

/// How many client connections so many descriptors are enough for.
fn connections(descriptors: u64) -> u64 {
    let free = descriptors - DESCRIPTORS_KEPT.min(descriptors / 2);
    (free - free / ORIGIN_SHARE).clamp(1, CONNECTIONS_MAX)
}

#[cfg(test)]
#[test]
fn connections_are_what_descriptors_are_enough_for() {
    for (descriptors, wanted) in [
        (0, 1),
        (64, 24),
        (128, 48),
        (1024, 720),
        (u64::MAX, CONNECTIONS_MAX),
    ] {
        assert_eq!(connections(descriptors), wanted, "{descriptors}");
    }
}

fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // No limit at all.
    current.unwrap_or(u64::MAX)
}

/// The memory this process may use: the machine's, its control group's, or what `ulimit -v` and `ulimit -d` say.
fn memory_limit() -> u64 {
    let read = |path: &str| {
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok())
    };
    let group = read("/sys/fs/cgroup/memory.max")
        .or_else(|| read("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_ascii_whitespace()
            .nth(1)?
            .parse::<u64>()
            .ok()
            .map(|kib| kib.saturating_mul(1024))
    });
    let own = [Resource::As, Resource::Data].map(|what| getrlimit(what).current);
    let known = [group, machine].into_iter().chain(own).flatten();
    known.min().unwrap_or(u64::MAX)
}
