//! Somebody with a client like `@stomp/stompjs`: comes back after every break, resumes behind the last offset, and says
//! again under the same id what was not acknowledged. Writes down what happens to it, and repairs nothing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::history::{Entry, Heard, Presence, Said, Start, Story, print};
use super::random::Random;
use super::world::Person;
use crate::support::{Client, Event, Frame};

/// How long opening a connection may take, from TCP to CONNECTED, before the next node is tried.
const OPEN_MAX: Duration = Duration::from_secs(6);
/// Heart-beats are 10 s each way: the own ones go out a little early, and after two without any the peer is lost.
const BEAT: Duration = Duration::from_secs(9);
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// Messages that may wait for their receipts.
const WINDOW: usize = 8;
/// How long a client waits that was told to try again in a moment.
const MOMENT: Duration = Duration::from_millis(500);
/// How soon a change of the stage is noticed.
const GLANCE: Duration = Duration::from_millis(100);
/// What faults may bring about, and nothing else.
const EXPECTED: [&str; 4] = ["unavailable", "store_away", "store_back", "heartbeat_lost"];

/// What everybody does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Talk, come and go.
    Talk,
    /// Talk, and stay.
    Calm,
    /// Stay, and say nothing new.
    Gather,
    /// Say one last thing, so that everybody has something to hear.
    LastWord,
    /// Go home.
    Leave,
}

/// One client.
pub(crate) struct Chatter {
    person: Person,
    room: String,
    doors: Vec<SocketAddr>,
    /// The door that is tried next.
    door: usize,
    stage: watch::Receiver<Stage>,
    story: Arc<Mutex<Story>>,
    random: Random,
    /// The time between two things that it says, on average.
    pace: Duration,
    unacknowledged: VecDeque<Waiting>,
    has_said_the_last_word: bool,
}

/// A message that has not been acknowledged.
struct Waiting {
    id: String,
    text: String,
    /// When it is to be sent; `None` once it was.
    due: Option<Instant>,
}

/// The subscription to the room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subscription {
    None { again: Instant },
    Asked,
    Held,
    Ending,
}

/// How a connection ended.
enum End {
    Broken,
    /// By the client, which comes back after a while.
    Away(Duration),
    Home,
}

impl Chatter {
    pub(crate) fn new(
        story: &Arc<Mutex<Story>>,
        person: Person,
        doors: Vec<SocketAddr>,
        stage: watch::Receiver<Stage>,
        random: Random,
        pace: Duration,
    ) -> Self {
        let (number, room) = {
            let story = story.lock();
            (story.number, story.room.clone())
        };
        Self {
            person,
            room,
            doors,
            door: number,
            stage,
            story: Arc::clone(story),
            random,
            pace,
            unacknowledged: VecDeque::new(),
            has_said_the_last_word: false,
        }
    }

    /// Until everybody goes home.
    pub(crate) async fn live(mut self) {
        // Not all at once.
        let first = self.random.millis(0..1_000);
        self.rest(first).await;
        while self.stage() < Stage::Leave {
            if let Some(client) = self.open().await {
                let end = self.converse(client).await;
                self.is(Presence::Out);
                match end {
                    End::Home => return,
                    End::Away(time) => self.rest(time).await,
                    // Some take their time, so that who was on a node that died is missing for longer than a lease.
                    End::Broken if self.random.once_in(4) => {
                        let time = self.random.millis(0..8_000);
                        self.rest(time).await;
                    }
                    End::Broken => {}
                }
            }
            self.door += 1;
            let pause = self.random.millis(100..600);
            self.rest(pause).await;
        }
    }

    fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    fn is(&self, presence: Presence) {
        self.story.lock().presence = presence;
    }

    fn odd(&self, what: impl Into<String>) {
        self.story.lock().odd.push(what.into());
    }

    /// Stays away for a while; no longer when all gather.
    async fn rest(&mut self, time: Duration) {
        let gathered = self.stage.wait_for(|stage| *stage >= Stage::Gather);
        if timeout(time, gathered).await.is_ok() {
            tokio::time::sleep(time.min(GLANCE)).await;
        }
    }

    /// A connection on which STOMP was agreed upon.
    async fn open(&mut self) -> Option<Client> {
        let door = self.doors[self.door % self.doors.len()];
        let opened = timeout(OPEN_MAX, async {
            let stream = TcpStream::connect(door).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let mut client = Client::try_over(stream, &door.to_string()).await?;
            let token = &self.person.token;
            let hello = format!("CONNECT\naccept-version:1.2\nhost:x\nheart-beat:10000,10000\ntoken:{token}\n\n\0");
            client.send(&hello).await;
            Some((client.event_within(OPEN_MAX).await?, client))
        });
        match opened.await.ok()?? {
            (Event::Frame(frame), client) if frame.command == "CONNECTED" => {
                self.story.lock().connections += 1;
                Some(client)
            }
            (Event::Frame(frame), _) => {
                self.refused(frame.header("code").unwrap_or_default(), &frame);
                None
            }
            _ => None,
        }
    }

    /// One connection, from CONNECTED to its end.
    async fn converse(&mut self, mut client: Client) -> End {
        let mut now = Instant::now();
        let (mut beat, mut heard) = (now + BEAT, now);
        let mut wander = now + self.random.millis(3_000..30_000);
        let mut speak = now + self.pace.mul_f64(self.fraction());
        let mut subscription = Subscription::None { again: now };
        self.unacknowledged.iter_mut().for_each(|waiting| waiting.due = Some(now));
        client.send("SUBSCRIBE\nid:errors\ndestination:/user/queue/errors\nreceipt:errors\n\n\0").await;
        loop {
            let stage = self.stage();
            if stage == Stage::Leave {
                return self.leave(client).await;
            }
            if heard + SILENCE_MAX < now {
                return End::Broken;
            }
            if beat <= now {
                client.send("\n").await;
                beat = now + BEAT;
            }
            if matches!(subscription, Subscription::None { again } if again <= now) {
                self.subscribe(&mut client).await;
                subscription = Subscription::Asked;
            }
            if stage == Stage::Talk && wander <= now {
                wander = now + self.random.millis(3_000..30_000);
                match self.random.below(3) {
                    0 if subscription == Subscription::Held => {
                        self.is(Presence::Unsure);
                        client.send("UNSUBSCRIBE\nid:room\nreceipt:out\n\n\0").await;
                        subscription = Subscription::Ending;
                    }
                    0 => {}
                    1 => return self.disconnect(client).await,
                    _ => return End::Away(self.random.millis(0..6_000)),
                }
            }
            if stage <= Stage::Calm && speak <= now {
                speak = now + self.pace.mul_f64(2.0 * self.fraction());
                self.think_of_something();
            }
            if stage == Stage::LastWord && !self.has_said_the_last_word {
                self.has_said_the_last_word = true;
                self.think_of_something();
            }
            self.send_what_is_due(&mut client, now).await;
            match client.event_within(GLANCE).await {
                None => {}
                Some(Event::HeartBeat) => heard = Instant::now(),
                Some(Event::Closed(_)) => return End::Broken,
                Some(Event::Frame(frame)) => {
                    heard = Instant::now();
                    if !self.take(&frame, &mut subscription) {
                        return End::Broken;
                    }
                }
            }
            now = Instant::now();
        }
    }

    /// Between 0 and 1.
    fn fraction(&mut self) -> f64 {
        self.random.below(1_000) as f64 / 1_000.0
    }

    async fn subscribe(&self, client: &mut Client) {
        let (last, start) = {
            let mut story = self.story.lock();
            story.presence = Presence::Unsure;
            (story.last(), story.start)
        };
        let from = match (last, start) {
            (Some(last), _) => format!("after:{last}\n"),
            (None, Start::Beginning) => "after:0\n".to_owned(),
            (None, Start::Newest) => "history:20\n".to_owned(),
            (None, Start::Now) => String::new(),
        };
        let room = &self.room;
        client.send(&format!("SUBSCRIBE\nid:room\ndestination:/sub/chat/room/{room}\nreceipt:in\n{from}\n\0")).await;
    }

    fn think_of_something(&mut self) {
        if self.unacknowledged.len() >= WINDOW {
            return;
        }
        let mut story = self.story.lock();
        let id = format!("{}-{}", story.number, story.said.len());
        let text = format!("{id}: {}", "말 ".repeat(1 + self.random.below(30)).trim());
        story.said.push(Said { id: id.clone(), text: print(&text), acknowledged: None });
        self.unacknowledged.push_back(Waiting { id, text, due: Some(Instant::now()) });
    }

    async fn send_what_is_due(&mut self, client: &mut Client, now: Instant) {
        let (room, token) = (&self.room, &self.person.token);
        for waiting in self.unacknowledged.iter_mut().filter(|waiting| waiting.due.is_some_and(|due| due <= now)) {
            let id = &waiting.id;
            let body = json!({"type": "TALK", "roomId": room, "message": waiting.text});
            let head = format!("destination:/pub/chat/message\ntoken:{token}\nid:{id}\nreceipt:{id}");
            client.send(&format!("SEND\n{head}\n\n{body}\0")).await;
            waiting.due = None;
        }
    }

    /// Takes in a frame; false when the server ends the session by it.
    fn take(&mut self, frame: &Frame, subscription: &mut Subscription) -> bool {
        match &*frame.command {
            "RECEIPT" => self.receipt(frame.header("receipt-id").unwrap_or_default(), subscription),
            "MESSAGE" if frame.header("destination") == Some("/user/queue/errors") => self.told(frame, subscription),
            "MESSAGE" => self.hear(frame),
            _ => {
                self.refused(frame.header("code").unwrap_or_default(), frame);
                return false;
            }
        }
        true
    }

    fn receipt(&mut self, id: &str, subscription: &mut Subscription) {
        match id {
            "errors" => {}
            "in" => {
                *subscription = Subscription::Held;
                self.is(Presence::In);
            }
            "out" => {
                *subscription = Subscription::None { again: Instant::now() + self.random.millis(0..3_000) };
                self.is(Presence::Out);
            }
            id => {
                self.unacknowledged.retain(|waiting| waiting.id != id);
                let at = id.rsplit('-').next().and_then(|at| at.parse::<usize>().ok());
                let mut story = self.story.lock();
                match at.and_then(|at| story.said.get_mut(at)).filter(|said| said.id == id) {
                    Some(said) => said.acknowledged = Some(Instant::now()),
                    None => story.odd.push(format!("RECEIPT {id}")),
                }
            }
        }
    }

    /// What cannot be done, or is missing.
    fn told(&mut self, frame: &Frame, subscription: &mut Subscription) {
        let told = frame.json();
        let code = told["code"].as_str().unwrap_or_default();
        if code == "gap" {
            let words = told["message"].as_str().unwrap_or_default().split(' ');
            let offsets: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
            match offsets[..] {
                [first, last] => self.story.lock().gaps.push((first, last)),
                _ => self.odd(frame.body.clone()),
            }
            return;
        }
        self.refused(code, frame);
        let again = Instant::now() + MOMENT;
        match told["receipt"].as_str() {
            Some("in") => {
                *subscription = Subscription::None { again };
                self.is(Presence::Out);
            }
            Some(id) => {
                let refused = self.unacknowledged.iter_mut().find(|waiting| waiting.id == id);
                refused.into_iter().for_each(|waiting| waiting.due = Some(again));
            }
            None => {}
        }
    }

    fn refused(&self, code: &str, frame: &Frame) {
        if EXPECTED.contains(&code) {
            *self.story.lock().refusals.entry(code.to_owned()).or_default() += 1;
        } else {
            self.odd(format!("{frame:?}"));
        }
    }

    fn hear(&self, frame: &Frame) {
        let entry = Entry::of(&frame.json());
        let Some(entry) = entry else { return self.odd(format!("{frame:?}")) };
        let id = format!("{}-{}", self.room, entry.offset);
        if frame.header("message-id") != Some(&*id) || frame.header("subscription") != Some("room") {
            self.odd(format!("{frame:?}"));
        }
        self.story.lock().heard.push(Heard { offset: entry.offset, print: entry.print() });
    }

    /// Ends the session in order, and comes back after a while.
    async fn disconnect(&mut self, client: Client) -> End {
        self.goodbye(client).await;
        End::Away(self.random.millis(0..6_000))
    }

    /// Goes home: one half says goodbye, the other half does not.
    async fn leave(&mut self, client: Client) -> End {
        if self.story.lock().number.is_multiple_of(2) {
            self.goodbye(client).await;
        }
        End::Home
    }

    /// DISCONNECT, and what still comes until the connection is closed.
    async fn goodbye(&mut self, mut client: Client) {
        self.is(Presence::Unsure);
        client.send("DISCONNECT\nreceipt:bye\n\n\0").await;
        let asked = Instant::now();
        while asked.elapsed() < OPEN_MAX {
            match client.event_within(OPEN_MAX).await {
                Some(Event::Frame(frame)) if frame.header("receipt-id") != Some("bye") => {
                    // Entries that overtook the end were heard; whoever resumes goes on behind them.
                    self.take(&frame, &mut Subscription::Ending);
                }
                Some(Event::Frame(_) | Event::HeartBeat) => {}
                Some(Event::Closed(_)) | None => return,
            }
        }
    }
}
