//! Octets in, frames out, and the other way round.

use std::hint::black_box;

use bytes::Bytes;
use sarangbang::stomp::{Command, Decoded, Decoder, Frame, FrameBuilder, FrameLimits, Version};

use super::ground::TEXT;

// The file itself: it needs nothing from around it, and has no door to the outside.
#[path = "../../src/http/socket/intake.rs"]
mod intake;

const ROOM: &str = "123e4567-e89b-42d3-a456-426614174000";
/// As long as the server's own.
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiIsImtpZCI6IkFiQ2RFZkdoSWpLbCJ9.eyJzdWIiOiJtaW5qaSIsImlhdCI6MTczNTY4OT\
                     YwMCwiZXhwIjoxNzM1NjkzMjAwLCJyb2xlIjoidXNlciIsImVwb2NoIjowfQ.0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// CONNECT as the usual clients write it.
pub fn connect() -> Bytes {
    format!("CONNECT\ntoken:{TOKEN}\naccept-version:1.2,1.1,1.0\nheart-beat:10000,10000\n\n\0").into()
}

/// SUBSCRIBE to a room.
pub fn subscribe() -> Bytes {
    format!("SUBSCRIBE\nid:sub-0\ndestination:/sub/chat/room/{ROOM}\n\n\0").into()
}

/// SEND of a message.
pub fn send() -> Bytes {
    let body = format!("{{\"type\":\"TALK\",\"roomId\":\"{ROOM}\",\"message\":\"{TEXT}\"}}");
    let length = body.len();
    format!("SEND\ndestination:/pub/chat/message\ntoken:{TOKEN}\ncontent-length:{length}\n\n{body}\0").into()
}

/// Decodes one frame, as a connection does whose version is known.
pub fn decode(octets: &Bytes) -> Frame {
    let mut decoder = Decoder::new(FrameLimits::default());
    decoder.set_version(Version::V1_2);
    decoder.feed(black_box(octets).clone());
    match decoder.next() {
        Ok(Some(Decoded::Frame(frame))) => frame,
        other => panic!("a frame was expected, not {other:?}"),
    }
}

/// Encodes one MESSAGE, with the headers that the server writes.
pub fn encode(body: &[u8]) -> Bytes {
    FrameBuilder::new(Command::Message, Version::V1_2)
        .header("destination", "/sub/chat/room/123e4567-e89b-42d3-a456-426614174000")
        .header("content-type", "application/json;charset=UTF-8")
        .header("subscription", "sub-0")
        .header("message-id", "123e4567-e89b-42d3-a456-426614174000-1234")
        .body(black_box(body))
        .finish()
}

/// A WebSocket text frame in, its message out. It holds the frame's bytes as a client sends them.
pub fn web_socket(payload: &[u8]) -> impl FnMut() -> Bytes + use<> {
    let mask = [0x12, 0xab, 0x00, 0xff];
    let length = u16::try_from(payload.len()).unwrap();
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    let mut intake = intake::Intake::new(128 * 1024);
    move || {
        intake.feed(black_box(&frame));
        match intake.next() {
            Ok(Some(intake::Incoming::Message(message))) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }
}
