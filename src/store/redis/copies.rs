//! Waiting until replicas have what was written, where the operator wants that (`redis.replicas_min`).
//!
//! Redis answers before its replicas have heard: what a failover loses. `WAIT` answers how many have everything that a
//! connection wrote; and it holds that connection up, so that one is under way at a time, and answers for all turns
//! that were over when it began: the busier it is, the more turns share one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use redis::cluster_routing::{Route, SingleNodeRoutingInfo, SlotAddr};
use redis::{Pipeline, RedisResult, Value, from_redis_value};
use tokio::sync::Semaphore;

use super::link::Wire;

/// How long one question holds the connection up, where replicas do not answer.
const WAIT_MAX: Duration = Duration::from_millis(500);
/// For how long the key lives that is touched, as long as the script lets it: in milliseconds.
const DONE_MS: u64 = 120_000;

/// See the module's own words.
pub(super) struct Copies {
    /// Replicas that must have it; 0 waits for none.
    min: u32,
    under_way: Semaphore,
    begun: AtomicU64,
    last: Mutex<Round>,
}

/// One question, and its answer.
#[derive(Clone, Copy, Default)]
struct Round {
    number: u64,
    /// The connection it was asked by: the others led elsewhere, perhaps.
    generation: u64,
    replicas: u32,
}

impl Copies {
    pub(super) fn new(min: u32) -> Self {
        Self { min, under_way: Semaphore::new(1), begun: AtomicU64::new(0), last: Mutex::default() }
    }

    /// Whether anybody is waited for.
    pub(super) const fn are_wanted(&self) -> bool {
        self.min > 0
    }

    /// Waits until enough replicas have what was answered by this connection, and `end` at most. `done` is the key by
    /// which the turn is remembered. False where there are too few.
    pub(super) async fn made(&self, generation: u64, wire: &Wire, done: &str, end: Instant) -> RedisResult<bool> {
        loop {
            let replicas = match wire {
                Wire::Single(_) => self.shared(generation, wire, done, end).await?,
                // Each room may be on another server.
                Wire::Cluster(_) => self.ask(wire, done, end).await?,
            };
            if replicas >= self.min {
                return Ok(true);
            }
            if Instant::now() >= end {
                return Ok(false);
            }
        }
    }

    /// What a question answers that began after this was called.
    async fn shared(&self, generation: u64, wire: &Wire, done: &str, end: Instant) -> RedisResult<u32> {
        let before = self.begun.load(Ordering::SeqCst);
        let _turn = self.under_way.acquire().await;
        let last = *self.last.lock();
        if last.number > before && last.generation == generation {
            return Ok(last.replicas);
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let replicas = self.ask(wire, done, end).await?;
        *self.last.lock() = Round { number, generation, replicas };
        Ok(replicas)
    }

    async fn ask(&self, wire: &Wire, done: &str, end: Instant) -> RedisResult<u32> {
        let wait = end.saturating_duration_since(Instant::now()).clamp(Duration::from_millis(1), WAIT_MAX);
        let mut question = Pipeline::with_capacity(2);
        // Redis waits for what this connection wrote last. A turn that was asked for twice wrote by an earlier one.
        question.cmd("PEXPIRE").arg(done).arg(DONE_MS);
        question.cmd("WAIT").arg(self.min).arg(u64::try_from(wait.as_millis()).unwrap_or(1));
        let replicas = match wire.clone() {
            Wire::Single(mut wire) => {
                let (_, replicas): (i64, u32) = question.query_async(&mut wire).await?;
                replicas
            }
            Wire::Cluster(mut wire) => {
                let there = SingleNodeRoutingInfo::SpecificNode(Route::with_key(done, SlotAddr::Master));
                let answers = wire.route_pipeline(question, 0, 2, there).await?;
                from_redis_value(answers.into_iter().next_back().unwrap_or(Value::Int(0)).extract_error()?)?
            }
        };
        Ok(replicas)
    }
}
