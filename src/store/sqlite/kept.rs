//! What a part of the server keeps under a name.

use rusqlite::{OptionalExtension, params};

use super::Sqlite;
use super::reader::Lane;
use crate::store::{Result, Secret};

impl Sqlite {
    /// See [`crate::store::Store::kept`].
    pub async fn kept(&self, name: String) -> Result<Option<Secret>> {
        self.read_with(Lane::Page, move |file| {
            let mut look = file.prepare_cached("SELECT value FROM kept WHERE name = ?1")?;
            Ok(look.query_row([&name], |row| row.get::<_, Vec<u8>>(0)).optional()?.map(Secret::new))
        })
        .await
    }

    /// See [`crate::store::Store::keep`].
    pub async fn keep(&self, name: String, value: Secret) -> Result<()> {
        self.change(move |file, now| {
            file.execute(
                "INSERT OR REPLACE INTO kept (name, value, changed_at) VALUES (?1, ?2, ?3)",
                params![name, value.expose(), now],
            )?;
            Ok(())
        })
        .await
    }

    /// See [`crate::store::Store::forget`].
    pub async fn forget(&self, name: String) -> Result<()> {
        self.change(move |file, _| {
            file.execute("DELETE FROM kept WHERE name = ?1", [&name])?;
            Ok(())
        })
        .await
    }
}
