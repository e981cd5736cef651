//! What opens doors: sign-in sessions, invitations, signing keys. Of the first two only digests are kept.
//!
//! Redis forgets by itself what has ended.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redis::Script;
use serde::{Deserialize, Serialize};

use super::Redis;
use super::accounts::account_of;
use super::changes::{run_telling, script};
use crate::chat::Name;
use crate::store::account::name_key;
use crate::store::{Account, Invitation, LOGINS_MAX, Result, SIGNING_KEYS, Secret, SigningKey, StoreError};

static ADD: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/login_add.lua")));
static DELETE: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/login_delete.lua")));
static SIGNING_KEY: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/signing_key.lua")));

/// A signing key as its JSON has it; the secret in Base64.
#[derive(Serialize, Deserialize)]
struct Record {
    id: String,
    secret: String,
    created_at: i64,
}

impl Redis {
    /// See [`crate::store::Store::add_invitation`].
    pub async fn add_invitation(&self, invitation: Invitation) -> Result<()> {
        let mut set = redis::pipe();
        // Redis takes no time before the epoch.
        let (key, end) = (self.invitation_key(&invitation.key), invitation.expires_at.max(1));
        set.cmd("SET").arg(key).arg(invitation.role.as_str()).arg("PXAT").arg(end);
        self.link.read(&set).await
    }

    /// See [`crate::store::Store::add_login`].
    pub async fn add_login(&self, key: [u8; 32], name: Name, epoch: u32, expires_at: i64) -> Result<()> {
        let (keys, digest, folded) = (self.link.keys(), hex(&key), name_key(&name));
        let logins = keys.of_all(&format!("logins:{folded}"));
        let args = [
            folded.as_bytes(),
            &epoch.to_string().into_bytes(),
            digest.as_bytes(),
            &expires_at.to_string().into_bytes(),
            &LOGINS_MAX.to_string().into_bytes(),
            &keys.of_all("login:").into_bytes(),
        ];
        let keys = [keys.of_all("accounts"), keys.of_all(&format!("login:{digest}")), logins];
        let is_known: bool = self.link.run(&ADD, &keys, &args).await?;
        if is_known { Ok(()) } else { Err(StoreError::AccountUnknown) }
    }

    /// See [`crate::store::Store::login`].
    pub async fn login(&self, key: [u8; 32]) -> Result<Option<Account>> {
        let (keys, digest) = (self.link.keys(), hex(&key));
        let mut ask = redis::pipe();
        ask.cmd("EVAL").arg(include_str!("scripts/login.lua")).arg(2);
        ask.arg(keys.of_all(&format!("login:{digest}"))).arg(keys.of_all("accounts"));
        let (json,): (Option<Vec<u8>>,) = self.link.read(&ask).await?;
        Ok(json.and_then(|json| account_of("of a sign-in session", &json)))
    }

    /// See [`crate::store::Store::delete_login`].
    pub async fn delete_login(&self, key: [u8; 32]) -> Result<()> {
        let (keys, digest) = (self.link.keys(), hex(&key));
        let args = [digest.as_bytes(), &keys.of_all("logins:").into_bytes()];
        self.link.run(&DELETE, &[keys.of_all(&format!("login:{digest}"))], &args).await
    }

    /// See [`crate::store::Store::signing_keys`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        let mut ask = redis::pipe();
        ask.cmd("LRANGE").arg(self.link.keys().of_all("keys")).arg(0).arg(-1);
        let (keys,): (Vec<Vec<u8>>,) = self.link.read(&ask).await?;
        keys.iter().map(|json| signing_key_of(json)).collect()
    }

    /// See [`crate::store::Store::first_signing_key`].
    pub async fn first_signing_key(&self, key: SigningKey) -> Result<Vec<SigningKey>> {
        self.put_signing_key(&key, b"1").await
    }

    /// See [`crate::store::Store::add_signing_key`].
    pub async fn add_signing_key(&self, key: SigningKey) -> Result<()> {
        self.put_signing_key(&key, b"0").await.map(drop)
    }

    async fn put_signing_key(&self, key: &SigningKey, only_first: &[u8]) -> Result<Vec<SigningKey>> {
        let json = json_of(key)?;
        let keys = [self.link.keys().of_all("keys")];
        let args = [&json[..], only_first, SIGNING_KEYS.as_bytes()];
        let keys: Vec<Vec<u8>> = run_telling(&self.link, &SIGNING_KEY, keys, &args).await?;
        keys.iter().map(|json| signing_key_of(json)).collect()
    }

    /// Where an invitation is kept, by the SHA-256 of its key.
    pub(super) fn invitation_key(&self, key: &[u8; 32]) -> String {
        self.link.keys().of_all(&format!("invitation:{}", hex(key)))
    }
}

/// A signing key as its JSON.
pub(super) fn json_of(key: &SigningKey) -> Result<Vec<u8>> {
    let record =
        Record { id: key.id.clone(), secret: STANDARD.encode(key.secret.expose()), created_at: key.created_at };
    serde_json::to_vec(&record).map_err(|cause| StoreError::Unavailable(cause.to_string()))
}

/// A key that cannot be read is not passed over: without it good tokens would be refused, and nobody would see why.
pub(super) fn signing_key_of(json: &[u8]) -> Result<SigningKey> {
    let damaged = || StoreError::Unavailable("a signing key in Redis cannot be read".into());
    let record: Record = serde_json::from_slice(json).map_err(|_| damaged())?;
    let secret = STANDARD.decode(record.secret).map_err(|_| damaged())?;
    Ok(SigningKey { id: record.id, secret: Secret::new(secret), created_at: record.created_at })
}

pub(super) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What [`hex`] was made of.
pub(super) fn unhex(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}
