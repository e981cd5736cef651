//! Everything that is counted, in one registry, and what this process costs the host.
//!
//! Each layer names what it counts itself; the composition root hands the registry round. Invariant: the number of
//! lines does not grow with people, rooms or messages.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::meter::{self, Family, Gauge, Label, Registry};

/// What is told when somebody asks.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

impl Metrics {
    /// With this process's own. What the system cannot tell is left out.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        build(&mut registry);
        process(&mut registry);
        Self { registry }
    }

    /// Where each layer names what it counts.
    pub const fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// All of it as text (OpenMetrics 1.0). Reads files: not for a thread that others wait for.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; a half is no answer.
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn build(registry: &mut Registry) {
    let info = Family::<Label, Gauge>::default();
    info.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("sarangbang_build_info", "The version that runs; always 1", info);
    if let Ok(cores) = std::thread::available_parallelism() {
        meter::gauge(registry, "sarangbang_cores", "Cores that the process may use", move || cores.get() as f64);
    }
}

/// Under the names that every Prometheus client uses.
fn process(registry: &mut Registry) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let name = "process_start_time_seconds";
    meter::gauge(registry, name, "When the process started, in seconds since the Unix epoch", move || started);
    meter::counter(registry, "process_cpu_seconds", "CPU time of all threads, in user and system", || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    });
    if resident_bytes().is_some() {
        meter::gauge(registry, "process_resident_memory_bytes", "Memory that is resident", || {
            resident_bytes().unwrap_or_default()
        });
    }
    if open_files().is_some() {
        meter::gauge(registry, "process_open_fds", "Open files, sockets included", || open_files().unwrap_or_default());
    }
    if let Ok(max) = rlimit::Resource::NOFILE.get_soft() {
        meter::gauge(registry, "process_max_fds", "Files that may be open", move || max as f64);
    }
}

/// The second field of `/proc/self/statm` (proc(5)) is in pages.
fn resident_bytes() -> Option<f64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as f64)
}

fn open_files() -> Option<f64> {
    // The folder itself is open while it is read.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_tells_what_it_costs() {
        let metrics = Metrics::new();
        let text = metrics.render();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_cpu_seconds_total") > 0.0 && value("process_open_fds") >= 3.0);
        assert!(value("process_start_time_seconds") > 1.7e9 && value("sarangbang_cores") >= 1.0);
        assert!(text.ends_with("# EOF\n"));
    }
}
