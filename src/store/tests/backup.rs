//! A backup that is made while people talk, and what a house does that was restored from one.

use std::path::Path;

use super::*;
use crate::store::backup::{self, BackupError, Source};
use crate::store::copy::What;

/// A restored house's place, and the command line in it.
async fn restored(folder: &Path, mode: Mode) -> Store {
    let settings = file_settings(&Settings { keep_entries: Some(200), ..Settings::default() });
    Store::Sqlite(crate::store::sqlite::Sqlite::open(folder, mode, settings).unwrap())
}

/// Several people say as much as they can in several rooms, until they are told to stop.
fn talkers(store: &Store, rooms: &[RoomId]) -> (tokio::sync::watch::Sender<bool>, Vec<tokio::task::JoinHandle<()>>) {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let talk = |number: usize| {
        let (store, room, stopped) = (store.clone(), rooms[number % rooms.len()], stopped.clone());
        tokio::spawn(async move {
            let mut n = 0_u64;
            while !*stopped.borrow() {
                let id = format!("{number}-{n}");
                let said = settled(store.append(draft(room, "민지", &format!("안녕 {n}"), Some(&id)))).await;
                said.unwrap();
                n += 1;
            }
        })
    };
    (stop, (0..6).map(talk).collect())
}

async fn a_backup_made_while_people_talk_holds_a_beginning_of_each_log_and_all_that_was_acknowledged(on: On) {
    let house = House::with(on, Settings { queue_max: 5_000, ..Settings::default() }).await;
    let rooms = [house.room().await, house.room().await, house.room().await];
    for who in ["민지", "bob"] {
        house.store.add_account(account(who, Role::User)).await.unwrap();
    }
    let (stop, talking) = talkers(&house.store, &rooms);
    let (place, admin) = (tempfile::tempdir().unwrap(), house.admin().await);
    for number in 0..3 {
        let mut acknowledged = Vec::new();
        for room in rooms {
            acknowledged.push(house.say(room, "bob", "before").await.unwrap());
        }
        let file = place.path().join(format!("{number}.backup"));
        let source = match on {
            On::Sqlite => Source::Folder(house.folder()),
            On::Redis => Source::Redis(&admin),
        };
        let manifest = backup::take(source, &file, false, |_| ()).await.unwrap();
        assert_eq!(backup::verify(&file, |_| ()).await.unwrap(), manifest);
        assert_eq!(manifest.holds.count(What::Accounts), 2);
        let data = place.path().join(format!("data-{number}"));
        let there = backup::restore(&file, &data, |_| ()).await.unwrap();
        assert_eq!(there.holds, manifest.holds);
        let copy = restored(&data, Mode::Admin).await;
        for (room, acknowledged) in rooms.into_iter().zip(acknowledged) {
            let (held, all) = (copy.read(room, 0, usize::MAX, usize::MAX).await.unwrap(), house.all(room).await);
            assert!(held.entries.len() as u64 >= acknowledged, "{} of {acknowledged}", held.entries.len());
            assert!(held.entries.iter().zip(&all.entries).all(|(copied, said)| copied == said), "a beginning");
        }
        copy.close().await;
    }
    stop.send(true).unwrap();
    for talk in talking {
        talk.await.unwrap();
    }
    admin.close().await;
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 6, "nothing else is left");
}

on_each_store! {
    a_backup_made_while_people_talk_holds_a_beginning_of_each_log_and_all_that_was_acknowledged,
}

/// A house in which so much was said that retention has something to do, and a backup of it.
async fn backed_up(place: &Path) -> (House, RoomId, RoomId) {
    let house = House::new(On::Sqlite).await;
    let (room, passing) = (house.room().await, house.passing_room().await);
    for n in 1..=150 {
        house.say(room, "민지", &n.to_string()).await.unwrap();
    }
    house.say(passing, "민지", "x").await.unwrap();
    backup::take(Source::Folder(house.folder()), &place.join("a.backup"), false, |_| ()).await.unwrap();
    (house, room, passing)
}

#[tokio::test]
async fn no_offset_is_given_a_second_time_however_often_a_backup_is_restored() {
    let place = tempfile::tempdir().unwrap();
    let (house, room, passing) = backed_up(place.path()).await;
    let mut given = vec![house.say(room, "민지", "lost").await.unwrap()];
    let mut passed = vec![house.say(passing, "민지", "lost").await.unwrap()];
    let mut file = place.path().join("a.backup");
    for round in 0..3 {
        let data = place.path().join(format!("data-{round}"));
        backup::restore(&file, &data, |_| ()).await.unwrap();
        let store = restored(&data, Mode::Serve).await;
        let say = async |room| settled(store.append(draft(room, "민지", "on", None))).await.unwrap().offset;
        let (offset, passing_offset) = (say(room).await, say(passing).await);
        assert!(offset > *given.last().unwrap() && passing_offset > *passed.last().unwrap());
        given.push(offset);
        passed.push(passing_offset);
        // Who has seen what was lost, or even what was said after an earlier restoration, is told so, and misses nothing.
        for seen in &given[..given.len() - 1] {
            let next = store.read(room, *seen, 10, usize::MAX).await.unwrap();
            let oldest = next.entries.first().map_or(next.first, |entry| entry.offset);
            assert!(next.first > seen + 1 && oldest > *seen, "a gap behind {seen}: {next:?}");
        }
        store.close().await;
        // A backup of what was restored is restored in the next round.
        file = place.path().join(format!("{round}.backup"));
        backup::take(Source::Folder(&data), &file, false, |_| ()).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_restored_is_kept_by_retention_and_read_by_who_enters() {
    let place = tempfile::tempdir().unwrap();
    let (_house, room, _) = backed_up(place.path()).await;
    let data = place.path().join("data");
    backup::restore(&place.path().join("a.backup"), &data, |_| ()).await.unwrap();
    // It keeps 200 entries, and the offsets lie a million further.
    let store = restored(&data, Mode::Serve).await;
    let entered = settled(store.enter(room, name("민지"), LeaseId(1), None)).await.unwrap();
    assert!(entered.missing >= 1_000_000 && entered.first == 1, "{entered:?}");
    let page = store.newest(room, None, 10).await.unwrap();
    assert_eq!(offsets(&page.entries)[..9], (142..=150).collect::<Vec<_>>()[..]);
    for n in 0..140 {
        settled(store.append(draft(room, "민지", &n.to_string(), None))).await.unwrap();
    }
    // 150 old ones, the ENTER, and 140: what is above 200, and its slack, has gone, the oldest first.
    let kept = async || store.newest(room, None, 1_000).await.unwrap();
    until("200 are left", async || kept().await.entries.len() == 200).await;
    let left = kept().await;
    assert_eq!((left.entries[0].offset, left.first), (92, 92));
    for n in 0..200 {
        settled(store.append(draft(room, "민지", &n.to_string(), None))).await.unwrap();
    }
    until("the gap has gone too", async || kept().await.entries.len() == 200).await;
    let left = kept().await;
    assert!(left.first > 1_000_000 && left.first == left.entries[0].offset);
    let entered = settled(store.enter(room, name("bob"), LeaseId(2), None)).await.unwrap();
    assert_eq!(entered.missing, 0);
    store.close().await;
}

#[tokio::test]
async fn what_was_restored_moves_to_redis_with_its_gap_and_is_kept_there() {
    let place = tempfile::tempdir().unwrap();
    let (_house, room, _) = backed_up(place.path()).await;
    let data = place.path().join("data");
    backup::restore(&place.path().join("a.backup"), &data, |_| ()).await.unwrap();
    let settings = Settings { keep_entries: Some(100), ..Settings::default() };
    let mut redis = House::with(On::Redis, settings).await;
    redis.store.close().await;
    let (from, to) = (restored(&data, Mode::Admin).await, redis.admin().await);
    until("nobody serves", async || !matches!(&to, Store::Redis(redis) if redis.is_served().await.unwrap())).await;
    assert!(crate::store::copy::copy(&from, &to, |_| ()).await.unwrap().is_same());
    from.close().await;
    to.close().await;
    redis.restart().await;
    let entered = redis.enter(room, "민지", 1).await.unwrap();
    assert!(entered.missing >= 1_000_000, "{entered:?}");
    let page = redis.store.newest(room, None, 1_000).await.unwrap();
    assert!(page.entries.len() >= 100, "the newest hundred are kept, though the gap is larger: {}", page.entries.len());
    for n in 0..200 {
        redis.say(room, "민지", &n.to_string()).await.unwrap();
    }
    let all = redis.store.newest(room, None, 1_000).await.unwrap();
    assert!((100..=164).contains(&all.entries.len()) && all.first > 1_000_000, "{} {}", all.entries.len(), all.first);
    assert_eq!(redis.enter(room, "bob", 2).await.unwrap().missing, 0);
}

#[tokio::test]
async fn what_is_not_what_the_manifest_says_is_not_put_in_place() {
    let place = tempfile::tempdir().unwrap();
    let (_house, ..) = backed_up(place.path()).await;
    // A file whose sums are all true, with another manifest than its content has.
    let lying = place.path().join("lying.backup");
    backup::tests::with_a_false_manifest(&place.path().join("a.backup"), &lying);
    let data = place.path().join("data");
    for refused in
        [backup::verify(&lying, |_| ()).await.map(drop), backup::restore(&lying, &data, |_| ()).await.map(drop)]
    {
        let refusal = refused.unwrap_err();
        assert!(matches!(&refusal, BackupError::Differs { what, .. } if what[0].contains("150 entries")), "{refusal}");
    }
    assert!(!data.join("sarangbang.db").exists() && !data.join("restore.partial").exists());
}
