//! The reading side of a connection.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, ReadHalf};

use super::intake::{Broken, Incoming, Intake};

/// What is read at a time. All connections of a thread share it: bytes are in it only while they are looked at.
const READ_BYTES: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// Reads WebSocket messages. Writing is the outbox's alone, so that a pong never lands in the middle of a MESSAGE.
pub(super) struct Tap {
    read: ReadHalf<TokioIo<Upgraded>>,
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
    pub(super) fn new(read: ReadHalf<TokioIo<Upgraded>>, message_bytes_max: usize) -> Self {
        Self { read, intake: Intake::new(message_bytes_max) }
    }

    /// The next thing that comes. Nothing is lost when the future is dropped.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Came> {
        match self.intake.next() {
            Ok(Some(incoming)) => return Poll::Ready(Came::Whole(incoming)),
            Ok(None) => {}
            Err(broken) => return Poll::Ready(Came::Broken(broken)),
        }
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = Pin::new(&mut self.read).poll_read(cx, &mut buffer);
            self.intake.feed(buffer.filled());
            read.map(|read| read.map(|()| buffer.filled().len()))
        });
        match ready!(read) {
            Ok(0) | Err(_) => return Poll::Ready(Came::End),
            Ok(_) => {}
        }
        Poll::Ready(match self.intake.next() {
            Ok(Some(incoming)) => Came::Whole(incoming),
            Ok(None) => Came::Part,
            Err(broken) => Came::Broken(broken),
        })
    }

    /// Reads and throws away until the peer closes or `bytes_max` is passed.
    pub(super) async fn discard(mut self, bytes_max: usize) -> io::Result<()> {
        let mut scrap = [0; 1024];
        let mut seen = 0;
        while seen < bytes_max {
            match self.read.read(&mut scrap).await? {
                0 => break,
                bytes => seen += bytes,
            }
        }
        Ok(())
    }
}
