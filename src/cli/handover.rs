//! `handover`: has the running server hand over to the program that stands at its path now, and waits how that goes.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::Serialize;
use tokio::time::sleep;

use super::look::{ANSWER_WAIT, holder_of, reachable};
use super::output::Output;
use super::peek::{Peek, Speech};
use super::place::Place;
use crate::config::Config;

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(50);
/// How long a server may take until it gives something up or says that it does not: it waits 10 s for the new one.
const START_MAX: Duration = Duration::from_secs(15);
/// How long the whole may take: 120 s for a store that is brought to a newer version, and what leads there and back.
const HANDOVER_MAX: Duration = Duration::from_secs(150);

/// Upgrade in place: the program that stands at the running server's path now takes over from it
///
/// Sends SIGUSR2 to the server of this data folder (or, with redis.url, to the one that answers at operator.listen), which
/// starts the program at its own path, with the configuration as it is now, and hands its sockets and the store over to it.
/// No connection is refused and no message lost; clients are sent to the new process over `drain_seconds`. Where the new
/// process cannot serve, the old one goes on as if nothing had been.
///
/// Exit codes: 0 another process serves, 1 it does not, and the reason is said.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang handover
  sarangbang handover --config /etc/sarangbang/sarangbang.toml
  sarangbang check && sarangbang handover        look first at what would be in the way")]
pub(super) struct Handover {
    #[command(flatten)]
    output: Output,
}

/// What has come about.
#[derive(Serialize)]
struct Done {
    pid: String,
    version: Option<String>,
}

/// What a server says of itself at the operator's listener.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    pid: String,
    version: String,
    /// The number and the cause of the handover that did not come about last.
    failed: Option<(u64, String)>,
}

impl Handover {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        let config = place.config()?;
        let done = hand_over(&config).await?;
        let version = done.version.as_ref().map(|version| format!(", version {version}")).unwrap_or_default();
        self.output.show(&done, || format!("process {} serves{version}", done.pid))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn hand_over(config: &Config) -> anyhow::Result<Done> {
    let before = asked(config).await;
    let failures = before.as_ref().and_then(|told| told.failed.as_ref()).map_or(0, |(number, _)| *number);
    let pid = match holder(config) {
        Some(pid) => pid,
        None if config.redis.url.is_some() => before.map(|told| told.pid).context(
            "no server answers at operator.listen, which is how one is found that keeps nothing in a data folder",
        )?,
        None => bail!("no server runs on {}; name its folder with --data or --config", config.data.display()),
    };
    let process = pid.trim().parse().ok().and_then(Pid::from_raw);
    let process =
        process.with_context(|| format!("the server's process id is not known ({pid}); it may be starting"))?;
    kill_process(process, Signal::USR2)
        .with_context(|| format!("process {pid} cannot be sent SIGUSR2; run this as its user, or as root"))?;
    let (began, mut start_max) = (Instant::now(), START_MAX);
    loop {
        sleep(GLANCE).await;
        let told = asked(config).await;
        let (is_gone, holder) = (test_kill_process(process).is_err(), holder(config));
        match &told {
            Some(told) if told.pid != pid => {
                return Ok(Done { pid: told.pid.clone(), version: Some(told.version.clone()) });
            }
            Some(Told { failed: Some((number, cause)), .. }) if *number > failures => bail!("{cause}"),
            _ => {}
        }
        let heir = holder.filter(|holder| *holder != pid && !holder.is_empty());
        match heir {
            // It may be opening the store; once the old one has gone, it serves.
            Some(heir) if is_gone && config.operator.listen.is_none() => return Ok(Done { pid: heir, version: None }),
            Some(heir) if is_gone && began.elapsed() > START_MAX => return Ok(Done { pid: heir, version: None }),
            Some(_) => start_max = HANDOVER_MAX,
            None if is_gone && began.elapsed() > START_MAX => bail!("process {pid} has ended, and no other serves"),
            None => {}
        }
        if began.elapsed() > start_max {
            bail!("process {pid} did not hand over within {} s; its log says why", start_max.as_secs());
        }
    }
}

/// The process id of the server that holds the data folder, if one does.
fn holder(config: &Config) -> Option<String> {
    if config.redis.url.is_some() { None } else { holder_of(&config.data) }
}

/// What the server at the operator's listener says of itself, if one answers.
async fn asked(config: &Config) -> Option<Told> {
    let addresses = vec![reachable(config.operator.listen?)];
    let peek = Peek { addresses, host: "localhost".into(), speech: Speech::Plain, as_proxy: false };
    let answer = peek.get("/healthz", ANSWER_WAIT).await.ok()?;
    Told::parse(std::str::from_utf8(&answer.body).ok()?)
}

impl Told {
    fn parse(text: &str) -> Option<Self> {
        let mut told = Self::default();
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("pid", pid)) => told.pid = pid.to_owned(),
                Some(("version", version)) => told.version = version.to_owned(),
                Some(("handover", failed)) => {
                    let (number, cause) = failed.split_once(" failed: ")?;
                    told.failed = Some((number.parse().ok()?, cause.to_owned()));
                }
                _ => {}
            }
        }
        (!told.pid.is_empty()).then_some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_understood() {
        let told = Told::parse("ok\nversion 1.2.3\npid 7\nhandover 2 failed: it: said no\n").unwrap();
        assert_eq!((&*told.pid, &*told.version), ("7", "1.2.3"));
        assert_eq!(told.failed, Some((2, "it: said no".into())));
        assert_eq!(Told::parse("ok\nversion 1\npid 7\n").unwrap().failed, None);
        assert_eq!(Told::parse("<html>"), None, "somebody else answers there");
    }
}
