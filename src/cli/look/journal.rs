//! The journal: whether what the server said before a crash of the host can still be read after it.

use super::super::finding::Finding;
use super::host::Host;

/// Where drop-ins of journald.conf(5) stand, those that count least first.
const FOLDERS: [&str; 3] =
    ["/usr/lib/systemd/journald.conf.d", "/run/systemd/journald.conf.d", "/etc/systemd/journald.conf.d"];

/// Looks where journald keeps what it is told.
pub(super) fn look(host: &Host) -> Finding {
    if !host.has_systemd() {
        return Finding::ok("journal", "not seen: systemd does not run this host");
    }
    let is_there = host.at("/var/log/journal").is_dir();
    match storage(host).as_str() {
        "none" => Finding::note(
            "journal.none",
            "Storage=none in journald.conf: what the server logs is kept nowhere",
            "set Storage=persistent there, and run: systemctl restart systemd-journald",
        ),
        "volatile" => Finding::note(
            "journal.volatile",
            "Storage=volatile in journald.conf: the server's log is gone with the next boot",
            "set Storage=persistent there, and run: systemctl restart systemd-journald && journalctl --flush",
        ),
        // `persistent` makes the folder by itself.
        "persistent" => Finding::ok("journal", "what the server logs survives a boot"),
        _ if is_there => Finding::ok("journal", "what the server logs survives a boot"),
        _ => Finding::note(
            "journal.volatile",
            "there is no /var/log/journal, so that the server's log is gone with the next boot",
            "run: mkdir -p /var/log/journal && systemd-tmpfiles --create --prefix /var/log/journal && journalctl --flush",
        ),
    }
}

/// The setting in force: of drop-ins of one name the more local counts, and of all the one whose name comes last.
fn storage(host: &Host) -> String {
    let mut files = std::collections::BTreeMap::new();
    for folder in FOLDERS {
        for name in host.names(folder).into_iter().filter(|name| name.ends_with(".conf")) {
            files.insert(name.clone(), format!("{folder}/{name}"));
        }
    }
    let main = "/etc/systemd/journald.conf".to_owned();
    let texts = std::iter::once(main).chain(files.into_values()).filter_map(|path| host.text(path));
    let values = texts.filter_map(|text| {
        text.lines().filter_map(|line| line.trim().strip_prefix("Storage=")).next_back().map(str::to_lowercase)
    });
    values.last().filter(|value| !value.is_empty()).unwrap_or_else(|| "auto".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_drop_in_decides_where_the_journal_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path());
        let write = |path: &str, text: &str| {
            let path = host.at(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(look(&host).id, None, "without systemd nothing is seen");
        std::fs::create_dir_all(host.at("/run/systemd/system")).unwrap();
        assert_eq!(look(&host).id, Some("journal.volatile"));
        std::fs::create_dir_all(host.at("/var/log/journal")).unwrap();
        write("/etc/systemd/journald.conf", "[Journal]\n#Storage=none\n");
        assert_eq!(look(&host).id, None);
        write("/usr/lib/systemd/journald.conf.d/50-a.conf", "[Journal]\nStorage=volatile\n");
        assert_eq!(look(&host).id, Some("journal.volatile"));
        write("/etc/systemd/journald.conf.d/60-b.conf", "[Journal]\nStorage=none\n");
        assert_eq!(look(&host).id, Some("journal.none"));
        write("/etc/systemd/journald.conf.d/70-c.conf", "[Journal]\nStorage=persistent\n");
        assert_eq!(look(&host).id, None);
    }
}
