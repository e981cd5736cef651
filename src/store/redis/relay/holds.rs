//! Names that this node holds: taken, prolonged, given back.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use redis::Script;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::{Desk, Peer};
use crate::store::redis::changes::script;
use crate::store::{Result, StoreError};

static CLAIM: LazyLock<Script> = LazyLock::new(|| script(include_str!("../scripts/claim.lua")));

/// How long a name stays held that is not prolonged: what a node that was killed leaves behind for at most as long.
const HELD: Duration = Duration::from_secs(60);
/// How often it is prolonged.
const PROLONGED: Duration = Duration::from_secs(20);
/// How often it is looked which are due.
const LOOK: Duration = Duration::from_secs(1);
/// Names that Redis is asked about at the same time.
const AT_ONCE: usize = 64;

/// The digest of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) [u8; 32]);

/// Who holds a name.
pub enum Holder {
    /// This node, for as long as that is kept.
    Here(Hold),
    /// Another one.
    There(Peer),
}

/// A name that is held. Given back when dropped.
pub struct Hold {
    desk: Arc<Desk>,
    key: Key,
    lost: watch::Receiver<bool>,
}

pub(super) struct Holds {
    held: Mutex<HashMap<Key, Held>>,
    /// Something was given back in Redis.
    freed: Notify,
    give_back: mpsc::UnboundedSender<Key>,
}

struct Held {
    /// By how many at this node; by none it is about to be given back, and whoever wants it waits for that.
    count: usize,
    due: Instant,
    lost: watch::Sender<bool>,
}

impl Holds {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Key>) {
        let (give_back, given_back) = mpsc::unbounded_channel();
        (Self { held: Mutex::default(), freed: Notify::new(), give_back }, given_back)
    }

    /// One more holds it here, whatever Redis says.
    async fn note(&self, desk: &Arc<Desk>, key: Key) -> Hold {
        loop {
            let freed = self.freed.notified();
            if let Some(lost) = self.try_note(key) {
                return Hold { desk: Arc::clone(desk), key, lost };
            }
            freed.await;
        }
    }

    fn try_note(&self, key: Key) -> Option<watch::Receiver<bool>> {
        let mut all = self.held.lock();
        if let Some(held) = all.get_mut(&key) {
            if held.count == 0 {
                return None;
            }
            held.count += 1;
            return Some(held.lost.subscribe());
        }
        let (lost, receiver) = watch::channel(false);
        all.insert(key, Held { count: 1, due: Instant::now() + PROLONGED, lost });
        Some(receiver)
    }

    fn forget(&self, key: Key) {
        self.held.lock().remove(&key);
        self.freed.notify_waiters();
    }
}

impl Hold {
    /// Waits until another node holds the name: this one was away for too long.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        if lost.wait_for(|lost| *lost).await.is_err() {
            std::future::pending().await
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let holds = &self.desk.holds;
        let mut all = holds.held.lock();
        let Some(held) = all.get_mut(&self.key) else { return };
        held.count = held.count.saturating_sub(1);
        if held.count == 0 && holds.give_back.send(self.key).is_err() {
            all.remove(&self.key);
        }
    }
}

/// See [`super::Relay::hold`].
pub(super) async fn hold(desk: &Arc<Desk>, key: Key, gone: Option<&Peer>) -> Result<Holder> {
    let hold = desk.holds.note(desk, key).await;
    if let Some(gone) = gone {
        let _ = claim(desk, key, HELD, Some(gone)).await?;
    }
    let mut set = redis::pipe();
    set.cmd("SET").arg(desk.key(&key.0)).arg(&*desk.here).arg("NX").arg("GET").arg("PX").arg(millis(HELD));
    let (holder,): (Option<String>,) = desk.link.read(&set).await?;
    match holder {
        Some(other) if other != *desk.here => Ok(Holder::There(Peer(other.into()))),
        _ => Ok(Holder::Here(hold)),
    }
}

/// Prolongs what is held for as long as it is polled. After an outage that means: holds it again, unless another does.
pub(super) async fn renew(desk: Arc<Desk>) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known = desk.link.standing().borrow().generation;
    loop {
        ticks.tick().await;
        let standing = desk.link.standing().borrow().clone();
        if !standing.is_up {
            continue;
        }
        // What this Redis was told last it may have lost: a restart, a failover.
        let is_another = std::mem::replace(&mut known, standing.generation) != standing.generation;
        let now = Instant::now();
        let is_due = |held: &Held| held.count > 0 && (is_another || held.due <= now);
        let due: Vec<Key> =
            desk.holds.held.lock().iter().filter(|(_, held)| is_due(held)).map(|(key, _)| *key).collect();
        stream::iter(due).for_each_concurrent(AT_ONCE, |key| prolong(&desk, key)).await;
    }
}

async fn prolong(desk: &Desk, key: Key) {
    let claimed = claim(desk, key, HELD, None).await;
    let mut all = desk.holds.held.lock();
    let Some(held) = all.get_mut(&key) else { return };
    match claimed {
        Ok(true) => held.due = Instant::now() + PROLONGED,
        Ok(false) => {
            held.due = Instant::now() + HELD;
            held.lost.send_replace(true);
        }
        Err(cause) => tracing::debug!(%cause, "a name cannot be held on to now"),
    }
}

/// Gives back in Redis what nobody here holds any more, for as long as it is polled.
pub(super) async fn give_back(desk: Arc<Desk>, mut given_back: mpsc::UnboundedReceiver<Key>) {
    let mut keys = Vec::new();
    while given_back.recv_many(&mut keys, AT_ONCE).await > 0 {
        stream::iter(keys.drain(..)).for_each_concurrent(AT_ONCE, |key| free(&desk, key)).await;
    }
}

/// The same for all that is held.
pub(super) async fn give_all_back(desk: &Desk) {
    let all: Vec<Key> = desk.holds.held.lock().keys().copied().collect();
    stream::iter(all).for_each_concurrent(AT_ONCE, |key| free(desk, key)).await;
}

async fn free(desk: &Desk, key: Key) {
    // What cannot be given back now lapses.
    if let Err(cause) = claim(desk, key, Duration::ZERO, None).await {
        tracing::debug!(%cause, "a name is given back late");
    }
    desk.holds.forget(key);
}

/// Holds a name for so long, or, for no time at all, no more; false where another node holds it.
async fn claim(desk: &Desk, key: Key, time: Duration, gone: Option<&Peer>) -> std::result::Result<bool, StoreError> {
    let (name, time) = (desk.key(&key.0), millis(time).to_string());
    let mut args = vec![desk.here.as_bytes(), time.as_bytes()];
    args.extend(gone.map(|gone| gone.0.as_bytes()));
    desk.link.run(&CLAIM, &[name], &args).await
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
