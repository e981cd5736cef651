//! Accounts and what belongs to them, as the store keeps them.

use std::fmt;

use crate::chat::{Name, Role};

/// Bytes or text that nobody may see: no `Debug`, no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Wraps what must not be shown.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one who needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A person who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, in the letter case it was made with.
    pub name: Name,
    /// What the person may do.
    pub role: Role,
    /// The argon2id hash in PHC form.
    pub password_hash: Secret,
    /// Whether signing in is forbidden.
    pub disabled: bool,
    /// Rises by one whenever every session of the account is ended; a token carries the number it was issued under.
    pub token_epoch: u32,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
}

/// An account to be added.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// Its name.
    pub name: Name,
    /// Its role; an invitation's role counts instead where there is one.
    pub role: Role,
    /// The argon2id hash in PHC form.
    pub password_hash: Secret,
    /// The SHA-256 of the invitation's key that it is made by.
    pub invitation: Option<[u8; 32]>,
}

/// A permission to make one account.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The SHA-256 of its key; the key itself is not kept.
    pub key: [u8; 32],
    /// The role of the account.
    pub role: Role,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: i64,
}

/// A key that signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its id, the token's `kid`.
    pub id: String,
    /// The HS256 key: 32 random bytes.
    pub secret: Secret,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at: i64,
}

/// How the names of accounts are compared.
pub(super) fn name_key(name: &Name) -> String {
    name.as_str().to_lowercase()
}
