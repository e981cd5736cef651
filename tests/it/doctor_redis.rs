//! What `check` and `doctor` say of a Redis that will not do, and of one that loses something: a real one each time.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::redis::RedisServer;

/// One that nothing is to be said of.
const WELL: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];

/// A folder of configuration, from which the verbs are run.
struct House(tempfile::TempDir);

impl House {
    fn with(url: &str) -> Self {
        let house = Self(tempfile::tempdir().unwrap());
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "listen = \"{free}\"\noperator.listen = \"off\"\nredis.wait_seconds = 1\nlimits.connections_max = 1000\nredis.url = \"{url}\"\n"
        );
        std::fs::write(house.path().join("sarangbang.toml"), config).unwrap();
        house
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn verb(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
            command.env_remove(name);
        }
        command.current_dir(self.path());
        command
    }

    fn add_administrator(&self) {
        let mut adding = self
            .verb()
            .args(["user", "add", "boss", "--role", "admin", "--password-stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut adding.stdin.take().unwrap(), b"correct horse battery\n").unwrap();
        assert!(adding.wait().unwrap().success());
    }

    /// What a verb finds that is not well, and its exit code. A Redis that is far because the machine has other things to do
    /// is not far each time.
    fn news(&self, verb: &str) -> (Vec<Value>, i32) {
        let mut tries = 1;
        loop {
            let (news, code) = self.news_now(verb);
            if tries == 4 || news.iter().all(|finding| finding["id"] != "redis.far") {
                return (news, code);
            }
            tries += 1;
        }
    }

    fn news_now(&self, verb: &str) -> (Vec<Value>, i32) {
        let mut command = self.verb();
        command.args([verb, "--json"]);
        // The machine that tests is not what is looked at.
        if verb == "doctor" {
            command.arg("--root").arg(self.path());
        }
        let output = command.output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = report["findings"].as_array().unwrap().iter();
        (found.filter(|finding| finding["level"] != "ok").cloned().collect(), output.status.code().unwrap())
    }

    /// Both verbs find this and nothing else.
    fn finds(&self, level: &str, id: &str, message: &str, fix: &str) {
        for verb in ["check", "doctor"] {
            let (news, code) = self.news(verb);
            let [finding] = news.as_slice() else { panic!("{verb}: {news:#?}") };
            assert_eq!((&finding["level"], &finding["id"]), (&level.into(), &id.into()), "{verb}: {finding}");
            let holds = |part: &str, field: &str| finding[field].as_str().is_some_and(|text| text.contains(part));
            assert!(holds(message, "message") && holds(fix, "fix"), "{verb}: {finding}");
            assert_eq!(code, i32::from(level == "error"), "{verb}");
        }
    }
}

#[test]
fn of_a_redis_in_good_order_nothing_is_to_be_said() {
    let redis = RedisServer::start_with(WELL);
    let house = House::with(&redis.url());
    house.add_administrator();
    for verb in ["check", "doctor"] {
        let (news, code) = house.news(verb);
        assert!(news.is_empty() && code == 0, "{verb}: {news:#?}");
    }
}

#[test]
fn a_wrong_password_is_refused_and_not_shown() {
    let redis = RedisServer::start_on_port(&[WELL, &["--requirepass", "right"]].concat());
    let (at, port) = (redis.tcp_url(), redis.port());
    House::with(&format!("redis://:wrong-secret@127.0.0.1:{port}")).finds(
        "error",
        "redis.unfit",
        "does not accept this user and password",
        "redis.password_file",
    );
    House::with(&at).finds("error", "redis.unfit", "wants a password", "redis.password_file");
    let (news, _) = House::with(&format!("redis://:wrong-secret@127.0.0.1:{port}")).news("doctor");
    assert!(!news[0].to_string().contains("wrong-secret"), "{}", news[0]);
}

#[test]
fn a_redis_that_nobody_runs_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    House::with(&format!("redis://{free}")).finds(
        "error",
        "redis.unreachable",
        "cannot be reached",
        "start the Redis there",
    );
}

#[test]
fn a_redis_that_stands_still_is_not_waited_for() {
    let mut redis = RedisServer::start_on_port(WELL);
    let house = House::with(&redis.tcp_url());
    redis.stop();
    let began = std::time::Instant::now();
    house.finds("error", "redis.unreachable", "cannot be reached", "start the Redis there");
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
}

#[test]
fn a_replica_is_refused_as_it_cannot_be_written() {
    let master = RedisServer::start_on_port(WELL);
    let port = master.port().to_string();
    let replica = RedisServer::start_with(&[WELL, &["--replicaof", &format!("127.0.0.1 {port}")]].concat());
    // Until it has the master's data it answers that it loads.
    let began = std::time::Instant::now();
    while !replica.ask(&["INFO", "replication"]).contains("master_link_status:up") {
        assert!(began.elapsed().as_secs() < 30, "{}", replica.log());
    }
    House::with(&replica.url()).finds("error", "redis.unfit", "is a replica", "name the master in redis.url");
}

#[test]
fn a_policy_that_drops_rooms_is_refused_and_one_that_signs_people_out_is_told() {
    let redis = RedisServer::start_with(WELL);
    let house = House::with(&redis.url());
    house.add_administrator();
    redis.ask(&["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"]);
    house.finds("error", "redis.unfit", "drops rooms", "CONFIG SET maxmemory-policy noeviction");
    redis.ask(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    house.finds("note", "redis.evicts", "signs people out", "CONFIG SET maxmemory-policy noeviction");
}

#[test]
fn what_a_crash_of_redis_would_lose_is_told() {
    let redis = RedisServer::start_with(WELL);
    let house = House::with(&redis.url());
    house.add_administrator();
    let set = |name: &str, value: &str| assert_eq!(redis.ask(&["CONFIG", "SET", name, value]), "OK");
    set("appendfsync", "no");
    house.finds("note", "redis.forgets", "appendfsync no", "CONFIG SET appendfsync everysec");
    set("appendonly", "no");
    house.finds("note", "redis.forgets", "keeps nothing on a disk", "appendonly yes");
    set("save", "3600 1");
    house.finds("note", "redis.forgets", "snapshots alone", "appendonly yes");
}

#[test]
fn a_redis_whose_memory_is_nearly_full_is_told_before_it_is() {
    let redis = RedisServer::start_with(WELL);
    let house = House::with(&redis.url());
    house.add_administrator();
    let info = redis.ask(&["INFO", "memory"]);
    let used: u64 = info.lines().find_map(|line| line.trim().strip_prefix("used_memory:")).unwrap().parse().unwrap();
    redis.ask(&["CONFIG", "SET", "maxmemory", &(used + used / 20).to_string()]);
    house.finds("note", "redis.full", "nearly full", "CONFIG SET maxmemory");
}

#[test]
fn a_user_without_the_rights_is_refused_with_the_rights_to_give() {
    let redis = RedisServer::start_on_port(WELL);
    redis.ask(&[
        "ACL",
        "SETUSER",
        "chat",
        "on",
        ">pass",
        "~sarangbang:*",
        "&sarangbang:*",
        "+@all",
        "-evalsha",
        "-eval",
    ]);
    let house = House::with(&format!("redis://chat:pass@127.0.0.1:{}", redis.port()));
    house.finds("error", "redis.unfit", "does not let this user", "+@all -@admin -@dangerous");
}
