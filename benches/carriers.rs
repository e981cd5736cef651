//! Two carriers for a live message, side by side: how it comes from the append to the nodes that have somebody in the
//! room. `publish` appends and publishes in one script, and a node subscribes to a channel for each room; `read` appends
//! alone, and a node waits with XREAD BLOCK for all of its rooms' streams at once.
//!
//! It starts a redis-server of its own on a Unix socket, and ends it. Every entry has to arrive at every node once and in
//! the room's order, or there is no figure. The carriers take turns, and medians are told.
//!
//! ```text
//! cargo build --release --example carriers
//! target/release/examples/carriers 5              rounds; docs/PERFORMANCE.md holds what it printed
//! ```
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs::read_to_string;
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::thread::{park_timeout, scope};
use std::time::{Duration, Instant};

use redis::{Client, Cmd, Connection, Script, cmd, pipe};

const ROOMS: [usize; 3] = [1, 100, 1_000];
const NODES: [usize; 2] = [1, 3];
/// Bytes of an entry: 200 of text, and what stands around it.
const ENTRY_BYTES: usize = 260;
/// Entries a second where latency is measured, and how many.
const RATE: f64 = 200.0;
const PACED: usize = 300;
/// Entries at full rate, and how many of them are sent before the first is answered.
const FLOOD: usize = 12_000;
const AT_ONCE: usize = 64;
/// Changes of interest whose mean is told.
const CHANGES: usize = 200;

#[derive(Clone, Copy, PartialEq)]
enum Carrier {
    Publish,
    Read,
}

/// What one carrier did in one round, by [`TITLES`].
type Figures = [f64; 9];

/// Latency and Redis's time for an entry at the moderate rate; then at full rate; then of a change of interest.
const TITLES: &str = "p50 ms | p99 ms | Redis µs/entry at 200/s | entries/s | Redis µs/entry | bytes out/entry \
                      | bytes in/entry | change µs | Redis µs/change";

/// A redis-server that ends with this value.
struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--appendonly", "yes", "--save", "", "--unixsocket", "redis.sock", "--dir"]);
        command.arg(folder.path()).current_dir(folder.path()).stdout(Stdio::null());
        let process = command.spawn().expect("redis-server is not installed: apt install redis-server");
        let server = Self { process, folder };
        let began = Instant::now();
        while Client::open(server.url()).unwrap().get_connection().is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "redis-server does not answer");
            park_timeout(Duration::from_millis(10));
        }
        server
    }

    fn url(&self) -> String {
        format!("unix://{}/redis.sock", self.folder.path().display())
    }

    fn connect(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Seconds that its main thread has computed so far; its writing to disk is done by another.
    fn cpu(&self) -> f64 {
        let held = read_to_string(format!("/proc/{}/schedstat", self.process.id())).unwrap();
        held.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
    }
}

/// Bytes that went out of Redis, and in.
fn traffic(wire: &mut Connection) -> (f64, f64) {
    let stats: String = cmd("INFO").arg("stats").query(wire).unwrap();
    let of = |name: &str| stats.lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap();
    (of("total_net_output_bytes:"), of("total_net_input_bytes:"))
}

fn name(room: usize, what: &str) -> String {
    format!("sarangbang:{{123e4567-e89b-42d3-a456-{room:012}}}:{what}")
}

fn names(rooms: Range<usize>, what: &str) -> Vec<String> {
    rooms.map(|room| name(room, what)).collect()
}

/// All rooms, waited for at once from these offsets on.
fn xread(logs: &[String], seen: &[usize], block: bool) -> Cmd {
    let mut command = cmd("XREAD");
    if block {
        command.arg("BLOCK").arg(0);
    }
    command.arg("STREAMS").arg(logs);
    for offset in seen {
        command.arg(format!("{offset}-0"));
    }
    command
}

/// What XREAD answers: streams, each with its entries, each with one field.
type Streams = Vec<(String, Vec<(String, (String, Vec<u8>))>)>;

/// One node: hears so many entries, each in its room's order, and tells how old each was when it came.
fn listen(server: &Server, carrier: Carrier, rooms: usize, count: usize, ready: &Barrier, zero: Instant) -> Vec<f64> {
    let (mut wire, mut ages, mut seen) = (server.connect(), Vec::with_capacity(count), vec![1; rooms]);
    let take = |entry: &[u8], ages: &mut Vec<f64>, seen: &mut [usize]| {
        let mut words = std::str::from_utf8(entry).unwrap().split(' ').map(|word| word.parse::<usize>().unwrap_or(0));
        let (room, offset, nanos) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        assert_eq!(offset, seen[room] + 1, "an entry of room {room} was lost, doubled or swapped");
        seen[room] = offset;
        ages.push(zero.elapsed().as_nanos() as f64 / 1e6 - nanos as f64 / 1e6);
    };
    if carrier == Carrier::Publish {
        let mut channel = wire.as_pubsub();
        channel.subscribe(names(0..rooms, "news")).unwrap();
        ready.wait();
        while ages.len() < count {
            let message = channel.get_message().unwrap();
            take(message.get_payload_bytes(), &mut ages, &mut seen);
        }
        return ages;
    }
    let logs = names(0..rooms, "log");
    ready.wait();
    while ages.len() < count {
        let streams: Streams = xread(&logs, &seen, true).query(&mut wire).unwrap();
        for (_, (_, entry)) in streams.iter().flat_map(|(_, entries)| entries) {
            take(entry, &mut ages, &mut seen);
        }
    }
    ages
}

/// Appends entries to the rooms in turns, so many of them before an answer is waited for.
struct Mouth {
    wire: Connection,
    script: Script,
    /// Entries of each room so far; one is there before anybody listens.
    last: Vec<usize>,
    said: usize,
}

impl Mouth {
    fn new(server: &Server, carrier: Carrier, rooms: usize) -> Self {
        let append = "redis.call('XADD', KEYS[1], ARGV[1], 'r', ARGV[3])";
        let publish = if carrier == Carrier::Publish { " redis.call('PUBLISH', ARGV[2], ARGV[3])" } else { "" };
        let (mut wire, script) = (server.connect(), Script::new(&format!("{append}{publish} return ARGV[1]")));
        let () = cmd("FLUSHALL").query(&mut wire).unwrap();
        script.load(&mut wire).unwrap();
        let mut mouth = Self { wire, script, last: vec![0; rooms], said: 0 };
        (0..rooms).for_each(|_| mouth.say(1, Instant::now()));
        mouth
    }

    fn say(&mut self, count: usize, zero: Instant) {
        let mut all = pipe();
        for _ in 0..count {
            let room = self.said % self.last.len();
            self.said += 1;
            self.last[room] += 1;
            let entry = format!("{room} {} {} ", self.last[room], zero.elapsed().as_nanos());
            let entry = format!("{entry:x<ENTRY_BYTES$}");
            let call = all.cmd("EVALSHA").arg(self.script.get_hash()).arg(1).arg(name(room, "log"));
            call.arg(format!("{}-0", self.last[room])).arg(name(room, "news")).arg(entry).ignore();
        }
        let () = all.query(&mut self.wire).unwrap();
    }
}

/// Lets nodes listen while `speak` speaks: the ages of all that came, and what a clock, Redis's processor and its wires say.
fn heard(server: &Server, carrier: Carrier, (rooms, nodes): (usize, usize), paced: bool) -> (Vec<f64>, [f64; 4]) {
    let count = if paced { PACED } else { FLOOD };
    let (mut mouth, mut control, ready, zero) =
        (Mouth::new(server, carrier, rooms), server.connect(), Barrier::new(nodes + 1), Instant::now());
    scope(|scope| {
        let listen = || scope.spawn(|| listen(server, carrier, rooms, count, &ready, zero));
        let listening: Vec<_> = (0..nodes).map(|_| listen()).collect();
        ready.wait();
        // Until the last XREAD is there.
        park_timeout(Duration::from_millis(50));
        let (cpu, (out, into), began) = (server.cpu(), traffic(&mut control), Instant::now());
        if paced {
            for number in 0..count {
                let due = began + Duration::from_secs_f64(number as f64 / RATE);
                park_timeout(due.saturating_duration_since(Instant::now()));
                mouth.say(1, zero);
            }
        } else {
            (0..count / AT_ONCE).for_each(|_| mouth.say(AT_ONCE, zero));
            mouth.say(count % AT_ONCE, zero);
        }
        let ages: Vec<f64> = listening.into_iter().flat_map(|node| node.join().unwrap()).collect();
        let (wall, computed, after) = (began.elapsed().as_secs_f64(), server.cpu() - cpu, traffic(&mut control));
        (ages, [wall, computed, after.0 - out, after.1 - into].map(|all| all / count as f64))
    })
}

/// What it costs that a node which hears these rooms wants to hear one more: seconds by the clock, and of Redis.
/// To subscribe is one command. XREAD is called off (CLIENT UNBLOCK), and asked again with all rooms.
fn change(server: &Server, carrier: Carrier, rooms: usize) -> [f64; 2] {
    let (mut node, mut other) = (server.connect(), server.connect());
    let mut subscribe = |room| {
        node.send_packed_command(&cmd("SUBSCRIBE").arg(name(room, "news")).get_packed_command()).unwrap();
        let _ = node.recv_response().unwrap();
    };
    if carrier == Carrier::Publish {
        (0..rooms).for_each(&mut subscribe);
    }
    let (logs, seen) = (names(0..rooms + 1, "log"), vec![1_000_000; rooms + 1]);
    let (cpu, began) = (server.cpu(), Instant::now());
    for number in 0..CHANGES {
        if carrier == Carrier::Publish {
            subscribe(rooms + number);
        } else {
            let _: i64 = cmd("CLIENT").arg("UNBLOCK").arg(0).query(&mut other).unwrap();
            let nothing: Option<Streams> = xread(&logs, &seen, false).query(&mut other).unwrap();
            assert!(nothing.is_none());
        }
    }
    [began.elapsed().as_secs_f64(), server.cpu() - cpu].map(|all| all / CHANGES as f64)
}

fn round(server: &Server, carrier: Carrier, (rooms, nodes): (usize, usize)) -> Figures {
    let (mut ages, [_, calm, _, _]) = heard(server, carrier, (rooms, nodes), true);
    ages.sort_by(f64::total_cmp);
    let (_, [wall, computed, out, into]) = heard(server, carrier, (rooms, nodes), false);
    let [took, changed] = change(server, carrier, rooms);
    let at = |share: f64| ages[((ages.len() - 1) as f64 * share) as usize];
    [at(0.5), at(0.99), calm * 1e6, 1.0 / wall, computed * 1e6, out, into, took * 1e6, changed * 1e6]
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(3, |rounds| rounds.parse().expect("a number of rounds"));
    let places: Vec<_> = ROOMS.iter().flat_map(|rooms| NODES.map(|nodes| (*rooms, nodes))).collect();
    let scenes = places.iter().flat_map(|at| [(*at, Carrier::Publish), (*at, Carrier::Read)]);
    let mut scenes: Vec<_> = scenes.map(|scene| (scene, Vec::<Figures>::new())).collect();
    let server = Server::start();
    for _ in 0..rounds {
        for ((at, carrier), runs) in &mut scenes {
            runs.push(round(&server, *carrier, *at));
        }
    }
    println!("| rooms | nodes | carrier | {TITLES} |\n|{}", "---|".repeat(12));
    for (((rooms, nodes), carrier), runs) in scenes {
        let median = |figure: usize| {
            let mut values: Vec<f64> = runs.iter().map(|run| run[figure]).collect();
            values.sort_by(f64::total_cmp);
            let value = values[values.len() / 2];
            if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
        };
        let cells: Vec<String> = (0..9).map(median).collect();
        let carrier = if carrier == Carrier::Publish { "publish" } else { "read" };
        println!("| {rooms} | {nodes} | {carrier} | {} |", cells.join(" | "));
    }
}
