//! The data folder, and the store in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::Path;

use super::super::finding::Finding;
use super::super::peek::brief;
use super::kept::Kept;
use crate::config::Config;
use crate::ops;
use crate::store::Mode;
use crate::store::sqlite::OpenError;
use crate::store::{Examined, Store, StoreError};
use rustix::fs::Access;

/// How much is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whether it can be used.
    Surface,
    /// Every page of the database, and what is kept about certificates.
    Ground,
}

/// Looks at the data folder.
pub(super) async fn look(config: &Config, depth: Depth) -> (Vec<Finding>, Kept) {
    let (path, shown) = (&config.data, config.data.display());
    let usable = "let the user that runs sarangbang write there, or choose another folder with --data";
    let alone = |finding| (vec![finding], Kept::default());
    if !path.exists() {
        let parent = path.ancestors().skip(1).find(|parent| parent.exists() || parent.as_os_str().is_empty());
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return alone(match writable(parent) {
            Ok(()) => Finding::ok("data", format!("{shown} does not exist yet; the first start makes it")),
            Err(e) => {
                Finding::error("data", format!("{shown} cannot be made in {}: {}", parent.display(), brief(&e)), usable)
            }
        });
    }
    if let Err(e) = writable(path) {
        let usable = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                "run this as the user that the server runs as, or let this one use the folder"
            }
            _ => usable,
        };
        return alone(Finding::error("data", format!("{shown} cannot be written: {}", brief(&e)), usable));
    }
    if fs::metadata(path.join("sarangbang.db")).map_or(0, |file| file.len()) == 0 {
        return alone(Finding::ok("data", format!("{shown} can be used, and holds nothing yet")));
    }
    let store = match ops::open_store(config, Mode::Look).await {
        Ok(store) => store,
        Err(e @ ops::OpenError::Folder(OpenError::Older { .. })) => {
            let Finding { about, message, fix, .. } = Finding::refusal("data", e);
            return alone(Finding::note(about, message, fix.unwrap_or_default()));
        }
        Err(e) => return alone(Finding::refusal("data", e)),
    };
    let looked = inside(&store, &shown.to_string(), depth).await;
    store.close().await;
    looked.unwrap_or_else(|e| {
        alone(Finding::error("data", e.to_string(), "look at the disk, and restore a backup if it is damaged"))
    })
}

async fn inside(store: &Store, shown: &str, depth: Depth) -> Result<(Vec<Finding>, Kept), StoreError> {
    let (rooms, accounts) = (store.rooms().await?.len(), store.accounts().await?.len());
    let mut findings = vec![Finding::ok("data", format!("{shown} can be used (rooms: {rooms}, accounts: {accounts})"))];
    if !store.has_admin().await? {
        let fix = "make one with `sarangbang setup`, or by the link that `sarangbang serve` prints";
        findings.push(Finding::note("data", "there is no active administrator", fix));
    }
    if depth == Depth::Surface {
        return Ok((findings, Kept::default()));
    }
    findings.push(match store.examine().await? {
        Examined::Sound => Finding::ok("data", "the database is sound"),
        Examined::Unfinished => Finding::ok("data", "no damage was found in the first seconds of looking"),
        Examined::Damaged(found) => Finding::error(
            "data",
            format!("the database is damaged: {}", found.first().map_or("", |line| line.lines().next().unwrap_or(""))),
            "stop the server, keep a copy of the folder, and restore the last backup",
        ),
    });
    Ok((findings, Kept::read(store).await?))
}

/// The process id of the server that runs on this folder, if one does: it holds the lock on this file.
pub(in crate::cli) fn server_of(folder: &Path) -> Option<String> {
    let mut file = File::open(folder.join("serve.lock")).ok()?;
    let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut pid = String::new();
    held.then(|| file.read_to_string(&mut pid).ok())??;
    Some(pid)
}

/// Whether a file can be made in this folder. Asked, not tried: looking changes nothing.
fn writable(folder: &Path) -> io::Result<()> {
    if !fs::metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(rustix::fs::access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    async fn findings(data: std::path::PathBuf) -> Vec<Finding> {
        look(&Config { data, ..Config::default() }, Depth::Ground).await.0
    }

    #[tokio::test]
    async fn a_folder_that_is_a_file_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        for data in [file.clone(), file.join("data")] {
            let findings = findings(data).await;
            assert!(matches!(findings.as_slice(), [Finding { level: Level::Error, .. }]), "{findings:?}");
        }
    }

    #[tokio::test]
    async fn looking_changes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let findings = findings(parent.path().join("a/b")).await;
        assert!(matches!(findings.as_slice(), [Finding { level: Level::Ok, .. }]), "{findings:?}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
