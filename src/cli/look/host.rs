//! The host itself: the files in which the system tells of itself, and its programs that are asked.
//!
//! Invariant: no program is waited for longer than [`PROGRAM_WAIT`]; one that takes longer is ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

/// How long a program of the system may take to answer.
const PROGRAM_WAIT: Duration = Duration::from_secs(3);

/// Where the system's files are.
pub(in crate::cli) struct Host {
    root: PathBuf,
}

/// Why a program said nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("there is no {0} on this host")]
    Absent(String),
    #[error("{0} does not answer within {wait} seconds", wait = PROGRAM_WAIT.as_secs())]
    Slow(String),
    #[error("{0} says: {1}")]
    Refused(String, String),
}

impl Host {
    /// With everything under this folder; `/` is the host that this runs on.
    pub(in crate::cli) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Where something is that the system knows by an absolute path.
    pub(super) fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// A file's text without the white space around it; `None` where it cannot be read.
    pub(super) fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.at(path)).ok().map(|text| text.trim().to_owned())
    }

    /// The number that a file of the kernel holds.
    pub(super) fn number(&self, path: impl AsRef<Path>) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// The names in a folder, in their order.
    pub(super) fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Whether systemd runs this host (sd_booted(3)).
    pub(super) fn has_systemd(&self) -> bool {
        self.at("/run/systemd/system").is_dir()
    }

    /// What a program on the PATH prints.
    ///
    /// # Errors
    /// [`Silence`], which says why there is nothing.
    pub(super) async fn ask(&self, program: &str, arguments: &[&str]) -> Result<String, Silence> {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC").kill_on_drop(true);
        command.stdin(Stdio::null());
        let output = match timeout(PROGRAM_WAIT, command.output()).await {
            Err(_) => return Err(Silence::Slow(program.into())),
            Ok(Err(_)) => return Err(Silence::Absent(program.into())),
            Ok(Ok(output)) => output,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Silence::Refused(program.into(), said.lines().next().unwrap_or("nothing").trim().to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_is_asked_and_none_is_waited_for_long() {
        let host = Host::new("/");
        assert_eq!(host.ask("echo", &["a", "b"]).await.unwrap(), "a b\n");
        let absent = host.ask("sarangbang-no-such-program", &[]).await.unwrap_err();
        assert_eq!(absent.to_string(), "there is no sarangbang-no-such-program on this host");
        let refused = host.ask("sh", &["-c", "echo no bus >&2; exit 1"]).await.unwrap_err();
        assert_eq!(refused.to_string(), "sh says: no bus");
        let began = std::time::Instant::now();
        assert!(matches!(host.ask("sleep", &["60"]).await, Err(Silence::Slow(_))));
        assert!(began.elapsed() < PROGRAM_WAIT * 2);
    }

    #[test]
    fn a_path_of_the_system_stays_under_the_root() {
        let host = Host::new("/srv/image");
        assert_eq!(host.at("/etc/fstab"), Path::new("/srv/image/etc/fstab"));
        assert!(!host.has_systemd() && host.text("/etc/fstab").is_none());
    }
}
