//! What the nodes of a run stand on: one Redis, a Cluster of three masters, or a master with its replica and a sentinel.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use super::process::Process;
use super::redis::RedisServer;
use crate::support::PATIENCE;

/// How long a sentinel lets a master be silent before it counts as down, in milliseconds.
const DOWN_AFTER: &str = "1000";
/// The name of the master that the sentinel watches.
const MASTER: &str = "main";

/// A replica that comes is not kept waiting for others.
const SYNC: [&str; 2] = ["--repl-diskless-sync-delay", "0"];

/// The servers of a run.
pub(crate) enum Backing {
    One(RedisServer),
    /// Masters that share the slots, and which of them is next to suffer.
    Cluster {
        masters: Vec<RedisServer>,
        next: usize,
    },
    Pair(Pair),
}

/// A master and its replica, which change their parts, and the sentinel that watches them.
pub(crate) struct Pair {
    // Dropped first: it would promote what is left.
    _sentinel: Process,
    port: u16,
    servers: [RedisServer; 2],
    /// Which of them is the master.
    master: usize,
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until it is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn folder_of(folder: &Path, name: &str) -> std::path::PathBuf {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).unwrap();
    own
}

impl Backing {
    /// Three masters without replicas: while one of them is away, the Cluster is.
    pub(crate) async fn cluster(folder: &Path) -> (Self, String) {
        let (mut masters, mut ports) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let (port, bus) = (free_port(), free_port().to_string());
            let flags = ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout", "1000"];
            let own = folder_of(folder, &format!("master{number}"));
            masters.push(RedisServer::start_at(&own, port, &flags).await);
            ports.push((port.to_string(), bus));
        }
        for (at, master) in masters.iter().enumerate() {
            let (first, last) = (at * 16_384 / 3, (at + 1) * 16_384 / 3 - 1);
            let slots = ["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()];
            let () = master.ask(&slots).await.unwrap();
            let (port, bus) = &ports[0];
            if at > 0 {
                let () = master.ask(&["CLUSTER", "MEET", "127.0.0.1", port, bus]).await.unwrap();
            }
        }
        until("the Cluster is whole", async || {
            for master in &masters {
                let info: String = master.ask(&["CLUSTER", "INFO"]).await.unwrap_or_default();
                if !info.contains("cluster_state:ok") || !info.contains("cluster_known_nodes:3") {
                    return false;
                }
            }
            true
        })
        .await;
        let hosts: Vec<String> = ports.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        (Self::Cluster { masters, next: 0 }, format!("redis+cluster://{}", hosts.join(",")))
    }

    /// A master, its replica and one sentinel.
    pub(crate) async fn pair(folder: &Path) -> (Self, String) {
        let ports = [free_port(), free_port()];
        let master = RedisServer::start_at(&folder_of(folder, "server0"), ports[0], &SYNC).await;
        let of = format!("127.0.0.1 {}", ports[0]);
        let replica = RedisServer::start_at(
            &folder_of(folder, "server1"),
            ports[1],
            &[&SYNC[..], &["--replicaof", &of]].concat(),
        )
        .await;
        let port = free_port();
        let (own, text) = (
            folder_of(folder, "sentinel"),
            format!(
                "port {port}\nbind 127.0.0.1\nsentinel monitor {MASTER} 127.0.0.1 {} 1\nsentinel down-after-milliseconds \
             {MASTER} {DOWN_AFTER}\nsentinel failover-timeout {MASTER} 3000\n",
                ports[0]
            ),
        );
        std::fs::write(own.join("sentinel.conf"), text).unwrap();
        let arguments = [own.join("sentinel.conf").into_os_string(), "--sentinel".into()];
        let sentinel = Process::start("redis-server", arguments, &[("LC_ALL".into(), "C".into())], &own.join("err"));
        let pair = Pair { _sentinel: sentinel, port, servers: [master, replica], master: 0 };
        pair.is_whole().await;
        (Self::Pair(pair), format!("redis+sentinel://127.0.0.1:{port}/{MASTER}"))
    }

    /// The one that suffers when no other is named.
    fn victim(&mut self) -> &mut RedisServer {
        match self {
            Self::One(server) => server,
            Self::Cluster { masters, next } => &mut masters[*next],
            Self::Pair(pair) => &mut pair.servers[pair.master],
        }
    }

    /// The next time it is another one's turn.
    fn another(&mut self) {
        if let Self::Cluster { masters, next } = self {
            *next = (*next + 1) % masters.len();
        }
    }

    pub(crate) fn kill(&mut self) {
        self.victim().kill();
    }

    /// Starts it again with what it has kept.
    pub(crate) async fn restart(&mut self) {
        self.victim().restart().await;
        self.another();
    }

    pub(crate) fn stop(&mut self) {
        self.victim().stop();
    }

    pub(crate) fn resume(&mut self) {
        self.victim().resume();
        self.another();
    }

    /// The master and its replica.
    pub(crate) fn pair_mut(&mut self) -> &mut Pair {
        let Self::Pair(pair) = self else { panic!("there is no replica to fail over to") };
        pair
    }

    /// Every key that begins with `prefix`, without it, and whether it expires.
    pub(crate) async fn keys(&self, prefix: &str) -> Vec<(String, bool)> {
        match self {
            Self::One(server) => server.keys(prefix).await,
            Self::Cluster { masters, .. } => {
                let mut all = Vec::new();
                for master in masters {
                    all.extend(master.keys(prefix).await);
                }
                all
            }
            Self::Pair(pair) => pair.servers[pair.master].keys(prefix).await,
        }
    }
}

impl Pair {
    /// The replica hears nothing more; after so long the master is gone: killed, or silent. What it acknowledged in
    /// between is nowhere else. Answers when the replica was cut off.
    pub(crate) async fn part(&mut self, lag: Duration, is_killed: bool) -> Instant {
        // A sentinel takes ten seconds to make the former master a replica of the new one.
        self.is_whole().await;
        let (master, replica) = (self.master, 1 - self.master);
        self.servers[replica].stop();
        let cut_off: u64 = self.servers[master].ask(&["CLIENT", "KILL", "TYPE", "replica"]).await.unwrap();
        assert_eq!(cut_off, 1, "replicas of the master");
        let cut = Instant::now();
        tokio::time::sleep(lag).await;
        if is_killed {
            self.servers[master].kill();
        } else {
            self.servers[master].stop();
        }
        self.servers[replica].resume();
        cut
    }

    /// Waits until the replica is the master.
    pub(crate) async fn promoted(&mut self) {
        // Until the sentinel names it, a former master that comes back would be taken for the master still.
        let port = self.servers[1 - self.master].port().to_string();
        until("the replica is the master", async || {
            self.sentinel_says().await.contains(&format!("address=127.0.0.1:{port},"))
        })
        .await;
        self.master = 1 - self.master;
    }

    /// The one that was the master comes back, and follows.
    pub(crate) async fn come_back(&mut self, was_killed: bool) {
        let master = self.servers[self.master].port().to_string();
        let former = &mut self.servers[1 - self.master];
        if was_killed {
            former.restart().await;
            // The sentinel would do it ten seconds later.
            let () = former.ask(&["REPLICAOF", "127.0.0.1", &master]).await.unwrap();
        } else {
            former.resume();
        }
    }

    /// Waits until one follows the other, and the sentinel knows it.
    async fn is_whole(&self) {
        let (master, replica) = (&self.servers[self.master], &self.servers[1 - self.master]);
        until("the replica follows", async || {
            let told: String = replica.ask(&["INFO", "replication"]).await.unwrap_or_default();
            let heard: String = master.ask(&["INFO", "replication"]).await.unwrap_or_default();
            let follows = told.contains("role:slave") && told.contains("master_link_status:up");
            follows && heard.contains("role:master") && heard.contains("state=online")
        })
        .await;
        until("the sentinel knows both", async || {
            let told = self.sentinel_says().await;
            told.contains("status=ok") && told.contains("slaves=1")
        })
        .await;
    }

    /// What the sentinel knows of its master; nothing where it does not answer.
    async fn sentinel_says(&self) -> String {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let Ok(mut sentinel) = client.get_multiplexed_async_connection().await else { return String::new() };
        redis::cmd("INFO").arg("sentinel").query_async(&mut sentinel).await.unwrap_or_default()
    }
}
