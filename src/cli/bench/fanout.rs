//! `fanout`: messages to many, each delivery checked.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::report::Figures;
use super::run::{Run, TURN};
use super::target::{Need, Target};
use crate::chat::History;

/// Say things to many subscribers, and check every delivery
///
/// Subscribers are spread over the rooms, and publishers say things there. Closed loop (--window): that many messages
/// are under way at once, and one is finished when everybody in its room has it. Open loop (--rate): a message is due
/// every 1/rate seconds whether the server is ready or not, and its latency counts from the time at which it was due.
#[derive(Args, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
#[command(after_help = "\
Examples:
  sarangbang bench fanout --spawn
  sarangbang bench fanout --spawn --window 16 --runs 5
  sarangbang bench fanout --spawn --window 16 --history off
  sarangbang bench fanout --spawn --subscribers 1000 --rooms 100 --publishers 100 --rate 2000
  sarangbang bench fanout --url ws://node1:8080 --url ws://node2:8080 --token-file tokens --room ID
  sarangbang bench fanout --url wss://chat.example.com --token-file tokens --room 123e4567-e89b-42d3-a456-426614174000")]
pub(super) struct Fanout {
    /// Subscribers in all
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) subscribers: u32,
    /// Rooms that they are spread over
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) rooms: u32,
    /// Connections that say things
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) publishers: u32,
    /// Whether the rooms that are made for this keep what is said: on, or off
    #[arg(long, value_name = "ON|OFF", default_value_t, conflicts_with = "token_file")]
    pub(super) history: History,
    /// Bytes of a message's text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(60..=60_000))]
    pub(super) size: u32,
    /// Messages that are under way at once
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) window: u32,
    /// Messages a second instead, whether the server is ready or not
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) rate: Option<u32>,
    /// Look for deliveries again and again instead of sleeping
    ///
    /// Waking a sleeper costs the server's process, on the same host only, as much as a fifth of each `send`; clients
    /// elsewhere do not. For a generator that has a core of its own. The time in which nothing came is not counted as
    /// the generator's.
    #[arg(long)]
    pub(super) spin: bool,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    pub(super) seconds: f64,
    /// Seconds before that
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(super) warmup: f64,
}

/// People that subscribe: two sockets of one person are one member, which keeps the notices few.
const PEOPLE: usize = 16;
/// A pause that epoll cannot keep exactly: below it the loop looks again and again.
const SPIN: Duration = Duration::from_millis(2);

impl Fanout {
    pub(super) const fn need(&self) -> Need {
        Need { people: PEOPLE, rooms: self.rooms as usize, history: self.history }
    }

    pub(super) fn once(&self, target: &Target) -> anyhow::Result<Figures> {
        let mut run = Run::new(target, self.window as usize * 2)?;
        let (subscribers, rooms) = (self.subscribers as usize, target.rooms.len());
        for who in 0..subscribers {
            let room = who % rooms;
            run.book.checker.seat(who, room);
            run.crowd.open(who, target.plan(who / rooms, Some(room)));
        }
        for publisher in 0..self.publishers as usize {
            run.crowd.open(subscribers + publisher, target.plan(publisher, None));
        }
        run.until_ready(subscribers + self.publishers as usize)?;
        run.settle()?;

        let mut mouth = Mouth { plan: self, target, next: 0, begun: Instant::now(), touched: Vec::new() };
        run.spin = self.spin;
        mouth.speak(&mut run, Duration::from_secs_f64(self.warmup))?;
        let measure = run.measure()?;
        mouth.speak(&mut run, Duration::from_secs_f64(self.seconds))?;
        let measured = run.measured(&measure)?;
        run.spin = false;
        let (deliveries, bytes, messages) =
            (run.book.checker.deliveries as f64, run.book.checker.bytes as f64, run.book.checker.finished as f64);
        run.finish()?;

        let mut figures = Figures::default();
        figures.push_known("deliveries/CPU", "per server CPU second", measured.per_cpu(deliveries));
        figures.push("deliveries", "per second", deliveries / measured.wall);
        figures.push("messages", "per second", messages / measured.wall);
        figures.push("bytes", "per second", bytes / measured.wall);
        let latency = &run.book.checker.latency;
        figures.push("latency p50", "ms", latency.percentile_ms(0.5));
        figures.push("latency p99", "ms", latency.percentile_ms(0.99));
        figures.push("latency p99.9", "ms", latency.percentile_ms(0.999));
        figures.push("latency max", "ms", latency.max_ms());
        let micros = |seconds: Option<f64>, count: f64| seconds.map(|seconds| seconds * 1e6 / count);
        figures.push_known("server CPU of a delivery", "microseconds", micros(measured.server, deliveries));
        figures.push_known("Redis CPU of a message", "microseconds", micros(measured.redis, messages));
        measured.shares(&mut figures);
        Ok(figures)
    }
}

/// The publishers.
struct Mouth<'a> {
    plan: &'a Fanout,
    target: &'a Target,
    /// The number of the next message.
    next: usize,
    begun: Instant,
    touched: Vec<usize>,
}

impl Mouth<'_> {
    fn speak(&mut self, run: &mut Run, how_long: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + how_long;
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let wait = match self.plan.rate {
                None => {
                    while run.book.checker.under_way() < self.plan.window as usize {
                        self.say(run, Instant::now());
                    }
                    TURN
                }
                Some(rate) => {
                    let due = |number: usize| self.begun + Duration::from_secs_f64(number as f64 / f64::from(rate));
                    let mut at = due(self.next);
                    while at <= now {
                        self.say(run, at);
                        at = self.begun + Duration::from_secs_f64(self.next as f64 / f64::from(rate));
                    }
                    let wait = at.saturating_duration_since(Instant::now());
                    if wait < SPIN { Duration::ZERO } else { wait - SPIN }
                }
            };
            for who in self.touched.drain(..) {
                run.crowd.flush(who, &mut run.book);
            }
            run.turn(wait)?;
        }
    }

    fn say(&mut self, run: &mut Run, due: Instant) {
        let publisher = self.next % self.plan.publishers as usize;
        let room = self.next % self.target.rooms.len();
        let who = self.plan.subscribers as usize + publisher;
        let text = run.book.checker.say(room, self.plan.size as usize, due);
        let token = &self.target.tokens[publisher % self.target.tokens.len()];
        let frame = super::wire::send(token, &self.target.rooms[room], text);
        run.crowd.queue(who, &frame);
        self.touched.push(who);
        self.next += 1;
    }
}
