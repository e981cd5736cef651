"""A certificate authority that the host gets its certificates from: pebble, with names of its own."""

import json
import os
import socket
import ssl
import subprocess
import urllib.request
from pathlib import Path

from machine import sh, until

DIRECTORY, MANAGEMENT, DNS, DNS_MANAGEMENT = 14000, 15000, 15353, 15354


class Authority:
    """It asks the host at the ports 80 and 443, where everybody does."""

    def __init__(self, folder: Path, here: str, there: str):
        self.folder, self.here = folder, here
        sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
           "-subj", "/CN=The authority of a test", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")
        sh("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pebble",
           "-keyout", folder / "pebble.key", "-out", folder / "pebble.csr")
        (folder / "san").write_text(f"subjectAltName=IP:{here}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n")
        sh("openssl", "x509", "-req", "-days", "2", "-in", folder / "pebble.csr", "-CA", folder / "ca.pem",
           "-CAkey", folder / "ca.key", "-extfile", folder / "san", "-out", folder / "pebble.pem")
        (folder / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{here}:{DIRECTORY}", "managementListenAddress": f"{here}:{MANAGEMENT}",
            "certificate": str(folder / "pebble.pem"), "privateKey": str(folder / "pebble.key"),
            "httpPort": 80, "tlsPort": 443, "certificateValidityPeriod": 90 * 86400,
        }}))
        log = open(folder / "pebble.log", "ab")
        names = ["pebble-challtestsrv", "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
                 "-defaultIPv4", there, "-dns01", f"{here}:{DNS}", "-management", f"{here}:{DNS_MANAGEMENT}"]
        whims = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        pebble = ["pebble", "-config", folder / "pebble.json", "-dnsserver", f"{here}:{DNS}"]
        self.processes = [
            subprocess.Popen(names, stdout=log, stderr=log),
            subprocess.Popen(pebble, stdout=log, stderr=log, env=os.environ | whims),
        ]
        for port in (DIRECTORY, MANAGEMENT, DNS_MANAGEMENT):
            until(f"pebble listens at {port}", lambda at=port: reaches(here, at), 20)

    def directory(self):
        return f"https://{self.here}:{DIRECTORY}/dir"

    def root(self):
        """What leads its certificates to trust, as PEM."""
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(f"https://{self.here}:{MANAGEMENT}/roots/0", context=unchecked) as answer:
            return answer.read().decode()

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()


def reaches(address, port):
    try:
        socket.create_connection((address, port), 1).close()
    except OSError:
        return False
    return True
