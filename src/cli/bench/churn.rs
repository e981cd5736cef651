//! `churn`: people who come and go.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use super::people;
use super::report::Figures;
use super::run::{Run, TURN};
use super::target::{Need, Target};
use crate::chat::History;

/// Connect, sign in, subscribe, unsubscribe and close, again and again
///
/// Each of --concurrency people does so alone, in one of --rooms. Everybody who comes and goes is told to the room
/// (ENTER, QUIT), and at the end the count of people in every room has to be zero.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[command(after_help = "\
Examples:
  sarangbang bench churn --spawn
  sarangbang bench churn --spawn --tls --concurrency 32")]
pub(super) struct Churn {
    /// People who come and go at once
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) concurrency: u32,
    /// Rooms that they go to
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rooms: u32,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) seconds: f64,
    /// Seconds before that
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub(super) warmup: f64,
}

/// How long counts may take to come down, and the last to leave.
const LEAVING: Duration = Duration::from_secs(10);

impl Churn {
    pub(super) const fn need(&self) -> Need {
        Need { people: self.concurrency as usize, rooms: self.rooms as usize, history: History::On }
    }

    pub(super) fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        let mut run = Run::new(target, 0)?;
        for who in 0..self.concurrency as usize {
            run.book.checker.seat(who, who % target.rooms.len());
            run.crowd.open(who, target.plan(who, Some(who)));
        }
        self.go_round(&mut run, target, Duration::from_secs_f64(self.warmup))?;
        let measure = run.measure()?;
        let count = self.go_round(&mut run, target, Duration::from_secs_f64(self.seconds))?;
        let measured = run.measured(&measure)?;

        let mut left = 0;
        let began = Instant::now();
        while left < self.concurrency as usize {
            run.turn(TURN)?;
            for who in std::mem::take(&mut run.book.ready) {
                run.crowd.leave(who, &mut run.book);
            }
            left += std::mem::take(&mut run.book.left).len();
            ensure!(
                began.elapsed() < LEAVING,
                "{left} of {} people have left, and the rest does not",
                self.concurrency
            );
        }
        nobody_is_left(target)?;

        let mut figures = Figures::default();
        figures.push_known("handshakes/CPU", "per server CPU second", measured.per_cpu(count as f64));
        figures.push("handshakes", "per second", count as f64 / measured.wall);
        measured.shares(&mut figures);
        Ok(figures)
    }

    /// Who is in leaves, who has left comes back. Counts those who came in.
    fn go_round(&self, run: &mut Run, target: &Target, how_long: Duration) -> anyhow::Result<usize> {
        let until = Instant::now() + how_long;
        let mut count = 0;
        while Instant::now() < until {
            run.turn(TURN)?;
            let (ready, left) = (std::mem::take(&mut run.book.ready), std::mem::take(&mut run.book.left));
            count += ready.len();
            for who in ready {
                run.crowd.leave(who, &mut run.book);
            }
            for who in left {
                run.book.checker.restart(who, None);
                run.crowd.open(who, target.plan(who, Some(who)));
            }
        }
        Ok(count)
    }
}

/// Every room is empty again, by the server's own word.
fn nobody_is_left(target: &Target) -> anyhow::Result<()> {
    let began = Instant::now();
    for room in &target.rooms {
        loop {
            let count = people::count(target, room)?;
            if count == 0 {
                break;
            }
            ensure!(
                began.elapsed() < LEAVING,
                "the run was not clean, so there is no figure: room {room} still counts {count} people"
            );
            std::thread::park_timeout(TURN);
        }
    }
    Ok(())
}
