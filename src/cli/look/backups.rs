//! Backups: whether there is a fresh one, and whether one could be read back. Snapshots of the cloud are not seen from
//! here: they need its credentials, which this host does not have.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::finding::Finding;
use super::host::Host;
use super::units::{Unit, Units};
use super::{span, whole_ms};

/// Where the timer puts them.
const FOLDER: &str = "/var/backups/sarangbang";
const TIMER: &str = "sarangbang-backup.timer";
const BACKUP: &str = "sarangbang-backup.service";
const DRILL_TIMER: &str = "sarangbang-drill.timer";
const DRILL: &str = "sarangbang-drill.service";
/// The timer comes once a day; one day may be missed while the host is away.
const OLD: Duration = Duration::from_secs(48 * 3_600);

/// Given what time it is.
pub(super) fn look(host: &Host, units: &Units, now: SystemTime) -> Vec<Finding> {
    let Some(timer) = units.of(TIMER) else {
        return vec![Finding::ok("backup", format!("not seen: {TIMER} is not installed on this host"))];
    };
    let mut findings = Vec::new();
    for (timer, name) in [(Some(timer), TIMER), (units.of(DRILL_TIMER), DRILL_TIMER)] {
        if timer.is_some_and(|timer| !timer.is_active()) {
            let message = format!("{name} is off, so that nothing of the kind happens by itself");
            findings.push(Finding::note("backup.timer-off", message, format!("run: systemctl enable --now {name}")));
        }
    }
    let failed = |unit: &Unit| !matches!(unit.get("Result"), "success" | "");
    if units.of(BACKUP).is_some_and(failed) {
        findings.push(Finding::error(
            "backup.failed",
            format!("the last backup failed ({BACKUP})"),
            format!("run: journalctl -u {BACKUP} -n 50, which says why; then run: systemctl start {BACKUP}"),
        ));
    }
    if units.of(DRILL).is_some_and(failed) {
        findings.push(Finding::error(
            "backup.drill-failed",
            format!("the last backup could not be restored on trial ({DRILL})"),
            format!("run: journalctl -u {DRILL} -n 50, which says why; then run: systemctl start {BACKUP} {DRILL}"),
        ));
    }
    // A backup that failed, or a timer that is off, says why the newest is old.
    if findings.is_empty() {
        findings.push(age(host, now));
    }
    findings
}

fn age(host: &Host, now: SystemTime) -> Finding {
    let folder = host.at(FOLDER);
    let newest = match newest(&folder) {
        Ok(newest) => newest,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            return Finding::ok("backup", format!("not seen: this user may not read {FOLDER}; root may"));
        }
        Err(_) => None,
    };
    let since = |then: SystemTime| now.duration_since(then).unwrap_or_default();
    let make = format!("run: systemctl start {BACKUP}; journalctl -u {BACKUP} -n 50 shows how it went");
    match newest {
        Some((name, at)) => {
            let message = format!("the newest backup is {} old ({name})", span(whole_ms(since(at))));
            if since(at) > OLD { Finding::note("backup.old", message, make) } else { Finding::ok("backup", message) }
        }
        // Somebody has just installed it.
        None if made(&folder).is_some_and(|at| since(at) < OLD) => {
            Finding::ok("backup", format!("there is none in {FOLDER} yet; {TIMER} makes one every day"))
        }
        None => Finding::note("backup.none", format!("there is no backup in {FOLDER}"), make),
    }
}

/// The backup that was finished last: what is being written begins with a dot.
fn newest(folder: &Path) -> std::io::Result<Option<(String, SystemTime)>> {
    let file = |entry: fs::DirEntry| {
        let (name, about) = (entry.file_name().into_string().ok()?, entry.metadata().ok()?);
        (about.is_file() && about.len() > 0 && !name.starts_with('.')).then(|| Some((name, about.modified().ok()?)))?
    };
    Ok(fs::read_dir(folder)?.flatten().filter_map(file).max_by_key(|(_, at)| *at))
}

/// When the folder began to be: it is not changed while nothing is put into it.
fn made(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder).ok()?.modified().ok()
}
