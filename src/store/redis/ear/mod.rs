//! What this node hears: the entries of the rooms that somebody here is in, and what was administered.
//!
//! It has a connection of its own, so that a flood of news holds up no answer. Redis tells what is published to whoever
//! is connected at that moment, and no more; so what is heard is held against the offsets: the next one is handed on,
//! an earlier one is a double, and behind a gap the room is read from the log. After each reconnect all rooms are.
//!
//! Invariant: of each room every offset is handed on once, in order; what no log has any more is left out.

mod hear;
mod line;
mod news;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::hall::Hall;
use crate::chat::{History, RoomId};
use crate::store::Event;

use self::line::{Connecting, Line, heard, made};
pub(super) use self::news::stir;

/// Messages that are worked off together.
const PUSHES_AT_ONCE: usize = 512;
/// How often it is looked whether something is to be done besides.
const TICK: Duration = Duration::from_millis(200);
/// How often it is looked for changes that nobody hinted at, and whether the connection lives.
const LOOK: Duration = Duration::from_secs(1);
/// How long Redis may be away before people are told.
const AWAY_MIN: Duration = Duration::from_secs(1);
/// How long a room is heard after the last one here has left it: who comes and goes costs no subscription each time.
const LINGER: Duration = Duration::from_secs(1);

/// What the rest of the store wants of it.
pub(super) enum Order {
    /// Hear a room from here on; answered once it is so.
    Listen(RoomId, oneshot::Sender<()>),
    /// Hear it no more.
    Quit(RoomId),
    /// Somebody has come in: what is handed on begins here, where nothing was yet.
    Entered { room: RoomId, next: u64, history: History },
    /// Hear in which rooms something happens, or hear that no more.
    Follow(bool),
    /// Everything that was known is of another store.
    Anew,
}

/// A room that is heard.
struct Heard {
    /// The offset that comes next; `None` while nobody knows.
    next: Option<u64>,
    history: History,
    /// The connection by which it is heard; 0 is none yet.
    connection: u64,
    /// The one by which it was heard first.
    since: u64,
    /// When the last one here left. Who comes back soon finds it heard.
    left: Option<Instant>,
    /// Who waits until it is heard.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Heard {
    fn is_heard(&mut self, connection: u64) {
        self.connection = connection;
        if self.since == 0 {
            self.since = connection;
        }
        for told in self.waiting.drain(..) {
            let _ = told.send(());
        }
    }
}

type Subscribed = BoxFuture<'static, (u64, RoomId, bool)>;

/// The task that listens.
pub(super) struct Ear {
    hall: Arc<Hall>,
    orders: mpsc::UnboundedReceiver<Order>,
    tail: mpsc::Sender<Vec<Event>>,
    kept_news: broadcast::Sender<String>,
    rooms: HashMap<RoomId, Heard>,
    /// Rooms of which something is missing.
    behind: HashSet<RoomId>,
    line: Option<Line>,
    connections: u64,
    /// The era of the last one.
    era: u64,
    connecting: Option<Connecting>,
    subscribing: FuturesUnordered<Subscribed>,
    /// The newest change that was read; `None` while the first look is to come.
    changes_read: Option<String>,
    changes_hinted: bool,
    follows: bool,
    looked: Instant,
    /// Since when nothing can be heard or asked, and whether that was told.
    away: Option<(Instant, bool)>,
}

impl Ear {
    pub(super) fn new(
        hall: Arc<Hall>,
        orders: mpsc::UnboundedReceiver<Order>,
        tail: mpsc::Sender<Vec<Event>>,
        kept_news: broadcast::Sender<String>,
        changes_read: String,
    ) -> Self {
        Self {
            hall,
            orders,
            tail,
            kept_news,
            rooms: HashMap::new(),
            behind: HashSet::new(),
            line: None,
            connections: 0,
            era: 0,
            connecting: None,
            subscribing: FuturesUnordered::new(),
            changes_read: Some(changes_read),
            changes_hinted: true,
            follows: false,
            looked: Instant::now(),
            away: None,
        }
    }

    /// Listens for as long as it is polled.
    pub(super) async fn listen(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pushes = Vec::new();
        self.connect(Duration::ZERO);
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => return,
                },
                count = heard(&mut self.line, &mut pushes) => {
                    if count == 0 {
                        self.hang_up();
                    }
                    self.hear(&mut pushes).await;
                }
                Some((connection, room, done)) = self.subscribing.next() => self.subscribed(connection, room, done),
                line = made(&mut self.connecting) => self.connected(line).await,
                _ = ticks.tick() => self.look().await,
            }
            if self.era != self.hall.era() {
                self.hang_up();
            }
            if !self.behind.is_empty() && self.line.is_some() && self.hall.link.is_up() {
                self.catch_up().await;
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Listen(room, told) => self.take_up(room, told),
            Order::Quit(room) => {
                if let Some(heard) = self.rooms.get_mut(&room) {
                    heard.left = Some(Instant::now());
                }
            }
            Order::Entered { room, next, history } => {
                if let Some(heard) = self.rooms.get_mut(&room) {
                    heard.history = history;
                    let begins = heard.next.is_none();
                    heard.next.get_or_insert(next);
                    // By another connection than at first: what was said in between may have passed by.
                    if begins && heard.since != self.connections && history == History::On {
                        self.behind.insert(room);
                    }
                }
            }
            Order::Follow(follows) => {
                self.follows = follows;
                if let Some(line) = &self.line {
                    let (mut wire, channel) = (line.wire.clone(), self.hall.link.keys().of_all("activity"));
                    let done =
                        if follows { wire.subscribe(&[channel]).await } else { wire.unsubscribe(&channel).await };
                    if done.is_err() {
                        self.hang_up();
                    }
                }
            }
            Order::Anew => {
                self.rooms.clear();
                self.behind.clear();
                self.changes_read = None;
                self.tell(vec![Event::Anew]).await;
            }
        }
    }

    fn take_up(&mut self, room: RoomId, told: oneshot::Sender<()>) {
        let heard = self.rooms.entry(room).or_insert_with(|| Heard {
            next: None,
            history: History::On,
            connection: 0,
            since: 0,
            left: None,
            waiting: Vec::new(),
        });
        heard.left = None;
        if heard.connection == self.connections && self.line.is_some() {
            let _ = told.send(());
            return;
        }
        heard.waiting.push(told);
        if let (1, Some(line)) = (heard.waiting.len(), &self.line) {
            let (mut wire, channel) = (line.wire.clone(), self.hall.link.keys().of_room(room).news);
            let connection = self.connections;
            self.subscribing.push(Box::pin(async move {
                let done = wire.subscribe(&[channel]).await.is_ok();
                (connection, room, done)
            }));
        }
    }

    fn subscribed(&mut self, connection: u64, room: RoomId, done: bool) {
        if connection != self.connections || self.line.is_none() {
            return;
        }
        if !done {
            return self.hang_up();
        }
        if let Some(heard) = self.rooms.get_mut(&room) {
            heard.is_heard(connection);
        }
    }

    async fn look(&mut self) {
        self.look_whether_away().await;
        self.stop_hearing().await;
        if self.looked.elapsed() >= LOOK {
            self.looked = Instant::now();
            self.changes_hinted = true;
            if let Some(line) = &self.line {
                let (mut wire, connection, known) = (line.wire.clone(), self.connections, line.ends.clone());
                let is_heard = |heard: &&Heard| heard.connection == connection && heard.left.is_none();
                let channels = self.rooms.values().filter(is_heard).count() + 1;
                self.subscribing.push(Box::pin(async move {
                    let ends = wire.ends().await;
                    let lives = ends.is_ok_and(|ends| ends.are_those_of(&known) && ends.hear(channels));
                    (connection, RoomId::new(Uuid::nil()), lives)
                }));
            }
        }
        if std::mem::take(&mut self.changes_hinted) && self.hall.link.is_up() {
            self.read_changes().await;
        }
    }

    /// Rooms that everybody here has left for good are heard no more.
    async fn stop_hearing(&mut self) {
        let Some(line) = &self.line else { return };
        let mut wire = line.wire.clone();
        let is_over = |heard: &Heard| {
            heard.connection == self.connections && heard.left.is_some_and(|left| left.elapsed() >= LINGER)
        };
        let over: Vec<RoomId> = self.rooms.iter().filter(|(_, heard)| is_over(heard)).map(|(room, _)| *room).collect();
        for room in over {
            self.rooms.remove(&room);
            self.behind.remove(&room);
            // One after the other, here: a subscription to the same channel must not overtake it.
            if wire.unsubscribe(&self.hall.link.keys().of_room(room).news).await.is_err() {
                return self.hang_up();
            }
        }
    }

    async fn look_whether_away(&mut self) {
        let is_away = self.line.is_none() || self.hall.trouble().is_some();
        match (is_away, self.away) {
            (true, None) => self.away = Some((Instant::now(), false)),
            (true, Some((since, false))) if since.elapsed() >= AWAY_MIN => {
                self.away = Some((since, true));
                self.tell(vec![Event::Away]).await;
            }
            (false, Some((_, told))) => {
                self.away = None;
                if told {
                    self.tell(vec![Event::Back]).await;
                }
            }
            _ => {}
        }
    }

    /// Hands news over. A reader who is slow is waited for.
    async fn tell(&mut self, events: Vec<Event>) {
        if !events.is_empty() {
            let _ = self.tail.send(events).await;
        }
    }
}
