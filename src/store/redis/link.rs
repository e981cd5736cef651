//! The connection to Redis that commands go by, and how it comes back.
//!
//! One task keeps it: it connects, looks at what it is connected to, and connects again when somebody found the
//! connection broken. Whoever wants to ask something takes the [`Wire`] that is there, and waits a stated time for one.
//! The task ends with the last [`Link`].

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use redis::{FromRedisValue, Pipeline, PushInfo, RedisResult, Script};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout, timeout_at};

use super::Settings;
use super::check::{self, Concern, Server};
use super::dial::Dial;
use super::keys::Keys;
pub(super) use super::refusal::OpenError;
pub(super) use super::wire::{Fault, Wire};
use crate::store::{Result, StoreError};

/// Between two questions, where Redis says: not now.
const AGAIN: Duration = Duration::from_millis(100);
/// Between two tries to connect: the first pause, and the longest. Each is twice the one before, give or take a quarter, so that many
/// nodes do not come back as one.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// How often the sentinels are asked whether the master is still the one that they named.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is told that Redis is still away.
const COMPLAINT: Duration = Duration::from_secs(10);

/// How it stands with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Whether there is one.
    pub(super) is_up: bool,
    /// How many there have been.
    pub(super) generation: u64,
    /// Since when it stands so.
    pub(super) since: Instant,
    /// What the run of the server is called that this, or the last, connection leads to: another one after a restart
    /// or a failover. `None` in a Cluster, or where the server does not tell.
    pub(super) run: Option<Arc<str>>,
}

/// The keeper's side and everybody's.
#[derive(Clone)]
pub(super) struct Link {
    shared: Arc<Shared>,
}

struct Shared {
    dial: Dial,
    keys: Keys,
    /// How long a request waits for a connection.
    wait: Duration,
    /// Replicas that must have an entry before it is acknowledged.
    replicas_min: u32,
    wire: RwLock<Option<(u64, Wire)>>,
    standing: watch::Sender<Standing>,
    broken: Arc<Notify>,
    /// Why there is no connection, for whoever asks.
    cause: Mutex<String>,
    /// What was told about the server, so that it is told once.
    told: Mutex<Vec<Concern>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The keeper waits for this, and finds nothing to keep.
        self.broken.notify_one();
    }
}

impl Link {
    /// Connects, looks whether what is there will do, and keeps connected from then on. A Redis that starts at the same
    /// time is waited for, as long as a request would.
    ///
    /// # Errors
    /// [`OpenError`], when it does not come to a first connection.
    pub(super) async fn open(settings: &Settings) -> std::result::Result<Self, OpenError> {
        let standing = Standing { is_up: false, generation: 0, since: Instant::now(), run: None };
        let broken = Arc::new(Notify::new());
        let link = Self {
            shared: Arc::new(Shared {
                dial: Dial::new(&settings.url),
                keys: Keys::new(&settings.prefix),
                wait: settings.wait,
                replicas_min: settings.replicas_min,
                wire: RwLock::default(),
                standing: watch::Sender::new(standing),
                broken: Arc::clone(&broken),
                cause: Mutex::default(),
                told: Mutex::default(),
            }),
        };
        let end = Instant::now() + settings.wait;
        let mut pauses = Pauses::default();
        let (wire, servers) = loop {
            match link.connect_to_use().await {
                Ok(found) => break found,
                Err(refusal) if !refusal.may_pass() => return Err(refusal),
                Err(refusal) => {
                    let pause = pauses.next();
                    if Instant::now() + pause >= end {
                        return Err(refusal);
                    }
                    sleep(pause).await;
                }
            }
        };
        link.put(wire, &servers);
        tokio::spawn(keep(Arc::downgrade(&link.shared), broken));
        Ok(link)
    }

    /// What keys are called.
    pub(super) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// What news are published by: in a Cluster by sharded channels, each in the slot of its room.
    pub(super) fn publish_command(&self) -> &'static str {
        if self.shared.dial.address().is_cluster() { "SPUBLISH" } else { "PUBLISH" }
    }

    /// Whether there is a connection.
    pub(super) fn is_up(&self) -> bool {
        self.shared.wire.read().is_some()
    }

    /// Whether the connection of this number is the one that is there.
    pub(super) fn is_used(&self, generation: u64) -> bool {
        self.shared.wire.read().as_ref().is_some_and(|(number, _)| *number == generation)
    }

    /// How it stands, now and from now on.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.shared.standing.subscribe()
    }

    /// How long a request waits for a connection.
    pub(super) fn wait_max(&self) -> Duration {
        self.shared.wait
    }

    /// A connection of its own; pushes go to `pushes`. What is asked by one with pushes may be asked twice, so it is for
    /// subscribing and reading.
    pub(super) async fn connect(&self, pushes: Option<mpsc::UnboundedSender<PushInfo>>) -> RedisResult<Wire> {
        self.shared.dial.connect(pushes).await
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
                let cause = self.shared.cause.lock().clone();
                let cause = if cause.is_empty() { "Redis cannot be reached".into() } else { cause };
                return Err(StoreError::Unavailable(cause));
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
            if !self.shared.dial.address().is_cluster() {
                let fault = Fault::of(&error);
                if let Fault::Broken(cause) = &fault {
                    tracing::debug!(%cause, "the connection to Redis broke");
                    self.broken(generation);
                }
                return fault;
            }
            let fault = Fault::of_cluster(&error);
            // A Cluster that is not whole counts as away until it is: its connection is made anew then.
            let is_parted =
                error.code() == Some("CLUSTERDOWN") || error.kind() == redis::ErrorKind::ClusterConnectionNotFound;
            if is_parted || matches!(fault, Fault::Broken(_)) {
                tracing::debug!(%error, "the connection to the Cluster broke");
                self.broken(generation);
            }
            fault
        })
    }

    /// A connection to something that will do, and what that is.
    async fn connect_to_use(&self) -> std::result::Result<(Wire, Vec<Server>), OpenError> {
        let address = self.shared.dial.address();
        let mut wire = self.connect(None).await.map_err(|error| OpenError::of(&error, address))?;
        let (servers, mut concerns) = check::look(&mut wire, address, self.keys()).await?;
        concerns.extend(check::too_few_replicas(&servers, self.shared.replicas_min));
        let mut told = self.shared.told.lock();
        for Concern { problem, fix, .. } in concerns.iter().filter(|concern| !told.contains(concern)) {
            tracing::warn!(redis = %address, "{problem}; {fix}");
        }
        *told = concerns;
        Ok((wire, servers))
    }

    fn put(&self, wire: Wire, servers: &[Server]) {
        let mut held = self.shared.wire.write();
        let generation = self.shared.standing.borrow().generation + 1;
        *held = Some((generation, wire));
        let run = match servers {
            [server] if !self.shared.dial.address().is_cluster() => server.run.as_deref().map(Arc::from),
            _ => None,
        };
        self.shared.standing.send_replace(Standing { is_up: true, generation, since: Instant::now(), run });
    }

    /// Connects again, however long it takes; `None` when nobody wants it any more.
    async fn come_back(shared: &Weak<Shared>, pauses: &mut Pauses) -> Option<()> {
        let mut complained: Option<Instant> = None;
        loop {
            let link = Self { shared: shared.upgrade()? };
            match link.connect_to_use().await {
                Ok((wire, servers)) => {
                    tracing::info!("Redis is back");
                    link.put(wire, &servers);
                    return Some(());
                }
                Err(refusal) => {
                    if complained.is_none_or(|complained| complained.elapsed() > COMPLAINT) {
                        complained = Some(Instant::now());
                        tracing::warn!("{refusal}");
                    }
                    let (OpenError::Unreachable { cause } | OpenError::Unfit { problem: cause, .. }) = refusal;
                    *link.shared.cause.lock() = cause;
                }
            }
            drop(link);
            sleep(pauses.next()).await;
        }
    }
}

async fn keep(shared: Weak<Shared>, broken: Arc<Notify>) {
    loop {
        let began = Instant::now();
        let mut pauses = Pauses::default();
        while timeout(LOOK, broken.notified()).await.is_err() {
            let Some(shared) = shared.upgrade() else { return };
            let generation = shared.standing.borrow().generation;
            if shared.dial.has_moved().await {
                tracing::warn!("the sentinels name another master; this node follows them");
                Link { shared }.broken(generation);
            }
        }
        if began.elapsed() < PAUSE_MIN {
            // One that breaks as soon as it is made is not made without an end.
            sleep(pauses.next()).await;
        }
        if Link::come_back(&shared, &mut pauses).await.is_none() {
            return;
        }
    }
}

/// Pauses that grow.
#[derive(Default)]
struct Pauses {
    last: Option<Duration>,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let pause = self.last.map_or(PAUSE_MIN, |last| (last * 2).min(PAUSE_MAX));
        self.last = Some(pause);
        // A quarter more or less, by the randomness that every map has.
        let random = RandomState::new().build_hasher().finish() % 512;
        pause * 3 / 4 + pause * u32::try_from(random).unwrap_or(0) / 1024
    }
}

#[cfg(test)]
mod tests;
