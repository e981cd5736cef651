//! The store as the configuration describes it, and the keys in it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::auth::{random_bytes, random_key};
use crate::config::Config;
use crate::store::redis::Redis;
use crate::store::sqlite::{Settings, Sqlite};
use crate::store::{self, Mode, Secret, SigningKey, Store, copy, redis, sqlite};

use super::redis::FileError;

/// Characters of a key's id: enough that two keys of one server never share one.
const KEY_ID_CHARS: usize = 12;

/// Why the store cannot be opened. Each text ends with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data folder cannot be used.
    #[error(transparent)]
    Folder(#[from] sqlite::OpenError),
    /// The Redis cannot.
    #[error(transparent)]
    Redis(#[from] redis::OpenError),
    /// A file about it cannot.
    #[error(transparent)]
    File(#[from] FileError),
    /// `store copy` into it was interrupted, or found that it is not the same.
    #[error(
        "`sarangbang store copy` into this store has not come to its end, so that something would be missing; see `sarangbang store copy --help` for how to begin again"
    )]
    Unfinished,
}

/// Opens the store that the configuration names: the Redis of `redis.url`, or else what is in the data folder, which is
/// made where it is not there yet.
///
/// # Errors
/// [`OpenError`], which tells the operator what to do.
pub async fn open_store(config: &Config, mode: Mode) -> Result<Store, OpenError> {
    let store = match super::redis::settings(config)? {
        Some(settings) => Store::Redis(Redis::open(settings, mode).await?),
        // It reads the disk, and nothing else goes on yet.
        None => Store::Sqlite(Sqlite::open(&config.data, mode, file_settings(config))?),
    };
    if mode.serves() && store.kept(copy::UNFINISHED).await.is_ok_and(|found| found.is_some()) {
        store.close().await;
        return Err(OpenError::Unfinished);
    }
    Ok(store)
}

fn file_settings(config: &Config) -> Settings {
    let history = &config.history;
    Settings {
        locale: config.locale,
        durable: history.durable,
        keep_entries: Some(history.keep_entries).filter(|entries| *entries > 0),
        keep_days: Some(history.keep_days).filter(|days| *days > 0),
        queue_max: config.limits.store_queue_max,
        rooms_max: config.limits.rooms_max,
    }
}

/// The signing keys, newest first; the very first one is made here when there is none yet.
///
/// # Errors
/// What the store says.
pub async fn signing_keys(store: &Store) -> store::Result<Vec<SigningKey>> {
    let keys = store.signing_keys().await?;
    if keys.is_empty() { store.first_signing_key(new_signing_key()).await } else { Ok(keys) }
}

/// A fresh key, which nobody has yet.
pub fn new_signing_key() -> SigningKey {
    let made = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    SigningKey {
        id: random_key().chars().take(KEY_ID_CHARS).collect(),
        secret: Secret::new(random_bytes::<32>()),
        created_at: i64::try_from(made.as_millis()).unwrap_or(i64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { data: folder.path().join("data"), ..Config::default() };
        let store = open_store(&config, Mode::Admin).await.unwrap();
        let first = signing_keys(&store).await.unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(signing_keys(&store).await.unwrap(), first);
        store.add_signing_key(new_signing_key()).await.unwrap();
        let both = signing_keys(&store).await.unwrap();
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        store.close().await;
    }
}
