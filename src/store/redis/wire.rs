//! One connection to Redis, to one server or to a Cluster, and what its errors mean.

use futures_util::FutureExt as _;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use crate::store::StoreError;

/// A connection. Cheap to clone; the clones are one, and what they ask is sent together.
#[derive(Clone)]
pub(super) enum Wire {
    /// To one server.
    Single(MultiplexedConnection),
    /// To every server of a Cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Wire {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(wire) => wire.req_packed_command(cmd),
            Self::Cluster(wire) => async move {
                match wire.req_packed_command(cmd).await {
                    Err(error) => match elsewhere(&error) {
                        Some(there) => ask_there(wire, cmd, there, error).await,
                        None => Err(error),
                    },
                    answer => answer,
                }
            }
            .boxed(),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(wire) => wire.req_packed_commands(pipeline, offset, count),
            Self::Cluster(wire) => wire.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(wire) => wire.get_db(),
            Self::Cluster(wire) => wire.get_db(),
        }
    }
}

/// Where a server of a Cluster sends us for this one question: the slot is on its way there.
fn elsewhere(error: &RedisError) -> Option<SingleNodeRoutingInfo> {
    let (address, _) = error.redirect_node().filter(|_| error.code() == Some("ASK"))?;
    let (host, port) = address.rsplit_once(':')?;
    Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
}

async fn ask_there(
    wire: &mut ClusterConnection,
    cmd: &Cmd,
    there: SingleNodeRoutingInfo,
    sent_there: RedisError,
) -> RedisResult<Value> {
    let mut both = Pipeline::with_capacity(2);
    both.cmd("ASKING").add_command(cmd.clone());
    match wire.route_pipeline(both, 1, 1, there).await {
        Ok(answers) => answers.into_iter().next_back().ok_or(sent_there),
        // A server that this connection does not know yet: nothing was asked there.
        Err(error) if error.kind() == ErrorKind::ClusterConnectionNotFound => Err(sent_there),
        Err(error) => Err(error),
    }
}

impl Wire {
    /// Hears what is published on these channels from here on.
    pub(super) async fn subscribe(&mut self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::Single(wire) => wire.subscribe(channels).await,
            Self::Cluster(wire) => {
                // Each in the slot of its own room.
                for channel in channels {
                    wire.ssubscribe(channel).await?;
                }
                Ok(())
            }
        }
    }

    /// Hears it no more.
    pub(super) async fn unsubscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Single(wire) => wire.unsubscribe(channel).await,
            Self::Cluster(wire) => wire.sunsubscribe(channel).await,
        }
    }

    /// What it consists of. That of one server is asked only whether it lives: it tells by itself when it ends. That of a
    /// Cluster makes its connections anew without a word, and what was subscribed to by them is gone.
    pub(super) async fn ends(&mut self) -> RedisResult<Ends> {
        match self {
            Self::Single(wire) => {
                redis::cmd("PING").query_async::<()>(wire).await?;
                Ok(Ends::default())
            }
            Self::Cluster(wire) => {
                let mut cmd = redis::cmd("CLIENT");
                cmd.arg("INFO");
                let every = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let Value::Map(answers) = wire.route_command(cmd, every).await? else { return Ok(Ends::default()) };
                let texts: RedisResult<Vec<String>> = answers
                    .into_iter()
                    .map(|(_, answer)| Ok(redis::from_redis_value(answer.extract_error()?)?))
                    .collect();
                Ok(Ends::of(&texts?))
            }
        }
    }

    /// Whether it goes to a Cluster.
    pub(super) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

/// The connections that a wire to a Cluster consists of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// Each by its number and its own address.
    connections: Vec<String>,
    /// Sharded channels that are listened to by all of them; `None` where a server does not tell (Redis before 7.0.3).
    channels: Option<usize>,
}

impl Ends {
    /// Of what `CLIENT INFO` says on each.
    fn of(texts: &[String]) -> Self {
        let get = |text: &str, field: &str| {
            text.split_ascii_whitespace().find_map(|word| word.strip_prefix(field).map(str::to_owned))
        };
        let mut connections: Vec<String> = texts
            .iter()
            .map(|text| format!("{} {}", get(text, "id=").unwrap_or_default(), get(text, "addr=").unwrap_or_default()))
            .collect();
        connections.sort_unstable();
        let channels = texts.iter().map(|text| get(text, "ssub=")?.parse::<usize>().ok()).sum();
        Self { connections, channels }
    }

    /// Whether they are the same connections.
    pub(super) fn are_those_of(&self, other: &Self) -> bool {
        self.connections == other.connections
    }

    /// Whether they listen to as many channels, or nobody knows.
    pub(super) fn hear(&self, channels: usize) -> bool {
        self.channels.is_none_or(|heard| heard >= channels)
    }
}

/// What an error means for who asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is of no use any more; what was asked may have happened or not.
    Broken(String),
    /// Not now, and nothing has happened: it loads its data, or a Cluster elects.
    NotYet(String),
    /// No, and nothing has happened.
    Refused(String),
}

impl Fault {
    /// What an error of one server means.
    pub(super) fn of(error: &RedisError) -> Self {
        let words = words(error);
        match error.code() {
            Some("LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY") => Self::NotYet(words),
            // Another one is the master by now.
            Some("READONLY" | "MOVED" | "ASK") => Self::Broken(words),
            Some(_) => Self::Refused(words),
            None => Self::Broken(words),
        }
    }

    /// What an error of a Cluster means: a server that sent us elsewhere did nothing, and where elsewhere is has been
    /// learned by now.
    pub(super) fn of_cluster(error: &RedisError) -> Self {
        match (error.code(), error.kind()) {
            (Some("READONLY" | "MOVED" | "ASK"), _) | (_, ErrorKind::ClusterConnectionNotFound) => {
                Self::NotYet(words(error))
            }
            _ => Self::of(error),
        }
    }

    /// As the store's own error.
    pub(super) fn unavailable(self) -> StoreError {
        let (Self::Broken(words) | Self::NotYet(words) | Self::Refused(words)) = self;
        StoreError::Unavailable(words)
    }
}

/// What an error says, for people.
pub(super) fn words(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("Redis answers {code}: {detail}"),
        (Some(code), None) => format!("Redis answers {code}"),
        (None, Some(detail)) if error.kind() != ErrorKind::Extension => detail.to_owned(),
        // What the operating system says, without its number.
        _ => error.to_string().split(" (os error").next().unwrap_or_default().to_owned(),
    }
}
