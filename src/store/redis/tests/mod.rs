//! What several nodes do to one Redis at the same time.

mod accounts;
mod changes;
mod kept;
mod rooms;
mod turns;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::FromRedisValue;
use tempfile::TempDir;

use super::{Redis, Settings};
use crate::chat::{Locale, Name};
use crate::store::Mode;

/// A Redis of its own, gone with the test.
struct RedisServer {
    process: Child,
    folder: TempDir,
}

impl RedisServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new("/usr/bin/redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(folder.path().join("socket"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, folder };
        let began = Instant::now();
        while server.connect().await.is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "Redis does not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    fn url(&self) -> String {
        format!("unix://{}", self.folder.path().join("socket").display())
    }

    async fn connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let mut wire = redis::Client::open(self.url())?.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut wire).await.map(|_| wire)
    }

    /// A process that uses it; as nobody enters by it, it leaves no key of its own.
    async fn node(&self) -> Redis {
        let settings = Settings {
            url: self.url().parse().unwrap(),
            prefix: "test:".into(),
            locale: Locale::Ko,
            keep_entries: None,
            keep_days: None,
            queue_max: 1_000,
            rooms_max: 3,
            wait: Duration::from_secs(5),
            replicas_min: 0,
            lease: Duration::from_secs(10),
        };
        Redis::open(settings, Mode::Admin).await.unwrap()
    }

    /// Asks Redis itself; words are separated by spaces.
    async fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        let mut words = words.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        cmd.arg(words.collect::<Vec<_>>());
        cmd.query_async(&mut self.connect().await.unwrap()).await.unwrap()
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.ask("KEYS *").await;
        keys.sort();
        keys
    }

    /// Redis's time, in milliseconds.
    async fn now(&self) -> i64 {
        let (seconds, micros): (i64, i64) = self.ask("TIME").await;
        seconds * 1_000 + micros / 1_000
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until it is so.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}
