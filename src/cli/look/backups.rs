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
use crate::config::Config;

/// Where the timer puts them.
const FOLDER: &str = "/var/backups/sarangbang";
const TIMER: &str = "sarangbang-backup.timer";
const BACKUP: &str = "sarangbang-backup.service";
const DRILL_TIMER: &str = "sarangbang-drill.timer";
const DRILL: &str = "sarangbang-drill.service";
/// The timer comes once a day; one day may be missed while the host is away.
const OLD: Duration = Duration::from_secs(48 * 3_600);
/// The drill comes once a week; one may be missed.
const DRILL_OLD: Duration = Duration::from_secs(15 * 24 * 3_600);

/// Given what time it is.
pub(super) fn look(config: &Config, host: &Host, units: &Units, now: SystemTime) -> Vec<Finding> {
    let Some(timer) = units.of(TIMER) else {
        return vec![Finding::ok("backup", format!("not seen: {TIMER} is not installed on this host"))];
    };
    let mut findings = Vec::new();
    for (timer, name) in [(Some(timer), TIMER), (units.of(DRILL_TIMER), DRILL_TIMER)] {
        let message = match timer {
            Some(timer) if !timer.is_active() => {
                format!("{name} is off, so that nothing of the kind happens by itself")
            }
            Some(timer) if !timer.is_enabled() => format!("{name} runs, and a boot does not start it"),
            _ => continue,
        };
        findings.push(Finding::note("backup.timer-off", message, format!("run: systemctl enable --now {name}")));
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
            format!("run: journalctl -u {DRILL} -n 50, which says why; then run: systemctl start {BACKUP} && systemctl start {DRILL}"),
        ));
    }
    // A backup that failed, or a timer that is off, says why the newest is old.
    if findings.is_empty() {
        findings.push(match noted(&config.data, "last-backup") {
            Some(at) => made_at(at, None, now),
            None => of_folder(host, now),
        });
        findings.extend(noted(&config.data, "last-drill").map(|at| drilled(at, now)));
    }
    findings
}

/// When `sarangbang backup` last noted in the data folder that something succeeded: seconds since the Unix epoch.
fn noted(data: &Path, name: &str) -> Option<SystemTime> {
    let seconds = fs::read_to_string(data.join(name)).ok()?.trim().parse::<f64>().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

fn since(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

fn made_at(at: SystemTime, name: Option<&str>, now: SystemTime) -> Finding {
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let message = format!("the newest backup is {} old{name}", span(whole_ms(since(at, now))));
    if since(at, now) > OLD { Finding::note("backup.old", message, make()) } else { Finding::ok("backup", message) }
}

fn make() -> String {
    format!("run: systemctl start {BACKUP}; journalctl -u {BACKUP} -n 50 shows how it went")
}

fn drilled(at: SystemTime, now: SystemTime) -> Finding {
    let message = format!("a backup was restored on trial {} ago", span(whole_ms(since(at, now))));
    if since(at, now) > DRILL_OLD {
        let fix = format!("run: systemctl start {DRILL}; journalctl -u {DRILL} -n 50 shows how it went");
        return Finding::note("backup.drill-old", message, fix);
    }
    Finding::ok("backup", message)
}

fn of_folder(host: &Host, now: SystemTime) -> Finding {
    let folder = host.at(FOLDER);
    let newest = match newest(&folder) {
        Ok(newest) => newest,
        Err(e) if e.kind() == ErrorKind::PermissionDenied => {
            return Finding::ok("backup", format!("not seen: this user may not read {FOLDER}; root may"));
        }
        Err(_) => None,
    };
    match newest {
        Some((name, at)) => made_at(at, Some(&name), now),
        // Somebody has just installed it.
        None if made(&folder).is_some_and(|at| since(at, now) < OLD) => {
            Finding::ok("backup", format!("there is none in {FOLDER} yet; {TIMER} makes one every day"))
        }
        None => Finding::note("backup.none", format!("there is no backup in {FOLDER}"), make()),
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
