//! What a store holds, counted, with a checksum over each kind of thing.

use std::fmt::Write as _;

use aws_lc_rs::digest::{Context, SHA256};

use super::item::{Item, What};

/// Adds up what comes in its order.
pub(super) struct Tally(Vec<Column>);

struct Column {
    what: What,
    count: u64,
    sum: Context,
}

/// How many things of one kind there are in both stores, and a SHA-256 over them, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The kind.
    pub what: What,
    /// In the source.
    pub from: (u64, String),
    /// In the target.
    pub to: (u64, String),
}

impl Comparison {
    /// Whether both hold the same of it.
    pub fn is_same(&self) -> bool {
        self.from == self.to
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self(What::ALL.map(|what| Column { what, count: 0, sum: Context::new(&SHA256) }).into())
    }
}

impl Tally {
    pub(super) fn add(&mut self, item: &Item) {
        if let Some(column) = self.0.iter_mut().find(|column| column.what == item.what()) {
            column.count += 1;
            item.feed(&mut column.sum);
        }
    }

    pub(super) fn against(self, other: Self) -> Vec<Comparison> {
        let both = self.0.into_iter().zip(other.0);
        both.map(|(from, to)| Comparison { what: from.what, from: from.end(), to: to.end() }).collect()
    }

    /// What was added, kind by kind.
    pub(super) fn ended(self) -> Vec<(What, (u64, String))> {
        self.0.into_iter().map(|column| (column.what, column.end())).collect()
    }
}

impl Column {
    fn end(self) -> (u64, String) {
        (self.count, hex(self.sum.finish().as_ref()))
    }
}

/// Bytes in hexadecimal digits.
pub(in crate::store) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
