//! Why a configuration was refused: every problem that was found, each with its key, its origin and its fix.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Everything that is wrong with the configuration, at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key, with its sections: `auth.token_minutes`. `None` when a whole file cannot be read.
    pub key: Option<String>,
    /// The value that was found, as TOML would write it.
    pub value: Option<String>,
    /// Where the value came from.
    pub origin: Origin,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file, where the line could be told.
    File(PathBuf, Option<usize>),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.len() {
            1 => f.write_str("the configuration has a problem")?,
            count => write!(f, "the configuration has {count} problems")?,
        }
        for problem in &self.problems {
            let row = |f: &mut fmt::Formatter<'_>, title: &str, text: &str| {
                write!(f, "\n  {title:<9}{}", text.replace('\n', "\n           "))
            };
            f.write_str("\n")?;
            if let Some(key) = &problem.key {
                let value = problem.value.as_deref().map(|value| format!(" = {value}")).unwrap_or_default();
                row(f, "key", &format!("{key}{value}"))?;
            }
            row(f, "from", &problem.origin.to_string())?;
            row(f, "problem", &problem.problem)?;
            row(f, "fix", &problem.fix)?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    /// One line, for a list of findings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(self.problem.lines().next().unwrap_or_default())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path, None) => write!(f, "{}", path.display()),
            Self::File(path, Some(line)) => write!(f, "{}, line {line}", path.display()),
            Self::Environment(variable) => write!(f, "environment variable {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_key_origin_problem_and_fix() {
        let problem = Problem {
            key: Some("auth.token_minute".into()),
            value: Some("5".into()),
            origin: Origin::File("sarangbang.toml".into(), Some(4)),
            problem: "there is no such key".into(),
            fix: "did you mean auth.token_minutes?".into(),
        };
        assert_eq!(problem.to_string(), "sarangbang.toml, line 4: auth.token_minute: there is no such key");
        assert_eq!(
            ConfigError { problems: vec![problem] }.to_string(),
            "the configuration has a problem\n\
             \n  key      auth.token_minute = 5\
             \n  from     sarangbang.toml, line 4\
             \n  problem  there is no such key\
             \n  fix      did you mean auth.token_minutes?"
        );
    }
}
