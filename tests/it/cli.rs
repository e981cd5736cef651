//! The command line from outside: what it prints, what it refuses, and its exit codes.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse";

/// A data folder and the binary on it.
struct House(TempDir);

impl House {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Runs a verb with this on standard input.
    fn fed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
            command.env_remove(name);
        }
        let mut child = command
            .current_dir(self.0.path())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A verb that refuses at once does not read; the pipe is broken then.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.fed(arguments, "")
    }

    /// What a verb prints, after it succeeded.
    fn text(&self, arguments: &[&str]) -> String {
        done(&self.run(arguments))
    }

    /// What a verb prints with --json, after it succeeded.
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    fn add(&self, name: &str, role: &str) {
        done(&self.fed(&["user", "add", name, "--role", role, "--password-stdin"], &format!("{PASSWORD}\n")));
    }
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a verb says on stderr, after it failed with this code and printed nothing.
fn refused(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    said
}

#[test]
fn accounts_are_added_listed_and_changed() {
    let house = House::new();
    house.add("boss", "admin");
    house.add("행복아빠", "user");
    let listed = house.json(&["user", "list"]);
    let accounts: Vec<_> =
        listed.as_array().unwrap().iter().map(|a| (&a["name"], &a["role"], &a["disabled"])).collect();
    let (admin, user, no) = ("admin".into(), "user".into(), Value::Bool(false));
    assert_eq!(accounts, [(&"boss".into(), &admin, &no), (&"행복아빠".into(), &user, &no)]);

    assert_eq!(house.json(&["user", "disable", "행복아빠"])["disabled"], true);
    assert_eq!(house.json(&["user", "enable", "행복아빠"])["disabled"], false);
    assert_eq!(house.json(&["user", "role", "행복아빠", "guest"])["role"], "guest");
    done(&house.fed(&["user", "passwd", "행복아빠", "--password-stdin"], "another password\n"));
    let table = house.text(&["user", "list"]);
    assert!(table.starts_with("NAME") && table.contains("guest") && !table.contains("argon2"), "{table}");
}

#[test]
fn a_refused_account_says_why() {
    let house = House::new();
    house.add("boss", "admin");
    let add = |name, password| house.fed(&["user", "add", name, "--password-stdin"], password);
    assert!(refused(&add("BOSS", "longenough\n"), 1).contains("this name is taken"));
    assert!(refused(&add("short", "1234567\n"), 1).contains("at least 8 characters"));
    assert!(refused(&add("nothing", ""), 1).contains("no password on standard input"));
    assert!(refused(&add("a b", "longenough\n"), 2).contains("username: a name is made of letters"));
    let long = "x".repeat(33);
    assert!(refused(&add(&long, "longenough\n"), 2).contains("at most 32 characters"));
    assert!(refused(&house.run(&["user", "add", "alice"]), 2).contains("--password-stdin"));
    assert!(refused(&house.run(&["user", "role", "boss", "king"]), 2).contains("admin, user, guest"));
    assert!(refused(&house.run(&["user", "disable", "nobody"]), 1).contains("no account of the name nobody"));
    assert_eq!(house.json(&["user", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_first_administrator_is_made_once() {
    let house = House::new();
    let setup = |name| house.fed(&["setup", "--name", name, "--password-stdin"], "correct horse\n");
    assert!(done(&setup("boss")).contains("boss is the administrator"));
    assert!(refused(&setup("other"), 1).contains("there is an administrator already"));
    assert_eq!(house.json(&["user", "list"])[0]["role"], "admin");
    assert!(refused(&House::new().run(&["setup"]), 2).contains("--password-stdin"));
}

#[test]
fn a_room_is_made_without_a_history_and_listed_so() {
    let house = House::new();
    let room = house.json(&["room", "create", "passing", "--history", "off"]);
    assert_eq!(room["history"], "off");
    assert_eq!(house.json(&["room", "create", "kept", "--history", "on"]).get("history"), None);
    let listed = house.text(&["room", "list"]);
    let line = |name| listed.lines().find(|line| line.ends_with(name)).unwrap();
    assert!(line("passing").contains("not kept") && !line("kept").contains("not kept"), "{listed}");
    let id = room["roomId"].as_str().unwrap();
    assert_eq!(house.json(&["room", "rename", id, "other"])["history"], "off");
    house.text(&["room", "delete", id, "--yes"]);
    assert!(refused(&house.run(&["room", "create", "x", "--history", "no"]), 2).contains("history is on or off"));
}

#[test]
fn who_disables_the_last_administrator_is_told() {
    let house = House::new();
    house.add("boss", "admin");
    let output = house.run(&["user", "disable", "boss"]);
    done(&output);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no active administrator"));
}

#[test]
fn rooms_are_created_renamed_and_deleted() {
    let house = House::new();
    let room = house.json(&["room", "create", "사랑방"]);
    let id = room["roomId"].as_str().unwrap();
    assert_eq!((&room["name"], &room["userCount"]), (&"사랑방".into(), &0.into()));
    assert_eq!(house.json(&["room", "rename", id, "tea"])["name"], "tea");
    assert_eq!(house.json(&["room", "list"])[0]["name"], "tea");
    assert!(house.text(&["room", "list"]).contains(id));
    assert!(refused(&house.run(&["room", "delete", id]), 2).contains("--yes"), "nobody could be asked");
    house.text(&["room", "delete", id, "--yes"]);
    assert_eq!(house.json(&["room", "list"]), Value::Array(Vec::new()));
    assert!(refused(&house.run(&["room", "delete", id, "--yes"]), 1).contains(id));
    assert!(refused(&house.run(&["room", "create", " "]), 2).contains("at least one character"));
}

#[test]
fn a_token_is_three_parts_and_belongs_to_an_account_that_is_active() {
    let house = House::new();
    house.add("bot", "user");
    let token = house.text(&["token", "issue", "bot"]);
    assert_eq!(token.trim_end().split('.').filter(|part| part.len() > 20).count(), 3, "{token}");
    let issued = house.json(&["token", "issue", "bot", "--minutes", "5"]);
    assert_eq!((&issued["name"], &issued["role"]), (&"bot".into(), &"user".into()));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = issued["expiresAt"].as_u64().unwrap() - u64::try_from(now.as_millis()).unwrap();
    assert!((200_000..=300_000).contains(&left), "{left}");

    assert!(refused(&house.run(&["token", "issue", "bot", "--minutes", "1441"]), 2).contains("1441"));
    assert!(refused(&house.run(&["token", "issue", "nobody"]), 1).contains("nobody"));
    house.text(&["user", "disable", "bot"]);
    assert!(refused(&house.run(&["token", "issue", "bot"]), 1).contains("bot is disabled"));
}

#[test]
fn a_new_key_signs_what_comes_after_it() {
    let house = House::new();
    house.add("bot", "user");
    let header = || house.text(&["token", "issue", "bot"]).split('.').next().unwrap().to_owned();
    let before = header();
    assert_eq!(before, header(), "the first key is made once");
    let output = house.run(&["token", "rotate-key", "--json"]);
    assert!(done(&output).contains("keyId"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("started again"));
    assert_ne!(before, header());
}

#[test]
fn a_mistyped_folder_does_not_become_an_empty_one() {
    let house = House::new();
    for verb in [&["user", "list"][..], &["room", "list"], &["token", "issue", "bot"], &["token", "rotate-key"]] {
        let said = refused(&house.run(&[verb, &["--data", "dtaa"]].concat()), 1);
        assert!(said.contains("no data in dtaa"), "{said}");
    }
    assert!(!house.0.path().join("dtaa").exists());
}

#[test]
fn check_finds_a_taken_address_and_says_how_to_go_on() {
    let house = House::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = house.run(&["check", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    let line = said.lines().find(|line| line.starts_with("error ")).unwrap();
    assert!(line.contains(&address) && line.contains("--listen"), "{said}");
}

#[test]
fn the_help_of_every_verb_shows_an_example() {
    let house = House::new();
    for verb in
        ["", "serve", "setup", "user", "user add", "user passwd", "room", "room delete", "token", "check", "doctor"]
    {
        let arguments: Vec<_> = verb.split_whitespace().chain(["--help"]).collect();
        let help = house.text(&arguments);
        assert!(help.contains("Example") && help.contains(&format!("sarangbang {verb}")), "{verb}: {help}");
    }
}

#[test]
fn what_is_mistyped_is_a_usage_error() {
    let house = House::new();
    assert!(refused(&house.run(&["usre", "list"]), 2).contains("user"));
    refused(&house.run(&[]), 2);
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    let house = House::new();
    house.add("boss", "admin");
    let mut child = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
        .current_dir(house.0.path())
        .args(["user", "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait_with_output().unwrap().status.success());
}
