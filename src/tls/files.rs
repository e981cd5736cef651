//! A certificate and its key in two files, read again when they change.
//!
//! Looked at every few seconds, not by the file system's events: links that are turned, folders that are mounted and
//! network file systems all tell such events in ways of their own, and reading two small files costs nothing.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::interval;

use super::clock::now_ms;
use super::{Certificates, Pair, PairError};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often it is told that the certificate has expired.
const A_DAY: Duration = Duration::from_secs(24 * 3_600);
/// A certificate chain is a few KiB; whatever is larger is something else.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The two files.
pub struct Files {
    cert: PathBuf,
    key: PathBuf,
    /// What the last look came to, so that one bad pair is told once.
    last: Mutex<Option<String>>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// A file is not there, or not for this user.
    #[error("{path} cannot be read: {cause}; name a file that the server's user may read", path = path.display(), cause = plain(cause))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// A file is something else.
    #[error("{path} is larger than 1 MiB, so that it is no PEM file of a certificate; name another", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key.
    #[error("{path} holds a private key, and everybody on this computer may read it; run: chmod o-rwx {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The two are no pair.
    #[error("{cert} and {key}: {cause}", cert = cert.display(), key = key.display())]
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's.
        key: PathBuf,
        /// What does not fit.
        cause: PairError,
    },
}

impl Files {
    /// The two of these names.
    pub fn new(cert: &Path, key: &Path) -> Self {
        Self { cert: cert.to_owned(), key: key.to_owned(), last: Mutex::default() }
    }

    /// The pair that stands in them now.
    ///
    /// # Errors
    /// [`FilesError`], which says how to mend it.
    pub fn read(&self) -> Result<Pair, FilesError> {
        let chain = read(&self.cert)?;
        let key = read(&self.key)?;
        let exposed = std::fs::metadata(&self.key).is_ok_and(|file| file.permissions().mode() & 0o007 != 0);
        if exposed {
            return Err(FilesError::Exposed { path: self.key.clone() });
        }
        Pair::parse(&chain, &key).map_err(|cause| FilesError::Unfit {
            cert: self.cert.clone(),
            key: self.key.clone(),
            cause,
        })
    }

    /// Looks now, and puts what is new in force.
    pub(super) fn reload(&self, certificates: &Certificates) {
        let mut last = self.last.lock();
        match self.read() {
            Ok(pair) if pair.fingerprint() == certificates.pair().fingerprint() => *last = None,
            Ok(pair) => {
                tracing::info!(names = ?pair.names(), "the certificate was renewed: the files have changed");
                certificates.put(pair);
                *last = None;
            }
            Err(error) => {
                let error = error.to_string();
                // Told once, and not at every look. A pair that is just being written is whole at the next.
                if last.as_ref() != Some(&error) {
                    tracing::error!(error, "the certificate's files cannot be used; the old one stays in force");
                    *last = Some(error);
                }
            }
        }
    }

    /// Looks again and again.
    pub(super) async fn watch(&self, certificates: &Certificates) {
        let mut looks = interval(LOOK);
        let mut told = None;
        loop {
            looks.tick().await;
            self.reload(certificates);
            if certificates.is_expired(now_ms()) && told.is_none_or(|told: Instant| told.elapsed() > A_DAY) {
                told = Some(Instant::now());
                tracing::error!("the certificate has expired, and is still served; renew tls.cert and tls.key");
            }
        }
    }
}

/// What the operating system says, without its number.
fn plain(cause: &std::io::Error) -> String {
    cause.to_string().split(" (os error").next().unwrap_or_default().to_lowercase()
}

fn read(path: &Path) -> Result<Vec<u8>, FilesError> {
    let unreadable = |cause| FilesError::Unreadable { path: path.to_owned(), cause };
    // A pipe would be waited for.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(std::io::Error::other("it is no regular file")));
    }
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(FilesError::TooLarge { path: path.to_owned() });
    }
    std::fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    fn write(folder: &Path, names: &[&str]) -> Files {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (chain, key) = self_signed::pem(&names).unwrap();
        let files = Files::new(&folder.join("cert.pem"), &folder.join("key.pem"));
        std::fs::write(&files.cert, chain).unwrap();
        std::fs::write(&files.key, key).unwrap();
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o640)).unwrap();
        files
    }

    #[test]
    fn a_changed_pair_is_taken_up_and_a_bad_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &["a.example"]);
        let certificates = Certificates::new(files.read().unwrap());
        write(folder.path(), &["b.example"]);
        files.reload(&certificates);
        assert_eq!(certificates.pair().names(), ["b.example"]);
        std::fs::write(&files.key, "half a k").unwrap();
        files.reload(&certificates);
        assert_eq!(certificates.pair().names(), ["b.example"]);
        assert!(files.last.lock().as_ref().unwrap().contains("no private key"));
        write(folder.path(), &["c.example"]);
        files.reload(&certificates);
        assert_eq!((certificates.pair().names()[0].as_str(), files.last.lock().clone()), ("c.example", None));
    }

    #[test]
    fn a_key_that_everybody_may_read_is_refused_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &["a.example"]);
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(files.read().unwrap_err().to_string().contains("chmod o-rwx"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), &["a.example"]);
        std::fs::remove_file(&files.cert).unwrap();
        let refusal = files.read().unwrap_err().to_string();
        assert!(refusal.contains("cert.pem cannot be read"), "{refusal}");
    }
}
