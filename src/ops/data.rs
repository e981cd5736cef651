//! The store as the configuration describes it, and the keys in it.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::auth::{random_bytes, random_key};
use crate::config::Config;
use crate::store::Mode;
use crate::store::sqlite::{OpenError, Settings, Sqlite};
use crate::store::{self, Secret, SigningKey, Store};

/// Characters of a key's id: enough that two keys of one server never share one.
const KEY_ID_CHARS: usize = 12;

/// Opens the store in the data folder, and makes both where they are not there yet. Blocks while it reads the disk.
///
/// # Errors
/// [`OpenError`], which tells the operator what to do.
pub fn open_store(config: &Config, mode: Mode) -> Result<Store, OpenError> {
    let history = &config.history;
    let settings = Settings {
        locale: config.locale,
        durable: history.durable,
        keep_entries: Some(history.keep_entries).filter(|entries| *entries > 0),
        keep_days: Some(history.keep_days).filter(|days| *days > 0),
        queue_max: config.limits.store_queue_max,
        rooms_max: config.limits.rooms_max,
    };
    Sqlite::open(&config.data, mode, settings).map(Store::Sqlite)
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
        let store = open_store(&config, Mode::Admin).unwrap();
        let first = signing_keys(&store).await.unwrap();
        assert_eq!(first.len(), 1);
        assert_eq!(signing_keys(&store).await.unwrap(), first);
        store.add_signing_key(new_signing_key()).await.unwrap();
        let both = signing_keys(&store).await.unwrap();
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        store.close().await;
    }
}
