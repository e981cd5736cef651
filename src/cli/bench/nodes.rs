//! `nodes`: several nodes on one Redis, against one node, and against one without Redis.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::cost::{self, Cost};
use super::fanout::Fanout;
use super::ledger::{self, Ledger};
use super::report::{Figures, Report, told};
use super::spawn::Spawned;
use super::target::{Need, Spread, Target, Where};
use super::{on_a_target, page};
use crate::chat::History;
use crate::cli::output::{self, Output, table};
use crate::cli::place::Place;
use crate::config::Config;

/// Start several nodes on one Redis, and measure what they do together
///
/// Each run of each scene has a fresh redis-server (with an append-only file, written to disk each second) and fresh
/// nodes of this very binary, each its own process, all on one core, and this generator on another. Latency is measured
/// with the publishers on the first node and the subscribers on the others, then with everybody on one node, then on
/// one node with its embedded store; messages a second with people spread over all nodes. Then Redis is asked what a
/// message and an ENTER cost it, with nodes beside that have nobody in the room: what they do by themselves is measured
/// beforehand, and taken away.
#[derive(Args)]
#[command(after_help = "\
Examples:
  make bench-nodes
  sarangbang bench nodes --quick
  sarangbang bench nodes --nodes 3 --redis /usr/local/bin/valkey-server")]
pub(super) struct Nodes {
    /// Nodes on one Redis
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=16))]
    nodes: u32,
    /// Runs of each scene
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Small numbers and a short time: to see that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// The redis-server (or valkey-server) to start
    #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
    redis: PathBuf,
    /// Write the tables between the two marker lines of this file
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

enum Job {
    Fanout(Fanout),
    Cost(Cost),
}

/// Who serves.
#[derive(Clone, Copy)]
enum Servers {
    Embedded,
    /// Nodes that people go to, and nodes that nobody goes to.
    Redis {
        nodes: usize,
        idle: usize,
        spread: Spread,
    },
}

struct Scene {
    name: &'static str,
    servers: Servers,
    job: Job,
    runs: Vec<Figures>,
}

/// A line of a table: a figure of three scenes.
struct Line {
    what: &'static str,
    figure: &'static str,
    scenes: [&'static str; 3],
}

const LATENCY: [&str; 3] = ["latency, nodes", "latency, one node", "latency, embedded"];
const RATE: [&str; 3] = ["rate, nodes", "rate, one node", "rate, embedded"];
const COST: [&str; 3] = ["cost", "cost, 1 idle node", "cost, 3 idle nodes"];

impl Nodes {
    pub(super) async fn run(&self, place: &Place) -> anyhow::Result<()> {
        let mut scenes = self.scenes();
        for round in 1..=self.runs {
            for scene in &mut scenes {
                output::note(format_args!("round {round} of {}, {}", self.runs, scene.name));
                match self.measure(scene, place).await {
                    Ok(figures) => scene.runs.push(figures),
                    Err(e) if e.to_string().contains("bottleneck") => output::note(format_args!("left out: {e}")),
                    Err(e) => return Err(e.context(scene.name)),
                }
            }
        }
        let reports: Vec<(&str, Report)> = scenes.into_iter().map(Scene::report).collect();
        let (ways, costs) = (rows(&reports, &way_lines()), rows(&reports, &cost_lines()));
        let several = format!("{} nodes, one Redis", self.nodes);
        let ways_titles = ["measure", &several, "one node with Redis", "one node, embedded store"];
        let costs_titles = [
            "Redis's work",
            &format!("{} nodes in the room", self.nodes),
            "and 1 that has nobody there",
            "and 3 that have nobody there",
        ];
        if let Some(file) = &self.into {
            let (ways, costs) = (page::markdown(ways_titles, &ways), page::markdown(costs_titles, &costs));
            let text = format!("{}\n\n{ways}\n{costs}", page::head(self.runs, self.quick));
            page::write_between(file, "nodes", &text)?;
        }
        let json: Vec<_> =
            reports.iter().map(|(scene, report)| json!({ "scene": scene, "bench": report.json() })).collect();
        self.output.show(&json, || format!("{}\n\n{}", table(ways_titles, &ways), table(costs_titles, &costs)))
    }

    fn scenes(&self) -> Vec<Scene> {
        let nodes = self.nodes as usize;
        let pick = |full: u32, quick: u32| if self.quick { quick } else { full };
        let (seconds, warmup) = if self.quick { (0.5, 0.2) } else { (5.0, 1.0) };
        let base = Fanout {
            subscribers: 0,
            rooms: 0,
            publishers: 0,
            history: History::On,
            size: 200,
            window: 1,
            rate: None,
            spin: true,
            seconds,
            warmup,
        };
        let (rooms, publishers) = (pick(10, 5), pick(10, 5));
        let latency =
            Fanout { subscribers: pick(100, 20), rooms, publishers, rate: Some(pick(200, 50)), ..base.clone() };
        let rooms = pick(100, 10);
        // Someone on each node in each room, also where there is one node: the same deliveries.
        let rate = Fanout { subscribers: rooms * self.nodes, rooms, publishers: rooms, window: pick(256, 16), ..base };
        let quiet = if self.quick { 0.5 } else { 5.0 };
        let cost = Cost { rooms: pick(20, 5), guests: 4, messages: pick(1_000, 200), size: 200, quiet };

        let many = |spread, idle| Servers::Redis { nodes, idle, spread };
        let one = Servers::Redis { nodes: 1, idle: 0, spread: Spread::Even };
        let fanout = |name, servers, job: &Fanout| (name, servers, Job::Fanout(job.clone()));
        let scenes = [
            fanout(LATENCY[0], many(Spread::Across, 0), &latency),
            fanout(LATENCY[1], one, &latency),
            fanout(LATENCY[2], Servers::Embedded, &latency),
            fanout(RATE[0], many(Spread::Even, 0), &rate),
            fanout(RATE[1], one, &rate),
            fanout(RATE[2], Servers::Embedded, &rate),
            (COST[0], many(Spread::Even, 0), Job::Cost(cost.clone())),
            (COST[1], many(Spread::Even, 1), Job::Cost(cost.clone())),
            (COST[2], many(Spread::Even, 3), Job::Cost(cost)),
        ];
        scenes.into_iter().map(|(name, servers, job)| Scene { name, servers, job, runs: Vec::new() }).collect()
    }

    async fn measure(&self, scene: &Scene, place: &Place) -> anyhow::Result<Figures> {
        match scene.servers {
            Servers::Embedded => {
                let target = Where::spawned(false).prepare(place, scene.job.need(1)).await?;
                on_a_target(target, |to| scene.job.once(to, None)).await
            }
            Servers::Redis { nodes, idle, spread } => {
                let redis = tokio::task::block_in_place(|| ledger::start(&self.redis))?;
                let mut ledger = Ledger::open(&redis.url)?;
                let mut config = Config::default();
                config.redis.url = Some(redis.url.parse().context("the Redis of the bench has no address")?);
                let started: Vec<Spawned> =
                    (0..nodes + idle).map(|_| Spawned::node(&redis)).collect::<Result<_, _>>()?;
                let target = Target::of_our_own(started, Some(redis), config, scene.job.need(nodes)).await?;
                let target = target.spread(spread, nodes);
                let outcome = tokio::task::block_in_place(|| scene.job.once(&target, Some(&mut ledger)));
                target.leave().await?;
                outcome
            }
        }
    }
}

impl Job {
    fn need(&self, nodes: usize) -> Need {
        match self {
            Self::Fanout(job) => job.need(),
            Self::Cost(job) => job.need(nodes),
        }
    }

    fn once(&self, target: &Target, ledger: Option<&mut Ledger>) -> anyhow::Result<Figures> {
        match self {
            Self::Fanout(job) => job.once(target),
            Self::Cost(job) => job.once(target, ledger.context("this costs a Redis nothing")?),
        }
    }
}

impl Scene {
    fn report(self) -> (&'static str, Report) {
        let (bench, settings) = match &self.job {
            Job::Fanout(job) => ("fanout", serde_json::to_value(job)),
            Job::Cost(job) => ("cost", serde_json::to_value(job)),
        };
        let (url, store) = match self.servers {
            Servers::Embedded => ("one node".to_owned(), "durable"),
            Servers::Redis { nodes, idle, .. } => (format!("{nodes} nodes, {idle} idle"), "Redis"),
        };
        (self.name, Report { bench, url, store, settings: settings.unwrap_or_default(), runs: self.runs })
    }
}

fn way_lines() -> Vec<Line> {
    let latency = |what, figure| Line { what, figure, scenes: LATENCY };
    let rate = |what, figure| Line { what, figure, scenes: RATE };
    vec![
        latency("latency p50 (ms)", "latency p50"),
        latency("latency p99 (ms)", "latency p99"),
        latency("the same: server CPU of a delivery (microseconds)", "server CPU of a delivery"),
        latency("the same: Redis CPU of a message (microseconds)", "Redis CPU of a message"),
        rate("messages a second", "messages"),
        rate("the same: deliveries a second", "deliveries"),
        rate("the same: server CPU of a delivery (microseconds)", "server CPU of a delivery"),
        rate("the same: Redis CPU of a message (microseconds)", "Redis CPU of a message"),
    ]
}

fn cost_lines() -> Vec<Line> {
    let of = |what: [&'static str; 4], figures: [&'static str; 4]| {
        what.into_iter().zip(figures).map(|(what, figure)| Line { what, figure, scenes: COST })
    };
    let message = ["a message: commands", "of these, scripts", "bytes in", "bytes out"];
    let enter = ["an ENTER: commands", "of these, scripts", "bytes in", "bytes out"];
    let first = ["a node's first ENTER in a room: commands", "of these, scripts", "bytes in", "bytes out"];
    let by_itself = ["all nodes a second, by themselves: commands", "of these, scripts", "bytes in", "bytes out"];
    let lines = of(message, cost::MESSAGE).chain(of(enter, cost::ENTER));
    lines.chain(of(first, cost::FIRST_ENTER)).chain(of(by_itself, cost::BY_ITSELF)).collect()
}

/// Medians, with the least and the most.
fn rows(reports: &[(&str, Report)], lines: &[Line]) -> Vec<[String; 4]> {
    let cell = |scene: &str, figure| {
        let (_, report) = reports.iter().find(|(name, _)| *name == scene)?;
        let (median, min, max) = report.spread(figure)?;
        Some(format!("{} ({}..{})", told(median), told(min), told(max)))
    };
    let cells = |line: &Line| line.scenes.map(|scene| cell(scene, line.figure).unwrap_or_default());
    lines
        .iter()
        .map(|line| {
            let [first, second, third] = cells(line);
            [line.what.to_owned(), first, second, third]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_stands_on_scenes() {
        let (redis, output) = ("redis-server".into(), Output { json: false });
        let nodes = Nodes { nodes: 2, runs: 1, quick: false, redis, into: None, output };
        let scenes: Vec<&str> = nodes.scenes().iter().map(|scene| scene.name).collect();
        for line in way_lines().iter().chain(&cost_lines()) {
            assert!(line.scenes.iter().all(|scene| scenes.contains(scene)), "{}", line.what);
        }
    }
}
