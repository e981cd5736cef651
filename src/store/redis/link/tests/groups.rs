//! Sentinels and Clusters: several real servers that change their parts.

use redis::{PushInfo, PushKind, Script};
use tokio::sync::mpsc;

use super::*;
use crate::chat::{Role, RoomId};
use crate::store::copy::copy;
use crate::store::redis::Redis;
use crate::store::sqlite::Sqlite;
use crate::store::tests::{account, draft};
use crate::store::{Invitation, Mode, Secret, Store, settled};

/// A script as those of the store: it writes by a key and answers what is there.
fn script() -> Script {
    Script::new("redis.call('SET', KEYS[1], ARGV[1]) return redis.call('GET', KEYS[1])")
}

async fn write(link: &Link, key: &str) -> Result<String> {
    link.run(&script(), &[key.to_owned()], &[b"here"]).await
}

async fn sentinel(master: &Server, password: Option<&str>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    let password = password.map(|password| format!("requirepass {password}\n")).unwrap_or_default();
    let text = format!(
        "sentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 3000\n{password}",
        master.port
    );
    std::fs::write(&file, text).unwrap();
    Server::start_at(free_port(), folder, &[&file.display().to_string(), "--sentinel"]).await
}

async fn replica(master: &Server) -> Server {
    let replica = Server::start(&["--replicaof", &format!("127.0.0.1 {}", master.port)]).await;
    until("the replica follows", async || replica.ask(&["INFO", "replication"]).contains("master_link_status:up"))
        .await;
    replica
}

#[tokio::test]
async fn a_failover_of_sentinels_is_followed() {
    let mut master = Server::start(&[]).await;
    let replica = replica(&master).await;
    let sentinel = sentinel(&master, None).await;
    // One of the two sentinels is not there at all.
    let url = format!("redis+sentinel://127.0.0.1:{},127.0.0.1:{}/main", free_port(), sentinel.port);
    let link = open(&url).await.unwrap();
    let mut standing = link.standing();
    let first = standing.borrow_and_update().clone();
    assert_eq!(write(&link, "a").await.unwrap(), "here");
    until("the replica has it", async || replica.ask(&["GET", "a"]) == "here").await;
    until("the sentinel knows the replica", async || {
        sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).contains(&replica.port.to_string())
    })
    .await;
    master.kill();
    until("the replica is written to", async || write(&link, "b").await.is_ok()).await;
    assert_eq!(replica.ask(&["GET", "b"]), "here");
    let second = standing.borrow_and_update().clone();
    assert!(second.generation > first.generation && second.run.is_some() && second.run != first.run);
}

#[tokio::test]
async fn sentinels_are_asked_with_the_password_where_they_want_one_and_told_apart_from_a_redis() {
    let master = Server::start(&["--requirepass", "pw"]).await;
    let sentinel = sentinel(&master, Some("pw")).await;
    let url = format!("redis+sentinel://:pw@127.0.0.1:{}/main", sentinel.port);
    assert!(is_there(&open(&url).await.unwrap()).await);
    let other = refusal(url.replace("/main", "/other").parse().unwrap()).await;
    assert!(other.contains("no master of this name"), "{other}");
    let none = refusal(url.replace(":pw@", "").parse().unwrap()).await;
    assert!(none.contains("wants a password"), "{none}");
    let plain = refusal(format!("redis://:pw@127.0.0.1:{}", sentinel.port).parse().unwrap()).await;
    assert!(plain.contains("this is a sentinel") && plain.contains("redis+sentinel://"), "{plain}");
    let gone = refusal(format!("redis+sentinel://127.0.0.1:{}/main", free_port()).parse().unwrap()).await;
    assert!(gone.contains("Connection refused"), "{gone}");
}

/// Three masters that share the slots.
async fn cluster() -> Vec<Server> {
    let mut servers = Vec::new();
    for _ in 0..3 {
        let bus = free_port().to_string();
        let flags = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
        servers.push((Server::start(&flags).await, bus));
    }
    for (at, (server, _)) in servers.iter().enumerate() {
        let (first, last) = (at * 16_384 / 3, (at + 1) * 16_384 / 3 - 1);
        assert_eq!(server.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]), "OK");
    }
    let (first, bus) = &servers[0];
    for (server, _) in &servers[1..] {
        assert_eq!(server.ask(&["CLUSTER", "MEET", "127.0.0.1", &first.port.to_string(), bus]), "OK");
    }
    until("the Cluster is whole", async || {
        servers.iter().all(|(server, _)| {
            let info = server.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    })
    .await;
    servers.into_iter().map(|(server, _)| server).collect()
}

fn url_of(servers: &[Server]) -> String {
    let hosts: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    format!("redis+cluster://{}", hosts.join(","))
}

#[tokio::test]
async fn in_a_cluster_each_room_is_written_and_heard_where_it_is() {
    let servers = cluster().await;
    let link = open(&url_of(&servers[..1])).await.unwrap();
    assert_eq!((link.publish_command(), link.standing().borrow().run.clone()), ("SPUBLISH", None));
    let (pushes, mut heard) = mpsc::unbounded_channel();
    let mut ear = link.connect(Some(pushes)).await.unwrap();
    let rooms: Vec<RoomId> = (0..12).map(|number| RoomId::from_bytes([number * 19; 16])).collect();
    let channels: Vec<String> = rooms.iter().map(|room| link.keys().of_room(*room).news).collect();
    ear.subscribe(&channels).await.unwrap();
    let say = Script::new("redis.call('SET', KEYS[1], 'x') return redis.call(ARGV[1], ARGV[2], ARGV[3])");
    for (room, channel) in rooms.iter().zip(&channels) {
        let (key, publish) = (link.keys().of_room(*room).room, link.publish_command());
        let listeners: u64 =
            link.run(&say, &[key], &[publish.as_bytes(), channel.as_bytes(), channel.as_bytes()]).await.unwrap();
        assert_eq!(listeners, 1, "{channel}");
    }
    let mut came = Vec::new();
    while came.len() < channels.len() {
        let PushInfo { kind, data } = heard.recv().await.unwrap();
        if kind == PushKind::SMessage {
            came.push(redis::from_redis_value::<String>(data[1].clone()).unwrap());
        }
    }
    came.sort();
    let mut expected = channels.clone();
    expected.sort();
    assert_eq!(came, expected);
    for server in &servers {
        assert_ne!(server.ask(&["DBSIZE"]), "0", "all rooms are on the other servers");
    }
    ear.unsubscribe(&channels[0]).await.unwrap();
    let (key, publish) = (link.keys().of_room(rooms[0]).room, link.publish_command());
    let listeners: u64 = link.run(&say, &[key], &[publish.as_bytes(), channels[0].as_bytes(), b"x"]).await.unwrap();
    assert_eq!(listeners, 0);
}

#[tokio::test]
async fn a_slot_that_moves_to_another_server_is_followed() {
    let servers = cluster().await;
    let link = open(&url_of(&servers)).await.unwrap();
    // The script is everywhere before.
    for number in 0..8 {
        assert_eq!(write(&link, &format!("{{{number}}}")).await.unwrap(), "here");
    }
    let slot = servers[0].ask(&["CLUSTER", "KEYSLOT", "moving"]);
    let owner = slot.parse::<usize>().unwrap() * 3 / 16_384;
    let (from, to) = (&servers[owner], &servers[(owner + 1) % 3]);
    let (from_id, to_id) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    assert_eq!(to.ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]), "OK");
    assert_eq!(from.ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]), "OK");
    // ASK: a new key is written where the slot is going.
    assert_eq!(write(&link, "moving").await.unwrap(), "here");
    assert_eq!(to.ask(&["CLUSTER", "COUNTKEYSINSLOT", &slot]), "1");
    for server in [to, from] {
        assert_eq!(server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]), "OK");
    }
    // MOVED: it has gone there for good.
    assert_eq!(write(&link, "moving").await.unwrap(), "here");
    assert_eq!(link.standing().borrow().generation, 1, "the connection was good all the time");
}

#[tokio::test]
async fn a_cluster_that_is_not_whole_counts_as_away_until_it_is() {
    let mut servers = cluster().await;
    let settings = Settings { wait: Duration::from_millis(300), ..settings(&url_of(&servers)) };
    let link = Link::open(&settings).await.unwrap();
    let mut standing = link.standing();
    servers[2].kill();
    until("the Cluster is away", async || {
        let _ = write(&link, "foo").await;
        !standing.borrow_and_update().is_up
    })
    .await;
    until("the others notice", async || servers[0].ask(&["CLUSTER", "INFO"]).contains("cluster_state:fail")).await;
    until("so do all of them", async || servers[1].ask(&["CLUSTER", "INFO"]).contains("cluster_state:fail")).await;
    let refusal = refusal(url_of(&servers).parse().unwrap()).await;
    assert!(refusal.contains("cannot be reached") || refusal.contains("not whole"), "{refusal}");
    servers[2].again().await;
    until("the Cluster is back", async || standing.borrow_and_update().is_up).await;
    until("it is written to", async || write(&link, "foo").await.is_ok()).await;
}

#[tokio::test]
async fn a_cluster_and_a_single_redis_are_not_taken_for_each_other() {
    let flags = ["--cluster-enabled", "yes", "--cluster-port", &free_port().to_string()];
    let of_a_cluster = Server::start(&flags).await;
    let refused = refusal(of_a_cluster.url().parse().unwrap()).await;
    assert!(refused.contains("a server of a Cluster") && refused.contains("redis+cluster://"), "{refused}");
    let single = Server::start(&[]).await;
    let refused = refusal(single.url().replace("redis://", "redis+cluster://").parse().unwrap()).await;
    assert!(refused.contains("is no Cluster") && refused.contains("redis://"), "{refused}");
}

#[tokio::test]
async fn everything_moves_from_a_file_into_a_cluster_and_back() {
    let servers = cluster().await;
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let settings_of_file = crate::store::tests::file_settings(&crate::store::tests::Settings::default());
    let open = |folder: &tempfile::TempDir, mode| {
        Store::Sqlite(Sqlite::open(folder.path(), mode, settings_of_file.clone()).unwrap())
    };
    let file = open(&one, Mode::Serve);
    for number in 0..12 {
        let room = file.create_room("사랑방".parse().unwrap()).await.unwrap().id;
        for text in 0..number {
            settled(file.append(draft(room, "민지", "안녕", Some(&format!("{text}"))))).await.unwrap();
        }
    }
    let account = file.add_account(account("민지", Role::Admin)).await.unwrap();
    let tomorrow = account.created_at + 24 * 60 * 60 * 1_000;
    for key in 0..5 {
        file.add_login([key; 32], &account, tomorrow).await.unwrap();
        let invitation = Invitation { key: [key; 32], role: Role::Guest, expires_at: tomorrow };
        file.add_invitation(invitation).await.unwrap();
        file.keep(&format!("kept {key}"), Secret::new([key])).await.unwrap();
    }
    file.close().await;
    let (file, back) = (open(&one, Mode::Admin), open(&other, Mode::Admin));
    let redis = Redis::open(settings(&url_of(&servers)), Mode::Admin).await.unwrap();
    let redis = Store::Redis(redis);
    for (from, to) in [(&file, &redis), (&redis, &back)] {
        let report = copy(from, to, |_| ()).await.unwrap();
        assert!(report.is_same(), "{report:?}");
        let counts: Vec<u64> = report.comparisons.iter().map(|comparison| comparison.to.0).collect();
        assert_eq!(counts, [12, 66, 1, 5, 5, 0, 5, 66]);
    }
}
