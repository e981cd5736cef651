//! The Redis of a run: a real server with an append-only file, on a Unix socket or a port of its own.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use rustix::process::Signal;

use super::process::Process;
use crate::support::PATIENCE;

/// A server that keeps what it acknowledged, whatever kills it.
pub(crate) struct RedisServer {
    folder: PathBuf,
    /// Its port of this host; `None` for a Unix socket.
    port: Option<u16>,
    flags: Vec<String>,
    process: Process,
}

impl RedisServer {
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::launch(folder, None, &[]).await
    }

    /// One of several: on a port, in a folder of its own, with these flags besides.
    pub(crate) async fn start_at(folder: &Path, port: u16, flags: &[&str]) -> Self {
        Self::launch(folder, Some(port), flags).await
    }

    async fn launch(folder: &Path, port: Option<u16>, flags: &[&str]) -> Self {
        let (folder, flags) = (folder.to_path_buf(), flags.iter().map(ToString::to_string).collect::<Vec<_>>());
        let server = Self { process: spawn(&folder, port, &flags), folder, port, flags };
        server.answers().await;
        server
    }

    /// What a command answers.
    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        command.arg(words);
        command.query_async(&mut self.connection().await?).await
    }

    /// Its port, where it has one.
    pub(crate) fn port(&self) -> u16 {
        self.port.unwrap()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with what it has kept.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.folder, self.port, &self.flags);
        self.answers().await;
    }

    pub(crate) fn stop(&self) {
        self.process.signal(Signal::STOP);
    }

    pub(crate) fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Every key that begins with `prefix`, without it, and whether it expires.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<(String, bool)> {
        let mut connection = self.connection().await.unwrap();
        let (mut found, mut cursor) = (Vec::new(), 0_u64);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(format!("{prefix}*")).arg("COUNT").arg(1_000);
            let (next, keys): (u64, Vec<String>) = scan.query_async(&mut connection).await.unwrap();
            for key in keys {
                let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
                // -2: it has gone meanwhile.
                found.push((key.strip_prefix(prefix).unwrap().to_owned(), left != -1));
            }
            cursor = next;
            if cursor == 0 {
                return found;
            }
        }
    }

    /// Waits until it has read its file and answers.
    async fn answers(&self) {
        let started = Instant::now();
        loop {
            if let Ok(mut connection) = self.connection().await
                && redis::cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "redis-server does not answer; its log: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        let client = redis::Client::open(match self.port {
            Some(port) => format!("redis://127.0.0.1:{port}"),
            None => format!("unix://{}", self.socket().display()),
        })?;
        client.get_multiplexed_async_connection().await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("redis.out")).unwrap_or_default()
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn spawn(folder: &Path, port: Option<u16>, flags: &[String]) -> Process {
    // `always`: with `everysec` an answer may leave before the bytes have left the process, where the disk is slow; what
    // that costs is a matter of Redis and not of what is tested here.
    let fsync = std::env::var("CHAOS_FSYNC").unwrap_or_else(|_| "always".to_owned());
    let place = match port {
        Some(port) => ["--port".to_owned(), port.to_string(), "--bind".to_owned(), "127.0.0.1".to_owned()],
        None => {
            let socket = socket(folder).display().to_string();
            ["--port".to_owned(), "0".to_owned(), "--unixsocket".to_owned(), socket]
        }
    };
    let folder_name = folder.display().to_string();
    let keeping = ["--dir", &folder_name, "--logfile", "redis.out", "--save", "", "--appendonly", "yes"];
    let rules = ["--appendfsync", &fsync, "--maxmemory-policy", "noeviction"];
    let arguments = place.into_iter().chain(keeping.into_iter().chain(rules).map(str::to_owned));
    Process::start("redis-server", arguments.chain(flags.iter().cloned()), &[], &folder.join("redis.err"))
}
