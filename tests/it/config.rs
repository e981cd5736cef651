//! A wrong configuration stops the start, and says what to do.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// What the binary says in a working directory of its own, with these variables.
fn run(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).envs(variables.iter().copied()).output().unwrap()
}

/// What stands on stderr, after the exit code was found to be 2.
fn refusal(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[test]
fn an_unknown_key_stops_the_start_with_key_line_and_the_nearest_key() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sarangbang.toml"), "locale = \"en\"\n\n[auth]\ntoken_minute = 5\n").unwrap();
    let said = refusal(&run(folder.path(), &["serve"], &[]));
    for expected in ["error: ", "auth.token_minute = 5", "sarangbang.toml, line 4", "did you mean auth.token_minutes?"]
    {
        assert!(said.contains(expected), "{expected} is missing in: {said}");
    }
    assert!(!folder.path().join("data").exists(), "a refused start leaves nothing behind");
}

#[test]
fn every_source_is_named_by_the_value_that_came_from_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("any.toml"), "locale = \"jp\"\n").unwrap();
    let variables = [("SARANGBANG_AUTH__TOKEN_MINUTES", "1441"), ("SARANGBANG_AUTH_SIGN_UP", "open")];
    let said = refusal(&run(folder.path(), &["serve", "--config", "any.toml", "--listen", "8080"], &variables));
    for expected in [
        "4 problems",
        "any.toml, line 1",
        "give ko or en",
        "environment variable SARANGBANG_AUTH__TOKEN_MINUTES",
        "above 1440",
        "environment variable SARANGBANG_AUTH_SIGN_UP",
        "did you mean SARANGBANG_AUTH__SIGN_UP?",
        "flag --listen",
        "127.0.0.1:8080",
    ] {
        assert!(said.contains(expected), "{expected} is missing in: {said}");
    }
}

#[test]
fn a_file_that_is_named_must_exist() {
    let folder = tempfile::tempdir().unwrap();
    let said = refusal(&run(folder.path(), &["user", "list", "--config", "nowhere.toml"], &[]));
    assert!(said.contains("nowhere.toml") && said.contains("--config"), "{said}");
}

#[test]
fn check_says_the_same_without_starting() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sarangbang.toml"), "lisen = \"127.0.0.1:1\"\n[history]\nkeep_days = -1\n").unwrap();
    let output = run(folder.path(), &["check"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().filter(|line| line.starts_with("error ")).count(), 2, "{said}");
    assert!(said.contains("did you mean listen?") && said.contains("from 0 to 36500"), "{said}");

    let output = run(folder.path(), &["check", "--json"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["ok"], report["findings"].as_array().unwrap().len()), (&Value::Bool(false), 2));
}

#[test]
fn check_prints_the_configuration_in_force() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sarangbang.toml"), "data = \"from-file\"\nlocale = \"en\"\n").unwrap();
    let variables = [("SARANGBANG_LISTEN", "127.0.0.1:0"), ("SARANGBANG_LIMITS__ROOMS_MAX", "7")];
    let output = run(folder.path(), &["check", "--json", "--data", "from-flag"], &variables);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let config = &report["config"];
    assert_eq!(
        (&config["data"], &config["locale"], &config["listen"], &config["limits"]["rooms_max"]),
        (&"from-flag".into(), &"en".into(), &"127.0.0.1:0".into(), &7.into())
    );
    assert!(!folder.path().join("from-flag").exists(), "check changes nothing");
}

#[test]
fn the_example_file_is_accepted_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("sarangbang.example.toml");
    let variables = [("SARANGBANG_LISTEN", "127.0.0.1:0")];
    let output = run(folder.path(), &["check", "--config", example.to_str().unwrap()], &variables);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}
