//! People who talk and read, come back when they are sent away, and remember what they lived through.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sarangbang::chat::{Kind, Role, RoomId};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::secure::{AnyStream, secure};
use crate::support::{Client, Event, PATIENCE, Server};

/// Between two messages of one of them.
const PACE: Duration = Duration::from_millis(400);

/// What the whole crowd knows.
struct Shared {
    address: SocketAddr,
    authority: String,
    is_secure: bool,
    is_quiet: AtomicBool,
    /// Those who have nothing unacknowledged and say nothing more.
    quiet: AtomicUsize,
    /// The offset up to which everybody reads, by room.
    goal: watch::Sender<Option<HashMap<RoomId, u64>>>,
}

/// What one of them lived through.
#[derive(Default)]
struct Life {
    room: Option<RoomId>,
    acknowledged: Vec<String>,
    /// What was read, by offset.
    read: BTreeMap<u64, String>,
    /// Offsets that did not follow the one before.
    out_of_order: Vec<(u64, u64)>,
    refused: Vec<String>,
    closes: Vec<Option<u16>>,
    /// From the end of one connection to being in the room by the next.
    away: Vec<Duration>,
}

pub(super) struct Crowd {
    shared: Arc<Shared>,
    lives: Vec<JoinHandle<Life>>,
    rooms: Vec<RoomId>,
    each: usize,
}

impl Crowd {
    /// So many people in so many rooms.
    pub(super) async fn enter(server: &Server, people: usize, rooms: usize) -> Self {
        let shared = Arc::new(Shared {
            address: server.address(),
            authority: server.authority().to_owned(),
            is_secure: server.url.starts_with("https"),
            is_quiet: AtomicBool::new(false),
            quiet: AtomicUsize::new(0),
            goal: watch::Sender::new(None),
        });
        let mut made = Vec::new();
        for n in 0..rooms {
            made.push(server.room(&format!("room {n}")).await);
        }
        let mut lives = Vec::new();
        for n in 0..people {
            let name = format!("person{n}");
            server.person(&name, Role::User).await;
            let life = live(Arc::clone(&shared), server.token(&name), name, made[n % rooms]);
            lives.push(tokio::spawn(life));
        }
        Self { shared, lives, rooms: made, each: people / rooms }
    }

    pub(super) async fn talk_for(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Has everybody finish, and holds what they lived through against the rooms' logs.
    pub(super) async fn judge(self, server: &Server) -> String {
        self.shared.is_quiet.store(true, Ordering::Release);
        crate::support::eventually("everything is acknowledged", || async {
            self.shared.quiet.load(Ordering::Acquire) == self.lives.len()
        })
        .await;
        let (mut logs, mut goal) = (HashMap::new(), HashMap::new());
        for room in &self.rooms {
            let slice = server.store().read(*room, 0, usize::MAX >> 1, usize::MAX >> 1).await.unwrap();
            goal.insert(*room, slice.last);
            logs.insert(*room, slice.entries);
        }
        self.shared.goal.send_replace(Some(goal));
        let mut told = String::new();
        let (mut acknowledged, mut away, mut closes) = (0, Vec::new(), BTreeMap::<_, usize>::new());
        for life in self.lives {
            let life = tokio::time::timeout(PATIENCE * 2, life).await.expect("everybody reads to the end").unwrap();
            let log = &logs[&life.room.unwrap()];
            assert_eq!(life.refused, Vec::<String>::new(), "nobody is refused");
            assert_eq!(life.out_of_order, [], "one after the other");
            for text in &life.acknowledged {
                let times = log.iter().filter(|entry| *entry.message == **text).count();
                assert_eq!(times, 1, "{text} was acknowledged");
            }
            for (offset, text) in &life.read {
                let entry = &log[usize::try_from(*offset).unwrap() - 1];
                assert_eq!(*entry.message, **text, "at {offset}");
            }
            acknowledged += life.acknowledged.len();
            away.extend(life.away);
            for code in life.closes {
                *closes.entry(code).or_default() += 1;
            }
        }
        let (mut entries, mut quits) = (0, 0);
        for log in logs.values() {
            let count = |kind| log.iter().filter(|entry| entry.kind == kind).count();
            assert_eq!(count(Kind::Enter), self.each, "each came in once");
            quits += count(Kind::Quit);
            entries += log.len();
        }
        assert_eq!(quits, 0, "nobody was seen to leave");
        assert_eq!(closes.keys().copied().collect::<Vec<_>>(), [Some(1012)], "{closes:?}");
        away.sort_unstable();
        let (median, longest) = (away[away.len() / 2], away[away.len() - 1]);
        let _ = write!(
            told,
            "{acknowledged} acknowledged, each once in {entries} entries; closes {closes:?}; back in the room after {median:?} \
             (median), {longest:?} at most"
        );
        told
    }
}

async fn live(shared: Arc<Shared>, token: String, name: String, room: RoomId) -> Life {
    let mut life = Life { room: Some(room), ..Life::default() };
    let (mut last, mut said, mut pending, mut is_counted) = (0, 0, None::<String>, false);
    let mut gone: Option<Instant> = None;
    let mut goal = shared.goal.subscribe();
    'connections: loop {
        let mut client = match open(&shared).await {
            Ok(client) => client,
            Err(why) => {
                life.refused.push(why);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // A process that has just handed over says 1012 where CONNECTED was expected.
        client.send(&format!("CONNECT\naccept-version:1.2\nhost:x\ntoken:{token}\n\n\0")).await;
        let after = if last > 0 { format!("after:{last}\n") } else { String::new() };
        client.send(&format!("SUBSCRIBE\nid:s\ndestination:/sub/chat/room/{room}\nreceipt:entered\n{after}\n\0")).await;
        let mut is_in = false;
        let mut next_say = Instant::now() + PACE.mul_f64(f64::from(u32::from(name.as_bytes()[name.len() - 1])) / 64.0);
        if let Some(text) = &pending {
            say(&mut client, &token, room, text).await;
        }
        loop {
            let is_quiet = shared.is_quiet.load(Ordering::Acquire) && pending.is_none() && is_in;
            if is_quiet && !is_counted {
                is_counted = true;
                shared.quiet.fetch_add(1, Ordering::AcqRel);
            }
            if goal.borrow_and_update().as_ref().is_some_and(|goal| last >= goal[&room]) {
                return life;
            }
            if is_in && !is_quiet && pending.is_none() && Instant::now() >= next_say {
                said += 1;
                let text = format!("{name} says {said}");
                say(&mut client, &token, room, &text).await;
                pending = Some(text);
                next_say += PACE;
            }
            match client.event_within(Duration::from_millis(50)).await {
                None | Some(Event::HeartBeat) => {}
                Some(Event::Frame(frame)) => match &*frame.command {
                    "MESSAGE" => {
                        let (offset, message) = (frame.offset(), frame.json()["message"].as_str().unwrap().to_owned());
                        if last > 0 && offset != last + 1 {
                            life.out_of_order.push((last, offset));
                        }
                        last = offset;
                        life.read.insert(offset, message);
                    }
                    "RECEIPT" if frame.header("receipt-id") == Some("entered") => {
                        is_in = true;
                        life.away.extend(gone.take().map(|gone| gone.elapsed()));
                    }
                    "RECEIPT" => {
                        let text = pending.take().unwrap();
                        assert_eq!(frame.header("receipt-id"), Some(&*text));
                        life.acknowledged.push(text);
                    }
                    "CONNECTED" => {}
                    _ => life.refused.push(format!("{frame:?}")),
                },
                Some(Event::Closed(code)) => {
                    life.closes.push(code);
                    gone.get_or_insert_with(Instant::now);
                    continue 'connections;
                }
            }
        }
    }
}

async fn say(client: &mut Client, token: &str, room: RoomId, text: &str) {
    let body = serde_json::json!({"type": "TALK", "roomId": room.to_string(), "message": text});
    let id = text.replace(' ', "-");
    client
        .send(&format!("SEND\ndestination:/pub/chat/message\ntoken:{token}\nid:{id}\nreceipt:{text}\n\n{body}\0"))
        .await;
}

async fn open(shared: &Shared) -> Result<Client, String> {
    let stream = TcpStream::connect(shared.address).await.map_err(|e| format!("connect: {e}"))?;
    let _ = stream.set_nodelay(true);
    let stream: AnyStream = if shared.is_secure {
        let host = shared.authority.rsplit_once(':').map_or(&*shared.authority, |(host, _)| host);
        Box::new(secure(stream, host).await.map_err(|e| format!("handshake: {e}"))?)
    } else {
        Box::new(stream)
    };
    Client::try_over(stream, &shared.authority).await.ok_or_else(|| "the upgrade was refused".to_owned())
}
