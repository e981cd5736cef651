//! The store in Redis as the configuration describes it, with the files that it names.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::Config;
use crate::store::redis::{Address, Settings};

/// A password is short, and roots are some hundred KiB at most; whatever is larger is something else.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a file about Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not for this user.
    #[error("{key}: {path} cannot be read: {cause}; name a file that the server's user may read", path = path.display())]
    Unreadable {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: io::Error,
    },
    /// Others may read the password.
    #[error("redis.password_file: everybody on this computer may read {path}; run: chmod o-rwx {path}", path = .0.display())]
    Exposed(PathBuf),
    /// No password, or more than one.
    #[error("redis.password_file: {path} holds no password, or something beside it; write the password alone on one line", path = .0.display())]
    NoPassword(PathBuf),
    /// No certificate, or something that is none.
    #[error("redis.ca_file: {path} holds no PEM certificates that can be read; name the file with the authority's root certificate", path = .0.display())]
    NoCertificate(PathBuf),
}

/// What the store in Redis is opened by; `None` where the embedded one is meant.
pub(super) fn settings(config: &Config) -> Result<Option<Settings>, FileError> {
    let Some(url) = address(config)? else { return Ok(None) };
    let (redis, history) = (&config.redis, &config.history);
    Ok(Some(Settings {
        url,
        prefix: redis.prefix.clone(),
        locale: config.locale,
        keep_entries: Some(history.keep_entries).filter(|entries| *entries > 0),
        keep_days: Some(history.keep_days).filter(|days| *days > 0),
        queue_max: config.limits.store_queue_max,
        rooms_max: config.limits.rooms_max,
        wait: Duration::from_secs(redis.wait_seconds.into()),
        replicas_min: redis.replicas_min,
        lease: Duration::from_secs(config.presence.lease_seconds.into()),
    }))
}

fn address(config: &Config) -> Result<Option<Address>, FileError> {
    let redis = &config.redis;
    let Some(mut address) = redis.url.clone() else { return Ok(None) };
    let is_named = |path: &Path| !path.as_os_str().is_empty();
    if is_named(&redis.password_file) {
        address = address.with_password(password(&redis.password_file)?);
    }
    if is_named(&redis.ca_file) {
        let pem = read(&redis.ca_file, "redis.ca_file")?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let mut roots = rustls::RootCertStore::empty();
        let added = certificates.map(|certificates| roots.add_parsable_certificates(certificates));
        if !matches!(added, Ok((1.., 0))) {
            return Err(FileError::NoCertificate(redis.ca_file.clone()));
        }
        address = address.with_roots(&pem);
    }
    Ok(Some(address))
}

fn password(path: &Path) -> Result<String, FileError> {
    let bytes = read(path, "redis.password_file")?;
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0) {
        return Err(FileError::Exposed(path.to_owned()));
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(FileError::NoPassword(path.to_owned()));
    }
    Ok(line.to_owned())
}

fn read(path: &Path, key: &'static str) -> Result<Vec<u8>, FileError> {
    let unreadable = |cause| FileError::Unreadable { key, path: path.to_owned(), cause };
    // A pipe would be waited for.
    let file = std::fs::metadata(path).map_err(unreadable)?;
    if !file.is_file() || file.len() > FILE_BYTES_MAX {
        return Err(unreadable(io::Error::other("it is no regular file, or larger than 1 MiB")));
    }
    std::fs::read(path).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path, url: &str) -> Config {
        let mut config = Config::default();
        config.redis.url = Some(url.parse().unwrap());
        config.redis.password_file = folder.join("password");
        config
    }

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_password_is_the_line_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "redis://chat@h");
        for text in ["a p@ss/word", "a p@ss/word\n", "a p@ss/word\r\n"] {
            write(&config.redis.password_file, text, 0o640);
            let expected = "redis://chat@h".parse::<Address>().unwrap().with_password("a p@ss/word".into());
            assert_eq!(address(&config).unwrap(), Some(expected));
        }
    }

    #[test]
    fn a_password_that_others_may_read_or_that_is_none_is_refused_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "redis://chat@h");
        let path = &config.redis.password_file;
        let refusal = || address(&config).unwrap_err().to_string();
        assert!(refusal().contains("redis.password_file: ") && refusal().contains("cannot be read"), "{}", refusal());
        for (text, mode, part) in
            [("secret", 0o644, "chmod o-rwx"), ("", 0o600, "alone on one line"), ("secret\nsecret\n", 0o600, "alone")]
        {
            write(path, text, mode);
            assert!(refusal().contains(part) && !refusal().contains("secret"), "{}", refusal());
        }
    }

    #[test]
    fn roots_that_are_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.redis.url = Some("rediss://h".parse().unwrap());
        config.redis.ca_file = folder.path().join("ca.pem");
        for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            write(&config.redis.ca_file, text, 0o644);
            let refusal = address(&config).unwrap_err().to_string();
            assert!(refusal.contains("redis.ca_file: "), "{text}: {refusal}");
        }
    }
}
