//! What a part of the server keeps under a name.

use std::sync::LazyLock;

use redis::Script;

use super::Redis;
use super::changes::{run_telling, script};
use crate::store::{Result, Secret};

static KEEP: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/keep.lua")));
static KEEP_OVER: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/keep_over.lua")));
static FORGET: LazyLock<Script> = LazyLock::new(|| script(include_str!("scripts/forget.lua")));

impl Redis {
    /// See [`crate::store::Store::kept`].
    pub async fn kept(&self, name: String) -> Result<Option<Secret>> {
        let mut ask = redis::pipe();
        ask.cmd("GET").arg(self.kept_key(&name));
        let (value,): (Option<Vec<u8>>,) = self.link.read(&ask).await?;
        Ok(value.map(Secret::new))
    }

    /// See [`crate::store::Store::keep`].
    pub async fn keep(&self, name: String, value: Secret) -> Result<()> {
        run_telling(&self.link, &KEEP, [self.kept_key(&name)], &[name.as_bytes(), value.expose()]).await
    }

    /// See [`crate::store::Store::keep_for`].
    pub async fn keep_for(&self, name: String, value: Secret, seconds: u32) -> Result<()> {
        let millis = (u64::from(seconds) * 1_000).to_string();
        let args = [name.as_bytes(), value.expose(), millis.as_bytes()];
        run_telling(&self.link, &KEEP, [self.kept_key(&name)], &args).await
    }

    /// See [`crate::store::Store::keep_over`].
    pub async fn keep_over(&self, name: String, before: Option<Secret>, value: Secret) -> Result<bool> {
        let mut args = vec![name.as_bytes(), value.expose()];
        args.extend(before.as_ref().map(Secret::expose));
        run_telling(&self.link, &KEEP_OVER, [self.kept_key(&name)], &args).await
    }

    /// See [`crate::store::Store::forget`].
    pub async fn forget(&self, name: String) -> Result<()> {
        run_telling(&self.link, &FORGET, [self.kept_key(&name)], &[name.as_bytes()]).await
    }

    fn kept_key(&self, name: &str) -> String {
        self.link.keys().of_all(&format!("kept:{name}"))
    }
}
