//! `storm`: everybody is cut off at once and comes back.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::report::Figures;
use super::run::Run;
use super::target::{Need, Target};
use super::wire::{self, Start};
use crate::chat::History;

/// Cut everybody off at once, and let them come back and resume
///
/// All --connections are cut without a word, connect again, and subscribe with `after` and the last offset that they
/// had, while somebody goes on saying --rate messages a second. Nobody may miss one. In every room a witness stays:
/// the latencies are those of the witnesses, from the time at which a message was due, while the storm lasts.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[command(after_help = "\
Examples:
  sarangbang bench storm --spawn --connections 10000
  sarangbang bench storm --spawn --tls --connections 2000 --per-room 20")]
pub(super) struct Storm {
    /// Connections that are cut
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// Connections in a room, each of another person
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) per_room: u32,
    /// Messages a second, over all rooms
    #[arg(long, value_name = "PER_SECOND", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rate: u32,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(60..=60_000))]
    pub(super) size: u32,
}

/// Things are said for so long before the storm.
const CALM: Duration = Duration::from_secs(1);
/// Until everybody has to be back.
const STORM_MAX: Duration = Duration::from_secs(60);

impl Storm {
    pub(super) fn need(&self) -> Need {
        // One more than a room holds: the witness.
        Need {
            people: self.per_room as usize + 1,
            rooms: self.connections.div_ceil(self.per_room) as usize,
            history: History::On,
        }
    }

    pub(super) fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        let (count, rooms) = (self.connections as usize, target.rooms.len());
        let mut run = Run::new(target, 4 * self.per_room as usize + 1_024)?;
        let per_room = self.per_room as usize;
        let room_of = |who: usize| (who / per_room) % rooms;
        for who in 0..count {
            run.book.checker.seat(who, room_of(who));
            run.book.checker.untimed(who);
            run.crowd.open(who, target.plan(who % per_room, Some(room_of(who))));
        }
        for room in 0..rooms {
            run.book.checker.seat(count + room, room);
            run.crowd.open(count + room, target.plan(per_room, Some(room)));
        }
        let speaker = count + rooms;
        run.crowd.open(speaker, target.plan(per_room, None));
        run.until_ready(count + rooms + 1)?;
        run.settle()?;

        let mut said = Said { plan: self, target, speaker, begun: Instant::now(), next: 0 };
        let calm = Instant::now() + CALM;
        while Instant::now() < calm {
            said.go_on(&mut run)?;
        }
        let measure = run.measure()?;
        for who in 0..count {
            run.crowd.cut(who);
            let mut plan = target.plan(who % per_room, Some(room_of(who)));
            plan.from = Start::After(run.book.checker.last(who).unwrap_or(0));
            run.crowd.open(who, plan);
        }
        let mut back = 0;
        while back < count {
            said.go_on(&mut run)?;
            back += std::mem::take(&mut run.book.ready).len();
            let late = measure.began.elapsed() > STORM_MAX;
            anyhow::ensure!(!late, "only {back} of {count} are back after {STORM_MAX:?}");
        }
        let all_back = measure.began.elapsed().as_secs_f64();
        let until_then = run.book.checker.said();
        while run.book.checker.finished_up_to() < until_then {
            said.go_on(&mut run)?;
            let late = measure.began.elapsed() > STORM_MAX;
            let missing = run.book.checker.missing();
            anyhow::ensure!(!late, "the run was not clean, so there is no figure: {missing} deliveries lost");
        }
        let caught_up = measure.began.elapsed().as_secs_f64();
        let measured = run.measured(&measure)?;
        let messages = run.book.checker.finished as f64;
        run.finish()?;

        let mut figures = Figures::default();
        figures.push("last one back", "s", all_back);
        figures.push("all caught up", "s", caught_up);
        let latency = &run.book.checker.latency;
        figures.push("latency p50", "ms", latency.percentile_ms(0.5));
        figures.push("latency p99", "ms", latency.percentile_ms(0.99));
        figures.push("latency max", "ms", latency.max_ms());
        figures.push("messages meanwhile", "", messages);
        figures.push_known("handshakes/CPU", "per server CPU second", measured.per_cpu(count as f64));
        measured.shares(&mut figures);
        Ok(figures)
    }
}

/// Who goes on talking.
struct Said<'a> {
    plan: &'a Storm,
    target: &'a Target,
    speaker: usize,
    begun: Instant,
    next: usize,
}

impl Said<'_> {
    /// Says what is due, and turns once.
    fn go_on(&mut self, run: &mut Run) -> anyhow::Result<()> {
        let due = |next: usize| self.begun + Duration::from_secs_f64(next as f64 / f64::from(self.plan.rate));
        while due(self.next) <= Instant::now() {
            let room = self.next % self.target.rooms.len();
            let text = run.book.checker.say(room, self.plan.size as usize, due(self.next));
            let token = &self.target.tokens[self.plan.per_room as usize % self.target.tokens.len()];
            run.crowd.queue(self.speaker, &wire::send(token, &self.target.rooms[room], text));
            self.next += 1;
        }
        run.crowd.flush(self.speaker, &mut run.book);
        run.turn(due(self.next).saturating_duration_since(Instant::now()))
    }
}
