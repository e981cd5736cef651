//! The link by which the first administrator's account is made: a secret, which is told where it is not kept.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

/// The file in the service's runtime folder; it goes when the service stops.
const FILE: &str = "setup-link";

/// Tells the link on stderr: not by the log, whose level could hide it. Where stderr is the journal of systemd, which
/// would keep it, it is written into a file of the runtime folder (`RuntimeDirectory=`) that its owner alone can read,
/// and it is told where that is.
///
/// # Errors
/// When it cannot be written.
pub fn tell_setup_link(link: &str) -> io::Result<()> {
    let told = if is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()) {
        match std::env::var_os("RUNTIME_DIRECTORY") {
            Some(folder) => {
                let file = write_in(Path::new(&folder), link)?;
                format!("There is no administrator yet. Open the link of {file} once, or run `sarangbang setup`.\n")
            }
            None => "There is no administrator yet. Run `sarangbang setup`.\n".to_owned(),
        }
    } else {
        format!("There is no administrator yet. Open this link once, or run `sarangbang setup`:\n  {link}\n")
    };
    io::stderr().write_all(told.as_bytes())
}

/// Whether stderr is the stream that systemd's variable names, `device:inode`; a shell's descendants inherit the
/// variable, but not the stream (`systemd.exec(5)`, `$JOURNAL_STREAM`).
fn is_journal(stream: Option<&str>) -> bool {
    let Ok(stderr) = fs::metadata("/proc/self/fd/2") else { return stream.is_some() };
    stream == Some(&*format!("{}:{}", stderr.dev(), stderr.ino()))
}

fn write_in(folder: &Path, link: &str) -> io::Result<String> {
    let (path, fresh) = (folder.join(FILE), folder.join(".setup-link"));
    let mut file = File::create(&fresh)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{link}")?;
    fs::rename(&fresh, &path)?;
    Ok(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_is_named_is_the_journal() {
        let stderr = fs::metadata("/proc/self/fd/2").unwrap();
        assert!(is_journal(Some(&format!("{}:{}", stderr.dev(), stderr.ino()))));
        assert!(!is_journal(Some(&format!("{}:{}", stderr.dev(), stderr.ino() + 1))));
        assert!(!is_journal(None));
    }

    #[test]
    fn the_file_of_the_link_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        for link in ["https://a.example/setup?key=1", "https://a.example/setup?key=2"] {
            let path = write_in(folder.path(), link).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{link}\n"));
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
