//! `check`: what is wrong, said before the start instead of by it.

use std::process::ExitCode;

use clap::Args;

use super::finding::Report;
use super::look;
use super::output::Output;
use super::place::{Place, Plan};

/// Look for what is wrong, without starting anything
///
/// Reads the configuration as `serve` does, looks whether the data folder (or the Redis of `redis.url`) can be used, whether the addresses are free
/// (or a server of this data folder runs there), whether the certificate's files fit, and whether the system's limits
/// do. Prints one line for each finding: `ok`, `note` (works, but think about it) or `error` with the fix. Changes
/// nothing, and asks nobody outside this computer; `doctor` does.
///
/// Exit codes: 0 nothing is in the way, 1 the server could not start, 2 the configuration is wrong.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang check
  sarangbang check --domain chat.example.com --acme-email me@example.com
  sarangbang check --config new.toml && mv new.toml sarangbang.toml
  sarangbang check --json        the findings, and the whole configuration in force")]
pub(super) struct Check {
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    output: Output,
}

impl Check {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        Report::show(&self.plan.sources(place), &self.output, async |config| look::before_start(config).await).await
    }
}
