//! What a process tree has used, from /proc: CPU time by task, memory by PSS.

use std::fs;
use std::io;

/// USER_HZ, which is 100 wherever this runs; only the split into user and system time depends on it.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of some processes, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cpu {
    /// From schedstat, in nanoseconds precise.
    pub(crate) total: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cpu {
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let total = self.total - earlier.total;
        let (user, system) = (self.user - earlier.user, self.system - earlier.system);
        // The ticks tell only how the total divides.
        let part = user / (user + system).max(1.0 / TICKS_PER_SECOND);
        Self {
            total,
            user: total * part,
            system: total * (1.0 - part),
        }
    }
}

/// What the processes have used so far.
pub(crate) fn cpu(pids: &[u32]) -> io::Result<Cpu> {
    let mut sum = Cpu::default();
    for pid in pids {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let ticks = |index| -> f64 { stat_field(&stat, index).parse().unwrap_or_default() };
        let (user, system) = (ticks(UTIME), ticks(STIME));
        sum.user += user / TICKS_PER_SECOND;
        sum.system += system / TICKS_PER_SECOND;
        sum.total += match tasks_seconds(*pid) {
            Ok(seconds) => seconds,
            // A kernel without schedstat: ticks have to do.
            Err(_) => (user + system) / TICKS_PER_SECOND,
        };
    }
    Ok(sum)
}

/// What this thread has used so far, in seconds.
pub(crate) fn own_cpu() -> f64 {
    schedstat("/proc/thread-self/schedstat").unwrap_or_default()
}

/// The proportional set size of the processes, in KiB.
pub(crate) fn pss_kib(pids: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for pid in pids {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let line = rollup.lines().find(|line| line.starts_with("Pss:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1));
        sum += number
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Ok(sum)
}

/// A process and everything it started, itself first.
pub(crate) fn family(pid: u32) -> Vec<u32> {
    let mut known = vec![pid];
    let Ok(entries) = fs::read_dir("/proc") else {
        return known;
    };
    let mut others: Vec<(u32, u32)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat_field(&stat, PPID).parse().ok()?))
        })
        .collect();
    // Children may have lower numbers than their parents: until nobody is found any more.
    loop {
        let (found, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|(pid, parent)| known.contains(parent) && !known.contains(pid));
        if found.is_empty() {
            return known;
        }
        known.extend(found.iter().map(|(pid, _)| pid));
        others = rest;
    }
}

/// When a process was started, in the kernel's ticks: with its number, the identity of a process.
pub(crate) fn birth(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat_field(&stat, STARTTIME).to_owned())
}

/// Fields of /proc/PID/stat, counted from the one after the command's name.
const PPID: usize = 1;
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTTIME: usize = 19;

fn stat_field(stat: &str, index: usize) -> &str {
    let after_name = stat.rfind(')').map_or("", |at| &stat[at + 1..]);
    after_name.split_whitespace().nth(index).unwrap_or_default()
}

fn tasks_seconds(pid: u32) -> io::Result<f64> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        sum += schedstat(&path.to_string_lossy())?;
    }
    Ok(sum)
}

fn schedstat(path: &str) -> io::Result<f64> {
    let text = fs::read_to_string(path)?;
    let nanos = text.split_whitespace().next().unwrap_or_default();
    Ok(nanos.parse::<u64>().map_err(io::Error::other)? as f64 / 1e9)
}
