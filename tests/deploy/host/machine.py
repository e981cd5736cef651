"""A host to deploy to: a Debian 12 that is made here, or one that was given by its address."""

import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

# The network between this computer and the host, in a network namespace that nothing else is in.
HERE, THERE = "10.213.7.1", "10.213.7.2"
USER = "admin"
# What a Debian of a cloud has, and what the roles install: the host has no way to the internet.
PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,python3-apt,sudo,iproute2,ca-certificates,procps,"
    "chrony,unattended-upgrades,redis-server,adduser"
)


def sh(*command, **options):
    """Runs a command here; raises with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise AssertionError(f"{shlex.join(map(str, command))} -> {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def until(what, condition, seconds=60):
    """Waits for a condition; says how long it took, in seconds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.1)
    return time.monotonic() - began


def image(cache: Path):
    """Makes the archive of a Debian 12 (half a minute), unless there is one that is not older than a week."""
    archive, packages = cache / "debian12.tar", cache / "packages"
    if archive.exists() and packages.read_text() == PACKAGES and archive.stat().st_mtime > time.time() - 7 * 86400:
        return
    cache.mkdir(parents=True, exist_ok=True)
    fresh = cache / f"debian12.{os.getpid()}.tar"
    sh("mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(fresh))
    fresh.rename(archive)
    packages.write_text(PACKAGES)


def is_gone(process):
    try:
        return " Z " in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True


class Machine:
    """What both have in common: they are spoken to by SSH, and their key is checked."""

    def __init__(self, folder: Path, user: str, address: str, key: Path | None):
        self.folder, self.user, self.address, self.key = folder, user, address, key
        self.known_hosts = folder / "known_hosts"

    def ssh_options(self):
        options = ["-o", f"UserKnownHostsFile={self.known_hosts}", "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes"]
        options += ["-o", "GlobalKnownHostsFile=/dev/null", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR"]
        return options + (["-i", str(self.key), "-o", "IdentitiesOnly=yes"] if self.key else [])

    def run(self, script, check=True, stdin=""):
        """Runs a shell script as root on the host, and returns what it said."""
        command = ["ssh", *self.ssh_options(), f"{self.user}@{self.address}", "sudo sh -c " + shlex.quote(script)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", input=stdin, timeout=180)
        if check and done.returncode:
            raise AssertionError(f"on the host: {script}\n-> {done.returncode}\n{done.stdout}{done.stderr}")
        return (done.stdout + ("" if check else done.stderr)).strip()

    def send(self, source: Path, target: str):
        """Copies a file to the host."""
        sh("scp", "-q", *self.ssh_options(), str(source), f"{self.user}@{self.address}:{target}")

    def answers(self):
        """Whether somebody can sign in."""
        return subprocess.run(
            ["ssh", *self.ssh_options(), f"{self.user}@{self.address}", "true"], capture_output=True
        ).returncode == 0

    def boot_id(self, check=True):
        """Which boot this is; without `check` something else while it goes down."""
        return self.run("cat /proc/sys/kernel/random/boot_id", check)

    def reboot(self):
        self.run("systemctl reboot", check=False)


class Given(Machine):
    """A host that is there; its key has to be known already."""

    def __init__(self, folder, where):
        user, _, address = where.rpartition("@")
        super().__init__(folder, user or USER, socket.gethostbyname(address), None)
        found = sh("ssh-keyscan", "-T", "10", self.address) if os.environ.get("HOST_KEY_TRUSTED") else ""
        own = Path.home() / ".ssh/known_hosts"
        self.known_hosts.write_text(found + (own.read_text() if own.exists() else ""))
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.connect((self.address, 9))
        self.here = probe.getsockname()[0]
        assert self.answers(), f"{where} cannot be signed in to: is its host key in ~/.ssh/known_hosts?"

    def power_cut(self):
        self.run("(sleep 0.2; echo b >/proc/sysrq-trigger) >/dev/null 2>&1 &")

    def end(self):
        pass


class Made(Machine):
    """A Debian 12 in a container with its own systemd, network and processes."""

    def __init__(self, folder, cache: Path):
        key = folder / "ssh-key"
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        super().__init__(folder, USER, THERE, key)
        self.here, self.root, self.process = HERE, folder / "root", None
        self.loops: dict[Path, str] = {}
        self.unpack(cache)
        for command in (
            "mkdir -p /run/netns",
            "mount -t tmpfs names /run/netns",
            "ip link set lo up",
            "ip netns add sarangbang-host",
            "ip link add ops0 type veth peer name host0 netns sarangbang-host",
            f"ip addr add {HERE}/24 dev ops0",
            "ip link set ops0 up",
            "ip -n sarangbang-host link set lo up",
            f"ip -n sarangbang-host addr add {THERE}/24 dev host0",
            "ip -n sarangbang-host link set host0 up",
            f"ip -n sarangbang-host route add default via {HERE}",
        ):
            sh(*command.split())
        self.start()
        until("the host can be signed in to", self.answers, 60)

    def unpack(self, cache: Path):
        """Makes the system: an account that may do everything, keys, and no more."""
        self.root.mkdir()
        sh("tar", "-xf", str(cache / "debian12.tar"), "-C", str(self.root))
        etc = self.root / "etc"
        (etc / "hostname").write_text("chat-host\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n127.0.1.1 chat-host\n")
        (etc / "resolv.conf").write_text("options timeout:1 attempts:1\n")
        for pair in (etc / "ssh").glob("ssh_host_*"):
            pair.unlink()
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(etc / "ssh/ssh_host_ed25519_key"))
        self.known_hosts.write_text(f"{THERE} " + (etc / "ssh/ssh_host_ed25519_key.pub").read_text())
        sh("chroot", str(self.root), "useradd", "--create-home", "--shell", "/bin/bash", USER)
        home = self.root / "home" / USER / ".ssh"
        home.mkdir(mode=0o700)
        (home / "authorized_keys").write_text(Path(f"{self.key}.pub").read_text())
        sh("chroot", str(self.root), "chown", "-R", f"{USER}:", f"/home/{USER}/.ssh")
        (etc / f"sudoers.d/{USER}").write_text(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
        (etc / "ssh/sshd_config.d/test.conf").write_text("PasswordAuthentication no\nUseDNS no\n")
        # A cloud's image has no server of its own running, and nothing waits for a network that is there already.
        for unit in ("redis-server.service", "systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer"):
            (etc / "systemd/system" / unit).unlink(missing_ok=True)
            (etc / "systemd/system" / unit).symlink_to("/dev/null")

    def start(self):
        """Switches it on."""
        command = [
            "systemd-nspawn", "--quiet", f"--directory={self.root}", "--boot",
            "--register=no", "--keep-unit", "--console=pipe", "--machine=sarangbang-host", "--kill-signal=SIGRTMIN+3",
            "--network-namespace-path=/run/netns/sarangbang-host", "--rlimit=NOFILE=1048576",
        ]
        # The bounds of its own network are its own to set.
        environment = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
        log = open(self.folder / "console.log", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def attach(self, image: Path, serial: str, name="nvme1n1"):
        """A disk with this serial number, as EC2 attaches a volume; gone with a reboot. There is no udev in a container: its
        links are made by hand."""
        disk = self.loops.get(image) or sh("losetup", "--find", "--show", str(image)).strip()
        self.loops[image] = disk
        (leader,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        number = os.stat(disk).st_rdev
        dev = Path(f"/proc/{leader}/root/dev")
        os.mknod(dev / name, 0o660 | stat.S_IFBLK, number)
        links = dev / "disk/by-id"
        links.mkdir(parents=True, exist_ok=True)
        (links / f"nvme-Amazon_Elastic_Block_Store_{serial}").symlink_to(f"../../{name}")

    def detach(self, image: Path):
        sh("losetup", "--detach", self.loops.pop(image))

    def reboot(self):
        super().reboot()
        self.process.wait(60)
        self.start()

    def power_cut(self):
        """Everything that runs there is gone in the same moment; only what was written stays."""
        self.stop()
        self.start()

    def stop(self):
        if self.process.poll() is not None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        self.process.kill()
        self.process.wait(10)
        until("its processes are gone", lambda: all(map(is_gone, children)), 10)
        listening = ["nsenter", "--net=/run/netns/sarangbang-host", "ss", "-Hltn"]
        until("its ports are free", lambda: sh(*listening) == "", 20)

    def end(self):
        """For good: with its disks."""
        self.stop()
        for image in list(self.loops):
            self.detach(image)


if __name__ == "__main__":
    image(Path(sys.argv[1]))
