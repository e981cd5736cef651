//! Latencies, counted in buckets that are a thirty-second of their power of two wide: right to 3 %, and one addition
//! each.

use std::time::Duration;

/// Buckets within a power of two.
const FINE: u64 = 32;
/// log2 of it.
const FINE_BITS: u32 = 5;

pub(super) struct Latency {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
}

impl Latency {
    pub(super) fn new() -> Self {
        Self { buckets: vec![0; 64 * FINE as usize], count: 0, max: 0 }
    }

    pub(super) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(bucket(nanos)) {
            *bucket += 1;
        }
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// The latency that this share of all stayed at or below, in milliseconds; 0 when there are none.
    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share).ceil().max(1.0);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen as f64 >= rank {
                return top(at as u64).min(self.max) as f64 / 1e6;
            }
        }
        0.0
    }

    pub(super) fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < FINE {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - FINE_BITS;
    (u64::from(shift + 1) * FINE + (nanos >> shift) - FINE) as usize
}

/// The largest value of a bucket.
fn top(bucket: u64) -> u64 {
    let (power, fine) = (bucket / FINE, bucket % FINE);
    if power == 0 { fine } else { ((FINE + fine + 1) << (power - 1)) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_lies_in_it_and_is_narrow() {
        for nanos in (0..200_000).chain([1 << 40, (1 << 40) + 12_345]) {
            let top = top(bucket(nanos) as u64);
            assert!(top >= nanos && (top - nanos) * 31 <= nanos.max(31), "{nanos} {top}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let mut latency = Latency::new();
        assert_eq!(latency.percentile_ms(0.5), 0.0);
        (1..=1_000).for_each(|ms| latency.record(Duration::from_millis(ms)));
        for (share, ms) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            let told = latency.percentile_ms(share);
            assert!((told - ms).abs() <= ms * 0.033, "{share} {told}");
        }
        assert_eq!(latency.max_ms(), 1000.0);
    }
}
