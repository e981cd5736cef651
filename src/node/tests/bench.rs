//! A node over a store of its own, and subscribers who check what they see.

use std::future::poll_fn;
use std::time::Instant;

use parking_lot::Mutex;

use super::super::*;
use super::socket::{Dice, Took, Whimsical, offsets, offsets_until};
use crate::chat::Locale;
use crate::store::sqlite::{Settings, Sqlite};
use crate::store::{Mode, Tail, settled};

/// A node over a store of its own.
pub(super) struct Bench {
    pub(super) node: Arc<Node>,
    pub(super) store: Store,
    pub(super) room: RoomId,
    /// What the sockets of those who have entered took, with the first offset that each was promised.
    pub(super) crowd: Mutex<Vec<(u64, Took)>>,
    folder: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(limits: &Limits) -> Self {
        Self::with(limits, History::On).await
    }

    pub(super) async fn with(limits: &Limits, history: History) -> Self {
        let (bench, tail) = Self::unheard(limits, history).await;
        tokio::spawn(pump(Arc::clone(&bench.node), tail));
        bench
    }

    /// One whose news nobody pulls yet.
    pub(super) async fn unheard(limits: &Limits, history: History) -> (Self, Tail) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings {
            locale: Locale::Ko,
            durable: false,
            keep_entries: None,
            keep_days: None,
            queue_max: 100_000,
            rooms_max: 10,
        };
        let store = Store::Sqlite(Sqlite::open(folder.path(), Mode::Serve, settings).unwrap());
        let room = store.create_room_with("room".parse().unwrap(), history).await.unwrap().id;
        let node = Node::new(store.clone(), limits, Duration::ZERO);
        let tail = store.tail().unwrap();
        (Self { node, store, room, crowd: Mutex::default(), folder }, tail)
    }

    /// Where the store's file is.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) async fn say(&self, name: &str, text: &str) -> u64 {
        let draft = Draft::new(self.room, name.parse().unwrap(), text, None, 1_000).unwrap();
        settled(self.node.say(draft)).await.unwrap().offset
    }

    /// Waits until everybody who has entered has seen this offset. Nothing is said meanwhile: a wake-up that got lost
    /// is not made good by the next message.
    pub(super) async fn all_have_seen(&self, offset: u64) {
        let crowd = self.crowd.lock().clone();
        for (first, took) in crowd {
            let started = Instant::now();
            while first <= offset && !offsets_until(&took.lock(), offset) {
                assert!(started.elapsed() < Duration::from_secs(20), "offset {offset} never came");
                tokio::task::yield_now().await;
            }
        }
    }

    /// Subscribes, and serves the connection until its cursor has passed the log's end; answers what the socket took
    /// and the first offset that was promised.
    pub(super) async fn subscriber(
        self: Arc<Self>,
        name: String,
        mut dice: Dice,
        until: tokio::sync::watch::Receiver<u64>,
    ) {
        let took = Arc::new(Mutex::new(Vec::new()));
        let sink = Whimsical { held: Vec::new(), took: Arc::clone(&took), dice: Dice(dice.roll(u64::MAX >> 32)) };
        let outbox = Outbox::new(Box::new(sink), true, 1 << 20, Instant::now());
        let wish = Wish { id: Some("s".into()), ack: AckMode::Auto, version: Version::V1_2 };
        let start = match dice.roll(3) {
            0 => Start::Live,
            1 => Start::After(0),
            _ => Start::History(dice.roll(20)),
        };
        let (membership, pending) = self.node.enter(self.room, &name.parse().unwrap(), &outbox, &wish, start);
        let entered = settled(pending).await.unwrap();
        assert_eq!(self.node.entered(&membership, &outbox, &entered, start), None, "nothing was trimmed");
        let first = match start {
            Start::After(offset) => offset + 1,
            Start::History(_) if entered.history == History::Off => entered.last + u64::from(!entered.announced),
            Start::Live => entered.last + u64::from(!entered.announced),
            Start::History(n) => (entered.last + u64::from(!entered.announced)).saturating_sub(n).max(1),
        };
        self.crowd.lock().push((first, Arc::clone(&took)));
        let gaps = Mutex::new(Vec::new());
        let serve = async {
            loop {
                match poll_fn(|cx| outbox.poll_want(cx)).await {
                    Want::CatchUp(slot) => {
                        let gap = self.node.catch_up(&outbox, slot).await.unwrap();
                        gaps.lock().extend(gap.into_iter().flat_map(|gap| gap.from..=gap.to));
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        let complete = async {
            loop {
                let end = *until.borrow();
                // Who came after the end has seen enough already.
                if end > 0 && (first > end || offsets_until(&took.lock(), end)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = serve => {}
            () = complete => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("{name} waits in vain"),
        }
        let end = *until.borrow();
        let seen: Vec<u64> = offsets(&took.lock()).into_iter().map(|(_, offset)| offset).collect();
        let gaps = gaps.into_inner();
        assert!(gaps.is_empty() || entered.history == History::Off, "{name} was told of {gaps:?}");
        assert!(seen.is_sorted(), "{name}: {seen:?}");
        let mut row: Vec<u64> = seen.iter().chain(&gaps).copied().filter(|offset| *offset <= end).collect();
        row.sort_unstable();
        assert!(row.iter().copied().eq(first..=end), "{name} began at {start:?}: {seen:?}, gaps {gaps:?}");
        self.node.leave(membership, &outbox, Leaving::Said);
    }
}
