//! The rules of the configuration.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use super::keys::KEYS;
use super::*;

/// What is loaded from a file of this text and these variables.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sarangbang.toml");
    fs::write(&file, text).unwrap();
    let environment = environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(&Sources { file: Some(file), environment, ..Sources::default() })
}

fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<Problem> {
    load(text, environment).unwrap_err().problems
}

fn only(mut problems: Vec<Problem>) -> Problem {
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

const EXAMPLE: &str = include_str!("../../sarangbang.example.toml");

/// The example with every key in force: a key's line is `#key = value`, a comment has a space after the `#`.
fn example_in_force() -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_as_it_stands_changes_nothing() {
    assert_eq!(load(EXAMPLE, &[]).unwrap(), load("", &[]).unwrap());
}

#[test]
fn the_example_names_every_key_with_its_default() {
    let text = example_in_force();
    let mut config = load(&text, &[]).unwrap();
    // That somebody wrote it down is all that may differ.
    assert!(std::mem::take(&mut config.operator.is_given));
    assert_eq!(config, load("", &[]).unwrap());
    let mut section = String::new();
    let mut named = BTreeSet::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            section = header.replace(']', ".");
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            named.insert(format!("{section}{key}"));
        }
    }
    assert_eq!(named, KEYS.iter().map(|key| key.name.to_owned()).collect());
}

#[test]
fn every_key_of_the_example_has_a_comment_above_it() {
    let mut explained = false;
    for line in EXAMPLE.lines() {
        match line {
            "" => explained = false,
            _ if line.starts_with("# ") => explained = true,
            _ if line.starts_with('#') => assert!(explained, "{line}"),
            _ => {}
        }
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("any.toml");
    fs::write(&file, "listen = \"127.0.0.1:1\"\ndata = \"a\"\nlocale = \"en\"\n").unwrap();
    let config = Config::load(&Sources {
        file: Some(file),
        environment: vec![
            ("SARANGBANG_LISTEN".into(), "127.0.0.1:2".into()),
            ("SARANGBANG_DATA".into(), "2024".into()),
            ("OTHER_LISTEN".into(), "x".into()),
        ],
        listen: Some("localhost:3".into()),
        domain: vec!["a.example".into(), "B.example".into()],
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(config.domain, ["a.example", "b.example"]);
    assert_eq!(config.listen.to_string(), "127.0.0.1:3");
    assert_eq!(config.data, PathBuf::from("2024"));
    assert_eq!(config.locale, Locale::En);
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_key() {
    let problem = only(problems("locale = \"en\"\n\n[auth]\ntoken_minute = 5\n", &[]));
    assert_eq!(problem.key.as_deref(), Some("auth.token_minute"));
    assert!(problem.origin.to_string().ends_with("sarangbang.toml, line 4"), "{}", problem.origin);
    assert!(problem.fix.contains("auth.token_minutes"), "{}", problem.fix);
}

#[test]
fn a_key_that_slipped_below_a_section_is_told_its_place() {
    let problem = only(problems("[auth]\nlisten = \"127.0.0.1:1\"\n", &[]));
    assert!(problem.fix.contains("above the first [section]"), "{}", problem.fix);
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let problem = only(problems("", &[("SARANGBANG_AUTH_TOKEN_MINUTES", "5")]));
    assert_eq!(problem.origin, Origin::Environment("SARANGBANG_AUTH_TOKEN_MINUTES".into()));
    assert!(problem.fix.contains("SARANGBANG_AUTH__TOKEN_MINUTES"), "{}", problem.fix);
}

#[test]
fn a_number_out_of_range_names_the_limit_and_where_it_came_from() {
    let problem = only(problems("", &[("SARANGBANG_AUTH__TOKEN_MINUTES", "1441")]));
    assert_eq!(problem.value.as_deref(), Some("1441"));
    assert!(problem.problem.contains("above 1440"), "{}", problem.problem);
    assert!(problem.fix.contains("from 1 to 1440"), "{}", problem.fix);
    for (text, expected) in [("[history]\nkeep_days = -1", "-1"), ("[history]\nkeep_days = 1.5", "1.5")] {
        assert!(only(problems(text, &[])).problem.contains(expected));
    }
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "listen = \"8080\"\nlocale = \"jp\"\nlimits = 3\nallowed_origins = [\"*\"]\ntrusted_proxies = [\"x\"]\n\
        [log]\nlevel = \"inof\"\nformat = 3\n[history]\ndurable = \"yes\"\nkeep_days = 99999\n[sockets]\nenabled = true\n";
    let found = problems(text, &[("SARANGBANG_PRESENCE__GRACE_SECONDS", "soon")]);
    let keys: BTreeSet<_> = found.iter().filter_map(|problem| problem.key.as_deref()).collect();
    let expected = [
        "allowed_origins",
        "history.durable",
        "history.keep_days",
        "limits",
        "listen",
        "locale",
        "log.format",
        "log.level",
        "presence.grace_seconds",
        "sockets",
        "trusted_proxies",
    ];
    assert_eq!(keys, BTreeSet::from(expected));
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().all(|problem| problem.origin != Origin::Default), "{found:#?}");
    let level = found.iter().find(|problem| problem.key.as_deref() == Some("log.level")).unwrap();
    assert!(level.problem.contains("did you mean info?"), "{}", level.problem);
}

#[test]
fn lists_come_from_the_environment_with_commas() {
    let config = load(
        "",
        &[
            ("SARANGBANG_ALLOWED_ORIGINS", "https://a.example, http://localhost:5173"),
            ("SARANGBANG_TRUSTED_PROXIES", "10.1.2.3/8,::1"),
        ],
    )
    .unwrap();
    assert_eq!(config.allowed_origins, ["https://a.example", "http://localhost:5173"]);
    assert_eq!(config.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn a_message_that_no_frame_could_hold_is_refused() {
    let problem = only(problems("[limits]\nmessage_chars_max = 20000\n", &[]));
    assert!(problem.problem.contains("81024 bytes"), "{}", problem.problem);
    assert!(load("[limits]\nmessage_chars_max = 20000\nframe_bytes_max = 81024\n", &[]).is_ok());
}

#[test]
fn a_transaction_that_the_store_could_never_queue_is_refused() {
    let problem = only(problems("[limits]\ntransaction_sends_max = 64\nstore_queue_max = 63\n", &[]));
    assert_eq!(problem.key.as_deref(), Some("limits.transaction_sends_max"));
    assert!(load("[limits]\ntransaction_sends_max = 64\nstore_queue_max = 64\n", &[]).is_ok());
}

#[test]
fn a_file_that_is_named_must_exist_and_be_toml() {
    let missing = Sources { file: Some("no-such-folder/x.toml".into()), ..Sources::default() };
    let problem = only(Config::load(&missing).unwrap_err().problems);
    assert!(problem.origin.to_string().contains("no-such-folder"), "{}", problem.origin);
    let problem = only(problems("listen = 127.0.0.1\n", &[]));
    assert!(problem.problem.contains("line 1"), "{}", problem.problem);
}

#[test]
fn what_is_printed_can_be_read_again() {
    let json = serde_json::to_string(&Config::default()).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), Config::default());
}

#[test]
fn the_operator_s_port_is_chosen_or_not_and_is_no_other_s() {
    assert!(!load("", &[]).unwrap().operator.is_given);
    assert_eq!(load("[operator]\nlisten = \"off\"\n", &[]).unwrap().operator.listen, None);
    let chosen = load("", &[("SARANGBANG_OPERATOR__LISTEN", "127.0.0.1:9464")]).unwrap();
    assert!(chosen.operator.is_given && chosen.operator.listen == Config::default().operator.listen);
    // The default gives way to who chose its port for something else.
    assert!(load("listen = \"127.0.0.1:9464\"\n", &[]).is_ok());
    for (text, other) in [
        ("listen = \"0.0.0.0:9464\"\n[operator]\nlisten = \"127.0.0.1:9464\"\n", "that of listen"),
        (
            "[tls]\nmode = \"self-signed\"\nredirect_listen = \"127.0.0.1:81\"\n[operator]\nlisten = \"[::]:81\"\n",
            "that of tls.redirect_listen",
        ),
    ] {
        let problem = only(problems(text, &[]));
        assert_eq!(problem.key.as_deref(), Some("operator.listen"));
        assert!(problem.problem.contains(other), "{}", problem.problem);
    }
}
