//! The body of a SEND.

use std::borrow::Cow;

use serde::Deserialize;

use super::refusal::Refusal;
use crate::chat::{Invalid, MessageId, RoomId};
use crate::stomp::Frame;

/// What a client may write. Everything else in it, a sender above all, is ignored: who speaks is the session's.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "roomId", default, borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    message: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
}

/// A SEND's body, checked as far as the protocol goes.
pub(super) struct Payload {
    pub(super) room: RoomId,
    pub(super) text: Box<str>,
    pub(super) id: Option<MessageId>,
}

impl Payload {
    /// Reads the body of a SEND; the header `id` counts before the member of that name.
    pub(super) fn read(frame: &Frame) -> Result<Self, Refusal> {
        // A list would be read as a struct whose members have no names.
        if frame.body.trim_ascii_start().first() != Some(&b'{') {
            return Err(bad(&Invalid::rule("body", "the body has to be a JSON object")));
        }
        let body: Body<'_> = serde_json::from_slice(&frame.body).map_err(|e| bad(&what_is_wrong(&frame.body, &e)))?;
        // A notice is made by the server alone; whoever asks for one is told so, and none is made.
        match body.kind.as_deref() {
            None | Some("TALK") => {}
            Some(_) => {
                return Err(bad(&Invalid::rule("type", "only TALK can be sent; the server makes ENTER and QUIT")));
            }
        }
        let room = field(body.room, "roomId")?.parse().map_err(|e| bad(&e))?;
        let text = field(body.message, "message")?.as_ref().into();
        let id = frame.header("id").or(body.id.as_deref()).map(str::parse).transpose().map_err(|e| bad(&e))?;
        Ok(Self { room, text, id })
    }
}

/// A member that has to be there.
fn field<'a>(value: Option<Cow<'a, str>>, name: &'static str) -> Result<Cow<'a, str>, Refusal> {
    value.ok_or_else(|| bad(&Invalid::rule(name, "this member is missing")))
}

/// The member that is no text, if that is what is wrong; read again at leisure, as only errors come here.
fn what_is_wrong(body: &[u8], error: &serde_json::Error) -> Invalid {
    let members: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(body).ok();
    let no_text = |name: &&str| {
        let value = members.as_ref().and_then(|members| members.get(*name));
        value.is_some_and(|value| !value.is_string() && !value.is_null())
    };
    match ["type", "roomId", "message", "id"].into_iter().find(no_text) {
        Some(name) => Invalid::rule(name, "this member has to be a text"),
        None => Invalid::rule("body", format!("the body has to be a JSON object: {error}")),
    }
}

fn bad(invalid: &Invalid) -> Refusal {
    Refusal::invalid("bad_payload", invalid)
}
