//! This process as an owner of leases: it renews its time, and ends what others left behind.
//!
//! Time is Redis's own. An owner that does not renew its time is condemned by whichever node notices; from then on its
//! leases count for nothing more than what there is to end, even if it wakes up: it takes another name, and everybody
//! who is here enters anew. Nobody is condemned because Redis was away: whoever condemns has been connected for longer than
//! an owner's time, so everybody had the opportunity to renew it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use redis::Script;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{sleep, timeout_at};
use uuid::Uuid;

use super::ear::Order;
use super::hall::Hall;
use super::link::Link;
use super::request::{Act, Request};
use super::turns::Message;
use crate::chat::{Name, RoomId};
use crate::store::{Result, StoreError};

static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/renew.lua")));
static NOTE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/note.lua")));
static CONDEMN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/condemn.lua")));

/// Between two tries to note something.
const AGAIN: Duration = Duration::from_millis(50);
/// How long the ear may take to drop what it heard of the Redis before.
const HUSH_MAX: Duration = Duration::from_millis(500);
/// Rooms in which leases are ended at the same time.
const ROOMS_AT_ONCE: usize = 16;
/// How long an owner's leases may take to be ended in one room, until it is tried again later.
const ENDING_MAX: Duration = Duration::from_secs(5);

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
    /// Rooms in which nobody is any more.
    unnoted: mpsc::UnboundedSender<RoomId>,
}

/// How an owner's time is divided.
#[derive(Clone, Copy)]
struct Rhythm {
    /// How long it is held unless it is renewed.
    held: Duration,
    renew: Duration,
    look: Duration,
    /// How much longer others leave it.
    spare: Duration,
}

impl Rhythm {
    /// So that from the last sign of life to the end of the leases it takes no longer than `lease`.
    fn of(lease: Duration) -> Self {
        Self { held: lease * 6 / 10, renew: lease / 5, look: lease / 10, spare: lease / 10 }
    }
}

impl Owner {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<RoomId>) {
        let (unnoted, rooms) = mpsc::unbounded_channel();
        let standing = watch::Sender::new(Standing { name: fresh_name(), until: 0, connection: 0 });
        (Self { process: fresh_name(), standing, hurry: Notify::new(), unnoted }, rooms)
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
/// which offsets its people have seen. Without it one node could give out again what another's people know as
/// something else.
///
/// In a Cluster it does nothing: what its servers' runs are called is not known.
#[derive(Default)]
struct Barrier {
    /// What the run of Redis is called that this is about; `None` where nobody knows.
    run: Option<Arc<str>>,
    /// By what name leases were held before it.
    former: Option<Arc<str>>,
    is_assured: bool,
    began: Option<Instant>,
}

impl Barrier {
    /// Whether this is another run than the one that is known.
    fn is_before(&self, run: Option<&Arc<str>>) -> bool {
        run.is_some() && run != self.run.as_ref()
    }

    /// Another run begins.
    fn begin(&mut self, run: Option<&Arc<str>>, former: Option<Arc<str>>) {
        *self = Self { run: run.cloned(), former, is_assured: false, began: Some(Instant::now()) };
    }

    /// Nothing more is heard of the run before, and what people here have seen of it is never given out again.
    async fn assure(&mut self, hall: &Hall) -> Result<()> {
        if self.run.is_some() && !self.is_assured {
            let (told, heard) = oneshot::channel();
            hall.order(Order::Hush(told));
            // An ear whose reader stands still hears nothing new either; nobody's turn waits for it.
            let _ = timeout_at((Instant::now() + HUSH_MAX).into(), heard).await;
            hall.raise_all().await?;
            self.is_assured = true;
        }
        Ok(())
    }

    /// Who has not come by now was condemned, or is about to be.
    fn is_over(&self, held: Duration) -> bool {
        self.began.is_none_or(|began| began.elapsed() >= held)
    }
}

fn fresh_name() -> Arc<str> {
    Uuid::new_v4().simple().to_string().into()
}

/// Keeps the owner's time renewed, for as long as it is polled. The first renewal is told by `held`.
pub(super) async fn keep(hall: Arc<Hall>, turns: mpsc::UnboundedSender<Message>) {
    let rhythm = Rhythm::of(hall.settings.lease);
    let mut epoch = String::new();
    let mut is_new = true;
    let mut link = hall.link.standing();
    let mut barrier = Barrier::default();
    loop {
        let (connection, run) = {
            let standing = link.borrow_and_update();
            (standing.generation, standing.run.clone())
        };
        if barrier.is_before(run.as_ref()) {
            // What it held may be lost, and what it gave back may be there again: it is another owner from here on.
            let mut former = None;
            hall.owner.standing.send_modify(|standing| {
                former = Some(Arc::clone(&standing.name));
                *standing = Standing { name: fresh_name(), until: 0, connection: 0 };
            });
            is_new = true;
            barrier.begin(run.as_ref(), former);
        }
        let renewed = match barrier.assure(&hall).await {
            Ok(()) => renew(&hall, rhythm, &epoch, is_new, &barrier).await,
            Err(cause) => Err(cause),
        };
        match renewed {
            Ok((0, until, known, is_awaited)) => {
                epoch = known;
                if is_awaited == 1 && !barrier.is_over(rhythm.held) {
                    sleep(AGAIN).await;
                    continue;
                }
                let was_new = std::mem::take(&mut is_new);
                hall.note(None);
                hall.owner.standing.send_modify(|standing| (standing.until, standing.connection) = (until, connection));
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
) -> Result<(i64, i64, String, i64)> {
    let run = barrier.run.as_deref().unwrap_or_default();
    let keys = ["owners", "epoch", &format!("assured:{run}"), "lapsed"].map(|key| hall.link.keys().of_all(key));
    let former = barrier.former.as_deref().unwrap_or_default();
    let name = Arc::clone(&hall.owner.standing.borrow().name);
    let (held, fresh) = (rhythm.held.as_millis().to_string(), fresh_name());
    let is_new: &[u8] = if is_new { b"1" } else { b"0" };
    let has_run: &[u8] = if run.is_empty() { b"0" } else { b"1" };
    let args =
        [name.as_bytes(), held.as_bytes(), epoch.as_bytes(), fresh.as_bytes(), is_new, has_run, former.as_bytes()];
    let (state, until, _now, epoch, is_awaited): (i64, i64, i64, String, i64) =
        hall.link.run(&RENEW, &keys, &args).await?;
    Ok((state, until, epoch, is_awaited))
}

/// Ends the leases of owners that lapsed, for as long as it is polled.
pub(super) async fn end_others(hall: Arc<Hall>) {
    let rhythm = Rhythm::of(hall.settings.lease);
    let standing = hall.link.standing();
    loop {
        sleep(rhythm.look).await;
        let connected = { standing.borrow().clone() };
        if !connected.is_up || connected.since.elapsed() < rhythm.held + rhythm.spare {
            continue;
        }
        if let Err(cause) = end_lapsed(&hall, rhythm).await {
            tracing::debug!(%cause, "the leases of nodes that are gone cannot be ended now");
        }
    }
}

async fn end_lapsed(hall: &Hall, rhythm: Rhythm) -> Result<()> {
    let keys = [hall.link.keys().of_all("owners"), hall.link.keys().of_all("lapsed")];
    let spare = rhythm.spare.as_millis().to_string();
    let lapsed: Vec<String> = hall.link.run(&CONDEMN, &keys, &[spare.as_bytes()]).await?;
    for owner in lapsed {
        let owned = hall.link.keys().of_all(&format!("owned:{owner}"));
        let (rooms,): (Vec<String>,) = hall.link.read(redis::pipe().cmd("SMEMBERS").arg(&owned)).await?;
        let rooms: Vec<RoomId> = rooms.iter().filter_map(|room| room.parse().ok()).collect();
        let ends: Vec<_> = rooms.into_iter().map(|room| end_in_room(hall, room, &owner)).collect();
        let ended: Vec<Result<usize>> =
            futures_util::stream::iter(ends).buffer_unordered(ROOMS_AT_ONCE).collect().await;
        let leases = ended.into_iter().sum::<Result<usize>>()?;
        let lapsed = hall.link.keys().of_all("lapsed");
        let () = hall.link.read(redis::pipe().atomic().srem(lapsed, &owner).ignore().del(owned).ignore()).await?;
        if leases > 0 {
            tracing::info!(leases, "ended the presence that a node left behind");
        }
    }
    Ok(())
}

/// Ends an owner's leases in one room, and answers how many.
async fn end_in_room(hall: &Hall, room: RoomId, owner: &str) -> Result<usize> {
    let people = hall.link.keys().of_room(room).people;
    let (people,): (HashMap<String, String>,) = hall.link.read(redis::pipe().cmd("HGETALL").arg(people)).await?;
    let theirs = |lease: &&str| lease.split_once(':').is_some_and(|(of, _)| of == owner);
    let leases: Vec<(Name, String)> = people
        .iter()
        .filter_map(|(name, leases)| Some((name.parse::<Name>().ok()?, leases)))
        .flat_map(|(name, leases)| leases.split(' ').filter(theirs).map(move |lease| (name.clone(), lease.to_owned())))
        .collect();
    if leases.is_empty() {
        return Ok(0);
    }
    let acts = |_: RoomId, _: &str| {
        leases.iter().map(|(name, lease)| Act::leave(name, lease, hall.locale())).collect::<Vec<_>>()
    };
    let request = Request { rooms: &[room], acts: &acts, enters: false, is_kept: false, is_joint: false };
    let ended = hall.ask(&request, Instant::now() + ENDING_MAX).await;
    ended.map(|_| leases.len()).map_err(StoreError::Unavailable)
}

/// Says in which rooms nobody is any more, a few at a time, for as long as it is polled.
pub(super) async fn forget_rooms(hall: Arc<Hall>, mut rooms: mpsc::UnboundedReceiver<RoomId>) {
    let mut left = Vec::new();
    while rooms.recv_many(&mut left, 256).await > 0 {
        let name = Arc::clone(&hall.owner.standing.borrow().name);
        let owned = hall.link.keys().of_all(&format!("owned:{name}"));
        left.retain(|room| !hall.is_here(*room));
        if !left.is_empty() {
            let gone: Vec<String> = left.iter().map(RoomId::to_string).collect();
            // One that stays noted costs a look, should this process be killed.
            let _: Result<()> = hall.link.read(redis::pipe().srem(owned, gone).ignore()).await;
        }
        for room in left.drain(..) {
            // Somebody may have come in meanwhile, and was noted before this was taken away.
            if hall.is_here(room) {
                let _ = hall.owner.note(&hall.link, room).await;
            }
        }
    }
}
