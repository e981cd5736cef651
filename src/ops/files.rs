//! How many files this process may have open.

/// Raises the soft limit of open files to the hard one: one socket is one file, and many systems start a process
/// with a soft limit of 1,024. Says what it came to; never fails, as fewer sockets are still some.
pub fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => tracing::debug!(files, "open files allowed"),
        Err(error) => tracing::warn!(%error, "the limit of open files could not be raised; set it with ulimit -n"),
    }
}
