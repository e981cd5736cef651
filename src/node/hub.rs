//! The members of every topic on this node, and the way of an entry to all of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::cursor::{Flavour, Slot, Topic};
use super::frames::Round;
use super::meters::{Meters, Tally};
use super::outbox::Outbox;
use super::post::Post;
use super::ring::{Read, Ring};

/// Members that are written to while the table is read: some eighty microseconds for who wants to enter or leave.
const STRIDE: usize = 16;
/// Strides before other tasks get their turn.
const STRIDES_A_TURN: usize = 4;
/// Members that are worth a task of their own on another core.
const SHARE: usize = 256;
/// Flavours that are kept for all who have an equal one. Clients use the same few subscription ids.
const FLAVOURS_MAX: usize = 64;

/// A member's place in a topic's list.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    circle: Circle,
    at: usize,
}

struct Member {
    outbox: Arc<Outbox>,
    slot: Slot,
    flavour: Arc<Flavour>,
}

/// A topic that has members here. Cheap to clone; the clones are one.
#[derive(Clone)]
struct Circle {
    inner: Arc<Inner>,
}

struct Inner {
    ring: Mutex<Ring>,
    table: RwLock<Table>,
}

/// Seats never move, so that whoever walks along them misses nobody.
#[derive(Default)]
struct Table {
    seats: Vec<Option<Member>>,
    free: Vec<usize>,
    /// The last member has left, and the hub is forgetting it: nobody sits down any more.
    is_over: bool,
}

/// All circles. Their lock is held for a look-up or an insertion; a circle's table is read by whoever writes to its
/// members, a few at a time, and written by who enters or leaves. Locks are taken in this order: circles, table, outbox.
pub(super) struct Hub {
    circles: Mutex<HashMap<Topic, Circle>>,
    flavours: Mutex<Vec<Arc<Flavour>>>,
    meters: Arc<Meters>,
    ring_entries_max: usize,
    ring_bytes_max: usize,
}

impl std::fmt::Debug for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Circle")
    }
}

impl Circle {
    fn new(ring: Ring) -> Self {
        Self { inner: Arc::new(Inner { ring: Mutex::new(ring), table: RwLock::default() }) }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// A member takes a seat; who comes too late gets the member back.
    fn sit(&self, member: Member) -> Result<Seat, Member> {
        let mut table = self.inner.table.write();
        if table.is_over {
            return Err(member);
        }
        let at = table.free.pop().unwrap_or(table.seats.len());
        match table.seats.get_mut(at) {
            Some(place) => *place = Some(member),
            None => table.seats.push(Some(member)),
        }
        Ok(Seat { circle: self.clone(), at })
    }
}

impl Hub {
    pub(super) fn new(ring_entries_max: usize, ring_bytes_max: usize, meters: Arc<Meters>) -> Self {
        Self { circles: Mutex::default(), flavours: Mutex::default(), meters, ring_entries_max, ring_bytes_max }
    }

    /// An equal flavour that others have already, so that a broadcaster compares pointers, or this one.
    pub(super) fn flavour(&self, flavour: Flavour) -> Arc<Flavour> {
        let mut kept = self.flavours.lock();
        if let Some(equal) = kept.iter().find(|kept| ***kept == flavour) {
            return Arc::clone(equal);
        }
        let flavour = Arc::new(flavour);
        if kept.len() >= FLAVOURS_MAX {
            kept.retain(|kept| Arc::strong_count(kept) > 1);
        }
        if kept.len() < FLAVOURS_MAX {
            kept.push(Arc::clone(&flavour));
        }
        flavour
    }

    /// A member takes a seat. From here on every delivery finds its cursor.
    pub(super) fn join(&self, topic: Topic, outbox: &Arc<Outbox>, slot: Slot, flavour: Arc<Flavour>) -> Seat {
        let mut member = Member { outbox: Arc::clone(outbox), slot, flavour };
        loop {
            match self.circle_for(topic).sit(member) {
                Ok(seat) => return seat,
                Err(late) => member = late,
            }
        }
    }

    /// The topic's circle, or a new one in the place of one that is over.
    fn circle_for(&self, topic: Topic) -> Circle {
        let new = || Circle::new(Ring::new(self.ring_entries_max, self.ring_bytes_max));
        let mut circles = self.circles.lock();
        let circle = circles.entry(topic).or_insert_with(new);
        if circle.inner.table.try_read().is_some_and(|table| table.is_over) {
            *circle = new();
        }
        circle.clone()
    }

    /// A member leaves its seat; with the last one the topic's ring goes, except the lobby's, which is in no store.
    pub(super) fn part(&self, topic: Topic, seat: &Seat) {
        let mut table = seat.circle.inner.table.write();
        let member = table.seats.get_mut(seat.at).and_then(Option::take);
        table.free.push(seat.at);
        let is_empty = table.free.len() == table.seats.len();
        if is_empty {
            (table.seats, table.free) = (Vec::new(), Vec::new());
            table.is_over = topic != Topic::Lobby;
        }
        drop(table);
        drop(member);
        if is_empty && topic != Topic::Lobby {
            let mut circles = self.circles.lock();
            if circles.get(&topic).is_some_and(|circle| circle.is(&seat.circle)) {
                circles.remove(&topic);
            }
        }
    }

    fn circle(&self, topic: Topic) -> Option<Circle> {
        self.circles.lock().get(&topic).cloned()
    }

    /// Whether anybody is there.
    pub(super) fn has_members(&self, topic: Topic) -> bool {
        self.circle(topic).is_some_and(|circle| !circle.inner.table.read().seats.is_empty())
    }

    /// How many rooms have members here.
    pub(super) fn rooms(&self) -> usize {
        let circles = self.circles.lock();
        circles.len() - usize::from(circles.contains_key(&Topic::Lobby))
    }

    /// Posts from an offset on.
    pub(super) fn read(&self, topic: Topic, offset: u64, bytes_max: usize) -> Read {
        self.circle(topic).map_or(Read::Behind, |circle| circle.inner.ring.lock().read(offset, bytes_max))
    }

    /// The oldest offset that the ring holds, if it holds anything.
    pub(super) fn first_offset(&self, topic: Topic) -> Option<u64> {
        self.circle(topic).and_then(|circle| circle.inner.ring.lock().first())
    }

    /// The offset that the ring expects next; 1 where it never held anything.
    pub(super) fn next_offset(&self, topic: Topic) -> u64 {
        self.circle(topic).and_then(|circle| circle.inner.ring.lock().next()).unwrap_or(1)
    }

    /// Somebody has come in whose first live entry has this offset: everything from there on passes by here.
    pub(super) fn expect(&self, seat: &Seat, offset: u64) {
        seat.circle.inner.ring.lock().expect(offset);
    }

    /// A topic has ended: each member is told by its own connection.
    pub(super) fn end(&self, topic: Topic) {
        let Some(circle) = self.circle(topic) else { return };
        circle.inner.table.read().seats.iter().flatten().for_each(|member| member.outbox.gone(member.slot));
    }

    /// Topics have ended for good, with all that their rings hold: each member is told by its own connection, and who comes
    /// now finds a circle that knows nothing of them.
    pub(super) fn end_all(&self, which: impl Fn(Topic) -> bool) {
        let ended: Vec<Circle> =
            self.circles.lock().extract_if(|topic, _| which(*topic)).map(|(_, circle)| circle).collect();
        for circle in ended {
            let mut table = circle.inner.table.write();
            table.is_over = true;
            table.seats.iter().flatten().for_each(|member| member.outbox.gone(member.slot));
        }
    }

    /// Hands posts of rising offset round: into the ring, then to every member, written at once where the socket
    /// takes it. Many members are served by up to `lanes` tasks.
    pub(super) async fn deliver(&self, topic: Topic, posts: Vec<Arc<Post>>, lanes: usize) {
        let Some(circle) = self.circle(topic) else { return };
        {
            let mut ring = circle.inner.ring.lock();
            posts.iter().for_each(|post| ring.push(Arc::clone(post)));
        }
        let seats = circle.inner.table.read().seats.len();
        let shares = (seats / SHARE).clamp(1, lanes.max(1));
        if shares == 1 {
            return circle.serve(&posts, 0, usize::MAX, &self.meters).await;
        }
        let (share, posts) = (seats / shares, Arc::new(posts));
        let others: Vec<_> = (1..shares)
            .map(|number| {
                let (circle, posts, meters) = (circle.clone(), Arc::clone(&posts), Arc::clone(&self.meters));
                let end = if number + 1 == shares { usize::MAX } else { share * (number + 1) };
                // Without tokio's budget, like the pump itself.
                let serve = async move { circle.serve(&posts, share * number, end, &meters).await };
                tokio::spawn(tokio::task::unconstrained(serve))
            })
            .collect();
        circle.serve(&posts, 0, share, &self.meters).await;
        for other in others {
            // The next round begins when this one is over. A panic is the pump's own.
            if let Err(error) = other.await
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Circle {
    /// Serves the seats of a range, in their order. Whoever sits down meanwhile reads for itself what it passes by.
    async fn serve(&self, posts: &[Arc<Post>], from: usize, end: usize, meters: &Meters) {
        let (mut round, mut tally) = (Round::new(posts), meters.round());
        let (mut seat, mut strides) = (from, 0);
        while let Some(next) = self.stride(&mut round, &mut tally, seat, end) {
            (seat, strides) = (next, strides + 1);
            if strides % STRIDES_A_TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Serves some seats; answers where to go on.
    fn stride(&self, round: &mut Round<'_>, tally: &mut Tally<'_>, from: usize, end: usize) -> Option<usize> {
        let now = Instant::now();
        let table = self.inner.table.read();
        let end = end.min(table.seats.len());
        let stride_end = end.min(from + STRIDE);
        for member in table.seats.get(from..stride_end).unwrap_or_default().iter().flatten() {
            tally.add(member.outbox.deliver(member.slot, &member.flavour, round, now));
        }
        (stride_end < end).then_some(stride_end)
    }
}
