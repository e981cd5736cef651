//! The connection to Redis that commands go by, and how it comes back.
//!
//! One task keeps it: it connects, looks at what it is connected to, and connects again when somebody found the
//! connection broken. Whoever wants to ask something takes the [`Wire`] that is there, and waits a stated time for one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, ProtocolVersion, PushInfo, RedisError, RedisFuture,
    RedisResult, Script, Value,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout_at};

use super::Settings;
use super::keys::Keys;
use crate::store::{Result, StoreError};

/// An answer that takes longer does not come: Redis answers in well under a millisecond, and one that stands still must
/// not hold a connection for ever.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// Between two tries to connect.
const AGAIN: Duration = Duration::from_millis(100);

/// Why the store cannot be opened: the operator's to mend, so the text says how.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers there, or not as it should.
    #[error("redis.url: {cause}")]
    Unreachable {
        /// What was found.
        cause: String,
    },
}

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
            Self::Cluster(wire) => wire.req_packed_command(cmd),
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
}

/// What an error means for who asked.
pub(super) enum Fault {
    /// The connection is of no use any more; what was asked may have happened or not.
    Broken(String),
    /// Not now, and nothing has happened: it loads its data, or a Cluster elects.
    NotYet(String),
    /// No, and nothing has happened.
    Refused(String),
}

impl Fault {
    pub(super) fn of(error: &RedisError) -> Self {
        let words = error.to_string();
        match error.code() {
            Some("LOADING" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" | "BUSY") => Self::NotYet(words),
            // Another one is the master by now.
            Some("READONLY" | "MOVED" | "ASK") => Self::Broken(words),
            Some(_) => Self::Refused(words),
            None => Self::Broken(words),
        }
    }

    /// As the store's own error.
    pub(super) fn unavailable(self) -> StoreError {
        let (Self::Broken(words) | Self::NotYet(words) | Self::Refused(words)) = self;
        StoreError::Unavailable(words)
    }
}

/// How it stands with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether there is one.
    pub(super) is_up: bool,
    /// How many there have been.
    pub(super) generation: u64,
    /// Since when it stands so.
    pub(super) since: Instant,
}

/// The keeper's side and everybody's.
#[derive(Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    keys: Keys,
    /// How long a request waits for a connection.
    wait: Duration,
    wire: RwLock<Option<(u64, Wire)>>,
    standing: watch::Sender<Standing>,
    broken: Notify,
    ending: Notify,
}

impl Link {
    /// Connects, and keeps connected from then on.
    ///
    /// # Errors
    /// [`OpenError`], when it does not come to a first connection.
    pub(super) async fn open(settings: &Settings) -> std::result::Result<Self, OpenError> {
        let unreachable = |error: RedisError| OpenError::Unreachable { cause: error.to_string() };
        let client = Client::open(settings.url.as_str()).map_err(unreachable)?;
        let standing = Standing { is_up: false, generation: 0, since: Instant::now() };
        let link = Self {
            shared: Arc::new(Shared {
                client,
                keys: Keys::new(&settings.prefix),
                wait: settings.wait,
                wire: RwLock::default(),
                standing: watch::Sender::new(standing),
                broken: Notify::new(),
                ending: Notify::new(),
            }),
        };
        let first = link.connect(None).await.map_err(unreachable)?;
        link.put(first);
        let kept = link.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = kept.clone().keep() => {}
                () = kept.shared.ending.notified() => {}
            }
        });
        Ok(link)
    }

    /// What keys are called.
    pub(super) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// Whether news come by sharded channels, as in a Cluster.
    pub(super) fn publish_command(&self) -> &'static str {
        "PUBLISH"
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.shared.wire.read().is_some()
    }

    /// Ends the keeping of it.
    pub(super) fn close(&self) {
        self.shared.ending.notify_one();
    }

    /// How it stands, now and from now on.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// How long a request waits for a connection.
    pub(super) fn wait_max(&self) -> Duration {
        self.shared.wait
    }

    /// A connection of its own; pushes go to `pushes`.
    pub(super) async fn connect(&self, pushes: Option<mpsc::UnboundedSender<PushInfo>>) -> RedisResult<Wire> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        if let Some(pushes) = pushes {
            config = config.set_push_sender(pushes);
        }
        let info = self.shared.client.get_connection_info().clone();
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(redis))?;
        client.get_multiplexed_async_connection_with_config(&config).await.map(Wire::Single)
    }

    /// The connection that is there, with its number; waited for until `end`.
    pub(super) async fn wire(&self, end: Instant) -> Result<(u64, Wire)> {
        let mut standing = self.shared.standing.subscribe();
        loop {
            if let Some(wire) = self.shared.wire.read().clone() {
                return Ok(wire);
            }
            let up = standing.wait_for(|standing| standing.is_up);
            if !matches!(timeout_at(end.into(), up).await, Ok(Ok(_))) {
                return Err(StoreError::Unavailable("Redis cannot be reached".into()));
            }
        }
    }

    /// The connection of this number is of no use any more.
    pub(super) fn broken(&self, generation: u64) {
        let mut wire = self.shared.wire.write();
        if wire.as_ref().is_some_and(|(number, _)| *number == generation) {
            *wire = None;
            self.shared.broken.notify_one();
            self.shared.standing.send_modify(|standing| {
                (standing.is_up, standing.since) = (false, Instant::now());
            });
        }
    }

    /// Reads something; asked again by another connection where one breaks.
    pub(super) async fn read<T: FromRedisValue>(&self, cmd: &Pipeline) -> Result<T> {
        let end = Instant::now() + self.shared.wait;
        loop {
            let (generation, mut wire) = self.wire(end).await?;
            match self.judge(generation, cmd.query_async(&mut wire).await) {
                Err(Fault::Broken(_) | Fault::NotYet(_)) if Instant::now() < end => sleep(AGAIN).await,
                answer => return answer.map_err(Fault::unavailable),
            }
        }
    }

    /// Changes something by a script, once.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, keys: &[String], args: &[&[u8]]) -> Result<T> {
        let end = Instant::now() + self.shared.wait;
        loop {
            let (generation, mut wire) = self.wire(end).await?;
            let mut invocation = script.prepare_invoke();
            for key in keys {
                invocation.key(key);
            }
            for arg in args {
                invocation.arg(*arg);
            }
            match self.judge(generation, invocation.invoke_async(&mut wire).await) {
                Err(Fault::NotYet(_)) if Instant::now() < end => sleep(AGAIN).await,
                answer => return answer.map_err(Fault::unavailable),
            }
        }
    }

    /// What became of something that was asked by the connection of this number.
    pub(super) fn judge<T>(&self, generation: u64, answer: RedisResult<T>) -> std::result::Result<T, Fault> {
        answer.map_err(|error| {
            let fault = Fault::of(&error);
            if let Fault::Broken(cause) = &fault {
                tracing::debug!(%cause, "the connection to Redis broke");
                self.broken(generation);
            }
            fault
        })
    }

    fn put(&self, wire: Wire) {
        let mut held = self.shared.wire.write();
        let generation = self.shared.standing.borrow().generation + 1;
        *held = Some((generation, wire));
        self.shared.standing.send_replace(Standing { is_up: true, generation, since: Instant::now() });
    }

    async fn keep(self) {
        loop {
            self.shared.broken.notified().await;
            tracing::warn!("Redis cannot be reached; trying again");
            let wire = loop {
                match self.connect(None).await {
                    Ok(wire) => break wire,
                    Err(cause) => {
                        tracing::debug!(%cause, "Redis still cannot be reached");
                        sleep(AGAIN).await;
                    }
                }
            };
            tracing::info!("Redis is back");
            self.put(wire);
        }
    }
}
