//! The units of systemd: whether they run the server, start it at a boot, and hold its ports while it is away.

use std::collections::HashMap;
use std::path::Path;

use super::super::finding::Finding;
use super::host::Host;
use super::sandbox;
use crate::config::Config;

pub(super) const SERVICE: &str = "sarangbang.service";
const SOCKET: &str = "sarangbang.socket";
/// What is asked of each; systemctl(1) leaves out what a kind of unit does not have.
const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,UnitFileState,FragmentPath,NeedDaemonReload,\
                          NRestarts,MainPID,StateDirectory,Listen";
/// One restart is an upgrade that went wrong, or a crash; so many are a habit.
const RESTARTS_NOTE: u64 = 3;
const WHY: &str = "run: journalctl -u sarangbang.service -n 50, which says why";

/// The units, or why none is seen.
pub(super) struct Units {
    seen: Result<HashMap<String, Unit>, String>,
}

/// What systemd says of one unit.
#[derive(Debug, Default)]
pub(super) struct Unit {
    lines: Vec<(String, String)>,
}

impl Units {
    /// Asks for the server's units, and for the one that mounts a volume at its data folder.
    pub(super) async fn read(host: &Host, data: &Path) -> Self {
        if !host.has_systemd() {
            return Self { seen: Err("systemd does not run this host".into()) };
        }
        let mount = mount_unit(data);
        let names = [
            SERVICE,
            SOCKET,
            "sarangbang-backup.service",
            "sarangbang-backup.timer",
            "sarangbang-drill.service",
            "sarangbang-drill.timer",
            &mount,
        ];
        let properties = format!("--property={PROPERTIES},{}", sandbox::PROPERTIES);
        let asked = host.ask("systemctl", &[&["show", "--no-pager", &properties, "--"][..], &names].concat()).await;
        Self { seen: asked.map(|text| parsed(&text)).map_err(|silence| silence.to_string()) }
    }

    /// A unit that is there, in whatever state.
    pub(super) fn of(&self, name: &str) -> Option<&Unit> {
        self.seen.as_ref().ok()?.get(name).filter(|unit| unit.get("LoadState") != "not-found")
    }

    /// The unit that mounts a volume at the data folder, where there is one. What was mounted there by hand once has a
    /// unit too, without a file.
    pub(super) fn mount_of(&self, data: &Path) -> Option<&Unit> {
        self.of(&mount_unit(data)).filter(|mount| !mount.get("FragmentPath").is_empty())
    }

    /// Whether systemd itself holds this port, and starts the server when somebody comes there.
    pub(super) fn hold(&self, port: u16) -> bool {
        self.of(SOCKET).is_some_and(|socket| socket.is_active() && socket.ports().contains(&port))
    }

    /// The process id of the service, while it runs.
    pub(super) fn pid(&self) -> Option<String> {
        let pid = self.of(SERVICE).filter(|service| service.is_active())?.get("MainPID");
        Some(pid.to_owned()).filter(|pid| pid != "0" && !pid.is_empty())
    }
}

impl Unit {
    pub(super) fn get(&self, name: &str) -> &str {
        self.lines.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    pub(super) fn is_active(&self) -> bool {
        self.get("ActiveState") == "active"
    }

    /// Whether systemd says anything under this name: a property that it does not know has no line.
    pub(super) fn tells(&self, name: &str) -> bool {
        self.lines.iter().any(|(own, _)| own == name)
    }

    pub(super) fn is_enabled(&self) -> bool {
        // What is not said of a unit (a transient one) is not held against it.
        !matches!(self.get("UnitFileState"), "disabled" | "masked" | "masked-runtime" | "enabled-runtime")
    }

    /// How often systemd has started it again since somebody did.
    fn restarts(&self) -> u64 {
        self.get("NRestarts").parse().unwrap_or(0)
    }

    /// The TCP ports of a socket unit: `[::]:443 (Stream)`, one line each.
    fn ports(&self) -> Vec<u16> {
        let listens = self.lines.iter().filter(|(name, _)| name == "Listen");
        let port = |value: &str| value.strip_suffix(" (Stream)")?.rsplit_once(':')?.1.parse().ok();
        listens.filter_map(|(_, value)| port(value)).collect()
    }
}

/// What is to be said of the units, given the process id of the server that runs on the data folder.
pub(super) fn look(config: &Config, host: &Host, units: &Units, server: Option<&str>) -> Vec<Finding> {
    if let Err(why) = &units.seen {
        return vec![Finding::ok("units", format!("not seen: {why}"))];
    }
    let Some(service) = units.of(SERVICE) else {
        return vec![Finding::ok("units", format!("not seen: {SERVICE} is not installed on this host"))];
    };
    if let Some(elsewhere) = of_another_folder(config, service) {
        return vec![elsewhere];
    }
    let mut findings = standing(service, server);
    if findings.iter().all(|finding| !finding.is_news()) {
        findings.extend(habits(service));
        findings.extend(sandbox::look(service));
    }
    match units.of(SOCKET) {
        Some(socket) => findings.extend(ports(config, socket, service)),
        None => findings.push(Finding::ok("units", format!("{SOCKET} is not installed; the server opens its ports"))),
    }
    findings.extend([SERVICE, SOCKET].iter().filter_map(|name| file(name, units.of(name)?, host)));
    findings
}

/// The unit may well run, and not on what is looked at.
fn of_another_folder(config: &Config, service: &Unit) -> Option<Finding> {
    let first = service.get("StateDirectory").split_whitespace().next()?;
    let own = Path::new("/var/lib").join(first);
    let looked_at = std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone());
    (config.redis.url.is_none() && looked_at != own).then(|| {
        Finding::note(
            "units.another-folder",
            format!("{SERVICE} keeps its data in {}, and this looks at {}", own.display(), looked_at.display()),
            format!(
                "to look at the service run: sarangbang doctor --config /etc/sarangbang/sarangbang.toml --data {}",
                own.display()
            ),
        )
    })
}

/// Whether the service runs, and is the server that runs.
fn standing(service: &Unit, server: Option<&str>) -> Vec<Finding> {
    let (active, sub) = (service.get("ActiveState"), service.get("SubState"));
    if service.get("LoadState") == "masked" {
        let fix = format!("run: systemctl unmask {SERVICE} && systemctl enable --now {SERVICE}");
        return vec![Finding::error("units.masked", format!("{SERVICE} is masked, so that nothing starts it"), fix)];
    }
    if service.get("LoadState") != "loaded" {
        let message = format!("systemd cannot read {SERVICE} ({})", service.get("LoadState"));
        return vec![Finding::error("units.broken", message, format!("run: systemd-analyze verify {SERVICE}"))];
    }
    let pid = service.get("MainPID");
    match (active, sub) {
        // Each start is tried anew, and looks like the first one while it lasts.
        ("activating", _) if service.restarts() >= 2 && server.is_none() => vec![failing(service)],
        ("active" | "reloading", _) => match server.filter(|server| *server != "unknown" && *server != pid) {
            Some(server) => vec![Finding::note(
                "units.another-process",
                format!("process {server} runs on the data folder, and {SERVICE} runs process {pid}"),
                format!("stop the one that was started by hand (kill {server}), then run: systemctl restart {SERVICE}"),
            )],
            None => vec![Finding::ok("units", format!("{SERVICE} runs (process {pid})"))],
        },
        ("activating", "auto-restart") | ("failed", _) => vec![failing(service)],
        ("inactive", _) => vec![match server {
            Some(server) => Finding::note(
                "units.by-hand",
                format!("process {server} runs on the data folder, and {SERVICE} does not: a boot ends it for good"),
                format!("stop it (kill {server}), then run: systemctl enable --now {SERVICE}"),
            ),
            None => Finding::note(
                "units.stopped",
                format!("{SERVICE} is stopped"),
                format!("run: systemctl start {SERVICE}"),
            ),
        }],
        _ => vec![Finding::ok("units", format!("{SERVICE} is {active} ({sub})"))],
    }
}

fn failing(service: &Unit) -> Finding {
    let (active, result, times) = (service.get("ActiveState"), service.get("Result"), service.restarts());
    Finding::error(
        "units.failing",
        format!("{SERVICE} ends again and again, or did ({active}, {result}, started again {times} times)"),
        format!("{WHY}; then run: systemctl restart {SERVICE}"),
    )
}

/// What a service that runs does besides.
fn habits(service: &Unit) -> Vec<Finding> {
    let mut findings = Vec::new();
    let restarts = service.restarts();
    if restarts >= RESTARTS_NOTE {
        findings.push(Finding::note(
            "units.restarts",
            format!("systemd had to start {SERVICE} again {restarts} times"),
            format!("{WHY}; once it is mended run: systemctl reset-failed {SERVICE}, which counts anew"),
        ));
    }
    if !service.is_enabled() {
        findings.push(Finding::note(
            "units.disabled",
            format!("{SERVICE} runs, and a boot does not start it"),
            format!("run: systemctl enable {SERVICE}"),
        ));
    }
    findings
}

/// Whether the socket unit holds the ports that the configuration names.
fn ports(config: &Config, socket: &Unit, service: &Unit) -> Vec<Finding> {
    if !socket.is_active() {
        let message = format!("{SOCKET} holds no port: while the server is started again, people are refused");
        // A unit's ports cannot be opened while the service has them.
        let fix = format!("run: systemctl stop {SERVICE}; systemctl enable --now {SOCKET}; systemctl start {SERVICE}");
        return if service.is_active() {
            vec![Finding::note("units.socket-stopped", message, fix)]
        } else {
            Vec::new()
        };
    }
    let held = socket.ports();
    let wanted: Vec<u16> =
        [Some(config.listen), config.tls.redirect_listen].into_iter().flatten().map(|address| address.port()).collect();
    let list = |ports: &[u16]| ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let missing: Vec<u16> = wanted.iter().filter(|port| !held.contains(port)).copied().collect();
    let mut findings = vec![if missing.is_empty() {
        Finding::ok("units", format!("{SOCKET} holds port {}, also while the server is away", list(&wanted)))
    } else {
        Finding::error(
            "units.socket-ports",
            format!("{SOCKET} holds port {}, and the configuration listens at {}", list(&held), list(&missing)),
            format!(
                "make ListenStream= and the keys listen and tls.redirect_listen the same (systemctl edit {SOCKET}), then \
                 run: systemctl daemon-reload && systemctl restart {SOCKET} {SERVICE}"
            ),
        )
    }];
    if !socket.is_enabled() {
        findings.push(Finding::note(
            "units.socket-disabled",
            format!("{SOCKET} holds the ports, and a boot does not start it"),
            format!("run: systemctl enable {SOCKET}"),
        ));
    }
    findings
}

/// Whether what systemd goes by is what stands in the files, and whose file that is.
fn file(name: &str, unit: &Unit, host: &Host) -> Option<Finding> {
    if unit.get("LoadState") != "loaded" {
        return None;
    }
    let path = unit.get("FragmentPath");
    if unit.get("NeedDaemonReload") == "yes" {
        return Some(Finding::note(
            "units.reload-needed",
            format!("the files of {name} were changed, and systemd goes by what they were"),
            format!("run: systemctl daemon-reload, then: systemctl restart {name}"),
        ));
    }
    let packaged = format!("/usr/lib/systemd/system/{name}");
    (path.starts_with("/etc/systemd/system/") && host.at(&packaged).exists()).then(|| {
        Finding::note(
            "units.overridden",
            format!("{path} stands in the way of {packaged}: what an upgrade changes there does not count"),
            format!("compare the two (diff {packaged} {path}), then run: systemctl revert {name}; systemctl edit {name} changes single lines"),
        )
    })
}

/// The name of the unit that mounts something at a path (systemd.unit(5), "String escaping").
fn mount_unit(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = absolute.to_string_lossy();
    let mut name = String::new();
    for (at, byte) in text.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if at > 0 => name.push('.'),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b':' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    if name.is_empty() { "-.mount".into() } else { format!("{name}.mount") }
}

/// Blocks of `Name=value` lines, an empty line between two units.
pub(super) fn parsed(text: &str) -> HashMap<String, Unit> {
    let unit = |block: &str| {
        let lines = block.lines().filter_map(|line| line.split_once('='));
        let unit = Unit { lines: lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect() };
        (unit.get("Id").to_owned(), unit)
    };
    text.split("\n\n").map(|block| unit(block.trim_start())).filter(|(id, _)| !id.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_unit_is_called_as_systemd_escape_calls_it() {
        for (path, name) in [
            ("/var/lib/sarangbang", "var-lib-sarangbang.mount"),
            ("/srv/chat-data/.a", "srv-chat\\x2ddata-.a.mount"),
            ("/.b", "\\x2eb.mount"),
            ("/", "-.mount"),
        ] {
            assert_eq!(mount_unit(Path::new(path)), name);
        }
    }

    #[test]
    fn what_systemctl_shows_is_read_unit_by_unit() {
        let units = parsed(
            "Id=sarangbang.socket\nListen=[::]:443 (Stream)\nListen=0.0.0.0:80 (Stream)\nListen=/run/x (Datagram)\n\
             ActiveState=active\nLoadState=loaded\n\nId=sarangbang.service\nLoadState=not-found\n",
        );
        assert_eq!(units["sarangbang.socket"].ports(), [443, 80]);
        let units = Units { seen: Ok(units) };
        assert!(units.hold(443) && units.hold(80) && !units.hold(8080));
        assert!(units.of(SERVICE).is_none() && units.pid().is_none());
    }
}
