"""The whole life of a deployed host, one step after the other; tests/deploy/host/run starts it."""

import argparse
import asyncio
import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import traceback
from pathlib import Path

import command
import faults
import volume
from authority import Authority
from machine import Given, Made, sh, until
from people import Crowd, http, sign_in

REPOSITORY = Path(__file__).resolve().parents[3]
DOMAIN = "chat.sarangbang.test"
PASSWORD = "correct horse battery staple"
SECRET = "a-secret-that-must-not-show-4711"
ADMIN = "/usr/sbin/runuser -u sarangbang -- /usr/bin/sarangbang"
CONFIG = "--config /etc/sarangbang/sarangbang.toml"
PEOPLE, SOCKETS, ROOMS = 40, 200, 5


class Failed(AssertionError):
    pass


class Deployment:
    def __init__(self, arguments, folder: Path):
        self.folder, self.arguments = folder, arguments
        self.passed, self.failed = [], []
        if arguments.host:
            self.machine = Given(folder, arguments.host)
        else:
            self.machine = Made(folder, REPOSITORY / "target/deploy-host")
        self.authority = Authority(folder, self.machine.here, self.machine.address)
        self.machine.run(f"grep -q ' {DOMAIN}$' /etc/hosts || echo '{self.machine.address} {DOMAIN}\n192.0.2.9 elsewhere.sarangbang.test' >>/etc/hosts")
        self.tls = ssl.create_default_context(cadata=self.authority.root())
        self.releases = self.make_releases(arguments.binary)
        self.tokens, self.rooms = [], []

    def make_releases(self, binary):
        """The same program with other bytes behind its end is another release; one that ends at once is a broken one."""
        releases = {}
        for name, tail in (("1.0.0", b""), ("1.1.0", b"1"), ("1.2.0", b"2"), ("1.3.0", b"3")):
            path = self.folder / f"sarangbang-{name}"
            shutil.copyfile(binary, path)
            with open(path, "ab") as file:
                file.write(tail)
            path.chmod(0o755)
            releases[name] = path
        broken = self.folder / "sarangbang-broken"
        broken.write_text('#!/bin/sh\n[ "$1" = serve ] || exec /opt/sarangbang/healthy/sarangbang "$@"\necho "this release is broken" >&2\nexit 3\n')
        releases["6.6.6"] = broken
        return releases

    def play(self, book, version=None, check=True, address=None, flags=(), anew=False, **variables):
        """Runs a playbook as an operator does, and returns its output and what it says of the host."""
        machine = self.machine
        values = {
            "sarangbang_domains": [DOMAIN], "sarangbang_acme_email": "ops@sarangbang.test",
            "sarangbang_settings": {
                "acme": {"directory": self.authority.directory(), "ca_file": "/etc/sarangbang/authority.pem"},
                # The crowd of the test comes from one address, again and again within minutes.
                "limits": {"connects_burst": 4000},
            },
            "sarangbang_files": {"authority.pem": (self.folder / "ca.pem").read_text()},
            "sarangbang_secrets": {"redis-password": SECRET},
            "sarangbang_disk_mib_min": 512,
        } | ({} if version is None else {
            "sarangbang_version": version, "sarangbang_binary": str(self.releases[version]),
            "sarangbang_sha256": hashlib.sha256(self.releases[version].read_bytes()).hexdigest(),
        }) | variables
        (self.folder / "variables.json").write_text(json.dumps(values))
        arguments = ["ansible-playbook", "-i", "host,", f"{book}.yml", "-u", machine.user, *flags,
                     "-e", f"@{self.folder / 'variables.json'}", "-e", f"ansible_host={address or machine.address}",
                     "--ssh-common-args", " ".join(machine.ssh_options())]
        began = time.monotonic()
        done = subprocess.run(arguments, cwd=REPOSITORY / "ansible", capture_output=True, text=True, timeout=400,
                              env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOME": str(self.folder / "ansible"),
                                                # Another test's host has the same address: its open connection leads there.
                                                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "ssh")}
                              # No connection that is open already: the host's key is looked at again.
                              | ({"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"} if anew else {}))
        (self.folder / f"play-{book}-{len(list(self.folder.glob('play-*')))}.log").write_text(done.stdout + done.stderr)
        if check and done.returncode:
            raise Failed(f"{book}.yml failed:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
        changed = re.search(r"changed=(\d+)", done.stdout)
        return done, int(changed[1]) if changed else -1, time.monotonic() - began

    def step(self, name, act):
        began = time.monotonic()
        try:
            figure = act()
            self.passed.append(name)
            print(f"ok    {name}: {figure} ({time.monotonic() - began:.1f} s)", flush=True)
            return True
        except Exception as cause:  # noqa: BLE001: whatever it is, the step has failed and the next one is tried.
            self.failed.append(name)
            print(f"FAIL  {name} ({time.monotonic() - began:.1f} s)\n{cause if isinstance(cause, AssertionError) else traceback.format_exc()}", flush=True)
            return False

    # What the steps ask.

    def main_process(self):
        return int(self.machine.run("systemctl show -P MainPID sarangbang.service") or 0)

    def is_ready(self):
        return self.machine.run("python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:9464/readyz\", timeout=3)'; echo $?", check=False).endswith("0")

    def crowd(self, act, sockets=40, **how):
        crowd = Crowd(self.machine.address, DOMAIN, self.tls, self.tokens, self.rooms, sockets)
        said, lost, doubled = asyncio.run(crowd.during(act, **how))
        ledger = crowd.ledger
        count = sum(map(len, ledger.acknowledged.values()))
        assert count > 0, "nothing was acknowledged"
        assert not ledger.broken, f"{len(ledger.broken)} promises were broken: {ledger.broken[:3]}"
        assert lost == 0 and doubled == 0, f"{lost} lost, {doubled} doubled of {count}"
        return ledger, count, said

    # The steps.

    def wrong_input(self):
        """Each stops site.yml before it has changed anything."""
        before = self.machine.run("ls -d /opt/sarangbang /etc/sarangbang /var/lib/sarangbang 2>/dev/null; true")
        assert before == "", f"this host is not fresh: {before}"
        occupy = "systemd-run --quiet --unit=squatter python3 -m http.server 80"
        small = "mkdir -p /var/lib/sarangbang && mount -t tmpfs -o size=64m small /var/lib/sarangbang"
        cases = [
            ("a busy port", occupy, "systemctl stop squatter", {}, r"port 80 is taken by .*python3.*Fix: stop it"),
            ("too small a disk", small, "umount /var/lib/sarangbang && rmdir /var/lib/sarangbang", {},
             r"/var/lib/sarangbang has 64 MiB free, .*needs 512.*Fix: a larger disk"),
            ("a domain that points elsewhere", "true", "true", {"sarangbang_domains": ["elsewhere.sarangbang.test"]},
             r"elsewhere.sarangbang.test leads to 192.0.2.9, which is not this host.*Fix: correct its DNS"),
            ("a domain without an address", "true", "true", {"sarangbang_domains": ["nowhere.sarangbang.test"]},
             r"nowhere.sarangbang.test has no address.*Fix: a DNS record"),
            ("another program than was summed", "true", "true", {"sarangbang_sha256": "0" * 64}, r"SHA-256 is not.*Fix: build or fetch"),
            ("a bucket that is none", "true", "true", {"sarangbang_backup_bucket": "s3://mine"}, r'"s3://mine".*Fix: a bucket.s name without s3://'),
            ("an unreachable host", "true", "true", {"address": "127.0.0.99"}, r"host \(127.0.0.99\) cannot be reached by SSH.*Fix: is it on"),
        ]
        if not self.arguments.host:
            cases.append(("a host with another key", "true", "true", {"anew": True}, r"cannot be reached by SSH.*[Hh]ost key.*Fix"))
        for name, arrange, undo, variables, expected in cases:
            keys = self.machine.known_hosts.read_text()
            if "another key" in name:
                sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "wrong"))
                self.machine.known_hosts.write_text(f"{self.machine.address} " + (self.folder / "wrong.pub").read_text())
            else:
                self.machine.run(arrange)
            try:
                done, changed, _ = self.play("site", "1.0.0", check=False, **variables)
            finally:
                self.machine.known_hosts.write_text(keys)
                self.machine.run(undo)
            text = " ".join(done.stdout.split())
            assert done.returncode != 0, f"{name}: site.yml did not stop"
            assert re.search(expected, text), f"{name}: not said as expected:\n{done.stdout[-3000:]}"
            assert changed <= 0, f"{name}: {changed} changes"
        after = self.machine.run("ls -d /opt/sarangbang /etc/sarangbang /var/lib/sarangbang /usr/bin/sarangbang 2>/dev/null; true")
        assert after == "", f"left behind: {after}"
        return f"{len(cases)} kinds, each named with its fix, 0 changes"

    def deploy(self):
        _, changed, seconds = self.play("site", "1.0.0")
        return f"{changed} changed in {seconds:.0f} s"

    def second_run(self):
        _, changed, seconds = self.play("site", "1.0.0")
        assert changed == 0, f"{changed} changed"
        return f"0 changed in {seconds:.0f} s"

    def dry_run(self):
        done, changed, seconds = self.play("site", "1.0.0", flags=("--check", "--diff"))
        assert changed == 0 and "+++" not in done.stdout, f"{changed} changed:\n{done.stdout[-3000:]}"
        return f"0 changed, no difference, in {seconds:.0f} s"

    def accounts(self):
        # By standard input: sudo writes its command into the journal.
        script = "set -e; read -r password; "
        for at in range(PEOPLE):
            script += f"echo \"$password\" | {ADMIN} user add p{at} --password-stdin {CONFIG} >/dev/null; "
        script += f"echo \"$password\" | {ADMIN} user add boss --role admin --password-stdin {CONFIG} >/dev/null; "
        for at in range(ROOMS):
            script += f"{ADMIN} room create 방{at} --json {CONFIG}; "
        said = self.machine.run(script, stdin=PASSWORD + "\n")
        self.rooms = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", said)
        assert len(self.rooms) == ROOMS, said

        async def all_of_them():
            async with http(self.machine.address, self.tls) as session:
                return [await sign_in(session, DOMAIN, f"p{at}", PASSWORD) for at in range(PEOPLE)]
        self.tokens = asyncio.run(all_of_them())

    def chat(self):
        self.accounts()
        ledger, count, _ = self.crowd(lambda: None)
        assert not ledger.refused, ledger.refused[:3]
        return f"{PEOPLE} people signed in by https, {count} messages by wss with pebble's certificate"

    def kill(self):
        before = self.main_process()
        ledger, count, _ = self.crowd(lambda: self.machine.run(f"kill -9 {before}"), after=4.0)
        assert self.main_process() not in (0, before)
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        return f"{ledger.comebacks} sockets back within {ledger.gap_seconds_max:.1f} s, {count} acknowledged, 0 refused, 0 lost, 0 doubled"

    def reboot(self):
        return self.back_after(self.machine.reboot)

    def power_cut(self):
        return self.back_after(self.machine.power_cut)

    def back_after(self, act):
        boot = self.machine.boot_id()
        took = []

        def do():
            act()
            took.append(until("it serves again", lambda: self.machine.answers() and self.machine.boot_id(check=False) != boot and self.is_ready(), 120))
        ledger, count, _ = self.crowd(do)
        return f"serves again after {took[0]:.1f} s; {count} acknowledged, 0 lost, 0 doubled"

    def upgrade(self):
        before = self.main_process()
        ledger, count, (_, changed, seconds) = self.crowd(lambda: self.play("upgrade", "1.1.0"), sockets=SOCKETS)
        assert self.running() == "1.1.0", self.running()
        assert self.main_process() != before
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        assert ledger.comebacks >= SOCKETS, f"{ledger.comebacks} of {SOCKETS} sockets came back"
        return (f"{SOCKETS} wss clients, {count} acknowledged in {seconds:.0f} s: 0 refused, 0 lost, 0 doubled; "
                f"{ledger.goodbyes} told to come back (1012), longest absence {ledger.gap_seconds_max:.1f} s")

    def running(self):
        return Path(self.machine.run(f"readlink /proc/{self.main_process()}/exe")).parent.name

    def stop_after_upgrade(self):
        """The process that took over is not systemd's child, and is let go in order all the same; who comes back starts it."""
        before = self.main_process()
        ledger, count, result = self.crowd(
            lambda: self.machine.run("systemctl stop sarangbang.service 2>/dev/null; systemctl show -P Result sarangbang.service"), after=4.0)
        assert result == "success", f"it ended by {result}"
        assert self.main_process() not in (0, before)
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        assert ledger.goodbyes >= 40, f"{ledger.goodbyes} of 40 were told to come back"
        return f"{ledger.goodbyes} told to come back (1012), in again within {ledger.gap_seconds_max:.1f} s; {count} acknowledged, 0 refused, 0 lost, 0 doubled"

    def watchdog(self):
        """A process that took over and then stands still is ended and started again."""
        short = "/etc/systemd/system/sarangbang.service.d/90-short.conf"
        self.machine.run(f"mkdir -p $(dirname {short}); printf '[Service]\\nWatchdogSec=2s\\n' >{short}; systemctl daemon-reload; "
                         f"systemctl restart sarangbang.service; {ADMIN} handover {CONFIG}")
        before = self.main_process()
        # Longer than the watchdog waits: it gives signs of life.
        self.machine.run("sleep 5")
        assert self.main_process() == before, "the process that took over was ended though it lives"
        took = []

        def stand_still():
            self.machine.run(f"kill -STOP {before}")
            took.append(until("it serves again", lambda: self.main_process() not in (0, before) and self.is_ready(), 30))
        ledger, count, _ = self.crowd(stand_still, after=4.0)
        said = self.machine.run("journalctl -u sarangbang.service -n 200 --no-pager -o cat")
        assert "Watchdog timeout (limit 2s)!" in said, said[-2000:]
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        self.machine.run(f"rm -r $(dirname {short}); systemctl daemon-reload; systemctl restart sarangbang.service")
        assert self.machine.run("systemctl show -P WatchdogUSec sarangbang.service") == "30s"
        until("it is ready", self.is_ready, 30)
        return (f"stopped still; ended and serving again after {took[0]:.1f} s with 2 s in place of 30; {ledger.comebacks} sockets back, "
                f"{count} acknowledged, 0 refused, 0 lost, 0 doubled")

    def doctor(self):
        return faults.look(self)

    def broken_version(self):
        before = self.main_process()
        ledger, count, (done, _, seconds) = self.crowd(
            lambda: self.play("upgrade", "6.6.6", check=False, sarangbang_ready_seconds_max=30))
        assert done.returncode != 0, "upgrade.yml did not say that it failed"
        assert "this release is broken" in done.stdout and "serves again" in done.stdout, done.stdout[-3000:]
        assert self.running() == "1.1.0", self.running()
        assert self.machine.run("readlink /opt/sarangbang/current").endswith("1.1.0")
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        stayed = "never stopped" if self.main_process() == before else "was started again"
        return f"1.1.0 {stayed}, the failure is named, in {seconds:.0f} s; {count} acknowledged, 0 refused, 0 lost, 0 doubled"

    def rollback(self):
        ledger, count, (_, _, seconds) = self.crowd(lambda: self.play("rollback"))
        assert self.running() == "1.0.0", self.running()
        assert not ledger.refused, f"{len(ledger.refused)} refused: {ledger.refused[:3]}"
        return f"from 1.1.0 to 1.0.0 in {seconds:.0f} s, {count} acknowledged, 0 refused, 0 lost, 0 doubled"

    def releases_kept(self):
        for book, version in (("upgrade", "1.1.0"), ("upgrade", "1.2.0"), ("site", "1.3.0")):
            self.play(book, version)
            assert self.running() == version, self.running()
        there = self.machine.run("ls /opt/sarangbang/releases").split()
        assert len(there) == 3 and "1.3.0" in there and "1.2.0" in there, there
        return f"upgrade.yml twice, site.yml once; {', '.join(there)} are left"

    def backup(self):
        self.crowd(lambda: None)
        target = self.folder / "backups"
        self.play("backup", sarangbang_backup_to=str(target))
        (file,) = target.glob("*")
        manifest = self.counts()
        self.machine.run("systemctl stop sarangbang.socket sarangbang.service; rm -rf /var/lib/sarangbang/* /var/lib/sarangbang/.[!.]*")
        _, changed, seconds = self.play("restore", sarangbang_restore_from=str(file))
        until("it serves again", self.is_ready, 60)
        after = self.counts()
        assert after == manifest, f"{manifest} became {after}"
        return f"{file.stat().st_size >> 10} KiB; wiped, restored and serving after {seconds:.0f} s: {len(manifest)} rooms with {sum(len(v) for v in manifest.values())} entries, the same"

    def counts(self):
        """Every entry of every room, as people read it."""
        async def read():
            found = {}
            async with http(self.machine.address, self.tls) as session:
                for room in self.rooms:
                    entries, after = [], 0
                    while True:
                        url = f"https://{DOMAIN}/chat/room/{room}/messages?after={after}&limit=100"
                        async with session.get(url, headers={"Authorization": f"Bearer {self.tokens[0]}"}) as answer:
                            assert answer.status == 200, f"{answer.status} {await answer.text()}"
                            page = await answer.json()
                        page = page["messages"] if isinstance(page, dict) else page
                        if not page:
                            break
                        entries += [(e["offset"], e["sender"], e["message"]) for e in page if e["type"] == "TALK"]
                        after = page[-1]["offset"]
                        await asyncio.sleep(0.05)
                    found[room] = entries
            return found
        return asyncio.run(read())

    def timers(self):
        self.machine.run("systemctl start sarangbang-backup.service && systemctl start sarangbang-drill.service")
        count = self.machine.run("ls /var/backups/sarangbang | wc -l")
        listed = self.machine.run("systemctl list-timers --all --no-legend 'sarangbang-*' | wc -l")
        assert listed == "2", listed
        return f"both timers are set; a backup was made and proven ({count} there)"

    def bucket(self):
        """The role's part of it. The host reaches no S3: a command of that name stands for AWS's, and copies beside the data."""
        self.machine.run("cat >/usr/local/bin/aws && chmod 755 /usr/local/bin/aws", stdin=(
            '#!/bin/sh\ncp "$4" /var/lib/sarangbang/arrived && echo "$1 $2 $3 $5 $AWS_DEFAULT_REGION" >/var/lib/sarangbang/told\n'))
        told = {"sarangbang_version": self.machine.run("basename $(readlink /opt/sarangbang/current)"),
                "sarangbang_backup_bucket": "sarangbang-test", "sarangbang_backup_bucket_region": "eu-central-1"}
        process = self.main_process()
        _, changed, _ = self.play("site", **told)
        assert changed > 0, "nothing changed"
        again = [self.play("site", flags=flags, **told)[1] for flags in ((), ("--check", "--diff"))]
        assert again == [0, 0], f"again: {again} changed"
        self.machine.run("systemctl start sarangbang-backup.service")
        said = self.machine.run("cat /var/lib/sarangbang/told; cmp /var/lib/sarangbang/arrived $(ls /var/backups/sarangbang/*.backup | tail -n 1)")
        assert said == "s3 cp --only-show-errors s3://sarangbang-test/sarangbang/ eu-central-1", said
        before = self.machine.run("cat /var/lib/sarangbang/last-backup")
        self.machine.run("printf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/aws")
        failed = self.machine.run("sleep 1.1; systemctl start sarangbang-backup.service >/dev/null 2>&1; echo $?")
        assert failed != "0" and self.machine.run("cat /var/lib/sarangbang/last-backup") == before, "a copy that failed is counted"
        # What comes after does without the bucket again.
        self.machine.run("rm -f /usr/local/bin/aws /var/lib/sarangbang/arrived /var/lib/sarangbang/told; systemctl reset-failed sarangbang-backup.service")
        assert self.main_process() == process, "the service was restarted for it"
        return f"{changed} changed, then 0 and 0; a backup arrives, one that does not is not counted, and the service went on"

    def security(self):
        worst = 0.0
        for unit in ("sarangbang", "sarangbang-backup", "sarangbang-drill"):
            said = self.machine.run(f"systemd-analyze security --no-pager {unit}.service | tail -n 1")
            worst = max(worst, float(re.search(r"level for .*: ([0-9.]+)", said)[1]))
        assert worst <= 1.5, worst
        limit = self.machine.run(f"sed -n 's/^Max open files *\\([0-9]*\\).*/\\1/p' /proc/{self.main_process()}/limits")
        rights = self.machine.run(f"sed -n 's/^CapBnd:\\s*//p' /proc/{self.main_process()}/status")
        wanted = self.machine.run("systemctl show -P LimitNOFILE sarangbang.service")
        # Where this machine gives its own containers less, systemd gives what there is.
        least = min(1048576, int(self.machine.run("sed -n 's/^Max open files *[0-9]* *\\([0-9]*\\).*/\\1/p' /proc/1/limits")))
        assert wanted == "1048576" and int(limit) >= least and int(rights, 16) == 0, (wanted, limit, rights)
        return f"systemd-analyze security {worst} at most, LimitNOFILE {wanted} (here {limit}), no capability"

    def ports(self):
        lines = [line.split()[3] for line in self.machine.run("ss -Hltn").splitlines()]
        local = sorted(at for at in lines if re.match(r"(127\.|\[::1\])", at))
        open_ports = sorted({int(at.rpartition(":")[2]) for at in lines if at not in local})
        assert open_ports == [22, 80, 443], lines
        datagrams = [at for at in (line.split()[3] for line in self.machine.run("ss -Hlun").splitlines()) if not re.match(r"(127\.|\[::1\])", at)]
        assert not datagrams, datagrams
        return f"open: 22, 80, 443; on loopback: {', '.join(local)}"

    def secrets(self):
        keys = [SECRET, PASSWORD, self.tokens[0], "setup?key="]
        looks = {
            "journal": "journalctl --no-pager -o export",
            "units": "systemctl cat 'sarangbang*'; systemctl show sarangbang.service",
            "process list": "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; cat /proc/$(systemctl show -P MainPID sarangbang)/environ | tr '\\0' ' '",
        }
        for where, look in looks.items():
            said = self.machine.run(look, check=False)
            shown = [key[:12] for key in keys if key in said]
            assert not shown, f"the {where} shows {shown}"
        loose = self.machine.run("find /etc/credstore /var/lib/sarangbang /etc/sarangbang -type f -perm /007 | head")
        assert loose == "", f"readable by everybody: {loose}"
        assert self.machine.run("cat /run/credentials/sarangbang.service/redis-password") == SECRET
        return "journal, units and process list show none of 4; the service has its credential"

    def local_redis(self):
        version = self.running()
        self.play("site", version, sarangbang_local_redis=True, sarangbang_secrets={})
        _, changed, _ = self.play("site", version, sarangbang_local_redis=True, sarangbang_secrets={})
        assert changed == 0, f"{changed} changed by the second run"
        left = self.machine.run("grep -h = /etc/systemd/system/sarangbang-backup.service.d/*; true")
        assert left == "", f"backups are copied into a bucket that is not wanted any more: {left}"
        self.accounts()
        ledger, count, _ = self.crowd(lambda: self.machine.run("systemctl restart redis-server@sarangbang"))
        open_tcp = self.machine.run("ss -Hltnp | grep -c redis || true")
        assert open_tcp == "0"
        return f"rooms in a Redis without network; restarted under {count} messages: 0 lost, 0 doubled; second run 0 changed"

    def wipe(self):
        """As if nothing had ever been deployed there."""
        self.machine.run(
            "systemctl disable --now sarangbang.socket sarangbang.service sarangbang-backup.timer sarangbang-drill.timer 2>/dev/null; "
            "rm -rf /etc/systemd/system/sarangbang* /etc/sysctl.d/60-sarangbang.conf /opt/sarangbang /usr/bin/sarangbang /etc/sarangbang /var/lib/sarangbang "
            "/var/backups/sarangbang /etc/credstore/sarangbang.*; systemctl daemon-reload; userdel sarangbang; true", check=False)

    def package(self):
        self.wipe()
        look = "find / -xdev \\( -name '*sarangbang*' -o -path '*/sarangbang/*' \\) -not -path '/proc/*' -not -path '/run/systemd/*' -not -path '/home/*' " \
               "-not -path '/var/log/*' -not -path '/etc/hosts' -not -path '/tmp/*' -not -path '*/apt.conf.d/*' -not -path '*/journald.conf.d/*' | sort; getent passwd sarangbang; getent group sarangbang; true"
        before = self.machine.run(look)
        self.machine.send(Path(self.arguments.deb), "/tmp/package.deb")
        self.machine.run("DEBIAN_FRONTEND=noninteractive dpkg -i /tmp/package.deb")
        version = self.machine.run("sarangbang --version | head -n 1")
        refused, changed, _ = self.play("site", "1.0.0", check=False)
        assert refused.returncode and changed <= 0 and "apt-get remove sarangbang" in " ".join(refused.stdout.split()), refused.stdout[-2000:]
        pem = (self.folder / "ca.pem").read_text()
        self.machine.run("cat >/etc/sarangbang/authority.pem; chmod 644 /etc/sarangbang/authority.pem", stdin=pem)
        settings = f'domain = ["{DOMAIN}"]\ndata = "/var/lib/sarangbang"\n[acme]\ndirectory = "{self.authority.directory()}"\nca_file = "/etc/sarangbang/authority.pem"\n'
        self.machine.run("cat >/etc/sarangbang/sarangbang.toml; chgrp sarangbang /etc/sarangbang/sarangbang.toml; systemctl enable --now sarangbang.socket sarangbang.service", stdin=settings)
        until("the package's service is ready", self.is_ready, 60)
        self.machine.run("dpkg -P sarangbang")
        after = self.machine.run(look)
        left = sorted(set(after.splitlines()) - set(before.splitlines()))
        assert not left, "left behind:\n" + "\n".join(left)
        return f"{version}: installed, served https, purged; nothing is left"

    def commands(self):
        """What an operator types, each on a host that is fresh."""
        operator = command.Operator(self, DOMAIN)
        for name, act in (("make deploy to a host", lambda: command.on_a_host(self, operator)), ("data volume", lambda: volume.look(self)),
                          ("make deploy to EC2", lambda: command.on_ec2(self, operator))):
            if name == "make deploy to EC2":
                self.wipe()
            if re.search(self.arguments.only or "", name) and not self.step(name, act):
                break

    def run(self):
        steps = [("wrong input", self.wrong_input)] if not self.arguments.host else []
        steps += [
            ("fresh deploy", self.deploy), ("chat", self.chat), ("second run", self.second_run), ("check and diff", self.dry_run),
            ("kill -9", self.kill), ("reboot", self.reboot), ("power cut", self.power_cut), ("upgrade under load", self.upgrade),
            ("kill -9 after the upgrade", self.kill), ("stop after an upgrade", self.stop_after_upgrade), ("watchdog", self.watchdog),
            ("broken version", self.broken_version), ("rollback", self.rollback), ("releases", self.releases_kept),
            ("backup, wipe, restore", self.backup), ("timers", self.timers), ("doctor", self.doctor), ("bucket", self.bucket), ("hardening", self.security), ("ports", self.ports),
            ("secrets", self.secrets), ("local redis", self.local_redis), ("debian package", self.package),
        ]
        if not self.arguments.deb:
            steps.pop()
        if self.arguments.only:
            steps = [step for step in steps if step[0] in ("fresh deploy", "chat") or re.search(self.arguments.only, step[0])]
        for at, (name, act) in enumerate(steps):
            if not self.step(name, act) and name in ("fresh deploy", "chat"):
                self.failed += [left for left, _ in steps[at + 1:]]
                print(f"the other {len(steps) - at - 1} steps need a host that serves")
                break


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--deb")
    parser.add_argument("--host", help="USER@ADDRESS of a fresh Debian 12 that may be rebooted and wiped")
    parser.add_argument("--only", help="a regular expression of the steps to do after the deployment")
    parser.add_argument("--commands", action="store_true", help="what an operator types (make deploy), in place of the host's whole life")
    parser.add_argument("--folder", required=True, type=Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    deployment = None
    try:
        deployment = Deployment(arguments, arguments.folder)
        print(f"ok    a host: ready for SSH ({time.monotonic() - began:.1f} s)", flush=True)
        deployment.commands() if arguments.commands else deployment.run()
    finally:
        if deployment:
            if deployment.failed:
                said = deployment.machine.run("journalctl -u 'sarangbang*' -n 60 --no-pager -o short-precise", check=False)
                print(f"the end of the host's journal:\n{said}")
            deployment.authority.stop()
            deployment.machine.end()
    print(f"{len(deployment.passed)} passed, {len(deployment.failed)} failed, in {time.monotonic() - began:.0f} s")
    sys.exit(1 if deployment.failed else 0)


if __name__ == "__main__":
    main()
