//! The process is killed, the reader does not read: what was acknowledged stays, and nobody else pays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sarangbang::chat::RoomId;
use tokio::sync::watch;

use crate::support::{Client, Event, PATIENCE, Server};

/// What the senders know.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<HashSet<String>>,
}

/// Sends as fast as it is answered, each message again after a broken connection with the same id, until told to stop.
async fn sender(
    authority: String,
    token: String,
    name: String,
    room: RoomId,
    ledger: Arc<Ledger>,
    stop: watch::Receiver<bool>,
) {
    let mut next = 0_u64;
    while !*stop.borrow() {
        let Ok(stream) = tokio::net::TcpStream::connect(&authority).await else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let Some(mut client) = Client::try_over(stream, &authority).await else { continue };
        if !client.try_connect(&token).await {
            continue;
        }
        // Eight at a time, so that commits are groups and a kill hits several at once.
        'alive: while !*stop.borrow() {
            let ids: Vec<String> = (next..next + 8).map(|n| format!("{name}-{n}")).collect();
            for id in &ids {
                let body = serde_json::json!({"type": "TALK", "roomId": room.to_string(), "message": id}).to_string();
                client.say_body(&body, id, &format!("id:{id}\n")).await;
            }
            for id in &ids {
                match client.event_within(PATIENCE).await {
                    Some(Event::Frame(frame)) if frame.command == "RECEIPT" => {
                        assert_eq!(
                            frame.header("receipt-id"),
                            Some(&**id),
                            "receipts come in the order of their requests"
                        );
                        ledger.acknowledged.lock().insert(id.clone());
                    }
                    Some(Event::Closed(_)) => break 'alive,
                    other => panic!("{other:?}"),
                }
            }
            next += 8;
        }
    }
}

/// The whole log of a room, with its order checked.
async fn log_of(server: &Server, room: RoomId) -> Vec<Arc<sarangbang::chat::Entry>> {
    let mut all = Vec::new();
    loop {
        let slice = server.store().read(room, all.len() as u64, 10_000, usize::MAX).await.unwrap();
        if slice.entries.is_empty() {
            assert_eq!(slice.last, all.len() as u64);
            return all;
        }
        all.extend(slice.entries);
        assert!(all.iter().zip(1..).all(|(entry, offset)| entry.offset == offset), "offsets rise by one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_double_and_misplace_nothing() {
    const KILLS: u32 = 50;
    let mut server = Server::builder().set("history.keep_entries", 0).start().await;
    let room = server.room("a").await;
    let ledger = Arc::new(Ledger::default());
    let (stop, stopped) = watch::channel(false);
    let mut senders = Vec::new();
    for n in 0..4 {
        let name = format!("sender{n}");
        server.person(&name, sarangbang::chat::Role::User).await;
        let (authority, token) = (server.authority().to_owned(), server.token(&name));
        senders.push(tokio::spawn(sender(authority, token, name, room, Arc::clone(&ledger), stopped.clone())));
    }
    // Somebody who is in the room at every kill, so that the counts have something to get wrong.
    server.person("guest", sarangbang::chat::Role::User).await;
    let mut random = 0x5eed_u64;
    for kill in 0..KILLS {
        let mut guest = server.connect("guest").await;
        guest.subscribe("s", room, "").await;
        // The moment of the kill: after so many more acknowledgements, pseudo-random and the same in every run.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let enough = ledger.acknowledged.lock().len() + (random >> 33) as usize % 60;
        let started = Instant::now();
        while ledger.acknowledged.lock().len() < enough {
            assert!(started.elapsed() < PATIENCE, "the senders got stuck before kill {kill}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        server.kill();
        let known = ledger.acknowledged.lock().clone();
        server.restart().await;
        assert_eq!(server.room_state(room).await.user_count, 0, "nobody is there right after kill {kill}");
        let log = log_of(&server, room).await;
        let kept: HashSet<&str> = log.iter().map(|entry| &*entry.id).collect();
        assert!(known.iter().all(|id| kept.contains(&**id)), "an acknowledged message is gone after kill {kill}");
    }
    stop.send(true).unwrap();
    for sender in senders {
        sender.await.unwrap();
    }
    let log = log_of(&server, room).await;
    let mut times: HashMap<&str, u32> = HashMap::new();
    log.iter()
        .filter(|entry| entry.sender.starts_with("sender"))
        .for_each(|entry| *times.entry(&entry.id).or_default() += 1);
    assert!(times.values().all(|times| *times == 1), "a message stands twice");
    assert!(ledger.acknowledged.lock().iter().all(|id| times.contains_key(&**id)));
    // Each sender's messages stand in the order in which they were sent.
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.sender.starts_with("sender")) {
        let number: u64 = entry.id.rsplit('-').next().unwrap().parse().unwrap();
        let before = last.insert(&entry.sender, number);
        assert!(before.is_none_or(|before| before < number), "{} was overtaken", entry.id);
    }
    // The counts that the entries carry follow from the notices alone.
    let mut inside = 0;
    for entry in &log {
        match entry.kind {
            sarangbang::chat::Kind::Enter => inside += 1,
            sarangbang::chat::Kind::Quit => inside -= 1,
            sarangbang::chat::Kind::Talk => {}
        }
        assert_eq!(entry.user_count, inside, "at offset {}", entry.offset);
    }
    println!("{KILLS} kills, {} acknowledged, {} entries", ledger.acknowledged.lock().len(), log.len());
}

/// Reads `count` messages; answers how long after its sending each came, and the client for more.
async fn reader(mut client: Client, started: Instant, count: usize) -> (Vec<Duration>, Client) {
    let mut delays = Vec::with_capacity(count);
    let mut last = 0;
    while delays.len() < count {
        let Event::Frame(frame) = client.event().await else { panic!("a reader was thrown out") };
        if frame.command != "MESSAGE" {
            continue;
        }
        let entry = frame.json();
        let offset = entry["offset"].as_u64().unwrap();
        assert!(last == 0 || offset == last + 1, "{offset} after {last}");
        last = offset;
        if entry["type"] == "TALK" {
            let sent: u64 = entry["message"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
            delays.push(started.elapsed().saturating_sub(Duration::from_micros(sent)));
        }
    }
    (delays, client)
}

/// Sends `count` messages of `bytes`, each once the one before is durable, and answers the median delay of all
/// deliveries, once everybody has read everything.
async fn talk(
    server: &Server,
    room: RoomId,
    readers: Vec<Client>,
    count: usize,
    bytes: usize,
) -> (Duration, Vec<Client>) {
    let started = Instant::now();
    let reading: Vec<_> = readers.into_iter().map(|client| tokio::spawn(reader(client, started, count))).collect();
    let mut publisher = server.connect("publisher").await;
    for _ in 0..count {
        let text = format!("{} {}", started.elapsed().as_micros(), "x".repeat(bytes));
        publisher.say(room, &text, "r").await;
        publisher.until("RECEIPT").await;
    }
    let (mut delays, mut readers) = (Vec::new(), Vec::new());
    for reading in reading {
        let (delay, client) = reading.await.unwrap();
        delays.extend(delay);
        readers.push(client);
    }
    delays.sort_unstable();
    (delays[delays.len() / 2], readers)
}

/// Opens `count` sockets in a room, named after `prefix`. They have little room for bytes under way, so that who does
/// not read is felt by the server soon.
async fn crowd(server: &Server, room: RoomId, prefix: &str, count: usize) -> Vec<Client> {
    let mut crowd = Vec::with_capacity(count);
    for n in 0..count {
        // Ten names: the room is full of sockets, and entering it is not a thousand notices to a thousand people.
        let name = format!("{prefix}{}", n % 10);
        if server.store().account(&name.parse().unwrap()).await.unwrap().is_none() {
            server.person(&name, sarangbang::chat::Role::User).await;
        }
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let stream = socket.connect(server.authority().parse().unwrap()).await.unwrap();
        let mut client = Client::over(stream, server.authority(), "/ws-stomp", None).await;
        client.connect(&server.token(&name)).await;
        client.subscribe("sub-0", room, "").await;
        crowd.push(client);
    }
    crowd
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_of_a_thousand_who_read_nothing_slow_nobody_and_get_everything_once_they_read() {
    const SILENT: usize = 50;
    /// What is said while a thousand are there, and while only a few read: five megabytes for each who does not.
    const SHORT: (usize, usize) = (60, 200);
    const LONG: (usize, usize) = (350, 14_000);
    let limits = sarangbang::chat::Limits::default();
    // A silent connection holds at most what one write left over and its control frames; a room holds its ring.
    // The rest is the allocator's. Everything queued would be 50 x 5 MB.
    let growth_bytes_max =
        SILENT * (limits.catch_up_bytes_max + limits.outbox_bytes_max) + limits.ring_bytes_max + (8 << 20);
    let server = Server::builder()
        .set("limits.ping_seconds", 300)
        .set("limits.message_chars_max", 15_000)
        .set("history.keep_entries", 0)
        .start()
        .await;
    let (quiet, loud) = (server.room("all read").await, server.room("fifty do not").await);

    let everybody = crowd(&server, quiet, "quiet", 1_000 - SILENT).await;
    let (without, everybody) = talk(&server, quiet, everybody, SHORT.0, SHORT.1).await;
    drop(everybody);

    let readers = crowd(&server, loud, "loud", 1_000 - SILENT).await;
    let mut silent = crowd(&server, loud, "silent", SILENT).await;
    let (with, mut readers) = talk(&server, loud, readers, SHORT.0, SHORT.1).await;
    // Said, and not judged: machines are shared. What is judged is that everybody got everything.
    println!("median delay {without:?} when all read, {with:?} when {SILENT} of them do not");

    readers.truncate(20);
    let before = server.resident_bytes();
    talk(&server, loud, readers, LONG.0, LONG.1).await;
    let grown = server.resident_bytes().saturating_sub(before);
    println!("grown by {grown} bytes of {growth_bytes_max} while {SILENT} do not read {} bytes each", LONG.0 * LONG.1);
    assert!(grown < growth_bytes_max, "the server grew by {grown} bytes");

    let last = server.room_state(loud).await.last_offset;
    for client in &mut silent {
        let mut next = None;
        loop {
            let offset = client.message().await.offset();
            assert!(next.is_none_or(|next| next == offset), "{offset} instead of {next:?}");
            next = Some(offset + 1);
            if offset == last {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_heart_beats_and_reads_nothing_for_a_while_is_kept_and_gets_everything() {
    let server = Server::builder()
        .set("limits.ping_seconds", 300)
        .set("limits.message_chars_max", 15_000)
        .set("history.keep_entries", 0)
        .start()
        .await;
    let room = server.room("a").await;
    server.person("a", sarangbang::chat::Role::User).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let stream = socket.connect(server.authority().parse().unwrap()).await.unwrap();
    let mut silent = Client::over(stream, server.authority(), "/ws-stomp", None).await;
    let token = server.token("a");
    silent.send(&format!("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,1\ntoken:{token}\n\n\0")).await;
    silent.until("CONNECTED").await;
    silent.subscribe("s", room, "").await;
    let mut speaker = server.connect("b").await;
    for _ in 0..350 {
        speaker.say(room, &"x".repeat(14_000), "r").await;
        speaker.until("RECEIPT").await;
    }
    // Two heart-beats become due that the socket does not take: nothing but time brings them.
    tokio::time::sleep(Duration::from_secs(21)).await;
    let last = server.room_state(room).await.last_offset;
    for offset in 1..=last {
        assert_eq!(silent.message_or_beat().await.offset(), offset);
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_what_retention_took_from_it() {
    let server = Server::builder()
        .set("limits.message_chars_max", 15_000)
        .set("limits.ring_entries_max", 4)
        .set("history.keep_entries", 100)
        .start()
        .await;
    let room = server.room("a").await;
    let mut slow = crowd(&server, room, "slow", 1).await.remove(0);
    slow.listen_for_errors_amid().await;
    let mut speaker = server.connect("b").await;
    for _ in 0..600 {
        speaker.say(room, &"x".repeat(14_000), "r").await;
        speaker.until("RECEIPT").await;
    }
    let (mut seen, mut told) = (0, None::<(u64, u64)>);
    let (last, mut holes) = (server.room_state(room).await.last_offset, 0);
    while seen < last {
        let frame = slow.message().await;
        if frame.header("destination") == Some("/user/queue/errors") {
            let gap = frame.json();
            assert_eq!(gap["code"], "gap");
            let words: Vec<u64> = gap["message"].as_str().unwrap().split(' ').filter_map(|w| w.parse().ok()).collect();
            let [from, to] = words[..] else { panic!("{gap}") };
            // Retention may be faster than the next portion: then the gap grows.
            told = Some(told.map_or((from, to), |(first, end)| if end + 1 == from { (first, to) } else { (from, to) }));
            continue;
        }
        let offset = frame.offset();
        if seen > 0 && offset != seen + 1 {
            assert_eq!(told.take(), Some((seen + 1, offset - 1)));
            holes += 1;
        }
        seen = offset;
    }
    assert_eq!(told, None, "every gap that was told is one");
    assert!(holes > 0, "the reader was not slow enough for this test");
}
