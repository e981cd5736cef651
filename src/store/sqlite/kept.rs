//! What a part of the server keeps under a name.

use rusqlite::{OptionalExtension, params};
use tokio::sync::broadcast;

use super::Sqlite;
use super::reader::Lane;
use crate::store::{Result, Secret};

const KEEP: &str = "INSERT OR REPLACE INTO kept (name, value, changed_at, expires_at) VALUES (?1, ?2, ?3, ?4)";

impl Sqlite {
    /// See [`crate::store::Store::kept`].
    pub async fn kept(&self, name: String) -> Result<Option<Secret>> {
        let now = (self.shared.clock)();
        self.read_with(Lane::Page, move |file| {
            let mut look = file.prepare_cached("SELECT value FROM kept WHERE name = ?1 AND expires_at > ?2")?;
            Ok(look.query_row(params![name, now], |row| row.get::<_, Vec<u8>>(0)).optional()?.map(Secret::new))
        })
        .await
    }

    /// See [`crate::store::Store::keep`].
    pub async fn keep(&self, name: String, value: Secret) -> Result<()> {
        self.keep_until(name, value, |_| i64::MAX).await
    }

    /// See [`crate::store::Store::keep_over`].
    pub async fn keep_over(&self, name: String, before: Option<Secret>, value: Secret) -> Result<bool> {
        self.change(move |file, now| {
            file.execute("DELETE FROM kept WHERE expires_at <= ?1", [now])?;
            let mut look = file.prepare_cached("SELECT value FROM kept WHERE name = ?1")?;
            let there = look.query_row([&name], |row| row.get::<_, Vec<u8>>(0)).optional()?.map(Secret::new);
            if there != before {
                return Ok(false);
            }
            file.execute(KEEP, params![name, value.expose(), now, i64::MAX])?;
            Ok(true)
        })
        .await
    }

    /// See [`crate::store::Store::keep_for`].
    pub async fn keep_for(&self, name: String, value: Secret, seconds: u32) -> Result<()> {
        self.keep_until(name, value, move |now| now.saturating_add(i64::from(seconds) * 1_000)).await
    }

    async fn keep_until(&self, name: String, value: Secret, end: impl Fn(i64) -> i64 + Send + 'static) -> Result<()> {
        self.change(move |file, now| {
            file.execute("DELETE FROM kept WHERE expires_at <= ?1", [now])?;
            file.execute(KEEP, params![name, value.expose(), now, end(now)])?;
            Ok(())
        })
        .await
    }

    /// See [`crate::store::Store::kept_news`]. Nobody else keeps anything here.
    pub fn kept_news(&self) -> broadcast::Receiver<String> {
        self.shared.kept_news.subscribe()
    }

    /// See [`crate::store::Store::claim`]. The folder's lock is everybody's claim.
    pub async fn claim(&self, _what: String, _seconds: u32) -> Result<bool> {
        Ok(true)
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
