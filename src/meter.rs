//! What counting is done with: atomics that cost next to nothing, and their form for whoever reads them.
//!
//! Each layer counts what it does itself, in a struct of these, and names them to one registry; nothing in here knows
//! what is counted. Invariants: counting takes no lock and allocates nothing; the values of a label are a closed set,
//! and all of them are there from the start.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
pub use prometheus_client::metrics::MetricType;
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::registry::Registry;

/// One label with its value.
pub type Label = [(&'static str, &'static str); 1];

/// The greatest size that [`Sizes`] counts by itself.
const SIZE_MAX: usize = 512;
/// The bounds by which sizes are told.
const SIZE_BOUNDS: [usize; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, SIZE_MAX];
/// The bounds by which times are told, in seconds: from a fast disk's flush to what nobody waits for.
const TIME_BOUNDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// One more in a gauge, for as long as it lives.
#[derive(Debug)]
pub struct Held(Gauge);

impl Held {
    /// Counts from now on.
    pub fn of(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// How often each size was seen. Counting several of one size is one addition: the sum is made when it is read.
#[derive(Clone, Debug)]
pub struct Sizes(Arc<SizesHeld>);

#[derive(Debug)]
struct SizesHeld {
    /// By the size itself.
    seen: [AtomicU64; SIZE_MAX + 1],
    /// Of those above.
    above: AtomicU64,
    above_sum: AtomicU64,
}

impl Default for Sizes {
    fn default() -> Self {
        let seen = [const { AtomicU64::new(0) }; SIZE_MAX + 1];
        Self(Arc::new(SizesHeld { seen, above: AtomicU64::new(0), above_sum: AtomicU64::new(0) }))
    }
}

impl Sizes {
    /// So many of this size were seen.
    pub fn add(&self, size: usize, times: u64) {
        if let Some(seen) = self.0.seen.get(size) {
            seen.fetch_add(times, Relaxed);
        } else {
            self.0.above.fetch_add(times, Relaxed);
            self.0.above_sum.fetch_add((size as u64).saturating_mul(times), Relaxed);
        }
    }

    /// All sizes that were seen, added up.
    pub fn sum(&self) -> u64 {
        let sizes = (0_u64..).zip(&self.0.seen).map(|(size, seen)| size * seen.load(Relaxed));
        sizes.sum::<u64>() + self.0.above_sum.load(Relaxed)
    }
}

impl EncodeMetric for Sizes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let mut buckets = SIZE_BOUNDS.map(|bound| (bound as f64, 0)).to_vec();
        let (mut sum, mut count) = (0, 0);
        for (size, seen) in self.0.seen.iter().enumerate() {
            let seen = seen.load(Relaxed);
            (sum, count) = (sum + size as u64 * seen, count + seen);
            let bucket = SIZE_BOUNDS.iter().position(|bound| size <= *bound).and_then(|at| buckets.get_mut(at));
            if let Some((_, held)) = bucket {
                *held += seen;
            }
        }
        let above = self.0.above.load(Relaxed);
        buckets.push((f64::INFINITY, above));
        let sum = sum + self.0.above_sum.load(Relaxed);
        encoder.encode_histogram::<NoLabelSet>(sum as f64, count + above, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// How long things took.
#[derive(Clone, Debug, Default)]
pub struct Times(Arc<TimesHeld>);

#[derive(Debug, Default)]
struct TimesHeld {
    /// By the bound that is not passed; the last is for those above all.
    seen: [AtomicU64; TIME_BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Times {
    /// Something took this long.
    pub fn add(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let at = TIME_BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(seen) = self.0.seen.get(at) {
            seen.fetch_add(1, Relaxed);
        }
        self.0.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

impl EncodeMetric for Times {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = TIME_BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.0.seen.iter().map(|seen| seen.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, seen)| seen).sum();
        let seconds = Duration::from_nanos(self.0.nanoseconds.load(Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

/// A counter for each value of one label. Values that nobody foresaw count as the last one.
#[derive(Clone, Debug)]
pub struct Causes {
    label: &'static str,
    counted: Arc<[(&'static str, AtomicU64)]>,
}

impl Causes {
    /// With these values of a label.
    pub fn new(label: &'static str, values: impl IntoIterator<Item = &'static str>) -> Self {
        Self { label, counted: values.into_iter().map(|value| (value, AtomicU64::new(0))).collect() }
    }

    /// One more of this value.
    pub fn add(&self, value: &str) {
        let found = self.counted.iter().find(|(held, _)| *held == value).or(self.counted.last());
        if let Some((_, count)) = found {
            count.fetch_add(1, Relaxed);
        }
    }
}

impl EncodeMetric for Causes {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (value, count) in &*self.counted {
            let labels: Label = [(self.label, value)];
            encoder.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count.load(Relaxed), None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }
}

/// What is looked up when somebody asks for it, and counted by nobody.
struct Reading<F> {
    kind: MetricType,
    read: F,
}

/// Names a gauge that is looked up when it is read.
pub fn gauge(registry: &mut Registry, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
    registry.register(name, help, Reading { kind: MetricType::Gauge, read });
}

/// Names a counter that is looked up when it is read; it never falls.
pub fn counter(registry: &mut Registry, name: &str, help: &str, read: impl Fn() -> f64 + Send + Sync + 'static) {
    registry.register(name, help, Reading { kind: MetricType::Counter, read });
}

impl<F: Fn() -> f64> EncodeMetric for Reading<F> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self.kind {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&(self.read)(), None),
            _ => encoder.encode_gauge(&(self.read)()),
        }
    }

    fn metric_type(&self) -> MetricType {
        self.kind
    }
}

impl<F> fmt::Debug for Reading<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("kind", &self.kind.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn told(register: impl FnOnce(&mut Registry)) -> Vec<String> {
        let (mut registry, mut text) = (Registry::default(), String::new());
        register(&mut registry);
        encode(&mut text, &registry).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    fn has(lines: &[String], line: &str) {
        assert!(lines.iter().any(|held| held == line), "no {line:?} in {lines:#?}");
    }

    #[test]
    fn sizes_are_told_by_their_bounds_and_their_sum_is_exact() {
        let sizes = Sizes::default();
        for (size, times) in [(1, 5), (3, 2), (SIZE_MAX, 1), (SIZE_MAX + 1, 2)] {
            sizes.add(size, times);
        }
        let sum = 5 + 6 + 512 + 2 * 513;
        assert_eq!(sizes.sum(), sum);
        let lines = told(|registry| registry.register("s", "s", sizes));
        has(&lines, &format!("s_sum {sum}.0"));
        has(&lines, "s_count 10");
        for (bound, within) in [("1.0", 5), ("2.0", 5), ("4.0", 7), ("256.0", 7), ("512.0", 8), ("+Inf", 10)] {
            has(&lines, &format!("s_bucket{{le=\"{bound}\"}} {within}"));
        }
    }

    #[test]
    fn a_time_counts_within_the_first_bound_that_it_does_not_pass() {
        let times = Times::default();
        for micros in [100, 101, 2_000_000, 20_000_000] {
            times.add(Duration::from_micros(micros));
        }
        let lines = told(|registry| registry.register("t", "t", times));
        for (bound, within) in [("0.0001", 1), ("0.00025", 2), ("1.0", 2), ("2.5", 3), ("10.0", 3), ("+Inf", 4)] {
            has(&lines, &format!("t_bucket{{le=\"{bound}\"}} {within}"));
        }
        has(&lines, "t_sum 22.000201");
    }

    #[test]
    fn every_cause_is_there_from_the_start_and_an_unforeseen_one_is_the_last() {
        let causes = Causes::new("code", ["a", "b", "other"]);
        causes.add("b");
        causes.add("unheard of");
        let lines = told(|registry| registry.register("c", "c", causes));
        assert_eq!(lines, ["c_total{code=\"a\"} 0", "c_total{code=\"b\"} 1", "c_total{code=\"other\"} 1"]);
    }

    #[test]
    fn what_is_held_counts_until_it_is_dropped() {
        let open = Gauge::default();
        let (first, second) = (Held::of(&open), Held::of(&open));
        drop(first);
        assert_eq!(open.get(), 1);
        drop(second);
        assert_eq!(open.get(), 0);
    }
}
