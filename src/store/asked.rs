//! How whoever asked is answered.
//!
//! Invariant: whoever asked is answered once, after the commit; a command that is dropped unanswered tells its asker
//! so by the broken channel.

use tokio::sync::oneshot;

use super::{Pending, Result, StoreError};

/// The answer that somebody waits for, from its finding to the commit that makes it true.
pub(in crate::store) struct Asked<T> {
    reply: oneshot::Sender<Result<T>>,
    answer: Option<Result<T>>,
    /// Whether the answer is true whatever becomes of a commit.
    stands: bool,
}

impl<T> Asked<T> {
    pub(in crate::store) fn new() -> (Self, Pending<T>) {
        let (reply, pending) = oneshot::channel();
        (Self { reply, answer: None, stands: false }, pending)
    }

    /// Remembers the answer; an earlier one was rolled back.
    pub(in crate::store) fn found(&mut self, answer: Result<T>) {
        self.answer = Some(answer);
    }

    /// Remembers an answer that needs no commit to be true.
    pub(in crate::store) fn found_for_good(&mut self, answer: T) {
        (self.answer, self.stands) = (Some(Ok(answer)), true);
    }

    /// Says no at once.
    pub(in crate::store) fn refuse(self, refusal: StoreError) {
        let _ = self.reply.send(Err(refusal));
    }

    /// Answers: with what was found, or with why it could not be committed. Who asked may have gone.
    pub(in crate::store) fn settle(self, failure: Option<&StoreError>) {
        let answer = match failure {
            Some(cause) if !self.stands => Err(cause.clone()),
            _ => self.answer.unwrap_or_else(|| Err(StoreError::Unavailable("the store has stopped".into()))),
        };
        let _ = self.reply.send(answer);
    }
}
