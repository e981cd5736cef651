use super::*;
use crate::store::{Event, StoreError};

/// Lets the file grow no further than it is, or again as it likes.
pub(super) async fn disk_is_full(house: &House, full: bool) {
    let limit = move |file: &rusqlite::Connection, _: i64| {
        let pages: i64 = file.query_row("PRAGMA page_count", [], |r| r.get(0))?;
        let most = if full { pages } else { i64::from(u32::MAX) - 1 };
        file.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
        Ok(())
    };
    house.file().change(limit).await.unwrap();
}

pub(super) fn is_unavailable<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(cause)) if cause.contains("full"))
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_keeps_counts_right_and_pays_the_leaves_later() {
    let house = house().await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    house.enter(room, "b", 2).await.unwrap();
    disk_is_full(&house, true).await;
    let mut kept = 2;
    let refusal = loop {
        match house.say(room, "a", "x").await {
            Ok(offset) => kept = offset,
            refusal => break refusal,
        }
    };
    assert!(is_unavailable(&refusal), "{refusal:?}");
    // The writer has tried by itself meanwhile, and did not take a full disk for a good one.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(is_unavailable(&house.store.ready().await));
    house.leave(room, "b", 2);
    assert!(is_unavailable(&house.enter(room, "c", 3).await));
    assert!(is_unavailable(&house.say(room, "a", "x").await));
    let full = house.store.room(room).await.unwrap().unwrap();
    assert_eq!((full.user_count, full.last_offset), (2, kept), "nobody came and nobody went");
    let ready = house.store.ready().await;
    assert!(is_unavailable(&ready), "who cannot write is not ready, and says why: {ready:?}");

    disk_is_full(&house, false).await;
    house.room_when(room, |room| room.user_count == 1).await;
    assert_eq!(house.enter(room, "c", 3).await.unwrap().user_count, 2);
    let slice = house.all(room).await;
    assert_eq!(offsets(&slice.entries), (1..=kept + 2).collect::<Vec<_>>());
    assert_eq!(counts(&slice.entries[slice.entries.len() - 2..]), [1, 2]);
}

#[tokio::test]
async fn a_server_that_could_not_write_is_ready_again_by_itself_though_nobody_writes() {
    let house = house().await;
    let room = house.room().await;
    // Not by a command, which would be a commit that works.
    let file = rusqlite::Connection::open(house.folder().join("sarangbang.db")).unwrap();
    file.busy_timeout(Duration::ZERO).unwrap();
    house.file().change(|file, _| Ok(file.busy_timeout(Duration::ZERO)?)).await.unwrap();
    assert_eq!(house.store.ready().await, Ok(()));
    while file.execute_batch("BEGIN IMMEDIATE").is_err() {}
    assert!(house.say(room, "a", "x").await.is_err());
    for _ in 0..5 {
        assert!(house.store.ready().await.is_err(), "as long as it is so");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    file.execute_batch("ROLLBACK").unwrap();
    while house.store.ready().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(house.say(room, "a", "x").await, Ok(1));
}

#[tokio::test]
async fn the_news_say_once_that_nothing_can_be_written_and_once_that_it_can_again() {
    let house = house().await;
    let room = house.room().await;
    let mut tail = house.store.tail().unwrap();
    let hearing = tokio::spawn(async move {
        let (mut turns, mut entries) = (Vec::new(), 0);
        while turns.last() != Some(&"back") {
            for event in tail.next().await.unwrap() {
                match event {
                    Event::Entry(_) => entries += 1,
                    Event::Away => turns.push("away"),
                    Event::Back => turns.push("back"),
                    other => panic!("{other:?}"),
                }
            }
        }
        (turns, entries)
    });
    disk_is_full(&house, true).await;
    let mut kept = 0;
    while house.say(room, "a", "x").await.is_ok() {
        kept += 1;
    }
    for _ in 0..5 {
        assert!(is_unavailable(&house.say(room, "a", &"x".repeat(3_000)).await));
        // What is small may get through; that says nothing about what comes next.
        let _ = house.say(room, "a", "x").await.map(|_| kept += 1);
    }
    disk_is_full(&house, false).await;
    assert_eq!(hearing.await.unwrap(), (vec!["away", "back"], kept));
    assert_eq!(house.store.ready().await, Ok(()));
}

#[tokio::test]
async fn a_room_can_be_deleted_while_leaves_wait_for_a_full_disk() {
    let house = house().await;
    let (room, other) = (house.room().await, house.room().await);
    house.enter(room, "a", 1).await.unwrap();
    disk_is_full(&house, true).await;
    while house.say(room, "a", "x").await.is_ok() {}
    house.leave(room, "a", 1);
    house.store.delete_room(room).await.unwrap();
    // What the deleted room's log took is free again by and by.
    while house.say(other, "a", &"x".repeat(3_000)).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// No entry of the second room can be written from here on.
pub(super) async fn poison_second_room(house: &House) {
    let poison = "CREATE TRIGGER poison BEFORE INSERT ON entry WHEN new.place >> 36 = 2
        BEGIN SELECT RAISE(ABORT, 'poison'); END";
    house.file().change(|file, _| Ok(file.execute_batch(poison)?)).await.unwrap();
}

#[tokio::test]
async fn a_command_that_fails_by_itself_hurts_nobody_else_in_its_batch() {
    let house = house().await;
    let (room, broken) = (house.room().await, house.room().await);
    house.enter(broken, "a", 1).await.unwrap();
    poison_second_room(&house).await;
    let busy = house.hold().await;
    let before = house.store.append(draft(room, "a", "before", None));
    let lost = house.store.append(draft(broken, "a", "lost", Some("id")));
    let entering = house.entering(room, "a", 2);
    house.leave(broken, "a", 1);
    let after = house.store.append(draft(room, "a", "after", None));
    drop(busy);
    assert_eq!((settled(before).await, settled(after).await), (new(1), new(3)));
    assert_eq!(settled(entering).await.unwrap().user_count, 1);
    assert!(matches!(settled(lost).await, Err(StoreError::Unavailable(_))));
    assert_eq!(house.say(room, "a", "and on").await, Ok(4));
    assert_eq!(house.store.room(broken).await.unwrap().unwrap().last_offset, 1);
}

#[tokio::test]
async fn closing_empties_the_write_ahead_log_and_says_that_the_store_has_stopped() {
    let house = house().await;
    let room = house.room().await;
    house.say(room, "a", "x").await.unwrap();
    house.store.close().await;
    let stopped = Err(StoreError::Unavailable("the store has stopped".into()));
    assert_eq!(house.say(room, "a", "late").await, stopped);
    assert_eq!(house.store.ready().await, stopped.map(drop));
    let log = std::fs::metadata(house.folder().join("sarangbang.db-wal"));
    assert!(log.map_or(0, |log| log.len()) == 0, "the write-ahead log is empty");
}

#[test]
fn a_file_that_is_no_database_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sarangbang.db"), "hello, this is a text and no database ".repeat(99)).unwrap();
    let refusal =
        open(folder.path(), Mode::Serve, &file_settings(&Settings::default()), &Arc::default()).err().unwrap();
    assert!(matches!(refusal, OpenError::Foreign { .. }), "{refusal}");
}

#[tokio::test]
async fn a_newer_file_is_refused_with_both_versions() {
    let house = house().await;
    house.file().change(|file, _| Ok(file.pragma_update(None, "user_version", 99)?)).await.unwrap();
    house.store.close().await;
    let refusal = open(house.folder(), Mode::Admin, &file_settings(&house.settings), &house.clocks).err().unwrap();
    assert!(refusal.to_string().contains("schema version 99"), "{refusal}");
}
