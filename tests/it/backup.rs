//! `sarangbang backup`, `restore` and the drill by the real binary: beside a real server, on damaged files, killed, and
//! without room.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sarangbang::chat::RoomId;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Client, PATIENCE, Server, ServerBuilder};

/// A command in this folder, with no setting of whoever runs the tests.
fn command(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    command.current_dir(folder);
    command
}

const SARANGBANG: &str = env!("CARGO_BIN_EXE_sarangbang");

fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, SARANGBANG).args(arguments).output().unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
    said
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What stands in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A place with a data folder in which some megabytes were said.
fn full_house() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    done(place.path(), &["room", "create", "사랑방"]);
    let file = rusqlite::Connection::open(place.path().join("data/sarangbang.db")).unwrap();
    let entries = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 20000)
        INSERT INTO entry (place, kind, sender, message, user_count, sent_at)
        SELECT (SELECT key FROM room) << 36 | x, 0, 'a', hex(randomblob(300)), 1, 5 FROM n";
    assert_eq!(file.execute(entries, []).unwrap(), 20_000);
    file.execute("UPDATE room SET last_offset = 20000, last_at = 5", []).unwrap();
    place
}

/// Starts it, and kills it once there is a file or folder of this name.
fn killed_once(mut process: Child, there: &Path) {
    let started = Instant::now();
    while !there.exists() {
        assert!(
            started.elapsed() < PATIENCE && process.try_wait().unwrap().is_none(),
            "{} never came",
            there.display()
        );
        std::thread::yield_now();
    }
    process.kill().unwrap();
    assert!(!process.wait().unwrap().success());
}

fn started(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, SARANGBANG).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_backup_is_whole_for_nobody_else_and_is_not_overwritten() {
    let place = full_house();
    let folder = place.path();
    let made = done(folder, &["backup", "a.backup"]);
    assert!(made.contains("1 rooms, 20000 entries") && made.contains("made and proved"), "{made}");
    let file = folder.join("a.backup");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&file).unwrap();
    assert!(before.starts_with(b"sarangbang backup 1\n{\"form\":1,"));
    let refusal = refused(folder, &["backup", "a.backup"]);
    assert!(refusal.contains("a.backup is there already") && refusal.contains("--force"), "{refusal}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    done(folder, &["room", "create", "another"]);
    done(folder, &["backup", "a.backup", "--force"]);
    let verified = json(&done(folder, &["backup", "verify", "a.backup", "--json"]));
    assert_eq!((&verified["proved"], &verified["holds"]["kinds"][0]["count"]), (&true.into(), &2.into()));
    assert_eq!(names(folder), ["a.backup", "data"]);
    // Without a server and without a data folder.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::copy(&file, elsewhere.path().join("b")).unwrap();
    assert!(done(elsewhere.path(), &["backup", "verify", "b"]).contains("b is whole, made 20"));
    assert_eq!(names(elsewhere.path()), ["b"]);
    let nothing = refused(elsewhere.path(), &["backup", "c"]);
    assert!(nothing.contains("there is no data in ./data"), "{nothing}");
}

#[test]
fn what_was_restored_is_what_was_backed_up() {
    let place = full_house();
    let folder = place.path();
    done(folder, &["room", "create", "공지", "--history", "off"]);
    let made = json(&done(folder, &["backup", "a.backup", "--json"]));
    let restored = json(&done(folder, &["restore", "a.backup", "--data", "deep/restored", "--json"]));
    assert_eq!((&restored["kinds"], &restored["entries"]), (&made["holds"]["kinds"], &20_000.into()));
    assert_eq!((&restored["rooms"], &restored["newestAt"]), (&2.into(), &5.into()));
    assert!(restored["offsetsLeftOut"].as_u64().unwrap() >= 1_000_000);
    assert_eq!(names(&folder.join("deep/restored")), ["sarangbang.db", "serve.lock"]);
    // But for where the rooms go on, it is the same again.
    let again = json(&done(folder, &["backup", "b.backup", "--data", "deep/restored", "--json"]));
    assert_eq!(again["holds"]["kinds"][1..], made["holds"]["kinds"][1..]);
    assert_eq!(again["holds"]["rooms"][0]["sha256"], made["holds"]["rooms"][0]["sha256"]);
}

#[test]
fn whatever_is_damaged_is_named_and_not_restored() {
    let place = full_house();
    let folder = place.path();
    done(folder, &["backup", "a.backup"]);
    let whole = std::fs::read(folder.join("a.backup")).unwrap();
    let manifest_at = whole.iter().position(|byte| *byte == b'{').unwrap();
    let (middle, end) = (whole.len() / 2, whole.len() - 10);
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (bytes, named) in [
        (flipped(3), "is not a backup"),
        (flipped(manifest_at + 30), "SHA-256 of its manifest"),
        (flipped(middle), "bytes of it have changed"),
        (flipped(end), "SHA-256"),
        (whole[..8].to_vec(), "ends in its first line"),
        (whole[..manifest_at + 99].to_vec(), "ends in its manifest"),
        (whole[..middle].to_vec(), "the end is lacking"),
        (whole[..whole.len() - 1].to_vec(), "the end is lacking"),
        ([&whole[..], b"more"].concat(), "overwritten"),
    ] {
        std::fs::write(folder.join("bad"), bytes).unwrap();
        let refusal = refused(folder, &["backup", "verify", "bad"]);
        assert!(refusal.contains("bad ") && refusal.contains(named), "{named}: {refusal}");
        let refusal = refused(folder, &["restore", "bad", "--data", "new"]);
        assert!(refusal.contains(named) && !folder.join("new").exists(), "{named}: {refusal}");
        assert!(refused(folder, &["backup", "drill", "bad"]).contains(named));
    }
    let told = run(folder, &["backup", "verify", "bad", "--json"]);
    let told = json(&String::from_utf8(told.stdout).unwrap());
    assert_eq!(told["proved"], false);
    assert_eq!(names(folder), ["a.backup", "bad", "data"], "nothing is left of the attempts, and no drill is noted");
    assert!(!folder.join("data/last-drill").exists());
}

#[test]
fn nothing_is_restored_over_what_is_there() {
    let place = full_house();
    let folder = place.path();
    done(folder, &["backup", "a.backup"]);
    let refusal = refused(folder, &["restore", "a.backup"]);
    assert!(refusal.contains("./data is not empty") && refusal.contains("--data"), "{refusal}");
    std::fs::create_dir(folder.join("other")).unwrap();
    std::fs::write(folder.join("other/letter.txt"), "x").unwrap();
    assert!(refused(folder, &["restore", "a.backup", "--data", "other"]).contains("there is letter.txt"));
    assert_eq!(names(&folder.join("other")), ["letter.txt"]);
    // What a mount point and earlier runs leave is in nobody's way.
    std::fs::create_dir_all(folder.join("volume/lost+found")).unwrap();
    std::fs::create_dir_all(folder.join("volume/restore.partial/proved")).unwrap();
    std::fs::write(folder.join("volume/serve.lock"), "1").unwrap();
    std::fs::write(folder.join("volume/last-backup"), "1").unwrap();
    done(folder, &["restore", "a.backup", "--data", "volume"]);
    assert_eq!(names(&folder.join("volume")), ["last-backup", "lost+found", "sarangbang.db", "serve.lock"]);
}

#[test]
fn a_kill_leaves_nothing_that_is_taken_for_whole() {
    let place = full_house();
    let folder = place.path();
    let stages = ["b.backup.partial", "b.backup.partial/copied/sarangbang.db", "b.backup.partial/packed"];
    for stage in stages {
        killed_once(started(folder, &["backup", "b.backup"]), &folder.join(stage));
        assert!(!folder.join("b.backup").exists(), "killed at {stage}");
    }
    done(folder, &["backup", "b.backup"]);
    assert_eq!(names(folder), ["b.backup", "data"], "the next one clears up");
    for stage in ["new/restore.partial", "new/restore.partial/proved/sarangbang.db"] {
        killed_once(started(folder, &["restore", "b.backup", "--data", "new"]), &folder.join(stage));
        assert!(!folder.join("new/sarangbang.db").exists(), "killed at {stage}");
    }
    done(folder, &["restore", "b.backup", "--data", "new"]);
    assert_eq!(names(&folder.join("new")), ["sarangbang.db", "serve.lock"]);
}

#[test]
fn a_disk_that_takes_no_more_leaves_no_backup_and_says_so() {
    let place = full_house();
    let folder = place.path();
    // Files end at half a megabyte, and whoever writes on is told, as by a full disk, instead of being killed.
    let script = format!("trap '' XFSZ; ulimit -f 1024; exec {SARANGBANG} backup a.backup");
    let output = command(folder, "bash").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: "), "{said}");
    assert_eq!(names(folder), ["data"]);
    done(folder, &["backup", "a.backup"]);
}

#[test]
fn of_a_series_the_newest_are_kept_and_handed_on() {
    let place = full_house();
    let folder = place.path();
    let backups = folder.join("backups");
    std::fs::create_dir(&backups).unwrap();
    for day in 1..=4 {
        std::fs::write(backups.join(format!("sarangbang-2020010{day}T000000Z.backup")), "x").unwrap();
    }
    std::fs::write(backups.join("mine.backup"), "x").unwrap();
    let made =
        json(&done(folder, &["backup", "--into", "backups", "--keep", "2", "--then", "cp {} 'handed on'", "--json"]));
    assert_eq!(made["removed"].as_array().unwrap().len(), 3);
    let there = names(&backups);
    assert_eq!(there.len(), 3);
    assert_eq!(there[..2], ["mine.backup", "sarangbang-20200104T000000Z.backup"]);
    let newest: PathBuf = backups.join(&there[2]);
    assert_eq!(std::fs::read(folder.join("handed on")).unwrap(), std::fs::read(&newest).unwrap());
    let noted = std::fs::read_to_string(folder.join("data/last-backup")).unwrap();
    let drilled = json(&done(folder, &["backup", "drill", "backups", "--json"]));
    assert_eq!(
        (&drilled["entries"], drilled["file"].as_str()),
        (&20_000.into(), newest.strip_prefix(folder).unwrap().to_str())
    );
    assert!(folder.join("data/last-drill").exists());
    // A second later, so that it has a name of its own.
    let before = Instant::now();
    while before.elapsed() < Duration::from_millis(1_100) {
        std::thread::yield_now();
    }
    let refusal = refused(folder, &["backup", "--into", "backups", "--then", "false # {}"]);
    assert!(refusal.contains("made and proved, but") && refusal.contains("nowhere else"), "{refusal}");
    assert_eq!(std::fs::read_to_string(folder.join("data/last-backup")).unwrap(), noted, "not noted as a success");
    assert!(refused(folder, &["backup", "drill", "data"]).contains("there is no backup in data"));
}

fn talking() -> ServerBuilder {
    Server::builder().set("operator.listen", "127.0.0.1:0")
}

/// Says so many things, each once the one before is acknowledged.
async fn say(client: &mut Client, room: RoomId, count: usize) {
    for n in 0..count {
        client.say(room, &format!("안녕 {n}"), "r").await;
        client.until("RECEIPT").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_beside_a_busy_server_holds_what_was_acknowledged_and_is_seen_in_the_metrics() {
    let server = talking().start().await;
    let (room, place) = (server.room("사랑방").await, tempfile::tempdir().unwrap());
    let data = server.data().to_str().unwrap().to_owned();
    assert_eq!(server.scrape().await.value("sarangbang_backup_last_success_timestamp_seconds"), 0.0);
    let mut speaker = server.connect("민지").await;
    say(&mut speaker, room, 50).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut talkers = Vec::new();
    for n in 0..4 {
        let (mut client, stopped) = (server.connect(&format!("talker{n}")).await, stopped.clone());
        talkers.push(tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !*stopped.borrow() {
                let asked = Instant::now();
                say(&mut client, room, 1).await;
                slowest = slowest.max(asked.elapsed());
            }
            slowest
        }));
    }
    for number in 0..3 {
        let before = server.room_state(room).await.last_offset;
        let (folder, name, data) = (place.path().to_owned(), format!("{number}.backup"), data.clone());
        let made = tokio::task::spawn_blocking(move || done(&folder, &["backup", &name, "--data", &data, "--json"]));
        let made = json(&made.await.unwrap());
        let held = made["holds"]["rooms"][0]["entries"].as_u64().unwrap();
        assert!(held >= before, "{held} entries of {before} that were acknowledged before");
    }
    stop.send(true).unwrap();
    for talker in talkers {
        println!("the slowest receipt beside three backups took {:?}", talker.await.unwrap());
    }
    let refusal = refused(place.path(), &["restore", "0.backup", "--data", &data]);
    assert!(refusal.contains("another server (process"), "{refusal}");
    done(place.path(), &["backup", "drill", "2.backup", "--data", &data]);
    let scrape = server.scrape().await;
    for what in ["backup", "backup_drill"] {
        assert!(scrape.value(&format!("sarangbang_{what}_last_success_timestamp_seconds")) > 1.7e9);
    }
}

#[tokio::test]
async fn who_comes_back_after_a_restoration_is_told_what_is_lost_and_misses_nothing_new() {
    let mut server = talking().start().await;
    let (room, place) = (server.room("사랑방").await, tempfile::tempdir().unwrap());
    let data = server.data();
    let mut speaker = server.connect("민지").await;
    say(&mut speaker, room, 20).await;
    let file = place.path().join("a.backup");
    done(place.path(), &["backup", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    // This is lost, and somebody has seen it.
    let mut witness = server.connect("bob").await;
    witness.subscribe("s", room, "after:20\n").await;
    say(&mut speaker, room, 30).await;
    let mut seen = 20;
    while seen < 51 {
        seen = witness.message().await.offset();
    }
    server.kill();
    std::fs::rename(&data, place.path().join("lost")).unwrap();
    done(place.path(), &["restore", file.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    server.restart().await;
    // As much is said as was lost, and more: were the offsets given out again, the witness's cursor would be among them.
    let mut speaker = server.connect("민지").await;
    say(&mut speaker, room, 40).await;
    let mut witness = server.connect("witness").await;
    witness.listen_for_errors().await;
    witness.subscribe("s", room, &format!("after:{seen}\n")).await;
    let gap = witness.message().await.json();
    assert_eq!(gap["code"], "gap", "{gap}");
    let mut heard = 0;
    while heard < 40 {
        let entry = witness.message().await.json();
        assert!(entry["offset"].as_u64().unwrap() > 1_000_000);
        heard += usize::from(entry["type"] == "TALK");
    }
    // Who comes anew sees what was said before the backup, and what has been said since.
    let mut guest = server.connect("guest").await;
    guest.subscribe("s", room, "history:60\n").await;
    let mut offsets = Vec::new();
    while offsets.len() < 61 {
        offsets.push(guest.message().await.offset());
    }
    assert_eq!(offsets[..18], (3..=20).collect::<Vec<_>>()[..], "{offsets:?}");
    assert!(offsets[18..].iter().all(|offset| *offset > 1_000_000), "{offsets:?}");
}

#[tokio::test]
async fn a_redis_that_nodes_serve_from_is_backed_up_by_the_same_command() {
    let redis = crate::support::redis::RedisServer::start();
    let place = tempfile::tempdir().unwrap();
    let with_redis = |arguments: &[&str]| {
        let output =
            command(place.path(), SARANGBANG).env("SARANGBANG_REDIS__URL", redis.url()).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    with_redis(&["room", "create", "사랑방"]);
    let node = talking().set("redis.url", redis.url()).start().await;
    let made = json(&with_redis(&["backup", "a.backup", "--json"]));
    assert_eq!(made["holds"]["kinds"][0]["count"], 1);
    assert!(made["holds"]["kinds"][5]["count"].as_u64().unwrap() >= 1, "the node's signing key");
    drop(node);
    let told = with_redis(&["restore", "a.backup", "--data", "restored"]);
    assert!(told.contains("store copy --to redis"), "{told}");
    assert!(done(place.path(), &["room", "list", "--data", "restored"]).contains("사랑방"));
}
