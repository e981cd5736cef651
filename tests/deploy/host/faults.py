"""What `doctor` says on a host with a real systemd: nothing on one that is well, and of each fault what it is."""

import json

DOCTOR = "/usr/bin/sarangbang doctor --json --config /etc/sarangbang/sarangbang.toml"
# What is found on the host of a test that is well, each with the reason why it is so there and not elsewhere.
OF_A_TEST = {
    "certificate.unknown-authority": "pebble makes itself new roots, whom no browser knows",
    "dns.local": "the host's address is a private one",
    "clock.unsynchronised": "a container has the clock of its host and may not set it: chrony does not start",
    "limits.open-files": "a container may open as many files as the machine of the test lets it",
    "disk.low": "the disk is that of the machine of the test",
}
DATA = "/var/lib/sarangbang"
UNITS = "/etc/systemd/system"
START = "systemctl start sarangbang.service"
# It serves again, at the latest within half a minute.
READY = ("for time in $(seq 300); do python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:9464/readyz\", timeout=3)' "
         "&& break; sleep 0.1; done")


def beside(unit, text):
    """A drop-in, and how it goes."""
    folder = f"{UNITS}/{unit}.d"
    there = f"mkdir -p {folder}; printf '{text}' >{folder}/90-fault.conf; systemctl daemon-reload"
    return there, f"rm -r {folder}; systemctl daemon-reload"


def line(text):
    """One more line at the head of the configuration, and how it goes."""
    return (f"cp -p /etc/sarangbang/sarangbang.toml /root/as-it-was; printf '%s\\n' '{text}' | cat - /root/as-it-was >/etc/sarangbang/sarangbang.toml",
            "cat /root/as-it-was >/etc/sarangbang/sarangbang.toml")


def then(pair, plant="", heal=""):
    return f"{pair[0]}; {plant or 'true'}", f"{pair[1]}; {heal or 'true'}"


# What is wrong, what makes it so, what ends it, what is told of it.
FAULTS = [
    ("stopped, and the ports wait", "systemctl stop sarangbang.service", START, "units.stopped"),
    ("stopped with its ports", "systemctl stop sarangbang.socket", START, "units.stopped"),
    ("masked", f"systemctl stop sarangbang.socket; mv {UNITS}/sarangbang.service /root/; ln -s /dev/null {UNITS}/sarangbang.service; systemctl daemon-reload",
     f"mv -f /root/sarangbang.service {UNITS}/; systemctl daemon-reload; {START}", "units.masked"),
    ("each start fails", *then(beside("sarangbang.service", "[Service]\\nExecStartPre=/bin/false\\n"),
     "systemctl restart sarangbang.service; until [ $(systemctl show -P NRestarts sarangbang.service) -ge 2 ]; do sleep 0.1; done",
     "systemctl restart sarangbang.service"), "units.failing"),
    ("a unit that is not understood", *beside("sarangbang.service", "[Service]\\nExecStart=\\n"), "units.broken"),
    ("not started by a boot", "systemctl disable sarangbang.service", "systemctl enable sarangbang.service", "units.disabled units.socket-disabled"),
    ("ports that a boot does not open", "systemctl disable sarangbang.socket", "systemctl enable sarangbang.socket", "units.socket-disabled"),
    ("other ports than configured", *then(beside("sarangbang.socket", "[Socket]\\nListenStream=\\nListenStream=8443\\nListenStream=80\\n"),
     f"systemctl stop sarangbang.socket; {START}", f"systemctl stop sarangbang.socket; {START}"), "address.elsewhere units.socket-ports"),
    ("a unit that was not read again", f"cp -p {UNITS}/sarangbang.service /root/as-it-was; echo >>{UNITS}/sarangbang.service",
     f"mv /root/as-it-was {UNITS}/sarangbang.service; systemctl daemon-reload", "units.reload-needed"),
    ("a copy hides the package's unit", f"cp {UNITS}/sarangbang.socket /usr/lib/systemd/system/", "rm /usr/lib/systemd/system/sarangbang.socket", "units.overridden"),
    ("it ended three times", "for time in 1 2 3; do kill -9 $(systemctl show -P MainPID sarangbang.service); "
     "until [ $(systemctl show -P NRestarts sarangbang.service) = $time ] && systemctl is-active --quiet sarangbang.service; do sleep 0.1; done; done",
     "systemctl reset-failed sarangbang.service", "units.restarts"),
    ("started by hand", "systemctl stop sarangbang.socket; systemd-run --quiet --unit=by-hand --uid=sarangbang -p Type=notify "
     "-p AmbientCapabilities=CAP_NET_BIND_SERVICE /usr/bin/sarangbang serve --config /etc/sarangbang/sarangbang.toml", f"systemctl stop by-hand; {START}", "units.by-hand"),
    ("without its walls", *then(beside("sarangbang.service", "[Service]\\nNoNewPrivileges=no\\nProtectSystem=no\\nCapabilityBoundingSet=CAP_SYS_ADMIN\\n"),
     "systemctl restart sarangbang.service", "systemctl restart sarangbang.service"), "units.weakened"),
    ("watched by nobody", *beside("sarangbang.service", "[Service]\\nRestart=no\\nWatchdogSec=0\\n"), "units.unattended"),
    ("hanging", "kill -STOP $(systemctl show -P MainPID sarangbang.service)", "kill -CONT $(systemctl show -P MainPID sarangbang.service)", "server.hangs"),
    ("another program at its port", "systemctl stop sarangbang.socket; systemd-run --quiet --unit=squatter python3 -m http.server 443; "
     "until ss -Hltn 'sport = :443' | grep -q .; do sleep 0.1; done", f"systemctl stop squatter; {START}", "address.taken units.stopped"),
    ("a program that was not taken up", "cd /opt/sarangbang/current && cp -p sarangbang new && ln -f sarangbang old && mv new sarangbang",
     "cd /opt/sarangbang/current && mv old sarangbang", "server.replaced"),
    ("data that everybody may read", f"chmod 755 {DATA}", f"chmod 700 {DATA}", "data.open-to-all"),
    ("a full disk", f"systemctl stop sarangbang.service; cp -a {DATA} /root/data; mount -t tmpfs -o size=64m,mode=700 tmpfs {DATA}; cp -a /root/data/. {DATA}/; {START}",
     f"systemctl stop sarangbang.service; umount {DATA}; rm -r /root/data; {START}", "disk.full"),
    ("a disk that can only be read", f"systemctl stop sarangbang.service; mount --bind {DATA} {DATA}; mount -o remount,ro,bind {DATA}; systemctl start sarangbang.service; "
     "until [ $(systemctl show -P NRestarts sarangbang.service) -ge 2 ]; do sleep 0.1; done", f"systemctl stop sarangbang.service; umount {DATA}; {START}", "data.read-only units.failing"),
    ("a volume that is not mounted", f"cp /etc/fstab /root/; echo 'LABEL=sarangbang {DATA} ext4 nofail 0 2' >>/etc/fstab", "mv /root/fstab /etc/fstab", "disk.not-mounted"),
    ("no backups any more", "systemctl disable --now sarangbang-backup.timer", "systemctl enable --now sarangbang-backup.timer", "backup.timer-off"),
    ("no backups after a boot", "systemctl disable sarangbang-backup.timer", "systemctl enable sarangbang-backup.timer", "backup.timer-off"),
    ("a backup that failed", *then(beside("sarangbang-backup.service", "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"),
     "systemctl start sarangbang-backup.service", "systemctl start sarangbang-backup.service"), "backup.failed"),
    ("an old backup", f"date -d '5 days ago' +%s >{DATA}/last-backup", "systemctl start sarangbang-backup.service", "backup.old"),
    ("a drill that failed", *then(beside("sarangbang-drill.service", "[Service]\\nExecStart=\\nExecStart=/bin/false\\n"),
     "systemctl start sarangbang-drill.service", "systemctl start sarangbang-drill.service"), "backup.drill-failed"),
    ("backups that were not tried", f"date -d '30 days ago' +%s >{DATA}/last-drill", "systemctl start sarangbang-drill.service", "backup.drill-old"),
    ("a short queue of the kernel", "sysctl -qw net.core.somaxconn=128", "systemctl restart systemd-sysctl.service", "limits.backlog"),
    ("a journal that a boot ends", "printf '[Journal]\\nStorage=volatile\\n' >/etc/systemd/journald.conf.d/99-fault.conf", "rm /etc/systemd/journald.conf.d/99-fault.conf", "journal.volatile"),
    ("a key that is none", *line("domian = 1"), "configuration.wrong"),
    ("an authority that nobody reaches", "sed -i.as-it-was s/:14000/:14999/ /etc/sarangbang/sarangbang.toml", "cd /etc/sarangbang && cat sarangbang.toml.as-it-was >sarangbang.toml && rm sarangbang.toml.as-it-was", "authority.unreachable"),
    ("a name that leads elsewhere", "cp /etc/hosts /root/; sed -i 's/^[0-9.]* chat/{here} chat/' /etc/hosts", "cat /root/hosts >/etc/hosts", "dns.elsewhere ports.closed"),
]


def findings(machine, user="root", first="true"):
    """What is found, by id, with what is told of it, the exit code, and how the service is after it."""
    said = machine.run(f"({first}) >/dev/null 2>&1; cd /; runuser -u {user} -- {DOCTOR}; code=$?; echo; echo \"$code $(systemctl is-active sarangbang.service)\"", check=False)
    report, _, last = said.rpartition("\n")
    try:
        found = json.loads(report)["findings"]
    except ValueError:
        raise AssertionError(f"doctor says no JSON: {said}") from None
    code, active = last.split()
    return {finding["id"]: finding for finding in found if finding["level"] != "ok" and finding["id"] not in OF_A_TEST}, int(code), active


def told(found):
    return "".join(f"\n  {name}: {finding['message']}; {finding['fix']}" for name, finding in found.items()) or " nothing"


def is_well(machine, after):
    """As root and as the service's own user: nothing is found, and the exit code says so."""
    for user in ("root", "sarangbang"):
        found, code, _ = findings(machine, user)
        assert not found and code == 0, f"{after}, {user} is told (exit code {code}):{told(found)}"


def look(deployment):
    """Plants each fault, hears what is told of it, ends it, and hears nothing any more."""
    machine, wrong, ids = deployment.machine, [], set()
    machine.run("systemctl reset-failed sarangbang.service; systemctl start sarangbang-backup.service; systemctl start sarangbang-drill.service")
    is_well(machine, "on a host that is well")
    for what, plant, heal, expected in FAULTS:
        found, code, active = findings(machine, first=plant.format(here=machine.here) if "{here}" in plant else plant)
        left, healed, _ = findings(machine, first=f"{heal}; {READY}; systemctl reset-failed sarangbang.service")
        errors = any(finding["level"] == "error" for finding in found.values())
        if set(found) != set(expected.split()) or code != (2 if "configuration.wrong" in found else int(errors)):
            wrong.append(f"{what}: expected {expected}, exit code {code}, found{told(found)}")
        if "units.stopped" in found and active != "inactive":
            wrong.append(f"{what}: looking has started it ({active})")
        if left or healed:
            wrong.append(f"after {what} (exit code {healed}):{told(left)}")
        ids |= set(found)
    is_well(machine, "at the end")
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(wrong)
    return f"well: nothing but {len(OF_A_TEST)} that a test brings along; {len(FAULTS)} faults, {len(ids)} findings, each told and gone again"
