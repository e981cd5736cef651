//! `store`: everything that is kept, moved as a whole.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::later::Later;
use super::output::{self, Output};
use super::place::{Place, Usage};
use crate::config::{Config, RedisConfig};
use crate::ops;
use crate::store::copy::{self, CopyError, Progress, Report};
use crate::store::{Mode, Store};

/// Between two lines that say how far it has come.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// Digits of a checksum that the table shows; --json has all of them.
const DIGITS: usize = 16;

/// Everything that is kept: move it into Redis, and back
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang store copy --to redis
  sarangbang store copy --to data")]
pub(super) struct StoreVerb {
    #[command(subcommand)]
    verb: Later<Verb>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// Copy everything from the data folder into Redis, or from Redis into the data folder
    ///
    /// The two are those of the configuration: `data`, and `redis.url` with the other keys about Redis. Stop every server
    /// first, and wait for `presence.lease_seconds`. The target has to be empty; the source stays as it is.
    ///
    /// Rooms with everything that was said, accounts, sign-in sessions, invitations, signing keys, certificates and message
    /// ids are copied; then both are read and compared. The exit code is 1 where they are not the same.
    ///
    /// A copy that was interrupted, or is not the same, is not served from. To begin again: into Redis, with another
    /// `redis.prefix`, or once its keys are deleted; into the data folder, with another folder (--data), or once the
    /// unfinished one is deleted.
    #[command(after_help = "\
Examples:
  sarangbang store copy --to redis --config /etc/sarangbang.toml
  SARANGBANG_REDIS__URL=redis://10.0.0.5 sarangbang store copy --to redis
  sarangbang store copy --to data --data ./data-from-redis --json")]
    Copy {
        /// Where it goes; it comes from the other one
        #[arg(long)]
        to: End,
    },
}

/// One end of a copy.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum End {
    /// The Redis of `redis.url`
    Redis,
    /// The data folder
    Data,
}

impl StoreVerb {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        let Verb::Copy { to } = self.verb.0;
        let config = place.config()?;
        let Some(url) = &config.redis.url else {
            let text = "redis.url is not set, so it is not known which Redis is meant; write it into the configuration, or \
                        set SARANGBANG_REDIS__URL";
            return Err(Usage(text.into()).into());
        };
        let (folder, url) = (format!("the data folder {}", config.data.display()), url.to_string());
        let of_folder = Config { redis: RedisConfig { url: None, ..config.redis.clone() }, ..config.clone() };
        let (from, to) = match to {
            End::Redis => {
                std::fs::read_dir(&config.data).with_context(|| format!("there is nothing in {folder} to copy"))?;
                ((folder, of_folder), (url, config))
            }
            End::Data => ((url, config), (folder, of_folder)),
        };
        let source = ops::open_store(&from.1, Mode::Admin).await?;
        let copied = copied(&source, (&from.0, &to.0), &to.1).await;
        source.close().await;
        let report = copied?;
        let names = (from.0.as_str(), to.0.as_str());
        self.output.show(&as_json(&report, names), || as_text(&report, names))?;
        if report.is_same() {
            return Ok(ExitCode::SUCCESS);
        }
        if report.unread > 0 {
            bail!("{} entries of {} cannot be read, and were not copied", report.unread, from.0);
        }
        bail!(
            "{} does not hold the same as {}; nobody can serve from it. Delete what is there, and begin again",
            to.0,
            from.0
        )
    }
}

async fn copied(source: &Store, (from, to): (&str, &str), config: &Config) -> anyhow::Result<Report> {
    let target = ops::open_store(config, Mode::Admin).await?;
    let mut told = Instant::now();
    let report = copy::copy(source, &target, |progress| {
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            tell(progress);
        }
    })
    .await;
    target.close().await;
    report.map_err(|error| {
        let where_to_go_on = match (&error, &config.redis.url) {
            (CopyError::NotEmpty(_) | CopyError::Unfinished, Some(_)) => {
                format!(
                    "; choose another `redis.prefix`, or delete the keys that begin with {} if nobody needs them any more",
                    config.redis.prefix
                )
            }
            (CopyError::NotEmpty(_) | CopyError::Unfinished, None) => {
                "; name another folder with --data, or delete this one if nobody needs it any more".to_owned()
            }
            _ => String::new(),
        };
        let which = match &error {
            CopyError::Nothing => from.to_owned(),
            CopyError::NotEmpty(_) | CopyError::Unfinished => to.to_owned(),
            CopyError::Store(_) | CopyError::Folder(_) | CopyError::Served => format!("{from} to {to}"),
        };
        anyhow::anyhow!("{which}: {error}{where_to_go_on}")
    })
}

fn tell(Progress { compares, rooms, rooms_in_all, entries }: Progress) {
    let what = if compares { "comparing" } else { "copying" };
    output::note(format_args!("{what}: {rooms} of {rooms_in_all} rooms, {entries} entries"));
}

fn as_json(report: &Report, (from, to): (&str, &str)) -> serde_json::Value {
    let kinds = report.comparisons.iter().map(|kind| {
        json!({
            "what": kind.what.to_string(),
            "count": kind.from.0,
            "sha256": kind.from.1,
            "copiedCount": kind.to.0,
            "copiedSha256": kind.to.1,
            "same": kind.is_same(),
        })
    });
    let kinds: Vec<_> = kinds.collect();
    json!({ "from": from, "to": to, "same": report.is_same(), "unreadEntries": report.unread, "kinds": kinds })
}

fn as_text(report: &Report, (from, to): (&str, &str)) -> String {
    let short = |sum: &str| sum.chars().take(DIGITS).collect::<String>();
    let rows: Vec<_> = report
        .comparisons
        .iter()
        .map(|kind| {
            let same = if kind.is_same() { "yes" } else { "NO" };
            let (from, to) = (&kind.from, &kind.to);
            [kind.what.to_string(), from.0.to_string(), to.0.to_string(), short(&from.1), short(&to.1), same.to_owned()]
        })
        .collect();
    let table = output::table(["WHAT", "COUNT", "COPIED", "SHA-256", "OF THE COPY", "SAME"], &rows);
    let end = if report.is_same() { format!("\n{to} holds everything that {from} holds") } else { String::new() };
    format!("{table}{end}")
}
