//! `backup`: everything that is kept, in one file that proves itself.

use std::io::{IsTerminal as _, stderr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::{self, Output};
use super::place::{Place, Usage};
use crate::config::Config;
use crate::ops;
use crate::store::Mode;
use crate::store::backup::{self, Deed, Manifest, Progress, Source};
use crate::store::copy::{Survey, What};

/// Between two lines that say how far it has come.
const TOLD_EVERY: Duration = Duration::from_secs(2);
const MIB: u64 = 1024 * 1024;

/// Everything that is kept, in one file that proves itself: make one, verify it, try it out
///
/// Made while the server runs, and consistent: rooms with everything that was said, accounts, sign-in sessions, invitations,
/// signing keys, certificates. The configuration file is not in it. Of a Redis (`redis.url`) each room's log is complete up to
/// the moment at which it is listed.
///
/// The file is compressed, carries a manifest with counts and SHA-256 sums, and is read back and proved before it gets its
/// name. It holds secrets: it is readable for you alone, and belongs in no place that others read.
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  sarangbang backup /mnt/usb/chat.backup
  sarangbang backup --into /var/backups/sarangbang --keep 14
  sarangbang backup --into /var/backups/sarangbang --keep 14 --then 'aws s3 cp {} s3://my-bucket/'
  sarangbang backup verify /mnt/usb/chat.backup
  sarangbang backup drill /var/backups/sarangbang
  sarangbang restore /mnt/usb/chat.backup --data ./restored"
)]
pub(super) struct Backup {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The file to make; an existing one is not touched
    #[arg(required_unless_present = "into", conflicts_with = "into")]
    file: Option<PathBuf>,
    /// Replace the file if it is there, once the new one is proved
    #[arg(long, conflicts_with = "into")]
    force: bool,
    /// Make a file in this folder, named by the time: sarangbang-20261123T064540Z.backup
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Keep so many of them: the oldest ones go once the new one is proved
    #[arg(long, value_name = "N", requires = "into")]
    keep: Option<NonZeroUsize>,
    /// Then run this in a shell, with {} for the file's path; when it fails, so does the backup
    #[arg(long, value_name = "COMMAND")]
    then: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Verb {
    /// Prove a backup: every byte of it, and what is in it against its manifest
    ///
    /// Needs neither a server nor a data folder, but room for the unpacked store beside the file, or in the folder for
    /// temporary files where nobody may write there. The exit code is 1 where something does not fit.
    #[command(
        after_help = "Example:\n  sarangbang backup verify /var/backups/sarangbang/sarangbang-20261123T064540Z.backup"
    )]
    Verify {
        /// The backup
        file: PathBuf,
    },
    /// Restore a backup for trial, and read it: nothing that is in use is touched
    ///
    /// It is restored beside the file, opened as a server does, read and written to; then it is removed.
    #[command(after_help = "Example:\n  sarangbang backup drill /var/backups/sarangbang")]
    Drill {
        /// The backup, or a folder of them, of which the newest is taken
        #[arg(value_name = "FILE|DIR")]
        file: PathBuf,
    },
}

impl Backup {
    pub(super) async fn run(self, place: &Place) -> anyhow::Result<()> {
        match self.verb {
            Some(Verb::Verify { file }) => verify(&file, &self.output).await,
            Some(Verb::Drill { file }) => drill(&file, &place.config()?, &self.output).await,
            None => self.make(&place.config()?).await,
        }
    }

    async fn make(self, config: &Config) -> anyhow::Result<()> {
        let file = match (&self.file, &self.into) {
            (Some(file), _) => file.clone(),
            (None, Some(folder)) => {
                std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
                folder.join(backup::name_at())
            }
            (None, None) => return Err(Usage("name the file to make, or a folder with --into".into()).into()),
        };
        let manifest = take(config, &file, self.force).await?;
        let mut gone = Vec::new();
        if let (Some(folder), Some(keep)) = (&self.into, self.keep) {
            gone = backup::prune(folder, keep.get())?;
        }
        if let Some(command) = &self.then {
            hand_on(command, &file)?;
        }
        backup::record(&config.data, Deed::Backup)
            .context("the backup is made, but that cannot be noted for the metrics")?;
        let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
        let mut told = of_manifest(&file, &manifest);
        told["bytes"] = json!(bytes);
        told["removed"] = json!(gone);
        self.output.show(&told, || {
            let kib = bytes.div_ceil(1024);
            format!("{} is made and proved: {} ({kib} KiB)", file.display(), contents(&manifest.holds))
        })
    }
}

async fn take(config: &Config, file: &Path, force: bool) -> anyhow::Result<Manifest> {
    if config.redis.url.is_none() {
        return Ok(backup::take(Source::Folder(&config.data), file, force, teller()).await?);
    }
    let redis = ops::open_store(config, Mode::Look).await?;
    let taken = backup::take(Source::Redis(&redis), file, force, teller()).await;
    redis.close().await;
    Ok(taken?)
}

async fn verify(file: &Path, output: &Output) -> anyhow::Result<()> {
    let proved = backup::verify(file, teller()).await;
    if let (Err(error), true) = (&proved, output.json) {
        output::line(json!({ "file": file, "proved": false, "error": error.to_string() }))?;
    }
    let manifest = proved?;
    let mut told = of_manifest(file, &manifest);
    told["proved"] = json!(true);
    output.show(&told, || {
        let made = output::time(manifest.made_at);
        format!("{} is whole, made {made}: {}", file.display(), contents(&manifest.holds))
    })
}

async fn drill(file: &Path, config: &Config, output: &Output) -> anyhow::Result<()> {
    let started = Instant::now();
    let drilled = backup::drill(file, teller()).await?;
    backup::record(&config.data, Deed::Drill)
        .context("the drill succeeded, but that cannot be noted for the metrics")?;
    let (seconds, holds) = (started.elapsed().as_secs_f64(), &drilled.restored.holds);
    let told = json!({
        "file": drilled.file,
        "madeAt": drilled.restored.made_at,
        "rooms": holds.count(What::Rooms),
        "entries": holds.count(What::Entries),
        "accounts": holds.count(What::Accounts),
        "newestAt": holds.newest_at(),
        "databaseBytes": drilled.database_bytes,
        "seconds": seconds,
    });
    output.show(&told, || {
        let file = drilled.file.display();
        format!("{file} was restored for trial and works, in {seconds:.1} s: {}", contents(holds))
    })
}

/// Gives the file to whatever takes it elsewhere.
fn hand_on(command: &str, file: &Path) -> anyhow::Result<()> {
    // The path is an argument of the shell's, whatever is in it.
    let script = command.replace("{}", "\"$1\"");
    // What the command prints is not what was asked for.
    let status = Command::new("sh").args(["-c", &script, "sh"]).arg(file).stdout(Stdio::from(stderr())).status();
    let status = status.context("no shell can be started")?;
    if !status.success() {
        bail!("{} is made and proved, but `{command}` failed ({status}): it is nowhere else", file.display());
    }
    Ok(())
}

fn of_manifest(file: &Path, manifest: &Manifest) -> Value {
    let mut told = json!(manifest);
    told["file"] = json!(file);
    told
}

/// What a store holds, in one line.
pub(super) fn contents(holds: &Survey) -> String {
    let count = |what| holds.count(what);
    let newest = holds.newest_at().map_or_else(String::new, |at| format!(", the newest of {}", output::time(at)));
    let unread = match holds.unread_entries {
        0 => String::new(),
        unread => format!("; {unread} entries cannot be read, as before"),
    };
    let (rooms, entries, accounts) = (count(What::Rooms), count(What::Entries), count(What::Accounts));
    format!("{rooms} rooms, {entries} entries{newest}, {accounts} accounts{unread}")
}

/// Says every two seconds how far it has come, to a person at a terminal.
pub(super) fn teller() -> impl FnMut(Progress) {
    let (is_watched, mut told) = (stderr().is_terminal(), Instant::now());
    move |progress| {
        if !is_watched || told.elapsed() < TOLD_EVERY {
            return;
        }
        told = Instant::now();
        match progress {
            Progress::Copying(done, all) => output::note(format_args!("copying: {} of {} MiB", done / MIB, all / MIB)),
            Progress::Reading(read) => {
                let (rooms, all, entries) = (read.rooms, read.rooms_in_all, read.entries);
                output::note(format_args!("reading: {rooms} of {all} rooms, {entries} entries"));
            }
            Progress::Packing(done, all) => output::note(format_args!("packing: {} of {} MiB", done / MIB, all / MIB)),
            Progress::Unpacking(done, all) => {
                output::note(format_args!("unpacking: {} of {} MiB", done / MIB, all / MIB));
            }
        }
    }
}
