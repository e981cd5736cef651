//! What every run does: open a crowd and wait for it, take the time and the gauges, and refuse what is not clean.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use super::check::Checker;
use super::crowd::{Book, Crowd};
use super::gauge::{Gauge, fine_cpu_of, own_cpu};
use super::report::Figures;
use super::target::Target;

/// How long nothing may happen before a run gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// How late a delivery may be before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(10);
/// Turns wait at most this long.
pub(super) const TURN: Duration = Duration::from_millis(50);
/// The generator is the bottleneck from this share of its core on, ...
const GENERATOR_BUSY: f64 = 0.95;
/// ... unless the server uses this share of its cores.
const SERVER_BUSY: f64 = 0.90;

/// A crowd with its book.
pub(super) struct Run {
    pub(super) crowd: Crowd,
    pub(super) book: Book,
    /// Never sleep while turning.
    pub(super) spin: bool,
    gauge: Gauge,
    redis: Option<u32>,
}

impl Run {
    /// An empty crowd before a target, whose checker keeps this many entries of a room.
    pub(super) fn new(target: &Target, known: usize) -> anyhow::Result<Self> {
        crate::ops::raise_file_limit();
        let checker = Checker::new(&target.rooms, known);
        let book = Book { checker, ready: Vec::new(), left: Vec::new() };
        let crowd = Crowd::new(target.doors.clone())?;
        Ok(Self { crowd, book, spin: false, gauge: target.gauge.clone(), redis: target.redis })
    }

    /// One turn, and a refusal when anything was wrong.
    pub(super) fn turn(&mut self, wait: Duration) -> anyhow::Result<()> {
        self.crowd.turn(if self.spin { Duration::ZERO } else { wait }, &mut self.book)?;
        match &self.book.checker.fault {
            Some(fault) => bail!("the run was not clean, so there is no figure: {fault}"),
            None => Ok(()),
        }
    }

    /// Turns until this many more clients are ready.
    pub(super) fn until_ready(&mut self, count: usize) -> anyhow::Result<()> {
        let mut left = count;
        let mut heard = Instant::now();
        while left > 0 {
            self.turn(TURN)?;
            if !self.book.ready.is_empty() {
                heard = Instant::now();
                left = left.saturating_sub(self.book.ready.len());
                self.book.ready.clear();
            }
            let waited = heard.elapsed();
            ensure!(waited < PATIENCE, "{left} of {count} clients are not in, and none came for {waited:.0?}");
        }
        Ok(())
    }

    /// Turns until nothing has come for a while: the notices of who entered.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        let (mut bytes, mut heard) = (self.book.checker.bytes, Instant::now());
        let began = heard;
        while heard.elapsed() < Duration::from_millis(300) && began.elapsed() < PATIENCE {
            self.turn(TURN)?;
            if std::mem::replace(&mut bytes, self.book.checker.bytes) != self.book.checker.bytes {
                heard = Instant::now();
            }
        }
        Ok(())
    }

    /// Turns for this long.
    pub(super) fn idle(&mut self, how_long: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            self.turn(TURN)?;
        }
        Ok(())
    }

    /// Turns until every message has come to everybody.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        let (mut missing, mut heard) = (u64::MAX, Instant::now());
        while self.book.checker.missing() > 0 {
            self.turn(TURN)?;
            if self.book.checker.missing() != missing {
                (missing, heard) = (self.book.checker.missing(), Instant::now());
            }
            ensure!(
                heard.elapsed() < LOST_AFTER,
                "the run was not clean, so there is no figure: {missing} deliveries never came (lost)"
            );
        }
        Ok(())
    }

    /// Begins to measure.
    pub(super) fn measure(&mut self) -> anyhow::Result<Measure> {
        let (server, redis) = (self.gauge.cpu()?, self.redis.and_then(fine_cpu_of));
        self.book.checker.begin();
        self.crowd.spun = Duration::ZERO;
        Ok(Measure { began: Instant::now(), own: own_cpu(), server, redis })
    }

    /// Ends it.
    pub(super) fn measured(&self, measure: &Measure) -> anyhow::Result<Measured> {
        let wall = measure.began.elapsed().as_secs_f64();
        let own = own_cpu().saturating_sub(measure.own).saturating_sub(self.crowd.spun).as_secs_f64();
        let server = self.gauge.cpu()?.zip(measure.server).map(|(now, then)| now - then);
        let redis = self.redis.and_then(fine_cpu_of).zip(measure.redis).map(|(now, then)| now - then);
        let cores = self.gauge.cores()?.unwrap_or(1.0);
        let measured = Measured {
            wall,
            server: server.filter(|server| *server > 0.0),
            redis,
            generator_share: own / wall,
            server_share: server.map(|server| server / wall / cores),
            redis_share: redis.map(|redis| redis / wall / cores),
        };
        measured.check()?;
        Ok(measured)
    }
}

/// Gauges at the beginning.
pub(super) struct Measure {
    pub(super) began: Instant,
    own: Duration,
    server: Option<f64>,
    redis: Option<f64>,
}

/// Gauges over a measured time.
pub(super) struct Measured {
    /// Seconds.
    pub(super) wall: f64,
    /// CPU seconds of the server, where it is on this host.
    pub(super) server: Option<f64>,
    /// CPU seconds of the Redis that was started for it.
    pub(super) redis: Option<f64>,
    generator_share: f64,
    server_share: Option<f64>,
    redis_share: Option<f64>,
}

impl Measured {
    fn check(&self) -> anyhow::Result<()> {
        // Redis works on the server's cores.
        let server = self.server_share.unwrap_or(0.0) + self.redis_share.unwrap_or(0.0);
        ensure!(
            self.generator_share < GENERATOR_BUSY || server >= SERVER_BUSY,
            "the generator was the bottleneck, so there is no figure: it used {:.0} % of its core, and the server {:.0} % \
             of its own; measure with a smaller load or a lower --rate",
            self.generator_share * 100.0,
            server * 100.0
        );
        Ok(())
    }

    /// So many a CPU second of the server.
    pub(super) fn per_cpu(&self, count: f64) -> Option<f64> {
        self.server.map(|server| count / server)
    }

    /// The shares of CPU, as figures.
    pub(super) fn shares(&self, figures: &mut Figures) {
        figures.push_known("server CPU", "% of its cores", self.server_share.map(|share| share * 100.0));
        figures.push_known("Redis CPU", "% of the same cores", self.redis_share.map(|share| share * 100.0));
        figures.push("generator CPU", "% of a core", self.generator_share * 100.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_generator_is_refused_unless_the_server_is_busy_too() {
        let check = |generator_share, server_share| {
            let (server, redis_share) = (server_share, None);
            Measured { wall: 1.0, server, redis: None, generator_share, server_share, redis_share }.check().is_ok()
        };
        assert!(check(0.94, Some(0.1)) && check(0.94, None));
        assert!(!check(0.96, Some(0.89)));
        assert!(check(0.99, Some(0.91)));
        assert!(!check(0.96, None), "a server elsewhere does not excuse the generator");
    }
}
