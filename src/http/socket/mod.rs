//! One WebSocket connection, from the upgrade to the last byte: the loop between socket, session and node.
//!
//! It decides nothing of the protocol (that is `session`) and delivers nothing (that is `node`). Invariant: every
//! subscription that entered leaves exactly once, however the connection ends: [`members::Members`] sees to it.

mod connection;
mod members;
mod perform;
mod places;
mod tap;
mod upgrade;
mod waiting;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant as Deadline, sleep_until, timeout};
use tokio_websockets::{Error as SocketError, Limits as SocketLimits, Message, ServerBuilder, WebSocketStream};

pub use places::Places;
pub(in crate::http) use upgrade::upgrade;

use super::Edge;
use crate::node::{Closing, Outbox, Want};
use crate::session::{Close, Error};
use connection::Connection;
use tap::Tap;

/// How long a peer may take to answer a close frame, or to take what was written before it.
const CLOSING: Duration = Duration::from_secs(2);
/// What a peer may still send then before it is cut off.
const DISCARDED_BYTES_MAX: usize = 4 << 20;
/// WebSocket messages of more than a STOMP frame are refused, with some room for several small frames in one.
const FRAMES_IN_ONE: usize = 2;

/// Runs a connection until it ends.
async fn run(edge: Arc<Edge>, io: Upgraded) {
    let limits = &edge.config.limits;
    let now = Instant::now();
    let (read, write) = tokio::io::split(TokioIo::new(io));
    let outbox = Outbox::new(Box::pin(write), limits.outbox_bytes_max, now);
    let mut socket = ServerBuilder::new()
        .limits(SocketLimits::default().max_payload_len(Some(limits.frame_bytes_max * FRAMES_IN_ONE)))
        .serve(Tap::new(read, Arc::clone(&outbox)));
    let mut connection = Connection::new(Arc::clone(&edge), Arc::clone(&outbox), now);
    // Whoever came in while the node began to drain is not among those whom it tells.
    if edge.is_draining() {
        connection.end(Closing::Draining).await;
    }
    let end = serve(&mut connection, &mut socket).await;
    // The person leaves now: the peer's good manners, or the lack of them, hold no place in a room.
    drop(connection);
    hang_up(end, &outbox, socket).await;
}

/// Who ended the connection.
enum End {
    /// This side: its close frame stands in the outbox.
    Ours,
    /// The peer, by a close frame or by breaking the protocol: the library has the answer ready.
    Theirs,
    /// Nobody reads any more.
    Gone,
}

/// The loop. Ends when the session has ended or the socket is gone.
async fn serve(connection: &mut Connection, socket: &mut WebSocketStream<Tap>) -> End {
    let outbox = Arc::clone(&connection.outbox);
    let timer = sleep_until(Deadline::from_std(connection.deadline()));
    tokio::pin!(timer);
    while !connection.is_closing() {
        let reads = connection.takes_requests();
        tokio::select! {
            want = poll_fn(|cx| outbox.poll_want(cx)) => match want {
                Want::CatchUp(slot) => connection.catch_up(slot).await,
                Want::Gone(slot) => connection.room_gone(slot).await,
                Want::End(closing) => connection.end(closing).await,
                Want::Dead => return End::Gone,
            },
            () = connection.waiting.settle_first(), if !connection.waiting.is_empty() => connection.settled().await,
            message = socket.next(), if reads => match message {
                Some(Ok(message)) => {
                    if message.is_close() {
                        return End::Theirs;
                    }
                    on_message(connection, message).await;
                }
                Some(Err(error)) => return on_broken(connection, &error).await,
                None => return End::Gone,
            },
            () = &mut timer => connection.tick(Instant::now()).await,
        }
        let due = Deadline::from_std(connection.deadline());
        // Most deadlines only move away while the peer lives: the timer is set again when it has gone off, or when
        // something is due earlier.
        if timer.is_elapsed() || due < timer.deadline() {
            timer.as_mut().reset(due);
        }
    }
    End::Ours
}

/// Takes one WebSocket message that is no close frame.
async fn on_message(connection: &mut Connection, message: Message) {
    if message.is_ping() || message.is_pong() {
        connection.sign_of_life();
    } else {
        // Text or binary makes no difference: some clients send binary messages when a frame is large.
        connection.on_bytes(message.into_payload().into()).await;
    }
}

/// The WebSocket itself was broken by the peer: STOMP says why, then comes the close.
async fn on_broken(connection: &mut Connection, error: &SocketError) -> End {
    match error {
        SocketError::PayloadTooLong { max_len, .. } => {
            // The library closes for a large frame, and not for a large message in fragments: this side always does.
            let error = Error::new("frame_too_large", format!("a message has at most {max_len} bytes"));
            let effects = connection.session.end(error);
            connection.perform(effects).await;
            return End::Ours;
        }
        // The library closes, with the right code.
        SocketError::Protocol(error) => {
            connection.say_last(Error::new("bad_frame", format!("the WebSocket protocol was broken: {error}")));
        }
        _ => {}
    }
    End::Theirs
}

/// Sends what waits, and gives the peer a moment to read it and to close from its side: a socket that is dropped
/// with unread bytes in it is reset, and takes the last frames with it.
async fn hang_up(end: End, outbox: &Outbox, mut socket: WebSocketStream<Tap>) {
    let _ = timeout(CLOSING, async {
        if matches!(end, End::Theirs) {
            // One more poll hands over the library's close frame; after it, there is nothing more to come.
            let _ = socket.next().await;
        }
        poll_fn(|cx| outbox.poll_drained(cx)).await;
        let _ = poll_fn(|cx| outbox.poll_shutdown(cx)).await;
        socket.into_inner().discard(DISCARDED_BYTES_MAX).await;
    })
    .await;
}

/// How the end is announced: everything but a node that goes away is explained by an ERROR frame first.
fn ending(closing: Closing) -> Result<Error, Close> {
    match closing {
        Closing::Account => {
            Ok(Error::new("user_disabled", "this account was disabled, or its password or role changed"))
        }
        Closing::Draining => Err(Close::Restart),
    }
}
