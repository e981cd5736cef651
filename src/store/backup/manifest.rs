//! What a backup says of itself.

use serde::{Deserialize, Serialize};

use crate::store::copy::Survey;

/// The form of the file, and of this manifest. A change that an older program cannot read is a greater number.
pub(super) const FORM: u32 = 1;

/// What is in a backup, and who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// The form of the file.
    pub form: u32,
    /// The version of the program that made it.
    pub sarangbang: String,
    /// The schema version of the store in it.
    pub schema: i64,
    /// When the copy was begun, in milliseconds since the Unix epoch. Everything acknowledged before is in it.
    pub made_at: i64,
    /// Bytes of the store's file.
    pub database_bytes: u64,
    /// What the store holds.
    pub holds: Survey,
}
