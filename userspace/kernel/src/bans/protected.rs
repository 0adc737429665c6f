//! Whom weir must never lock out: the operators who are logged in, the gateway, the DNS servers, and what the caller names.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use weir_plan::shield::Shield as Plan;

use crate::host::Host;

/// Bytes of one record of utmp(5), which is the same on every architecture of glibc with 64 bits but two.
const UTMP_BYTES: usize = 384;
/// Where a record keeps its type, and where the address of the far end.
const UTMP_TYPE: usize = 0;
const UTMP_ADDRESS: usize = 348;
/// The type of a record of somebody who has logged in.
const UTMP_USER: u16 = 7;

/// The networks that are neither banned nor dropped, each with the reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    networks: Vec<(IpNet, &'static str)>,
}

impl Protected {
    /// Why this source is protected, if it is.
    #[must_use]
    pub fn find(&self, source: IpAddr) -> Option<&'static str> {
        self.networks.iter().find(|(network, _)| network.contains(&source)).map(|&(_, why)| why)
    }

    /// Adds networks, for a reason such as `an upstream`.
    pub fn add(&mut self, networks: impl IntoIterator<Item = IpNet>, why: &'static str) {
        for network in networks {
            if !self.networks.iter().any(|&(known, _)| known == network) {
                self.networks.push((network, why));
            }
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, &'static str)> {
        self.networks.iter().copied()
    }

    /// What the machine itself depends on, as it stands now. What cannot be read adds nothing.
    #[must_use]
    pub fn of_machine(host: &Host) -> Self {
        let read = |path: &str| fs::read_to_string(host.proc.join(path)).unwrap_or_default();
        let mut found = Self::default();
        let session = std::env::var("SSH_CONNECTION").unwrap_or_default();
        found.add(ssh_peer(&session).map(IpNet::from), "this SSH session");
        // Only who has logged in: to be merely connected to sshd would be a way around every ban.
        let records = fs::read(host.run.join("utmp")).unwrap_or_default();
        found.add(logged_in(&records).map(IpNet::from), "a login session");
        for session in fs::read_dir(host.run.join("systemd/sessions")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(session.path()).unwrap_or_default();
            found.add(remote_host(&text).map(IpNet::from), "a login session");
        }
        found.add(gateways_v4(&read("thread-self/net/route")).map(IpNet::from), "the default gateway");
        found.add(gateways_v6(&read("thread-self/net/ipv6_route")).map(IpNet::from), "the default gateway");
        // Where systemd-resolved asks for everybody, only its own file names the servers that it asks.
        for file in [host.resolv_conf.clone(), host.run.join("systemd/resolve/resolv.conf")] {
            let resolver = fs::read_to_string(file).unwrap_or_default();
            found.add(nameservers(&resolver).map(IpNet::from), "a DNS server");
        }
        found
            .networks
            .retain(|(network, _)| !network.addr().is_loopback() && !network.addr().is_unspecified());
        found
    }
}

/// Whom the plan, the machine and the caller want to be safe.
pub(crate) fn of_plan(plan: &Plan, host: &Host, dependencies: &[(IpNet, &'static str)]) -> Protected {
    let mut all = Protected::of_machine(host);
    all.add(plan.trusted.iter().copied(), "a trusted network");
    all.add(plan.bans.never.iter().copied(), "a network that is never banned");
    for &(network, why) in dependencies {
        all.add([network], why);
    }
    all
}

/// `SSH_CONNECTION` reads: client address, client port, server address, server port.
fn ssh_peer(text: &str) -> Option<IpAddr> {
    text.split_whitespace().next()?.parse().ok()
}

/// The far ends of the sessions in utmp(5). An IPv4 address stands in the first word of four.
fn logged_in(records: &[u8]) -> impl Iterator<Item = IpAddr> + '_ {
    records.chunks_exact(UTMP_BYTES).filter_map(|record| {
        let kind = u16::from_ne_bytes(*record.get(UTMP_TYPE..)?.first_chunk()?);
        let address: [u8; 16] = *record.get(UTMP_ADDRESS..)?.first_chunk()?;
        let [a, b, c, d, rest @ ..] = address;
        let address =
            if rest == [0; 12] { IpAddr::from([a, b, c, d]) } else { Ipv6Addr::from(address).to_canonical() };
        (kind == UTMP_USER && !address.is_unspecified()).then_some(address)
    })
}

/// The far end of a session file of systemd-logind.
fn remote_host(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| line.strip_prefix("REMOTE_HOST=")?.trim().parse().ok())
}

/// An IPv4 address as /proc/net prints it: in hexadecimal, in the byte order of the machine.
fn proc_address(text: &str) -> Option<IpAddr> {
    let word = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 8)?;
    Some(Ipv4Addr::from(word.to_ne_bytes()).into())
}

fn gateways_v4(table: &str) -> impl Iterator<Item = IpAddr> + '_ {
    table.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        let default = words.nth(1)? == "00000000";
        let gateway = proc_address(words.next()?)?;
        (default && !gateway.is_unspecified()).then_some(gateway)
    })
}

/// A line reads: destination, its length, source, its length, next hop, …; in network byte order.
fn gateways_v6(table: &str) -> impl Iterator<Item = IpAddr> + '_ {
    table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (length, hop) = (*words.get(1)?, *words.get(4)?);
        let gateway = Ipv6Addr::from(u128::from_str_radix(hop, 16).ok()?);
        (length == "00" && !gateway.is_unspecified()).then_some(gateway.into())
    })
}

fn nameservers(text: &str) -> impl Iterator<Item = IpAddr> + '_ {
    text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next()?.split('%').next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF
";

    fn text(found: impl Iterator<Item = IpAddr>) -> Vec<String> {
        found.map(|address| address.to_string()).collect()
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn tables_of_proc_are_read() {
        assert_eq!(text(gateways_v4(ROUTE)), ["10.0.0.1"]);
        assert_eq!(proc_address("016433C6"), Some(IpAddr::from([198, 51, 100, 1])));
        assert_eq!(proc_address("12"), None);
        let six = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 0 0 3 eth0";
        assert_eq!(text(gateways_v6(six)), ["fe80::1"]);
    }

    #[test]
    fn resolver_and_session_are_read() {
        assert_eq!(
            text(nameservers("# x\nnameserver 9.9.9.9\nsearch a\nnameserver fe80::1%eth0\n")),
            ["9.9.9.9", "fe80::1"]
        );
        assert_eq!(ssh_peer("192.0.2.9 50000 10.0.0.1 2222"), Some(IpAddr::from([192, 0, 2, 9])));
        assert_eq!(ssh_peer(""), None);
        assert_eq!(
            remote_host("UID=0\nREMOTE=1\nREMOTE_HOST=192.0.2.7\n"),
            Some(IpAddr::from([192, 0, 2, 7]))
        );
        assert_eq!(remote_host("REMOTE=0\n"), None);
    }

    #[test]
    fn the_servers_behind_a_local_resolver_are_found() {
        let directory = tempfile::tempdir().unwrap();
        let (resolv_conf, run) = (directory.path().join("resolv.conf"), directory.path().join("run"));
        fs::create_dir_all(run.join("systemd/resolve")).unwrap();
        fs::write(&resolv_conf, "nameserver 127.0.0.53\n").unwrap();
        fs::write(run.join("systemd/resolve/resolv.conf"), "nameserver 192.0.2.53\n").unwrap();
        let proc = directory.path().join("proc");
        let found = Protected::of_machine(&Host { proc, run, resolv_conf, ..Host::default() });
        assert_eq!(found.find([192, 0, 2, 53].into()), Some("a DNS server"));
        assert_eq!(found.find([127, 0, 0, 53].into()), None);
    }

    #[test]
    fn only_those_who_have_logged_in_count() {
        let record = |kind: u16, address: [u8; 16]| {
            let mut record = vec![0; UTMP_BYTES];
            record[..2].copy_from_slice(&kind.to_ne_bytes());
            record[UTMP_ADDRESS..UTMP_ADDRESS + 16].copy_from_slice(&address);
            record
        };
        let v4 = |last: u8| [198, 51, 100, last, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let v6 = "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets();
        let all =
            [record(UTMP_USER, v4(1)), record(6, v4(2)), record(UTMP_USER, v6), record(UTMP_USER, [0; 16])];
        assert_eq!(text(logged_in(&all.concat())), ["198.51.100.1", "2001:db8::1"]);
        assert_eq!(text(logged_in(&[1; UTMP_BYTES - 1])), Vec::<String>::new());
    }

    #[test]
    fn membership_comes_with_its_reason() {
        let mut set = Protected::default();
        set.add(["10.0.0.0/8".parse().unwrap()], "an upstream");
        set.add(["10.0.0.0/8".parse().unwrap()], "twice");
        assert_eq!(set.find([10, 1, 2, 3].into()), Some("an upstream"));
        assert_eq!(set.find([11, 1, 2, 3].into()), None);
        assert_eq!(set.iter().count(), 1);
    }
}
