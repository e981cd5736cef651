//! This process as an owner of leases: it renews its time, by which its people count as there.
//!
//! Time is Redis's own. An owner that does not renew its time is condemned by whichever node notices; from then on its
//! leases count for nothing more than what there is to end, even if it wakes up: it takes another name, and everybody
//! who is here enters anew. Nobody is condemned because Redis was away: whoever condemns has been connected for longer than
//! an owner's time, so everybody had the opportunity to renew it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use redis::Script;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout_at};
use uuid::Uuid;

use super::ear::Order;
use super::hall::Hall;
use super::leases;
use super::link::Link;
use super::turns::Message;
use crate::chat::RoomId;
use crate::store::{Result, StoreError};

static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));
static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/note.lua")));

/// Between two tries to note something.
const AGAIN: Duration = Duration::from_millis(50);
/// How long a node is waited for that has not come back after Redis has, though its time was over meanwhile: as long as the
/// longest pause between two tries to connect, and a try that fails.
const LATE_MAX: Duration = Duration::from_secs(4);

/// The name by which leases are held, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    name: Arc<str>,
    /// In Redis's milliseconds; 0 while it is not held.
    until: i64,
    /// The connection by which that was said, and by which this Redis was found to be the one that was known.
    connection: u64,
}

/// See the module's own words.
pub(super) struct Owner {
    process: Arc<str>,
    standing: watch::Sender<Standing>,
    hurry: Notify,
    /// Whether leases may have been lost by a part of Redis whose restart no connection tells of.
    is_doubted: AtomicBool,
    /// Rooms in which nobody is any more.
    unnoted: mpsc::UnboundedSender<RoomId>,
}

/// How an owner's time is divided.
#[derive(Clone, Copy)]
pub(super) struct Rhythm {
    /// How long it is held unless it is renewed.
    pub(super) held: Duration,
    renew: Duration,
    /// How often it is looked whose time is over.
    pub(super) look: Duration,
    /// How much longer others leave it.
    pub(super) spare: Duration,
}

impl Rhythm {
    /// So that from the last sign of life to the end of the leases it takes no longer than `lease`.
    pub(super) fn of(lease: Duration) -> Self {
        Self { held: lease * 6 / 10, renew: lease / 5, look: lease / 10, spare: lease / 10 }
    }
}

impl Owner {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<RoomId>) {
        let (unnoted, rooms) = mpsc::unbounded_channel();
        let standing = watch::Sender::new(Standing { name: fresh_name(), until: 0, connection: 0 });
        (
            Self { process: fresh_name(), standing, hurry: Notify::new(), is_doubted: AtomicBool::new(false), unnoted },
            rooms,
        )
    }

    /// What this process is called for as long as it lives.
    pub(super) fn process(&self) -> &str {
        &self.process
    }

    /// The name, and until when leases are held by it; waited for while they are not, and until it was looked what
    /// there is at the other end of this connection.
    pub(super) async fn current(&self, end: Instant, connection: u64) -> Option<(Arc<str>, i64)> {
        let mut standing = self.standing.subscribe();
        let held = |standing: &Standing| standing.until > 0 && standing.connection >= connection;
        let held = timeout_at(end.into(), standing.wait_for(held)).await;
        held.ok()?.ok().map(|standing| (Arc::clone(&standing.name), standing.until))
    }

    /// Redis says that the time until then is over.
    pub(super) fn has_lapsed(&self, until: i64) {
        self.standing.send_if_modified(|standing| {
            let is_that = standing.until == until;
            if is_that {
                standing.until = 0;
            }
            is_that
        });
        self.hurry.notify_one();
    }

    /// The leases are to be compared with what Redis has.
    pub(super) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::SeqCst);
        self.hurry.notify_one();
    }

    /// By what name leases are held now.
    pub(super) fn name(&self) -> Arc<str> {
        Arc::clone(&self.standing.borrow().name)
    }

    /// Whether this is the name now.
    pub(super) fn is(&self, name: &str) -> bool {
        *self.standing.borrow().name == *name
    }

    /// Lets it be known that leases may be held in a room, so that whoever ends them looks there. Answers under which name.
    pub(super) async fn note(&self, link: &Link, room: RoomId) -> Result<Arc<str>> {
        let end = Instant::now() + link.wait_max();
        while let Some((name, until)) = self.current(end, 0).await {
            let keys = [link.keys().of_all("owners"), link.keys().of_all(&format!("owned:{name}"))];
            let noted = link.run::<i64>(&NOTE, &keys, &[name.as_bytes(), room.to_string().as_bytes()]).await;
            match noted {
                Ok(1) => return Ok(name),
                Ok(_) => self.has_lapsed(until),
                // Twice is once.
                Err(_) if Instant::now() < end => sleep(AGAIN).await,
                Err(cause) => return Err(cause),
            }
        }
        Err(StoreError::Unavailable("Redis cannot be reached".into()))
    }

    /// Nobody is in a room any more. Said later, with others.
    pub(super) fn unnote(&self, room: RoomId) {
        let _ = self.unnoted.send(room);
    }
}

/// What holds everybody's turns back after Redis has begun anew, by a restart or a failover, until every node has said
/// which offsets its people have seen. Redis may have lost the last of them; without this, one node could give out again
/// what another's people know as something else, and those would never be shown what stands there now.
///
/// In a Cluster it does nothing: what its servers' runs are called is not known.
#[derive(Default)]
struct Barrier {
    /// What the run of Redis is called that this is about; `None` where nobody knows.
    run: Option<Arc<str>>,
    is_assured: bool,
    began: Option<Instant>,
}

/// Who has not said yet what its people have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Nobody,
    /// Nodes whose time was over when Redis came back; mostly it was away for longer than that.
    Late,
    /// Nodes whose time is not over.
    Alive,
}

impl Barrier {
    /// Begins where this is another run than the one that is known.
    fn meet(&mut self, run: Option<Arc<str>>, hall: &Hall) {
        if run.is_some() && run != self.run {
            if self.run.is_some() {
                hall.begin_era();
            }
            *self = Self { run, is_assured: false, began: Some(Instant::now()) };
        }
    }

    /// What people here have seen is never given out again, in any room.
    async fn assure(&mut self, hall: &Hall) -> Result<()> {
        if self.run.is_some() && !self.is_assured {
            hall.raise_all().await?;
            self.is_assured = true;
        }
        Ok(())
    }

    /// Whether turns wait. Who is alive comes or is alive no more; longer than its time nobody is waited for.
    fn holds(&self, missing: Missing, held: Duration) -> bool {
        let wait_max = match missing {
            Missing::Nobody => return false,
            Missing::Late => LATE_MAX,
            Missing::Alive => held.max(LATE_MAX),
        };
        self.began.is_some_and(|began| began.elapsed() < wait_max)
    }
}

fn fresh_name() -> Arc<str> {
    Uuid::new_v4().simple().to_string().into()
}

/// Keeps the owner's time renewed, for as long as it is polled.
pub(super) async fn keep(hall: Arc<Hall>, turns: mpsc::UnboundedSender<Message>) {
    let rhythm = Rhythm::of(hall.settings.lease);
    let mut epoch = String::new();
    let mut is_new = true;
    let mut link = hall.link.standing();
    let mut barrier = Barrier::default();
    loop {
        let connection = {
            let standing = link.borrow_and_update();
            barrier.meet(standing.run.clone(), &hall);
            standing.generation
        };
        let renewed = match barrier.assure(&hall).await {
            Ok(()) => renew(&hall, rhythm, &epoch, is_new, &barrier).await,
            Err(cause) => Err(cause),
        };
        match renewed {
            Ok((0, until, known, missing)) => {
                epoch = known;
                if barrier.holds(missing, rhythm.held) {
                    sleep(AGAIN).await;
                    continue;
                }
                let was_new = std::mem::take(&mut is_new);
                hall.note(None);
                let before = hall.owner.standing.borrow().connection;
                hall.owner.standing.send_modify(|standing| (standing.until, standing.connection) = (until, connection));
                // What this Redis was told last it may have lost: a restart, a failover.
                let is_doubted = hall.owner.is_doubted.swap(false, Ordering::SeqCst);
                if !was_new && (is_doubted || before != 0 && before != connection) {
                    tokio::spawn(leases::agree(Arc::clone(&hall), turns.clone()));
                }
                if was_new {
                    let _ = turns.send(Message::Again);
                }
            }
            Ok((1, ..)) => {
                tracing::warn!(
                    "this node was silent for so long that its people were taken for gone; they enter again"
                );
                is_new = true;
                hall.owner
                    .standing
                    .send_modify(|standing| *standing = Standing { name: fresh_name(), until: 0, connection: 0 });
                continue;
            }
            Ok(_) => {
                tracing::error!(
                    "Redis lost everything, or is another one: rooms, messages and accounts of before are gone. \
                     Restore its data and restart the nodes, or restart them to begin anew"
                );
                hall.forget();
                hall.order(Order::Anew);
                (epoch, is_new) = (String::new(), true);
                hall.owner
                    .standing
                    .send_modify(|standing| *standing = Standing { name: fresh_name(), until: 0, connection: 0 });
                continue;
            }
            Err(cause) => {
                tracing::debug!(%cause, "this node's time cannot be renewed");
                if hall.link.is_up() {
                    hall.note(Some(&cause.to_string()));
                }
            }
        }
        tokio::select! {
            () = sleep(rhythm.renew) => {}
            _ = link.changed() => {}
            () = hall.owner.hurry.notified() => {}
        }
    }
}

async fn renew(
    hall: &Hall,
    rhythm: Rhythm,
    epoch: &str,
    is_new: bool,
    barrier: &Barrier,
) -> Result<(i64, i64, String, Missing)> {
    let run = barrier.run.as_deref().unwrap_or_default();
    let keys = ["owners", "epoch", &format!("assured:{run}")].map(|key| hall.link.keys().of_all(key));
    let flag = |is_so: bool| -> &[u8] { if is_so { b"1" } else { b"0" } };
    let (name, fresh) = (hall.owner.name(), fresh_name());
    let held = rhythm.held.as_millis().to_string();
    let args =
        [name.as_bytes(), held.as_bytes(), epoch.as_bytes(), fresh.as_bytes(), flag(is_new), flag(!run.is_empty())];
    let (state, until, epoch, missing): (i64, i64, String, i64) = hall.link.run(&RENEW, &keys, &args).await?;
    let missing = match missing {
        0 => Missing::Nobody,
        1 => Missing::Late,
        _ => Missing::Alive,
    };
    Ok((state, until, epoch, missing))
}
