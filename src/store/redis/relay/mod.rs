//! The way from node to node: who of them holds a name, and what they ask of each other.
//!
//! Nodes know no addresses of each other. Each listens on a channel of its own, called after its process; whoever wants
//! something publishes there, and is answered on the channel that the question names. Redis says how many heard a letter:
//! where nobody did, the node is gone, or about to connect again. A letter that was on its way when a connection broke is
//! lost, so everything has a time limit, and what may be asked twice is for the asker to know.
//!
//! A name is held by one node at a time, which prolongs its hold while it lives. Names are asked for as digests: who reads
//! Redis's keys learns none.
//!
//! What there is to ask, this store does not know.

mod holds;
mod letter;
mod line;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

pub use self::holds::{Hold, Holder};
use self::holds::{Holds, Key};
use self::letter::Kind;
use super::link::{Fault, Link};
use crate::store::StoreError;

/// Questions that wait for their answers at once, at most: as many as there may be connections, which each have one. An
/// answer is waited for in some two hundred bytes.
const QUESTIONS_MAX: usize = 100_000;
/// Letters that came and were not looked at yet. Above it they are dropped, as if their connection had broken.
const LETTERS_MAX: usize = 4_096;
/// Between two tries to have a letter heard.
const AGAIN: Duration = Duration::from_millis(100);
/// For how long nobody hears a node until it counts as gone: one whose connection broke is back sooner.
const DEAF_MAX: Duration = Duration::from_secs(3);
/// Whoever says so has been connected for as long, so the other one had the opportunity to come back, too.
const SETTLED_MIN: Duration = Duration::from_secs(5);
/// A node that was not asked for as long is looked at anew.
const DEAF_KNOWN_MAX: Duration = Duration::from_secs(10);

/// A node, by the name of its process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Peer(Arc<str>);

/// Why a question is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The node is gone: nobody has heard it for three seconds.
    #[error("the node is gone")]
    Gone,
    /// Too many questions wait for their answers.
    #[error("too many questions to other nodes wait for their answers")]
    Busy,
    /// Redis is away, or the answer did not come in time. What was asked may have happened.
    #[error("{0}")]
    Unavailable(String),
}

/// The way to the other nodes. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Relay {
    desk: Arc<Desk>,
}

struct Desk {
    link: Link,
    here: Arc<str>,
    /// How many connections to hear by there have been, and whether there is one.
    heard_by: watch::Sender<(u64, bool)>,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Bytes>>>,
    numbers: AtomicU64,
    /// Nodes that nobody hears: since when, and when that was seen last.
    deaf: Mutex<HashMap<Peer, (Instant, Instant)>>,
    holds: Holds,
    letters: mpsc::Sender<Errand>,
    asked: Mutex<Option<mpsc::Receiver<Errand>>>,
}

/// What another node asks of this one, or tells it.
pub struct Errand {
    /// Who asks.
    pub from: Peer,
    /// What.
    pub body: Bytes,
    /// Who waits for the answer; `None` where nobody does.
    pub reply: Option<Reply>,
}

/// The way to whoever waits for an answer.
pub struct Reply {
    relay: Relay,
    to: Peer,
    number: u64,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({})", self.desk.here)
    }
}

impl Relay {
    /// Begins to listen; what that takes runs in `tasks`.
    pub(super) fn begin(link: Link, here: Arc<str>, tasks: &mut JoinSet<()>) -> Self {
        let (letters, asked) = mpsc::channel(LETTERS_MAX);
        let (holds, given_back) = Holds::new();
        let desk = Arc::new(Desk {
            link,
            here,
            heard_by: watch::Sender::new((0, false)),
            waiting: Mutex::default(),
            // Another process of this name there is not, and an answer to the first question of none.
            numbers: AtomicU64::new(1),
            deaf: Mutex::default(),
            holds,
            letters,
            asked: Mutex::new(Some(asked)),
        });
        let relay = Self { desk };
        tasks.spawn(line::listen(relay.clone()));
        tasks.spawn(holds::renew(Arc::clone(&relay.desk)));
        tasks.spawn(holds::give_back(Arc::clone(&relay.desk), given_back));
        relay
    }

    /// What this node is called.
    pub fn here(&self) -> Peer {
        Peer(Arc::clone(&self.desk.here))
    }

    /// What other nodes ask of this one. One reader per process: `None` from the second call on.
    pub fn asked(&self) -> Option<mpsc::Receiver<Errand>> {
        self.desk.asked.lock().take()
    }

    /// The node that holds a name now, if one does.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while Redis is away.
    pub async fn holder(&self, name: &[u8; 32]) -> Result<Option<Peer>, StoreError> {
        let key = self.desk.key(name);
        let (holder,): (Option<String>,) = self.desk.link.read(redis::pipe().cmd("GET").arg(key)).await?;
        Ok(holder.map(|holder| Peer(holder.into())))
    }

    /// Holds a name, unless another node does; then that is the answer. What a node that is `gone` holds is taken from it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] while Redis is away.
    pub async fn hold(&self, name: &[u8; 32], gone: Option<&Peer>) -> Result<Holder, StoreError> {
        holds::hold(&self.desk, Key(*name), gone).await
    }

    /// Asks a node, and waits so long for its answer.
    ///
    /// # Errors
    /// See [`RelayError`]. A question is told once: with [`RelayError::Gone`] and [`RelayError::Busy`] it never arrived.
    pub async fn ask(&self, node: &Peer, body: &[u8], wait: Duration) -> Result<Bytes, RelayError> {
        let end = Instant::now() + wait;
        self.listening(end).await?;
        let (question, answer) = Question::new(&self.desk)?;
        let letter = letter::write(Kind::Question, question.number, &self.desk.here, body);
        self.deliver(node, &letter, end).await?;
        match timeout_at(end.into(), answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(RelayError::Unavailable("the connection to Redis broke".into())),
            Err(_) => Err(RelayError::Unavailable("the node that was asked does not answer".into())),
        }
    }

    /// Tells a node something that it does not answer; tried for so long to have it heard. False where nobody heard it.
    pub async fn tell(&self, node: &Peer, body: &[u8], wait: Duration) -> bool {
        let letter = letter::write(Kind::Word, 0, &self.desk.here, body);
        self.deliver(node, &letter, Instant::now() + wait).await.is_ok()
    }

    /// Gives back all names that are held here, so that nobody waits for this process; as far as that goes in this time.
    pub(super) async fn close(&self, wait: Duration) {
        let _ = tokio::time::timeout(wait, holds::give_all_back(&self.desk)).await;
    }

    /// Waits until answers can be heard.
    async fn listening(&self, end: Instant) -> Result<(), RelayError> {
        let mut heard_by = self.desk.heard_by.subscribe();
        let is_up = timeout_at(end.into(), heard_by.wait_for(|(_, is_up)| *is_up)).await;
        match is_up {
            Ok(Ok(_)) => Ok(()),
            _ => Err(RelayError::Unavailable("Redis cannot be reached".into())),
        }
    }

    /// Publishes a letter until somebody has heard it.
    async fn deliver(&self, node: &Peer, letter: &[u8], end: Instant) -> Result<(), RelayError> {
        let channel = self.desk.link.keys().of_process(&node.0);
        loop {
            let (generation, mut wire) =
                self.desk.link.wire(end).await.map_err(|cause| RelayError::Unavailable(cause.to_string()))?;
            let mut publish = redis::pipe();
            publish.cmd(self.desk.link.publish_command()).arg(&channel).arg(letter);
            let told = timeout_at(end.into(), publish.query_async::<(u64,)>(&mut wire)).await;
            let Ok(told) = told else {
                return Err(RelayError::Unavailable("Redis does not answer".into()));
            };
            match self.desk.link.judge(generation, told) {
                Ok((0,)) => self.desk.nobody_hears(node)?,
                Ok(_) => {
                    self.desk.deaf.lock().remove(node);
                    return Ok(());
                }
                // It may have been heard, and must not be heard twice: the answer will tell.
                Err(Fault::Broken(_)) => return Ok(()),
                Err(Fault::Refused(cause)) => return Err(RelayError::Unavailable(cause)),
                Err(Fault::NotYet(_)) => {}
            }
            if Instant::now() >= end {
                return Err(RelayError::Unavailable("the node that was asked is not connected to Redis now".into()));
            }
            sleep(AGAIN).await;
        }
    }
}

impl Desk {
    fn key(&self, name: &[u8; 32]) -> String {
        self.link.keys().of_digest(name)
    }

    /// Notes that nobody hears a node; an error once that has been so for long enough.
    fn nobody_hears(&self, node: &Peer) -> Result<(), RelayError> {
        let now = Instant::now();
        let mut deaf = self.deaf.lock();
        deaf.retain(|other, (_, seen)| other == node || now.duration_since(*seen) < DEAF_KNOWN_MAX);
        let (since, seen) = deaf.entry(node.clone()).or_insert((now, now));
        if now.duration_since(*seen) >= DEAF_KNOWN_MAX {
            *since = now;
        }
        *seen = now;
        let standing = self.link.standing().borrow().clone();
        let is_settled = standing.is_up && standing.since.elapsed() >= SETTLED_MIN;
        if is_settled && now.duration_since(*since) >= DEAF_MAX { Err(RelayError::Gone) } else { Ok(()) }
    }

    /// Nothing that was on its way comes any more.
    fn hang_up(&self) {
        self.heard_by.send_modify(|(_, is_up)| *is_up = false);
        self.waiting.lock().clear();
    }
}

/// A question that is waited for; forgotten when dropped.
struct Question<'a> {
    desk: &'a Desk,
    number: u64,
}

impl<'a> Question<'a> {
    fn new(desk: &'a Desk) -> Result<(Self, oneshot::Receiver<Bytes>), RelayError> {
        let number = desk.numbers.fetch_add(1, Ordering::Relaxed);
        let (told, answer) = oneshot::channel();
        let mut waiting = desk.waiting.lock();
        if waiting.len() >= QUESTIONS_MAX {
            return Err(RelayError::Busy);
        }
        waiting.insert(number, told);
        drop(waiting);
        Ok((Self { desk, number }, answer))
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.desk.waiting.lock().remove(&self.number);
    }
}

impl Reply {
    /// Answers; tried for so long to have it heard. False where nobody heard it.
    pub async fn send(&self, body: &[u8], wait: Duration) -> bool {
        let letter = letter::write(Kind::Answer, self.number, &self.relay.desk.here, body);
        let end = Instant::now() + wait;
        self.relay.deliver(&self.to, &letter, end).await.is_ok()
    }
}
