//! `doctor`: the running or the coming installation, examined from all sides.

use std::path::PathBuf;
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
/// answer, the clock, the disk and its volume, the data and who may read it, the backups, the units of systemd, the
/// journal, the limits of the system. Prints one line for each finding: `ok`, `note` (works, but think about it) or
/// `error`, with the fix and an id, which docs/OPERATIONS.md explains. It changes nothing, and takes a few seconds;
/// without a network it says so instead of waiting. Run it as the user that the server runs as, or as root; what it may
/// not see, or what is not there to be seen (systemd in a container), it says.
///
/// Exit codes: 0 nothing is in the way, 1 something is wrong, 2 the configuration is wrong.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang doctor
  sarangbang doctor --domain chat.example.com    before the first start
  sarangbang doctor --config /etc/sarangbang/sarangbang.toml
  sarangbang doctor --json | jq '.findings[] | select(.level != \"ok\")'")]
pub(super) struct Doctor {
    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    output: Output,
    /// Read what the system says of itself (/proc/sys, /sys, /etc, /run, /usr/lib, /var) under this folder
    #[arg(long, value_name = "DIR", hide = true, default_value = "/")]
    root: PathBuf,
}

impl Doctor {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        let host = look::Host::new(self.root);
        Report::show(&self.plan.sources(place), &self.output, async |config| look::everything(config, &host).await)
            .await
    }
}
