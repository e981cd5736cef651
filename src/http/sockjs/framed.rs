//! SockJS frames over a real WebSocket.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::address::Named;
use super::frames::{CLOSE, Frame, PING, PONG, TEXT, close_of, first, join};
use super::said;
use crate::http::Edge;
use crate::http::error::Problem;
use crate::http::socket::{self, Broken, Incoming, Intake};
use crate::node::{Socket, web_socket_frame};

/// What is read at a time, as by a plain WebSocket: all connections of a thread share it.
const READ_BYTES: usize = 16 * 1024;
/// From how many bytes of frames on no more are made before these are written.
const AT_A_TIME_BYTES: usize = 16 * 1024;
/// What the connection behind is given in place of what was broken, so that it says what it always says to that: a
/// reserved bit, a letter that is none, a length beyond every limit (with the mask bit, and nothing behind it).
const BROKEN_FRAME: [u8; 2] = [0xF1, 0x80];
const BROKEN_TEXT: [u8; 7] = [0x81, 0x81, 0, 0, 0, 0, 0xFF];
const BROKEN_LENGTH: [u8; 10] = [0x81, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// `GET .../websocket`. The session lives as long as the socket, and two may have one name (the protocol, "WebSocket").
pub(super) async fn open(State(edge): State<Arc<Edge>>, name: Result<Named, Problem>, request: Request) -> Response {
    if let Err(problem) = name {
        return problem.into_response();
    }
    socket::accept(edge, request, |edge, io| {
        let beat_every = Duration::from_secs(edge.config.sockjs.heartbeat_seconds.into());
        let counted = edge.meters.sockjs("websocket");
        let bytes_max = edge.config.limits.sockjs_request_bytes_max;
        async move {
            socket::run(edge, Box::new(Framed::new(io, beat_every, bytes_max)), true).await;
            drop(counted);
        }
    })
}

/// A WebSocket whose text is SockJS. The connection behind it writes and reads STOMP, as ever; pings, pongs and closes go
/// through. Holds nothing while nothing is on its way.
struct Framed {
    io: Socket,
    intake: Intake,
    /// Whole frames of the server on their way.
    out: BytesMut,
    /// Whole frames of the client on theirs.
    incoming: BytesMut,
    beat: Pin<Box<Sleep>>,
    beat_every: Duration,
    is_broken: bool,
}

impl Framed {
    fn new(io: Socket, beat_every: Duration, message_bytes_max: usize) -> Self {
        let (mut out, incoming) = (BytesMut::new(), BytesMut::new());
        web_socket_frame(TEXT, &Frame::Open.bytes(), &mut out);
        let beat = Box::pin(sleep(beat_every));
        Self { io, intake: Intake::new(message_bytes_max), out, incoming, beat, beat_every, is_broken: false }
    }

    /// Writes what is on its way.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.out.advance(written),
            }
        }
        // An empty rest would hold the memory of all that went before.
        self.out = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// The heart-beat, where nothing else is on its way.
    fn poll_beat(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.beat.as_mut().poll(cx).is_ready() {
            if self.out.is_empty() {
                web_socket_frame(TEXT, &Frame::Beat.bytes(), &mut self.out);
            }
            self.beat.as_mut().reset(Instant::now() + self.beat_every);
        }
        if !self.out.is_empty()
            && let Poll::Ready(()) = self.poll_out(cx)?
        {
            let _ = Pin::new(&mut self.io).poll_flush(cx)?;
        }
        Ok(())
    }

    /// Turns what came into frames for the connection; false where it takes more for that.
    fn turn(&mut self) -> bool {
        match self.intake.next() {
            Ok(None) => return false,
            // An empty message says nothing.
            Ok(Some(Incoming::Message(text))) if text.is_empty() => {}
            Ok(Some(Incoming::Message(text))) => match said::read(&text) {
                Ok(frames) => self.incoming = frames,
                Err(said::Broken) => self.fail(&BROKEN_TEXT),
            },
            Ok(Some(Incoming::Ping(payload))) => said::frame(PING, &payload, &mut self.incoming),
            Ok(Some(Incoming::Pong)) => said::frame(PONG, b"", &mut self.incoming),
            Ok(Some(Incoming::Close(code))) => {
                let code = code.map(u16::to_be_bytes);
                said::frame(CLOSE, code.as_ref().map_or(&[][..], |code| &code[..]), &mut self.incoming);
            }
            Err(Broken::Protocol(_)) => self.fail(&BROKEN_FRAME),
            Err(Broken::NotText) => self.fail(&BROKEN_TEXT),
            Err(Broken::TooLarge) => self.fail(&BROKEN_LENGTH),
        }
        true
    }

    fn fail(&mut self, instead: &[u8]) {
        self.incoming.extend_from_slice(instead);
        self.is_broken = true;
    }
}

impl AsyncRead for Framed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.poll_beat(cx)?;
        while this.incoming.is_empty() {
            // Nothing behind what is broken is looked at; whoever hangs up waits for the end of the stream alone.
            if !this.is_broken && this.turn() {
                continue;
            }
            let length = SCRATCH.with_borrow_mut(|scratch| {
                let mut read = ReadBuf::new(scratch);
                let polled = Pin::new(&mut this.io).poll_read(cx, &mut read);
                if !this.is_broken {
                    this.intake.feed(read.filled());
                }
                polled.map_ok(|()| read.filled().len())
            });
            if ready!(length)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        let length = this.incoming.len().min(buf.remaining());
        buf.put_slice(&this.incoming[..length]);
        this.incoming.advance(length);
        if this.incoming.is_empty() {
            this.incoming = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Framed {
    /// Takes whole frames, of which messages that follow each other become one frame of SockJS. An outbox writes nothing
    /// but whole frames: what it has left over begins where this ended.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_out(cx))?;
        let (mut taken, mut messages) = (0, BytesMut::new());
        while messages.len() + this.out.len() < AT_A_TIME_BYTES
            && let Some((opcode, payload, length)) = first(&bytes[taken..])
        {
            taken += length;
            if opcode == TEXT {
                join(payload, &mut messages);
                continue;
            }
            put_messages(&mut messages, &mut this.out);
            if opcode == CLOSE {
                web_socket_frame(TEXT, &Frame::Close(close_of(payload)).bytes(), &mut this.out);
            }
            web_socket_frame(opcode, payload, &mut this.out);
        }
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        put_messages(&mut messages, &mut this.out);
        // What is not taken now is flushed later.
        let _ = this.poll_out(cx)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn put_messages(messages: &mut BytesMut, to: &mut BytesMut) {
    if !messages.is_empty() {
        let messages = std::mem::take(messages).freeze();
        web_socket_frame(TEXT, &Frame::Messages(messages).bytes(), to);
    }
}
