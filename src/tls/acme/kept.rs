//! The certificate as it is kept between two lives of the process.

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::store::{Result, Secret, Store};
use crate::tls::Pair;

const PLACE: &str = "acme/certificate";

/// A certificate that an authority gave, with its key.
pub(super) struct Kept {
    record: Record,
    /// What it was read as.
    pub(super) pair: Pair,
}

#[derive(Serialize, Deserialize)]
struct Record {
    chain_pem: String,
    key_pem: String,
    directory: String,
    names: Vec<String>,
}

impl Kept {
    pub(super) fn new(chain_pem: String, key_pem: String, pair: Pair, settings: &Settings) -> Self {
        let (directory, names) = (settings.directory.clone(), settings.names.clone());
        Self { record: Record { chain_pem, key_pem, directory, names }, pair }
    }

    /// The kept one, if it can be used and is for one of the names at least.
    pub(super) async fn load(store: &Store, settings: &Settings) -> Result<Option<Self>> {
        let Some(kept) = store.kept(PLACE).await? else { return Ok(None) };
        let Ok(record) = serde_json::from_slice::<Record>(kept.expose()) else {
            tracing::warn!("the kept certificate cannot be read; another one is asked for");
            return Ok(None);
        };
        match Pair::parse(record.chain_pem.as_bytes(), record.key_pem.as_bytes()) {
            Ok(pair) if settings.names.iter().any(|name| pair.names().contains(name)) => {
                Ok(Some(Self { record, pair }))
            }
            Ok(pair) => {
                tracing::info!(names = ?pair.names(), "the kept certificate is for other names");
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(%error, "the kept certificate cannot be used; another one is asked for");
                Ok(None)
            }
        }
    }

    /// Keeps it.
    pub(super) async fn keep(&self, store: &Store) -> Result<()> {
        let json = serde_json::to_vec(&self.record)
            .map_err(|error| crate::store::StoreError::Unavailable(error.to_string()))?;
        store.keep(PLACE, Secret::new(json)).await
    }

    /// Why another one is wanted, if one is wanted before its time.
    pub(super) fn unfit(&self, settings: &Settings) -> Option<&'static str> {
        if self.record.directory != settings.directory {
            Some("acme.directory has changed")
        } else if !self.pair.covers(&settings.names) {
            Some("the certificate is not for all of the names")
        } else {
            None
        }
    }
}
