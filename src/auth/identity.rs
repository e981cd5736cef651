//! A person whose sign-in was checked.

use crate::chat::{Name, Role};

/// Who is behind a request or a session, after its token or cookie was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's name.
    pub name: Name,
    /// What the person may do.
    pub role: Role,
}
