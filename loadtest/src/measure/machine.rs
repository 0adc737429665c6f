//! What the machine was: results without it mean nothing.

use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// Kernel, processor, mitigations, and the versions of the programs at hand.
pub(crate) fn describe() -> Value {
    json!({
        "kernel": line("/proc/sys/kernel/osrelease"),
        "processor": processor(),
        "cores": cores(),
        "memory_kib": meminfo(),
        "mitigations": mitigations(),
        "loopback_mtu": line("/sys/class/net/lo/mtu"),
        "nginx": version("nginx", "-v"),
        "haproxy": version("haproxy", "-v"),
    })
}

fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    model.unwrap_or("").trim_start_matches([' ', '\t', ':']).to_owned()
}

/// All of them, not only those this program is pinned to.
fn cores() -> usize {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("processor")).count()
}

fn meminfo() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// The holes of the processor against which the kernel does something.
fn mitigations() -> Vec<String> {
    let files = fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten();
    let mut active: Vec<String> = files
        .filter(|file| fs::read_to_string(file.path()).is_ok_and(|text| text.starts_with("Mitigation")))
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .collect();
    active.sort();
    active
}

/// A number that is another at each call: the nanoseconds of the clock.
pub(crate) fn moment() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    now.map_or(0, |since| since.subsec_nanos())
}

/// The first line a program says of itself; some say it on the error output.
pub(crate) fn version(program: &str, flag: &str) -> Option<String> {
    let output = Command::new(program).arg(flag).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().next().map(str::to_owned)
}
