//! `restore`: a backup becomes a data folder again.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::backup::{contents, teller};
use super::output::{self, Output};
use super::place::Place;
use crate::store::backup;
use crate::store::copy::What;

/// Make a data folder of a backup
///
/// The folder (`data`, or --data) has to be empty or missing, and no server may run on it. The backup is unpacked in there and
/// proved against its manifest before it is put in place; whatever fails or is interrupted leaves no store behind.
///
/// What was said after the backup was made is lost. So that nobody misses what is said from now on, the rooms leave out
/// the offsets that may have been given out meanwhile: clients that come back are told of that gap.
///
/// With `redis.url`, go on with `sarangbang store copy --to redis`.
///
/// A file `before-schema-N.db`, which a newer version kept before it changed the store, is restored in the same way.
#[derive(Args)]
#[command(after_help = "\
Examples:
  sarangbang restore /var/backups/sarangbang/sarangbang-20261123T064540Z.backup
  sarangbang restore chat.backup --data ./restored")]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

impl Restore {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        let config = place.config()?;
        let restored = backup::restore(&self.file, &config.data, teller()).await?;
        let holds = &restored.holds;
        let told = json!({
            "file": self.file,
            "data": config.data,
            "madeAt": restored.made_at,
            "rooms": holds.count(What::Rooms),
            "entries": holds.count(What::Entries),
            "accounts": holds.count(What::Accounts),
            "newestAt": holds.newest_at(),
            "unreadEntries": holds.unread_entries,
            "offsetsLeftOut": restored.offsets_left_out,
            "kinds": holds.kinds,
        });
        self.output.show(&told, || {
            let made = restored.made_at.map_or_else(String::new, |at| format!(" as of {}", output::time(at)));
            let next = match config.redis.url {
                Some(_) => "\nGo on with `sarangbang store copy --to redis`: redis.url is set",
                None => "",
            };
            format!(
                "{} is restored{made}: {}\nEvery room goes on {} offsets later: who has seen more is told that it is lost{next}",
                config.data.display(),
                contents(holds),
                restored.offsets_left_out
            )
        })
    }
}
