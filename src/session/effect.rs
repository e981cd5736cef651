//! What follows from a frame: instructions to the one who holds the socket, the store and the node.

use bytes::Bytes;
use smallvec::SmallVec;

use super::subscriptions::{AckMode, SubscriptionKey};
use crate::chat::{MessageId, RoomId};
use crate::stomp::{Command, Frame, FrameBuilder, Version};

/// What is to be done, in this order. Most frames have one effect.
pub type Effects = SmallVec<[Effect; 2]>;

/// One thing to be done.
#[derive(Debug)]
pub enum Effect {
    /// Look at the token of CONNECT; answer with `Session::accept` or `Session::refuse`.
    Authenticate {
        /// The token, if there was one.
        token: Option<Token>,
    },
    /// From now on the decoder reads this version's escapes.
    Version(Version),
    /// Send these bytes: whole STOMP frames.
    Send(Bytes),
    /// Send RECEIPT, after everything before it is done.
    Receipt(Receipt),
    /// Send a heart-beat: one EOL.
    HeartBeat,
    /// Send a WebSocket ping: the client promised no heart-beats, so its WebSocket has to show that it lives.
    Ping,
    /// Enter a room with a subscription.
    Enter {
        /// Which subscription.
        key: SubscriptionKey,
        /// Its id as the client wrote it; none in STOMP 1.0.
        id: Option<Box<str>>,
        /// How its MESSAGEs are acknowledged.
        ack: AckMode,
        /// Which room.
        room: RoomId,
        /// Where the cursor starts.
        start: Start,
        /// To be sent when entered.
        receipt: Option<Receipt>,
    },
    /// Follow the list of rooms with a subscription.
    Watch {
        /// Which subscription.
        key: SubscriptionKey,
        /// Its id as the client wrote it.
        id: Option<Box<str>>,
        /// How its MESSAGEs are acknowledged.
        ack: AckMode,
        /// To be sent when it follows.
        receipt: Option<Receipt>,
    },
    /// A subscription ends: leave, if it had entered.
    Leave(SubscriptionKey),
    /// Somebody says something.
    Say(Say),
    /// A transaction is committed: everything in it is said, or nothing is.
    SayAll {
        /// In the order it came.
        says: Vec<Say>,
        /// COMMIT's own: to be sent behind those of the SENDs.
        receipt: Option<Receipt>,
    },
    /// A newer token came by itself: it prolongs the session if it is this person's.
    Renew {
        /// The token, if there was one.
        token: Option<Token>,
        /// To be sent when it was taken.
        receipt: Option<Receipt>,
    },
    /// Something was refused, or the session ended, for this cause: what follows tells the client. To be counted.
    Refused(&'static str),
    /// Close the socket once everything before was sent.
    Close(Close),
}

/// A token on its way to be checked. It has no `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub Box<str>);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<token>")
    }
}

/// A SEND, taken apart.
#[derive(Debug)]
pub struct Say {
    /// The room that the payload names.
    pub room: RoomId,
    /// What is said.
    pub text: Box<str>,
    /// The client's own id.
    pub id: Option<MessageId>,
    /// The token beside it, to be checked each time.
    pub token: Option<Token>,
    /// To be sent when it is durable.
    pub receipt: Option<Receipt>,
}

impl Say {
    /// About how many bytes it holds in memory.
    pub(super) fn weight(&self) -> usize {
        let token = self.token.as_ref().map_or(0, |token| token.0.len());
        let receipt = self.receipt.as_ref().map_or(0, |receipt| receipt.0.len());
        size_of::<Self>() + self.text.len() + token + receipt
    }
}

/// Where a cursor starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the own ENTER.
    Live,
    /// With everything that came after this offset.
    After(u64),
    /// With the newest so many entries.
    History(u64),
}

/// The value of a `receipt` header: what the client wants to read in `receipt-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(pub Box<str>);

impl Receipt {
    /// The receipt that a frame asks for.
    pub fn of(frame: &Frame) -> Option<Self> {
        frame.header("receipt").map(|id| Self(id.into()))
    }

    /// The RECEIPT frame (STOMP 1.2, RECEIPT).
    pub fn frame(&self, version: Version) -> Bytes {
        FrameBuilder::new(Command::Receipt, version).header("receipt-id", &self.0).finish()
    }
}

/// The WebSocket close codes in use (RFC 6455, section 7.4.1, and the registry it founded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// After DISCONNECT.
    Normal,
    /// The peer broke the protocol.
    Protocol,
    /// The peer may not, or not so much.
    Policy,
    /// A frame passed a limit.
    TooLarge,
    /// Our fault.
    Fault,
    /// The node goes away; come back.
    Restart,
}

impl Close {
    /// The code on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Protocol => 1002,
            Self::Policy => 1008,
            Self::TooLarge => 1009,
            Self::Fault => 1011,
            Self::Restart => 1012,
        }
    }
}

/// Why a session ends: an ERROR frame to be.
#[derive(Debug)]
pub struct Error {
    code: &'static str,
    message: String,
    detail: String,
    header: Option<(&'static str, &'static str)>,
}

impl Error {
    /// With its stable word and one line for people.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: String::new(), header: None }
    }

    /// With a further sentence in the body.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Its stable word.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// The close code that follows the frame.
    pub fn close(&self) -> Close {
        match self.code {
            "frame_too_large" => Close::TooLarge,
            "unavailable" => Close::Fault,
            "not_connected"
            | "bad_frame"
            | "unknown_command"
            | "unknown_destination"
            | "missing_header"
            | "unsupported_version"
            | "subscription_exists"
            | "subscription_unknown"
            | "transaction_unknown"
            | "transaction_exists" => Close::Protocol,
            _ => Close::Policy,
        }
    }

    /// The frame (STOMP 1.2, ERROR): `message`, `code`, `receipt-id` of the frame that caused it, a body for people.
    pub fn frame(&self, version: Version, receipt: Option<&Receipt>) -> Bytes {
        let mut frame = FrameBuilder::new(Command::Error, version);
        if let Some(Receipt(id)) = receipt {
            frame = frame.header("receipt-id", id);
        }
        if let Some((name, value)) = self.header {
            frame = frame.header(name, value);
        }
        let line = self.message.replace(['\r', '\n'], " ");
        frame =
            frame.header("message", &line).header("code", self.code).header("content-type", "text/plain;charset=UTF-8");
        let body =
            if self.detail.is_empty() { self.message.clone() } else { format!("{}\n{}", self.message, self.detail) };
        frame.body(body).finish()
    }
}
