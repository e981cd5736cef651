//! Everything moves from a file into Redis and back, and is served from there as it was.

use super::*;
use crate::store::copy::{Comparison, CopyError, IDS_MS, Report, UNFINISHED, What, compare, copy};
use crate::store::{Account, Invitation, SigningKey};

const HOUR_MS: i64 = 60 * MINUTE_MS;

/// A house that nobody serves from, and the command line in it.
async fn closed(house: &House) -> Store {
    house.store.close().await;
    let store = house.admin().await;
    if let Store::Redis(redis) = &store {
        until("the owner's time is over", async || !redis.is_served().await.unwrap()).await;
    }
    store
}

async fn moved(from: &House, to: &House) -> Report {
    let (from, to) = (closed(from).await, closed(to).await);
    let report = copy(&from, &to, |_| ()).await.unwrap();
    from.close().await;
    to.close().await;
    report
}

fn count(report: &Report, what: What) -> u64 {
    report.comparisons.iter().find(|comparison| comparison.what == what).unwrap().from.0
}

fn differing(comparisons: &[Comparison]) -> Vec<What> {
    comparisons.iter().filter(|comparison| !comparison.is_same()).map(|comparison| comparison.what).collect()
}

/// Everything that stands in a file, but for what each file has of its own.
fn rows(house: &House) -> Vec<Vec<String>> {
    let file = rusqlite::Connection::open(house.folder().join("sarangbang.db")).unwrap();
    let rooms = "room JOIN (SELECT key AS k, hex(id) AS room_id FROM room) ON k = ";
    [
        "SELECT hex(id), name, history, created_at, first_offset, last_offset, last_at FROM room ORDER BY id".to_owned(),
        format!(
            "SELECT room_id, place & 68719476735, kind, sender, message, user_count, entry.id, sent_at FROM entry, {rooms}
             place >> 36 WHERE room.key = k ORDER BY 1, 2"
        ),
        "SELECT name_key, name, role, hex(password_hash), disabled, token_epoch, created_at FROM account ORDER BY 1".into(),
        "SELECT hex(key), name_key, expires_at FROM login ORDER BY 1".into(),
        "SELECT hex(key), role, expires_at FROM invitation ORDER BY 1".into(),
        "SELECT id, hex(secret), created_at FROM signing_key ORDER BY number".into(),
        "SELECT name, hex(value), expires_at FROM kept ORDER BY 1".into(),
        format!("SELECT room_id, sender, dedup.id, log_offset FROM dedup, {rooms} dedup.room WHERE room.key = k ORDER BY 1, 2, 3"),
    ]
    .iter()
    .map(|sql| {
        let mut rows = file.prepare(sql).unwrap();
        let columns = rows.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            Ok((0..columns).map(|at| format!("{:?} ", row.get_unwrap::<_, rusqlite::types::Value>(at))).collect::<String>())
        };
        rows.query_map([], row).unwrap().map(|row| row.unwrap()).collect()
    })
    .collect()
}

/// One of everything, and more of what there may be much of.
struct Furnished {
    long: RoomId,
    passing: RoomId,
    minji: Account,
}

async fn furnish(house: &House) -> Furnished {
    let store = &house.store;
    let (long, talk, passing) = (house.room().await, house.room().await, house.passing_room().await);
    store.create_room("a room that nobody was in".parse().unwrap()).await.unwrap();
    let said: Vec<_> = (1..=3_000)
        .map(|n| {
            store.append(draft(long, "행복아빠", &format!("안녕 {n}\n"), (n % 3 == 0).then_some(&*format!("id-{n}"))))
        })
        .collect();
    for said in said {
        settled(said).await.unwrap();
    }
    house.enter(talk, "민지", 1).await.unwrap();
    house.enter(talk, "bob", 2).await.unwrap();
    house.say_as(talk, "민지", "1:2").await.unwrap();
    house.leave(talk, "bob", 2);
    house.leave(talk, "민지", 1);
    house.room_when(talk, |room| room.user_count == 0).await;
    for n in 0..5 {
        house.say(passing, "bob", &n.to_string()).await.unwrap();
    }
    for (who, role) in [("Boss", Role::Admin), ("민지", Role::User), ("bob", Role::User), ("gone", Role::Admin)] {
        store.add_account(account(who, role)).await.unwrap();
    }
    store.set_password(&name("민지"), Secret::new(*b"$argon2id$other")).await.unwrap();
    store.set_disabled(&name("gone"), true).await.unwrap();
    let minji = store.account(&name("민지")).await.unwrap().unwrap();
    for (key, hours) in [(1, 5), (2, 3), (3, 7)] {
        store.add_login([key; 32], &minji, house.now() + hours * HOUR_MS).await.unwrap();
    }
    let invitation = |key, hours| Invitation { key, role: Role::Guest, expires_at: house.now() + hours * HOUR_MS };
    store.add_invitation(invitation([9; 32], 8)).await.unwrap();
    store.add_invitation(invitation([10; 32], -1)).await.unwrap();
    for n in 1..=3 {
        let key = SigningKey { id: format!("key-{n}"), secret: Secret::new([n; 32]), created_at: 7 };
        store.add_signing_key(key).await.unwrap();
    }
    store.keep("tls/인증서:a b", Secret::new([0, 255, b'\n'])).await.unwrap();
    store.keep_for("for a while", Secret::new(*b"x"), 3_600).await.unwrap();
    Furnished { long, passing, minji }
}

/// It goes on as if nothing had happened.
async fn lives_on(house: &House, Furnished { long, passing, minji }: &Furnished, said: u64) {
    assert_eq!(house.say(*long, "bob", "and on").await, Ok(3_001 + said));
    assert_eq!(house.say_as(*long, "행복아빠", "id-2997").await, again(2_997));
    assert_eq!(house.say(*passing, "bob", "live").await, Ok(6 + said));
    assert_eq!(house.store.login([1; 32]).await.unwrap().as_ref(), Some(minji));
    assert_eq!(house.store.login([7; 32]).await.unwrap(), None);
    let keys = house.store.signing_keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| &*key.id).collect::<Vec<_>>(), ["key-3", "key-2", "key-1"]);
    assert!(house.store.has_admin().await.unwrap());
    let taken = house.store.add_account(account("BOSS", Role::User)).await;
    assert_eq!(taken, Err(StoreError::NameTaken));
}

fn settings() -> Settings {
    Settings { keep_entries: Some(2_000), queue_max: 5_000, ..Settings::default() }
}

#[tokio::test]
async fn from_a_file_into_redis_and_back_everything_is_the_same_and_goes_on() {
    let mut file = House::with(On::Sqlite, settings()).await;
    let furnished = furnish(&file).await;
    let (mut redis, mut back) = (House::with(On::Redis, settings()).await, House::with(On::Sqlite, settings()).await);
    let there = moved(&file, &redis).await;
    assert!(there.is_same(), "{there:?}");
    let counts = What::ALL.map(|what| count(&there, what));
    let entries = counts[1];
    assert!((2_000..=2_100).contains(&entries), "the long room is trimmed, and has its newest: {entries}");
    assert_eq!(counts, [4, entries, 4, 3, 1, 3, 2, 1_001]);
    let and_back = moved(&redis, &back).await;
    assert!(and_back.is_same(), "{and_back:?}");
    assert_eq!(What::ALL.map(|what| count(&and_back, what)), counts);
    assert_eq!(there.comparisons, and_back.comparisons, "the same in all three");
    let mut originals = rows(&file);
    // One that has ended by then is not copied.
    originals[4].retain(|row| !row.contains(&"0A".repeat(32)));
    for (copied, original) in rows(&back).into_iter().flatten().zip(originals.iter().flatten()) {
        assert_eq!(&copied, original);
    }
    assert_eq!(
        rows(&back).iter().map(Vec::len).collect::<Vec<_>>(),
        originals.iter().map(Vec::len).collect::<Vec<_>>()
    );

    for house in [&mut redis, &mut back, &mut file] {
        house.restart().await;
        lives_on(house, &furnished, 0).await;
    }
    redis.sweep().await;
    assert!(redis.all(furnished.long).await.first > 1);
}

#[tokio::test]
async fn an_entry_that_was_altered_in_the_copy_is_noticed() {
    let (redis, file) = (House::new(On::Redis).await, House::new(On::Sqlite).await);
    let room = redis.room().await;
    for n in 0..5 {
        redis.say(room, "민지", &format!("안녕 {n}")).await.unwrap();
    }
    assert!(moved(&redis, &file).await.is_same());
    let base = rusqlite::Connection::open(file.folder().join("sarangbang.db")).unwrap();
    assert_eq!(base.execute("UPDATE entry SET message = '안녕 ' WHERE message = '안녕 3'", []).unwrap(), 1);
    let (from, to) = (redis.admin().await, file.admin().await);
    let compared = compare(&from, &to, redis.now() - IDS_MS, |_| ()).await.unwrap();
    assert_eq!(differing(&compared), [What::Entries]);
    assert_eq!(compared[1].to.0, 5, "there are as many as before");
    assert_eq!(base.execute("DELETE FROM entry WHERE message = '안녕 '", []).unwrap(), 1);
    let compared = compare(&from, &to, redis.now() - IDS_MS, |_| ()).await.unwrap();
    assert_eq!((differing(&compared), compared[1].to.0), (vec![What::Entries], 4));
    to.close().await;
}

#[tokio::test]
async fn a_hole_that_redis_had_lost_is_told_by_the_file_too() {
    let redis = House::alone(On::Redis, Settings::default()).await;
    let mut file = House::new(On::Sqlite).await;
    let room = redis.room().await;
    for n in 1..=9 {
        redis.say(room, "민지", &n.to_string()).await.unwrap();
    }
    let log = redis.keys().into_iter().find(|key| key.ends_with(":log")).unwrap();
    let log = format!("{}{log}", redis.redis_settings().prefix);
    assert_eq!(redis.server().lock().ask(&["XDEL", &log, "4-0", "5-0", "9-0"]), "3");
    let report = moved(&redis, &file).await;
    assert!(report.is_same(), "{report:?}");
    assert_eq!(count(&report, What::Entries), 6);
    file.restart().await;
    let all = file.all(room).await;
    assert_eq!((offsets(&all.entries), all.first), (vec![1, 2, 3], 1));
    let behind = file.store.read(room, 3, 100, usize::MAX).await.unwrap();
    assert_eq!((offsets(&behind.entries), behind.first), (vec![6, 7, 8], 6));
    let end = file.store.read(room, 8, 100, usize::MAX).await.unwrap();
    assert_eq!((offsets(&end.entries), end.first, end.last), (vec![], 10, 9));
    assert_eq!(file.say(room, "민지", "on").await, Ok(10));
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_not_passed_over_in_silence() {
    let redis = House::alone(On::Redis, Settings::default()).await;
    let file = House::new(On::Sqlite).await;
    let room = redis.room().await;
    redis.say(room, "민지", "x").await.unwrap();
    let log = redis.keys().into_iter().find(|key| key.ends_with(":log")).unwrap();
    let log = format!("{}{log}", redis.redis_settings().prefix);
    redis.server().lock().ask(&["XADD", &log, "2-0", "r", "no record"]);
    let report = moved(&redis, &file).await;
    assert_eq!((report.unread, report.is_same()), (1, false));
    assert!(differing(&report.comparisons).is_empty());
    assert!(file.admin().await.kept(UNFINISHED).await.unwrap().is_some(), "nobody serves from it");
}

#[tokio::test]
async fn nothing_is_copied_from_where_somebody_serves_nor_into_what_holds_something() {
    let (file, redis) = (House::new(On::Sqlite).await, House::new(On::Redis).await);
    let none = |_| ();
    let (from, to) = (file.admin().await, redis.admin().await);
    let refused = copy(&from, &to, none).await;
    assert!(matches!(refused, Err(CopyError::Folder(_))), "a server has the folder: {refused:?}");
    file.room().await;
    let from = closed(&file).await;
    assert!(matches!(copy(&from, &to, none).await, Err(CopyError::Served)), "a node has leases");
    redis.store.add_account(account("a", Role::User)).await.unwrap();
    let to = closed(&redis).await;
    let refused = copy(&from, &to, none).await;
    assert!(matches!(&refused, Err(CopyError::NotEmpty(what)) if what == "1 accounts"), "{refused:?}");
    let empty = House::new(On::Redis).await;
    let empty = closed(&empty).await;
    assert!(matches!(copy(&empty, &from, none).await, Err(CopyError::Nothing)));
    empty.keep(UNFINISHED, Secret::new(*b"1")).await.unwrap();
    assert!(matches!(copy(&from, &empty, none).await, Err(CopyError::Unfinished)));
    empty.forget(UNFINISHED).await.unwrap();
    assert!(copy(&from, &empty, none).await.unwrap().is_same());
    assert_eq!(empty.rooms().await.unwrap().len(), 1);
}
