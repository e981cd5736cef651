//! What the server costs, read from outside: /proc of its process, or its metrics; and what this thread does.

use std::fs::read_to_string;
use std::time::Duration;

use super::metrics::Metrics;

/// Where the server's CPU time and memory are read.
#[derive(Clone)]
pub(super) enum Gauge {
    /// Nowhere.
    None,
    /// Its process on this host; of several nodes all of them.
    Processes(Vec<u32>),
    /// Its metrics, wherever it is.
    Metrics(Metrics),
}

/// Ticks of utime and stime: USER_HZ, which is 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

impl Gauge {
    /// Of a process, if it is known.
    pub(super) fn of(pid: Option<u32>) -> Self {
        pid.map_or(Self::None, |pid| Self::Processes(vec![pid]))
    }

    /// CPU seconds that the processes have used so far, over all their threads.
    ///
    /// # Errors
    /// When metrics are to be read and are not there.
    pub(super) fn cpu(&self) -> anyhow::Result<Option<f64>> {
        match self {
            Self::None => Ok(None),
            Self::Processes(pids) => Ok(pids.iter().map(|pid| cpu_of(*pid)).sum()),
            Self::Metrics(metrics) => metrics.read("process_cpu_seconds_total").map(Some),
        }
    }

    /// Bytes that it has in memory: its own, and what of its program and its files is mapped and there (VmRSS).
    ///
    /// # Errors
    /// When metrics are to be read and are not there.
    pub(super) fn memory(&self) -> anyhow::Result<Option<f64>> {
        match self {
            Self::None => Ok(None),
            Self::Processes(pids) => Ok(pids.iter().map(|pid| memory_of(*pid)).sum()),
            Self::Metrics(metrics) => metrics.read("process_resident_memory_bytes").map(Some),
        }
    }

    /// How many cores it may use; several nodes share them.
    ///
    /// # Errors
    /// When metrics are to be read and are not there.
    pub(super) fn cores(&self) -> anyhow::Result<Option<f64>> {
        match self {
            Self::None => Ok(None),
            Self::Processes(pids) => Ok(pids.first().and_then(|pid| cores_of(*pid)).map(|cores| cores.len() as f64)),
            Self::Metrics(metrics) => metrics.read("sarangbang_cores").map(Some),
        }
    }
}

/// CPU seconds that the threads a process has now have used so far: to the nanosecond, where ticks are too coarse.
pub(super) fn fine_cpu_of(pid: u32) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let held = threads.filter_map(|thread| read_to_string(thread.path().join("schedstat")).ok());
    Some(held.filter_map(|held| held.split_ascii_whitespace().next()?.parse::<f64>().ok()).sum::<f64>() / 1e9)
}

fn cpu_of(pid: u32) -> Option<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; utime and stime are the fields 14 and 15.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

fn memory_of(pid: u32) -> Option<f64> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(field(&status, "VmRSS:")?.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

/// Cores that a process may use.
pub(super) fn cores_of(pid: u32) -> Option<Vec<usize>> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(cores_in(field(&status, "Cpus_allowed_list:")?))
}

/// CPU time of this thread.
pub(super) fn own_cpu() -> Duration {
    let held = read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = held.split_ascii_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn cores_in(list: &str) -> Vec<usize> {
    let mut cores = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            cores.extend(first..=last);
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_can_be_read() {
        let gauge = Gauge::of(Some(std::process::id()));
        assert!(gauge.cpu().unwrap().is_some() && gauge.memory().unwrap().unwrap() > 1e6);
        assert!(gauge.cores().unwrap().unwrap() >= 1.0);
        assert!(own_cpu() > Duration::ZERO && fine_cpu_of(std::process::id()).unwrap() > 0.0);
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!((cores_in("0"), cores_in("0-3"), cores_in("0,2-3")), (vec![0], vec![0, 1, 2, 3], vec![0, 2, 3]));
    }
}
