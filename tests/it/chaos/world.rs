//! The nodes of a run, what they stand on, and how they are asked. Every wire between them goes through a proxy.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::ask::ask;
use super::backing::Backing;
use super::history::{Entry, People, Told};
use super::process::Process;
use super::proxy::{Mode, Proxy, Upstream};
use super::redis::RedisServer;

/// What all keys in Redis begin with.
pub(crate) const PREFIX: &str = "chaos:";
/// For how long a killed node's people count as there.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// Entries of a page of history.
const PAGE: usize = 200;

/// Somebody with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) token: String,
}

/// Several nodes over one Redis, or one over a file.
pub(crate) struct World {
    // Dropped in this order: the nodes end before what they stand on.
    pub(crate) nodes: Vec<Node>,
    pub(crate) redis: Option<Backing>,
    /// Until when the replica had everything that its master acknowledged, at each failover.
    pub(crate) cuts: Vec<Instant>,
    pub(crate) people: Vec<Person>,
    _folder: TempDir,
}

/// One process of the server.
pub(crate) struct Node {
    folder: TempDir,
    environment: Vec<(String, String)>,
    process: Option<Process>,
    /// Where it listens: another port after each start.
    pub(crate) address: Option<SocketAddr>,
    /// Where clients come in.
    pub(crate) door: Proxy,
    /// Its way to Redis.
    pub(crate) link: Option<Proxy>,
}

impl World {
    /// So many nodes over a Redis.
    pub(crate) async fn over_redis(nodes: usize, people: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = RedisServer::start(folder.path()).await;
        let mut world = Self { nodes: Vec::new(), redis: None, cuts: Vec::new(), people: Vec::new(), _folder: folder };
        for _ in 0..nodes {
            let link = Proxy::start(Some(Upstream::Unix(redis.socket()))).await;
            let url = format!("redis://{}", link.address);
            world.nodes.push(Node::new(Some(url), Some(link)).await);
        }
        world.redis = Some(Backing::One(redis));
        world.begin(people).await
    }

    /// So many nodes over a Cluster. They find its servers by themselves, so there is no proxy between.
    pub(crate) async fn over_a_cluster(nodes: usize, people: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (backing, url) = Backing::cluster(folder.path()).await;
        Self::directly_over(backing, &url, folder, nodes, &[]).await.begin(people).await
    }

    /// So many nodes over a master that a sentinel names, and which acknowledge what so many replicas have.
    pub(crate) async fn over_a_sentinel(nodes: usize, people: usize, replicas_min: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (backing, url) = Backing::pair(folder.path()).await;
        let besides = [("redis.replicas_min", replicas_min.to_string())];
        let besides = if replicas_min > 0 { &besides[..] } else { &[] };
        Self::directly_over(backing, &url, folder, nodes, besides).await.begin(people).await
    }

    async fn directly_over(
        backing: Backing,
        url: &str,
        folder: TempDir,
        nodes: usize,
        besides: &[(&str, String)],
    ) -> Self {
        let mut world =
            Self { nodes: Vec::new(), redis: Some(backing), cuts: Vec::new(), people: Vec::new(), _folder: folder };
        for _ in 0..nodes {
            let mut node = Node::new(Some(url.to_owned()), None).await;
            besides.iter().for_each(|(key, value)| node.environment.push((variable(key), value.clone())));
            world.nodes.push(node);
        }
        world
    }

    /// One node over its own file.
    pub(crate) async fn over_a_file(people: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = vec![Node::new(None, None).await];
        Self { nodes, redis: None, cuts: Vec::new(), people: Vec::new(), _folder: folder }.begin(people).await
    }

    async fn begin(mut self, people: usize) -> Self {
        for node in &mut self.nodes {
            node.start().await.unwrap();
        }
        for number in 0..people {
            let name = format!("person{number}");
            let account = json!({"username": name, "password": "correct horse"});
            let made = self.ask(number % self.nodes.len(), "POST /signup", None, Some(&account)).await.unwrap();
            self.people.push(Person { name, token: made["token"].as_str().unwrap().to_owned() });
        }
        self
    }

    /// New rooms, by their ids.
    pub(crate) async fn rooms(&self, count: usize) -> Vec<String> {
        let mut rooms = Vec::new();
        for number in 0..count {
            let body = json!({"name": format!("room {number}")});
            let room = self.ask(0, "POST /chat/room", Some(&self.people[number].token), Some(&body)).await.unwrap();
            rooms.push(room["roomId"].as_str().unwrap().to_owned());
        }
        rooms
    }

    async fn ask(
        &self,
        node: usize,
        request: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let address = self.nodes[node].address.ok_or_else(|| format!("node {node} is down"))?;
        ask(address, request, token, body).await.map_err(|error| format!("node {node}: {error}"))
    }

    async fn get(&self, node: usize, path: &str) -> Result<Value, String> {
        self.ask(node, &format!("GET {path}"), Some(&self.people[0].token), None).await
    }

    /// What every node says about these rooms, and the offset of each room's newest entry.
    pub(crate) async fn told(&self, rooms: &People) -> Result<Vec<(Told, u64)>, String> {
        let mut all = Vec::new();
        for node in 0..self.nodes.len() {
            for room in rooms.keys() {
                let state = self.get(node, &format!("/chat/room/{room}")).await?;
                let members = self.get(node, &format!("/chat/room/{room}/members")).await?;
                let newest = self.get(node, &format!("/chat/room/{room}/messages?limit=1")).await?;
                let (count, last) = (state["userCount"].as_u64().unwrap(), state["lastOffset"].as_u64().unwrap());
                let members = members["members"].as_array().unwrap();
                let members = members.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
                let newest = newest[0]["userCount"].as_u64().unwrap_or(0);
                all.push((Told { node, room: room.clone(), count, newest, members }, last));
            }
        }
        Ok(all)
    }

    /// The whole log of a room, as a node tells it.
    pub(crate) async fn log(&self, node: usize, room: &str) -> Result<Vec<Entry>, String> {
        let mut log: Vec<Entry> = Vec::new();
        loop {
            let after = log.last().map_or(0, |entry| entry.offset);
            let page = self.get(node, &format!("/chat/room/{room}/messages?after={after}&limit={PAGE}")).await?;
            let page = page.as_array().ok_or("no page")?;
            for entry in page {
                log.push(Entry::of(entry).ok_or_else(|| format!("no entry: {entry}"))?);
            }
            if page.is_empty() {
                return Ok(log);
            }
        }
    }
}

/// The variable that stands for a key.
fn variable(key: &str) -> String {
    format!("SARANGBANG_{}", key.to_uppercase().replace('.', "__"))
}

impl Node {
    async fn new(url: Option<String>, link: Option<Proxy>) -> Self {
        let mut environment = Vec::new();
        let mut set = |key: &str, value: &str| {
            environment.push((variable(key), value.to_owned()));
        };
        set("locale", "en");
        set("operator.listen", "off");
        set("auth.sign_up", "open");
        set("auth.token_minutes", "1440");
        set("history.keep_entries", "0");
        for limit in ["messages", "subscriptions", "connects", "requests", "address_requests"] {
            set(&format!("limits.{limit}_per_second"), "100000");
            set(&format!("limits.{limit}_burst"), "100000");
        }
        for limit in ["accounts_burst", "rooms_burst", "address_sign_ins_burst"] {
            set(&format!("limits.{limit}"), "100000");
        }
        if let Some(url) = &url {
            set("redis.url", url);
            set("redis.prefix", PREFIX);
            set("presence.lease_seconds", &LEASE.as_secs().to_string());
        }
        let door = Proxy::start(None).await;
        Self { folder: tempfile::tempdir().unwrap(), environment, process: None, address: None, door, link }
    }

    /// Starts it; what is wrong where it does not get ready.
    pub(crate) async fn start(&mut self) -> Result<(), String> {
        let data = self.folder.path().join("data");
        let arguments =
            ["serve".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref(), "--data".as_ref(), data.as_os_str()];
        let log = self.folder.path().join("log");
        let mut process = Process::start(env!("CARGO_BIN_EXE_sarangbang"), arguments, &self.environment, &log);
        let output = process.output();
        let first = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            line
        });
        let line = tokio::time::timeout(START_MAX, first).await;
        let line = line.map_err(|_| format!("not ready after {START_MAX:?}; {}", self.log()))?.unwrap();
        let address = line.trim().strip_prefix("ready http://").and_then(|address| address.parse().ok());
        let Some(address) = address else { return Err(format!("{line:?}; {}", self.log())) };
        self.process = Some(process);
        self.address = Some(address);
        self.door.lead(Some(Upstream::Tcp(address)));
        Ok(())
    }

    /// The end of what it has logged.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    pub(crate) fn kill(&mut self) {
        self.gone();
        self.process = None;
    }

    /// SIGTERM.
    pub(crate) fn terminate(&mut self) {
        self.gone();
        self.process.iter().for_each(|process| process.signal(Signal::TERM));
    }

    /// Waits for its end; false where it did not come in time.
    pub(crate) async fn ended(&mut self) -> bool {
        match self.process.take() {
            Some(mut process) => process.ended().await,
            None => true,
        }
    }

    /// No new connection goes there.
    fn gone(&mut self) {
        self.address = None;
        self.door.lead(None);
    }

    pub(crate) fn stop(&self) {
        self.process.iter().for_each(|process| process.signal(Signal::STOP));
    }

    pub(crate) fn resume(&self) {
        self.process.iter().for_each(|process| process.signal(Signal::CONT));
    }

    /// How its way to Redis behaves from now on.
    pub(crate) fn link(&self, mode: Mode) {
        self.link.iter().for_each(|link| link.set(mode));
    }
}
