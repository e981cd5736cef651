//! `standard`: the set of docs/PERFORMANCE.md, server and ceiling in turns, and its table.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::churn::Churn;
use super::fanout::Fanout;
use super::history::History;
use super::idle::Idle;
use super::on_a_target;
use super::page;
use super::report::{Figures, Report, told};
use super::spawn::Spawned;
use super::start::{House, Start};
use super::storm::Storm;
use super::target::{Need, Target, Where};
use crate::chat;
use crate::cli::output::{self, Output, table};
use crate::cli::place::Place;

/// Run the standard set, and write its table
///
/// Each run of each scene has a fresh server (or a fresh ceiling: a loop of `send` on prebuilt frames, benches/ceiling.rs)
/// on one core, and this generator on another. Scenes take turns, so that a machine that gets slower or faster in
/// between is the same to all of them. The table holds medians. A run in which the generator was the bottleneck is
/// told and left out; a run that was not clean ends everything.
#[derive(Args)]
#[command(after_help = "\
Examples:
  make bench
  sarangbang bench standard --quick
  sarangbang bench standard --runs 5 --ceiling target/release/examples/ceiling --into docs/PERFORMANCE.md")]
pub(super) struct Standard {
    /// Runs of each scene
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Small numbers and one second each: to see that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// The ceiling's program; without it the ceiling is left out
    #[arg(long, value_name = "FILE")]
    ceiling: Option<PathBuf>,
    /// Write the table between the two marker lines of this file
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// What is measured.
enum Job {
    Fanout(Fanout),
    Idle(Idle),
    Churn(Churn),
    History(History),
    Storm(Storm),
    Start(Start),
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Server,
    ServerTls,
    Ceiling(&'static [&'static str]),
}

struct Scene {
    who: Who,
    job: Job,
    runs: Vec<Figures>,
}

/// A line of the table: a figure of a scene, and the scene whose same figure it is held against.
struct Line {
    what: &'static str,
    scene: usize,
    figure: &'static str,
    unit: &'static str,
    against: Option<usize>,
}

impl Standard {
    pub(super) async fn run(&self, place: &Place) -> anyhow::Result<()> {
        let mut scenes = self.scenes();
        let house = self.start().furnish().await?;
        for round in 1..=self.runs {
            for (number, scene) in scenes.iter_mut().enumerate() {
                if matches!(scene.who, Who::Ceiling(_)) && self.ceiling.is_none() {
                    continue;
                }
                output::note(format_args!("round {round} of {}, scene {number}", self.runs));
                match self.measure(scene, &house, place).await {
                    Ok(figures) => scene.runs.push(figures),
                    Err(e) if e.to_string().contains("bottleneck") => output::note(format_args!("left out: {e}")),
                    Err(e) => return Err(e.context(format!("scene {number}"))),
                }
            }
        }
        let reports: Vec<Report> = scenes.into_iter().map(Scene::report).collect();
        let rows = rows(&reports);
        if let Some(file) = &self.into {
            let table = page::markdown(["measure", "median", "min..max", "ceiling, or what is named", "ratio"], &rows);
            page::write_between(file, "bench", &format!("{}\n\n{table}", page::head(self.runs, self.quick)))?;
        }
        let json: Vec<_> =
            reports.iter().zip(0..).map(|(report, scene)| json!({ "scene": scene, "bench": report.json() })).collect();
        self.output.show(&json, || table(["MEASURE", "MEDIAN", "MIN..MAX", "AGAINST", "RATIO"], &rows))
    }

    fn scenes(&self) -> Vec<Scene> {
        let less = if self.quick { 10 } else { 1 };
        let (seconds, warmup) = if self.quick { (1.0, 0.3) } else { (5.0, 1.0) };
        let fanout_of = |history, rooms: u32, publishers, window, rate| {
            let (subscribers, size, spin) = (1_000 / less, 200, true);
            let job = Fanout { subscribers, rooms, publishers, size, window, rate, history, spin, seconds, warmup };
            Job::Fanout(job)
        };
        let fanout = |rooms, publishers, window, rate| fanout_of(chat::History::On, rooms, publishers, window, rate);
        let passing = |window| fanout_of(chat::History::Off, 1, 1, window, None);
        let many = || fanout(100 / less, 100 / less, 1, Some(2_000 / less));
        let idle = || Job::Idle(Idle { connections: 10_000 / less, per_room: 10, spin: true, seconds });
        let churn = || Job::Churn(Churn { concurrency: 64, rooms: 64, seconds, warmup });
        let history = Job::History(History { entries: 1_000, joiners: 8, size: 200, seconds });
        let storm = Job::Storm(Storm { connections: 10_000 / less, per_room: 100, rate: 100, size: 200 });
        let plain = Who::Ceiling(&["plain"]);
        let scenes = [
            (Who::Server, fanout(1, 1, 1, None)),
            (plain, fanout(1, 1, 1, None)),
            (Who::Server, fanout(1, 1, 16, None)),
            (Who::Ceiling(&["coalesce", "16"]), fanout(1, 1, 16, None)),
            (Who::Server, many()),
            (plain, many()),
            (Who::ServerTls, fanout(1, 1, 1, None)),
            (Who::Server, idle()),
            (Who::ServerTls, idle()),
            (Who::Server, churn()),
            (Who::ServerTls, churn()),
            (Who::Server, history),
            (Who::Server, storm),
            (Who::Server, passing(1)),
            (Who::Server, passing(16)),
            (Who::Server, Job::Start(self.start())),
        ];
        scenes.into_iter().map(|(who, job)| Scene { who, job, runs: Vec::new() }).collect()
    }

    async fn measure(&self, scene: &Scene, house: &House, place: &Place) -> anyhow::Result<Figures> {
        if let Job::Start(start) = &scene.job {
            return tokio::task::block_in_place(|| start.once(house));
        }
        let need = scene.job.need();
        let target = match (scene.who, &self.ceiling) {
            (Who::Ceiling(mode), Some(program)) => Target::ceiling(Spawned::ceiling(program, mode)?, need.rooms)?,
            (who, _) => Where::spawned(who == Who::ServerTls).prepare(place, need).await?,
        };
        on_a_target(target, |to| scene.job.once(to)).await
    }

    fn start(&self) -> Start {
        let (rooms, entries) = if self.quick { (100, 10_000) } else { (1_000, 1_000_000) };
        Start { rooms, entries, size: 200 }
    }
}

/// The lines of the table, by the places of the scenes.
fn lines() -> Vec<Line> {
    let line = |what, scene, figure, unit, against| Line { what, scene, figure, unit, against };
    let (fanout, cpu) = ("deliveries/CPU", "deliveries per CPU second");
    vec![
        line("fan-out, 1 room, 1,000 subscribers, 1 in flight", 0, fanout, cpu, Some(1)),
        line("fan-out, 1 room, 1,000 subscribers, 16 in flight", 2, fanout, cpu, Some(3)),
        line("the same, deliveries each second", 2, "deliveries", "per second", Some(3)),
        line("fan-out, 1 in flight (against a room without a history)", 0, fanout, cpu, Some(13)),
        line("fan-out, 16 in flight (against a room without a history)", 2, fanout, cpu, Some(14)),
        line("100 rooms of 10, 2,000 messages a second", 4, fanout, cpu, Some(5)),
        line("the same, latency p50", 4, "latency p50", "ms", Some(5)),
        line("the same, latency p99", 4, "latency p99", "ms", Some(5)),
        line("fan-out over TLS, 1 in flight (against plain)", 6, fanout, cpu, Some(0)),
        line("10,000 idle connections", 7, "memory of each", "bytes each", None),
        line("10,000 idle connections, TLS", 8, "memory of each", "bytes each", None),
        line("the empty server", 7, "memory of the empty server", "bytes", None),
        line("after 10,000 have left", 7, "memory after them", "bytes", None),
        line("connect + CONNECT + SUBSCRIBE, 10,000 arrive", 7, "handshakes/CPU", "per CPU second", None),
        line("the same, TLS", 8, "handshakes/CPU", "per CPU second", None),
        line("churn: the same, and leaving again", 9, "handshakes/CPU", "per CPU second", None),
        line("the same, TLS", 10, "handshakes/CPU", "per CPU second", None),
        line("joins with 1,000 entries back", 11, "entries/CPU", "entries per CPU second", None),
        line("storm of 10,000: the last one back", 12, "last one back", "s", None),
        line("storm of 10,000: all caught up", 12, "all caught up", "s", None),
        line("storm of 10,000: latency p99 meanwhile", 12, "latency p99", "ms", None),
        line("start with 1,000 rooms and 1,000,000 entries, to the first answer", 15, "first answer", "ms", None),
        line("the same, the store's file not cached", 15, "first answer, file not cached", "ms", None),
        line("the same, after kill -9 while people talked", 15, "first answer after kill -9", "ms", None),
    ]
}

impl Job {
    fn need(&self) -> Need {
        match self {
            Self::Fanout(job) => job.need(),
            Self::Idle(job) => job.need(),
            Self::Churn(job) => job.need(),
            Self::History(_) => History::need(),
            Self::Storm(job) => job.need(),
            // It makes its folder, and starts its servers, by itself.
            Self::Start(_) => Need { people: 0, rooms: 0, history: chat::History::On },
        }
    }

    fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        match self {
            Self::Fanout(job) => job.once(target),
            Self::Idle(job) => job.once(target),
            Self::Churn(job) => job.once(target),
            Self::History(job) => job.once(target),
            Self::Storm(job) => job.once(target),
            Self::Start(_) => bail!("a start has no target"),
        }
    }
}

impl Scene {
    fn report(self) -> Report {
        let (bench, settings) = match &self.job {
            Job::Fanout(job) => ("fanout", serde_json::to_value(job)),
            Job::Idle(job) => ("idle", serde_json::to_value(job)),
            Job::Churn(job) => ("churn", serde_json::to_value(job)),
            Job::History(job) => ("history", serde_json::to_value(job)),
            Job::Storm(job) => ("storm", serde_json::to_value(job)),
            Job::Start(job) => ("start", serde_json::to_value(job)),
        };
        let (url, store) = match self.who {
            Who::Server => ("server".to_owned(), self.job.need().store()),
            Who::ServerTls => ("server with TLS".to_owned(), "durable"),
            Who::Ceiling(mode) => (format!("ceiling {}", mode.join(" ")), "none"),
        };
        Report { bench, url, store, settings: settings.unwrap_or_default(), runs: self.runs }
    }
}

fn rows(reports: &[Report]) -> Vec<[String; 5]> {
    let row = |line: &Line| {
        let (median, min, max) = reports[line.scene].spread(line.figure)?;
        let other = line.against.and_then(|scene| reports[scene].spread(line.figure)).map(|(median, _, _)| median);
        Some([
            format!("{} ({})", line.what, line.unit),
            told(median),
            format!("{}..{}", told(min), told(max)),
            other.map(told).unwrap_or_default(),
            other.map(|other| format!("{:.2}", median / other)).unwrap_or_default(),
        ])
    };
    lines().iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_on_a_scene() {
        let standard = Standard { runs: 1, quick: false, ceiling: None, into: None, output: Output { json: false } };
        let scenes = standard.scenes().len();
        for line in lines() {
            assert!(line.scene < scenes && line.against.is_none_or(|scene| scene < scenes), "{}", line.what);
        }
    }
}
