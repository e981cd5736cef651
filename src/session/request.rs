//! The requests of a connected session, one function a command.

use smallvec::smallvec;

use super::destination::{Destination, Target};
use super::effect::{Close, Effect, Effects, Error, Receipt, Say, Start, Token};
use super::payload::Payload;
use super::refusal::Refusal;
use super::subscriptions::{AckMode, Called, Listener};
use super::{Session, State};
use crate::chat::limits::HISTORY_ENTRIES_MAX;
use crate::stomp::{Command, Frame, Version};

/// The token of a frame: header `token`, else `Authorization: Bearer`, else (on CONNECT) `passcode`.
pub(super) fn token(frame: &Frame, connect: bool) -> Option<Token> {
    let bearer = || {
        let value = frame.header("Authorization").or_else(|| frame.header("authorization"))?;
        Some(value.strip_prefix("Bearer ").unwrap_or(value))
    };
    let passcode = || if connect { frame.header("passcode") } else { None };
    let found = frame.header("token").or_else(bearer).or_else(passcode)?;
    (!found.is_empty()).then(|| Token(found.into()))
}

impl Session {
    /// What follows from a frame of a connected client.
    pub(super) fn on_request(&mut self, frame: Frame, receipt: Option<Receipt>) -> Result<Effects, Error> {
        match frame.command {
            Command::Send => self.on_send(&frame, receipt),
            Command::Subscribe => self.on_subscribe(&frame, receipt),
            Command::Unsubscribe => self.on_unsubscribe(&frame, receipt),
            Command::Ack => self.on_ack(&frame, receipt),
            Command::Nack if self.version > Version::V1_0 => self.on_ack(&frame, receipt),
            Command::Begin => self.transactions.begin(required(&frame, "transaction")?).map(|()| done(receipt)),
            Command::Commit => {
                let says = self.transactions.take(required(&frame, "transaction")?)?;
                Ok(smallvec![Effect::SayAll { says, receipt }])
            }
            Command::Abort => self.transactions.take(required(&frame, "transaction")?).map(|_| done(receipt)),
            Command::Disconnect => Ok(self.on_disconnect(receipt)),
            Command::Connect | Command::Stomp => {
                Err(Error::new("bad_frame", "this session is connected already; CONNECT comes once"))
            }
            other => Err(Error::new(
                "unknown_command",
                format!("a client of STOMP {} does not send {}", self.version.as_str(), other.as_str()),
            )),
        }
    }

    /// SEND (STOMP 1.2, SEND).
    fn on_send(&mut self, frame: &Frame, receipt: Option<Receipt>) -> Result<Effects, Error> {
        if Target::parse(required(frame, "destination")?)? == Target::Token {
            return Ok(smallvec![Effect::Renew { token: token(frame, false), receipt }]);
        }
        let payload = match Payload::read(frame) {
            Ok(payload) => payload,
            Err(refusal) => return Ok(self.refuse(&refusal.receipt(receipt))),
        };
        let Payload { room, text, id } = payload;
        let say = Say { room, text, id, token: token(frame, false), receipt };
        match frame.header("transaction") {
            None => Ok(smallvec![Effect::Say(say)]),
            Some(transaction) => self.transactions.add(transaction, say).map(|()| Effects::new()),
        }
    }

    /// SUBSCRIBE (STOMP 1.2, SUBSCRIBE).
    fn on_subscribe(&mut self, frame: &Frame, receipt: Option<Receipt>) -> Result<Effects, Error> {
        let destination = Destination::parse(required(frame, "destination")?)?;
        let called = self.called(frame, destination)?;
        let ack = match frame.header("ack") {
            None | Some("auto") => AckMode::Auto,
            Some("client") => AckMode::Client,
            Some("client-individual") if self.version > Version::V1_0 => AckMode::Client,
            Some(_) => return Err(Error::new("bad_frame", "ack: one of auto, client, client-individual")),
        };
        let start = start(frame)?;
        let id = match &called {
            Called::Id(id) => Some(id.clone()),
            Called::Destination(_) => None,
        };
        let key = self.subscriptions.add(called, destination, ack)?;
        if destination == Destination::Errors && self.is_store_away {
            // Before the receipt, behind which a client may take it that all is well.
            let mut effects = self.tell_some(&Refusal::of_store(true), &[Listener { id, ack }]);
            effects.extend(receipt.map(Effect::Receipt));
            return Ok(effects);
        }
        Ok(match destination {
            Destination::Room(room) => smallvec![Effect::Enter { key, id, ack, room, start, receipt }],
            Destination::Rooms => smallvec![Effect::Watch { key, id, ack, receipt }],
            Destination::Errors => done(receipt),
        })
    }

    /// UNSUBSCRIBE (STOMP 1.2, UNSUBSCRIBE).
    fn on_unsubscribe(&mut self, frame: &Frame, receipt: Option<Receipt>) -> Result<Effects, Error> {
        let called = match frame.header("id") {
            Some(id) => Called::Id(id.into()),
            // STOMP 1.0, UNSUBSCRIBE: a destination or an id; where both name one, the id counts.
            None if self.version == Version::V1_0 => {
                Called::Destination(Destination::parse(required(frame, "destination")?)?)
            }
            None => return Err(missing("id", "UNSUBSCRIBE")),
        };
        let (key, destination) = self.subscriptions.remove(&called)?;
        let mut effects = Effects::new();
        if destination != Destination::Errors {
            effects.push(Effect::Leave(key));
        }
        effects.extend(receipt.map(Effect::Receipt));
        Ok(effects)
    }

    /// ACK and NACK. A cursor needs no acknowledgement to move on: what a client has missed it reads again with
    /// `after`. So they are checked and their receipt is given, as the specification says, and that is all.
    fn on_ack(&mut self, frame: &Frame, receipt: Option<Receipt>) -> Result<Effects, Error> {
        match self.version {
            Version::V1_0 => {
                required(frame, "message-id")?;
            }
            Version::V1_1 => {
                required(frame, "message-id")?;
                if !self.subscriptions.has(required(frame, "subscription")?) {
                    return Err(Error::new("subscription_unknown", "there is no subscription of this id"));
                }
            }
            Version::V1_2 => {
                required(frame, "id")?;
            }
        }
        if let Some(transaction) = frame.header("transaction") {
            self.transactions.check(transaction)?;
        }
        Ok(done(receipt))
    }

    /// DISCONNECT only ends the loop; who leaves what is said once, at its end (STOMP 1.2, DISCONNECT).
    fn on_disconnect(&mut self, receipt: Option<Receipt>) -> Effects {
        self.state = State::Ended;
        let mut effects = done(receipt);
        effects.push(Effect::Close(Close::Normal));
        effects
    }

    /// What the client calls a subscription: the id is required since 1.1 (STOMP 1.2, SUBSCRIBE id Header).
    fn called(&self, frame: &Frame, destination: Destination) -> Result<Called, Error> {
        match frame.header("id") {
            Some("") => Err(Error::new("missing_header", "id: a subscription id is not empty")),
            Some(id) => Ok(Called::Id(id.into())),
            None if self.version == Version::V1_0 => Ok(Called::Destination(destination)),
            None => Err(missing("id", "SUBSCRIBE")),
        }
    }
}

/// Where the cursor starts: `after` or `history`, not both.
fn start(frame: &Frame) -> Result<Start, Error> {
    let number = |name: &'static str| {
        let parse = |text: &str| {
            text.parse::<u64>().map_err(|_| Error::new("bad_frame", format!("{name}: a number that is not negative")))
        };
        frame.header(name).map(parse).transpose()
    };
    match (number("after")?, number("history")?) {
        (Some(_), Some(_)) => Err(Error::new("bad_frame", "after and history exclude each other: send one of them")),
        (Some(after), None) => Ok(Start::After(after)),
        (None, Some(entries)) if entries > HISTORY_ENTRIES_MAX => {
            Err(Error::new("bad_frame", format!("history: at most {HISTORY_ENTRIES_MAX} entries")))
        }
        (None, Some(entries)) => Ok(Start::History(entries)),
        (None, None) => Ok(Start::Live),
    }
}

fn required<'a>(frame: &'a Frame, name: &'static str) -> Result<&'a str, Error> {
    frame.header(name).ok_or_else(|| missing(name, frame.command.as_str()))
}

fn missing(name: &str, command: &str) -> Error {
    Error::new("missing_header", format!("{command} needs the header {name}"))
}

fn done(receipt: Option<Receipt>) -> Effects {
    receipt.map(Effect::Receipt).into_iter().collect()
}
