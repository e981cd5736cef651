//! `sarangbang store copy` by the real binary: what it prints, what it refuses, and that a server goes on from the copy.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::support::redis::RedisServer;

/// A folder to work in, and the Redis of its configuration.
struct House(TempDir, RedisServer);

impl House {
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
            command.env_remove(name);
        }
        let is_copy = arguments.first() == Some(&"store");
        let url = [("SARANGBANG_REDIS__URL", self.1.url())];
        command.envs(url.into_iter().filter(|_| is_copy)).current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refused(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

#[test]
fn a_house_moves_into_redis_and_back_by_one_command_each() {
    let house = House(tempfile::tempdir().unwrap(), RedisServer::start());
    assert!(house.refused(&["store", "copy", "--to", "redis"], 1).contains("there is nothing in the data folder"));
    house.done(&["room", "create", "사랑방"]);
    house.done(&["room", "create", "공지", "--history", "off"]);
    let text = house.done(&["store", "copy", "--to", "redis"]);
    assert!(text.contains("rooms             2      2") && text.contains("holds everything that"), "{text}");
    assert!(!text.contains("NO"), "{text}");
    let refusal = house.refused(&["store", "copy", "--to", "redis"], 1);
    assert!(refusal.contains("not empty: it holds 2 rooms") && refusal.contains("redis.prefix"), "{refusal}");

    let back = house.done(&["store", "copy", "--to", "data", "--data", "back", "--json"]);
    let back: Value = serde_json::from_str(&back).unwrap();
    assert_eq!(back["same"], true);
    assert_eq!((&back["kinds"][0]["what"], &back["kinds"][0]["copiedCount"]), (&"rooms".into(), &2.into()));
    assert_eq!(back["kinds"][0]["sha256"].as_str().unwrap().len(), 64);
    let ids = |data| {
        let rooms: Value = serde_json::from_str(&house.done(&["room", "list", "--json", "--data", data])).unwrap();
        let mut ids: Vec<String> =
            rooms.as_array().unwrap().iter().map(|room| format!("{} {}", room["roomId"], room["name"])).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids("back"), ids("data"));
    let refusal = house.refused(&["store", "copy", "--to", "data", "--data", "back"], 1);
    assert!(refusal.contains("--data"), "{refusal}");
}

#[test]
fn without_a_redis_it_says_which_key_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
    let output = command
        .env_remove("SARANGBANG_REDIS__URL")
        .current_dir(folder.path())
        .args(["store", "copy", "--to", "data"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("redis.url is not set"));
}

#[test]
fn nobody_serves_from_a_copy_that_has_not_come_to_its_end() {
    let house = House(tempfile::tempdir().unwrap(), RedisServer::start());
    house.done(&["room", "create", "사랑방"]);
    // As one leaves it that was killed.
    house.1.ask(&["SET", "sarangbang:{all}:kept:copy-unfinished", "1"]);
    let refusal = house.refused(&["store", "copy", "--to", "redis"], 1);
    assert!(refusal.contains("has not come to its end") && refusal.contains("redis.prefix"), "{refusal}");
    let output = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
        .env("SARANGBANG_REDIS__URL", house.1.url())
        .env("SARANGBANG_OPERATOR__LISTEN", "off")
        .current_dir(house.0.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("store copy") && output.stdout.is_empty(), "{said}");
}
