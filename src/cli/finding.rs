//! What was found by looking: one line each, with its fix, for people and for scripts.

use std::fmt::Display;
use std::process::ExitCode;

use serde::Serialize;

use super::output::Output;
use crate::config::{Config, ConfigError, Sources};

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What stays the same whatever the message says: `certificate.expired`. What is well has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'static str>,
    /// What it is about: `configuration`, `data`, `address`, ...
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
    /// It does not work, or the server would not start.
    Error,
}

/// Everything that was found.
#[derive(Serialize)]
pub(super) struct Report {
    ok: bool,
    findings: Vec<Finding>,
    config: Option<Config>,
}

impl Finding {
    pub(super) fn ok(about: &'static str, message: impl Into<String>) -> Self {
        Self { level: Level::Ok, id: None, about, message: message.into(), fix: None }
    }

    /// With an id of what it is about, a dot, and what is the matter; docs/OPERATIONS.md explains each.
    pub(super) fn note(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::news(Level::Note, id, message.into(), Some(fix.into()))
    }

    pub(super) fn error(id: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::news(Level::Error, id, message.into(), Some(fix.into()))
    }

    fn news(level: Level, id: &'static str, message: String, fix: Option<String>) -> Self {
        let about = id.split_once('.').map_or(id, |(about, _)| about);
        Self { level, id: Some(id), about, message, fix }
    }

    /// What another part of the program refuses: its texts end with the fix, after the last semicolon.
    pub(super) fn refusal(id: &'static str, refusal: impl Display) -> Self {
        let text = refusal.to_string();
        match text.rsplit_once("; ") {
            Some((message, fix)) => Self::error(id, message, fix),
            None => Self::news(Level::Error, id, text, None),
        }
    }

    /// Whether there is something to do, or to think about.
    pub(super) fn is_news(&self) -> bool {
        self.level != Level::Ok
    }

    fn in_one_line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Error => "error",
        };
        let fix = self.fix.as_ref().map(|fix| format!("; {fix}")).unwrap_or_default();
        let id = self.id.map(|id| format!(" [{id}]")).unwrap_or_default();
        format!("{level:<6} {:<14} {}{fix}{id}", self.about, self.message)
    }
}

impl Report {
    /// Reads the configuration, looks at what it describes, and prints what was found.
    ///
    /// Exit codes: 0 nothing is in the way, 1 something is wrong, 2 the configuration is.
    pub(super) async fn show(
        sources: &Sources,
        output: &Output,
        look: impl AsyncFnOnce(&Config) -> Vec<Finding>,
    ) -> anyhow::Result<ExitCode> {
        let (findings, config) = match Config::load(sources) {
            Ok(config) => {
                let mut findings = vec![read_from(sources)];
                findings.extend(look(&config).await);
                (findings, Some(config))
            }
            Err(error) => (wrong(&error), None),
        };
        let code = match (&config, findings.iter().any(|finding| finding.level == Level::Error)) {
            (None, _) => ExitCode::from(2),
            (Some(_), true) => ExitCode::FAILURE,
            (Some(_), false) => ExitCode::SUCCESS,
        };
        let report = Self { ok: code == ExitCode::SUCCESS, findings, config };
        output.show(&report, || report.findings.iter().map(Finding::in_one_line).collect::<Vec<_>>().join("\n"))?;
        Ok(code)
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
    let finding =
        |problem: &crate::config::Problem| Finding::error("configuration.wrong", problem.to_string(), &problem.fix);
    error.problems.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_parted_from_its_fix() {
        let line = Finding::refusal("data.refused", "a; b; do c").in_one_line();
        assert_eq!(line, "error  data           a; b; do c [data.refused]");
        assert_eq!(Finding::refusal("data.refused", "a; b; do c").fix.as_deref(), Some("do c"));
    }
}
