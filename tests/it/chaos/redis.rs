//! The Redis of a run: a real server with an append-only file, on a Unix socket of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use rustix::process::Signal;

use super::process::Process;
use crate::support::PATIENCE;

/// A server that keeps what it acknowledged, whatever kills it.
pub(crate) struct RedisServer {
    folder: PathBuf,
    process: Process,
}

impl RedisServer {
    pub(crate) async fn start(folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        let server = Self { process: spawn(&folder), folder };
        server.answers().await;
        server
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again with what it has kept.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(&self.folder);
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
        let client = redis::Client::open(format!("unix://{}", self.socket().display()))?;
        client.get_multiplexed_async_connection().await
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("redis.out")).unwrap_or_default()
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn spawn(folder: &Path) -> Process {
    // `always`: with `everysec` an answer may leave before the bytes have left the process, where the disk is slow; what
    // that costs is a matter of Redis and not of what is tested here.
    let fsync = std::env::var("CHAOS_FSYNC").unwrap_or_else(|_| "always".to_owned());
    let arguments: [&OsStr; 16] = [
        "--port".as_ref(),
        "0".as_ref(),
        "--unixsocket".as_ref(),
        &socket(folder).into_os_string(),
        "--dir".as_ref(),
        folder.as_os_str(),
        "--logfile".as_ref(),
        "redis.out".as_ref(),
        "--save".as_ref(),
        "".as_ref(),
        "--appendonly".as_ref(),
        "yes".as_ref(),
        "--appendfsync".as_ref(),
        fsync.as_ref(),
        "--maxmemory-policy".as_ref(),
        "noeviction".as_ref(),
    ];
    Process::start("redis-server", arguments, &[], &folder.join("redis.err"))
}
