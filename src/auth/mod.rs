//! Who you are: tokens, passwords, random secrets.
//!
//! It knows the domain (`chat`) and no store: keys and hashes are handed in. Nothing in here is ever logged.

mod password;
mod secret;
mod token;

pub use password::{PasswordError, Passwords};
pub use secret::{random_bytes, random_key, random_number, sha256};
pub use token::{Claims, Issued, TokenError, Tokens};
