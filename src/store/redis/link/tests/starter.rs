//! Real servers of a test's own: Debian's redis-server on free ports of this computer, in a folder of their own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

/// How long anything may take to become so.
const SOON: Duration = Duration::from_secs(20);

/// A server, stopped when dropped.
pub(super) struct Server {
    pub(super) port: u16,
    folder: TempDir,
    flags: Vec<String>,
    process: Child,
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until it is so.
pub(super) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < SOON, "not in time: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

impl Server {
    /// One with these flags, which answers.
    pub(super) async fn start(flags: &[&str]) -> Self {
        Self::start_at(free_port(), tempfile::tempdir().unwrap(), flags).await
    }

    /// One at this port, with what is in this folder.
    pub(super) async fn start_at(port: u16, folder: TempDir, flags: &[&str]) -> Self {
        let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
        let process = spawn(port, &folder, &flags);
        let mut server = Self { port, folder, flags, process };
        server.answers().await;
        server
    }

    async fn answers(&mut self) {
        // A port of 0 is a Unix socket's, or one of TLS that the flags name.
        let at = |flag: &str| self.flags.iter().position(|held| held == flag).map(|at| self.flags[at + 1].clone());
        let (socket, tls) = (at("--unixsocket"), at("--tls-port"));
        let port = tls.map_or(self.port, |port| port.parse().unwrap());
        until("the server answers", async || match &socket {
            Some(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
            None => TcpStream::connect(("127.0.0.1", port)).is_ok(),
        })
        .await;
        assert!(self.process.try_wait().unwrap().is_none(), "the server has ended: see its flags {:?}", self.flags);
    }

    /// Killed, as by a loss of power.
    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The same again, with what it had written.
    pub(super) async fn again(&mut self) {
        self.process = spawn(self.port, &self.folder, &self.flags);
        self.answers().await;
    }

    /// What an administrator's command answers.
    pub(super) fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn spawn(port: u16, folder: &TempDir, flags: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    let port =
        if flags.iter().any(|flag| flag == "--port") { Vec::new() } else { vec!["--port".into(), port.to_string()] };
    // A sentinel's own configuration, which it writes to, comes first.
    let (first, rest) = flags.split_at(flags.iter().take_while(|flag| !flag.starts_with("--")).count());
    command.args(first).args(port).args(["--bind", "127.0.0.1", "--dir"]).arg(folder.path()).args(rest);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
