//! Requests that could not be done while the session may go on.

use serde::Serialize;

use super::effect::{Effect, Effects, Receipt};
use super::subscriptions::{AckMode, Listener, SubscriptionKey};
use crate::chat::{Invalid, RoomId};
use crate::stomp::{Command, FrameBuilder, Version};

/// Why a request was refused. It becomes a MESSAGE on `/user/queue/errors`, or ERROR for who does not listen there.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Refusal {
    /// The stable word for it.
    pub code: &'static str,
    /// One sentence that says what to do.
    pub message: String,
    /// The room it was about.
    #[serde(rename = "roomId", skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// The client's own id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The receipt that was asked for and will not come.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "receipt_text")]
    pub receipt: Option<Receipt>,
    /// The field that was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'static str>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The subscription that did not come about.
    #[serde(skip)]
    pub undoes: Option<SubscriptionKey>,
    /// Whether the session cannot go on.
    #[serde(skip)]
    pub fatal: bool,
}

impl Refusal {
    /// With a word and a sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), ..Self::default() }
    }

    /// That nothing can be stored now, or that it can again. It refuses nothing.
    pub(super) fn of_store(is_away: bool) -> Self {
        if is_away {
            let text =
                "messages cannot be stored now; send again what is refused, with the same id, once store_back comes";
            Self::new("store_away", text)
        } else {
            Self::new("store_back", "messages can be stored again")
        }
    }

    /// Of a value that broke a rule of the domain.
    pub fn invalid(code: &'static str, invalid: &Invalid) -> Self {
        Self { field: Some(invalid.field), limit: invalid.limit, ..Self::new(code, invalid.to_string()) }
    }

    /// After which the session cannot go on.
    pub fn fatal(mut self) -> Self {
        self.fatal = true;
        self
    }

    /// Of the frame that asked for this receipt.
    pub fn receipt(mut self, receipt: Option<Receipt>) -> Self {
        self.receipt = receipt;
        self
    }

    /// As MESSAGEs, called `id`, for the subscriptions that listen on `/user/queue/errors`.
    pub(super) fn messages(&self, version: Version, id: &str, listeners: &[Listener]) -> Effects {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let message = |listener: &Listener| {
            let mut frame = FrameBuilder::new(Command::Message, version)
                .header("destination", "/user/queue/errors")
                .header("content-type", "application/json;charset=UTF-8");
            if let Some(subscription) = &listener.id {
                frame = frame.header("subscription", subscription);
            }
            frame = frame.header("message-id", id);
            if listener.ack == AckMode::Client && version == Version::V1_2 {
                frame = frame.header("ack", id);
            }
            if let Some(Receipt(id)) = &self.receipt {
                frame = frame.header("receipt-id", id);
            }
            Effect::Send(frame.body(&body).finish())
        };
        listeners.iter().map(message).collect()
    }
}

fn receipt_text<S: serde::Serializer>(receipt: &Option<Receipt>, serializer: S) -> Result<S::Ok, S::Error> {
    receipt.as_ref().map(|Receipt(id)| id).serialize(serializer)
}
