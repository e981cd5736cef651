//! An entry on its way out: its body as JSON, made once, and its MESSAGE frame for each way of writing it.

use bytes::{BufMut, Bytes, BytesMut};

use super::cursor::Flavour;
use crate::chat::{Entry, RoomId};
use crate::stomp::{Command, FrameBuilder};

/// One element of a topic's log, ready to be written.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) offset: u64,
    body: Bytes,
    /// `None` for the list of rooms.
    room: Option<RoomId>,
}

impl Post {
    /// Of a room's entry.
    pub(super) fn of(entry: &Entry) -> Self {
        let body = serde_json::to_vec(entry).unwrap_or_default().into();
        Self { offset: entry.offset, body, room: Some(entry.room_id) }
    }

    /// Of a change in the list of rooms.
    pub(super) const fn of_rooms(offset: u64, body: Bytes) -> Self {
        Self { offset, body, room: None }
    }

    /// About how many bytes it holds in memory.
    pub(super) const fn weight(&self) -> usize {
        self.body.len() + size_of::<Self>()
    }

    /// Writes the MESSAGE as one WebSocket text frame (RFC 6455, section 5.2: FIN, no mask from a server).
    /// Header order: as the tutorial's server writes them.
    pub(super) fn write(&self, flavour: &Flavour, to: &mut BytesMut) {
        let (destination, id) = match self.room {
            Some(room) => (format!("/sub/chat/room/{room}"), Entry::default_id(room, self.offset)),
            None => ("/sub/chat/rooms".to_owned(), format!("rooms-{}", self.offset)),
        };
        let mut frame = FrameBuilder::new(Command::Message, flavour.version)
            .header("destination", &destination)
            .header("content-type", "application/json;charset=UTF-8");
        if let Some(subscription) = &flavour.id {
            frame = frame.header("subscription", subscription);
        }
        frame = frame.header("message-id", &id);
        if flavour.ack {
            frame = frame.header("ack", &id);
        }
        web_socket_text(&frame.body(&self.body).finish(), to);
    }
}

/// Appends `payload` as one whole WebSocket text frame.
pub(super) fn web_socket_text(payload: &[u8], to: &mut BytesMut) {
    web_socket_frame(0x1, payload, to);
}

/// Appends one whole WebSocket frame (RFC 6455, section 5.2) of the given opcode.
pub(crate) fn web_socket_frame(opcode: u8, payload: &[u8], to: &mut BytesMut) {
    to.reserve(payload.len() + 10);
    to.put_u8(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => to.put_u8(len as u8),
        Ok(len) => {
            to.put_u8(126);
            to.put_u16(len);
        }
        Err(_) => {
            to.put_u8(127);
            to.put_u64(payload.len() as u64);
        }
    }
    to.put_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_socket_frame_writes_its_length_in_the_shortest_form() {
        for (len, head) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let mut to = BytesMut::new();
            web_socket_text(&vec![b'x'; len], &mut to);
            assert_eq!((to.len(), to[0]), (len + head, 0x81), "{len}");
        }
    }
}
