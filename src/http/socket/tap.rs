//! The reading side of a connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::intake::{Broken, Incoming, Intake};
use crate::node::Outbox;

/// What is read at a time. All connections of a thread share it: bytes are in it only while they are looked at.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Reads WebSocket messages. Writing is the outbox's alone, so that a pong never lands in the middle of a MESSAGE.
pub(super) struct Tap {
    outbox: Arc<Outbox>,
    intake: Intake,
}

/// What came in one look.
pub(super) enum Came {
    /// Something whole.
    Whole(Incoming),
    /// Bytes, and nothing whole yet.
    Part,
    /// What must not be.
    Broken(Broken),
    /// The end of the stream, or a stream that is broken.
    End,
}

impl Tap {
    pub(super) fn new(outbox: Arc<Outbox>, message_bytes_max: usize) -> Self {
        Self { outbox, intake: Intake::new(message_bytes_max) }
    }

    /// The next thing that comes. Nothing is lost when the future is dropped.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        match self.intake.next() {
            Ok(Some(incoming)) => return Poll::Ready(Came::Whole(incoming)),
            Ok(None) => {}
            Err(broken) => return Poll::Ready(Came::Broken(broken)),
        }
        match ready!(self.poll_feed(cx)) {
            Ok(0) | Err(_) => return Poll::Ready(Came::End),
            Ok(_) => {}
        }
        Poll::Ready(match self.intake.next() {
            Ok(Some(incoming)) => Came::Whole(incoming),
            Ok(None) => Came::Part,
            Err(broken) => Came::Broken(broken),
        })
    }

    /// Reads until the peer's close frame, its end, or until `bytes_max` is passed; what it says before is thrown away. Not to
    /// be asked behind [`Came::Broken`].
    pub(super) async fn answered(&mut self, bytes_max: usize) {
        let mut seen = 0;
        loop {
            match self.intake.next() {
                Ok(Some(Incoming::Close(_))) | Err(_) => return,
                Ok(Some(_)) => continue,
                Ok(None) if seen >= bytes_max => return,
                Ok(None) => {}
            }
            match poll_fn(|cx| self.poll_feed(cx)).await {
                Ok(0) | Err(_) => return,
                Ok(bytes) => seen += bytes,
            }
        }
    }

    /// Reads and throws away until the peer closes or `bytes_max` is passed.
    pub(super) async fn discard(self, bytes_max: usize) -> io::Result<()> {
        let mut seen = 0;
        while seen < bytes_max {
            match poll_fn(|cx| self.poll_scrap(cx)).await? {
                0 => break,
                bytes => seen += bytes,
            }
        }
        Ok(())
    }

    /// Feeds what has come; says how much it was.
    fn poll_feed(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = self.outbox.poll_read(cx, &mut buffer);
            self.intake.feed(buffer.filled());
            read.map_ok(|()| buffer.filled().len())
        })
    }

    fn poll_scrap(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = self.outbox.poll_read(cx, &mut buffer);
            read.map_ok(|()| buffer.filled().len())
        })
    }
}
