use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::*;
use crate::chat::Kind;

const FOLDER: &str = "SARANGBANG_TEST_FOLDER";

/// Not a test: the process that the one below kills. Says what was acknowledged, for ever.
#[tokio::test]
#[ignore = "a part of another test"]
async fn talks_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let store = open(Path::new(&folder), Mode::Serve, &file_settings(&Settings::default()), &Arc::default()).unwrap();
    let room = store.create_room("x".parse().unwrap()).await.unwrap().id;
    settled(store.enter(room, name("a"), LeaseId(1), None)).await.unwrap();
    settled(store.enter(room, name("b"), LeaseId(2), None)).await.unwrap();
    loop {
        let appended = settled(store.append(draft(room, "a", "x", None))).await.unwrap();
        writeln!(std::io::stdout(), "offset {}", appended.offset).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_the_dead_have_left() {
    let folder = tempfile::tempdir().unwrap();
    let (_, here) = module_path!().split_once("::").unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("{here}::talks_until_it_is_killed"), "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    let mut offsets = lines.filter_map(|line| line.strip_prefix("offset ")?.parse::<u64>().ok());
    let mut acknowledged = offsets.by_ref().nth(100).unwrap();
    child.kill().unwrap();
    acknowledged = offsets.last().unwrap_or(acknowledged);
    child.wait().unwrap();

    let store = open(folder.path(), Mode::Serve, &file_settings(&Settings::default()), &Arc::default()).unwrap();
    let room = store.rooms().await.unwrap().remove(0);
    assert_eq!(room.user_count, 0);
    let entries = store.read(room.id, 0, usize::MAX, usize::MAX).await.unwrap().entries;
    let (said, quits) = entries.split_at(entries.len() - 2);
    assert!(said.last().unwrap().offset >= acknowledged);
    assert_eq!(counts(quits), [1, 0]);
    assert!(quits.iter().all(|entry| entry.kind == Kind::Quit));
    assert_eq!(super::offsets(&entries), (1..=room.last_offset).collect::<Vec<_>>());
}
