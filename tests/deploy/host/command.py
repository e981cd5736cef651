"""`make deploy` and its relatives as an operator types them, with the real playbooks: on a host that is there, and on an EC2
of this computer (tests/deploy/emulated_aws.py), whose instance is the host of the test."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from machine import sh, until

NAME = "sarangbang-chat-sarangbang-test"


class Operator:
    """Somebody with a computer of his own: names, known hosts, the state of deployments. Needs mounts of one's own."""

    def __init__(self, deployment, domain):
        self.deployment, self.machine, self.domain = deployment, deployment.machine, domain
        self.folder, self.repository = deployment.folder, Path(__file__).resolve().parents[3]
        self.hosts = self.folder / "hosts"
        self.names("")
        sh("mount", "--bind", self.hosts, "/etc/hosts")
        # OpenSSH looks for known_hosts in the home of the account, whatever HOME says.
        self.ssh = Path("/root/.ssh")
        self.ssh.mkdir(exist_ok=True)
        sh("mount", "-t", "tmpfs", "none", self.ssh)
        (self.folder / "roots.pem").write_text(deployment.authority.root())
        shutil.copyfile(f"{self.machine.key}.pub", self.folder / "operator.pub")

    def names(self, address):
        """Where the domain leads, as this computer sees it."""
        self.hosts.write_text("127.0.0.1 localhost\n" + (f"{address} {self.domain}\n" if address else ""))

    def make(self, target, state, check=True, **variables):
        """Types `make TARGET NAME=VALUE…`; returns what it said, and how many changes Ansible counted."""
        folder = self.folder / state / "sarangbang" / self.domain
        (folder / "group_vars").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        # The authority is the test's, and its disk is small.
        told = {
            "sarangbang_settings": {"acme": {"directory": self.deployment.authority.directory(), "ca_file": "/etc/sarangbang/authority.pem"},
                                    "limits": {"connects_burst": 4000}},
            "sarangbang_files": {"authority.pem": (self.folder / "ca.pem").read_text()}, "sarangbang_disk_mib_min": 512,
        }
        (folder / "group_vars/sarangbang.json").write_text(json.dumps(told))
        environment = os.environ | {
            "XDG_STATE_HOME": str(self.folder / state), "SSL_CERT_FILE": str(self.folder / "roots.pem"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(self.folder / "ansible"), "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "ssh"), "SSH_SECONDS": "20",
            "SSH_KEY": str(self.machine.key), "SSH_USER": self.machine.user,
        } | variables
        done = subprocess.run(["make", "--no-print-directory", "-C", self.repository, target, f"DOMAIN={self.domain}", "EMAIL=ops@sarangbang.test"],
                              capture_output=True, text=True, env=environment, timeout=400, stdin=subprocess.DEVNULL)
        said = done.stdout + done.stderr
        (self.folder / f"make-{target}-{time.monotonic_ns()}.log").write_text(said)
        assert not check or done.returncode == 0, f"make {target} failed:\n{said[-5000:]}"
        return said, sum(map(int, re.findall(r"changed=(\d+)", said)))

    def release(self, version):
        return {"BINARY": str(self.deployment.releases[version]), "VERSION": version}


def serves(deployment, version):
    """The release runs, and people chat."""
    assert deployment.running() == version, deployment.running()
    _, count, _ = deployment.crowd(lambda: None)
    return count


def on_a_host(deployment, operator):
    machine = deployment.machine
    operator.names(machine.address)
    given = {"HOST": machine.address}
    said, _ = operator.make("deploy", "given", check=False, **given, **operator.release("1.0.0"))
    assert "stopped: the host key of" in said and "connect once by hand" in said, said[-3000:]
    (operator.ssh / "known_hosts").write_text(machine.known_hosts.read_text())
    said, changed = operator.make("deploy", "given", **given, **operator.release("1.0.0"))
    assert f"\nhttps://{operator.domain}/\n" in said and "== installing 1.0.0" in said, said[-3000:]
    deployment.accounts()
    count = serves(deployment, "1.0.0")
    _, again = operator.make("deploy", "given", **given, **operator.release("1.0.0"))
    assert again == 0, f"{again} changed by the second run"
    said, _ = operator.make("deploy", "given", **given, **operator.release("1.1.0"))
    assert "== upgrading from 1.0.0 to 1.1.0 in place" in said, said[-3000:]
    count += serves(deployment, "1.1.0")
    said, _ = operator.make("deploy-status", "given", **given)
    assert "release   1.1.0" in said and f"https://{operator.domain}/ answers 200" in said and "error " not in said, said[-3000:]
    operator.make("deploy-rollback", "given", **given)
    count += serves(deployment, "1.0.0")
    return f"{changed} changed, then 0; upgraded, looked at, rolled back; {count} messages, 0 refused, 0 lost, 0 doubled"


def on_ec2(deployment, operator):
    machine, folder = deployment.machine, operator.folder
    mirror = os.environ.get("SARANGBANG_TF_MIRROR", "/opt/tf-plugins")
    (folder / "terraform.rc").write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{mirror}"\n  }}\n}}\n')
    aws = subprocess.Popen([sys.executable, operator.repository / "tests/deploy/emulated_aws.py", folder / "port"],
                           env=os.environ | {"SARANGBANG_TEST_ADDRESS": machine.address}, stdout=open(folder / "aws.log", "w"), stderr=subprocess.STDOUT)
    try:
        until("AWS answers", (folder / "port").exists, 60)
        # The console shows what user-data.yaml has the host write there.
        (folder / "bin").mkdir()
        command = folder / "bin/aws"
        command.write_text(f"""#!/bin/sh
case "$*" in
  *"ec2 get-console-output"*) echo "-----BEGIN SARANGBANG HOST KEYS-----"; cat {machine.root}/etc/ssh/ssh_host_ed25519_key.pub; echo "-----END SARANGBANG HOST KEYS-----" ;;
  *) exec {shutil.which("aws")} "$@" ;;
esac
""")
        command.chmod(0o755)
        account = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{(folder / 'port').read_text()}", "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "ADMIN_CIDRS": "203.0.113.7/32", "DNS_SECONDS": "2",
            "TF_CLI_CONFIG_FILE": str(folder / "terraform.rc"), "CHECKPOINT_DISABLE": "1", "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }
        operator.names("")
        said, _ = operator.make("deploy", "ec2", check=False, **account, **operator.release("1.0.0"))
        assert f"{operator.domain}. A {machine.address}" in said and "does not lead to" in said, said[-3000:]
        operator.names(machine.address)
        asked = subprocess.run(["aws", "ec2", "describe-volumes", "--filters", f"Name=tag:Snapshots,Values={NAME}", "--query", "Volumes[0].VolumeId", "--output", "text"],
                               env=os.environ | account, capture_output=True, text=True, check=True)
        volume = asked.stdout.strip()
        image = folder / "ebs"
        with open(image, "wb") as file:
            file.truncate(2 << 30)
        machine.attach(image, volume.replace("-", ""))
        # The host reaches no S3, and Debian's awscli comes over the internet.
        machine.run("printf '#!/bin/sh\\nexit 0\\n' >/usr/local/bin/aws; chmod 755 /usr/local/bin/aws")
        said, changed = operator.make("deploy", "ec2", **account, **operator.release("1.0.0"))
        assert f"\nhttps://{operator.domain}/\n" in said and "nothing to change on AWS" in said, said[-3000:]
        where = machine.run("findmnt -no SOURCE /var/lib/sarangbang; cat /etc/systemd/system/sarangbang-backup.service.d/60-bucket.conf")
        assert where.startswith("/dev/") and "s3://sarangbang-chat-sarangbang-test-" in where, where
        deployment.accounts()
        count = serves(deployment, "1.0.0")
        said, again = operator.make("deploy", "ec2", **account, **operator.release("1.0.0"))
        assert again == 0 and "nothing to change on AWS" in said, f"{again} changed by the second run:\n{said[-3000:]}"
        operator.make("deploy", "ec2", **account, **operator.release("1.1.0"))
        count += serves(deployment, "1.1.0")
        said, _ = operator.make("deploy-status", "ec2", **account)
        assert "release   1.1.0" in said and "answers 200" in said, said[-3000:]
        said, _ = operator.make("destroy", "ec2", CONFIRM=operator.domain, **account)
        assert "is in the snapshot snap-" in said, said[-3000:]
        return f"made on AWS, the records said, installed on the volume {volume}: {changed} changed, then 0 and nothing on AWS; upgraded; {count} messages, 0 lost; destroyed but for its snapshot"
    finally:
        aws.kill()
        aws.wait()
