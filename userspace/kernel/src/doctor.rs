//! What this machine has and lacks for the shield and the workers, line by line, with the command that mends it.

use std::fs;
use std::path::Path;

use serde::Serialize;
use weir_plan::shield::{Attach, Shield, SynWhen, Sysctls};

use crate::host::Host;
use crate::load::KERNEL_MIN;
use crate::netlink::Interface;
use crate::nic::Card;
use crate::{bpf, load, object, sysctl};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// weir runs, but less well than it could.
    Warning,
    /// Something that the plan asks for cannot work.
    Fault,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// What mends it; empty where nothing needs to.
    pub mend: String,
}

impl Finding {
    fn new(subject: &str, health: Health, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { subject: subject.to_owned(), health, found: found.into(), mend: mend.into() }
    }

    fn ok(subject: &str, found: impl Into<String>) -> Self {
        Self::new(subject, Health::Ok, found, "")
    }
}

/// Looks at everything the kernel room depends on. Changes nothing.
#[must_use]
pub fn examine(shield: &Shield, host: &Host) -> Vec<Finding> {
    let mut report = vec![kernel(host), bpf_switch(host), btf(host), capabilities(host), bpffs(shield, host)];
    report.push(memlock(host));
    report.push(program(host));
    report.push(tables());
    report.push(io_uring(host));
    report.extend(sysctls(shield, host));
    for name in &shield.interfaces {
        report.extend(interface(name, shield));
    }
    report
}

/// What the tables take at their defaults, with empty lists.
fn tables() -> Finding {
    let cpus = aya::util::nr_cpus().unwrap_or(1);
    let (bytes, most) = (weir_wire::table::memory_bytes(cpus), weir_wire::table::MEMORY_MAX_BYTES);
    Finding::ok("tables", format!("{} MiB of kernel memory, {} at most", bytes >> 20, most >> 20))
}

/// The worst of a report.
#[must_use]
pub fn worst(report: &[Finding]) -> Health {
    report.iter().map(|finding| finding.health).max().unwrap_or(Health::Ok)
}

fn kernel(host: &Host) -> Finding {
    let (major, minor) = KERNEL_MIN;
    match host.kernel() {
        Ok((release, numbers)) if numbers < KERNEL_MIN => {
            Finding::new("kernel", Health::Fault, release, format!("run Linux {major}.{minor} or newer"))
        }
        Ok((release, _)) => Finding::ok("kernel", release),
        Err(error) => Finding::new("kernel", Health::Fault, error.to_string(), "mount procfs on /proc"),
    }
}

fn bpf_switch(host: &Host) -> Finding {
    let jit = host.proc.join("sys/net/core/bpf_jit_enable");
    match fs::read_to_string(jit).as_deref().map(str::trim) {
        Ok("0") => Finding::new(
            "bpf",
            Health::Warning,
            "the JIT is off",
            "run `sysctl -w net.core.bpf_jit_enable=1`",
        ),
        Ok(_) => Finding::ok("bpf", "the JIT is on"),
        Err(_) => Finding::ok("bpf", "the kernel does not tell whether the JIT is on"),
    }
}

fn btf(host: &Host) -> Finding {
    if host.sys.join("kernel/btf/vmlinux").exists() {
        Finding::ok("btf", "/sys/kernel/btf/vmlinux")
    } else {
        let mend = "run a kernel built with CONFIG_DEBUG_INFO_BTF, as distributions ship it";
        Finding::new("btf", Health::Warning, "the kernel carries no BTF", mend)
    }
}

fn capabilities(host: &Host) -> Finding {
    match host.missing_capabilities() {
        Ok(missing) if missing.is_empty() => Finding::ok("capabilities", "CAP_BPF CAP_NET_ADMIN CAP_PERFMON"),
        Ok(missing) => {
            let names: Vec<&str> = missing.into_iter().map(crate::host::Capability::as_str).collect();
            let names = names.join(" ");
            let mend = format!("add `AmbientCapabilities={names}` to the unit, or run as root");
            Finding::new("capabilities", Health::Fault, format!("{names} missing"), mend)
        }
        Err(error) => Finding::new("capabilities", Health::Fault, error.to_string(), "mount procfs on /proc"),
    }
}

fn bpffs(shield: &Shield, host: &Host) -> Finding {
    let pins = &shield.pin_directory;
    match host.bpffs_of(pins) {
        Ok(Some(point)) => Finding::ok("bpffs", point.display().to_string()),
        _ if shield.mount_bpffs => Finding::ok("bpffs", "not mounted; weir will mount it"),
        _ => {
            let point = pins.parent().unwrap_or(Path::new("/sys/fs/bpf"));
            let mend = format!("run `mount -t bpf bpf {}`", point.display());
            Finding::new("bpffs", Health::Fault, format!("none holds {}", pins.display()), mend)
        }
    }
}

fn memlock(host: &Host) -> Finding {
    let limits = fs::read_to_string(host.proc.join("self/limits")).unwrap_or_default();
    let limit =
        limits.lines().find_map(|line| line.strip_prefix("Max locked memory")?.split_whitespace().next());
    let is_counted = host.kernel().is_ok_and(|(_, numbers)| numbers < (5, 11));
    match limit {
        Some("unlimited") => Finding::ok("memlock", "unlimited"),
        Some(limit) if is_counted => {
            Finding::new("memlock", Health::Fault, limit, "add `LimitMEMLOCK=infinity` to the unit")
        }
        Some(limit) => {
            Finding::ok("memlock", format!("{limit}, which this kernel does not count tables against"))
        }
        None => Finding::ok("memlock", "unknown"),
    }
}

/// The verifier's own word, when there are the privileges to ask it.
fn program(host: &Host) -> Finding {
    match load::verify_only(host) {
        Ok(verified) => {
            let count = verified
                .instructions
                .map_or_else(String::new, |count| format!(", {count} instructions walked"));
            Finding::ok("program", format!("the verifier takes it ({}{count})", object::ORIGIN))
        }
        Err(error) => {
            let said = error.complaint();
            Finding::new("program", Health::Fault, said.why.clone(), said.mend.clone())
        }
    }
}

fn io_uring(host: &Host) -> Finding {
    let switch = host.proc.join("sys/kernel/io_uring_disabled");
    match fs::read_to_string(switch).as_deref().map(str::trim) {
        Ok("0") | Err(_) => Finding::ok("io_uring", "on"),
        Ok("1") => Finding::new(
            "io_uring",
            Health::Warning,
            "only for CAP_SYS_ADMIN and the group of kernel.io_uring_group",
            "run `sysctl -w kernel.io_uring_disabled=0`",
        ),
        Ok(_) => Finding::new("io_uring", Health::Fault, "off", "run `sysctl -w kernel.io_uring_disabled=0`"),
    }
}

fn sysctls(shield: &Shield, host: &Host) -> Vec<Finding> {
    let when = if shield.interfaces.is_empty() { SynWhen::Auto } else { shield.syn_guard.when };
    let (_, complaints) = sysctl::apply(host, Sysctls::Check, when);
    if complaints.is_empty() {
        return vec![Finding::ok("sysctls", "SYN cookies and timestamps as the guard wants them")];
    }
    let finding = |said: crate::Complaint| Finding::new(&said.what, Health::Warning, said.why, said.mend);
    complaints.into_iter().map(finding).collect()
}

/// Says of one interface who owns it, how well native mode will fit, and what its offloads hide.
fn interface(name: &str, shield: &Shield) -> Vec<Finding> {
    let found = match Interface::find(name) {
        Ok(Some(found)) => found,
        Ok(None) => {
            return vec![Finding::new(name, Health::Fault, "there is no such interface", "see `ip link`")];
        }
        Err(error) => return vec![Finding::new(name, Health::Fault, error.to_string(), "")],
    };
    let card = Card::of(name).unwrap_or_default();
    let driver = card.driver.clone().unwrap_or_else(|| "unknown driver".to_owned());
    let queues = card.queues.map_or_else(String::new, |count| format!(", {count} queues"));
    let described = format!("{driver}{queues}, MTU {}", found.mtu);
    let mut lines = vec![if found.is_up {
        Finding::ok(name, described)
    } else {
        Finding::new(
            name,
            Health::Warning,
            format!("{described}, down"),
            format!("run `ip link set {name} up`"),
        )
    }];
    lines.extend(owner(name, &found, shield));
    if card.merges_on_receive == Some(true) && shield.attach != Attach::Generic {
        let mend = format!("run `ethtool -K {name} lro off`");
        lines.push(Finding::new(name, Health::Warning, "LRO is on, which native XDP cannot have", mend));
    }
    if card.strips_vlan == Some(true) {
        let mend = format!("with VLANs on this card, run `ethtool -K {name} rxvlan off`");
        lines.push(Finding::new(name, Health::Ok, "VLAN tags are taken off before XDP sees them", mend));
    }
    lines
}

fn owner(name: &str, found: &Interface, shield: &Shield) -> Option<Finding> {
    let id = found.program()?;
    let pins = crate::pins::Pins::at(&shield.pin_directory);
    if pins.link(name).ok().flatten().is_some_and(|link| link.program == id) {
        let placement = if found.native == id { "native" } else { "generic" };
        return Some(Finding::ok(name, format!("shielded, {placement}")));
    }
    let called = bpf::program_name(id).map(|name| format!(" ({name})")).unwrap_or_default();
    let mend = format!("stop what put it there, or run `ip link set dev {name} xdp off`");
    Some(Finding::new(name, Health::Fault, format!("the XDP program {id}{called} owns it"), mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let host =
            Host { proc: directory.path().to_owned(), sys: directory.path().to_owned(), ..Host::default() };
        (directory, host)
    }

    #[test]
    fn each_fault_is_seen_and_comes_with_a_remedy() {
        let check = |files: &[(&str, &str)], look: fn(&Host) -> Finding, health: Health| {
            let (_directory, host) = machine(files);
            let finding = look(&host);
            assert_eq!(finding.health, health, "{finding:?}");
            assert_eq!(finding.mend.is_empty(), health == Health::Ok, "{finding:?}");
        };
        check(&[("sys/kernel/osrelease", "6.1.0")], kernel, Health::Ok);
        check(&[("sys/kernel/osrelease", "4.19.0")], kernel, Health::Fault);
        check(&[], kernel, Health::Fault);
        check(&[("sys/net/core/bpf_jit_enable", "0\n")], bpf_switch, Health::Warning);
        check(&[("sys/net/core/bpf_jit_enable", "1\n")], bpf_switch, Health::Ok);
        check(&[], btf, Health::Warning);
        check(&[("kernel/btf/vmlinux", "")], btf, Health::Ok);
        check(&[("sys/kernel/io_uring_disabled", "2\n")], io_uring, Health::Fault);
        check(&[("sys/kernel/io_uring_disabled", "1\n")], io_uring, Health::Warning);
        check(&[("sys/kernel/io_uring_disabled", "0\n")], io_uring, Health::Ok);
        check(&[("thread-self/status", "CapEff:\t0\n")], capabilities, Health::Fault);
        let old =
            [("sys/kernel/osrelease", "5.10"), ("self/limits", "Max locked memory  65536  65536 bytes\n")];
        check(&old, memlock, Health::Fault);
        let new =
            [("sys/kernel/osrelease", "6.1"), ("self/limits", "Max locked memory  65536  65536 bytes\n")];
        check(&new, memlock, Health::Ok);
    }

    #[test]
    fn a_missing_interface_and_bpffs_are_faults() {
        let (_directory, host) = machine(&[("thread-self/mountinfo", "1 0 0:1 / / rw - ext4 /dev/a rw\n")]);
        let shield = Shield { interfaces: vec!["weir-none".to_owned()], ..Shield::default() };
        assert_eq!(bpffs(&shield, &host).health, Health::Fault);
        assert_eq!(bpffs(&shield, &host).mend, "run `mount -t bpf bpf /sys/fs/bpf`");
        assert_eq!(interface("weir-none", &shield)[0].health, Health::Fault);
    }
}
