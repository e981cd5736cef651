//! What the data stands on: the volume that was meant for it, or the disk of the system.

use std::path::{Path, PathBuf};

use super::super::finding::Finding;
use super::host::Host;
use super::units::Units;

/// What is said of every mount (proc_pid_mountinfo(5)).
const MOUNTS: &str = "/proc/self/mountinfo";

/// Where the file system is mounted that a path is on.
pub(super) fn mount_point(path: &Path) -> PathBuf {
    let mounts = Host::new("/").text(MOUNTS).map(|text| parsed(&text)).unwrap_or_default();
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    mounted_at(&mounts, &whole).map_or_else(|| whole.clone(), |mount| mount.at.clone())
}

/// Given the units, one of which may mount a volume at the data folder.
pub(super) fn look(data: &Path, host: &Host, units: &Units) -> Vec<Finding> {
    let shown = data.display();
    let Some(mounts) = host.text(MOUNTS).map(|text| parsed(&text)) else {
        return vec![Finding::ok("disk", format!("which disk {shown} is on is not seen: there is no {MOUNTS}"))];
    };
    let whole = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    let Some(under) = mounted_at(&mounts, &whole) else { return Vec::new() };
    if let Some(wanted) = planned(host, &whole, &mounts) {
        return vec![not_mounted(&wanted, &format!("{} stands in /etc/fstab", wanted.display()))];
    }
    if let Some(unit) = units.mount_of(&whole).filter(|unit| !unit.is_active()) {
        return vec![not_mounted(&whole, &format!("{} mounts a volume there", unit.get("Id")))];
    }
    if under.at == Path::new("/") {
        if let Some(disk) = unused_disk(host, &mounts) {
            return vec![Finding::note(
                "disk.on-root",
                format!("{shown} is on the disk of the system, and {disk} is attached and not used"),
                format!(
                    "if that is its volume: stop the server, write a line for {} into /etc/fstab (its UUID by `blkid {disk}`, with nofail), move the data there, run: mount -a",
                    whole.display()
                ),
            )];
        }
        return vec![Finding::ok("disk", format!("{shown} is on the disk of the system ({})", under.device))];
    }
    vec![Finding::ok("disk", format!("{shown} is on {}, mounted at {}", under.device, under.at.display()))]
}

fn not_mounted(at: &Path, plan: &str) -> Finding {
    Finding::error(
        "disk.not-mounted",
        format!("nothing is mounted at {}, although {plan}: what is written there is not on the volume", at.display()),
        format!(
            "stop the server and run: mount {} ; where that fails, lsblk shows whether the volume is attached",
            at.display()
        ),
    )
}

/// One mount.
struct Mount {
    /// The device's number, `259:1`.
    number: String,
    at: PathBuf,
    device: String,
}

fn parsed(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (first, second) = line.split_once(" - ")?;
        let fields: Vec<&str> = first.split(' ').collect();
        let device = unescaped(second.split(' ').nth(1)?);
        Some(Mount { number: (*fields.get(2)?).to_owned(), at: unescaped(fields.get(4)?).into(), device })
    };
    text.lines().filter_map(mount).collect()
}

/// The kernel writes white space as three octal digits.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// The mount that a path stands in: the innermost one, and of several at one place the last.
fn mounted_at<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.at)).max_by_key(|mount| mount.at.components().count())
}

/// A place in fstab(5) at the data folder or above it, where nothing is mounted.
fn planned(host: &Host, data: &Path, mounts: &[Mount]) -> Option<PathBuf> {
    let table = host.text("/etc/fstab")?;
    let place = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_by_hand = fields.get(3).is_some_and(|options| options.split(',').any(|option| option == "noauto"));
        let at = PathBuf::from(unescaped(fields.get(1)?));
        (!line.starts_with('#') && !is_by_hand).then_some(at)
    };
    table.lines().filter_map(place).find(|at| {
        at.is_absolute() && data.starts_with(at) && at != Path::new("/") && mounts.iter().all(|mount| mount.at != *at)
    })
}

/// A disk that is attached and carries nothing that is mounted, swapped to or part of something else.
fn unused_disk(host: &Host, mounts: &[Mount]) -> Option<String> {
    let swaps = host.text("/proc/swaps").unwrap_or_default();
    let is_used = |folder: &str, name: &str| {
        let number = host.text(format!("{folder}/dev")).unwrap_or_default();
        mounts.iter().any(|mount| mount.number == number || mount.device == format!("/dev/{name}"))
            || swaps.lines().any(|line| line.starts_with(&format!("/dev/{name} ")))
            || !host.names(format!("{folder}/holders")).is_empty()
    };
    let is_disk = |name: &String| ["nvme", "xvd", "sd", "vd"].iter().any(|kind| name.starts_with(kind));
    host.names("/sys/block").into_iter().filter(is_disk).find_map(|name| {
        let folder = format!("/sys/block/{name}");
        let parts: Vec<String> = host.names(&folder).into_iter().filter(|part| part.starts_with(&name)).collect();
        let is_free = host.number(format!("{folder}/size")).unwrap_or(0) > 0
            && !is_used(&folder, &name)
            && !parts.iter().any(|part| is_used(&format!("{folder}/{part}"), part));
        is_free.then(|| format!("/dev/{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_is_the_one_that_counts() {
        let mounts = parsed(
            "22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p1 rw\n\
             40 22 259:1 / /var/lib/sarangbang rw,noatime shared:30 - ext4 /dev/nvme1n1 rw\n\
             41 22 0:9 / /srv/a\\040b rw - tmpfs tmpfs rw\n",
        );
        let device = |path: &str| mounted_at(&mounts, Path::new(path)).unwrap().device.as_str();
        assert_eq!(device("/var/lib/sarangbang/x"), "/dev/nvme1n1");
        assert_eq!(device("/var/lib/sarangbang2"), "/dev/nvme0n1p1");
        assert_eq!(device("/srv/a b"), "tmpfs");
    }
}
