//! The sysctls that SYN cookies depend on: read, judged, set only when told, restored at the end.

use std::fs;
use std::io;

use weir_plan::shield::{SynWhen, Sysctls};

use crate::host::Host;

mod changes;
use crate::Complaint;
pub(crate) use changes::Changes;

/// How this machine's stack makes and takes SYN cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cookies {
    /// `tcp_syncookies` is 2: for every SYN, not only when the queue is full.
    pub(crate) forced: bool,
    /// `tcp_timestamps` is 2: without a random offset per connection, so the driver may make timestamps too.
    pub(crate) carry_timestamps: bool,
    /// The window scale a listener with default buffers picks.
    pub(crate) window_scale: u8,
    /// The TTL of packets that the machine sends.
    pub(crate) hop_limit: u8,
}

impl Cookies {
    pub(crate) fn of_machine(host: &Host) -> Self {
        let number = |name: &str| read(host, name).ok().and_then(|text| text.parse::<u32>().ok());
        let window = read(host, "net/ipv4/tcp_rmem")
            .ok()
            .and_then(|text| text.split_whitespace().last()?.parse().ok());
        let buffer = window.unwrap_or(0).max(number("net/core/rmem_max").unwrap_or(0));
        Self {
            forced: number("net/ipv4/tcp_syncookies") == Some(2),
            carry_timestamps: number("net/ipv4/tcp_timestamps") == Some(2),
            window_scale: window_scale(buffer),
            hop_limit: number("net/ipv4/ip_default_ttl").and_then(|ttl| u8::try_from(ttl).ok()).unwrap_or(64),
        }
    }
}

/// What `tcp_select_initial_window` picks for the largest receive buffer: ilog2(bytes) − 15, within 0 and 14.
fn window_scale(buffer_bytes: u32) -> u8 {
    let log = buffer_bytes.checked_ilog2().unwrap_or(0);
    u8::try_from(log.saturating_sub(15).min(14)).unwrap_or(14)
}

fn read(host: &Host, name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(host.proc.join("sys").join(name))?.trim().to_owned())
}

/// A sysctl the guard wants, the values it can live with (the first is the one it would set), and why.
struct Wish {
    name: &'static str,
    fit: &'static [&'static str],
    why: &'static str,
}

const fn wishes(when: SynWhen) -> [Wish; 2] {
    [
        Wish {
            name: "net/ipv4/tcp_syncookies",
            // 1 makes cookies once a listener's queue is full; to answer every SYN from the driver needs 2.
            fit: match when {
                SynWhen::Auto => &["1", "2"],
                SynWhen::Always => &["2"],
            },
            why: "the SYN guard cannot answer for the listener",
        },
        Wish {
            name: "net/ipv4/tcp_timestamps",
            fit: &["2"],
            why: "connections opened through SYN cookies have no window scale and no SACK",
        },
    ]
}

/// Checks the sysctls; sets them if told to. Returns what was changed, and a complaint for each that is still amiss.
pub(crate) fn apply(host: &Host, may: Sysctls, when: SynWhen) -> (Changes, Vec<Complaint>) {
    let mut changes = Changes::found(host);
    let mut complaints = Vec::new();
    if may == Sysctls::Check {
        // Left by a weir that was allowed to, and was killed.
        complaints.extend(changes.restore().err().map(|error| error.complaint().clone()));
    }
    for wish in wishes(when) {
        let now = read(host, wish.name).unwrap_or_default();
        let wanted = wish.fit.first().copied().unwrap_or_default();
        if wish.fit.contains(&now.as_str()) {
            continue;
        }
        let dotted = wish.name.replace('/', ".");
        if may == Sysctls::Set {
            let path = host.proc.join("sys").join(wish.name);
            match fs::write(&path, wanted) {
                Ok(()) => {
                    complaints.extend(changes.add(path, now, wanted));
                    continue;
                }
                Err(error) => complaints.push(Complaint::new(
                    format!("set {dotted} to {wanted}"),
                    error.to_string(),
                    format!("run `sysctl -w {dotted}={wanted}`"),
                )),
            }
        } else {
            let said = format!("it is {now}, so {}", wish.why);
            complaints.push(Complaint::new(
                dotted.clone(),
                said,
                format!("run `sysctl -w {dotted}={wanted}`, or say `set_sysctls: true`"),
            ));
        }
    }
    (changes, complaints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(syncookies: &str, timestamps: &str) -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        let net = directory.path().join("sys/net/ipv4");
        fs::create_dir_all(&net).unwrap();
        fs::create_dir_all(directory.path().join("sys/net/core")).unwrap();
        fs::create_dir_all(directory.path().join("sys/kernel/random")).unwrap();
        fs::write(directory.path().join("sys/kernel/random/boot_id"), "one\n").unwrap();
        fs::write(net.join("tcp_syncookies"), syncookies).unwrap();
        fs::write(net.join("tcp_timestamps"), timestamps).unwrap();
        fs::write(net.join("tcp_rmem"), "4096\t131072\t33554432\n").unwrap();
        let host = Host {
            proc: directory.path().to_owned(),
            state: directory.path().join("state"),
            ..Host::default()
        };
        (directory, host)
    }

    fn state(host: &Host) -> [String; 2] {
        ["net/ipv4/tcp_syncookies", "net/ipv4/tcp_timestamps"].map(|name| read(host, name).unwrap())
    }

    #[test]
    fn the_window_scale_is_the_one_the_stack_picks() {
        let check = |bytes: u32, scale: u8| assert_eq!(window_scale(bytes), scale, "{bytes}");
        check(0, 0);
        check(65_535, 0);
        check(65_536, 1);
        check(6 << 20, 7);
        check(32 << 20, 10);
        check(u32::MAX, 14);
        let (_directory, host) = machine("1\n", "2\n");
        let cookies = Cookies::of_machine(&host);
        assert_eq!((cookies.window_scale, cookies.forced, cookies.carry_timestamps), (10, false, true));
    }

    #[test]
    fn checking_changes_nothing_and_says_what_is_amiss() {
        let check = |syncookies: &str, timestamps: &str, when: SynWhen, complaints: usize| {
            let (_directory, host) = machine(syncookies, timestamps);
            let (changes, said) = apply(&host, Sysctls::Check, when);
            assert_eq!(said.len(), complaints, "{syncookies} {timestamps} {when:?}: {said:?}");
            assert!(changes.is_empty());
            assert_eq!(state(&host), [syncookies, timestamps]);
        };
        check("1", "2", SynWhen::Auto, 0);
        check("1", "1", SynWhen::Auto, 1);
        check("0", "0", SynWhen::Auto, 2);
        check("1", "2", SynWhen::Always, 1);
        check("2", "2", SynWhen::Always, 0);
    }

    #[test]
    fn what_a_killed_weir_has_set_is_restored_by_the_next() {
        let (_directory, host) = machine("1\n", "1\n");
        let (mut killed, _) = apply(&host, Sysctls::Set, SynWhen::Always);
        killed.keep_on_drop(true);
        drop(killed);
        assert_eq!(state(&host), ["2", "2"]);
        let (next, said) = apply(&host, Sysctls::Set, SynWhen::Auto);
        assert!(said.is_empty(), "{said:?}");
        drop(next);
        assert_eq!(state(&host), ["1", "1"]);
        assert!(Changes::found(&host).is_empty(), "the record stays");
    }

    #[test]
    fn what_was_set_before_a_reboot_is_forgotten() {
        let (_directory, host) = machine("1\n", "1\n");
        let (mut before, _) = apply(&host, Sysctls::Set, SynWhen::Always);
        before.keep_on_drop(true);
        drop(before);
        fs::write(host.proc.join("sys/kernel/random/boot_id"), "another").unwrap();
        assert!(Changes::found(&host).is_empty());
    }

    #[test]
    fn what_was_set_is_restored_unless_someone_else_changed_it() {
        let (_directory, host) = machine("1\n", "1\n");
        let (mut changes, said) = apply(&host, Sysctls::Set, SynWhen::Always);
        assert!(said.is_empty());
        assert_eq!(state(&host), ["2", "2"]);
        fs::write(host.proc.join("sys/net/ipv4/tcp_timestamps"), "0").unwrap();
        changes.restore().unwrap();
        assert_eq!(state(&host), ["1", "0"]);
    }
}
