//! What the tasks of this store share: who is here, how far each room was heard, and the way to ask Redis for a turn.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use parking_lot::Mutex;
use redis::Script;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout_at};

use super::Settings;
use super::command::Claim;
use super::copies::Copies;
use super::ear::Order;
use super::link::{Fault, Link};
use super::meters::Heard;
use super::owner::Owner;
use super::request::{Answer, Circumstances, Request, TURN};
use crate::chat::{LeaseId, Locale, Name, RoomId};
use crate::store::meters::Meters;
use crate::store::{Entered, StoreError};

/// Between two tries of a turn.
const AGAIN: Duration = Duration::from_millis(50);
/// Which of a turn's keys it is remembered by.
const DONE_KEY: usize = 5;
/// Rooms that are looked after at the same time.
pub(super) const ROOMS_AT_ONCE: usize = 16;

/// See `scripts/raise.lua`.
static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/raise.lua")));

/// What became of a turn.
pub(super) struct Turned {
    /// For each room what each act was answered; `None` where there is no such room.
    pub(super) rooms: Vec<Option<Vec<Vec<i64>>>>,
    /// Whether enough replicas have it, where they are waited for.
    pub(super) is_kept: bool,
}

/// What people here were told.
#[derive(Default)]
struct Seen {
    /// How often Redis has begun anew. What was heard before that counts no more.
    era: u64,
    /// The greatest offset in each room that somebody is in.
    offsets: HashMap<RoomId, u64>,
}

pub(super) struct Hall {
    pub(super) link: Link,
    pub(super) settings: Arc<Settings>,
    pub(super) owner: Owner,
    pub(super) meters: Arc<Meters>,
    pub(super) heard: Heard,
    orders: mpsc::UnboundedSender<Order>,
    /// Who is here: the leases that this process holds, or has asked for.
    here: Mutex<HashMap<RoomId, HashMap<LeaseId, Name>>>,
    seen: Mutex<Seen>,
    /// Rooms in which something happened that other nodes' lists of rooms are to show.
    stirred: Mutex<HashSet<RoomId>>,
    /// Rooms that are listened to, and the owner's name under which that was noted.
    listened: Mutex<HashMap<RoomId, Arc<str>>>,
    /// What Redis said when it refused something last, unless it took something in since.
    refusal: Mutex<Option<String>>,
    turns: AtomicU64,
    copies: Copies,
}

impl Hall {
    pub(super) fn new(
        link: Link,
        settings: Arc<Settings>,
        meters: Arc<Meters>,
        owner: Owner,
        orders: mpsc::UnboundedSender<Order>,
    ) -> Self {
        let copies = Copies::new(settings.replicas_min);
        Self {
            link,
            settings,
            owner,
            meters,
            heard: Heard::default(),
            orders,
            here: Mutex::default(),
            seen: Mutex::default(),
            stirred: Mutex::default(),
            listened: Mutex::default(),
            refusal: Mutex::default(),
            turns: AtomicU64::new(1),
            copies,
        }
    }

    /// The language of notices.
    pub(super) fn locale(&self) -> Locale {
        self.settings.locale
    }

    /// Until when somebody who asked at this time waits. Where Redis has been away for as long as that, nobody waits.
    pub(super) fn end_of_patience(&self, asked: Instant) -> Instant {
        let wait = self.link.wait_max();
        let standing = self.link.standing().borrow().clone();
        if !standing.is_up && standing.since.elapsed() >= wait { Instant::now() } else { asked + wait }
    }

    /// Why nothing can be stored now, if it cannot.
    pub(super) fn trouble(&self) -> Option<String> {
        if !self.link.is_up() {
            return Some("Redis cannot be reached".into());
        }
        self.refusal.lock().clone()
    }

    /// Redis took something in, or refused it: a full memory or disk, mostly.
    pub(super) fn note(&self, refusal: Option<&str>) {
        let mut noted = self.refusal.lock();
        match (noted.is_some(), refusal) {
            (false, Some(cause)) => tracing::error!(%cause, "Redis refuses to store anything"),
            (true, None) => tracing::info!("Redis stores again"),
            _ => {}
        }
        *noted = refusal.map(str::to_owned);
    }

    /// Asks for a turn until it is answered, or the time is over. The error says what is known of it.
    pub(super) async fn ask(&self, request: &Request<'_>, end: Instant) -> Result<Turned, String> {
        let number = if request.is_aside { 0 } else { self.turns.fetch_add(1, Ordering::Relaxed) }.to_string();
        let mut doubt = None;
        let began = Instant::now();
        let over = |doubt: Option<String>| match doubt {
            Some(cause) => format!("Redis did not answer, and may have stored it: {cause}"),
            None => "Redis cannot be reached; nothing was stored".to_owned(),
        };
        loop {
            let Ok((generation, mut wire)) = self.link.wire(end).await else { return Err(over(doubt)) };
            let Some((owner, owned_until)) = self.owner.current(end, generation).await else {
                return Err(over(doubt));
            };
            let circumstances = Circumstances {
                number: &number,
                process: self.owner.process(),
                owner: &owner,
                owned_until,
                keep_entries: self.settings.keep_entries.unwrap_or_default(),
                publish: self.link.publish_command(),
            };
            let (keys, args) = request.write(self.link.keys(), &circumstances, |room| self.seen(room));
            let mut invocation = TURN.prepare_invoke();
            for key in &keys {
                invocation.key(key);
            }
            for arg in &args {
                invocation.arg(arg);
            }
            let answer = timeout_at(end.into(), invocation.invoke_async(&mut wire)).await;
            let Ok(answer) = answer else { return Err(over(Some("it takes too long".into()))) };
            match self.link.judge(generation, answer) {
                Ok(value) => match Answer::of(&value) {
                    Some(Answer::Done(rooms)) => {
                        self.note(None);
                        let acts = rooms.iter().flatten().map(Vec::len).sum();
                        self.meters.committed(acts, began.elapsed());
                        self.stirred.lock().extend(request.rooms);
                        let is_kept = match keys.get(DONE_KEY).filter(|_| request.is_kept && self.copies.are_wanted()) {
                            Some(done) => self.copies.made(generation, &wire, done, end).await,
                            None => Ok(true),
                        };
                        match self.link.judge(generation, is_kept) {
                            Ok(is_kept) if self.link.is_used(generation) => return Ok(Turned { rooms, is_kept }),
                            // By a server that is not the master any more, perhaps. Asked again it happens once, or anew
                            // where it was lost.
                            Ok(_) => doubt = Some("the connection was given up".into()),
                            Err(Fault::Broken(cause) | Fault::NotYet(cause) | Fault::Refused(cause)) => {
                                doubt = Some(cause);
                                sleep(AGAIN).await;
                            }
                        }
                    }
                    // Its lane waits for it, so this cannot be.
                    Some(Answer::Late) => return Err("the turn came too late; nothing was stored".into()),
                    Some(Answer::Lapsed) => self.owner.has_lapsed(owned_until),
                    None => return Err("Redis answered something else than was asked".into()),
                },
                Err(Fault::Refused(cause)) => {
                    self.meters.failures.inc();
                    self.note(Some(&cause));
                    return Err(format!("Redis refuses: {cause}"));
                }
                Err(Fault::NotYet(_)) => sleep(AGAIN).await,
                Err(Fault::Broken(cause)) => doubt = Some(cause),
            }
            if Instant::now() >= end {
                return Err(over(doubt));
            }
        }
    }

    /// Hears a room from here on, and lets it be known that leases may be held there.
    pub(super) async fn listen(&self, room: RoomId) -> Result<(), StoreError> {
        let listened = self.listened.lock().get(&room).cloned();
        if listened.as_ref().is_some_and(|noted| self.owner.is(noted)) {
            return Ok(());
        }
        // Under another name it is heard already, and noted anew.
        let heard = listened.is_none().then(|| {
            let (told, heard) = oneshot::channel();
            self.order(Order::Listen(room, told));
            heard
        });
        let noted = self.owner.note(&self.link, room).await?;
        if let Some(heard) = heard {
            heard.await.map_err(|_| StoreError::Unavailable("the store has stopped".into()))?;
        }
        self.listened.lock().insert(room, noted);
        Ok(())
    }

    /// Whether anybody is in a room.
    pub(super) fn is_here(&self, room: RoomId) -> bool {
        self.here.lock().contains_key(&room)
    }

    /// Somebody is here, or is going to be.
    pub(super) fn hold(&self, claim: &Claim) {
        self.here.lock().entry(claim.room).or_default().insert(claim.lease, claim.name.clone());
    }

    /// Somebody is here no more.
    pub(super) fn let_go(&self, claim: &Claim) {
        if let Some(leases) = self.here.lock().get_mut(&claim.room) {
            leases.remove(&claim.lease);
        }
    }

    /// Whether a lease is held, or has been asked for.
    pub(super) fn holds(&self, room: RoomId, lease: LeaseId) -> bool {
        self.here.lock().get(&room).is_some_and(|leases| leases.contains_key(&lease))
    }

    /// The rooms that somebody is in.
    pub(super) fn rooms(&self) -> Vec<RoomId> {
        self.here.lock().keys().copied().collect()
    }

    /// Everybody who is here.
    pub(super) fn held(&self) -> Vec<Claim> {
        let here = self.here.lock();
        let claims = here.iter().flat_map(|(room, leases)| {
            leases.iter().map(|(lease, name)| Claim { room: *room, name: name.clone(), lease: *lease })
        });
        claims.collect()
    }

    /// Everything that was known is of another store.
    pub(super) fn forget(&self) {
        self.here.lock().clear();
        self.seen.lock().offsets.clear();
        self.listened.lock().clear();
    }

    /// A turn in the room is over: where nobody is here any more, it is not listened to any more.
    pub(super) fn after(&self, room: RoomId) {
        let mut here = self.here.lock();
        if here.get(&room).is_some_and(HashMap::is_empty) {
            here.remove(&room);
            drop(here);
            self.seen.lock().offsets.remove(&room);
            self.listened.lock().remove(&room);
            let _ = self.orders.send(Order::Quit(room));
            self.owner.unnote(room);
        }
    }

    /// Somebody has come in.
    pub(super) fn entered(&self, room: RoomId, entered: &Entered) {
        self.saw(room, entered.last);
        let next = if entered.announced { entered.last } else { entered.last + 1 };
        let _ = self.orders.send(Order::Entered { room, next, history: entered.history });
    }

    /// Somebody here was told of this offset.
    pub(super) fn saw(&self, room: RoomId, offset: u64) {
        self.saw_in(None, room, offset);
    }

    /// The same for what was heard in an era; false when that is over, and nobody is to be told.
    pub(super) fn saw_in(&self, era: Option<u64>, room: RoomId, offset: u64) -> bool {
        let here = self.here.lock();
        let mut seen = self.seen.lock();
        let is_over = era.is_some_and(|era| era != seen.era);
        if !is_over && here.contains_key(&room) {
            let greatest = seen.offsets.entry(room).or_default();
            *greatest = offset.max(*greatest);
        }
        !is_over
    }

    /// The greatest offset that anybody here was told of; 0 where none was.
    pub(super) fn seen(&self, room: RoomId) -> u64 {
        self.seen.lock().offsets.get(&room).copied().unwrap_or_default()
    }

    /// How often Redis has begun anew.
    pub(super) fn era(&self) -> u64 {
        self.seen.lock().era
    }

    /// Redis has begun anew: what is still to be worked off of what was heard before is dropped, and read again.
    pub(super) fn begin_era(&self) {
        self.seen.lock().era += 1;
    }

    /// Sees to it that no offset is given out again that somebody here was told of, in any room: Redis is another one
    /// than before, or the same with less in it.
    pub(super) async fn raise_all(&self) -> Result<(), StoreError> {
        let seen: Vec<(RoomId, u64)> = self.seen.lock().offsets.iter().map(|(room, offset)| (*room, *offset)).collect();
        let raised = futures_util::stream::iter(seen.into_iter().map(Ok));
        raised.try_for_each_concurrent(ROOMS_AT_ONCE, |(room, offset)| self.raise(room, offset)).await
    }

    /// The same for one room, and an offset.
    pub(super) async fn raise(&self, room: RoomId, offset: u64) -> Result<(), StoreError> {
        let key = self.link.keys().of_room(room).room;
        let lost: u64 = self.link.run(&RAISE, &[key], &[offset.to_string().as_bytes()]).await?;
        if lost > 0 {
            tracing::warn!(%room, lost, to = offset, "Redis has lost entries that people here have seen");
        }
        Ok(())
    }

    /// The rooms in which something happened since this was asked last.
    pub(super) fn take_stirred(&self) -> HashSet<RoomId> {
        std::mem::take(&mut *self.stirred.lock())
    }

    /// Gives an order to whoever listens.
    pub(super) fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}
