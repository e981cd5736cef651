//! `doctor`: the running or the coming installation, examined from all sides.

use std::process::ExitCode;

use clap::Args;

use super::finding::Report;
use super::look;
use super::output::Output;
use super::place::{Place, Plan};

/// Examine the running or the coming installation
///
/// Looks at everything that `check` looks at, and beyond: the running server and what it says of itself, the
/// certificate that people get, the names in DNS and whether they lead here, the certificate authority and its last
/// answer, the clock, the disk, the data and who may read it, the limits of the system. Prints one line for each
/// finding: `ok`, `note` (works, but think about it) or `error`, with the fix. It changes nothing, and takes a few
/// seconds; without a network it says so instead of waiting. Run it as the user that the server runs as, or as root.
///
/// Exit codes: 0 nothing is in the way, 1 something is wrong, 2 the configuration is wrong.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang doctor
  sarangbang doctor --domain chat.example.com    before the first start
  sarangbang doctor --config /etc/sarangbang.toml --data /var/lib/sarangbang
  sarangbang doctor --json | jq '.findings[] | select(.level != \"ok\")'")]
pub(super) struct Doctor {
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    output: Output,
}

impl Doctor {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        Report::show(&self.plan.sources(place), &self.output, async |config| look::everything(config).await).await
    }
}
