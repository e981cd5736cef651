//! What stands at the other end, and whether it will do.
//!
//! Looked at when the store is opened, and again whenever a connection was made anew. What a server does not tell (a
//! provider may forbid CONFIG) is left open, and nothing is said about it.

use std::time::{Duration, Instant};

use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{FromRedisValue as _, RedisResult, Value};

use super::Redis;
use super::keys::Keys;
use super::refusal::{OpenError, needed_rights};
use super::wire::Wire;
use crate::store::Result;

/// The oldest Redis: sharded channels, functions of Lua that this store calls, and rights that a script can ask about.
const REDIS_MIN: (u32, u32) = (7, 0);
/// Round trips that one figure is taken from.
const ROUND_TRIPS: usize = 9;
/// What the store does, as far as rights are concerned: a command with a key or a channel in the place of KEY and
/// CHANNEL.
const NEEDED: &[&str] = &[
    "GET KEY",
    "SET KEY x",
    "DEL KEY",
    "UNLINK KEY",
    "EXISTS KEY",
    "RENAME KEY KEY",
    "PEXPIRE KEY 1",
    "PEXPIREAT KEY 1",
    "PTTL KEY",
    "HSET KEY a b",
    "HGET KEY a",
    "HMGET KEY a",
    "HDEL KEY a",
    "HLEN KEY",
    "HEXISTS KEY a",
    "HGETALL KEY",
    "HKEYS KEY",
    "SADD KEY a",
    "SREM KEY a",
    "SMEMBERS KEY",
    "ZADD KEY 1 a",
    "ZREM KEY a",
    "ZSCORE KEY a",
    "ZCARD KEY",
    "ZRANGE KEY 0 1",
    "ZREVRANGE KEY 0 1",
    "ZRANGEBYSCORE KEY 0 1",
    "ZREMRANGEBYSCORE KEY 0 1",
    "LPUSH KEY a",
    "LRANGE KEY 0 1",
    "XADD KEY * a b",
    "XRANGE KEY - +",
    "XREVRANGE KEY + -",
    "XTRIM KEY MINID 1",
    "XLEN KEY",
    "TIME",
    "PING",
    "SUBSCRIBE CHANNEL",
    "PUBLISH CHANNEL a",
];
/// The same of a Cluster.
const NEEDED_IN_A_CLUSTER: &[&str] = &["SSUBSCRIBE CHANNEL", "SPUBLISH CHANNEL a"];

/// One server, as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Redis, Valkey, or what else it calls itself.
    pub product: String,
    /// Its version, as it writes it.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// `master` or `slave`, in Redis's own words.
    pub role: String,
    /// What this run of the server is called: another one after a restart.
    pub run: Option<String>,
    /// Whether it is still reading its data.
    pub is_loading: bool,
    /// Replicas that are connected to it.
    pub replicas: u64,
    /// What is dropped when the memory is full.
    pub eviction: Option<String>,
    /// The memory that it may take, in bytes; 0 is no limit.
    pub memory_max: Option<u64>,
    /// Whether it writes an append-only file.
    pub has_log: Option<bool>,
    /// How often that is brought to the disk: `always`, `everysec` or `no`.
    pub log_sync: Option<String>,
    /// Bytes that it has now.
    pub memory_used: Option<u64>,
    /// Whether it writes snapshots by itself.
    pub has_snapshots: Option<bool>,
}

/// Something about a server that the operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concern {
    /// What kind of thing is the matter.
    pub about: About,
    /// What is the matter.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
    /// Whether the store is not opened because of it.
    pub is_refusal: bool,
}

/// What a [`Concern`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Whether it can be used at all.
    Fitness,
    /// What it does when its memory is full.
    Memory,
    /// What a crash of it loses.
    Disk,
    /// The replicas that it has.
    Replicas,
}

/// How it stands with the Redis of an open store.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The server, or every master of a Cluster.
    pub servers: Vec<Server>,
    /// What the operator should know.
    pub concerns: Vec<Concern>,
    /// How long a question is under way, at the median.
    pub round_trip: Duration,
}

impl Redis {
    /// Looks at the Redis behind this store.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`](crate::store::StoreError::Unavailable) when it cannot be reached, or tells nothing.
    pub async fn survey(&self) -> Result<Survey> {
        let link = &self.link;
        let (generation, mut wire) = link.wire(Instant::now() + link.wait_max()).await?;
        let servers = link.judge(generation, servers(&mut wire).await).map_err(super::wire::Fault::unavailable)?;
        let mut trips = Vec::with_capacity(ROUND_TRIPS);
        for _ in 0..ROUND_TRIPS {
            let began = Instant::now();
            link.read::<Value>(redis::pipe().cmd("EXISTS").arg(link.keys().of_all("epoch"))).await?;
            trips.push(began.elapsed());
        }
        trips.sort_unstable();
        let mut concerns = concerns(&servers, wire.is_cluster());
        concerns.extend(too_few_replicas(&servers, self.settings.replicas_min));
        Ok(Survey { servers, concerns, round_trip: trips[ROUND_TRIPS / 2] })
    }
}

/// Looks whether what this connection leads to will do; answers its servers with what should be told about them.
///
/// # Errors
/// [`OpenError`], which tells the operator what to do.
pub(super) async fn look(
    wire: &mut Wire,
    address: &super::Address,
    keys: &Keys,
) -> std::result::Result<(Vec<Server>, Vec<Concern>), OpenError> {
    let failed = |error| OpenError::of(&error, address);
    let servers = servers(wire).await.map_err(failed)?;
    if let Some(loading) = servers.iter().position(|server| server.is_loading) {
        let which =
            if servers.len() > 1 { format!(" (server {} of {})", loading + 1, servers.len()) } else { "".into() };
        return Err(OpenError::Unreachable { cause: format!("{address} is still reading its data{which}") });
    }
    let (refusals, concerns): (Vec<_>, Vec<_>) =
        concerns(&servers, wire.is_cluster()).into_iter().partition(|concern| concern.is_refusal);
    if let Some(Concern { problem, fix, .. }) = refusals.into_iter().next() {
        return Err(OpenError::unfit(format!("{address}: {problem}"), fix));
    }
    if wire.is_cluster() {
        let state: String = redis::cmd("CLUSTER").arg("INFO").query_async(wire).await.map_err(failed)?;
        if !state.lines().any(|line| line.trim_end() == "cluster_state:ok") {
            let cause = format!("{address} is a Cluster that is not whole (cluster_state:fail)");
            return Err(OpenError::Unreachable { cause });
        }
    }
    match missing_right(wire, keys).await.map_err(failed)? {
        Some(command) => Err(OpenError::unfit(
            format!("{address} does not let this user run {command}"),
            format!("give the user the rights that are needed: ACL SETUSER NAME {}", needed_rights(keys.prefix())),
        )),
        None => Ok((servers, concerns)),
    }
}

/// Every server that holds something, as it describes itself.
async fn servers(wire: &mut Wire) -> RedisResult<Vec<Server>> {
    let texts = match wire {
        Wire::Single(wire) => vec![redis::cmd("INFO").query_async::<String>(wire).await?],
        Wire::Cluster(_) => of_every_master(wire, redis::cmd("INFO"))
            .await?
            .into_iter()
            .map(String::from_redis_value)
            .collect::<std::result::Result<_, _>>()?,
    };
    let mut servers: Vec<Server> = texts.iter().map(|text| Server::read(text)).collect();
    // What may be forbidden is not needed.
    let sync = setting(wire, "appendfsync").await;
    let save = setting(wire, "save").await;
    for server in &mut servers {
        server.log_sync.clone_from(&sync);
        server.has_snapshots = save.as_ref().map(|save| !save.is_empty());
    }
    Ok(servers)
}

async fn of_every_master(wire: &mut Wire, cmd: redis::Cmd) -> RedisResult<Vec<Value>> {
    let Wire::Cluster(wire) = wire else { return Ok(Vec::new()) };
    let every = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    match wire.route_command(cmd, every).await? {
        Value::Map(answers) => answers.into_iter().map(|(_, answer)| answer.extract_error()).collect(),
        one => Ok(vec![one.extract_error()?]),
    }
}

/// A setting of the server, or of one server of a Cluster; `None` where it does not tell.
async fn setting(wire: &mut Wire, name: &str) -> Option<String> {
    let mut cmd = redis::cmd("CONFIG");
    cmd.arg("GET").arg(name);
    let answer = match wire {
        Wire::Single(wire) => cmd.query_async::<Value>(wire).await.ok()?,
        Wire::Cluster(_) => of_every_master(wire, cmd).await.ok()?.into_iter().next()?,
    };
    let settings = std::collections::HashMap::<String, String>::from_redis_value(answer).ok()?;
    settings.into_values().next()
}

/// The first command that this user may not run on our keys and channels. Asked, not tried.
async fn missing_right(wire: &mut Wire, keys: &Keys) -> RedisResult<Option<String>> {
    let script = redis::Script::new(include_str!("rights.lua"));
    let mut invocation = script.key(keys.of_all("rights"));
    invocation.arg(keys.of_all("changed"));
    let of_a_cluster = if wire.is_cluster() { NEEDED_IN_A_CLUSTER } else { &[] };
    for needed in NEEDED.iter().chain(of_a_cluster) {
        invocation.arg(*needed);
    }
    invocation.invoke_async(wire).await
}

impl Server {
    /// What INFO says.
    fn read(info: &str) -> Self {
        let get = |field: &str| {
            let value =
                |line: &'_ str| line.strip_prefix(field)?.strip_prefix(':').map(|value| value.trim().to_owned());
            info.lines().find_map(value)
        };
        let number = |field| get(field).and_then(|value| value.parse::<u64>().ok());
        let valkey = get("valkey_version");
        Self {
            product: if valkey.is_some() { "Valkey".into() } else { "Redis".into() },
            version: valkey.or_else(|| get("redis_version")).unwrap_or_default(),
            mode: get("redis_mode").or_else(|| get("server_mode")).unwrap_or_default(),
            role: get("role").unwrap_or_default(),
            run: get("run_id"),
            is_loading: get("loading").is_some_and(|loading| loading != "0"),
            replicas: number("connected_slaves").unwrap_or(0),
            eviction: get("maxmemory_policy"),
            memory_max: number("maxmemory"),
            memory_used: number("used_memory"),
            has_log: get("aof_enabled").map(|enabled| enabled == "1"),
            log_sync: None,
            has_snapshots: None,
        }
    }

    /// Whether scripts, streams and channels are there as they are needed. Valkey begins where Redis 7.2 was.
    fn is_new_enough(&self) -> bool {
        let mut numbers = self.version.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        self.version.is_empty() || version >= REDIS_MIN
    }

    fn concerns(&self, is_cluster: bool) -> Vec<Concern> {
        let mut concerns = Vec::new();
        let mut tell = |about, problem: String, fix: &str| {
            let is_refusal = about == About::Fitness;
            concerns.push(Concern { about, problem, fix: fix.to_owned(), is_refusal });
        };
        if self.mode == "sentinel" {
            tell(
                About::Fitness,
                "this is a sentinel".into(),
                "write redis+sentinel://HOST:PORT/MASTER, with the name of the master",
            );
            return concerns;
        }
        if !self.is_new_enough() {
            let problem = format!("{} {} is too old", self.product, self.version);
            tell(About::Fitness, problem, "run Redis 7.0 or newer there, or Valkey");
            return concerns;
        }
        if self.mode == "cluster" && !is_cluster {
            tell(About::Fitness, "this is a server of a Cluster".into(), "write redis+cluster:// in place of redis://");
        }
        if self.role == "slave" {
            let fix =
                "name the master in redis.url; where it changes, name sentinels: redis+sentinel://HOST,HOST/MASTER";
            tell(About::Fitness, "this is a replica, which cannot be written".into(), fix);
        }
        let fix = "set it on the server: CONFIG SET maxmemory-policy noeviction, and in its configuration";
        match self.eviction.as_deref() {
            Some(policy) if policy.starts_with("allkeys-") => {
                tell(
                    About::Fitness,
                    format!("it drops rooms and accounts when its memory is full (maxmemory-policy {policy})"),
                    fix,
                );
            }
            // Rooms, entries and accounts do not expire. What does is forgotten too early, and nothing worse.
            Some(policy) if policy.starts_with("volatile-") && self.memory_max != Some(0) => {
                let problem = format!(
                    "it signs people out when its memory is full, and may take a repeated message for a new one \
                     (maxmemory-policy {policy})"
                );
                tell(About::Memory, problem, fix);
            }
            _ => {}
        }
        let fix = "set appendonly yes and appendfsync everysec (or always) in its configuration, and CONFIG SET appendonly yes";
        match (self.has_log, self.has_snapshots) {
            (Some(false), Some(false)) => {
                tell(About::Disk, "it keeps nothing on a disk: its restart loses every room and account".into(), fix);
            }
            (Some(false), None) => {
                tell(
                    About::Disk,
                    "it writes no append-only file: its crash loses what was acknowledged last, or everything".into(),
                    fix,
                );
            }
            (Some(false), Some(true)) => {
                tell(
                    About::Disk,
                    "it writes snapshots alone: its crash loses what was acknowledged since the last one".into(),
                    fix,
                );
            }
            _ => {}
        }
        if self.has_log == Some(true) && self.log_sync.as_deref() == Some("no") {
            let problem = "it brings its log to the disk when the system likes to (appendfsync no): a loss of power loses \
                           half a minute";
            tell(About::Disk, problem.into(), "CONFIG SET appendfsync everysec (or always), and in its configuration");
        }
        concerns
    }
}

/// A server with fewer replicas than a message must have before it is acknowledged.
pub(super) fn too_few_replicas(servers: &[Server], replicas_min: u32) -> Option<Concern> {
    let replicas = servers.iter().map(|server| server.replicas).min()?;
    (replicas < replicas_min.into()).then(|| Concern {
        problem: format!(
            "it has {replicas} replicas, and nothing is acknowledged that has not reached {replicas_min} \
             (redis.replicas_min)"
        ),
        fix: "start the replicas that are missing, or lower redis.replicas_min".into(),
        is_refusal: false,
        about: About::Replicas,
    })
}

/// What should be told about these servers, each thing once.
fn concerns(servers: &[Server], is_cluster: bool) -> Vec<Concern> {
    let mut all: Vec<Concern> = Vec::new();
    for concern in servers.iter().flat_map(|server| server.concerns(is_cluster)) {
        if !all.contains(&concern) {
            all.push(concern);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server in good order, but for these lines.
    fn server(lines: &str) -> Server {
        let well = "redis_version:7.4.1\r\nredis_mode:standalone\r\nrun_id:abc\r\nloading:0\r\naof_enabled:1\r\n\
                    role:master\r\nconnected_slaves:2\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n";
        Server { log_sync: Some("everysec".into()), ..Server::read(&format!("{lines}\r\n{well}")) }
    }

    #[test]
    fn a_server_in_good_order_is_no_concern() {
        let server = server("");
        assert_eq!(server.concerns(false), []);
        assert_eq!((server.run.as_deref(), server.replicas, server.memory_max), (Some("abc"), 2, Some(0)));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        for (lines, is_accepted) in [
            ("redis_version:6.2.14", false),
            ("redis_version:6.255.255", false),
            ("redis_version:7.0.0", true),
            ("redis_version:7.0.15", true),
            ("redis_version:10.0.1", true),
            ("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:7.2.11", true),
            ("redis_version:7.2.4\r\nvalkey_version:8.1.0-rc1", true),
            ("redis_version:", true),
        ] {
            let server = server(lines);
            let is_refused = server.concerns(false).iter().any(|concern| concern.is_refusal);
            assert_eq!(!is_refused, is_accepted, "{lines}");
        }
        assert_eq!(server("valkey_version:8.0.1").product, "Valkey");
    }

    #[test]
    fn what_loses_rooms_is_refused_and_what_loses_less_is_told() {
        for (lines, is_refusal, part) in [
            ("maxmemory_policy:allkeys-lru", true, "noeviction"),
            ("maxmemory_policy:allkeys-random", true, "noeviction"),
            ("maxmemory:1000\r\nmaxmemory_policy:volatile-ttl", false, "noeviction"),
            ("aof_enabled:0", false, "appendonly yes"),
            ("role:slave", true, "the master"),
            ("redis_mode:cluster", true, "redis+cluster://"),
            ("redis_mode:sentinel", true, "redis+sentinel://"),
        ] {
            let concerns = server(lines).concerns(false);
            let [concern] = concerns.as_slice() else { panic!("{lines}: {concerns:?}") };
            assert_eq!(concern.is_refusal, is_refusal, "{lines}");
            assert!(concern.fix.contains(part), "{lines}: {}", concern.fix);
        }
        // Without a limit of memory nothing is ever dropped.
        assert_eq!(server("maxmemory:0\r\nmaxmemory_policy:volatile-lru").concerns(false), []);
        assert_eq!(server("redis_mode:cluster").concerns(true), []);
    }

    #[test]
    fn how_much_a_crash_loses_is_told_as_far_as_it_is_known() {
        for (log, sync, snapshots, part) in [
            (Some(false), None, Some(false), "loses every room"),
            (Some(false), None, Some(true), "since the last one"),
            (Some(false), None, None, "or everything"),
            (Some(true), Some("no"), None, "half a minute"),
        ] {
            let server =
                Server { has_log: log, log_sync: sync.map(str::to_owned), has_snapshots: snapshots, ..server("") };
            let concerns = server.concerns(false);
            assert!(concerns.len() == 1 && concerns[0].problem.contains(part), "{concerns:?}");
        }
        assert_eq!(Server { has_log: None, ..server("") }.concerns(false), []);
    }

    #[test]
    fn fewer_replicas_than_are_waited_for_are_told() {
        let servers = [server("connected_slaves:1"), server("connected_slaves:2")];
        assert_eq!((too_few_replicas(&servers, 0), too_few_replicas(&servers, 1)), (None, None));
        let concern = too_few_replicas(&servers, 2).unwrap();
        assert!(!concern.is_refusal && concern.problem.contains("1 replicas"), "{concern:?}");
    }

    #[test]
    fn what_is_true_of_every_server_of_a_cluster_is_told_once() {
        let servers = vec![server("redis_mode:cluster\r\naof_enabled:0"); 3];
        assert_eq!(concerns(&servers, true).len(), 1);
    }
}
