//! Random secrets, and the hashes under which they are kept.

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes from the operating system's generator.
///
/// # Panics
/// Never in practice: a system without random numbers cannot run a server, and the process ends rather than
/// hand out a guessable secret.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if rand::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// A key for a cookie or a link: 32 random bytes as 43 URL-safe characters.
pub fn random_key() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// A number that nobody foresees.
pub fn random_number() -> u32 {
    u32::from_ne_bytes(random_bytes())
}

/// The SHA-256 under which a key is kept: a stolen store opens no session.
pub fn sha256(key: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, key.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_url_safe_and_never_the_same() {
        let (a, b) = (random_key(), random_key());
        assert_ne!(a, b);
        assert_eq!(a.len(), 43);
        assert!(a.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
        assert_ne!(sha256(&a), sha256(&b));
    }
}
