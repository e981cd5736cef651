//! The faults: what is done to a host that is well, in the words of `host.sh`, and what is to be said of it.

/// One fault.
pub(super) struct Fault {
    pub(super) says: &'static str,
    /// Before the server starts.
    pub(super) before: &'static str,
    /// While it runs.
    pub(super) after: &'static str,
    pub(super) level: &'static str,
    pub(super) id: &'static str,
    /// A part of the fix.
    pub(super) fix: &'static str,
}

const fn fault(says: &'static str, level: &'static str, id: &'static str, fix: &'static str) -> Fault {
    Fault { says, before: "", after: "", level, id, fix }
}

const fn before(says: &'static str, what: &'static str, told: [&'static str; 3]) -> Fault {
    Fault { before: what, ..fault(says, told[0], told[1], told[2]) }
}

const fn after(says: &'static str, what: &'static str, told: [&'static str; 3]) -> Fault {
    Fault { after: what, ..fault(says, told[0], told[1], told[2]) }
}

pub(super) const FAULTS: &[Fault] = &[
    // Units, as recorded.
    after(
        "the service ends again and again",
        "stop; unit sarangbang.service ActiveState activating; unit sarangbang.service SubState auto-restart",
        ["error", "units.failing", "journalctl -u sarangbang.service"],
    ),
    after(
        "the service has failed for good",
        "stop; unit sarangbang.service ActiveState failed; unit sarangbang.service Result exit-code",
        ["error", "units.failing", "systemctl restart sarangbang.service"],
    ),
    after(
        "each start of the service fails at once",
        "stop; unit sarangbang.service ActiveState activating; unit sarangbang.service SubState start-pre; \
         unit sarangbang.service NRestarts 7",
        ["error", "units.failing", "journalctl -u sarangbang.service"],
    ),
    after(
        "a file beside the unit takes its walls away",
        "unit sarangbang.service NoNewPrivileges no; \
         unit sarangbang.service DropInPaths /etc/systemd/system/sarangbang.service.d/90-debug.conf",
        ["note", "units.weakened", "systemctl restart sarangbang.service"],
    ),
    after(
        "the service's unit runs it as root",
        "unit sarangbang.service User ''",
        ["note", "units.weakened", "systemctl edit sarangbang.service"],
    ),
    after(
        "nobody looks whether the server hangs",
        "unit sarangbang.service WatchdogUSec 0",
        ["note", "units.unattended", "systemctl edit sarangbang.service"],
    ),
    after(
        "the service was stopped by somebody",
        "stop; unit sarangbang.service ActiveState inactive; unit sarangbang.service MainPID 0",
        ["note", "units.stopped", "systemctl start sarangbang.service"],
    ),
    after(
        "the service is masked, and nothing starts it",
        "stop; unit sarangbang.service LoadState masked; unit sarangbang.service ActiveState inactive",
        ["error", "units.masked", "systemctl unmask sarangbang.service"],
    ),
    after(
        "the service's unit file is not understood",
        "stop; unit sarangbang.service LoadState bad-setting; unit sarangbang.service ActiveState inactive",
        ["error", "units.broken", "systemd-analyze verify sarangbang.service"],
    ),
    after(
        "the service is not started by a boot",
        "unit sarangbang.service UnitFileState disabled",
        ["note", "units.disabled", "systemctl enable sarangbang.service"],
    ),
    after(
        "the server was started by hand while the service is stopped",
        "unit sarangbang.service ActiveState inactive; unit sarangbang.service MainPID 0",
        ["note", "units.by-hand", "systemctl enable --now sarangbang.service"],
    ),
    after(
        "another process than the service's has the data folder",
        "unit sarangbang.service MainPID 4711",
        ["note", "units.another-process", "systemctl restart sarangbang.service"],
    ),
    after(
        "the service was started again five times",
        "unit sarangbang.service NRestarts 5",
        ["note", "units.restarts", "systemctl reset-failed sarangbang.service"],
    ),
    after(
        "a unit file was changed and systemd was not told",
        "unit sarangbang.service NeedDaemonReload yes",
        ["note", "units.reload-needed", "systemctl daemon-reload"],
    ),
    after(
        "a copy of the unit in /etc hides the packaged one",
        "unit sarangbang.service FragmentPath /etc/systemd/system/sarangbang.service",
        ["note", "units.overridden", "systemctl revert sarangbang.service"],
    ),
    after(
        "the socket unit does not hold the ports",
        "unit sarangbang.socket ActiveState inactive",
        ["note", "units.socket-stopped", "systemctl enable --now sarangbang.socket"],
    ),
    after(
        "the socket unit is not started by a boot",
        "unit sarangbang.socket UnitFileState disabled",
        ["note", "units.socket-disabled", "systemctl enable sarangbang.socket"],
    ),
    after(
        "the socket unit holds another port than is configured",
        "sed -i 's/:80 /:8080 /' $house/units/sarangbang.socket",
        ["error", "units.socket-ports", "systemctl restart sarangbang.socket sarangbang.service"],
    ),
    after(
        "the service keeps its data elsewhere than is looked at",
        "unit sarangbang.service StateDirectory chat",
        ["note", "units.another-folder", "sarangbang doctor --config"],
    ),
    // Ports and processes, real.
    after(
        "another program took port 443 while the server was away",
        "stop; unit sarangbang.service ActiveState inactive; rm $house/units/sarangbang.*; \
         python3 -c 'import http.server as h; s = h.HTTPServer((\"\", 443), h.SimpleHTTPRequestHandler); \
         print(1, flush=True); s.serve_forever()' >$house/ready & read -r _ <$house/ready",
        ["error", "address.taken", "stop process"],
    ),
    after("the server hangs and answers nobody", "kill -STOP $(cat $house/pid)", ["error", "server.hangs", "restart"]),
    after(
        "another version was installed and not taken up",
        "cp $house/bin/sarangbang $house/bin/new && mv $house/bin/new $house/bin/sarangbang",
        ["note", "server.replaced", "kill -USR2"],
    ),
    Fault {
        before: "key 'tls.redirect_listen = \"off\"'",
        after: "sed -i /redirect_listen/d $house/sarangbang.toml",
        ..fault("the redirect was configured after the start", "note", "address.no-redirect", "tls.redirect_listen")
    },
    // The disk under the data, real but for a volume that is not there.
    before("the volume is nearly full", "size=64m", ["error", "disk.full", "history.keep_entries"]),
    before("the volume has less than a gigabyte left", "size=600m", ["note", "disk.low", "history.keep_days"]),
    before("the volume has hardly an inode left", "inodes=300", ["note", "disk.inodes", "remove files"]),
    after(
        "the volume can only be read",
        "mount --bind $data $data && mount -o remount,bind,ro $data",
        ["error", "data.read-only", "mount -o remount,rw /var/lib/sarangbang"],
    ),
    before(
        "the volume of fstab is not mounted",
        "has_volume=no; rm $house/units/var-lib-sarangbang.mount; cp $house/host.mounts $root/proc/self/mountinfo",
        ["error", "disk.not-mounted", "mount /var/lib/sarangbang"],
    ),
    before(
        "the mount unit of the volume failed",
        "has_volume=no; echo >$root/etc/fstab; unit var-lib-sarangbang.mount ActiveState failed; \
         cp $house/host.mounts $root/proc/self/mountinfo",
        ["error", "disk.not-mounted", "mount /var/lib/sarangbang"],
    ),
    before(
        "a volume is attached and the data is on the system's disk",
        "has_volume=no; echo >$root/etc/fstab; rm $house/units/var-lib-sarangbang.mount; mkdir $root/sys/block/nvme1n1; \
         echo 259:2 >$root/sys/block/nvme1n1/dev; echo 41943040 >$root/sys/block/nvme1n1/size; \
         cp $house/host.mounts $root/proc/self/mountinfo",
        ["note", "disk.on-root", "blkid /dev/nvme1n1"],
    ),
    after(
        "the database may be read by everybody",
        "chmod 604 $data/sarangbang.db",
        ["error", "data.open-to-all", "chmod 600 /var/lib/sarangbang/sarangbang.db"],
    ),
    after(
        "the data folder may be read by its group",
        "chmod 750 $data",
        ["note", "data.open-to-group", "chmod 700 /var/lib/sarangbang"],
    ),
    before("nobody is an administrator", "rm $house/template/*", ["note", "data.no-administrator", "sarangbang setup"]),
    // Backups: the units as recorded, the files real.
    after(
        "the timer of backups is off",
        "unit sarangbang-backup.timer ActiveState inactive",
        ["note", "backup.timer-off", "systemctl enable --now sarangbang-backup.timer"],
    ),
    after(
        "the timer of restore drills is off",
        "unit sarangbang-drill.timer ActiveState inactive",
        ["note", "backup.timer-off", "systemctl enable --now sarangbang-drill.timer"],
    ),
    after(
        "the timer of backups is not started by a boot",
        "unit sarangbang-backup.timer UnitFileState disabled",
        ["note", "backup.timer-off", "systemctl enable --now sarangbang-backup.timer"],
    ),
    after(
        "the last backup failed on the way",
        "unit sarangbang-backup.service Result exit-code",
        ["error", "backup.failed", "journalctl -u sarangbang-backup.service"],
    ),
    after(
        "the last restore drill did not succeed",
        "unit sarangbang-drill.service Result exit-code",
        ["error", "backup.drill-failed", "journalctl -u sarangbang-drill.service"],
    ),
    after(
        "the newest backup is five days old",
        "touch -d '5 days ago' $root/var/backups/sarangbang/*",
        ["note", "backup.old", "systemctl start sarangbang-backup.service"],
    ),
    after(
        "the last backup that was noted as good is five days old",
        "date -d '5 days ago' +%s >$data/last-backup",
        ["note", "backup.old", "systemctl start sarangbang-backup.service"],
    ),
    after(
        "no backup was restored on trial for a month",
        "date -d '30 days ago' +%s >$data/last-drill",
        ["note", "backup.drill-old", "systemctl start sarangbang-drill.service"],
    ),
    after(
        "there is no backup after many days",
        "rm $root/var/backups/sarangbang/*; touch -d '5 days ago' $root/var/backups/sarangbang",
        ["note", "backup.none", "systemctl start sarangbang-backup.service"],
    ),
    // Clock, journal and kernel, as recorded; the limit of open files is real.
    after(
        "no time server keeps the clock right",
        "echo NTPSynchronized=no >$house/units/timedatectl",
        ["note", "clock.unsynchronised", "timedatectl set-ntp true"],
    ),
    after(
        "the journal is gone with the next boot",
        "rm -r $root/var/log/journal",
        ["note", "journal.volatile", "mkdir -p /var/log/journal"],
    ),
    after(
        "the journal is kept nowhere at all",
        "mkdir $root/etc/systemd/journald.conf.d; echo Storage=none >$root/etc/systemd/journald.conf.d/90-none.conf",
        ["note", "journal.none", "systemctl restart systemd-journald"],
    ),
    after(
        "the kernel queues too few connections",
        "kernel net/core/somaxconn 128",
        ["note", "limits.backlog", "net.core.somaxconn = 4096"],
    ),
    after(
        "the kernel drops half-open connections early",
        "kernel net/ipv4/tcp_max_syn_backlog 128; kernel net/ipv4/tcp_syncookies 0",
        ["note", "limits.half-open", "net.ipv4.tcp_max_syn_backlog = 4096"],
    ),
    after(
        "the host may open too few files in all",
        "kernel fs/file-max 3000",
        ["note", "limits.file-max", "fs.file-max = 5120"],
    ),
    after(
        "one process may open too few files",
        "kernel fs/nr_open 1024",
        ["note", "limits.nr-open", "fs.nr_open = 3072"],
    ),
    after(
        "the firewall follows fewer connections than are allowed",
        "kernel net/netfilter/nf_conntrack_max 900",
        ["note", "limits.tracking", "net.netfilter.nf_conntrack_max = 2000"],
    ),
    after(
        "the firewall can follow no further connection",
        "kernel net/netfilter/nf_conntrack_count 262144",
        ["error", "limits.tracking-full", "net.netfilter.nf_conntrack_max = 524288"],
    ),
    before("the server may open too few files", "ulimit -n 1500", ["note", "limits.open-files", "LimitNOFILE=2280"]),
    // Names and the way from outside, real but for the metadata service.
    after(
        "the name is not in DNS",
        "echo '127.0.0.1 localhost' >$house/etc/hosts",
        ["error", "dns.unresolved", "make an A record"],
    ),
    after(
        "no name server answers",
        "echo '127.0.0.1 localhost' >$house/etc/hosts; echo 'hosts: files dns' >$house/etc/nsswitch.conf",
        ["error", "dns.name-servers", "/etc/resolv.conf"],
    ),
    after(
        "the name leads to this computer's inner address",
        "echo '127.0.0.1 chat.example.com' >$house/etc/hosts",
        ["note", "dns.local", "dig +short chat.example.com"],
    ),
    after(
        "the name has an IPv6 address and the host has no IPv6",
        "echo '2001:db8::7 chat.example.com' >>$house/etc/hosts",
        ["error", "dns.no-ipv6", "AAAA"],
    ),
    before(
        "the name leads to an address that is not this computer's",
        "ec2 nothing; echo QEMU >$root/sys/class/dmi/id/sys_vendor",
        ["note", "dns.elsewhere", "correct the record"],
    ),
    before(
        "the name leads to another host than this instance",
        "ec2 nothing; echo '198.51.100.9 chat.example.com' >$house/etc/hosts",
        ["error", "dns.not-this-instance", "make its A record hold 198.51.100.20"],
    ),
    before(
        "the security group lets nobody in at port 443",
        "ec2 silent",
        ["note", "ports.silent", "let TCP port 443 in (firewall, security group"],
    ),
    before(
        "nothing answers at port 443 of the public address",
        "ec2 closed",
        ["error", "ports.closed", "let that port lead to [::]:443"],
    ),
    before(
        "somebody else answers at the public address",
        "ec2 other",
        ["error", "ports.other-program", "correct the record"],
    ),
    // Certificates, real.
    before("the certificate has expired", "certificate expired", ["error", "certificate.expired", "tls.cert"]),
    before("the certificate is in its last third", "certificate due", ["note", "certificate.due", "tls.cert"]),
    before("the certificate is not valid yet", "certificate early", ["error", "certificate.not-yet", "clock"]),
    before("the certificate is for another name", "certificate other", ["error", "certificate.names", "domain"]),
    before(
        "the certificate is self-signed",
        "certificate self-signed",
        ["note", "certificate.self-signed", "--domain"],
    ),
    before(
        "the certificate stands without those of its authority",
        "certificate alone",
        ["note", "certificate.chain", "intermediate"],
    ),
    before(
        "the certificate is signed by nobody that browsers know",
        "certificate unknown",
        ["note", "certificate.unknown-authority", "public authority"],
    ),
    after(
        "the key may be read by everybody",
        "chmod 644 $house/key.pem",
        ["error", "certificate.files", "chmod o-rwx"],
    ),
    // The configuration.
    before(
        "the metrics are open to other computers",
        "key 'operator.listen = \"0.0.0.0:9464\"'",
        ["note", "operator.open", "operator.listen"],
    ),
    after(
        "the operator's address was changed after the start",
        "key 'operator.listen = \"127.0.0.1:9999\"'",
        ["note", "operator.not-taken-up", "operator.listen"],
    ),
    after("a key of the configuration is unknown", "key 'domian = 1'", ["error", "configuration.wrong", "domain"]),
];
