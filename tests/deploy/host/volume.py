"""The volume of the data: found by its id, made ready only where it is blank, mounted, and never mistaken for another's."""

import re
import shlex
from pathlib import Path

from machine import until

VOLUME, SERIAL = "vol-0a1b2c3d4e5f60718", "vol0a1b2c3d4e5f60718"
DATA = "/var/lib/sarangbang"
DISK = "/dev/nvme1n1"
SCRIPT = Path(__file__).resolve().parents[3] / "ansible/roles/sarangbang/files/data-volume.sh"
# A table with one partition, as the first sector of a disk has it.
PARTITION = "; ".join(f"printf '{byte}' | dd of={DISK} bs=1 seek={at} conv=notrunc status=none"
                      for at, byte in ((450, "\\203"), (454, "\\001"), (458, "\\377"), (510, "\\125\\252")))
STOP = "systemctl stop sarangbang.socket sarangbang.service"


def look(deployment):
    """A loop device stands for the disk; everything behind its name is real."""
    machine, play = deployment.machine, deployment.play
    version = deployment.running()
    before = deployment.counts()
    told = {"sarangbang_version": version, "sarangbang_data_volume_id": VOLUME}

    def refuses(what, expected, said=None):
        said = said or machine.run(f"VOLUME={VOLUME} LOOK= sh -c {shlex.quote(SCRIPT.read_text())}; code=$?; echo; echo code $code", check=False)
        assert re.search(expected, said) and "code 0" not in said, f"{what}: not said as expected:\n{said}"
        assert machine.run(f"grep -c {DATA} /etc/fstab; findmnt -no SOURCE {DATA}; true") == "0", f"{what}: something was changed"

    done, changed, _ = play("site", check=False, **told)
    assert done.returncode and changed <= 0, f"without its volume: {changed} changed:\n{done.stdout[-3000:]}"
    # Behind the script itself, whose words would be found too.
    refuses("no volume", r"there is no volume vol-0a1b2c3d4e5f60718 on this host.*Fix: attach it", " ".join(done.stdout.partition("stderr: ")[2].split()))
    image = deployment.folder / "volume"
    with open(image, "wb") as file:
        file.truncate(2 << 30)
    machine.attach(image, SERIAL)
    refuses("data that it would hide", r"/var/lib/sarangbang holds data already.*Fix: systemctl stop")
    machine.run(f"{STOP}; mv {DATA} /root/kept")
    # Whatever is on it is looked at, each with its own word, and left alone.
    for what, put, expected, check in (
        ("partitions", PARTITION, r"holds something that is no file system.*Fix: look at it", f"blkid -p {DISK} | grep -c 'PTTYPE=.dos'"),
        ("swap", f"wipefs -qa {DISK}; mkswap {DISK}", r"holds something that is no file system \(other\)", f"blkid -p {DISK} | grep -c swap"),
        ("somebody's files", f"wipefs -qa {DISK}; mkfs.ext4 -q {DISK}; mount {DISK} /mnt; echo dear >/mnt/diary; umount /mnt",
         r"holds files that are not Sarangbang.+: diary .*Fix: another volume", f"mount -o ro {DISK} /mnt; cat /mnt/diary | grep -c dear; umount /mnt"),
    ):
        machine.run(put)
        refuses(what, expected)
        assert machine.run(check) == "1", f"{what}: it is not there any more"
    machine.run(f"wipefs -qa {DISK}; dd if=/dev/zero of={DISK} bs=1M count=64 status=none")
    would = machine.run(f"VOLUME={VOLUME} LOOK=yes sh -c {shlex.quote(SCRIPT.read_text())}")
    assert "a file system is made" in would and machine.run(f"blkid -p {DISK}; true") == "", f"looking has made a file system: {would}"
    _, changed, _ = play("site", **told)
    until("it serves from the volume", deployment.is_ready, 60)
    # The data goes along, as the message says.
    machine.run(f"{STOP}; rm -rf {DATA}/sarangbang* {DATA}/serve.lock; cp -a /root/kept/. {DATA}/; rm -r /root/kept; systemctl start sarangbang.service")
    until("it serves from the volume", deployment.is_ready, 60)
    assert deployment.counts() == before, "the rooms are others"
    _, again, _ = play("site", **told)
    assert again == 0, f"{again} changed by the second run"
    shown = machine.run(f"findmnt -no SOURCE,FSTYPE,OPTIONS {DATA}; stat -c '%U %a' {DATA}")
    assert re.search(r"/dev/\S+ +ext4 +rw,nosuid,nodev,noexec,noatime.*\nsarangbang 700", shown), shown
    # What systemd makes of the line at a boot: in a container it leaves disks alone, unless /sys looks as on a host.
    unit = machine.run("unshare --mount sh -c 'mkdir /tmp/made; mount -t tmpfs none /sys; cd /tmp/made; "
                       "/usr/lib/systemd/system-generators/systemd-fstab-generator . . . && cat var-lib-sarangbang.mount && ls -d local-fs.target.*/*'; rm -r /tmp/made")
    assert "Where=/var/lib/sarangbang" in unit and "local-fs.target.wants/var-lib-sarangbang.mount" in unit and "local-fs.target.requires" not in unit, unit
    machine.reboot()
    until("it can be signed in to", machine.answers, 60)
    machine.attach(image, SERIAL)
    machine.run(f"{STOP}; mount -a; systemctl start sarangbang.service")
    until("it serves after a boot", deployment.is_ready, 60)
    assert deployment.counts() == before, "the rooms are others after a boot"
    # Back to the disk of the host, for what comes after.
    machine.run(f"{STOP}; cp -a {DATA} /root/kept; umount {DATA}; sed -i '\\#{DATA}#d' /etc/fstab; systemctl daemon-reload; rmdir {DATA}; mv /root/kept {DATA}; "
                f"rm -rf {DATA}/lost+found; systemctl start sarangbang.service")
    machine.detach(image)
    until("it serves from its own disk", deployment.is_ready, 60)
    return f"5 kinds of wrong disk refused and left as they were; {changed} changed, then 0; {sum(map(len, before.values()))} entries the same on it, also after a boot"
