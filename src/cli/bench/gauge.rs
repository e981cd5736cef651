//! What the server costs, read from outside: /proc of its process, and of this thread.

use std::fs::read_to_string;
use std::time::Duration;

/// The server's process, where it runs on this host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gauge {
    pid: Option<u32>,
}

/// Ticks of utime and stime: USER_HZ, which is 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

impl Gauge {
    pub(super) const fn new(pid: Option<u32>) -> Self {
        Self { pid }
    }

    /// CPU seconds that the process has used so far, over all its threads.
    pub(super) fn cpu(self) -> Option<f64> {
        let stat = read_to_string(format!("/proc/{}/stat", self.pid?)).ok()?;
        // The name in parentheses may hold spaces; utime and stime are the fields 14 and 15.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
        let mut ticks = || fields.next()?.parse::<f64>().ok();
        Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
    }

    /// Bytes that it has in memory: its own, and what of its program and its files is mapped and there (VmRSS).
    pub(super) fn memory(self) -> Option<f64> {
        let status = read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        Some(field(&status, "VmRSS:")?.split_ascii_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
    }

    /// Cores that it may use.
    pub(super) fn cores(self) -> Option<Vec<usize>> {
        let status = read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        Some(cores_in(field(&status, "Cpus_allowed_list:")?))
    }
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
        let gauge = Gauge::new(Some(std::process::id()));
        assert!(gauge.cpu().is_some() && gauge.memory().unwrap() > 1e6 && !gauge.cores().unwrap().is_empty());
        assert!(own_cpu() > Duration::ZERO);
    }

    #[test]
    fn lists_of_cores_are_counted() {
        assert_eq!((cores_in("0"), cores_in("0-3"), cores_in("0,2-3")), (vec![0], vec![0, 1, 2, 3], vec![0, 2, 3]));
    }
}
