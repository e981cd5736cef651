//! What a store holds, piece by piece, in no store's own words. Names stand as they were written: one that an earlier version took
//! and this one refuses is copied like any other.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::Context;

use crate::chat::{Entry, History, Kind, RoomId};
use crate::store::{Secret, SigningKey};

/// The kinds of things that a store holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Rooms, with where their logs begin and end.
    Rooms,
    /// The entries of their logs.
    Entries,
    /// Accounts.
    Accounts,
    /// Sign-in sessions.
    Logins,
    /// Invitations.
    Invitations,
    /// The keys that tokens are signed with.
    SigningKeys,
    /// What parts of the server keep under a name: certificates, accounts at authorities.
    Kept,
    /// Message ids of clients' own.
    MessageIds,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rooms,
        Self::Entries,
        Self::Accounts,
        Self::Logins,
        Self::Invitations,
        Self::SigningKeys,
        Self::Kept,
        Self::MessageIds,
    ];
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rooms => "rooms",
            Self::Entries => "entries",
            Self::Accounts => "accounts",
            Self::Logins => "sign-in sessions",
            Self::Invitations => "invitations",
            Self::SigningKeys => "signing keys",
            Self::Kept => "kept things",
            Self::MessageIds => "message ids",
        })
    }
}

/// A room without what was said in it.
#[derive(Clone)]
pub(in crate::store) struct RoomRow {
    pub(in crate::store) id: RoomId,
    pub(in crate::store) name: String,
    pub(in crate::store) history: History,
    pub(in crate::store) created_at: i64,
    pub(in crate::store) first: u64,
    pub(in crate::store) last: u64,
    pub(in crate::store) last_at: i64,
    /// Entries in its log, be they readable or not. Not compared.
    pub(in crate::store) entries: u64,
}

impl RoomRow {
    /// Offsets of its log that have no entry.
    pub(in crate::store) fn missing(&self) -> u64 {
        match self.history {
            History::On => (self.last + 1).saturating_sub(self.first).saturating_sub(self.entries),
            History::Off => 0,
        }
    }
}

/// One piece. Times are milliseconds since the Unix epoch; keys are SHA-256 digests of what opens a door.
#[derive(Clone)]
pub(in crate::store) enum Item {
    Room(RoomRow),
    Entry(Arc<Entry>),
    Account {
        folded: String,
        name: String,
        role: String,
        password_hash: Secret,
        disabled: bool,
        token_epoch: u32,
        created_at: i64,
    },
    Login {
        key: [u8; 32],
        folded: String,
        expires_at: i64,
    },
    Invitation {
        key: [u8; 32],
        role: String,
        expires_at: i64,
    },
    /// They come oldest first.
    SigningKey(SigningKey),
    Kept {
        name: String,
        value: Secret,
        /// `None` is never.
        expires_at: Option<i64>,
    },
    /// All of one room come together.
    MessageId {
        room: RoomId,
        sender: String,
        id: String,
        offset: u64,
        /// When it was said, or the latest that it can have been. Not compared, as not every store knows.
        said_at: i64,
    },
}

impl Item {
    pub(in crate::store) const fn what(&self) -> What {
        match self {
            Self::Room(_) => What::Rooms,
            Self::Entry(_) => What::Entries,
            Self::Account { .. } => What::Accounts,
            Self::Login { .. } => What::Logins,
            Self::Invitation { .. } => What::Invitations,
            Self::SigningKey(_) => What::SigningKeys,
            Self::Kept { .. } => What::Kept,
            Self::MessageId { .. } => What::MessageIds,
        }
    }

    /// When it ends by itself, if it does.
    pub(super) const fn ends_at(&self) -> Option<i64> {
        match self {
            Self::Login { expires_at, .. } | Self::Invitation { expires_at, .. } => Some(*expires_at),
            Self::Kept { expires_at, .. } => *expires_at,
            _ => None,
        }
    }

    /// Adds all of it to a checksum, each part behind its length.
    pub(super) fn feed(&self, sum: &mut Context) {
        let mut feed = |part: &[u8]| {
            sum.update(&(part.len() as u64).to_be_bytes());
            sum.update(part);
        };
        match self {
            Self::Room(room) => {
                feed(room.id.as_bytes());
                feed(room.name.as_bytes());
                feed(room.history.as_str().as_bytes());
                feed(&room.created_at.to_be_bytes());
                feed(&room.first.to_be_bytes());
                feed(&room.last.to_be_bytes());
                feed(&room.last_at.to_be_bytes());
            }
            Self::Entry(entry) => {
                feed(entry.room_id.as_bytes());
                feed(&entry.offset.to_be_bytes());
                feed(match entry.kind {
                    Kind::Talk => b"T",
                    Kind::Enter => b"E",
                    Kind::Quit => b"Q",
                });
                feed(entry.sender.as_bytes());
                feed(entry.message.as_bytes());
                feed(entry.id.as_bytes());
                feed(&entry.user_count.to_be_bytes());
                feed(&entry.sent_at.to_be_bytes());
            }
            Self::Account { folded, name, role, password_hash, disabled, token_epoch, created_at } => {
                feed(folded.as_bytes());
                feed(name.as_bytes());
                feed(role.as_bytes());
                feed(password_hash.expose());
                feed(&[u8::from(*disabled)]);
                feed(&token_epoch.to_be_bytes());
                feed(&created_at.to_be_bytes());
            }
            Self::Login { key, folded, expires_at } => {
                feed(key);
                feed(folded.as_bytes());
                feed(&expires_at.to_be_bytes());
            }
            Self::Invitation { key, role, expires_at } => {
                feed(key);
                feed(role.as_bytes());
                feed(&expires_at.to_be_bytes());
            }
            Self::SigningKey(key) => {
                feed(key.id.as_bytes());
                feed(key.secret.expose());
                feed(&key.created_at.to_be_bytes());
            }
            Self::Kept { name, value, expires_at } => {
                feed(name.as_bytes());
                feed(value.expose());
                feed(&expires_at.unwrap_or(i64::MAX).to_be_bytes());
            }
            Self::MessageId { room, sender, id, offset, said_at: _ } => {
                feed(room.as_bytes());
                feed(sender.as_bytes());
                feed(id.as_bytes());
                feed(&offset.to_be_bytes());
            }
        }
    }
}
