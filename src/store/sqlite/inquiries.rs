//! Who somebody is, asked by many at once.
//!
//! After a restart everybody comes back within seconds, and each CONNECT reads an account. To wake a thread for each
//! of them costs more than the reading: whoever asks while an answer is on its way is answered with the next one.
//! Invariant: what is answered was read after it was asked, or is still [`Known`].

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Sqlite;
use super::accounts::account;
use super::fault::Fault;
use super::reader::Lane;
use crate::chat::Name;
use crate::store::{Account, Result, StoreError, settled};

/// Those who wait for an answer.
#[derive(Default)]
pub(super) struct Inquiries {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Inquiry>,
    /// Whether somebody is on the way to answer them.
    is_called: bool,
}

struct Inquiry {
    name: Name,
    asked: oneshot::Sender<Result<Option<Account>>>,
}

impl Inquiries {
    /// One more; true when somebody has to be called.
    fn add(&self, inquiry: Inquiry) -> bool {
        let mut state = self.state.lock();
        state.waiting.push(inquiry);
        !std::mem::replace(&mut state.is_called, true)
    }

    /// All that wait now. Whoever comes from here on calls somebody else.
    fn take(&self) -> Vec<Inquiry> {
        let mut state = self.state.lock();
        state.is_called = false;
        std::mem::take(&mut state.waiting)
    }
}

impl Sqlite {
    /// See [`crate::store::Store::account`].
    pub async fn account(&self, name: Name) -> Result<Option<Account>> {
        if let Some(account) = self.shared.known.account(&name) {
            return Ok(Some(account));
        }
        let (asked, answer) = oneshot::channel();
        if self.shared.inquiries.add(Inquiry { name, asked }) {
            let store = self.clone();
            tokio::spawn(async move { store.answer_inquiries().await });
        }
        settled(answer).await
    }

    async fn answer_inquiries(&self) {
        let store = self.clone();
        let read = self.read_with(Lane::Door, move |file| {
            let (known, age) = (&store.shared.known, store.shared.known.age());
            // The file is looked at for the first time behind this line, so what is read is newer than each question.
            for Inquiry { name, asked } in store.shared.inquiries.take() {
                let answer = account(file, &name).map_err(|cause| StoreError::from(Fault::from(cause)));
                if let Ok(Some(account)) = &answer {
                    known.learn(account, age);
                }
                // Who asked may have gone.
                let _ = asked.send(answer);
            }
            Ok(())
        });
        if let Err(cause) = read.await {
            for Inquiry { asked, .. } in self.shared.inquiries.take() {
                let _ = asked.send(Err(cause.clone()));
            }
        }
    }
}
