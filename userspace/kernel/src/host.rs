//! Where the machine shows itself, and the facts about it that more than one part asks for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where to read and keep things. Tests point it at directories of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// procfs.
    pub proc: PathBuf,
    /// sysfs.
    pub sys: PathBuf,
    /// Where the running system keeps its state: who is logged in.
    pub run: PathBuf,
    /// Where what must survive a reboot is kept.
    pub state: PathBuf,
    /// The resolver's configuration.
    pub resolv_conf: PathBuf,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            sys: PathBuf::from("/sys"),
            run: PathBuf::from("/run"),
            state: PathBuf::from("/var/lib/weir"),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
        }
    }
}

/// A privilege that the shield needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Loading programs and making maps.
    Bpf,
    /// Attaching to an interface.
    NetAdmin,
    /// Programs that do arithmetic on packet pointers.
    Perfmon,
}

impl Capability {
    /// All that the shield needs.
    pub const NEEDED: [Self; 3] = [Self::Bpf, Self::NetAdmin, Self::Perfmon];

    /// The name, as systemd and capabilities(7) spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bpf => "CAP_BPF",
            Self::NetAdmin => "CAP_NET_ADMIN",
            Self::Perfmon => "CAP_PERFMON",
        }
    }

    const fn bit(self) -> u32 {
        match self {
            Self::NetAdmin => 12,
            Self::Perfmon => 38,
            Self::Bpf => 39,
        }
    }
}

impl Host {
    /// The kernel's release, such as `6.1.0-28-amd64`, and its first two numbers.
    ///
    /// # Errors
    /// procfs cannot be read.
    pub fn kernel(&self) -> io::Result<(String, (u32, u32))> {
        let release = fs::read_to_string(self.proc.join("sys/kernel/osrelease"))?.trim().to_owned();
        let numbers =
            version(&release).ok_or_else(|| io::Error::other(format!("kernel release {release:?}")))?;
        Ok((release, numbers))
    }

    /// The needed capabilities that this thread lacks. CAP_SYS_ADMIN contains CAP_BPF and CAP_PERFMON.
    ///
    /// # Errors
    /// procfs cannot be read.
    pub fn missing_capabilities(&self) -> io::Result<Vec<Capability>> {
        let status = fs::read_to_string(self.proc.join("thread-self/status"))?;
        let held =
            effective(&status).ok_or_else(|| io::Error::other("no CapEff in /proc/thread-self/status"))?;
        Ok(missing(held))
    }

    /// The mount point of the file system that holds `path`, if it is a bpffs.
    ///
    /// # Errors
    /// procfs cannot be read.
    pub fn bpffs_of(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        let mounts = fs::read_to_string(self.proc.join("thread-self/mountinfo"))?;
        Ok(mount_of(&mounts, path).filter(|(_, kind)| *kind == "bpf").map(|(point, _)| point))
    }

    /// A number that changes with every boot.
    ///
    /// # Errors
    /// procfs cannot be read.
    pub fn boot_id(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.proc.join("sys/kernel/random/boot_id"))?.trim().to_owned())
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn missing(held: u64) -> Vec<Capability> {
    let has = |bit: u32| held & (1 << bit) != 0;
    let sys_admin = has(21);
    let contained = |wanted: Capability| sys_admin && wanted != Capability::NetAdmin;
    Capability::NEEDED.into_iter().filter(|&wanted| !has(wanted.bit()) && !contained(wanted)).collect()
}

/// The deepest mount that contains `path`, and its kind; of two on the same point the later one, which covers the first.
fn mount_of<'a>(mounts: &'a str, path: &Path) -> Option<(PathBuf, &'a str)> {
    let mut best: Option<(PathBuf, &str)> = None;
    for line in mounts.lines() {
        let Some((before, after)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (before.split(' ').nth(4), after.split(' ').next()) else { continue };
        let point = PathBuf::from(point.replace("\\040", " "));
        let deeper = best.as_ref().is_none_or(|(known, _)| point.starts_with(known));
        if path.starts_with(&point) && deeper {
            best = Some((point, kind));
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_have_two_numbers() {
        let check = |text: &str, expect| assert_eq!(version(text), expect, "{text:?}");
        check("6.1.0-28-amd64", Some((6, 1)));
        check("5.15", Some((5, 15)));
        check("6.18.44-fc-v445", Some((6, 18)));
        check("linux", None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let check = |held: u64, expect: &[Capability]| assert_eq!(missing(held), expect, "{held:x}");
        check(u64::MAX, &[]);
        check(0, &Capability::NEEDED);
        check(1 << 12 | 1 << 38 | 1 << 39, &[]);
        check(1 << 21, &[Capability::NetAdmin]);
        check(1 << 12 | 1 << 39, &[Capability::Perfmon]);
        assert_eq!(effective("Name:\tx\nCapEff:\t000001fffeffffff\n"), Some(0x01ff_feff_ffff));
    }

    #[test]
    fn the_deepest_mount_wins() {
        let mounts = "1 0 0:1 / / rw - ext4 /dev/a rw\n2 1 0:2 / /sys rw shared:1 - sysfs sysfs rw\n3 2 0:3 / /sys/fs/bpf rw - bpf bpf rw\n";
        let check = |path: &str, kind: &str| {
            assert_eq!(mount_of(mounts, Path::new(path)).map(|(_, kind)| kind), Some(kind), "{path}");
        };
        check("/sys/fs/bpf/weir", "bpf");
        check("/sys/fs/cgroup", "sysfs");
        check("/srv", "ext4");
        check("/system", "ext4");
    }
}
