//! `bench`: how much a server does with a CPU second, and whether all of it was right.
//!
//! One file a verb; `crowd` is the client, `check` the checker, `target` where it goes, `gauge` what the server costs.
//! Invariant: a figure is printed only for a run in which every delivery was right, and in which the generator was
//! not what was measured.

mod check;
mod churn;
mod cost;
mod crowd;
mod fanout;
mod gauge;
mod history;
mod idle;
mod latency;
mod ledger;
mod link;
mod metrics;
mod nodes;
mod page;
mod people;
mod report;
mod run;
mod spawn;
mod standard;
mod start;
mod storm;
mod target;
mod wire;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;

use self::report::{Figures, Report};
use self::target::{Need, Target, Where};
use super::later::Later;
use super::output::Output;
use super::place::Place;

/// Measure a server, and check everything that it delivers
///
/// Without --url it goes to ws://127.0.0.1:8080; on the server's own host it makes accounts (bench-0, bench-1, ...,
/// with no password) and rooms in the data folder, and deletes the rooms afterwards. For a server elsewhere, give
/// tokens and a room where nobody else speaks: --token-file, --room. With --spawn it starts a fresh server of its own.
/// The limits of a server count for a bench as for anybody: raise `limits.*` for it, or the refusal ends the run.
///
/// No figure is printed (exit code 1, and why) when a delivery was lost, doubled, swapped or changed, when a
/// connection was closed, or when the generator was the bottleneck: when it used 95 % of the one core that it works
/// on (its waiting for the next due message left out) while the server used less than 90 % of the cores that it may
/// use. The server's CPU time and memory are read from /proc on its own host, else from its metrics: --metrics.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang bench fanout --spawn                      a server of its own: 1,000 subscribers, 200 bytes
  sarangbang bench idle --data /var/lib/sarangbang     the server that runs on this folder
  sarangbang bench fanout --url wss://chat.example.com --token-file tokens --room ID \\
      --metrics http://127.0.0.1:9464/metrics          a server elsewhere, its metrics by `ssh -L 9464:127.0.0.1:9464`")]
pub(super) struct Bench {
    #[command(subcommand)]
    verb: Later<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    Fanout(Runs<fanout::Fanout>),
    Idle(Runs<idle::Idle>),
    Churn(Runs<churn::Churn>),
    History(Runs<history::History>),
    Storm(Runs<storm::Storm>),
    Start(start::Starts),
    Nodes(nodes::Nodes),
    Standard(standard::Standard),
}

// What every bench takes beside its own flags. (A doc comment would become the help of each of them.)
#[derive(Args)]
struct Runs<B: Args> {
    #[command(flatten)]
    bench: B,
    /// Runs; the median of each figure is told, with the least and the most
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    #[command(flatten)]
    to: Where,
    #[command(flatten)]
    output: Output,
}

impl Bench {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        match self.verb.0 {
            Verb::Fanout(runs) => runs.all("fanout", place, runs.bench.need(), |to| runs.bench.once(to)).await,
            Verb::Idle(runs) => runs.all("idle", place, runs.bench.need(), |to| runs.bench.once(to)).await,
            Verb::Churn(runs) => runs.all("churn", place, runs.bench.need(), |to| runs.bench.once(to)).await,
            Verb::History(runs) => runs.all("history", place, history::History::need(), |to| runs.bench.once(to)).await,
            Verb::Storm(runs) => runs.all("storm", place, runs.bench.need(), |to| runs.bench.once(to)).await,
            Verb::Start(verb) => verb.run().await,
            Verb::Nodes(verb) => verb.run(place).await,
            Verb::Standard(verb) => verb.run(place).await,
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl<B: Args + Serialize> Runs<B> {
    async fn all(
        &self,
        bench: &'static str,
        place: &Place,
        need: Need,
        once: impl Fn(&Target) -> anyhow::Result<Figures>,
    ) -> anyhow::Result<()> {
        let settings = serde_json::to_value(&self.bench)?;
        let mut report = Report { bench, url: String::new(), store: need.store(), settings, runs: Vec::new() };
        for number in 1..=self.runs {
            let target = self.to.prepare(place, need).await?;
            report.url.clone_from(&target.url);
            let outcome = on_a_target(target, &once).await;
            report.runs.push(outcome.with_context(|| format!("run {number} of {}", self.runs))?);
        }
        report.show(&self.output)
    }
}

/// One run, and the target left as it was found.
async fn on_a_target(target: Target, once: impl Fn(&Target) -> anyhow::Result<Figures>) -> anyhow::Result<Figures> {
    let outcome = tokio::task::block_in_place(|| once(&target));
    let left = target.leave().await;
    let figures = outcome?;
    left?;
    Ok(figures)
}
