//! A signing key that is added while nodes run.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::chaos::ask::ask;
use crate::support::redis::RedisServer;
use crate::support::{Server, eventually};

#[tokio::test]
async fn tokens_of_a_key_that_the_command_line_adds_are_good_within_a_second_on_every_node_that_runs() {
    let (redis, prefix) = (RedisServer::shared(), format!("signing-keys-{}:", std::process::id()));
    let open = || Server::builder().set("auth.sign_up", "open");
    let node = || open().set("redis.url", redis.url()).set("redis.prefix", &prefix).start();
    let (one, two) = (node().await, node().await);
    let account = json!({"username": "bot", "password": "correct horse"});
    ask(one.address(), "POST /signup", None, Some(&account)).await.unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
        command.env("SARANGBANG_REDIS__URL", redis.url()).env("SARANGBANG_REDIS__PREFIX", &prefix);
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let mut old = run(&["token", "issue", "bot"]).0;
    let mut times = Vec::new();
    // A machine that has other things to do may take longer, but not each time.
    while times.len() < 4 {
        assert!(run(&["token", "rotate-key"]).1.contains("at once"));
        let began = Instant::now();
        let new = run(&["token", "issue", "bot"]).0;
        assert_ne!(old.split('.').next(), new.split('.').next(), "it is signed by another key");
        for node in [&one, &two] {
            for token in [&old, &new] {
                let (address, token) = (node.address(), token.trim());
                eventually("the token is good", || async {
                    ask(address, "GET /chat/rooms", Some(token), None).await.is_ok()
                })
                .await;
            }
        }
        times.push(began.elapsed());
        if times.last() < Some(&Duration::from_secs(1)) {
            return;
        }
        old = new;
    }
    panic!("{times:?}");
}
