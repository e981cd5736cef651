//! The open transactions of a session: SENDs that wait for COMMIT.

use super::effect::{Error, Say};
use crate::chat::Limits;
use crate::chat::limits::TRANSACTION_BYTES_MAX;

struct Transaction {
    id: Box<str>,
    says: Vec<Say>,
    bytes: usize,
}

/// Bounded in number and size (limits.transactions_max, limits.transaction_sends_max, and bytes over all of them).
pub(super) struct Transactions {
    open: Vec<Transaction>,
    open_max: usize,
    sends_max: usize,
}

impl Transactions {
    pub(super) const fn new(limits: &Limits) -> Self {
        Self { open: Vec::new(), open_max: limits.transactions_max, sends_max: limits.transaction_sends_max }
    }

    /// BEGIN (STOMP 1.2, BEGIN).
    pub(super) fn begin(&mut self, id: &str) -> Result<(), Error> {
        if self.open.iter().any(|held| *held.id == *id) {
            return Err(Error::new("transaction_exists", "a transaction of this id is open already"));
        }
        if self.open.len() >= self.open_max {
            let max = self.open_max;
            return Err(Error::new(
                "too_many_transactions",
                format!("a session has at most {max} open transactions (limits.transactions_max)"),
            ));
        }
        self.open.push(Transaction { id: id.into(), says: Vec::new(), bytes: 0 });
        Ok(())
    }

    /// A SEND within a transaction.
    pub(super) fn add(&mut self, id: &str, say: Say) -> Result<(), Error> {
        let max = self.sends_max;
        let held = self.find(id)?;
        if held.says.len() >= max {
            return Err(Error::new(
                "transaction_too_large",
                format!("a transaction holds at most {max} SENDs (limits.transaction_sends_max)"),
            ));
        }
        held.bytes += say.weight();
        held.says.push(say);
        if self.open.iter().map(|held| held.bytes).sum::<usize>() > TRANSACTION_BYTES_MAX {
            return Err(Error::new(
                "transaction_too_large",
                format!("the open transactions of a session hold at most {TRANSACTION_BYTES_MAX} bytes"),
            ));
        }
        Ok(())
    }

    /// Whether this transaction is open: an ACK may name one.
    pub(super) fn check(&mut self, id: &str) -> Result<(), Error> {
        self.find(id).map(|_| ())
    }

    /// COMMIT: everything in it, in the order it came. ABORT is the same with the answer thrown away.
    pub(super) fn take(&mut self, id: &str) -> Result<Vec<Say>, Error> {
        let at = self.open.iter().position(|held| *held.id == *id).ok_or_else(unknown)?;
        Ok(self.open.remove(at).says)
    }

    fn find(&mut self, id: &str) -> Result<&mut Transaction, Error> {
        self.open.iter_mut().find(|held| *held.id == *id).ok_or_else(unknown)
    }
}

fn unknown() -> Error {
    Error::new("transaction_unknown", "there is no open transaction of this id")
}
