//! What systemd does for the service beyond starting it: the walls around it, and the eye that is kept on it.

use super::super::finding::Finding;
use super::units::{SERVICE, Unit};

/// What is asked of the service besides; systemd.exec(5) and systemd.service(5) say what each is.
pub(super) const PROPERTIES: &str = "User,NoNewPrivileges,ProtectSystem,ProtectHome,PrivateDevices,CapabilityBoundingSet,\
                                     MemoryDenyWriteExecute,SystemCallFilter,Restart,WatchdogUSec,DropInPaths";
/// Settings of the walls with the values that are as good as ours.
const WALLS: [(&str, &[&str]); 5] = [
    ("NoNewPrivileges", &["yes"]),
    ("ProtectSystem", &["strict"]),
    ("ProtectHome", &["yes", "tmpfs", "read-only"]),
    ("PrivateDevices", &["yes"]),
    ("MemoryDenyWriteExecute", &["yes"]),
];
/// The one right that a service without a socket unit needs.
const RIGHT: &str = "cap_net_bind_service";

/// What is weaker than in the unit that comes with Sarangbang. What an older systemd does not tell is not held against it.
pub(super) fn look(service: &Unit) -> Vec<Finding> {
    let missing = |(name, good): &(&str, &[&str])| {
        let value = service.get(name);
        (!value.is_empty() && !good.contains(&value)).then(|| format!("{name}={value}"))
    };
    let mut weak: Vec<String> = WALLS.iter().filter_map(missing).collect();
    if service.tells("User") && matches!(service.get("User"), "" | "root") {
        weak.push("User=root".into());
    }
    if service.get("CapabilityBoundingSet").split_whitespace().any(|right| right != RIGHT) {
        weak.push("CapabilityBoundingSet= with rights that it does not need".into());
    }
    if service.tells("SystemCallFilter") && service.get("SystemCallFilter").is_empty() {
        weak.push("no SystemCallFilter=".into());
    }
    let mut findings = Vec::new();
    if !weak.is_empty() {
        let message = format!("{SERVICE} is less shut in than it should be: {}{}", weak.join(", "), by_whom(service));
        findings.push(Finding::note("units.weakened", message, format!("{}, which shows the level", fix(service))));
    }
    let mut blind = Vec::new();
    if matches!(service.get("Restart"), "no" | "on-success" | "on-watchdog") {
        blind.push(format!("Restart={}", service.get("Restart")));
    }
    if matches!(service.get("WatchdogUSec"), "0" | "infinity") {
        blind.push("no WatchdogSec=".into());
    }
    if !blind.is_empty() {
        let message =
            format!("nobody starts {SERVICE} again when it ends or hangs: {}{}", blind.join(", "), by_whom(service));
        findings.push(Finding::note("units.unattended", message, fix(service)));
    }
    findings
}

/// The files that change the unit, where there are any.
fn by_whom(service: &Unit) -> String {
    match service.get("DropInPaths") {
        "" => String::new(),
        paths => format!(" ({paths})"),
    }
}

fn fix(service: &Unit) -> String {
    let place = match service.get("DropInPaths") {
        "" => format!("the lines that are missing into it (systemctl edit {SERVICE})"),
        _ => "those lines out of the file that is named".to_owned(),
    };
    format!(
        "take {place}, then run: systemctl daemon-reload && systemctl restart {SERVICE}; systemd-analyze security {SERVICE}"
    )
}

#[cfg(test)]
mod tests {
    use super::super::units::parsed;
    use super::*;

    fn ids(lines: &str) -> Vec<&'static str> {
        let units = parsed(&format!("Id={SERVICE}\n{lines}"));
        look(&units[SERVICE]).iter().filter_map(|finding| finding.id).collect()
    }

    #[test]
    fn a_wall_that_is_gone_is_told_and_one_that_is_not_told_of_is_not() {
        assert!(ids("LoadState=loaded\n").is_empty());
        let well = "User=sarangbang\nNoNewPrivileges=yes\nProtectSystem=strict\nCapabilityBoundingSet=cap_net_bind_service\n\
                    SystemCallFilter=accept read\nRestart=always\nWatchdogUSec=30s\n";
        assert!(ids(well).is_empty());
        for (from, to, id) in [
            ("User=sarangbang", "User=", "units.weakened"),
            ("NoNewPrivileges=yes", "NoNewPrivileges=no", "units.weakened"),
            ("ProtectSystem=strict", "ProtectSystem=full", "units.weakened"),
            ("cap_net_bind_service", "cap_net_bind_service cap_sys_admin", "units.weakened"),
            ("SystemCallFilter=accept read", "SystemCallFilter=", "units.weakened"),
            ("Restart=always", "Restart=no", "units.unattended"),
            ("WatchdogUSec=30s", "WatchdogUSec=0", "units.unattended"),
        ] {
            assert_eq!(ids(&well.replace(from, to)), [id], "{to}");
        }
    }
}
