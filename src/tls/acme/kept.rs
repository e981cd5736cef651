//! The certificate as it is kept between two lives of the process.

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::store::{Result, Secret, StoreError};
use crate::tls::Pair;

/// The name that it is kept under.
pub(super) const PLACE: &str = "acme/certificate";

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

    /// What is kept, if it can be used and is for one of the names at least.
    pub(super) fn read(kept: &Secret, settings: &Settings) -> Option<Self> {
        let Ok(record) = serde_json::from_slice::<Record>(kept.expose()) else {
            tracing::warn!("the kept certificate cannot be read; another one is asked for");
            return None;
        };
        match Pair::parse(record.chain_pem.as_bytes(), record.key_pem.as_bytes()) {
            Ok(pair) if settings.names.iter().any(|name| pair.names().contains(name)) => Some(Self { record, pair }),
            Ok(pair) => {
                tracing::info!(names = ?pair.names(), "the kept certificate is for other names");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the kept certificate cannot be used; another one is asked for");
                None
            }
        }
    }

    /// As it is kept.
    pub(super) fn written(&self) -> Result<Secret> {
        let json = serde_json::to_vec(&self.record).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Secret::new(json))
    }

    /// Whether this one serves where the choice is between the two: it is what the configuration says and the other
    /// is not, or else it is not the older one. The authority's clock dates both.
    pub(super) fn is_preferred_to(&self, other: &Self, settings: &Settings) -> bool {
        let rank = |kept: &Self| (kept.unfit(settings).is_none(), kept.pair.not_before());
        rank(self) >= rank(other)
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
