//! `history`: joining a room that has a past.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::report::Figures;
use super::run::{Run, TURN};
use super::target::{Need, Target};
use super::wire::{self, Start};
use crate::chat;

/// Join a room with so many entries back, again and again
///
/// Says --entries messages first. Then --joiners connect, subscribe with `history`, and leave once they have all of
/// them; each copy is compared, and the order too.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[command(after_help = "\
Examples:
  sarangbang bench history --spawn
  sarangbang bench history --spawn --entries 50 --joiners 64")]
pub(super) struct History {
    /// Entries that each joiner reads
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=9_000))]
    pub(super) entries: u32,
    /// Joiners at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) joiners: u32,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(60..=60_000))]
    pub(super) size: u32,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) seconds: f64,
}

/// Messages under way while the past is made.
const WINDOW: usize = 32;
/// How long one join may take.
const JOIN_MAX: Duration = Duration::from_secs(20);
/// The places of who keeps the room, of who speaks, and of the first joiner.
const KEEPER: usize = 0;
const SPEAKER: usize = 1;
const JOINER: usize = 2;

impl History {
    /// One person: who is in the room already enters it without an entry.
    pub(super) const fn need() -> Need {
        Need { people: 1, rooms: 1, history: chat::History::On }
    }

    pub(super) fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        let entries = u64::from(self.entries);
        let mut run = Run::new(target, self.entries as usize + 64)?;
        let tail = self.make_a_past(&mut run, target)?;
        let first = tail + 1 - entries;
        let come = |run: &mut Run, who: usize| {
            run.book.checker.restart(who, Some(first));
            let mut plan = target.plan(0, Some(0));
            plan.from = Start::Newest(entries);
            run.crowd.open(who, plan);
        };
        let measure = run.measure()?;
        let joiners = JOINER..JOINER + self.joiners as usize;
        for who in joiners {
            run.book.checker.seat(who, 0);
            come(&mut run, who);
        }
        let until = measure.began + Duration::from_secs_f64(self.seconds);
        let mut inside: Vec<usize> = Vec::new();
        let (mut joins, mut heard) = (0_u64, Instant::now());
        while Instant::now() < until {
            run.turn(TURN)?;
            inside.append(&mut run.book.ready);
            let all = inside.extract_if(.., |who| run.book.checker.last(*who) == Some(tail)).collect::<Vec<_>>();
            for who in all {
                (joins, heard) = (joins + 1, Instant::now());
                run.crowd.leave(who, &mut run.book);
            }
            for who in std::mem::take(&mut run.book.left) {
                come(&mut run, who);
            }
            ensure!(
                heard.elapsed() < JOIN_MAX,
                "the run was not clean, so there is no figure: joins do not end (lost)"
            );
        }
        let measured = run.measured(&measure)?;
        ensure!(joins > 0, "nobody had all {entries} entries in time; measure for longer");

        let mut figures = Figures::default();
        let read = run.book.checker.entries as f64;
        figures.push_known("entries/CPU", "per server CPU second", measured.per_cpu(read));
        figures.push("entries", "per second", read / measured.wall);
        figures.push("joins", "per second", joins as f64 / measured.wall);
        figures.push("bytes", "per second", run.book.checker.bytes as f64 / measured.wall);
        measured.shares(&mut figures);
        Ok(figures)
    }

    /// Says everything, and tells the offset of the last entry.
    fn make_a_past(&self, run: &mut Run, target: &Target) -> anyhow::Result<u64> {
        run.book.checker.seat(KEEPER, 0);
        run.crowd.open(KEEPER, target.plan(0, Some(0)));
        run.crowd.open(SPEAKER, target.plan(0, None));
        run.until_ready(2)?;
        let mut said = 0;
        while said < self.entries {
            while said < self.entries && run.book.checker.under_way() < WINDOW {
                let text = run.book.checker.say(0, self.size as usize, Instant::now());
                let frame = wire::send(&target.tokens[0], &target.rooms[0], text);
                run.crowd.queue(SPEAKER, &frame);
                said += 1;
            }
            run.crowd.flush(SPEAKER, &mut run.book);
            run.turn(TURN)?;
        }
        run.finish()?;
        run.settle()?;
        Ok(run.book.checker.last(KEEPER).unwrap_or(0))
    }
}
