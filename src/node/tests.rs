//! Many subscribers over sockets that take a little, or nothing, or break: whatever happens, each subscription sees
//! offsets that rise by one, from where it asked to begin to where it left; in a room without a history, entries and gaps
//! that are told make that row together.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;
use crate::chat::Locale;
use crate::stomp::{Decoded, Decoder, FrameLimits};
use crate::store::Mode;
use crate::store::sqlite::{Settings, Sqlite};
use crate::store::{Tail, settled};

/// A small generator of numbers, so that a run is told by its seed.
#[derive(Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// What a socket took.
type Took = Arc<Mutex<Vec<u8>>>;

/// A socket that takes what the dice say; what it took is kept.
struct Whimsical {
    took: Took,
    /// Taken and held back until it is flushed, as TLS does.
    held: Vec<u8>,
    dice: Dice,
}

impl AsyncRead for Whimsical {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Whimsical {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let some = match self.dice.roll(4) {
            0 => {
                // Full for now; writable again soon.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            1 => usize::try_from(self.dice.roll(40)).unwrap() + 1,
            _ => bytes.len(),
        };
        let some = some.min(bytes.len());
        self.held.extend_from_slice(&bytes[..some]);
        Poll::Ready(Ok(some))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.dice.roll(3) == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let held = std::mem::take(&mut self.held);
        self.took.lock().extend_from_slice(&held);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The offsets in what a socket took, by subscription id, in the order they came.
fn offsets(took: &[u8]) -> Vec<(String, u64)> {
    let (mut rest, mut found) = (Bytes::copy_from_slice(took), Vec::new());
    while rest.len() >= 10 {
        assert_eq!(rest.get_u8() & 0x8f, 0x81, "frames are whole and never interleaved");
        let len = match rest.get_u8() {
            126 => usize::from(rest.get_u16()),
            127 => usize::try_from(rest.get_u64()).unwrap(),
            short => usize::from(short),
        };
        if rest.len() < len {
            // Still on its way when the subscriber had seen enough.
            break;
        }
        let mut decoder = Decoder::new(FrameLimits::default());
        decoder.set_version(Version::V1_2);
        decoder.feed(rest.split_to(len));
        let Some(Decoded::Frame(frame)) = decoder.next().unwrap() else { panic!("a MESSAGE was expected") };
        let body: serde_json::Value = serde_json::from_slice(&frame.body).unwrap();
        let id = frame.header("subscription").unwrap().to_owned();
        assert!(frame.header("message-id").unwrap().ends_with(&format!("-{}", body["offset"])));
        found.push((id, body["offset"].as_u64().unwrap()));
    }
    found
}

/// A node over a store of its own.
struct Bench {
    node: Arc<Node>,
    store: Store,
    room: RoomId,
    /// What the sockets of those who have entered took, with the first offset that each was promised.
    crowd: Mutex<Vec<(u64, Took)>>,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new(limits: &Limits) -> Self {
        Self::with(limits, History::On).await
    }

    async fn with(limits: &Limits, history: History) -> Self {
        let (bench, tail) = Self::unheard(limits, history).await;
        tokio::spawn(pump(Arc::clone(&bench.node), tail));
        bench
    }

    /// One whose news nobody pulls yet.
    async fn unheard(limits: &Limits, history: History) -> (Self, Tail) {
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
        (Self { node, store, room, crowd: Mutex::default(), _folder: folder }, tail)
    }

    async fn say(&self, name: &str, text: &str) -> u64 {
        let draft = Draft::new(self.room, name.parse().unwrap(), text, None, 1_000).unwrap();
        settled(self.node.say(draft)).await.unwrap().offset
    }

    /// Waits until everybody who has entered has seen this offset. Nothing is said meanwhile: a wake-up that got lost
    /// is not made good by the next message.
    async fn all_have_seen(&self, offset: u64) {
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
    async fn subscriber(self: Arc<Self>, name: String, mut dice: Dice, until: tokio::sync::watch::Receiver<u64>) {
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

/// Whether whole frames up to this offset were taken.
fn offsets_until(took: &[u8], end: u64) -> bool {
    let mark = format!("\"offset\":{end},");
    // Behind the mark stand the id and the time: the frame is whole when NUL follows.
    memchr::memmem::rfind(took, mark.as_bytes()).is_some_and(|at| memchr::memchr(0, &took[at..]).is_some())
}

fn run(seed: u64, history: History) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut dice = Dice(seed);
        // Rings of a few entries and portions of a few hundred bytes: everybody falls behind all the time.
        let limits = Limits {
            ring_entries_max: usize::try_from(dice.roll(8)).unwrap() + 1,
            catch_up_bytes_max: usize::try_from(dice.roll(2_000)).unwrap() + 1,
            ..Limits::default()
        };
        let bench = Arc::new(Bench::with(&limits, history).await);
        let (end, until) = tokio::sync::watch::channel(0);
        let mut people = Vec::new();
        let mut last = 0;
        for n in 0..12 {
            let subscriber =
                Arc::clone(&bench).subscriber(format!("p{}", n % 8), Dice(dice.roll(1 << 31)), until.clone());
            people.push(tokio::spawn(subscriber));
            for _ in 0..dice.roll(30) {
                last = bench.say("speaker", "hello").await;
            }
        }
        while bench.crowd.lock().len() < people.len() {
            tokio::task::yield_now().await;
        }
        for _ in 0..50 {
            for _ in 0..dice.roll(4) {
                bench.say("speaker", "hello").await;
            }
            last = last.max(bench.say("speaker", "anybody missing?").await);
            bench.all_have_seen(last).await;
        }
        end.send(last).unwrap();
        for person in people {
            person.await.unwrap();
        }
        bench.store.close().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn each_subscription_sees_offsets_rise_by_one_whatever_its_socket_takes(seed in any::<u64>()) {
        run(seed, History::On);
    }

    #[test]
    fn in_a_room_without_a_history_each_subscription_sees_or_is_told_of_every_offset_once(seed in any::<u64>()) {
        run(seed, History::Off);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_large_room_is_served_by_several_tasks_and_nobody_misses_anything() {
    let bench = Arc::new(Bench::new(&Limits::default()).await);
    let (end, until) = tokio::sync::watch::channel(0);
    let people: Vec<_> = (0..600)
        .map(|n| tokio::spawn(Arc::clone(&bench).subscriber(format!("p{}", n % 5), Dice(n), until.clone())))
        .collect();
    while bench.crowd.lock().len() < people.len() {
        bench.say("speaker", "while they come in").await;
        tokio::task::yield_now().await;
    }
    let mut last = 0;
    for _ in 0..20 {
        last = bench.say("speaker", "hello").await;
    }
    end.send(last).unwrap();
    for person in people {
        person.await.unwrap();
    }
}

#[tokio::test]
async fn a_full_outbox_closes_only_its_own_connection() {
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(Box::new(Whimsical { held: Vec::new(), took, dice }), true, 100, Instant::now());
    outbox.send(&[b'x'; 90]);
    assert!(outbox.is_full(), "half of the limit stops the reading of requests");
    outbox.send(&[b'x'; 90]);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Dead);
}

#[tokio::test]
async fn a_broadcaster_that_comes_late_meets_nobody_in_a_place_that_is_used_again() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(
        Box::new(Whimsical { held: Vec::new(), took: Arc::clone(&took), dice }),
        true,
        1 << 20,
        Instant::now(),
    );
    let wish = Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 };
    let first = bench.node.watch(&outbox, &wish);
    let slot = first.slot();
    bench.node.leave(first, &outbox, Leaving::Said);
    let second = bench.node.watch(&outbox, &wish);
    assert_ne!(slot, second.slot());
    let posts = [Arc::new(post::Post::of_rooms(1, lobby::RESYNC))];
    let flavour = bench.node.hub.flavour(Flavour::new(&wish));
    outbox.deliver(slot, &flavour, &mut frames::Round::new(&posts), Instant::now());
    assert!(outbox.is_idle() && took.lock().is_empty(), "nobody is there");
    assert!(outbox.lagging(slot).is_none() && outbox.lagging(second.slot()).is_some());
    bench.node.leave(second, &outbox, Leaving::Said);
}

#[tokio::test]
async fn what_passes_by_while_a_cursor_looks_at_the_tail_is_not_missed() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Arc::new(Mutex::new(Vec::new())), Dice(1));
    let outbox = Outbox::new(
        Box::new(Whimsical { held: Vec::new(), took: Arc::clone(&took), dice }),
        true,
        1 << 20,
        Instant::now(),
    );
    let member = bench.node.watch(&outbox, &Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 });
    let slot = member.slot();
    let (_, _, flavour) = outbox.lagging(slot).unwrap();
    // It has looked and found nothing; before it can say so, a broadcaster comes by and sees that it lags.
    let posts = [Arc::new(post::Post::of_rooms(1, lobby::RESYNC))];
    outbox.deliver(slot, &flavour, &mut frames::Round::new(&posts), Instant::now());
    assert!(outbox.is_idle() && took.lock().is_empty(), "a lagging cursor takes nothing");
    outbox.serve(slot, &flavour, &[]);
    assert!(outbox.lagging(slot).is_some(), "it has to look again");
    outbox.serve(slot, &flavour, &[]);
    assert!(outbox.lagging(slot).is_none(), "now it is live");
    bench.node.leave(member, &outbox, Leaving::Said);
}

#[tokio::test]
async fn that_a_room_is_gone_is_told_whatever_happens_at_the_same_time() {
    let bench = Bench::new(&Limits::default()).await;
    let (took, dice) = (Took::default(), Dice(1));
    let outbox = Outbox::new(Box::new(Whimsical { held: Vec::new(), took, dice }), true, 1 << 20, Instant::now());
    let wish = || Wish { id: None, ack: AckMode::Auto, version: Version::V1_2 };
    // Gone before the store's answer to the enter has come.
    let (early, pending) = bench.node.enter(bench.room, &"a".parse().unwrap(), &outbox, &wish(), Start::Live);
    let entered = settled(pending).await.unwrap();
    outbox.gone(early.slot());
    bench.node.entered(&early, &outbox, &entered, Start::Live);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Gone(early.slot()));
    bench.node.leave(early, &outbox, Leaving::Said);
    // Gone while it looks at the tail.
    let late = bench.node.watch(&outbox, &wish());
    let (_, _, flavour) = outbox.lagging(late.slot()).unwrap();
    outbox.gone(late.slot());
    outbox.serve(late.slot(), &flavour, &[]);
    assert_eq!(poll_fn(|cx| outbox.poll_want(cx)).await, Want::Gone(late.slot()));
    bench.node.leave(late, &outbox, Leaving::Said);
}

#[tokio::test]
async fn in_a_room_without_a_history_an_own_enter_that_is_still_on_its_way_is_no_gap() {
    let (bench, tail) = Bench::unheard(&Limits::default(), History::Off).await;
    let (took, dice) = (Took::default(), Dice(1));
    let sink = Whimsical { held: Vec::new(), took: Arc::clone(&took), dice };
    let outbox = Outbox::new(Box::new(sink), true, 1 << 20, Instant::now());
    let wish = Wish { id: Some("s".into()), ack: AckMode::Auto, version: Version::V1_2 };
    let (member, pending) = bench.node.enter(bench.room, &"a".parse().unwrap(), &outbox, &wish, Start::Live);
    let entered = settled(pending).await.unwrap();
    assert_eq!(bench.node.entered(&member, &outbox, &entered, Start::Live), None);
    assert_eq!(bench.node.catch_up(&outbox, member.slot()).await.unwrap(), None, "nobody has told of it yet");
    tokio::spawn(pump(Arc::clone(&bench.node), tail));
    let comes = async {
        while !offsets_until(&took.lock(), entered.last) {
            if let Poll::Ready(Want::CatchUp(slot)) = poll_fn(|cx| Poll::Ready(outbox.poll_want(cx))).await {
                assert_eq!(bench.node.catch_up(&outbox, slot).await.unwrap(), None);
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), comes).await.expect("the own ENTER comes");
    bench.node.leave(member, &outbox, Leaving::Said);
}
