use super::heads::rows;
use super::trouble::{disk_is_full, is_unavailable, poison_second_room};
use super::*;
use crate::store::{Event, StoreError};

/// Everything that is told, from now on.
fn listen(house: &House) -> Arc<Mutex<Vec<Event>>> {
    let (mut tail, heard) = (house.store.tail().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let hears = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Some(events) = tail.next().await {
            hears.lock().unwrap().extend(events);
        }
    });
    heard
}

/// What a room was told, once it is `count` entries.
async fn told(heard: &Mutex<Vec<Event>>, room: RoomId, count: usize) -> Vec<Arc<Entry>> {
    let of_room = |event: &Event| match event {
        Event::Entry(entry) if entry.room_id == room => Some(Arc::clone(entry)),
        _ => None,
    };
    for _ in 0..2_000 {
        let told: Vec<_> = heard.lock().unwrap().iter().filter_map(of_room).collect();
        assert!(told.len() <= count, "{told:?}");
        if told.len() == count {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{count} entries were never told: {:?}", heard.lock().unwrap());
}

/// A number that changes with every commit of the writer.
fn version(beside: &rusqlite::Connection) -> i64 {
    beside.pragma_query_value(None, "data_version", |r| r.get(0)).unwrap()
}

fn beside(house: &House) -> rusqlite::Connection {
    rusqlite::Connection::open(house.folder().join("sarangbang.db")).unwrap()
}

async fn said_by(house: &House, room: RoomId, who: &str, id: &str) -> Result<Appended> {
    settled(house.store.append(draft(room, who, "x", Some(id)))).await
}

#[tokio::test]
async fn speaking_writes_nothing_and_there_is_nothing_to_read() {
    let house = house().await;
    let (room, other) = (house.passing_room().await, house.room().await);
    house.say(other, "a", "kept").await.unwrap();
    house.enter(room, "a", 1).await.unwrap();
    until("no row is behind", async || !rows(&house).0).await;
    // The sweep writes nothing either, as nothing is old or behind; it has a transaction all the same.
    let (file, log) = (beside(&house), house.folder().join("sarangbang.db-wal"));
    let before = (version(&file), std::fs::metadata(&log).unwrap().len());
    for n in 0..500 {
        assert_eq!(house.say(room, "a", "one secret").await, Ok(n + 2));
    }
    assert_eq!((version(&file), std::fs::metadata(&log).unwrap().len()), before);
    for slice in [
        house.all(room).await,
        house.store.oldest(room, 3, 10).await.unwrap(),
        house.store.newest(room, None, 10).await.unwrap(),
    ] {
        assert_eq!((slice.entries.len(), slice.first, slice.last, slice.history), (0, 502, 501, History::Off));
    }
    house.store.close().await;
    for name in ["sarangbang.db", "sarangbang.db-wal"] {
        let bytes = std::fs::read(house.folder().join(name)).unwrap_or_default();
        assert!(memchr::memmem::find(&bytes, b"one secret").is_none(), "{name}");
    }
}

#[tokio::test]
async fn a_server_that_ends_in_order_goes_on_where_it_was_and_one_that_is_killed_behind_its_block() {
    let mut house = house().await;
    let room = house.passing_room().await;
    house.enter(room, "a", 1).await.unwrap();
    assert_eq!(house.say(room, "a", "x").await, Ok(2));
    // What a kill would leave: a copy of the files while the server runs.
    let killed = tempfile::tempdir().unwrap();
    for name in ["sarangbang.db", "sarangbang.db-wal"] {
        std::fs::copy(house.folder().join(name), killed.path().join(name)).unwrap();
    }
    house.restart().await;
    let after = |last| settled(house.store.enter(room, name("a"), LeaseId(2), Some(last)));
    assert_eq!(after(3).await, Err(StoreError::AfterPastEnd { last: 2 }));
    let back = after(2).await.unwrap();
    assert_eq!((back.last, back.announced, back.user_count), (3, true, 1), "the dead have left without a word");
    assert_eq!(house.say(room, "a", "x").await, Ok(4));

    let store = open(killed.path(), Mode::Serve, &file_settings(&house.settings), &house.clocks).unwrap();
    let resumed = settled(store.enter(room, name("b"), LeaseId(1), Some(2))).await.unwrap();
    assert_eq!(resumed.user_count, 1);
    assert!(resumed.last > 1 << 16, "{resumed:?}");
    assert_eq!(settled(store.append(draft(room, "b", "x", None))).await, new(resumed.last + 1));
    store.close().await;
}

#[tokio::test]
async fn more_than_a_block_of_offsets_is_given_out_without_a_hole() {
    let house = House::alone(On::Sqlite, Settings { queue_max: 100_000, ..Settings::default() }).await;
    let room = house.passing_room().await;
    let groups: Vec<_> = (0..2_200).map(|_| house.store.append_all(vec![draft(room, "a", "x", None); 32])).collect();
    let mut last = 0;
    for group in groups {
        for appended in settled(group).await.unwrap() {
            last += 1;
            assert_eq!(appended.offset, last);
        }
    }
    assert_eq!(last, 2_200 * 32);
}

#[tokio::test]
async fn a_message_sent_twice_is_answered_with_its_first_offset_until_the_server_ends() {
    let mut house = house().await;
    let (room, other) = (house.passing_room().await, house.passing_room().await);
    let again = Ok(Appended { offset: 1, duplicate: true });
    assert_eq!((said_by(&house, room, "a", "1").await, said_by(&house, room, "a", "1").await), (new(1), again));
    assert_eq!(said_by(&house, room, "b", "1").await, new(2), "the id belongs to its sender");
    assert_eq!(said_by(&house, other, "a", "1").await, new(1), "and to its room");
    house.restart().await;
    assert_eq!(said_by(&house, room, "a", "1").await, new(3));
}

#[tokio::test]
async fn a_full_disk_stops_nobody_who_speaks_where_nothing_is_kept() {
    let house = house().await;
    let heard = listen(&house);
    let (room, kept) = (house.passing_room().await, house.room().await);
    house.enter(room, "a", 1).await.unwrap();
    disk_is_full(&house, true).await;
    let mut filled = 0;
    while house.say(kept, "a", "x").await.is_ok() {
        filled += 1;
    }
    assert_eq!(house.say(room, "a", "alone").await, Ok(2));
    assert!(is_unavailable(&house.store.ready().await), "that this works says nothing of the disk");
    // In one batch with what cannot be written, before it and behind it.
    let before = house.store.append(draft(room, "a", "before", None));
    let lost = house.store.append(draft(kept, "a", "lost", None));
    let entering = house.entering(room, "b", 2);
    let mixed = house.store.append_all(vec![draft(room, "a", "lost", Some("1")), draft(kept, "a", "lost", None)]);
    let after = house.store.append_all(vec![draft(room, "a", "after", Some("1")), draft(room, "a", "after", None)]);
    assert_eq!(settled(before).await, new(3));
    assert!(is_unavailable(&settled(lost).await) && is_unavailable(&settled(entering).await));
    assert!(is_unavailable(&settled(mixed).await));
    let offsets_of = |answer: Result<Vec<Appended>>| answer.unwrap().iter().map(|said| said.offset).collect::<Vec<_>>();
    assert_eq!(offsets_of(settled(after).await), [4, 5], "what failed has taken no offset");
    disk_is_full(&house, false).await;
    house.leave(room, "a", 1);
    let told = told(&heard, room, 6).await;
    assert_eq!(offsets(&told), [1, 2, 3, 4, 5, 6], "after {filled} that were kept");
    assert_eq!(counts(&told), [1, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn a_command_that_fails_by_itself_takes_no_offset_in_a_room_without_a_history() {
    let house = house().await;
    let (room, broken) = (house.passing_room().await, house.room().await);
    house.say(broken, "a", "x").await.unwrap();
    poison_second_room(&house).await;
    let busy = house.hold().await;
    let entering = house.entering(room, "a", 1);
    let lost = house.store.append_all(vec![draft(room, "a", "lost", Some("1")), draft(broken, "a", "lost", None)]);
    let after = house.store.append(draft(room, "a", "after", Some("1")));
    drop(busy);
    assert_eq!(settled(entering).await.unwrap().last, 1);
    assert!(matches!(settled(lost).await, Err(StoreError::Unavailable(_))));
    assert_eq!(settled(after).await, new(2));
    assert_eq!(house.store.room(room).await.unwrap().unwrap().last_offset, 2);
}

#[tokio::test]
async fn retention_and_the_look_for_damage_have_nothing_to_do_there() {
    let house =
        House::alone(On::Sqlite, Settings { keep_entries: Some(1), keep_days: Some(1), ..Settings::default() }).await;
    let (room, kept) = (house.passing_room().await, house.room().await);
    for _ in 0..20 {
        house.say(kept, "a", "x").await.unwrap();
        house.say(room, "a", "x").await.unwrap();
    }
    house.pass(20);
    house.pass(20);
    // Until a sweep has been through.
    while house.all(kept).await.first < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.say(room, "a", "x").await, Ok(21));
    assert_eq!(house.store.examine().await.unwrap(), crate::store::Examined::Sound);
}
