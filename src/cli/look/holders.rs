//! Which program of this computer listens at a port: by /proc/net/tcp and the open files of every process (proc(5)).
//! Only root sees the files of other users' processes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// What /proc/net/tcp calls a socket that listens.
const LISTENING: &str = "0A";

/// Who listens somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Process {
        pid: u32,
        /// Its short name, as `ps` shows it.
        name: String,
        /// The unit of systemd that it belongs to.
        unit: Option<String>,
    },
    /// Of another user, and this one may not look.
    Hidden,
}

impl Holder {
    /// Who listens at this port, if anybody does.
    pub(super) fn of(port: u16) -> Option<Self> {
        let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listening(&table, port))
            .map(|inode| format!("socket:[{inode}]"))
            .collect();
        if sockets.is_empty() {
            return None;
        }
        let processes = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse::<u32>().ok()?;
            Some((pid, entry.path()))
        });
        // The first process of a system holds a socket unit's port too, while the server has it already.
        let mut found: Vec<u32> = processes
            .filter(|(_, folder)| {
                let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
                files
                    .filter_map(|file| fs::read_link(file.path()).ok())
                    .any(|target| sockets.iter().any(|socket| target.as_os_str() == socket.as_str()))
            })
            .map(|(pid, _)| pid)
            .collect();
        found.sort_unstable();
        let Some(pid) = found.iter().copied().find(|pid| *pid != 1).or(found.first().copied()) else {
            return Some(Self::Hidden);
        };
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        Some(Self::Process { pid, name: read("comm").trim().to_owned(), unit: unit_of(&read("cgroup")) })
    }

    /// Who it is, and how to be rid of it.
    pub(super) fn told(&self) -> (String, String) {
        match self {
            Self::Process { pid: 1, .. } => (
                "systemd, for a socket unit".into(),
                "run: systemctl list-sockets, and systemctl disable --now that unit".into(),
            ),
            Self::Process { pid, name, unit: Some(unit) } => {
                (format!("{name} (process {pid}, {unit})"), format!("run: systemctl disable --now {unit}"))
            }
            Self::Process { pid, name, unit: None } => {
                (format!("{name} (process {pid})"), format!("stop process {pid}: kill {pid}"))
            }
            Self::Hidden => {
                let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
                let who = if is_root { "another program" } else { "a program of another user" };
                (who.into(), "stop that one (run as root: ss -ltnp, which shows it)".into())
            }
        }
    }
}

/// The inodes of the sockets that listen at a port.
fn listening(table: &str, port: u16) -> Vec<u64> {
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let local = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
        let is_it = local == port && *fields.get(3)? == LISTENING;
        is_it.then(|| fields.get(9)?.parse().ok())?
    };
    table.lines().skip(1).filter_map(of_line).collect()
}

/// The innermost service in a path of /proc/PID/cgroup.
fn unit_of(cgroup: &str) -> Option<String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"))?;
    path.rsplit('/').find(|part| part.ends_with(".service")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn who_listens_at_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let Some(Holder::Process { pid, .. }) = Holder::of(port) else { panic!("{:?}", Holder::of(port)) };
        assert_eq!(pid, std::process::id());
        drop(listener);
        // A program that another test starts just now has the socket, too, until it runs.
        let patience = Instant::now() + Duration::from_secs(20);
        while let Some(holder) = Holder::of(port) {
            assert!(Instant::now() < patience, "{holder:?}");
        }
    }

    #[test]
    fn only_sockets_that_listen_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                     0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1\n\
                     1: 0100007F:01BB 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1\n\
                     2: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(
            (listening(table, 443), listening(table, 80), listening(table, 1)),
            (vec![4711], vec![4713], vec![])
        );
    }

    #[test]
    fn a_program_of_a_unit_is_stopped_by_it() {
        assert_eq!(unit_of("0::/system.slice/caddy.service\n").as_deref(), Some("caddy.service"));
        assert_eq!(unit_of("0::/user.slice/user-0.slice/session-1.scope\n"), None);
        let caddy = Holder::Process { pid: 7, name: "caddy".into(), unit: Some("caddy.service".into()) };
        assert_eq!(caddy.told().1, "run: systemctl disable --now caddy.service");
    }
}
