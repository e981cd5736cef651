//! `idle`: connections that are there and say nothing.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::report::Figures;
use super::run::Run;
use super::target::{Need, Target};
use crate::chat::History;

/// Open connections, hold them, and see what each costs
///
/// Each is connected, signed in and subscribed, to rooms of --per-room. Reports how fast they came in, and the server's
/// memory before, with them, and after they have left.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[command(after_help = "\
Examples:
  sarangbang bench idle --spawn --connections 10000
  sarangbang bench idle --spawn --tls --connections 10000")]
pub(super) struct Idle {
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) connections: u32,
    /// Connections in a room, each of another person
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) per_room: u32,
    /// While they come in, look for answers again and again instead of sleeping
    ///
    /// As with `fanout`: waking a sleeper costs the server's process, on the same host only, a good part of each `send`.
    #[arg(long)]
    pub(super) spin: bool,
    /// Seconds that they are held
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) seconds: f64,
}

/// After they have left: until the server has said so to the store and given memory back.
const AFTERWARDS: Duration = Duration::from_secs(4);

impl Idle {
    pub(super) fn need(&self) -> Need {
        let people = (self.per_room as usize).max(100);
        Need { people, rooms: self.connections.div_ceil(self.per_room) as usize, history: History::On }
    }

    pub(super) fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        let mut run = Run::new(target, 0)?;
        let count = self.connections as usize;
        let before = target.gauge.memory()?;
        run.spin = self.spin;
        let measure = run.measure()?;
        for who in 0..count {
            let room = (who / self.per_room as usize) % target.rooms.len();
            run.book.checker.seat(who, room);
            run.crowd.open(who, target.plan(who, Some(room)));
        }
        run.until_ready(count)?;
        let opened = measure.began.elapsed().as_secs_f64();
        // Before anything else: what the handshakes took, without the notices that follow them.
        let measured = run.measured(&measure)?;
        run.spin = false;
        run.settle()?;
        run.idle(Duration::from_secs_f64(self.seconds))?;
        let with = target.gauge.memory()?;
        (0..count).for_each(|who| run.crowd.cut(who));
        let left = Instant::now();
        while left.elapsed() < AFTERWARDS.min(Duration::from_secs_f64(self.seconds.max(0.5))) {
            run.turn(super::run::TURN)?;
        }
        let after = target.gauge.memory()?;

        let mut figures = Figures::default();
        let each = before.zip(with).map(|(before, with)| (with - before) / f64::from(self.connections));
        figures.push_known("memory of each", "bytes", each);
        figures.push_known("memory of the empty server", "bytes", target.empty);
        figures.push_known("memory before", "bytes", before);
        figures.push_known("memory with them", "bytes", with);
        figures.push_known("memory after them", "bytes", after);
        figures.push_known("handshakes/CPU", "per server CPU second", measured.per_cpu(f64::from(self.connections)));
        figures.push("handshakes", "per second", f64::from(self.connections) / opened);
        measured.shares(&mut figures);
        Ok(figures)
    }
}
