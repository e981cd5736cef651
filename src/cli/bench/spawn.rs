//! A server of the bench's own: this very binary in a temporary folder, on a core of its own, with limits out of the
//! way; or the ceiling beside it.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::gauge::cores_of;
use crate::auth::random_key;

/// Limits that a bench must not run into: it measures the server, not them.
const LIMITS: &[(&str, &str)] = &[
    ("MESSAGES_PER_SECOND", "100000"),
    ("MESSAGES_BURST", "100000"),
    ("SUBSCRIPTIONS_PER_SECOND", "100000"),
    ("SUBSCRIPTIONS_BURST", "100000"),
    ("CONNECTS_PER_SECOND", "100000"),
    ("CONNECTS_BURST", "100000"),
    ("REQUESTS_PER_SECOND", "100000"),
    ("REQUESTS_BURST", "100000"),
    ("ADDRESS_REQUESTS_PER_SECOND", "100000"),
    ("ADDRESS_REQUESTS_BURST", "100000"),
    ("CONNECTIONS_PER_ADDRESS_MAX", "100000"),
];

/// A process that serves; killed, and its folder removed, when dropped.
pub(super) struct Spawned {
    pub(super) url: String,
    process: Child,
    /// Kept open: who writes to a closed pipe fails.
    stdout: BufReader<ChildStdout>,
    folder: Option<PathBuf>,
}

impl Spawned {
    /// A fresh server.
    pub(super) fn server(tls: bool) -> anyhow::Result<Self> {
        let folder = temporary()?;
        let command = serve(&folder.join("data"), "127.0.0.1:0", tls)?;
        Self::start(command, Some(folder))
    }

    /// A fresh node on this Redis.
    pub(super) fn node(redis: &Self) -> anyhow::Result<Self> {
        let folder = temporary()?;
        let mut command = serve(&folder.join("data"), "127.0.0.1:0", false)?;
        command.env("SARANGBANG_REDIS__URL", &redis.url);
        Self::start(command, Some(folder))
    }

    /// A fresh redis-server on a free port, which writes its log to disk each second. It may not answer yet.
    pub(super) fn redis(program: &Path) -> anyhow::Result<Self> {
        let folder = temporary()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = alone(program);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--logfile", "redis.log"]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(&folder);
        command.current_dir(&folder);
        let mut spawned = Self::spawn(command, Some(folder))?;
        spawned.url = format!("redis://127.0.0.1:{port}");
        Ok(spawned)
    }

    /// A server on a data folder that is there, and stays. Its process begins here, and nothing is waited for.
    pub(super) fn beginning(data: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        let mut spawned = Self::spawn(serve(data, &address.to_string(), false)?, None)?;
        spawned.url = format!("ws://{address}");
        Ok(spawned)
    }

    /// The ceiling, by its path and its mode.
    pub(super) fn ceiling(program: &Path, mode: &[&str]) -> anyhow::Result<Self> {
        let mut command = alone(program);
        command.args(mode);
        Self::start(command, None)
    }

    fn start(command: Command, folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let said = format!("{command:?}");
        let mut spawned = Self::spawn(command, folder)?;
        let mut line = String::new();
        spawned.stdout.read_line(&mut line)?;
        let Some(url) = line.trim().strip_prefix("ready ") else {
            bail!("a server of the bench's own does not start: {said}");
        };
        spawned.url = url.replacen("http", "ws", 1);
        Ok(spawned)
    }

    fn spawn(mut command: Command, folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // The first start tells how to make an administrator.
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = process.stdout.take().context("the server has no stdout")?;
        Ok(Self { url: String::new(), process, stdout: BufReader::new(stdout), folder })
    }

    /// Ends the process in order, as SIGTERM does, and waits for its end.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("the server has no process id")?;
        kill_process(pid, Signal::TERM).context("cannot stop the server")?;
        let status = self.process.wait()?;
        ensure!(status.success(), "the server did not end in order: {status}");
        Ok(())
    }

    /// Whether the process has ended, and how.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.as_ref().map(|folder| folder.join("data")).unwrap_or_default()
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// A folder that nobody else has. Whoever asked for it removes it.
pub(super) fn temporary() -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("sarangbang-bench-{}", random_key()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// This binary as a server on a data folder, with limits out of the way and nothing else from around it.
fn serve(data: &Path, listen: &str, tls: bool) -> anyhow::Result<Command> {
    let mut command = alone(&std::env::current_exe()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    for (name, value) in LIMITS {
        command.env(format!("SARANGBANG_LIMITS__{name}"), value);
    }
    command.env("SARANGBANG_LOG__LEVEL", "error");
    // Another server may have the port, and this one's process can be read.
    command.env("SARANGBANG_OPERATOR__LISTEN", "off");
    command.env("SARANGBANG_TLS__MODE", if tls { "self-signed" } else { "off" });
    command.args(["serve", "--listen", listen, "--data"]).arg(data);
    // Where there is no sarangbang.toml.
    command.current_dir(data.parent().unwrap_or(data));
    Ok(command)
}

/// A command that runs on the first core while this process stays on the others, where there are two and `taskset`.
fn alone(program: &Path) -> Command {
    // Asked once: afterwards this process is on the others alone.
    static FIRST: OnceLock<Option<usize>> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let cores = cores_of(std::process::id())?;
        let (first, others) = cores.split_first().filter(|(_, others)| !others.is_empty())?;
        let others: Vec<String> = others.iter().map(ToString::to_string).collect();
        let mut taskset = Command::new("taskset");
        taskset.args(["-acp", &others.join(","), &std::process::id().to_string()]);
        let done = taskset.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then_some(*first)
    });
    let Some(first) = first else { return Command::new(program) };
    let mut command = Command::new("taskset");
    command.args(["-c", &first.to_string()]).arg(program);
    command
}
