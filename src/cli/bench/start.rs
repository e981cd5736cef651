//! `start`: how long people wait for a server that begins.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use futures_util::future::try_join_all;
use rustix::fs::{Advice, fadvise};
use serde::Serialize;
use serde_json::Value;

use super::report::{Figures, Report};
use super::run::Run;
use super::spawn::{Spawned, temporary};
use super::target::Target;
use super::wire;
use crate::auth::Tokens;
use crate::chat::{Draft, Name, Role, RoomId};
use crate::cli::output::{self, Output};
use crate::config::Config;
use crate::ops;
use crate::store::Mode;
use crate::store::{NewAccount, Secret, Store, settled};

/// Start a server on a store that holds much, and wait for its first answer
///
/// Makes a data folder of --rooms and --entries, which takes some seconds, and starts this very binary on it again and
/// again. Measured is the time from the start of the process to the last byte of its first answer: the list of all
/// rooms, asked for with a token, so that the store is open and somebody is signed in. Three starts a run: the store in
/// the file cache; the store's file out of it; and after kill -9 while people were talking, so that the store's log has
/// to be recovered and everybody's presence ended.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang bench start --runs 5
  sarangbang bench start --rooms 10 --entries 1000")]
pub(super) struct Starts {
    #[command(flatten)]
    bench: Start,
    /// Runs; the median of each figure is told, with the least and the most
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,
    #[command(flatten)]
    output: Output,
}

/// What is in the store.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Start {
    /// Rooms in the store
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) rooms: u32,
    /// Entries in the store, the same number in each room
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(super) entries: u32,
    /// Bytes of an entry's text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(60..=60_000))]
    pub(super) size: u32,
}

/// Entries that are appended in one go, and goes that are under way.
const ENTRIES_AT_ONCE: usize = 1_000;
const UNDER_WAY: usize = 8;
/// Until a server has to answer.
const START_MAX: Duration = Duration::from_secs(30);
/// Who talks before the kill, to how many, and how much.
const ROOMS_TALKED_IN: usize = 10;
const LISTENERS: usize = 100;
const MESSAGES: usize = 2_000;

/// A data folder with everything in it, removed when dropped.
pub(super) struct House {
    folder: PathBuf,
    token: Rc<str>,
    rooms: Vec<String>,
}

impl Starts {
    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let house = self.bench.furnish().await?;
        let settings = serde_json::to_value(&self.bench)?;
        let url = "a server of its own".to_owned();
        let mut report = Report { bench: "start", url, store: "durable", settings, runs: Vec::new() };
        for number in 1..=self.runs {
            let outcome = tokio::task::block_in_place(|| self.bench.once(&house));
            report.runs.push(outcome.with_context(|| format!("run {number} of {}", self.runs))?);
        }
        let Start { rooms, entries, .. } = self.bench;
        self.output.show(&report.json(), || {
            format!("start with {rooms} rooms and {entries} entries, {}\n{}", report.times(), report.table())
        })
    }
}

impl Start {
    /// Makes the data folder.
    pub(super) async fn furnish(&self) -> anyhow::Result<House> {
        let mut house = House { folder: temporary()?, token: "".into(), rooms: Vec::new() };
        let mut config = Config { data: house.data(), ..Config::default() };
        (config.history.durable, config.history.keep_entries) = (false, 0);
        config.limits.rooms_max = u64::MAX >> 1;
        config.limits.store_queue_max = 2 * UNDER_WAY * ENTRIES_AT_ONCE;
        let store = ops::open_store(&config, Mode::Serve).await?;
        let filled = self.fill(&store, &mut house).await;
        store.close().await;
        filled?;
        Ok(house)
    }

    async fn fill(&self, store: &Store, house: &mut House) -> anyhow::Result<()> {
        let name: Name = "bench-0".parse()?;
        let password_hash = Secret::new(&b"$argon2id$none"[..]);
        // An administrator, as every server has one that has been started before.
        let account = NewAccount { name: name.clone(), role: Role::Admin, password_hash, invitation: None };
        let epoch = store.add_account(account).await?.token_epoch;
        let keys = ops::signing_keys(store).await?;
        let tokens = Tokens::new(keys.iter().map(|key| (&*key.id, key.secret.expose())), 24 * 60);
        house.token = tokens.issue(&name, Role::Admin, epoch)?.token.into();
        let made: Vec<u32> = (0..self.rooms).collect();
        for numbers in made.chunks(256) {
            let room = async |number: &u32| anyhow::Ok(store.create_room(format!("room {number}").parse()?).await?.id);
            let ids: Vec<RoomId> = try_join_all(numbers.iter().map(room)).await?;
            house.rooms.extend(ids.iter().map(ToString::to_string));
        }
        self.talk(store, &name, &house.rooms).await
    }

    /// Says as much as was asked for, as fast as the store takes it.
    async fn talk(&self, store: &Store, name: &Name, rooms: &[String]) -> anyhow::Result<()> {
        let text = "x".repeat(self.size as usize);
        let mut left = self.entries as usize;
        let each = left.div_ceil(rooms.len());
        let (mut under_way, mut told) = (Vec::new(), Instant::now());
        for room in rooms {
            let room: RoomId = room.parse()?;
            let mut here = each.min(left);
            left -= here;
            while here > 0 {
                let some = here.min(ENTRIES_AT_ONCE);
                here -= some;
                let draft = Draft { room, sender: name.clone(), text: text.as_str().into(), id: None };
                under_way.push(settled(store.append_all(vec![draft; some])));
                if under_way.len() >= UNDER_WAY {
                    try_join_all(under_way.drain(..)).await?;
                }
            }
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                output::note(format_args!("{left} of {} entries are still to be made", self.entries));
            }
        }
        try_join_all(under_way).await?;
        Ok(())
    }

    /// One run: three starts.
    pub(super) fn once(&self, house: &House) -> anyhow::Result<Figures> {
        let mut figures = Figures::default();
        let (server, first) = house.start()?;
        server.stop()?;
        figures.push("first answer", "ms", first);
        let has_forgotten = house.forget();
        let (server, first) = house.start()?;
        figures.push_known("first answer, file not cached", "ms", has_forgotten.then_some(first));
        let log = house.talk_and_kill(server, self.size as usize)?;
        let (server, first) = house.start()?;
        server.stop()?;
        figures.push("first answer after kill -9", "ms", first);
        figures.push("log recovered then", "KiB", log / 1024.0);
        figures.push("store", "MiB", file_bytes(&house.database()) / 1024.0 / 1024.0);
        Ok(figures)
    }
}

impl House {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn database(&self) -> PathBuf {
        self.data().join("sarangbang.db")
    }

    /// Starts a server and waits for its first answer; milliseconds.
    fn start(&self) -> anyhow::Result<(Spawned, f64)> {
        // Free a moment ago, and nobody else on this host asks for it by its number.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let request = format!(
            "GET /chat/rooms HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            self.token
        );
        let mut answer = Vec::new();
        let began = Instant::now();
        let mut server = Spawned::beginning(&self.data(), address)?;
        let mut stream = connect(address, &mut server, began)?;
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut answer)?;
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        self.check(&answer)?;
        Ok((server, took))
    }

    /// An answer that is not the list of all rooms is no answer.
    fn check(&self, answer: &[u8]) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        ensure!(head.starts_with("HTTP/1.1 200"), "the first answer is a refusal: {head}");
        let listed: Vec<Value> = serde_json::from_str(body).context("the first answer is no list")?;
        ensure!(listed.len() == self.rooms.len(), "{} of {} rooms are listed", listed.len(), self.rooms.len());
        Ok(())
    }

    /// Asks the system to drop what it has of the file in memory. False where it does not do such a thing.
    fn forget(&self) -> bool {
        File::open(self.database())
            .is_ok_and(|file| file.sync_all().is_ok() && fadvise(&file, 0, None, Advice::DontNeed).is_ok())
    }

    /// Lets people talk, and kills the server among them. Answers the bytes of the log that is left to be recovered.
    fn talk_and_kill(&self, server: Spawned, size: usize) -> anyhow::Result<f64> {
        let rooms: Vec<String> = self.rooms.iter().take(ROOMS_TALKED_IN).cloned().collect();
        let target = Target::furnished(server, vec![Rc::clone(&self.token)], rooms)?;
        let count = target.rooms.len();
        let mut run = Run::new(&target, MESSAGES)?;
        for who in 0..LISTENERS {
            run.book.checker.seat(who, who % count);
            run.crowd.open(who, target.plan(who, Some(who % count)));
        }
        run.crowd.open(LISTENERS, target.plan(LISTENERS, None));
        run.until_ready(LISTENERS + 1)?;
        for message in 0..MESSAGES {
            let room = message % count;
            let text = run.book.checker.say(room, size, Instant::now());
            run.crowd.say(LISTENERS, &wire::send(&self.token, &target.rooms[room], text), &mut run.book);
            run.turn(Duration::ZERO)?;
        }
        // Dropped is killed, with nobody told: what is said now is on its way.
        drop(target);
        Ok(file_bytes(&self.data().join("sarangbang.db-wal")))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn file_bytes(file: &Path) -> f64 {
    std::fs::metadata(file).map_or(0.0, |file| file.len() as f64)
}

/// Knocks until somebody opens.
fn connect(address: SocketAddr, server: &mut Spawned, began: Instant) -> anyhow::Result<TcpStream> {
    loop {
        if let Ok(stream) = TcpStream::connect(address) {
            stream.set_read_timeout(Some(START_MAX))?;
            return Ok(stream);
        }
        if let Some(status) = server.ended() {
            bail!("the server does not start: {status}");
        }
        ensure!(began.elapsed() < START_MAX, "the server has not answered after {START_MAX:?}");
    }
}
