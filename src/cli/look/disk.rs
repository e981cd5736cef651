//! The disk under the data folder: how much is free, how much is taken, and who may read it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::finding::Finding;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;
/// Below this a burst of messages with its write-ahead log may not fit.
const FREE_ERROR: u64 = 100 * MIB;
const FREE_NOTE: u64 = GIB;
/// A log that is not emptied for so long shows that somebody reads without an end.
const WAL_NOTE: u64 = 256 * MIB;
const INODES_NOTE: u64 = 1_000;

/// The data folder; where it is not there yet, the folder that it will stand in.
pub(super) fn look(data: &Path) -> Vec<Finding> {
    let there = data.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let mut findings: Vec<Finding> = rustix::fs::statvfs(there)
        .map(|disk| {
            let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
            space(bytes(disk.f_bavail), bytes(disk.f_blocks), Some(disk.f_favail).filter(|_| disk.f_files > 0))
        })
        .into_iter()
        .collect();
    if data.is_dir() {
        findings.extend(sizes(data));
    }
    findings
}

/// What is free, of how much; file systems that make inodes as they go count none.
fn space(free: u64, all: u64, inodes: Option<u64>) -> Finding {
    let percent = free.saturating_mul(100) / all.max(1);
    let message = format!("{} are free for the data ({percent} % of the file system)", size(free));
    let fix = "make room or enlarge it; history.keep_entries and history.keep_days bound what rooms keep";
    match inodes {
        Some(inodes) if inodes < INODES_NOTE => Finding::note(
            "disk.inodes",
            format!("only {inodes} more files can be made there"),
            "remove files that nobody needs",
        ),
        _ if free < FREE_ERROR => Finding::error("disk.full", format!("only {message}"), fix),
        _ if free < FREE_NOTE || percent < 10 => Finding::note("disk.low", message, fix),
        _ => Finding::ok("disk", message),
    }
}

/// Who may read: passwords' hashes, signing keys and certificates' keys stand in there.
pub(super) fn modes(data: &Path) -> Vec<Finding> {
    if !data.is_dir() {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = fs::read_dir(data).into_iter().flatten().flatten().map(|file| file.path()).collect();
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("sarangbang.db") || name == "serve.lock"
    });
    files.sort();
    let mut findings = Vec::new();
    for (path, wanted) in std::iter::once((data.to_owned(), "700")).chain(files.into_iter().map(|file| (file, "600"))) {
        let mode = fs::metadata(&path).map_or(0, |file| file.permissions().mode() & 0o777);
        let shown = path.display();
        let fix = format!("run: chmod {wanted} {shown}");
        if mode & 0o007 != 0 {
            let message = format!("{shown} is open to everybody on this computer (mode {mode:03o})");
            findings.push(Finding::error("data.open-to-all", message, fix));
        } else if mode & 0o070 != 0 {
            let message = format!("{shown} is open to its group (mode {mode:03o})");
            findings.push(Finding::note("data.open-to-group", message, fix));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("data", "nobody but the owner may read it"));
    }
    findings
}

fn sizes(data: &Path) -> Option<Finding> {
    let length = |name: &str| fs::metadata(data.join(name)).ok().map(|file| file.len());
    let (file, log) = (length("sarangbang.db")?, length("sarangbang.db-wal").unwrap_or(0));
    let message = format!("the database has {}, its write-ahead log {}", size(file), size(log));
    Some(if log > WAL_NOTE {
        Finding::note(
            "disk.log",
            message,
            "somebody reads it without an end: look for other programs that have it open",
        )
    } else {
        Finding::ok("disk", message)
    })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..MIB => format!("{} KiB", bytes / 1024),
        MIB..GIB => format!("{} MiB", bytes / MIB),
        _ => format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    #[test]
    fn a_disk_that_fills_up_is_told_before_it_is_full() {
        for (free, all, inodes, level) in [
            (50 * GIB, 100 * GIB, Some(1_000_000), Level::Ok),
            (50 * GIB, 100 * GIB, None, Level::Ok),
            (9 * GIB, 100 * GIB, None, Level::Note),
            (900 * MIB, 2 * GIB, None, Level::Note),
            (50 * GIB, 100 * GIB, Some(3), Level::Note),
            (99 * MIB, 100 * MIB, None, Level::Error),
        ] {
            let finding = space(free, all, inodes);
            assert_eq!(finding.level, level, "{finding:?}");
        }
    }

    #[test]
    fn data_that_others_may_read_is_told_with_the_fix() {
        let parent = tempfile::tempdir().unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let file = parent.path().join("sarangbang.db");
        fs::write(&file, "").unwrap();
        set(parent.path(), 0o700);
        set(&file, 0o600);
        assert!(matches!(modes(parent.path()).as_slice(), [Finding { level: Level::Ok, .. }]));
        set(&file, 0o644);
        set(parent.path(), 0o750);
        let findings = modes(parent.path());
        assert_eq!(findings.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Note, Level::Error]);
        assert!(findings[1].fix.as_ref().unwrap().starts_with("run: chmod 600 /"));
    }

    #[test]
    fn a_size_is_short() {
        assert_eq!([size(4096), size(5 * MIB), size(GIB * 5 / 2)], ["4 KiB", "5 MiB", "2.5 GiB"]);
    }
}
