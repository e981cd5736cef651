//! Where a bench goes and who it is there: the address, tokens, rooms, and the process to read the gauges of.
//!
//! Invariant: rooms that were made here are deleted, and a server that was started here is ended, however a run ends.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use futures_util::future::try_join_all;

use super::crowd::{Door, Plan};
use super::gauge::Gauge;
use super::link::Tls;
use super::metrics::Metrics;
use super::spawn::Spawned;
use super::wire::Start;
use crate::auth::Tokens;
use crate::chat::{History, Name, Role, RoomId};
use crate::cli::place::{Place, Usage};
use crate::config::Config;
use crate::ops;
use crate::store::Mode;
use crate::store::{NewAccount, Secret, Store};

/// Minutes that the tokens of a bench live.
const TOKEN_MINUTES: u32 = 1_440;
/// Until a running server has looked at what another process wrote.
const NOTICED: Duration = Duration::from_millis(400);
/// Accounts or rooms that are made at once: the store makes one commit of them.
const AT_ONCE: usize = 256;

// Where, and who. (A doc comment would become the help of the verb that takes these flags.)
#[derive(Args, Clone)]
pub(super) struct Where {
    /// The server; of several nodes each, which people are spread over
    #[arg(
        long = "url",
        value_name = "URL",
        default_value = "ws://127.0.0.1:8080",
        conflicts_with = "spawn",
        help_heading = "Where"
    )]
    urls: Vec<String>,
    /// Believe any certificate, such as a self-signed one
    #[arg(long, help_heading = "Where")]
    insecure: bool,
    /// Use these tokens, one a line, instead of making accounts in the data folder
    #[arg(long, value_name = "FILE", requires = "own_rooms", conflicts_with = "spawn", help_heading = "Where")]
    token_file: Option<PathBuf>,
    /// Use this room, where nobody else speaks; may be given several times
    #[arg(long = "room", value_name = "ID", requires = "token_file", help_heading = "Where")]
    own_rooms: Vec<RoomId>,
    /// The server's process id on this host [default: that of the server on the data folder]
    #[arg(long, value_name = "PID", conflicts_with = "spawn", help_heading = "Where")]
    pid: Option<u32>,
    /// Read the server's CPU time and memory from its metrics, such as http://127.0.0.1:9464/metrics, and not from its process
    #[arg(long, value_name = "URL", conflicts_with_all = ["spawn", "pid"], help_heading = "Where")]
    metrics: Option<String>,
    /// Start a fresh server of this very binary for each run, on a core of its own, and end it afterwards
    #[arg(long, help_heading = "Where")]
    pub(super) spawn: bool,
    /// Let it speak TLS, with a self-signed certificate
    #[arg(long, requires = "spawn", help_heading = "Where")]
    pub(super) tls: bool,
}

/// What a run needs.
#[derive(Clone, Copy)]
pub(super) struct Need {
    pub(super) people: usize,
    pub(super) rooms: usize,
    /// Whether its rooms keep what is said.
    pub(super) history: History,
}

impl Need {
    /// How what is said is kept.
    pub(super) const fn store(self) -> &'static str {
        match self.history {
            History::On => "durable",
            History::Off => "history off",
        }
    }
}

/// What a run goes to.
pub(super) struct Target {
    pub(super) url: String,
    /// One of each node.
    pub(super) doors: Vec<Door>,
    /// Who takes which.
    spread: Spread,
    pub(super) gauge: Gauge,
    pub(super) tokens: Vec<Rc<str>>,
    pub(super) rooms: Vec<String>,
    /// What the server had in memory before rooms and people were made, where it is one of our own.
    pub(super) empty: Option<f64>,
    /// The data folder in which rooms were made.
    house: Option<Config>,
    /// What was started for it: nodes, then their Redis. Dropped, they end in this order.
    servers: Vec<Spawned>,
    /// The process of that Redis.
    pub(super) redis: Option<u32>,
}

/// How people are spread over the doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Each takes the next one.
    Even,
    /// Who publishes takes the first, and subscribers the others.
    Across,
}

impl Where {
    /// A fresh server in place of whatever was named.
    pub(super) fn spawned(tls: bool) -> Self {
        Self {
            urls: Vec::new(),
            insecure: true,
            token_file: None,
            own_rooms: Vec::new(),
            pid: None,
            metrics: None,
            spawn: true,
            tls,
        }
    }

    /// Makes ready what a run needs.
    pub(super) async fn prepare(&self, place: &Place, need: Need) -> anyhow::Result<Target> {
        if self.spawn {
            let server = Spawned::server(self.tls)?;
            let config = Config { data: server.data(), ..Config::default() };
            return Target::of_our_own(vec![server], None, config, need).await;
        }
        if let Some(file) = &self.token_file {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let tokens: Vec<Rc<str>> = text.split_ascii_whitespace().map(Rc::from).collect();
            if tokens.is_empty() {
                bail!("{} holds no token", file.display());
            }
            let rooms = self.own_rooms.iter().map(ToString::to_string).collect();
            let gauge = self.gauge(self.pid)?;
            return Target::at(&self.urls, self.insecure, gauge, tokens, rooms);
        }
        let config = place.config()?;
        let gauge = self.gauge(self.pid.or(server_of(&config)?))?;
        let (tokens, rooms) = furnished(&config, need).await?;
        let target = Target::at(&self.urls, self.insecure, gauge, tokens, rooms)?;
        Ok(Target { house: Some(config), ..target })
    }

    /// The metrics where they are named, else the process; that it can be read is seen before anything is done.
    fn gauge(&self, pid: Option<u32>) -> anyhow::Result<Gauge> {
        let Some(url) = &self.metrics else { return Ok(Gauge::of(pid)) };
        let gauge = Gauge::Metrics(Metrics::at(url)?);
        tokio::task::block_in_place(|| gauge.cpu().and(gauge.memory()).and(gauge.cores()))?;
        Ok(gauge)
    }
}

/// The process id of the server that lives on the data. With Redis there may be several, on other computers too.
fn server_of(config: &Config) -> anyhow::Result<Option<u32>> {
    if config.redis.url.is_some() {
        return Ok(None);
    }
    let held = std::fs::read_to_string(config.data.join("serve.lock")).with_context(|| {
        format!(
            "no server lives on the data in {}; name its folder with --data, or use --token-file and --room, or --spawn",
            config.data.display()
        )
    })?;
    Ok(held.trim().parse().ok())
}

impl Target {
    fn at(
        urls: &[String],
        insecure: bool,
        gauge: Gauge,
        tokens: Vec<Rc<str>>,
        rooms: Vec<String>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            url: urls.join(", "),
            doors: urls.iter().map(|url| door(url, insecure)).collect::<Result<_, _>>()?,
            spread: Spread::Even,
            gauge,
            tokens,
            rooms,
            empty: None,
            house: None,
            servers: Vec::new(),
            redis: None,
        })
    }

    /// Servers that were started for this, with rooms and people that are there already.
    fn started(servers: Vec<Spawned>, tokens: Vec<Rc<str>>, rooms: Vec<String>) -> anyhow::Result<Self> {
        let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
        let gauge = Gauge::Processes(servers.iter().map(Spawned::pid).collect());
        Ok(Self { servers, ..Self::at(&urls, true, gauge, tokens, rooms)? })
    }

    /// Nodes that were started for this, and their Redis; rooms and people are made in the store that this describes.
    pub(super) async fn of_our_own(
        nodes: Vec<Spawned>,
        redis: Option<Spawned>,
        config: Config,
        need: Need,
    ) -> anyhow::Result<Self> {
        let empty = Gauge::Processes(nodes.iter().map(Spawned::pid).collect()).memory()?;
        let (tokens, rooms) = furnished(&config, need).await?;
        let mut target = Self::started(nodes, tokens, rooms)?;
        target.redis = redis.as_ref().map(Spawned::pid);
        target.servers.extend(redis);
        Ok(Self { empty, house: Some(config), ..target })
    }

    /// The same with people spread in this way over the first so many nodes; nobody goes to the others.
    pub(super) fn spread(mut self, spread: Spread, nodes: usize) -> Self {
        self.doors.truncate(nodes);
        Self { spread, ..self }
    }

    /// The ceiling: frames of the same bytes and nothing behind them.
    pub(super) fn ceiling(server: Spawned, rooms: usize) -> anyhow::Result<Self> {
        let rooms = (0..rooms).map(|_| RoomId::from_bytes(crate::auth::random_bytes()).to_string()).collect();
        Self::started(vec![server], vec!["nobody".into()], rooms)
    }

    /// A server of our own whose rooms and people are there already.
    pub(super) fn furnished(server: Spawned, tokens: Vec<Rc<str>>, rooms: Vec<String>) -> anyhow::Result<Self> {
        Self::started(vec![server], tokens, rooms)
    }

    /// Deletes the rooms that were made.
    pub(super) async fn leave(self) -> anyhow::Result<()> {
        // A server of our own goes with its folder.
        let Some(config) = self.house.as_ref().filter(|_| self.servers.is_empty()) else { return Ok(()) };
        let store = ops::open_store(config, Mode::Admin).await?;
        let ids = self.rooms.iter().filter_map(|id| id.parse::<RoomId>().ok());
        let deleted = try_join_all(ids.map(|id| store.delete_room(id))).await;
        store.close().await;
        deleted.context("a room of the bench cannot be deleted; its name begins with bench-")?;
        Ok(())
    }

    /// The plan of a client: the token of this person, and the subscription to this room.
    pub(super) fn plan(&self, person: usize, room: Option<usize>) -> Plan {
        let token = Rc::clone(&self.tokens[person % self.tokens.len()]);
        let room = room.map(|room| room % self.rooms.len()).map(|room| (room, Rc::from(&*self.rooms[room])));
        let door = match (self.spread, &room, self.doors.len()) {
            (Spread::Across, None, _) => 0,
            (Spread::Across, Some(_), doors @ 2..) => 1 + person % (doors - 1),
            (_, _, doors) => person % doors,
        };
        Plan { door, token, room, from: Start::Now }
    }
}

/// What a run needs, made in the store; a running server has noticed it then.
async fn furnished(config: &Config, need: Need) -> anyhow::Result<(Vec<Rc<str>>, Vec<String>)> {
    let store = ops::open_store(config, Mode::Admin).await?;
    let furnished = furnish(&store, need).await;
    store.close().await;
    tokio::time::sleep(NOTICED).await;
    furnished
}

/// Accounts that nobody can sign in to by a password, tokens of theirs, and rooms.
async fn furnish(store: &Store, need: Need) -> anyhow::Result<(Vec<Rc<str>>, Vec<String>)> {
    let mut names = Vec::new();
    for number in 0..need.people {
        names.push(format!("bench-{number}").parse::<Name>()?);
    }
    let account = async |name: Name| -> anyhow::Result<u32> {
        if let Some(held) = store.account(&name).await? {
            if held.disabled {
                bail!("the account {name} is disabled; `sarangbang user enable {name}` comes first");
            }
            return Ok(held.token_epoch);
        }
        let password_hash = Secret::new(&b"$argon2id$none"[..]);
        let new = NewAccount { name, role: Role::User, password_hash, invitation: None };
        Ok(store.add_account(new).await?.token_epoch)
    };
    let keys = ops::signing_keys(store).await?;
    let tokens = Tokens::new(keys.iter().map(|key| (&*key.id, key.secret.expose())), TOKEN_MINUTES);
    let mut issued = Vec::new();
    for names in names.chunks(AT_ONCE) {
        let epochs = try_join_all(names.iter().map(|name| account(name.clone()))).await?;
        for (name, epoch) in names.iter().zip(epochs) {
            issued.push(Rc::from(tokens.issue(name, Role::User, epoch)?.token));
        }
    }
    let mut rooms = Vec::new();
    let numbers: Vec<usize> = (0..need.rooms).collect();
    for numbers in numbers.chunks(AT_ONCE) {
        let room = async |number: &usize| -> anyhow::Result<String> {
            Ok(store.create_room_with(format!("bench-{number}").parse()?, need.history).await?.id.to_string())
        };
        rooms.extend(try_join_all(numbers.iter().map(room)).await?);
    }
    Ok((issued, rooms))
}

/// `ws://host:port` or `wss://host`, taken apart and looked up.
fn door(url: &str, insecure: bool) -> anyhow::Result<Door> {
    let wrong = || Usage(format!("--url has to be like ws://127.0.0.1:8080 or wss://chat.example.com, not {url:?}"));
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let tls = match scheme {
        "ws" | "http" => false,
        "wss" | "https" => true,
        _ => return Err(wrong().into()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().map_err(|_| wrong())?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let bare = name.trim_matches(['[', ']']);
    let found: Option<SocketAddr> =
        (bare, port).to_socket_addrs().with_context(|| format!("cannot look up {name}"))?.next();
    let address = found.with_context(|| format!("{name} has no address"))?;
    let path = if path.is_empty() { "/ws-stomp".to_owned() } else { format!("/{path}") };
    let tls = if tls { Some(Tls::new(name, insecure)?) } else { None };
    Ok(Door { address, host: authority.to_owned(), path, tls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let told = |url: &str| {
            let door = door(url, true).unwrap();
            (door.address.to_string(), door.host, door.path, door.tls.is_some())
        };
        let plain = ("127.0.0.1:8080".to_owned(), "127.0.0.1:8080".to_owned(), "/ws-stomp".to_owned(), false);
        assert_eq!(told("ws://127.0.0.1:8080"), plain);
        assert_eq!(told("wss://127.0.0.1").0, "127.0.0.1:443");
        assert_eq!(told("wss://[::1]:9/x"), ("[::1]:9".to_owned(), "[::1]:9".to_owned(), "/x".to_owned(), true));
        assert!(door("127.0.0.1:8080", false).is_err());
    }
}
