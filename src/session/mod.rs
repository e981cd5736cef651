//! The protocol state of one connection: what a client may do now, and what follows from what it does.
//!
//! Sans-I/O: a frame and the time go in, [`Effect`]s come out; whoever holds the socket performs them in order.
//! It knows `stomp` and `chat`, and no socket, store, clock or randomness. Invariant: a subscription enters once
//! and leaves at most once; whoever holds the socket lets those leave that are left at its end.

mod causes;
mod destination;
mod effect;
mod payload;
mod pulse;
mod refusal;
mod request;
mod subscriptions;
mod transactions;

use std::time::{Duration, Instant};

use smallvec::smallvec;

pub use causes::CAUSES;
pub use destination::Destination;
pub use effect::{Close, Effect, Effects, Error, Receipt, Say, Start, Token};
pub use refusal::Refusal;
pub use subscriptions::{AckMode, SubscriptionKey};

use crate::chat::{Limits, Name, Role};
use crate::stomp::{Command, Frame, FrameBuilder, Version};
use pulse::Pulse;
use subscriptions::{Listener, Subscriptions};
use transactions::Transactions;

/// The heart-beats that this side offers and asks for, in milliseconds: sends, wants (STOMP 1.2, Heart-beating).
pub const HEART_BEAT: (u32, u32) = (10_000, 10_000);

/// The `server` header of CONNECTED (STOMP 1.2, CONNECTED Frame).
const SERVER: &str = concat!("Sarangbang/", env!("CARGO_PKG_VERSION"));

/// Further away than any connection lives.
const AGES: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One connection's STOMP session.
pub struct Session {
    /// Its id, the `session` header of CONNECTED.
    id: Box<str>,
    state: State,
    version: Version,
    pulse: Pulse,
    subscriptions: Subscriptions,
    transactions: Transactions,
    /// How many MESSAGEs the session itself has made, on `/user/queue/errors`.
    told: u64,
    /// Whether the store is away, as the listeners on `/user/queue/errors` were told last.
    is_store_away: bool,
}

#[derive(PartialEq)]
enum State {
    /// Nothing but CONNECT is understood.
    Fresh,
    /// The token of CONNECT is being looked at.
    Asked,
    /// Everything is understood; what is said is said by this person.
    Connected(Name),
    /// Whatever comes now is ignored.
    Ended,
}

impl Session {
    /// A session on a socket that was opened `now`.
    pub fn new(id: Box<str>, limits: &Limits, now: Instant) -> Self {
        Self {
            id,
            state: State::Fresh,
            version: Version::V1_0,
            pulse: Pulse::new(limits, now),
            subscriptions: Subscriptions::new(limits.subscriptions_max),
            transactions: Transactions::new(limits),
            told: 0,
            is_store_away: false,
        }
    }

    /// What follows from a frame that came `now`.
    pub fn on_frame(&mut self, frame: Frame, now: Instant) -> Effects {
        self.pulse.heard(now);
        let receipt = Receipt::of(&frame);
        let answer = match &self.state {
            State::Ended => return Effects::new(),
            State::Fresh => self.on_first_frame(&frame),
            State::Asked => Err(Error::new("bad_frame", "wait for CONNECTED before the next frame")),
            State::Connected(_) => self.on_request(frame, receipt.clone()),
        };
        answer.unwrap_or_else(|error| self.fail(error, &receipt))
    }

    /// Bytes came that are no frame: a heart-beat, a pong.
    pub fn on_sign_of_life(&mut self, now: Instant) {
        self.pulse.heard(now);
    }

    /// The token of CONNECT was good until `expires`: the session begins.
    pub fn accept(&mut self, name: &Name, role: Role, expires: Instant, now: Instant) -> Effects {
        if self.state != State::Asked {
            return Effects::new();
        }
        if !role.may_chat() {
            return self.fail(
                Error::new("role_may_not_chat", "the role guest may sign in but not chat; ask an administrator"),
                &None,
            );
        }
        self.state = State::Connected(name.clone());
        self.pulse.connected(expires, now);
        let mut connected = FrameBuilder::new(Command::Connected, self.version)
            .header("version", self.version.as_str())
            .header("heart-beat", &format!("{},{}", HEART_BEAT.0, HEART_BEAT.1))
            .header("user-name", name.as_str())
            .header("session", &self.id);
        connected = connected.header("server", SERVER);
        smallvec![Effect::Version(self.version), Effect::Send(connected.finish())]
    }

    /// A newer token of the same person prolongs the session until `expires`; an older one does not shorten it.
    pub fn prolong(&mut self, expires: Instant) {
        self.pulse.prolong(expires);
    }

    /// A request could not be done: the one door back. Where the session can go on and the client listens on
    /// `/user/queue/errors` it is told there; else ERROR, and the session ends.
    pub fn refuse(&mut self, refusal: &Refusal) -> Effects {
        if self.state == State::Ended {
            return Effects::new();
        }
        if let Some(key) = refusal.undoes {
            self.subscriptions.remove_key(key);
        }
        if !refusal.fatal && !self.subscriptions.errors().is_empty() {
            return self.tell(refusal);
        }
        let mut error = Error::new(refusal.code, refusal.message.clone());
        if let Some(limit) = refusal.limit {
            error = error.detail(format!("The limit is {limit}."));
        }
        self.fail(error, &refusal.receipt)
    }

    /// The store is away, or is not: each listener on `/user/queue/errors` is told once when it goes and once when it is
    /// back. Whoever begins to listen meanwhile is told then.
    pub fn on_store(&mut self, is_away: bool) -> Effects {
        if is_away == self.is_store_away {
            return Effects::new();
        }
        self.is_store_away = is_away;
        let listeners = self.subscriptions.errors();
        if listeners.is_empty() || self.state == State::Ended {
            return Effects::new();
        }
        self.tell(&Refusal::of_store(is_away))
    }

    /// Something is to be known that refuses nothing: told on `/user/queue/errors`, if the client listens there.
    pub fn tell(&mut self, notice: &Refusal) -> Effects {
        let listeners = self.subscriptions.errors();
        self.tell_some(notice, &listeners)
    }

    fn tell_some(&mut self, notice: &Refusal, listeners: &[Listener]) -> Effects {
        self.told += 1;
        // The session's own id in front: a message id is like no other, also over all sessions (STOMP 1.2, MESSAGE).
        let id = format!("{}-{}", self.id, self.told);
        let mut effects: Effects = smallvec![Effect::Refused(notice.code)];
        effects.extend(notice.messages(self.version, &id, listeners));
        effects
    }

    /// Something ended the session from outside: say why, then close.
    pub fn end(&mut self, error: Error) -> Effects {
        self.fail(error, &None)
    }

    /// What is due `now`. `sent_at` is when the last byte left towards the client.
    pub fn on_tick(&mut self, now: Instant, sent_at: Instant) -> Effects {
        if self.state == State::Ended {
            return Effects::new();
        }
        match self.pulse.due(now, sent_at) {
            pulse::Due::Nothing => Effects::new(),
            pulse::Due::HeartBeat => smallvec![Effect::HeartBeat],
            pulse::Due::Ping => smallvec![Effect::Ping],
            pulse::Due::End(error) => self.fail(error, &None),
        }
    }

    /// When [`Session::on_tick`] wants to be called next.
    pub fn deadline(&self, sent_at: Instant) -> Instant {
        // An ended session wants nothing; it only waits for answers that are on their way.
        if self.state == State::Ended { sent_at + AGES } else { self.pulse.deadline(sent_at) }
    }

    /// The subscriptions that there are.
    #[cfg(test)]
    fn subscriptions(&self) -> Vec<SubscriptionKey> {
        self.subscriptions.keys()
    }

    /// Whether CONNECTED was sent and nothing has ended the session since.
    pub const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    /// The version in force; 1.0 until CONNECT.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// CONNECT or STOMP, and nothing else (STOMP 1.2, Connecting).
    fn on_first_frame(&mut self, frame: &Frame) -> Result<Effects, Error> {
        if !matches!(frame.command, Command::Connect | Command::Stomp) {
            return Err(Error::new("not_connected", format!("{} before CONNECT", frame.command.as_str())));
        }
        let Some(version) = Version::negotiate(frame.header("accept-version")) else {
            return Err(Error::new(
                "unsupported_version",
                format!("Supported protocol versions are {}", Version::SUPPORTED),
            )
            .header("version", Version::SUPPORTED));
        };
        let beat = frame.header("heart-beat").unwrap_or("0,0");
        let client = crate::stomp::heartbeat::parse(beat)
            .map_err(|_| Error::new("bad_frame", "heart-beat: two numbers of milliseconds such as 10000,10000"))?;
        self.version = version;
        self.pulse.negotiate(HEART_BEAT, client);
        self.state = State::Asked;
        Ok(smallvec![Effect::Authenticate { token: request::token(frame, true) }])
    }

    /// ERROR with the cause, then the end (STOMP 1.2, ERROR: the server must close the connection after it).
    fn fail(&mut self, error: Error, receipt: &Option<Receipt>) -> Effects {
        self.state = State::Ended;
        let close = error.close();
        smallvec![
            Effect::Refused(error.code()),
            Effect::Send(error.frame(self.version, receipt.as_ref())),
            Effect::Close(close)
        ]
    }
}

#[cfg(test)]
mod tests;
