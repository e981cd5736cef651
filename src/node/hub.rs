//! The members of every topic on this node, and the way of an entry to all of them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::cursor::{Flavour, Slot, Topic};
use super::frames::Round;
use super::outbox::Outbox;
use super::post::Post;
use super::ring::{Read, Ring};

/// Members that are served between two looks at the list, and before other tasks get their turn.
const STRIDE: usize = 64;

/// A member's place in a topic's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat(usize);

struct Member {
    outbox: Arc<Outbox>,
    slot: Slot,
    flavour: Arc<Flavour>,
}

/// A topic that has members here. Seats never move, so that whoever walks along them misses nobody.
struct Circle {
    ring: Ring,
    seats: Vec<Option<Arc<Member>>>,
    free: Vec<usize>,
}

/// All circles. The lock is held for a look-up, an insertion, or to copy [`STRIDE`] handles: never for a write.
pub(super) struct Hub {
    circles: Mutex<HashMap<Topic, Circle>>,
    ring_entries_max: usize,
    ring_bytes_max: usize,
}

impl Hub {
    pub(super) fn new(ring_entries_max: usize, ring_bytes_max: usize) -> Self {
        Self { circles: Mutex::default(), ring_entries_max, ring_bytes_max }
    }

    /// A member takes a seat. From here on every delivery finds its cursor.
    pub(super) fn join(&self, topic: Topic, outbox: &Arc<Outbox>, slot: Slot, flavour: Arc<Flavour>) -> Seat {
        let member = Arc::new(Member { outbox: Arc::clone(outbox), slot, flavour });
        let mut circles = self.circles.lock();
        let circle = circles.entry(topic).or_insert_with(|| Circle {
            ring: Ring::new(self.ring_entries_max, self.ring_bytes_max),
            seats: Vec::new(),
            free: Vec::new(),
        });
        let seat = circle.free.pop().unwrap_or(circle.seats.len());
        match circle.seats.get_mut(seat) {
            Some(place) => *place = Some(member),
            None => circle.seats.push(Some(member)),
        }
        Seat(seat)
    }

    /// A member leaves its seat; with the last one the topic's ring goes, except the lobby's, which is in no store.
    pub(super) fn part(&self, topic: Topic, seat: Seat) {
        let mut circles = self.circles.lock();
        let Some(circle) = circles.get_mut(&topic) else { return };
        let member = circle.seats.get_mut(seat.0).and_then(Option::take);
        circle.free.push(seat.0);
        if circle.free.len() == circle.seats.len() {
            if topic == Topic::Lobby {
                (circle.seats, circle.free) = (Vec::new(), Vec::new());
            } else {
                circles.remove(&topic);
            }
        }
        drop(circles);
        drop(member);
    }

    /// Whether anybody is there.
    pub(super) fn has_members(&self, topic: Topic) -> bool {
        self.circles.lock().get(&topic).is_some_and(|circle| circle.free.len() < circle.seats.len())
    }

    /// Posts from an offset on.
    pub(super) fn read(&self, topic: Topic, offset: u64, bytes_max: usize) -> Read {
        self.circles.lock().get(&topic).map_or(Read::Behind, |circle| circle.ring.read(offset, bytes_max))
    }

    /// The oldest offset that the ring holds, if it holds anything.
    pub(super) fn first_offset(&self, topic: Topic) -> Option<u64> {
        self.circles.lock().get(&topic).and_then(|circle| circle.ring.first())
    }

    /// The offset that the ring expects next; 1 where it never held anything.
    pub(super) fn next_offset(&self, topic: Topic) -> u64 {
        self.circles.lock().get(&topic).and_then(|circle| circle.ring.next()).unwrap_or(1)
    }

    /// A topic has ended: each member is told by its own connection.
    pub(super) fn end(&self, topic: Topic) {
        let seats = self.circles.lock().get_mut(&topic).map(|circle| circle.seats.clone()).unwrap_or_default();
        seats.iter().flatten().for_each(|member| member.outbox.gone(member.slot));
    }

    /// Hands posts of rising offset round: into the ring, then to every member, written at once where the socket
    /// takes it. The members of one room are served in the order of their seats, sixteen or one post in one write.
    pub(super) async fn deliver(&self, topic: Topic, posts: &[Arc<Post>]) {
        {
            let mut circles = self.circles.lock();
            let Some(circle) = circles.get_mut(&topic) else { return };
            posts.iter().for_each(|post| circle.ring.push(Arc::clone(post)));
        }
        let mut round = Round::new(posts);
        let mut members = Vec::with_capacity(STRIDE);
        let mut seat = 0;
        loop {
            let rest = match self.circles.lock().get(&topic) {
                Some(circle) => {
                    let rest = circle.seats.get(seat..).unwrap_or_default();
                    members.extend(rest.iter().take(STRIDE).flatten().cloned());
                    rest.len()
                }
                None => 0,
            };
            for member in members.drain(..) {
                member.outbox.deliver(member.slot, &mut round.for_flavour(&member.flavour));
            }
            if rest <= STRIDE {
                break;
            }
            seat += STRIDE;
            tokio::task::yield_now().await;
        }
    }
}
