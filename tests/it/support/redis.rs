//! A Redis of a test's own: Debian's `redis-server` in a folder of its own.
//!
//! Its keeper is a shell that waits for words on a pipe from the test's process. The pipe ends with that process,
//! however that ends; the keeper then ends the server and removes the folder, so that nothing is left over.
//!
//! Used by the tests of the whole program and by those of the store: each uses a part of it.
#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What the keeper does: `start`, or a signal for the server by its name. A server that was killed is waited for.
const KEEPER: &str = r#"
folder=$1; shift
while read -r word; do
  case $word in
    start) "$@" >>"$folder/log" 2>&1 </dev/null & pid=$!; echo "$pid" ;;
    KILL) kill -KILL "$pid"; wait "$pid"; echo gone ;;
    *) kill -"$word" "$pid"; echo sent ;;
  esac
done
kill -KILL "$pid"; wait "$pid"; rm -rf "$folder"
"#;

/// How long a server may take until it answers.
const START_MAX: Duration = Duration::from_secs(30);

/// A running server; ended when dropped.
pub(crate) struct RedisServer {
    folder: PathBuf,
    port: u16,
    keeper: Child,
    words: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    pid: u32,
}

impl RedisServer {
    /// One at a Unix socket that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One at a Unix socket that has everything on disk before it answers.
    pub(crate) fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// One at a free loopback port, and at the Unix socket.
    pub(crate) fn start_on_port(arguments: &[&str]) -> Self {
        Self::keep(free_port(), None, arguments)
    }

    /// One at a Unix socket with further arguments, which count more than the usual ones.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::keep(0, None, arguments)
    }

    /// One that keeps nothing, whose clock [`RedisServer::set_clock`] turns.
    pub(crate) fn start_with_clock() -> Self {
        Self::keep(0, Some(clock_library()), &[])
    }

    /// One for all tests of this process, each with a prefix of its own. Nobody may stop it, or take away what others put there.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<RedisServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    fn keep(port: u16, clock: Option<&Path>, arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("sarangbang-redis-").tempdir().unwrap().keep();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "redis-keeper"]).arg(&folder);
        if let Some(library) = clock {
            let shown = folder.join("clock");
            std::fs::write(&shown, 0_i64.to_ne_bytes()).unwrap();
            let variable = |name: &str, value: &Path| format!("{name}={}", value.display());
            keeper.arg("env").arg(variable("LD_PRELOAD", library)).arg(variable("CLOCK_AHEAD", &shown));
        }
        keeper.args(["redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1", "--unixsocket"]);
        keeper.arg(folder.join("socket")).arg("--dir").arg(&folder);
        keeper.args(["--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"]).args(arguments);
        // Not in the group that a Ctrl-C on the terminal goes to: the keeper ends by the end of the pipe.
        keeper.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut keeper = keeper.spawn().unwrap();
        let (words, answers) = (keeper.stdin.take(), BufReader::new(keeper.stdout.take().unwrap()));
        let mut server = Self { folder, port, keeper, words, answers, pid: 0 };
        server.restart();
        server
    }

    /// Where it is, as `redis.url` has it: the Unix socket.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Where it is by TCP, for one that has a port.
    pub(crate) fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its loopback port; 0 where it has none.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// SIGKILL; returns once it is gone. What it had on disk stays there.
    pub(crate) fn kill(&mut self) {
        self.say("KILL");
    }

    /// Starts it again where it was, with what it has on disk; returns once it answers.
    pub(crate) fn restart(&mut self) {
        let _ = std::fs::remove_file(self.socket());
        self.pid = self.say("start").parse().unwrap();
        let began = Instant::now();
        while !self.answers() {
            let has_ended = Command::new("kill").args(["-0", &self.pid.to_string()]).stderr(Stdio::null()).status();
            let has_ended = !has_ended.unwrap().success() || began.elapsed() > START_MAX;
            // Its end can be seen before its last words are read, so the first look is not the last.
            assert!(
                !has_ended || self.answers(),
                "redis-server does not start (apt install redis-server): {}",
                self.log()
            );
            pause();
        }
    }

    /// Puts aside what it has on disk at this moment.
    pub(crate) fn remember(&self) {
        self.copy("appendonlydir", "remembered");
    }

    /// Has on disk again what was put aside; for one that was killed. What came later is lost, as after a failover.
    pub(crate) fn set_back(&self) {
        self.copy("remembered", "appendonlydir");
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.folder.join(from), self.folder.join(to));
        let _ = std::fs::remove_dir_all(&to);
        let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
        assert!(copied.success());
    }

    /// SIGSTOP: it answers nothing, and keeps its connections, until it goes on.
    pub(crate) fn stop(&mut self) {
        self.say("STOP");
    }

    /// SIGCONT.
    pub(crate) fn go_on(&mut self) {
        self.say("CONT");
    }

    /// Sets its clock so many milliseconds ahead of the machine's, or behind it; for one started with a clock.
    pub(crate) fn set_clock(&self, ahead_ms: i64) {
        // In place: the server has this file mapped.
        let file = std::fs::File::options().write(true).open(self.folder.join("clock")).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &ahead_ms.to_ne_bytes(), 0).unwrap();
    }

    /// What `redis-cli` says to a command.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let output = Command::new("redis-cli").arg("-s").arg(self.socket()).args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    fn say(&mut self, word: &str) -> String {
        let words = self.words.as_mut().unwrap();
        writeln!(words, "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Whether it takes commands: one that wants a password or a certificate first does.
    fn answers(&self) -> bool {
        let Ok(mut stream) = UnixStream::connect(self.socket()) else { return false };
        let mut answer = [0; 5];
        stream.set_read_timeout(Some(START_MAX)).unwrap();
        let asked = stream.write_all(b"PING\r\n").and_then(|()| stream.read_exact(&mut answer));
        asked.is_ok() && matches!(&answer, b"+PONG" | b"-NOAU" | b"-NOPE")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.words.take());
        let _ = self.keeper.wait();
    }
}

/// A loopback port that nobody listens on at this moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The library that turns a server's clock, built once for this process.
///
/// Not Debian's libfaketime: that one and the allocator of redis-server wait for each other at the start.
fn clock_library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/clock.c");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-clock");
        std::fs::create_dir_all(&folder).unwrap();
        let (library, made) = (folder.join("clock.so"), folder.join(format!("clock-{}.so", std::process::id())));
        let built = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&made).arg(source).status().unwrap();
        assert!(built.success(), "run tests/tools");
        // Several processes may do this at once: each puts a whole one in the place.
        std::fs::rename(&made, &library).unwrap();
        library
    })
}

/// Between two looks whether a server answers: it is waited for by a thread, as a test starts it before anything else.
#[expect(clippy::disallowed_methods, reason = "it is started and waited for outside of any runtime's work")]
fn pause() {
    std::thread::sleep(Duration::from_millis(2));
}
