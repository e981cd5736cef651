//! `doctor` on a deployed host: one that is well, on which it finds nothing, and the same with one fault after the other.
//!
//! Each has namespaces of its own, in which everything is real: the server, its ports and certificate, the network and
//! the volume. Recorded, as they cannot be broken on the machine that tests: what `systemctl` and `timedatectl` of
//! Debian 12 (systemd 252) print, what the kernel says in /proc/sys and /sys, and the metadata service of EC2
//! (`cloud.py`).

mod faults;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime};

use self::faults::{FAULTS, Fault};

const NAME: &str = "chat.example.com";
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/doctor_host");
/// Hosts at the same time: they wait more than they work.
const AT_ONCE: usize = 4;

/// The units, as `systemctl show` of systemd 252 tells of them on a host that is well.
const UNITS: &[(&str, &str)] = &[
    (
        "sarangbang.service",
        "MainPID=@PID@\nResult=success\nNRestarts=0\nStateDirectory=sarangbang\nId=sarangbang.service\nLoadState=loaded\n\
         ActiveState=active\nSubState=running\nFragmentPath=/lib/systemd/system/sarangbang.service\nUnitFileState=enabled\n\
         NeedDaemonReload=no\nRestart=always\nWatchdogUSec=30s\nUser=sarangbang\nNoNewPrivileges=yes\nProtectSystem=strict\n\
         ProtectHome=yes\nPrivateDevices=yes\nCapabilityBoundingSet=\nMemoryDenyWriteExecute=yes\nDropInPaths=\n\
         SystemCallFilter=accept bind read write\n",
    ),
    (
        "sarangbang.socket",
        "Listen=[::]:443 (Stream)\nListen=[::]:80 (Stream)\nResult=success\nStateDirectory=\nId=sarangbang.socket\n\
         LoadState=loaded\nActiveState=active\nSubState=running\nFragmentPath=/lib/systemd/system/sarangbang.socket\n\
         UnitFileState=enabled\nNeedDaemonReload=no\n",
    ),
    (
        "sarangbang-backup.service",
        "MainPID=0\nResult=success\nNRestarts=0\nStateDirectory=\nId=sarangbang-backup.service\nLoadState=loaded\n\
         ActiveState=inactive\nSubState=dead\nFragmentPath=/lib/systemd/system/sarangbang-backup.service\n\
         UnitFileState=static\nNeedDaemonReload=no\n",
    ),
    (
        "sarangbang-backup.timer",
        "Result=success\nId=sarangbang-backup.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\n\
         FragmentPath=/lib/systemd/system/sarangbang-backup.timer\nUnitFileState=enabled\nNeedDaemonReload=no\n",
    ),
    (
        "sarangbang-drill.service",
        "MainPID=0\nResult=success\nNRestarts=0\nStateDirectory=\nId=sarangbang-drill.service\nLoadState=loaded\n\
         ActiveState=inactive\nSubState=dead\nFragmentPath=/lib/systemd/system/sarangbang-drill.service\n\
         UnitFileState=static\nNeedDaemonReload=no\n",
    ),
    (
        "sarangbang-drill.timer",
        "Result=success\nId=sarangbang-drill.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\n\
         FragmentPath=/lib/systemd/system/sarangbang-drill.timer\nUnitFileState=enabled\nNeedDaemonReload=no\n",
    ),
    (
        "var-lib-sarangbang.mount",
        "Result=success\nStateDirectory=\nId=var-lib-sarangbang.mount\nLoadState=loaded\nActiveState=active\n\
         SubState=mounted\nFragmentPath=/run/systemd/generator/var-lib-sarangbang.mount\nUnitFileState=generated\n\
         NeedDaemonReload=no\n",
    ),
];

/// What prints those: what is not there is told as systemctl tells it.
const SYSTEMCTL: &str = r#"#!/bin/sh
house=$(dirname "$(dirname "$0")")
while [ "$1" != -- ]; do shift; done
shift
for name; do
  if [ -e "$house/units/$name" ]; then sed "s/@PID@/$(cat "$house/pid")/" "$house/units/$name"
  else printf 'Result=success\nId=%s\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n' "$name"; fi
  echo
done
"#;
const TIMEDATECTL: &str = "#!/bin/sh\ncat \"$(dirname \"$(dirname \"$0\")\")/units/timedatectl\"\n";

/// The files of a system that is well.
const SYSTEM: &[(&str, &str)] = &[
    ("proc/sys/net/core/somaxconn", "16384\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "16384\n"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    ("proc/sys/net/netfilter/nf_conntrack_count", "312\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/self/.keep", ""),
    ("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
    ("sys/block/nvme0n1/dev", "259:0\n"),
    ("sys/block/nvme0n1/size", "16777216\n"),
    ("sys/block/nvme0n1/nvme0n1p1/dev", "259:1\n"),
    ("sys/block/nvme0n1/nvme0n1p15/dev", "259:3\n"),
    ("etc/fstab", "UUID=7d1c / ext4 rw 0 1\nUUID=51aa /var/lib/sarangbang ext4 nofail,noatime 0 2\n"),
    ("etc/systemd/journald.conf", "[Journal]\n#Storage=auto\n"),
    ("usr/lib/systemd/system/sarangbang.service", "[Service]\n"),
    ("usr/lib/systemd/system/sarangbang.socket", "[Socket]\n"),
    ("run/systemd/system/.keep", ""),
    ("var/log/journal/.keep", ""),
    ("var/backups/sarangbang/sarangbang-20261123.backup", "a backup\n"),
];

/// What /proc/self/mountinfo says on an instance of EC2 whose volume is not mounted.
const MOUNTS: &str = "22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw,discard,errors=remount-ro\n\
                      23 22 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:13 - proc proc rw\n\
                      31 22 259:3 / /boot/efi rw,relatime shared:29 - vfat /dev/nvme0n1p15 rw\n";

/// What all hosts begin with: an installation with an administrator, and certificates.
struct Model {
    folder: TempDir,
}

impl Model {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str, mode| write(&folder.path().join(path), text, mode);
        for (path, text) in SYSTEM {
            write(&format!("root/{path}"), text, 0o644);
        }
        for (name, text) in UNITS {
            write(&format!("units/{name}"), text, 0o644);
        }
        write("units/timedatectl", "NTPSynchronized=yes\n", 0o644);
        write("bin/systemctl", SYSTEMCTL, 0o755);
        write("bin/timedatectl", TIMEDATECTL, 0o755);
        write("host.mounts", MOUNTS, 0o644);
        write("etc/hosts", &format!("127.0.0.1 localhost\n203.0.113.7 {NAME}\n"), 0o644);
        write("etc/nsswitch.conf", "hosts: files\n", 0o644);
        write("etc/resolv.conf", "nameserver 192.0.2.1\n", 0o644);
        pairs(folder.path());
        let model = Self { folder };
        let data = model.folder.path().join("template");
        let mut adding = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
            .args(["user", "add", "boss", "--role", "admin", "--password-stdin", "--data"])
            .arg(&data)
            .current_dir(model.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut adding.stdin.take().unwrap(), b"correct horse battery\n").unwrap();
        assert!(adding.wait().unwrap().success());
        model
    }

    /// A copy of it, with its own paths in its configuration.
    fn house(&self) -> TempDir {
        let house = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.folder.path().join(".")).arg(house.path()).status().unwrap();
        assert!(copied.success());
        let at = |name: &str| house.path().join(name);
        let config = format!(
            "domain = [\"{NAME}\"]\ndata = \"/var/lib/sarangbang\"\nlimits.connections_max = 1000\n\
             tls.mode = \"files\"\ntls.cert = \"{}\"\ntls.key = \"{}\"\nacme.ca_file = \"{}\"\n",
            at("cert.pem").display(),
            at("key.pem").display(),
            at("pairs/root.pem").display(),
        );
        write(&at("sarangbang.toml"), &config, 0o644);
        for part in ["cert.pem", "key.pem"] {
            std::fs::copy(at(&format!("pairs/good.{part}")), at(part)).unwrap();
        }
        std::fs::hard_link(env!("CARGO_BIN_EXE_sarangbang"), at("bin/sarangbang"))
            .or_else(|_| std::fs::copy(env!("CARGO_BIN_EXE_sarangbang"), at("bin/sarangbang")).map(drop))
            .unwrap();
        house
    }
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// An authority, and what it signed: each pair has one thing that is its own.
fn pairs(folder: &Path) {
    let root_key = KeyPair::generate().unwrap();
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root.distinguished_name.push(DnType::CommonName, "Test Authority");
    let put = |name: &str, cert: &str, key: &KeyPair| {
        write(&folder.join(format!("pairs/{name}.cert.pem")), cert, 0o644);
        write(&folder.join(format!("pairs/{name}.key.pem")), &key.serialize_pem(), 0o600);
    };
    write(&folder.join("pairs/root.pem"), &root.self_signed(&root_key).unwrap().pem(), 0o644);
    let signer = Issuer::new(root, root_key);
    let stranger = Issuer::new(
        {
            let mut root = CertificateParams::new(Vec::new()).unwrap();
            root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            root.distinguished_name.push(DnType::CommonName, "Unknown Authority");
            root
        },
        KeyPair::generate().unwrap(),
    );
    let leaf = |name: &str, days: [i64; 2]| {
        let mut leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let now = OffsetDateTime::from(std::time::SystemTime::now());
        (leaf.not_before, leaf.not_after) = (now + Duration::days(days[0]), now + Duration::days(days[1]));
        leaf
    };
    for (name, host, days) in [
        ("good", NAME, [-1, 89]),
        ("expired", NAME, [-90, -3]),
        ("due", NAME, [-80, 10]),
        ("early", NAME, [2, 90]),
        ("other", "talk.example.com", [-1, 89]),
    ] {
        let key = KeyPair::generate().unwrap();
        put(name, &leaf(host, days).signed_by(&key, &signer).unwrap().pem(), &key);
    }
    let key = KeyPair::generate().unwrap();
    let alone = leaf(NAME, [-1, 89]).signed_by(&key, &stranger).unwrap().pem();
    put("alone", &alone, &key);
    // Two certificates, so that it is not the chain that is missing.
    put("unknown", &format!("{alone}{alone}"), &key);
    let key = KeyPair::generate().unwrap();
    put("self-signed", &leaf(NAME, [-1, 89]).self_signed(&key).unwrap().pem(), &key);
}

/// Everything that `doctor` says on such a host.
fn findings(house: &Path, before: &str, after: &str) -> Vec<Value> {
    let output = in_namespaces(house, before, after);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    report["findings"].as_array().unwrap().clone()
}

fn in_namespaces(house: &Path, before: &str, after: &str) -> Output {
    let mut command = Command::new("unshare");
    // Whoever is not root has a root of his own in there, where the system lets him.
    if rustix::process::geteuid().as_raw() != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh"]);
    command.arg(PathBuf::from(TESTS).join("host.sh")).arg(house);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    command.envs([("BEFORE", before), ("AFTER", after), ("TESTS", TESTS)]).current_dir(house).output().unwrap()
}

fn is_news(finding: &Value) -> bool {
    finding["level"] != "ok"
}

fn shown(findings: &[Value]) -> String {
    findings.iter().map(|finding| format!("  {finding}\n")).collect()
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(Model::make)
}

#[test]
fn on_a_host_that_is_well_nothing_is_found() {
    for before in ["", "ec2 nothing", "ec2 no-metadata; echo '203.0.113.7 chat.example.com' >$house/etc/hosts"] {
        let house = model().house();
        let found = findings(house.path(), before, "");
        assert!(!found.iter().any(is_news), "{before}:\n{}", shown(&found));
        for (about, part) in [
            ("units", "sarangbang.service runs (process"),
            ("units", "sarangbang.socket holds port 443, 80"),
            ("ports", "chat.example.com:443 leads to Sarangbang, as seen from here"),
            ("ports", "chat.example.com:80 answers, and redirects to HTTPS, as seen from here"),
            ("disk", "is on /dev/vdb, mounted at /var/lib/sarangbang"),
            ("backup", "the newest backup is"),
            ("clock", "a time server keeps it right"),
            ("journal", "survives a boot"),
            ("limits", "the firewall follows 312 connections of 262144"),
        ] {
            let is_it =
                |finding: &&Value| finding["about"] == about && finding["message"].as_str().unwrap().contains(part);
            assert!(found.iter().any(|finding| is_it(&finding)), "no {about} {part:?} in:\n{}", shown(&found));
        }
    }
}

#[test]
fn a_host_without_systemd_is_looked_at_without_alarm() {
    let house = model().house();
    let found = findings(house.path(), "rm -r $root/run/systemd $root/proc/sys $root/var $root/etc/systemd", "");
    assert!(!found.iter().any(is_news), "{}", shown(&found));
    for about in ["units", "backup", "journal", "clock", "limits"] {
        let is_it =
            |finding: &Value| finding["about"] == about && finding["message"].as_str().unwrap().contains("not seen");
        assert!(found.iter().any(is_it), "{about} is said to be seen:\n{}", shown(&found));
    }
}

#[test]
fn a_program_of_the_system_that_hangs_is_not_waited_for() {
    let house = model().house();
    let hang = "printf '#!/bin/sh\\nexec sleep 600\\n' | tee $house/bin/systemctl >$house/bin/timedatectl";
    let began = std::time::Instant::now();
    let found = findings(house.path(), hang, "");
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    assert!(!found.iter().any(is_news), "{}", shown(&found));
    let silent = |finding: &&Value| finding["message"].as_str().unwrap().contains("does not answer within 3 seconds");
    assert_eq!(found.iter().filter(silent).count(), 2, "{}", shown(&found));
}

#[test]
fn each_fault_of_a_host_is_found_with_its_fix_and_nothing_else() {
    let next = AtomicUsize::new(0);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(fault) = FAULTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = std::panic::catch_unwind(|| tried(fault)).unwrap_or_else(|_| Some("it panicked".into()));
                    wrong.lock().unwrap().extend(told.map(|told| format!("{}: {told}", fault.says)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} faults:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}

/// What is wrong with what is said of a fault.
fn tried(fault: &Fault) -> Option<String> {
    let house = model().house();
    let found = findings(house.path(), fault.before, fault.after);
    let news: Vec<Value> = found.iter().filter(|finding| is_news(finding)).cloned().collect();
    let [finding] = news.as_slice() else { return Some(format!("found {} things:\n{}", news.len(), shown(&news))) };
    let fix = finding["fix"].as_str().unwrap_or_default();
    let is_right = finding["id"] == fault.id && finding["level"] == fault.level && fix.contains(fault.fix);
    (!is_right).then(|| format!("expected {} {} with {:?}, found:\n{}", fault.level, fault.id, fault.fix, shown(&news)))
}

#[test]
fn there_are_faults_enough_and_each_is_a_sentence_of_its_own() {
    let sentences: std::collections::BTreeSet<&str> = FAULTS.iter().map(|fault| fault.says).collect();
    assert_eq!(sentences.len(), FAULTS.len());
    assert!(FAULTS.len() >= 25 && sentences.iter().all(|says| says.split(' ').count() > 3));
}
