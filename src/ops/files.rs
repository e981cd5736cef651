//! How many files this process may have open.

/// Raises the soft limit of open files to the hard one: one socket is one file, and many systems start a process
/// with a soft limit of 1,024. Says what it came to; never fails, as fewer sockets are still some.
pub fn raise_file_limit() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).or_else(|error| {
        tracing::warn!(%error, "the limit of open files could not be raised; set it with ulimit -n");
        rlimit::Resource::NOFILE.get_soft()
    });
    // Whoever cannot be asked has what every Unix has.
    let files = files.map_or(1_024, |files| usize::try_from(files).unwrap_or(usize::MAX));
    tracing::debug!(files, "open files allowed");
    files
}
