//! One connection, from the upgrade of its WebSocket to the last byte: the loop between socket, session and node.
//! What carries the frames may be no WebSocket: see [`super::sockjs`].
//!
//! It decides nothing of the protocol (that is `session`) and delivers nothing (that is `node`). Invariant: every
//! subscription that entered leaves exactly once, however the connection ends: [`members::Members`] sees to it.

mod connection;
mod intake;
mod members;
mod perform;
mod places;
mod reading;
mod tap;
mod upgrade;
mod waiting;

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{Instant as Deadline, sleep_until, timeout};

pub(in crate::http) use intake::{Broken, Incoming, Intake};
pub(in crate::http) use places::Place;
pub use places::Places;
pub(in crate::http) use upgrade::{accept, admit, upgrade};

use super::Edge;
use crate::meter::Held;
use crate::node::{Closing, Outbox, Socket, Want};
use crate::session::{Close, Error};
use connection::Connection;
use tap::{Came, Tap};

/// How long a peer may take for all of the end: to take what was written, to answer the close frame, and to close.
const CLOSING: Duration = Duration::from_secs(2);
/// How long it may take to answer the close frame.
const ANSWERING: Duration = Duration::from_secs(1);
/// What a peer may still send then before it is cut off.
const DISCARDED_BYTES_MAX: usize = 4 << 20;
/// WebSocket messages of more than a STOMP frame are refused, with some room for several small frames in one.
const FRAMES_IN_ONE: usize = 2;

/// Runs a connection until it ends, over whatever carries the frames of a WebSocket; it `holds_back` what it took until it
/// is flushed, or does not.
pub(in crate::http) async fn run(edge: Arc<Edge>, socket: Socket, holds_back: bool) {
    let limits = &edge.config.limits;
    let now = Instant::now();
    let outbox = Outbox::new(socket, holds_back, limits.outbox_bytes_max, now);
    let mut tap = Tap::new(Arc::clone(&outbox), limits.frame_bytes_max * FRAMES_IN_ONE);
    let mut connection = Connection::new(Arc::clone(&edge), Arc::clone(&outbox), now);
    // Whoever comes while the store is away was not there when that was told.
    if edge.node.is_store_away() {
        outbox.look();
    }
    // Whoever came in while the node began to drain is not among those whom it tells.
    if edge.is_draining() {
        connection.end(Closing::Draining).await;
    }
    let end = serve(&mut connection, &mut tap).await;
    let unanswered = Held::of(&edge.unanswered);
    // The person leaves now: the peer's good manners, or the lack of them, hold no place in a room.
    drop(connection);
    Box::pin(hang_up(end, &outbox, tap, unanswered)).await;
}

/// Who ended the connection.
enum End {
    /// This side: its close frame stands in the outbox, and is to be answered.
    Asked,
    /// The peer, whose close frame is answered in the outbox; or it broke the protocol, and what it says is not looked at
    /// any more (RFC 6455, section 7.1.7).
    Told,
    /// Nobody reads any more.
    Gone,
}

/// The loop. Ends when the session has ended or the socket is gone.
async fn serve(connection: &mut Connection, tap: &mut Tap) -> End {
    let outbox = Arc::clone(&connection.outbox);
    let timer = sleep_until(Deadline::from_std(connection.deadline()));
    tokio::pin!(timer);
    while !connection.is_closing() {
        let reads = connection.takes_requests();
        tokio::select! {
            want = poll_fn(|cx| outbox.poll_want(cx)) => match want {
                Want::CatchUp(slot) => Box::pin(connection.catch_up(slot)).await,
                Want::Gone(slot) => Box::pin(connection.room_gone(slot)).await,
                Want::Look => Box::pin(connection.look()).await,
                Want::End(closing) => Box::pin(connection.end(closing)).await,
                Want::Dead => return End::Gone,
            },
            () = connection.waiting.settle_first(), if !connection.waiting.is_empty() => {
                Box::pin(connection.settled()).await;
            }
            came = poll_fn(|cx| tap.poll_next(cx)), if reads => match came {
                Came::Whole(Incoming::Message(bytes)) => Box::pin(connection.on_bytes(bytes)).await,
                Came::Whole(Incoming::Ping(payload)) => {
                    connection.sign_of_life();
                    outbox.pong(&payload);
                }
                // Part of a message is a sign of life, too (STOMP 1.2, Heart-beating: "any new data").
                Came::Whole(Incoming::Pong) | Came::Part => connection.sign_of_life(),
                Came::Whole(Incoming::Close(code)) => {
                    outbox.answer_close(code);
                    return End::Told;
                }
                Came::Broken(broken) => {
                    Box::pin(on_broken(connection, broken)).await;
                    return End::Told;
                }
                Came::End => return End::Gone,
            },
            () = &mut timer => Box::pin(connection.tick(Instant::now())).await,
        }
        let due = Deadline::from_std(connection.deadline());
        // Most deadlines only move away while the peer lives: the timer is set again when it has gone off, or when
        // something is due earlier.
        if timer.is_elapsed() || due < timer.deadline() {
            timer.as_mut().reset(due);
        }
    }
    End::Asked
}

/// The WebSocket itself was broken by the peer: STOMP says why, then comes the close (RFC 6455, section 7.4.1).
async fn on_broken(connection: &mut Connection, broken: Broken) {
    match broken {
        Broken::Protocol(why) => {
            connection.say_last(Error::new("bad_frame", format!("the WebSocket protocol was broken: {why}")));
            connection.outbox.close(1002, "");
        }
        Broken::NotText => connection.outbox.close(1007, ""),
        Broken::TooLarge => {
            let bytes_max = connection.edge.config.limits.frame_bytes_max * FRAMES_IN_ONE;
            let error = Error::new("frame_too_large", format!("a message has at most {bytes_max} bytes"));
            let effects = connection.session.end(error);
            connection.perform(effects).await;
        }
    }
}

/// Sends what waits, and gives the peer a moment to read it, to answer, and to close from its side: a socket that is dropped
/// with unread bytes in it is reset, and takes the last frames with it. Only behind the peer's close frame is the writing half
/// closed (RFC 6455, section 7.1.1): over TLS many clients cannot write any more once they have read that end, and take a
/// close that they could not answer for a broken connection (1006).
async fn hang_up(end: End, outbox: &Outbox, mut tap: Tap, unanswered: Held) {
    let _ = timeout(CLOSING, async {
        if !matches!(end, End::Gone) {
            poll_fn(|cx| outbox.poll_drained(cx)).await;
        }
        if matches!(end, End::Asked) {
            let _ = timeout(ANSWERING, tap.answered(DISCARDED_BYTES_MAX)).await;
        }
        let _ = poll_fn(|cx| outbox.poll_shutdown(cx)).await;
        drop(unanswered);
        let _ = tap.discard(DISCARDED_BYTES_MAX).await;
    })
    .await;
}

/// How the end is announced: everything but a node that goes away is explained by an ERROR frame first.
fn ending(closing: Closing) -> Result<Error, Close> {
    match closing {
        Closing::Account => {
            Ok(Error::new("user_disabled", "this account was disabled, or its password or role changed"))
        }
        // Signing in says the rest: with the store's data its sign-in sessions and tokens are gone.
        Closing::Anew => Ok(Error::new(
            "token_invalid",
            "the server has lost its data or begins anew: this account is not there now",
        )),
        Closing::Draining => Err(Close::Restart),
    }
}
