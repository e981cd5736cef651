//! One process takes over from another while people talk: nobody is refused, nothing is lost or doubled, and what goes wrong
//! with the new one does no harm.

mod crowd;
mod fallback;
mod house;

use std::time::{Duration, Instant};

use sarangbang::chat::Kind;

use self::crowd::Crowd;
use self::house::{Heir, House};
use crate::support::redis::RedisServer;
use crate::support::scrape::get;
use crate::support::{Client, Event, Server, eventually};

/// Somebody who is in the room.
async fn inside(house: &House, name: &str, room: sarangbang::chat::RoomId) -> Client {
    let mut client = house.server.connect(name).await;
    client.subscribe("s", room, "").await;
    client
}

/// Says something and waits for the RECEIPT.
async fn say(client: &mut Client, room: sarangbang::chat::RoomId, text: &str) {
    client.say(room, text, text).await;
    assert_eq!(client.until("RECEIPT").await.header("receipt-id"), Some(text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_people_talk_on_over_two_handovers() {
    let mut house = House::start(Server::builder().set("drain_seconds", 1)).await;
    let crowd = Crowd::enter(&house.server, 200, 10).await;
    crowd.talk_for(Duration::from_secs(2)).await;
    for _ in 0..2 {
        house.hand_over().await;
        crowd.talk_for(Duration::from_secs(2)).await;
    }
    let told = crowd.judge(&house.server).await;
    println!("{told}");
    assert!(house.first_has_ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_people_talk_on_as_well() {
    let server = Server::builder().set("tls.mode", "self-signed").set("drain_seconds", 1);
    let mut house = House::start(server).await;
    let crowd = Crowd::enter(&house.server, 8, 2).await;
    crowd.talk_for(Duration::from_secs(1)).await;
    house.hand_over().await;
    crowd.talk_for(Duration::from_secs(1)).await;
    println!("{}", crowd.judge(&house.server).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goodbyes_are_spread_over_the_time_and_readers_read_on_until_theirs() {
    const SPREAD: Duration = Duration::from_secs(8);
    const READERS: usize = 60;
    let mut house = House::start(Server::builder().set("drain_seconds", SPREAD.as_secs())).await;
    let room = house.server.room("a").await;
    let mut readers = Vec::new();
    for n in 0..READERS {
        readers.push(inside(&house, &format!("reader{n}"), room).await);
    }
    let began = Instant::now();
    let listen = |mut reader: Client| async move {
        let mut has_heard = false;
        loop {
            match reader.event().await {
                Event::Frame(frame) => has_heard |= frame.body.contains("from the other side"),
                Event::Closed(code) => return (began.elapsed(), code, has_heard),
                Event::HeartBeat => {}
            }
        }
    };
    let ends: Vec<_> = readers.into_iter().map(|reader| tokio::spawn(listen(reader))).collect();
    house.hand_over().await;
    let mut speaker = inside(&house, "speaker", room).await;
    say(&mut speaker, room, "from the other side").await;
    let mut times = Vec::new();
    let mut heard = 0;
    for end in ends {
        let (time, code, has_heard) = end.await.unwrap();
        assert_eq!(code, Some(1012));
        times.push(time);
        heard += usize::from(has_heard);
    }
    times.sort_unstable();
    let (first, last) = (times[0], times[READERS - 1]);
    println!(
        "goodbyes from {first:?} to {last:?} after the signal; {heard} of {READERS} heard what was said meanwhile"
    );
    assert!(last - first > SPREAD / 2, "{times:?}");
    for tenth in 0..10 {
        let from = first + (last - first) * tenth / 10;
        let share = times.iter().filter(|time| **time >= from && **time < from + SPREAD / 10).count();
        assert!(share <= READERS / 3, "{share} of {READERS} within a tenth: {times:?}");
    }
    assert!(heard >= READERS / 4, "those who waited for their turn heard {heard} times what was said meanwhile");
}

#[tokio::test]
async fn who_speaks_to_the_old_one_is_sent_on_and_neither_lost_nor_doubled() {
    let mut house = House::start(Server::builder().set("drain_seconds", 60)).await;
    let room = house.server.room("a").await;
    let mut one = inside(&house, "one", room).await;
    let mut two = inside(&house, "two", room).await;
    let mut three = inside(&house, "three", room).await;
    say(&mut one, room, "before").await;
    house.hand_over().await;
    let mut turned_away = 0;
    for client in [&mut one, &mut two, &mut three] {
        client.say(room, "meanwhile", "meanwhile").await;
        loop {
            match client.event().await {
                Event::Frame(frame) => assert_ne!(frame.command, "RECEIPT", "{frame:?}"),
                Event::HeartBeat => {}
                Event::Closed(code) => {
                    assert_eq!(code, Some(1012));
                    turned_away += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(turned_away, 3);
    let log = house.log_of(room).await;
    assert!(
        log.iter().all(|entry| &*entry.message != "meanwhile"),
        "what was not acknowledged was not stored: {log:?}"
    );
}

#[tokio::test]
async fn who_comes_back_is_not_seen_to_leave_and_who_does_not_leaves_once() {
    let mut house = House::start(Server::builder().set("drain_seconds", 0)).await;
    let room = house.server.room("a").await;
    let (mut stays, mut goes) = (inside(&house, "stays", room).await, inside(&house, "goes", room).await);
    house.hand_over().await;
    assert_eq!((stays.close_code().await, goes.close_code().await), (Some(1012), Some(1012)));
    let mut back = inside(&house, "stays", room).await;
    assert_eq!(house.server.room_state(room).await.user_count, 2, "she may come back as well");
    say(&mut back, room, "here again").await;
    eventually("she is not waited for any more", || async { house.server.room_state(room).await.user_count == 1 })
        .await;
    let log = house.log_of(room).await;
    let kinds: Vec<_> = log.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [Kind::Enter, Kind::Enter, Kind::Talk, Kind::Quit]);
    assert!(log[3].message.contains("goes") && log[3].user_count == 1, "{log:?}");
}

#[tokio::test]
async fn a_new_program_that_cannot_serve_leaves_the_old_one_serving() {
    let mut house = House::start(Server::builder()).await;
    let room = house.server.room("a").await;
    let mut client = inside(&house, "a", room).await;
    for (heir, cause) in [
        (Heir::Script("exit 1"), "exit status: 1"),
        (Heir::Script("kill -9 $$"), "signal: 9"),
        (Heir::Script("read line; echo nonsense >&0; exec sleep 60"), "not understood: nonsense"),
        (Heir::Script("read line; echo 'failed it is the wrong day' >&0"), "the wrong day"),
        // It gives up when the store is its own.
        (Heir::Script("read line; echo ready 9.9.9 >&0; read line; kill -9 $$"), "signal: 9"),
        (Heir::Script("read line; echo ready 9.9.9 >&0; read line; echo 'failed no store' >&0"), "no store"),
        (Heir::Script("read line; echo ready 9.9.9 >&0; read line; sleep 0.2; exit 3"), "exit status: 3"),
        (Heir::Missing, "cannot be started"),
    ] {
        let text = format!("{heir:?}");
        house.put(heir);
        house.server.signal("USR2");
        house.failed(cause).await;
        say(&mut client, room, &format!("after {text}")).await;
    }
    // And it can still be done right.
    house.put(Heir::Same);
    house.hand_over().await;
    let talks = house.log_of(room).await.iter().filter(|entry| entry.kind == Kind::Talk).count();
    assert_eq!(talks, 8);
}

#[tokio::test]
async fn a_new_program_that_hangs_is_not_waited_for_for_long_and_a_second_signal_is_refused() {
    let house = House::start(Server::builder()).await;
    let room = house.server.room("a").await;
    let mut client = inside(&house, "a", room).await;
    house.put(Heir::Script("exec sleep 60"));
    house.server.signal("USR2");
    eventually("it was started", || async { house.server.log().contains("started the program") }).await;
    house.server.signal("USR2");
    eventually("the second is refused", || async { house.server.log().contains("a handover is under way") }).await;
    say(&mut client, room, "meanwhile").await;
    house.failed("not ready within 10 s").await;
    say(&mut client, room, "afterwards").await;
}

#[tokio::test]
async fn a_configuration_that_is_wrong_now_is_told_by_the_new_process_and_does_no_harm() {
    let house = House::start(Server::builder()).await;
    std::fs::write(house.server.data().with_file_name("sarangbang.toml"), "lisen = \"127.0.0.1:1\"\n").unwrap();
    house.server.signal("USR2");
    house.failed("lisen").await;
    assert_eq!(house.server.http("GET", "/healthz", "", "").await.status, 200);
}

#[tokio::test]
async fn a_stop_during_a_handover_stops_both() {
    let mut house = House::start(Server::builder()).await;
    house.put(Heir::Script("exec sleep 60"));
    house.server.signal("USR2");
    eventually("it was started", || async { house.server.log().contains("started the program") }).await;
    let log = house.server.log();
    let heir = log.split("started the program").nth(1).unwrap().split("pid=").nth(1).unwrap();
    let heir: u32 = heir.split_whitespace().next().unwrap().parse().unwrap();
    house.server.signal("TERM");
    assert!(house.first_has_ended().await.success());
    assert!(!std::path::Path::new(&format!("/proc/{heir}")).exists(), "process {heir} lives on");
}

#[tokio::test]
async fn systemd_is_told_who_the_service_is_in_the_right_order() {
    let systemd = house::Systemd::listen();
    let server = Server::builder()
        .variable("NOTIFY_SOCKET", systemd.path())
        .variable("WATCHDOG_USEC", 600_000)
        .set("drain_seconds", 0);
    let mut house = House::start(server).await;
    let first = house.server.pid();
    systemd.until(|told| told.iter().any(|(_, line)| line == "WATCHDOG=1")).await;
    house.put(Heir::Script("exit 1"));
    house.server.signal("USR2");
    house.failed("exit status: 1").await;
    house.put(Heir::Same);
    house.hand_over().await;
    let second = house.holder();
    systemd.until(|told| told.iter().any(|(pid, line)| *pid == second && line == "WATCHDOG=1")).await;
    assert!(house.first_has_ended().await.success());
    let told = systemd.told();
    let at = |pid: u32, line: &str, nth: usize| {
        let mut found = told.iter().enumerate().filter(|(_, (who, said))| *who == pid && said == line);
        found.nth(nth).unwrap_or_else(|| panic!("no {line} of {pid} in {told:?}")).0
    };
    let order = [
        at(first, "READY=1", 0),
        at(first, "WATCHDOG=1", 0),
        at(first, "RELOADING=1", 0),
        // The one that failed is over.
        at(first, "READY=1", 1),
        at(first, "RELOADING=1", 1),
        at(first, &format!("MAINPID={second}"), 0),
        at(second, "READY=1", 0),
        at(second, "WATCHDOG=1", 0),
    ];
    assert!(order.is_sorted(), "{order:?} in {told:?}");
    assert!(
        !told.iter().any(|(pid, line)| *pid == first && line == "STOPPING=1"),
        "the service does not stop: {told:?}"
    );
    assert!(!told[order[5]..].iter().any(|(pid, line)| *pid == first && line == "WATCHDOG=1"), "{told:?}");
}

#[tokio::test]
async fn the_command_says_who_serves_now_or_why_nobody_else_does() {
    let house = House::start(Server::builder().set("operator.listen", "127.0.0.1:0").set("drain_seconds", 0)).await;
    let operator = house.server.operator();
    let (first, _) = (house.holder(), get(&operator, "/healthz").await);
    let handover = async || {
        let (program, data, operator) = (house.program(), house.server.data(), operator.clone());
        let run = move || {
            std::process::Command::new(env!("CARGO_BIN_EXE_sarangbang"))
                .args(["handover", "--data"])
                .arg(data)
                .env("SARANGBANG_OPERATOR__LISTEN", operator)
                .current_dir(program.parent().unwrap())
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    house.put(Heir::Script("read line; echo 'failed it is the wrong day' >&0"));
    for _ in 0..2 {
        let (code, out, error) = handover().await;
        assert_eq!((code, &*out), (Some(1), ""), "{error}");
        assert!(error.contains("it is the wrong day"), "{error}");
    }
    assert!(
        get(&operator, "/healthz").await.1.contains("handover 2 failed: the new process says: it is the wrong day")
    );
    house.put(Heir::Same);
    let (code, out, error) = handover().await;
    let second = house.holder();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((code, &*out), (Some(0), &*format!("process {second} serves, version {version}\n")), "{error}");
    assert_ne!(first, second);
    let (_, health) = get(&operator, "/healthz").await;
    assert_eq!(health, format!("ok\nversion {version}\npid {second}\n"), "the listener went along");
}

/// Signs somebody up over HTTP, and answers a token.
async fn signed_up(server: &Server, name: &str) -> String {
    let body = serde_json::json!({"username": name, "password": "correct horse battery"}).to_string();
    let json = "Content-Type: application/json\r\n";
    let answer = server.http("POST", "/signup", json, &body).await;
    assert!(answer.status < 300, "{answer:?}");
    let answer = server.http("POST", "/login", json, &body).await;
    let grant: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    grant["token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

#[tokio::test]
async fn with_redis_both_serve_until_the_old_one_has_sent_its_people_on() {
    let redis = RedisServer::start();
    let server = Server::builder()
        .set("redis.url", redis.url())
        .set("auth.sign_up", "open")
        .set("operator.listen", "127.0.0.1:0")
        .set("drain_seconds", 60);
    let house = House::start(server).await;
    let server = &house.server;
    let (operator, mut clients, mut room) = (server.operator(), Vec::new(), String::new());
    let before = get(&operator, "/healthz").await.1;
    for name in ["first", "second", "third", "fourth"] {
        let token = signed_up(server, name).await;
        if room.is_empty() {
            let bearer = format!("Authorization: Bearer {token}\r\n");
            let made = server.http("POST", "/chat/room?name=x", &bearer, "").await;
            let made: serde_json::Value = serde_json::from_str(&made.body).unwrap();
            made["roomId"].as_str().unwrap().clone_into(&mut room);
        }
        let mut client = server.socket().await;
        client.connect(&token).await;
        client.subscribe("s", &room, "").await;
        clients.push(client);
    }
    server.signal("USR2");
    eventually("another process serves", || async { server.log().contains("another process serves now") }).await;
    assert_ne!(get(&operator, "/healthz").await.1, before, "the operator reads from the new one");
    // One goes every fifteen seconds.
    let (mut talked, mut sent_on) = (0, 0);
    for client in &mut clients {
        client.say(&room, "meanwhile", "meanwhile").await;
        loop {
            match client.event().await {
                Event::Frame(frame) if frame.command == "RECEIPT" => break talked += 1,
                Event::Frame(_) | Event::HeartBeat => {}
                Event::Closed(code) => {
                    assert_eq!(code, Some(1012));
                    break sent_on += 1;
                }
            }
        }
    }
    assert_eq!((talked, sent_on), (3, 1), "who waits for the goodbye talks on");
}
