//! What a Redis has done, by its own count: commands and bytes, and the start of one that counts for the bench alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use redis::{Client, Cmd, Connection, RedisResult};

use super::spawn::Spawned;

/// How long a redis-server may take to answer.
const START_MAX: Duration = Duration::from_secs(10);
/// Ports that are tried: another program can take one between its choice and the start.
const TRIES: usize = 3;

/// A connection that asks Redis what it has done.
pub(super) struct Ledger {
    wire: Connection,
    /// Bytes of the last answer: they are counted in the next one.
    answered: f64,
}

/// What Redis had done by some time.
pub(super) struct Count {
    at: Instant,
    work: Work,
}

/// Work of Redis, or so much of it a second or for each of something.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// Calls by the command's name; what a script calls is counted too.
    pub(super) calls: BTreeMap<String, f64>,
    pub(super) bytes_in: f64,
    pub(super) bytes_out: f64,
}

/// Starts a redis-server, and waits until it answers.
///
/// # Errors
/// When there is none: how to install it.
pub(super) fn start(program: &Path) -> anyhow::Result<Spawned> {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.with_context(|| {
        format!(
            "{} is not there; install it (`apt install redis-server`, `dnf install redis`), or say where it is with --redis",
            program.display()
        )
    })?;
    for _ in 0..TRIES {
        let mut server = Spawned::redis(program)?;
        let began = Instant::now();
        loop {
            if Ledger::open(&server.url).is_ok() && server.ended().is_none() {
                return Ok(server);
            }
            if server.ended().is_some() {
                break;
            }
            ensure!(began.elapsed() < START_MAX, "{} does not answer", program.display());
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    bail!("{} ends as soon as it is started", program.display())
}

impl Ledger {
    pub(super) fn open(url: &str) -> RedisResult<Self> {
        let mut ledger = Self { wire: Client::open(url)?.get_connection()?, answered: 0.0 };
        ledger.read()?;
        Ok(ledger)
    }

    /// What Redis has done so far, this looking left out.
    pub(super) fn read(&mut self) -> RedisResult<Count> {
        let mut question = Cmd::new();
        question.arg("INFO").arg("stats").arg("commandstats");
        let answer: String = question.query(&mut self.wire)?;
        let mut work = told(&answer);
        // `$LENGTH`, two line ends.
        let bytes = (answer.len() + answer.len().to_string().len() + 5) as f64;
        self.answered += bytes;
        // This answer is not counted yet, its question is.
        work.bytes_out -= self.answered - bytes;
        Ok(Count { at: Instant::now(), work })
    }
}

impl Count {
    /// Work from `before` on, without what goes on by itself in that time.
    pub(super) fn since(&self, before: &Self, by_itself: &Work) -> Work {
        let seconds = self.seconds_since(before);
        self.work.less(&before.work, 1.0).less(by_itself, seconds)
    }

    pub(super) fn seconds_since(&self, before: &Self) -> f64 {
        self.at.duration_since(before.at).as_secs_f64()
    }
}

impl Work {
    /// All commands, those that scripts call included.
    pub(super) fn commands(&self) -> f64 {
        self.calls.values().sum()
    }

    /// Scripts: what changes something is one.
    pub(super) fn scripts(&self) -> f64 {
        ["eval", "evalsha"].iter().filter_map(|name| self.calls.get(*name)).sum()
    }

    /// Of each of so many.
    pub(super) fn each(mut self, count: f64) -> Self {
        self.calls.values_mut().for_each(|calls| *calls /= count);
        Self { calls: self.calls, bytes_in: self.bytes_in / count, bytes_out: self.bytes_out / count }
    }

    fn less(&self, other: &Self, times: f64) -> Self {
        let mut calls = self.calls.clone();
        for (name, count) in &other.calls {
            *calls.entry(name.clone()).or_default() -= count * times;
        }
        let bytes_in = other.bytes_in.mul_add(-times, self.bytes_in);
        let bytes_out = other.bytes_out.mul_add(-times, self.bytes_out);
        Self { calls, bytes_in, bytes_out }
    }
}

/// An answer to INFO taken apart. INFO itself is left out, with the bytes of its question.
fn told(answer: &str) -> Work {
    let mut work = Work::default();
    let mut looks = 0.0;
    for (name, value) in answer.lines().filter_map(|line| line.split_once(':')) {
        if let Some(command) = name.strip_prefix("cmdstat_") {
            let calls = value.strip_prefix("calls=").and_then(|rest| rest.split(',').next()?.parse().ok());
            match (command, calls) {
                ("info", Some(calls)) => looks = calls,
                (_, Some(calls)) => drop(work.calls.insert(command.to_owned(), calls)),
                _ => {}
            }
        }
        match name {
            "total_net_input_bytes" => work.bytes_in = value.parse().unwrap_or(0.0),
            "total_net_output_bytes" => work.bytes_out = value.parse().unwrap_or(0.0),
            _ => {}
        }
    }
    // The question that is being answered is in the bytes, though not yet among the calls.
    work.bytes_in -= (looks + 1.0) * QUESTION.len() as f64;
    work
}

/// The question as it goes over the wire.
const QUESTION: &str = "*3\r\n$4\r\nINFO\r\n$5\r\nstats\r\n$12\r\ncommandstats\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_without_the_looking_at_them() {
        let mut question = Cmd::new();
        question.arg("INFO").arg("stats").arg("commandstats");
        assert_eq!(question.get_packed_command(), QUESTION.as_bytes());
        let size = QUESTION.len();
        let answer = format!(
            "# Stats\r\ntotal_net_input_bytes:{}\r\ntotal_net_output_bytes:7\r\n# Commandstats\r\n\
             cmdstat_evalsha:calls=3,usec=1\r\ncmdstat_info:calls=2,usec=1\r\ncmdstat_client|setinfo:calls=4,usec=1\r\n",
            100 + 3 * size
        );
        let work = told(&answer);
        assert_eq!((work.commands(), work.scripts(), work.bytes_in, work.bytes_out), (7.0, 3.0, 100.0, 7.0));
    }

    #[test]
    fn what_goes_on_by_itself_is_taken_away() {
        let work = |calls: f64, bytes: f64| Work {
            calls: [("ping".to_owned(), calls)].into(),
            bytes_in: bytes,
            bytes_out: 2.0 * bytes,
        };
        assert_eq!(work(10.0, 100.0).less(&work(1.0, 10.0), 4.0).each(2.0), work(3.0, 30.0));
    }

    #[test]
    fn a_program_that_is_not_there_is_told_with_what_to_install() {
        let told = start(Path::new("/nowhere/redis-server")).err().map(|e| e.to_string()).unwrap();
        assert!(told.contains("apt install redis-server") && told.contains("--redis"), "{told}");
    }
}
