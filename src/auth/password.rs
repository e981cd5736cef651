//! Passwords: argon2id on blocking threads, few at a time.

use std::sync::Arc;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use crate::chat::Invalid;
use crate::chat::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARS_MIN};

/// Why a password could not be hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is too short or too long.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The hashing itself failed: our fault.
    #[error("the password could not be hashed: {0}")]
    Failed(String),
}

/// Hashes and verifies. Each hash takes about 19 MiB and 20 ms of a core (RFC 9106's second choice, OWASP's first),
/// so that a flood of sign-ins would starve everybody else: the semaphore lets only a few run at once.
#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
}

/// What a name that does not exist is verified against, to spend the same time on it: no password's hash, with the
/// parameters that every hash is made with. Written down, since making one would cost each start its time and memory.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FyYW5nYmFuZyBkZWNveQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Passwords {
    /// At most `hashes_max` at the same time.
    pub fn new(hashes_max: usize) -> Self {
        Self { slots: Arc::new(Semaphore::new(hashes_max.max(1))) }
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// [`PasswordError::Invalid`] with field and limit.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        check(&password)?;
        self.run(move || hash_now(&password)).await?
    }

    /// Whether `password` is the one behind `hash`. `None` stands for an account that does not exist: it takes as
    /// long as a wrong password, so that names cannot be told apart by the clock.
    ///
    /// # Errors
    /// [`PasswordError::Failed`].
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, PasswordError> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Ok(false);
        }
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| DECOY.to_owned());
        let matches = self
            .run(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(exists && matches)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let failed = |e: &dyn std::fmt::Display| PasswordError::Failed(e.to_string());
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|e| failed(&e))?;
        // The slot goes with the work: a caller who hangs up does not make room for another hash beside this one.
        let work = move || {
            let done = work();
            drop(slot);
            done
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| failed(&e))
    }
}

/// Whether a new password is long enough and not absurdly long.
fn check(password: &str) -> Result<(), Invalid> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Invalid::limit(
            "password",
            PASSWORD_CHARS_MIN,
            format!("a password has at least {PASSWORD_CHARS_MIN} characters"),
        ));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Invalid::limit(
            "password",
            PASSWORD_BYTES_MAX,
            format!("a password has at most {PASSWORD_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

fn hash_now(password: &str) -> Result<String, PasswordError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|e| PasswordError::Failed(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_account_that_exists_is_accepted() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("wrong horse".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("a password that nobody has".into(), None).await.unwrap());
    }

    #[test]
    fn the_decoy_takes_as_long_as_a_hash_that_is_made_now() {
        let made = hash_now("correct horse").unwrap();
        let (made, decoy) = (PasswordHash::new(&made).unwrap(), PasswordHash::new(DECOY).unwrap());
        assert_eq!((decoy.algorithm, decoy.version, &decoy.params), (made.algorithm, made.version, &made.params));
        let length = |hash: &PasswordHash| hash.hash.as_ref().map(|hash| hash.len());
        assert_eq!(length(&decoy), length(&made));
    }

    #[tokio::test]
    async fn a_short_password_names_the_field_and_the_limit() {
        let refused = Passwords::new(1).hash("1234567".into()).await.unwrap_err();
        let PasswordError::Invalid(invalid) = refused else { panic!("{refused}") };
        assert_eq!((invalid.field, invalid.limit), ("password", Some(PASSWORD_CHARS_MIN)));
    }
}
