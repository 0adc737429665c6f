//! What the tests want from this host, what it has, and what can be installed.

use crate::shell;
use anyhow::Result;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A program that tests call, the Debian package that holds it, and the tests.
struct Tool {
    program: &'static str,
    package: &'static str,
    tests: &'static str,
}

const TOOLS: [Tool; 12] = [
    Tool { program: "cc", package: "gcc", tests: "everything: it links programs and builds aws-lc" },
    Tool { program: "ip", package: "iproute2", tests: "network namespaces" },
    Tool { program: "curl", package: "curl", tests: "a real client at the proxy" },
    Tool { program: "openssl", package: "openssl", tests: "certificates and a real client at the proxy" },
    Tool { program: "h2load", package: "nghttp2-client", tests: "real clients of HTTP/2" },
    Tool { program: "nginx", package: "nginx-light", tests: "a real server behind the proxy" },
    Tool { program: "logrotate", package: "logrotate", tests: "rotation of the access log" },
    Tool { program: "faketime", package: "faketime", tests: "clocks that jump, answers that expire" },
    Tool { program: "python3", package: "python3-venv", tests: "the scan by sslyze" },
    Tool { program: "ethtool", package: "ethtool", tests: "the bench of the shield" },
    Tool { program: "slowhttptest", package: "slowhttptest", tests: "slow clients" },
    Tool { program: "apt-get", package: "apt", tests: "the toolchain of the XDP program" },
];

/// Linux's numbers of the capabilities that the kernel tests need.
const CAPABILITIES: [(&str, u32); 4] =
    [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];

/// Prints what this host has and lacks, and installs missing packages where that is allowed.
pub(super) fn meet() {
    let effective = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let missing = missing_capabilities(&effective);
    let is_root = nix::unistd::geteuid().is_root();
    println!("root: {}", if is_root { "yes" } else { "no, tests with network namespaces will be skipped" });
    match missing.as_slice() {
        [] => println!("capabilities for XDP: yes"),
        missing => {
            println!("capabilities for XDP: no {}, kernel tests will be skipped", missing.join(", no "));
        }
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let has_bpffs = filesystems.lines().any(|line| line.trim_start_matches("nodev").trim() == "bpf");
    println!(
        "bpffs: {}",
        if has_bpffs { "known to the kernel; tests mount their own" } else { "unknown to this kernel" }
    );
    println!(
        "io_uring: {}",
        io_uring(fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok().as_deref())
    );

    let lacking: Vec<&Tool> = TOOLS.iter().filter(|tool| !shell::has(tool.program)).collect();
    for tool in &lacking {
        println!("{}: missing; wanted by {}", tool.program, tool.tests);
    }
    if lacking.is_empty() {
        return;
    }
    let packages: Vec<&str> = lacking.iter().map(|tool| tool.package).collect();
    if !is_root || !Path::new("/etc/debian_version").exists() || !shell::has("apt-get") {
        println!("install these Debian packages to run every test: {}", packages.join(" "));
    } else if let Err(error) = install(&packages) {
        println!("{error:#}; the tests that want them will be skipped or fail");
    }
}

fn install(packages: &[&str]) -> Result<()> {
    println!("installing through apt: {}", packages.join(" "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
        shell::run(&mut apt)
    };
    let install = [&["install", "-q", "-y", "--no-install-recommends"], packages].concat();
    apt(&install).or_else(|_| {
        println!("the package lists are old or empty: apt-get update");
        apt(&["update", "-q"])?;
        apt(&install)
    })
}

/// The capabilities absent from the effective set that `/proc/self/status` shows.
fn missing_capabilities(status: &str) -> Vec<&'static str> {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    CAPABILITIES.iter().filter(|(_, number)| set >> number & 1 == 0).map(|(name, _)| *name).collect()
}

/// What `kernel.io_uring_disabled` means for us.
fn io_uring(setting: Option<&str>) -> &'static str {
    match setting.map(str::trim) {
        Some("0") => "yes",
        Some("1") => "for members of its group only (kernel.io_uring_disabled=1), proxy tests may be skipped",
        Some(_) => "no (kernel.io_uring_disabled=2), proxy tests will be skipped",
        None => "as the kernel was built; it has no switch for it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_effective_set() {
        assert!(missing_capabilities("CapPrm:\t0\nCapEff:\t000001ffffffffff\n").is_empty());
        assert_eq!(missing_capabilities("CapEff:\t0000000000201000\n"), ["CAP_PERFMON", "CAP_BPF"]);
        assert_eq!(missing_capabilities("").len(), CAPABILITIES.len());
    }

    #[test]
    fn the_switch_of_io_uring_is_understood() {
        assert_eq!(io_uring(Some("0\n")), "yes");
        assert!(io_uring(Some("2\n")).starts_with("no"));
    }
}
