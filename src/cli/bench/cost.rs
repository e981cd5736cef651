//! What a message, and an ENTER, costs Redis: commands and bytes, one thing at a time.

use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::ledger::{Ledger, Work};
use super::report::Figures;
use super::run::Run;
use super::target::{Need, Target};
use super::wire;
use crate::chat::History;

/// People enter rooms one after the other, then messages are said one after the other.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    pub(super) rooms: u32,
    /// People who come into each room when somebody of their node is in it already.
    pub(super) guests: u32,
    pub(super) messages: u32,
    /// Bytes of a message's text.
    pub(super) size: u32,
    /// Seconds in which nothing happens, to see what nodes do by themselves.
    pub(super) quiet: f64,
}

/// Figures of something: commands, scripts, bytes in, bytes out.
type Names = [&'static str; 4];

pub(super) const FIRST_ENTER: Names =
    ["first ENTER: commands", "first ENTER: scripts", "first ENTER: bytes in", "first ENTER: bytes out"];
pub(super) const ENTER: Names = ["ENTER: commands", "ENTER: scripts", "ENTER: bytes in", "ENTER: bytes out"];
pub(super) const MESSAGE: Names = ["message: commands", "message: scripts", "message: bytes in", "message: bytes out"];
pub(super) const BY_ITSELF: Names =
    ["by itself: commands", "by itself: scripts", "by itself: bytes in", "by itself: bytes out"];

/// How long whoever has come in is given until everything about it is done.
const SETTLED: Duration = Duration::from_millis(300);

impl Cost {
    pub(super) const fn need(&self, nodes: usize) -> Need {
        Need { people: nodes + self.guests as usize, rooms: self.rooms as usize, history: History::On }
    }

    pub(super) fn once(&self, target: &Target, ledger: &mut Ledger) -> anyhow::Result<Figures> {
        let mut run = Run::new(target, 0)?;
        let (rooms, hosts) = (target.rooms.len(), target.doors.len());
        let (first, people) = (rooms * hosts, rooms * (hosts + self.guests as usize));
        for who in 0..people {
            run.book.checker.seat(who, who % rooms);
            run.crowd.open(who, target.plan(who / rooms, None));
        }
        run.until_ready(people)?;

        let mut figures = Figures::default();
        let nobody_in = self.quiet(&mut run, ledger)?;
        let begun = ledger.read()?;
        enter(&mut run, target, 0..first)?;
        push(&mut figures, FIRST_ENTER, &ledger.read()?.since(&begun, &nobody_in).each(first as f64));

        let by_itself = self.quiet(&mut run, ledger)?;
        let begun = ledger.read()?;
        enter(&mut run, target, first..people)?;
        push(&mut figures, ENTER, &ledger.read()?.since(&begun, &by_itself).each((people - first) as f64));

        let begun = ledger.read()?;
        for message in 0..self.messages as usize {
            // By each node in turns, whichever the room.
            let (room, who) = (message % rooms, message % first);
            let text = run.book.checker.say(room, self.size as usize, Instant::now());
            let token = &target.tokens[who / rooms];
            run.crowd.say(who, &wire::send(token, &target.rooms[room], text), &mut run.book);
            run.finish()?;
        }
        push(&mut figures, MESSAGE, &ledger.read()?.since(&begun, &by_itself).each(f64::from(self.messages)));
        push(&mut figures, BY_ITSELF, &by_itself);
        Ok(figures)
    }

    /// What is done in a second in which nobody does anything.
    fn quiet(&self, run: &mut Run, ledger: &mut Ledger) -> anyhow::Result<Work> {
        run.idle(SETTLED)?;
        let before = ledger.read()?;
        run.idle(Duration::from_secs_f64(self.quiet))?;
        let after = ledger.read()?;
        Ok(after.since(&before, &Work::default()).each(after.seconds_since(&before)))
    }
}

/// Lets people who are connected come in, one after the other.
fn enter(run: &mut Run, target: &Target, people: Range<usize>) -> anyhow::Result<()> {
    let rooms = target.rooms.len();
    for who in people {
        let room = who % rooms;
        run.crowd.enter(who, (room, Rc::from(&*target.rooms[room])), &mut run.book);
        run.until_ready(1)?;
    }
    run.idle(SETTLED)
}

fn push(figures: &mut Figures, names: Names, work: &Work) {
    let values = [work.commands(), work.scripts(), work.bytes_in, work.bytes_out];
    for (name, value) in names.into_iter().zip(values) {
        figures.push(name, "each", value);
    }
}
