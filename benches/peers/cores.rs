//! Which core does what. A thread sets its own place, and what it starts inherits it.

use std::fs;
use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// More cores than this are not looked at.
const CORES_MAX: usize = CpuSet::MAX_CPU;

/// The cores of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// The proxy's, with one worker.
    pub(crate) proxy: usize,
    /// The proxy's second, with two. On a machine of two cores it is the generator's too.
    pub(crate) second: usize,
    /// The generator's and the origin's.
    pub(crate) load: usize,
    /// `proxy` and `load` are two threads of one core, or one and the same.
    pub(crate) shared: bool,
}

impl Cores {
    /// Cores that share nothing, as far as there are such.
    pub(crate) fn choose() -> io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let cores: Vec<usize> = (0..CORES_MAX)
            .filter(|core| allowed.is_set(*core))
            .collect();
        let proxy = *cores
            .first()
            .ok_or_else(|| io::Error::other("no core to run on"))?;
        let apart = |core: usize| !siblings(proxy).contains(&core);
        let load = cores.iter().copied().rev().find(|core| apart(*core));
        let last = cores[cores.len() - 1];
        let shared = load.is_none();
        let load = load.unwrap_or(last);
        let second = cores
            .iter()
            .copied()
            .find(|core| *core != proxy && *core != load && !siblings(load).contains(core))
            .unwrap_or(load);
        Ok(Self {
            proxy,
            second,
            load,
            shared,
        })
    }

    /// Where a proxy with so many workers runs.
    pub(crate) fn of_proxy(&self, workers: usize) -> Vec<usize> {
        match workers {
            1 => vec![self.proxy],
            _ => vec![self.proxy, self.second],
        }
    }
}

/// Puts this thread, and what it starts from now on, on some cores.
pub(crate) fn stay_on(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// The hardware threads of the core that has this one.
fn siblings(core: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut found = vec![core];
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            found.extend(first..=last);
        }
    }
    found
}
