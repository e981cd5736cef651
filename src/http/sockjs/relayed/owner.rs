//! The owner's side: receivers at other nodes hold the turn of a session here, and what clients say there arrives here.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{sleep, timeout};

use super::words::{Answer, Question, Take, What};
use crate::http::Edge;
use crate::http::sockjs::frames::Frame;
use crate::http::sockjs::pipe::{Pipe, Told, Turn};
use crate::store::{Errand, Peer, Relay, Reply};

/// How long a receiver may be silent between two words. It says something every three seconds, and asks again for an answer
/// that did not come within eight.
const SILENT_MAX: Duration = Duration::from_secs(12);
/// The same where nobody heard the last answer: the node is gone, or about to connect again.
const UNHEARD_MAX: Duration = Duration::from_secs(3);
/// How long an answer is tried to be delivered.
const TELL_MAX: Duration = Duration::from_secs(3);
/// How long a take may wait, whatever it asks for.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Words of one receiver that wait: it says one after the other.
const WORDS_MAX: usize = 4;

/// Receivers at other nodes, by their session: the one that has the turn, or had it last.
#[derive(Default)]
pub(in crate::http::sockjs) struct Receivers(Mutex<HashMap<Box<str>, Known>>);

struct Known {
    who: Who,
    words: mpsc::Sender<Word>,
}

/// A receiver: its node, and its number there.
type Who = (Peer, u64);

/// What a receiver says.
enum Word {
    Take(Take, Reply),
    Keep,
    Done(Reply),
    Broke,
}

/// Answers what other nodes ask about the sessions of this one, for as long as it is polled.
pub async fn answer_nodes(edge: Arc<Edge>) {
    let Some(mut errands) = edge.relay.as_ref().and_then(Relay::asked) else { return };
    while let Some(errand) = errands.recv().await {
        // One after the other, and without waiting: what a receiver says is heard in its order.
        hear(&edge, errand);
    }
}

fn hear(edge: &Arc<Edge>, Errand { from, body, reply }: Errand) {
    let Some((session, question)) = Question::read(body) else {
        return tracing::warn!(node = ?from, "another node asks about a session what this version does not read");
    };
    match (question, reply) {
        (Question::Take(take), Some(reply)) => begin(edge, session, (from, take.receiver), take, reply),
        (Question::Keep { receiver }, _) => drop(tell(edge, &session, &(from, receiver), Word::Keep)),
        (Question::Broke { receiver }, _) => drop(tell(edge, &session, &(from, receiver), Word::Broke)),
        (Question::Done { receiver }, Some(reply)) => {
            if let Err(Word::Done(reply)) = tell(edge, &session, &(from, receiver), Word::Done(reply)) {
                answer(reply, &What::Yes.over());
            }
        }
        (Question::Say { frames }, Some(reply)) => {
            let pipe = edge.sessions.find(&session);
            let wait = Duration::from_secs(edge.config.limits.request_seconds_max);
            tokio::spawn(async move {
                let said = match pipe {
                    None => What::Unknown,
                    Some(pipe) => match timeout(wait, pipe.say(BytesMut::from(frames))).await {
                        Ok(Ok(())) => What::Yes,
                        Ok(Err(_)) => What::Gone,
                        Err(_) => What::Busy,
                    },
                };
                reply.send(&said.over().write(), TELL_MAX).await;
            });
        }
        (Question::Take(_) | Question::Done { .. } | Question::Say { .. }, None) => {}
    }
}

/// Hands a word to the receiver that it is of, or gives it back where there is none.
fn tell(edge: &Edge, session: &str, who: &Who, word: Word) -> Result<(), Word> {
    let all = edge.sessions.receivers.0.lock();
    match all.get(session).filter(|known| known.who == *who).map(|known| &known.words) {
        None => Err(word),
        Some(words) => match words.try_send(word) {
            // One that says too much at once is not answered, and asks again.
            Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
            Err(TrySendError::Closed(word)) => Err(word),
        },
    }
}

fn begin(edge: &Arc<Edge>, session: Box<str>, who: Who, take: Take, reply: Reply) {
    let Err(Word::Take(take, reply)) = tell(edge, &session, &who, Word::Take(take, reply)) else { return };
    let Some(pipe) = edge.sessions.find(&session) else { return answer(reply, &What::Unknown.over()) };
    if take.number > 0 {
        return answer(reply, &What::Lost.over());
    }
    let turn = match pipe.receive() {
        Ok(turn) => turn,
        Err(told) => return answer(reply, &What::Frame(told).over()),
    };
    let (words, said) = mpsc::channel(WORDS_MAX);
    let _ = words.try_send(Word::Take(take, reply));
    // Whoever had it before has got what there was to get: the client comes again.
    edge.sessions.receivers.0.lock().insert(session.clone(), Known { who: who.clone(), words });
    let receiver = Receiver { pipe, turn: Some(turn), words: said, told: None, is_heard: true };
    let edge = Arc::clone(edge);
    tokio::spawn(async move {
        receiver.serve().await;
        let mut all = edge.sessions.receivers.0.lock();
        if all.get(&session).is_some_and(|known| known.who == who) {
            all.remove(&session);
        }
    });
}

fn answer(reply: Reply, answer: &Answer) {
    let answer = answer.write();
    tokio::spawn(async move { reply.send(&answer, TELL_MAX).await });
}

impl Receivers {
    /// The session is forgotten.
    pub(in crate::http::sockjs) fn forget(&self, session: &str) {
        self.0.lock().remove(session);
    }
}

/// One receiver, from its first take until it is done, silent for too long, or followed by another.
struct Receiver {
    pipe: Arc<Pipe>,
    turn: Option<Turn>,
    words: mpsc::Receiver<Word>,
    /// The last answer, until the next is asked for.
    told: Option<(u32, Answer)>,
    /// Whether somebody heard it.
    is_heard: bool,
}

impl Receiver {
    /// A turn that is still held when this ends breaks off, as with a connection that breaks.
    async fn serve(mut self) {
        loop {
            let silent_max = if self.is_heard { SILENT_MAX } else { UNHEARD_MAX };
            match timeout(silent_max, self.words.recv()).await {
                Ok(Some(Word::Take(take, reply))) => {
                    let Some(reply) = self.take(take, reply).await else { return };
                    if let Some((_, answer)) = &self.told {
                        self.is_heard = reply.send(&answer.write(), TELL_MAX).await;
                    }
                }
                Ok(Some(Word::Keep)) => {}
                Ok(Some(Word::Done(reply))) => return self.done(reply).await,
                Ok(Some(Word::Broke)) => return self.pipe.break_off(),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Finds the answer to a take, and to whom it goes; `None` where the receiver has ended meanwhile.
    async fn take(&mut self, take: Take, mut reply: Reply) -> Option<Reply> {
        if self.told.as_ref().is_some_and(|(number, _)| *number == take.number) {
            return Some(reply);
        }
        let Some(mut turn) = self.turn.take() else {
            self.told = Some((take.number, What::Lost.over()));
            return Some(reply);
        };
        self.told = None;
        let wait = sleep(Duration::from_millis(take.wait_ms.into()).min(WAIT_MAX));
        tokio::pin!(wait);
        let (what, is_over) = loop {
            tokio::select! {
                biased;
                told = poll_fn(|cx| turn.poll_next(cx)) => break match told {
                    Told::Frame(frame) => {
                        let is_over = take.is_one || matches!(frame, Frame::Close(_));
                        (What::Frame(frame), is_over)
                    }
                    Told::ComeAgain => (What::ComeAgain, true),
                },
                word = self.words.recv() => match word {
                    // Asked again: the answer goes to who asked last.
                    Some(Word::Take(_, again)) => reply = again,
                    Some(Word::Keep) => {}
                    Some(Word::Done(reply)) => {
                        self.turn = Some(turn);
                        self.done(reply).await;
                        return None;
                    }
                    // The turn is dropped unfinished.
                    Some(Word::Broke) | None => return None,
                },
                () = &mut wait => break (What::Nothing, take.is_last),
            }
        };
        if is_over {
            turn.done();
        } else {
            self.turn = Some(turn);
        }
        self.told = Some((take.number, Answer { what, is_over }));
        Some(reply)
    }

    async fn done(&mut self, reply: Reply) {
        if let Some(turn) = self.turn.take() {
            turn.done();
        }
        reply.send(&What::Yes.over().write(), TELL_MAX).await;
    }
}
