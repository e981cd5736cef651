//! The side of the node that speaks with the client, for a session that another node owns.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::words::{Answer, Question, Take, What};
use crate::http::Edge;
use crate::http::error::Problem;
use crate::http::limit::RetryAfter;
use crate::http::sockjs::frames::{Close, Frame};
use crate::http::sockjs::pipe::Told;
use crate::store::{Peer, Relay, RelayError};

/// How long a take waits at the owner for something to tell; a node that was killed while it waits is found out then.
const WAIT: Duration = Duration::from_secs(5);
/// How much later than that the answer may come, until it is asked for again.
const LATE_MAX: Duration = Duration::from_secs(3);
/// For how long it is asked for again beyond the time to wait: a short absence of Redis ends no session.
const AGAIN_MAX: Duration = Duration::from_secs(7);
/// Between two questions where Redis is away.
const AGAIN: Duration = Duration::from_millis(200);
/// How often the owner hears that a receiver is there whose client takes its time.
const KEEP: Duration = Duration::from_secs(3);
/// For how long it is tried to tell the owner that a client is gone; it finds out by itself.
const TELL_MAX: Duration = Duration::from_secs(5);
/// What clients say that is on its way to other nodes at once, in KiB. Redis cuts off a node for which 32 MiB wait.
const SAYING_KIB_MAX: u32 = 8 * 1024;

/// Numbers of receivers, and how much is on its way.
pub(in crate::http::sockjs) struct Relayed {
    receivers: AtomicU64,
    saying: tokio::sync::Semaphore,
}

impl Default for Relayed {
    fn default() -> Self {
        Self { receivers: AtomicU64::new(0), saying: tokio::sync::Semaphore::new(SAYING_KIB_MAX as usize) }
    }
}

/// Why the owner tells nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http::sockjs) enum Trouble {
    /// It knows no such session: not yet, or not any more.
    Unknown,
    /// It is gone.
    Gone,
    /// It cannot be asked now.
    Away(RelayError),
}

impl Trouble {
    /// As whoever asks is told.
    pub(in crate::http::sockjs) fn problem(&self) -> Problem {
        let (code, detail) = match self {
            Self::Away(RelayError::Busy) => ("busy", "too many requests wait for other nodes; try again in a moment"),
            _ => ("unavailable", "the node that has this session cannot be reached now; connect again in a moment"),
        };
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, code).detail(detail).retry_after(RetryAfter::soon())
    }

    /// What metrics call it.
    const fn name(&self) -> &'static str {
        match self {
            Self::Unknown | Self::Gone => "gone",
            Self::Away(_) => "failed",
        }
    }
}

/// The right to receive from a session of another node. Whoever drops it unfinished breaks off.
pub(in crate::http::sockjs) struct Far {
    wants: mpsc::Sender<Want>,
    told: mpsc::Receiver<Result<Option<Told>, Trouble>>,
    first: Option<Told>,
    is_asked: bool,
}

/// What a receiver wants of its courier.
enum Want {
    Next,
    Done,
}

impl Far {
    /// Asks for the right to receive: one frame within this time, or, where that is `None`, frames without an end.
    ///
    /// # Errors
    /// [`Trouble`].
    pub(in crate::http::sockjs) async fn begin(
        edge: &Arc<Edge>,
        relay: &Relay,
        owner: &Peer,
        session: &str,
        one_within: Option<Duration>,
    ) -> Result<Self, Trouble> {
        let (wants, wanted) = mpsc::channel(1);
        // One at a time is wanted, so there is always room for it.
        let (tell, told) = mpsc::channel(1);
        let courier = Courier {
            edge: Arc::clone(edge),
            relay: relay.clone(),
            owner: owner.clone(),
            session: session.into(),
            receiver: edge.sessions.relayed.receivers.fetch_add(1, Ordering::Relaxed),
            end: one_within.map(|time| Instant::now() + time),
            number: 0,
        };
        tokio::spawn(courier.run(wanted, tell));
        let mut far = Self { wants, told, first: None, is_asked: false };
        let first = std::future::poll_fn(|cx| far.poll_item(cx)).await;
        match &first {
            // It is looked for anew.
            Some(Err(Trouble::Unknown)) => {}
            Some(Err(trouble)) => edge.meters.relayed(trouble.name()),
            _ => edge.meters.relayed("answered"),
        }
        far.first = first.transpose()?.flatten();
        Ok(far)
    }

    /// The next frame; `None` where there are no more.
    pub(in crate::http::sockjs) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        loop {
            return match std::task::ready!(self.poll_item(cx)) {
                None => Poll::Ready(None),
                Some(Ok(Some(told))) => Poll::Ready(Some(told)),
                Some(Ok(None)) => continue,
                // The client cannot know what else there would have been.
                Some(Err(_)) => Poll::Ready(Some(Told::Frame(Frame::Close(Close::interrupted())))),
            };
        }
    }

    fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Option<Told>, Trouble>>> {
        if !self.is_asked {
            self.is_asked = self.wants.try_send(Want::Next).is_ok();
        }
        let item = std::task::ready!(self.told.poll_recv(cx));
        self.is_asked = false;
        Poll::Ready(item)
    }

    /// The request has its answer. Whoever waits for the end behind this knows that the owner knows.
    pub(in crate::http::sockjs) fn done(&self) {
        let _ = self.wants.try_send(Want::Done);
    }

    /// Waits for the end.
    pub(in crate::http::sockjs) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while std::task::ready!(self.told.poll_recv(cx)).is_some() {}
        Poll::Ready(())
    }
}

/// Goes between a receiver and the owner. It lives until the owner knows that the receiver has ended.
struct Courier {
    edge: Arc<Edge>,
    relay: Relay,
    owner: Peer,
    session: Box<str>,
    receiver: u64,
    /// Until when one frame is waited for, where one is all.
    end: Option<Instant>,
    number: u32,
}

impl Courier {
    async fn run(mut self, mut wants: mpsc::Receiver<Want>, told: mpsc::Sender<Result<Option<Told>, Trouble>>) {
        loop {
            match self.wanted(&mut wants).await {
                Some(Want::Next) => {}
                Some(Want::Done) => return self.done().await,
                None => return self.broke().await,
            }
            let next = tokio::select! {
                next = self.next() => next,
                // Nothing is wanted beside the next one; so this is the end.
                _ = wants.recv() => return self.broke().await,
            };
            let (item, is_over) = match next {
                Ok((told, is_over)) => (Ok(told), is_over),
                Err(trouble) => {
                    if self.number > 1 {
                        self.edge.meters.relayed("interrupted");
                    }
                    (Err(trouble), true)
                }
            };
            if item == Ok(None) && is_over {
                return;
            }
            if told.send(item).await.is_err() {
                return self.broke().await;
            }
            if is_over {
                return;
            }
        }
    }

    /// What is wanted next; the owner hears meanwhile that somebody is there.
    async fn wanted(&self, wants: &mut mpsc::Receiver<Want>) -> Option<Want> {
        loop {
            match timeout(KEEP, wants.recv()).await {
                Ok(want) => return want,
                Err(_) => {
                    let keep = Question::Keep { receiver: self.receiver }.write(&self.session);
                    self.relay.tell(&self.owner, &keep, KEEP).await;
                }
            }
        }
    }

    /// The next thing to tell, and whether the turn is over with it. Nothing is told for the beginning of what has no end,
    /// and at the end of the time for one.
    async fn next(&mut self) -> Result<(Option<Told>, bool), Trouble> {
        loop {
            let is_beginning = self.number == 0 && self.end.is_none();
            let left = self.end.map_or(WAIT, |end| end.saturating_duration_since(Instant::now()));
            // Whether there is such a session at all is known at once.
            let wait = if is_beginning { Duration::ZERO } else { left.min(WAIT) };
            let take = Take {
                receiver: self.receiver,
                number: self.number,
                wait_ms: u32::try_from(wait.as_millis()).unwrap_or(u32::MAX),
                is_one: self.end.is_some(),
                is_last: self.end.is_some() && left <= WAIT,
            };
            let Answer { what, is_over } = self.ask(&Question::Take(take), wait).await?;
            self.number += 1;
            match what {
                What::Frame(frame) => return Ok((Some(Told::Frame(frame)), is_over)),
                What::ComeAgain => return Ok((Some(Told::ComeAgain), is_over)),
                What::Nothing if is_beginning || is_over => return Ok((None, is_over)),
                What::Nothing => {}
                What::Unknown => return Err(Trouble::Unknown),
                What::Lost | What::Yes | What::Gone | What::Busy => {
                    return Ok((Some(Told::Frame(Frame::Close(Close::interrupted()))), true));
                }
            }
        }
    }

    async fn done(&self) {
        let done = Question::Done { receiver: self.receiver };
        if let Err(trouble) = self.ask(&done, Duration::ZERO).await {
            tracing::debug!(?trouble, "the owner of a SockJS session does not hear that its receiver is done");
        }
    }

    async fn broke(&self) {
        let broke = Question::Broke { receiver: self.receiver }.write(&self.session);
        self.relay.tell(&self.owner, &broke, TELL_MAX).await;
    }

    /// Asks until there is an answer. What is asked so may be asked again.
    async fn ask(&self, question: &Question, wait: Duration) -> Result<Answer, Trouble> {
        let question = question.write(&self.session);
        let end = Instant::now() + wait + AGAIN_MAX;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let answered = self.relay.ask(&self.owner, &question, left.min(wait + LATE_MAX)).await;
            match answered {
                Ok(answer) => match Answer::read(answer) {
                    Some(answer) => return Ok(answer),
                    None => return Err(away("another node answers what this version does not read")),
                },
                Err(RelayError::Gone) => return Err(Trouble::Gone),
                Err(trouble @ RelayError::Busy) => return Err(Trouble::Away(trouble)),
                Err(trouble) if Instant::now() + AGAIN >= end => return Err(Trouble::Away(trouble)),
                Err(_) => sleep(AGAIN).await,
            }
        }
    }
}

/// Brings what a client says to a session of another node; false where it hears nothing any more.
///
/// # Errors
/// A problem where it may not have been heard.
pub(in crate::http::sockjs) async fn say(
    edge: &Edge,
    relay: &Relay,
    owner: &Peer,
    session: &str,
    frames: BytesMut,
) -> Result<bool, Problem> {
    let patience = Duration::from_secs(edge.config.limits.request_seconds_max);
    let kib = u32::try_from(frames.len() / 1024 + 1).unwrap_or(u32::MAX).min(SAYING_KIB_MAX);
    let Ok(Ok(_room)) = timeout(patience, edge.sessions.relayed.saying.acquire_many(kib)).await else {
        edge.meters.relayed("failed");
        return Err(Trouble::Away(RelayError::Busy).problem());
    };
    let question = Question::Say { frames: Bytes::from(frames) }.write(session);
    // Asked once: what was heard twice would be said twice.
    let answered = pin!(relay.ask(owner, &question, patience + LATE_MAX)).await;
    let what = answered.map(|answer| Answer::read(answer).map(|answer| answer.what));
    let (result, outcome) = match what {
        Ok(Some(What::Yes)) => ("answered", Ok(true)),
        Ok(Some(What::Unknown | What::Gone)) => ("answered", Ok(false)),
        Ok(Some(What::Busy)) => ("answered", Err(busy())),
        Ok(_) => ("failed", Err(away("another node answers what this version does not read").problem())),
        Err(RelayError::Gone) => ("gone", Ok(false)),
        Err(trouble) => ("failed", Err(Trouble::Away(trouble).problem())),
    };
    edge.meters.relayed(result);
    outcome
}

/// The session does not read on.
pub(in crate::http::sockjs) fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy")
        .detail("the session does not read on: messages wait for the disk; connect again")
        .retry_after(RetryAfter::soon())
}

fn away(why: &str) -> Trouble {
    Trouble::Away(RelayError::Unavailable(why.into()))
}
