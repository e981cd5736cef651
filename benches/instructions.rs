//! How many instructions the server's work takes: what changes here has changed in the program, on whatever machine and
//! however busy it is. `make bench-instructions`
//!
//! Each piece of work is done n times and 2 n times under callgrind, in processes of their own; the difference by n is
//! the figure, so that setting up drops out. What it was before stands in benches/instructions.json.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod work;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use work::{Crowd, Flavours, Writer};

/// The server's own allocator, which comes with the source: the C library's differs between machines.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How much more counts as more: what figures differ by from run to run is below it. See docs/PERFORMANCE.md.
const TOLERANCE: f64 = 0.03;

type Counts = BTreeMap<String, f64>;

fn main() -> ExitCode {
    // Cargo says --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", name, times] => {
            work(name, times.parse().expect("a number of times"));
            ExitCode::SUCCESS
        }
        [] => compare(&measured()),
        ["--accept"] => accept(&measured()),
        _ => panic!("usage: instructions [--accept]"),
    }
}

/// Does a piece of work so many times.
fn work(name: &str, times: usize) {
    let round = |members, flavours| {
        let mut crowd = Crowd::new(members, flavours);
        (0..times).for_each(|_| crowd.round());
    };
    match name {
        "decode" => {
            let octets = work::send();
            (0..times).for_each(|_| drop(black_box(work::decode(&octets))));
        }
        "encode" => {
            let body = work::decode(&work::send()).body;
            (0..times).for_each(|_| drop(black_box(work::encode(&body))));
        }
        "web-socket" => {
            let mut next = work::web_socket(&work::send());
            (0..times).for_each(|_| drop(black_box(next())));
        }
        "round-1" => round(1, Flavours::Some(1)),
        "round-1000" => round(1_000, Flavours::Some(1)),
        "round-2000" => round(2_000, Flavours::Some(1)),
        "round-1000-each" => round(1_000, Flavours::Each),
        "round-2000-each" => round(2_000, Flavours::Each),
        "append" => {
            let mut writer = Writer::new();
            (0..times).for_each(|_| writer.say(1));
        }
        _ => panic!("nobody knows the work {name}"),
    }
}

fn measured() -> Counts {
    // So many times that what threads and timers do by the way is less than a hundredth of it.
    let delivery = |one: &str, two: &str, times| (each(two, times) - each(one, times)) / 1_000.0;
    [
        ("decode one SEND", each("decode", 1_000)),
        ("encode one MESSAGE", each("encode", 1_000)),
        ("read one WebSocket text frame", each("web-socket", 1_000)),
        ("an entry from the tail to a room of one", each("round-1", 2_000)),
        ("one delivery", delivery("round-1000", "round-2000", 150)),
        ("one delivery, encoded for one alone", delivery("round-1000-each", "round-2000-each", 30)),
        ("one message appended by the writer", each("append", 2_000)),
    ]
    .map(|(name, count)| (name.to_owned(), (count * 10.0).round() / 10.0))
    .into()
}

/// Instructions of one time.
fn each(name: &str, times: usize) -> f64 {
    (collected(name, 2 * times) - collected(name, times)) / times as f64
}

/// Instructions of a process that does it so many times.
fn collected(name: &str, times: usize) -> f64 {
    let this = std::env::current_exe().unwrap();
    let told = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["work", name, &times.to_string()])
        .output()
        .expect("valgrind is needed: apt-get install valgrind");
    let text = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{name}: {text}");
    let count = text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind tells no count: {text}"))
}

/// Shows all, and fails when something takes more than before, or is not known.
fn compare(now: &Counts) -> ExitCode {
    let held = std::fs::read_to_string(baselines()).expect("benches/instructions.json");
    let before: Counts = serde_json::from_str(&held).expect("names and counts");
    println!("{:<45}{:>12}{:>12}{:>9}", "INSTRUCTIONS OF", "BEFORE", "NOW", "CHANGE");
    let mut grown = 0;
    for (name, count) in now {
        let change = before.get(name).map(|before| count / before - 1.0);
        let word = match change {
            None => "not known",
            Some(change) if change > TOLERANCE => "GREW",
            Some(change) if change < -TOLERANCE => "fell: accept it",
            Some(_) => "",
        };
        grown += usize::from(change.is_none_or(|change| change > TOLERANCE));
        let before = before.get(name).copied().unwrap_or(f64::NAN);
        println!("{name:<45}{before:>12.1}{count:>12.1}{:>8.1}% {word}", change.unwrap_or(f64::NAN) * 100.0);
    }
    if grown == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{grown} take more than {:.0} % more than before.", TOLERANCE * 100.0);
    eprintln!("If that is what it has to be: make bench-instructions ACCEPT=1");
    ExitCode::FAILURE
}

/// Writes what is measured now as what it was before.
fn accept(now: &Counts) -> ExitCode {
    let text = serde_json::to_string_pretty(now).unwrap() + "\n";
    std::fs::write(baselines(), &text).expect("benches/instructions.json");
    print!("{text}");
    ExitCode::SUCCESS
}

fn baselines() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.json")
}
