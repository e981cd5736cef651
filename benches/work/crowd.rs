//! A room full of members whose sockets take everything at once, and entries handed round among them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use sarangbang::chat::{Entry, History, Kind, Limits, Name, RoomId};
use sarangbang::node::{Membership, Node, Outbox, Want, Wish, pump};
use sarangbang::session::{AckMode, Start};
use sarangbang::stomp::Version;
use sarangbang::store::{Entered, Event, Store, Tail, settled};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::yield_now;

use super::ground::{TEXT, store};

/// How many different frames an entry has.
#[derive(Clone, Copy)]
pub enum Flavours {
    /// So many subscription ids, taken in turns.
    Some(usize),
    /// One for every member.
    Each,
}

/// A socket that takes everything, says nothing, and counts how often it was given something.
struct Mouth(Arc<AtomicUsize>);

impl AsyncRead for Mouth {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Mouth {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The members of one room, on one thread. Entries come as the store's news would: by the tail, through the pump.
pub struct Crowd {
    runtime: Runtime,
    node: Arc<Node>,
    store: Store,
    news: mpsc::Sender<Vec<Event>>,
    room: RoomId,
    name: Name,
    offset: u64,
    given: Arc<AtomicUsize>,
    members: Vec<(Arc<Outbox>, Membership)>,
    _folder: tempfile::TempDir,
}

impl Crowd {
    /// All of them are there, and stand at the tail.
    pub fn new(members: usize, flavours: Flavours) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let room = runtime.block_on(store.create_room("room".parse().unwrap())).unwrap().id;
        let node = Node::new(store.clone(), &Limits::default(), Duration::ZERO);
        let (news, tail) = mpsc::channel(16);
        runtime.spawn(pump(Arc::clone(&node), Tail::new(tail)));
        let name = "minji".parse().unwrap();
        let (given, offset) = (Arc::default(), 1);
        let mut crowd =
            Self { runtime, node, store, news, room, name, offset, given, members: Vec::new(), _folder: folder };
        for who in 0..members {
            let id = match flavours {
                Flavours::Some(count) => who % count,
                Flavours::Each => who,
            };
            let member = crowd.enter(id, Start::Live);
            crowd.members.push(member);
        }
        // From here on the room has a ring, and nobody has to read from the store.
        let first = crowd.entry();
        crowd.news(first);
        crowd.start_all();
        crowd
    }

    /// An entry goes to everybody.
    pub fn round(&mut self) {
        let goal = self.given.load(Ordering::Relaxed) + self.members.len();
        let entry = self.entry();
        self.news(entry);
        let given = Arc::clone(&self.given);
        self.runtime.block_on(async {
            while given.load(Ordering::Relaxed) < goal {
                yield_now().await;
            }
        });
    }

    /// Somebody who enters so many entries back, not served yet.
    pub fn latecomer(&self, entries: u64) -> (Arc<Outbox>, Membership) {
        let start = Start::History(entries);
        let (outbox, membership) = self.enter(0, start);
        self.node.entered(&membership, &outbox, &self.entered(), start);
        (outbox, membership)
    }

    /// Serves a latecomer what is in the ring.
    pub fn catch_up(&self, (outbox, _): &(Arc<Outbox>, Membership)) {
        self.runtime.block_on(catch_up(&self.node, outbox));
    }

    fn enter(&self, id: usize, start: Start) -> (Arc<Outbox>, Membership) {
        let socket = Box::new(Mouth(Arc::clone(&self.given)));
        let outbox = Outbox::new(socket, false, Limits::default().outbox_bytes_max, Instant::now());
        let wish = Wish { id: Some(format!("sub-{id}").into()), ack: AckMode::Auto, version: Version::V1_2 };
        let (membership, pending) = self.node.enter(self.room, &self.name, &outbox, &wish, start);
        // One person, so there is one ENTER in the store's log; the offsets here are the crowd's own.
        self.runtime.block_on(settled(pending)).unwrap();
        (outbox, membership)
    }

    fn start_all(&self) {
        self.runtime.block_on(async {
            // The entry is in the ring once the pump has had its turn.
            yield_now().await;
            for (outbox, membership) in &self.members {
                self.node.entered(membership, outbox, &self.entered(), Start::Live);
                catch_up(&self.node, outbox).await;
            }
        });
    }

    fn entered(&self) -> Entered {
        Entered { last: self.offset, first: 1, missing: 0, announced: false, user_count: 1, history: History::On }
    }

    /// The next entry of the room.
    fn entry(&mut self) -> Event {
        self.offset += 1;
        Event::Entry(Arc::new(Entry {
            kind: Kind::Talk,
            room_id: self.room,
            sender: self.name.as_str().into(),
            message: TEXT.into(),
            user_count: 1,
            offset: self.offset,
            id: Entry::default_id(self.room, self.offset).into(),
            sent_at: 1_735_689_600_000,
        }))
    }

    fn news(&self, event: Event) {
        self.runtime.block_on(self.news.send(vec![event])).unwrap();
    }
}

/// Serves a lagging cursor until it stands at the tail.
async fn catch_up(node: &Node, outbox: &Outbox) {
    while let Poll::Ready(Want::CatchUp(slot)) = outbox.poll_want(&mut Context::from_waker(Waker::noop())) {
        node.catch_up(outbox, slot).await.unwrap();
    }
}
