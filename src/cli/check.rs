//! `check`: what is wrong, said before the start instead of by it.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::Output;
use super::place::Place;
use super::probe;
use crate::config::{Config, ConfigError, Sources};

/// Look for what is wrong, without starting anything
///
/// Reads the configuration as `serve` does, looks whether the data folder can be used, whether the address is free
/// (or a server of this data folder runs there), and whether the system's limits fit. Prints one line for each
/// finding: `ok`, `note` (works, but think about it) or `error` with the fix. Changes nothing.
///
/// Exit codes: 0 nothing is in the way, 1 the server could not start, 2 the configuration is wrong.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang check
  sarangbang check --config new.toml && mv new.toml sarangbang.toml
  sarangbang check --json        the findings, and the whole configuration in force")]
pub(super) struct Check {
    /// Check this address instead of the configured one, as `serve --listen` would use it
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What it is about: `configuration`, `data`, `address`, `limits`.
    pub(super) about: &'static str,
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    /// It works, and yet somebody should know.
    Note,
    /// The server would not start.
    Error,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
    config: Option<Config>,
}

impl Check {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<ExitCode> {
        let sources = Sources { listen: self.listen, ..place.sources() };
        let loaded = Config::load(&sources);
        let findings = match &loaded {
            Ok(config) => {
                let mut findings = vec![read_from(&sources)];
                findings.extend(probe::everything(config).await);
                findings
            }
            Err(error) => wrong(error),
        };
        let code = match (&loaded, findings.iter().any(|finding| finding.level == Level::Error)) {
            (Err(_), _) => ExitCode::from(2),
            (Ok(_), true) => ExitCode::FAILURE,
            (Ok(_), false) => ExitCode::SUCCESS,
        };
        let report = Report { ok: code == ExitCode::SUCCESS, findings, config: loaded.ok() };
        self.output
            .show(&report, || report.findings.iter().map(Finding::in_one_line).collect::<Vec<_>>().join("\n"))?;
        Ok(code)
    }
}

impl Finding {
    pub(super) fn ok(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, about, message: message.into(), fix: None }
    }

    pub(super) fn note(about: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Note, about, message: message.into(), fix: Some(fix.into()) }
    }

    pub(super) fn error(about: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level: Level::Error, about, message: message.into(), fix: Some(fix.into()) }
    }

    fn in_one_line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Error => "error",
        };
        let fix = self.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
        format!("{level:<6} {:<14} {}{fix}", self.about, self.message)
    }
}

fn read_from(sources: &Sources) -> Finding {
    let file = match sources.file_read() {
        Some(file) => file.display().to_string(),
        None => "no file (there is no sarangbang.toml here, and none is needed)".into(),
    };
    let of_ours = |(name, _): &&(std::ffi::OsString, _)| name.to_string_lossy().starts_with("SARANGBANG_");
    let variables = sources.environment.iter().filter(of_ours).count();
    Finding::ok("configuration", format!("is fine: {file}, {variables} environment variables"))
}

fn wrong(error: &ConfigError) -> Vec<Finding> {
    let finding = |problem: &crate::config::Problem| Finding::error("configuration", problem.to_string(), &problem.fix);
    error.problems.iter().map(finding).collect()
}
