//! What the system allows a process.

use std::fs;

use super::super::finding::Finding;
use super::host::Host;
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
        "limits.open-files",
        format!("{files} files may be open {whose}, so about {fits} connections, below limits.connections_max"),
        format!("raise the hard limit (LimitNOFILE={needed} under systemd), or lower the key"),
    )
}

/// The hard limit of open files in proc_pid_limits(5).
fn hard_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// What the kernel allows the whole host.
pub(super) fn of_the_kernel(config: &Config, host: &Host) -> Vec<Finding> {
    let connections = config.limits.connections_max as u64;
    let mut findings: Vec<Finding> =
        [backlog(host), files(host, connections), tracked(host, connections)].into_iter().flatten().collect();
    if findings.is_empty() {
        findings.push(Finding::ok("limits", "what the kernel allows is not seen: there is no /proc/sys here"));
    }
    findings
}

/// How to change a setting of the kernel, now and for the next boot.
fn set(name: &str, value: u64) -> String {
    format!("run: echo '{name} = {value}' >> /etc/sysctl.d/60-sarangbang.conf && sysctl --system")
}

/// Whether the kernel queues as many connections as `serve` asks for: everybody comes back at once after a restart.
fn backlog(host: &Host) -> Option<Finding> {
    let somaxconn = host.number("/proc/sys/net/core/somaxconn")?;
    if somaxconn < BACKLOG {
        return Some(Finding::note(
            "limits.backlog",
            format!("the kernel queues {somaxconn} connections at most, and {BACKLOG} were better after a restart"),
            set("net.core.somaxconn", BACKLOG),
        ));
    }
    // With cookies a full queue of half-open connections refuses nobody (tcp(7)).
    let half_open = host.number("/proc/sys/net/ipv4/tcp_max_syn_backlog").unwrap_or(BACKLOG);
    if half_open < BACKLOG && host.number("/proc/sys/net/ipv4/tcp_syncookies") == Some(0) {
        return Some(Finding::note(
            "limits.half-open",
            format!(
                "the kernel keeps {half_open} half-open connections and drops further ones (tcp_syncookies is off); \
                 {BACKLOG} were better after a restart"
            ),
            set("net.ipv4.tcp_max_syn_backlog", BACKLOG),
        ));
    }
    Some(Finding::ok("limits", format!("the kernel queues {BACKLOG} connections while everybody comes back")))
}

/// Whether all processes together, and one alone, may open as many files as there may be connections.
fn files(host: &Host, connections_max: u64) -> Option<Finding> {
    let needed = connections_max + FILES_BESIDES;
    let of_host = host.number("/proc/sys/fs/file-max")?;
    let of_process = host.number("/proc/sys/fs/nr_open").unwrap_or(u64::MAX);
    for (id, name, allowed, whose) in [
        // Half of them are for everything else on the host.
        ("limits.file-max", "fs.file-max", of_host / 2, "the whole host"),
        ("limits.nr-open", "fs.nr_open", of_process, "any one process"),
    ] {
        if allowed < needed {
            let wanted = if id == "limits.file-max" { needed * 2 } else { needed };
            return Some(Finding::note(
                id,
                format!("the kernel allows {whose} too few open files for {connections_max} connections ({name})"),
                set(name, wanted.next_multiple_of(1_024)),
            ));
        }
    }
    Some(Finding::ok("limits", "the kernel allows as many open files as there may be connections"))
}

/// Whether a firewall that follows connections has room for them; without one there is nothing to say.
fn tracked(host: &Host, connections_max: u64) -> Option<Finding> {
    let max = host.number("/proc/sys/net/netfilter/nf_conntrack_max").filter(|max| *max > 0)?;
    let count = host.number("/proc/sys/net/netfilter/nf_conntrack_count").unwrap_or(0);
    // Those that have just ended are followed for a while too.
    let wanted = connections_max.saturating_mul(2).max(max.saturating_mul(2));
    if count >= max / 10 * 9 {
        return Some(Finding::error(
            "limits.tracking-full",
            format!("the firewall follows {count} connections of {max}, and drops what it cannot follow"),
            set("net.netfilter.nf_conntrack_max", wanted),
        ));
    }
    if max < connections_max {
        return Some(Finding::note(
            "limits.tracking",
            format!("the firewall follows {max} connections, below limits.connections_max ({connections_max})"),
            set("net.netfilter.nf_conntrack_max", wanted),
        ));
    }
    Some(Finding::ok("limits", format!("the firewall follows {count} connections of {max}")))
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
