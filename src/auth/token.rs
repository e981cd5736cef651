//! JSON Web Tokens (RFC 7519), HS256 alone.

use std::fmt;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};

use crate::chat::{Name, Role};

/// Tolerated difference of clocks between nodes, in seconds.
const LEEWAY_SECONDS: u64 = 2;

/// Why a token was refused, as it is told to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There was none.
    #[error("a token is missing: send it in the header token")]
    Missing,
    /// It is no token at all.
    #[error("the token is malformed: it is no JSON Web Token")]
    Malformed,
    /// Its time is over.
    #[error("the token has expired: sign in again or fetch a fresh one from /chat/user")]
    Expired,
    /// Signed with another key or algorithm, or revoked.
    #[error("the token is not valid: its signature is wrong or it was revoked")]
    Invalid,
}

impl TokenError {
    /// The stable word for it on the wire.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::Malformed => "token_malformed",
            Self::Expired => "token_expired",
            Self::Invalid => "token_invalid",
        }
    }
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose it is.
    pub name: Name,
    /// The account's token epoch when it was issued; it must still be that.
    pub epoch: u32,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at: u64,
}

/// A token that was just made.
pub struct Issued {
    /// The token in its compact form.
    pub token: String,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_at: i64,
}

/// Issues and verifies tokens. The first key signs, all of them verify: replacing the key signs nobody out.
pub struct Tokens {
    keys: RwLock<Vec<Key>>,
    lifetime_seconds: u64,
    validation: Validation,
}

struct Key {
    id: String,
    signs: EncodingKey,
    verifies: DecodingKey,
}

impl Key {
    fn of((id, secret): (&str, &[u8])) -> Self {
        Self { id: id.to_owned(), signs: EncodingKey::from_secret(secret), verifies: DecodingKey::from_secret(secret) }
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    sub: String,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default)]
    epoch: u32,
}

impl Tokens {
    /// With keys (id and secret), newest first, and the lifetime of a token.
    pub fn new<'a>(keys: impl IntoIterator<Item = (&'a str, &'a [u8])>, lifetime_minutes: u32) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Self {
            keys: RwLock::new(keys.into_iter().map(Key::of).collect()),
            lifetime_seconds: u64::from(lifetime_minutes) * 60,
            validation,
        }
    }

    /// From now on these keys count, newest first.
    pub fn replace<'a>(&self, keys: impl IntoIterator<Item = (&'a str, &'a [u8])>) {
        let keys = keys.into_iter().map(Key::of).collect();
        *self.keys.write() = keys;
    }

    /// A fresh token for an account that stands at `epoch`.
    ///
    /// # Errors
    /// Only when there is no key, which the composition root rules out.
    pub fn issue(&self, name: &Name, role: Role, epoch: u32) -> Result<Issued, TokenError> {
        let keys = self.keys.read();
        let key = keys.first().ok_or(TokenError::Invalid)?;
        let now = jsonwebtoken::get_current_timestamp();
        let exp = now + self.lifetime_seconds;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        let payload = Payload { sub: name.to_string(), iat: now, exp, role: Some(role), epoch };
        let token = encode(&header, &payload, &key.signs).map_err(|_| TokenError::Invalid)?;
        Ok(Issued { token, expires_at: i64::try_from(exp * 1000).unwrap_or(i64::MAX) })
    }

    /// What the token says, if it is good now. Whether the account still exists at that epoch is for the caller.
    ///
    /// # Errors
    /// Which of the four ways it is bad in.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        let header = decode_header(token).map_err(|e| refusal(e.kind()))?;
        // Tokens without `kid` are tried with the newest key only; one with an unknown `kid` cannot be ours.
        let keys = self.keys.read();
        let key = match &header.kid {
            Some(kid) => keys.iter().find(|key| key.id == *kid),
            None => keys.first(),
        };
        let key = key.ok_or(TokenError::Invalid)?;
        let payload: Payload = decode(token, &key.verifies, &self.validation).map_err(|e| refusal(e.kind()))?.claims;
        Ok(Claims {
            name: payload.sub.parse().map_err(|_| TokenError::Invalid)?,
            epoch: payload.epoch,
            expires_at: payload.exp,
        })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} keys)", self.keys.read().len())
    }
}

fn refusal(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            TokenError::Invalid
        }
        ErrorKind::UnsupportedAlgorithm | ErrorKind::MissingAlgorithm => TokenError::Invalid,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        "happydaddy".parse().unwrap()
    }

    fn signed(secret: &[u8], alg: Algorithm, exp_from_now: i64) -> String {
        let now = i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
        let exp = u64::try_from(now + exp_from_now).unwrap();
        let payload = Payload { sub: "happydaddy".into(), iat: 0, exp, role: None, epoch: 0 };
        encode(&Header::new(alg), &payload, &EncodingKey::from_secret(secret)).unwrap()
    }

    #[test]
    fn a_token_says_whose_it_is_and_outlives_a_new_key() {
        let old = Tokens::new([("k1", &b"first key, thirty-two bytes long"[..])], 60);
        let issued = old.issue(&name(), Role::User, 3).unwrap();
        let keys: [(&str, &[u8]); 2] =
            [("k2", b"other key, thirty-two bytes long"), ("k1", b"first key, thirty-two bytes long")];
        let claims = Tokens::new(keys, 60).verify(&issued.token).unwrap();
        assert_eq!((claims.name, claims.epoch), (name(), 3));
    }

    #[test]
    fn every_way_of_being_bad_has_its_own_answer() {
        let tokens = Tokens::new([("k1", &b"key"[..])], 60);
        assert_eq!(tokens.verify(""), Err(TokenError::Missing));
        assert_eq!(tokens.verify("nonsense"), Err(TokenError::Malformed));
        assert_eq!(tokens.verify(&signed(b"key", Algorithm::HS256, -60)), Err(TokenError::Expired));
        assert_eq!(tokens.verify(&signed(b"other", Algorithm::HS256, 60)), Err(TokenError::Invalid));
        assert_eq!(tokens.verify(&signed(b"key", Algorithm::HS512, 60)), Err(TokenError::Invalid));
        // {"alg":"none","typ":"JWT"} with a payload and no signature.
        let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJoYXBweWRhZGR5In0.";
        assert!(matches!(tokens.verify(none), Err(TokenError::Invalid | TokenError::Malformed)));
        assert!(tokens.verify(&signed(b"key", Algorithm::HS256, 60)).is_ok());
    }
}
