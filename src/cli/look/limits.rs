//! What the system allows a process.

use std::fs;

use super::super::finding::Finding;
use crate::config::Config;

/// Files that the server wants besides one for each socket: for plain requests, and those of its own.
const FILES_BESIDES: u64 = 1_024 + 256;
/// Connections that `serve` asks the kernel to queue.
const BACKLOG: u64 = 4_096;

/// Whether as many files may be opened as connections are allowed: by the running server, or else here. The hard limit
/// counts: `serve` raises the soft one.
pub(super) fn open_files(config: &Config, server: Option<&str>) -> Option<Finding> {
    let of_server = server.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    let (files, whose) = match of_server.as_deref().and_then(hard_limit) {
        Some(files) => (files, "for the running server"),
        None => (rlimit::Resource::NOFILE.get().ok()?.1, "here"),
    };
    Some(judge(files, config.limits.connections_max as u64, whose))
}

fn judge(files: u64, connections_max: u64, whose: &str) -> Finding {
    let needed = connections_max + FILES_BESIDES;
    if files >= needed {
        return Finding::ok(
            "limits",
            format!("{files} open files {whose} are enough for {connections_max} connections"),
        );
    }
    let fits = files.saturating_sub(FILES_BESIDES);
    Finding::note(
        "limits",
        format!("{files} files may be open {whose}, so about {fits} connections, below limits.connections_max"),
        format!("raise the hard limit (LimitNOFILE={needed} under systemd), or lower the key"),
    )
}

/// The hard limit of open files in proc_pid_limits(5).
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the kernel queues as many connections as `serve` asks for: everybody comes back at once after a restart.
pub(super) fn backlog() -> Option<Finding> {
    let somaxconn = fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?.trim().parse::<u64>().ok()?;
    Some(if somaxconn >= BACKLOG {
        Finding::ok("limits", format!("the kernel queues {BACKLOG} connections while everybody comes back"))
    } else {
        Finding::note(
            "limits",
            format!("the kernel queues {somaxconn} connections at most, and {BACKLOG} were better after a restart"),
            format!("run: sysctl -w net.core.somaxconn={BACKLOG}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    #[test]
    fn too_few_files_are_told_with_what_they_are_enough_for() {
        let finding = judge(3_000, 10_000, "here");
        assert!(finding.level == Level::Note && finding.message.contains("about 1720 connections"), "{finding:?}");
        assert!(finding.fix.unwrap().contains("LimitNOFILE=11280"));
        assert_eq!(judge(20_000, 10_000, "here").level, Level::Ok);
    }

    #[test]
    fn the_limit_of_a_process_is_read_as_the_kernel_writes_it() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(hard_limit(text), Some(524_288));
        assert_eq!(hard_limit("Max open files  unlimited unlimited files"), None);
    }
}
