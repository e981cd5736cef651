//! `token`: tokens and the keys that sign them.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::later::Later;
use super::output::{self, Output};
use super::place::Place;
use super::user;
use crate::auth::Tokens;
use crate::chat::Name;
use crate::ops;

/// Tokens: issue one, or replace the key that signs them
///
/// A token stands for an account until it expires, or until the account is disabled or gets another password or role.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang token issue bot
  curl -H \"Authorization: Bearer $(sarangbang token issue bot)\" http://127.0.0.1:8080/chat/rooms
  sarangbang token rotate-key")]
pub(super) struct Token {
    #[command(subcommand)]
    verb: Later<Verb>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// Print a token of an account, for scripts and bots
    ///
    /// Needs no password, but the right to read the data folder. It works as a Bearer token over HTTP and in the
    /// header `token` of STOMP's CONNECT.
    #[command(after_help = "\
Examples:
  sarangbang token issue bot
  sarangbang token issue bot --minutes 1440 --json")]
    Issue {
        /// Whose token
        name: Name,
        /// Minutes that it lives, from 1 to 1440 [default: the key auth.token_minutes, which is 60]
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1440))]
        minutes: Option<u32>,
    },
    /// Add a new signing key, which signs from now on
    ///
    /// Tokens that older keys signed stay good until they expire, so nobody is signed out. Nodes that share a
    /// Redis take the new key up at once. A server with a data folder takes it up at its next start: restart it soon, as
    /// until then it refuses what `token issue` signs with the new key.
    #[command(after_help = "Example:\n  sarangbang token rotate-key")]
    RotateKey,
}

impl Token {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let output = self.output;
        match self.verb.0 {
            Verb::Issue { name, minutes } => issue(place, &output, &name, minutes).await,
            Verb::RotateKey => {
                let key = ops::new_signing_key();
                let id = key.id.clone();
                let is_shared = place
                    .with_existing_store(async |config, store| {
                        store.add_signing_key(key).await?;
                        Ok(config.redis.url.is_some())
                    })
                    .await?;
                output.show(&json!({ "keyId": id }), || format!("the new key {id} signs from now on"))?;
                output::note(if is_shared {
                    "note: running nodes take the new key up at once"
                } else {
                    "note: a running server takes the new key up when it is started again"
                });
                Ok(())
            }
        }
    }
}

async fn issue(place: &Place, output: &Output, name: &Name, minutes: Option<u32>) -> anyhow::Result<()> {
    place
        .with_existing_store(async |config, store| {
            let account = user::existing(store, name).await?;
            if account.disabled {
                bail!("{} is disabled; `sarangbang user enable {}` comes first", account.name, account.name);
            }
            let keys = ops::signing_keys(store).await?;
            let keys = keys.iter().map(|key| (key.id.as_str(), key.secret.expose()));
            let tokens = Tokens::new(keys, minutes.unwrap_or(config.auth.token_minutes));
            let issued = tokens.issue(&account.name, account.role, account.token_epoch)?;
            let json = json!({
                "name": account.name.as_str(),
                "token": issued.token,
                "role": account.role,
                "expiresAt": issued.expires_at,
            });
            output.show(&json, || issued.token.clone())
        })
        .await
}
