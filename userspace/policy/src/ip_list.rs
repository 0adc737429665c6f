//! Lets in or keeps out by the resolved address of the client.
use crate::Build;
use crate::{Client, Flow, Now, Policy, Rank, Reply, Visit};
use ipnet::IpNet;
use std::net::Ipv6Addr;
use weir_schema::policy as written;
use weir_schema::{At, value::Cidr};
use weir_wire::Reason;

/// Networks that may pass and networks that may not. The longest prefix decides; between equals, deny.
#[derive(Clone, Debug, Default)]
pub struct IpList {
    /// Sorted, without overlap: each range begins where a decision begins and ends before the next.
    starts: Vec<u128>,
    verdicts: Vec<bool>,
}

impl IpList {
    /// Compiles the lists into ranges, so that a look-up is one binary search whatever their number.
    pub fn new(allow: &[IpNet], deny: &[IpNet]) -> IpList {
        let mut networks: Vec<(u128, u128, u8, bool)> = Vec::with_capacity(allow.len() + deny.len());
        networks.extend(allow.iter().map(|network| bounds(network, true)));
        networks.extend(deny.iter().map(|network| bounds(network, false)));
        // Without an allow list everything else may pass; with one it may not.
        let otherwise = allow.is_empty();
        let mut edges: Vec<u128> = networks
            .iter()
            .flat_map(|&(first, last, ..)| [Some(first), last.checked_add(1)])
            .flatten()
            .collect();
        edges.push(0);
        edges.sort_unstable();
        edges.dedup();
        // Prefixes nest, so of those that open before an edge and are still open, the last is the longest.
        networks.sort_unstable_by_key(|&(first, _, length, allowed)| (first, length, !allowed));
        let mut list = IpList::default();
        let (mut open, mut next): (Vec<(u128, bool)>, usize) = (Vec::new(), 0);
        for edge in edges {
            open.retain(|&(last, _)| last >= edge);
            while let Some(&(_, last, _, allowed)) = networks.get(next).filter(|(first, ..)| *first <= edge) {
                open.push((last, allowed));
                next += 1;
            }
            let verdict = open.last().map_or(otherwise, |&(_, allowed)| allowed);
            if list.verdicts.last() != Some(&verdict) {
                list.starts.push(edge);
                list.verdicts.push(verdict);
            }
        }
        list
    }

    /// Whether an address may pass.
    pub fn allows(&self, address: Ipv6Addr) -> bool {
        let after = self.starts.partition_point(|&start| start <= u128::from(address));
        after.checked_sub(1).and_then(|index| self.verdicts.get(index)).copied().unwrap_or(true)
    }

    pub(crate) fn compile(written: &written::IpList, build: &mut Build<'_>) -> Option<IpList> {
        let networks = |list: &[At<Cidr>]| list.iter().map(|network| network.value.0).collect::<Vec<_>>();
        build
            .mode(written.mode.value)
            .then(|| IpList::new(&networks(&written.allow), &networks(&written.deny)))
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Address
    }
}

/// First and last address in the mapped form, and the length of the prefix in it.
fn bounds(network: &IpNet, allowed: bool) -> (u128, u128, u8, bool) {
    let first = u128::from(crate::client::mapped(network.network()));
    let last = u128::from(crate::client::mapped(network.broadcast()));
    let length = if network.addr().is_ipv4() { network.prefix_len() + 96 } else { network.prefix_len() };
    (first, last, length, allowed)
}

impl Policy for IpList {
    fn connect(&self, client: &Client, _now: Now) -> Flow {
        if self.allows(client.address) { Flow::Next } else { Flow::Close(Reason::Denied) }
    }

    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let Client { address, .. } = visit.client;
        if self.allows(*address) {
            return Flow::Next;
        }
        Flow::Reply(Reply::refuse(403, Reason::Denied, "address not allowed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(allow: &[&str], deny: &[&str]) -> IpList {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        IpList::new(&parse(allow), &parse(deny))
    }

    #[track_caller]
    fn check(list: &IpList, address: &str, expect: bool) {
        assert_eq!(list.allows(crate::client::mapped(address.parse().unwrap())), expect, "{address}");
    }

    #[test]
    fn an_allow_list_shuts_out_the_rest() {
        let list = list(&["10.0.0.0/8", "2001:db8::/32"], &["10.1.0.0/16"]);
        for (address, expect) in [
            ("10.0.0.1", true),
            ("10.1.2.3", false),
            ("10.2.0.0", true),
            ("11.0.0.0", false),
            ("9.255.255.255", false),
            ("2001:db8::1", true),
            ("2001:db9::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            check(&list, address, expect);
        }
    }

    #[test]
    fn the_longest_prefix_decides_and_ties_deny() {
        let list = list(&["10.1.1.0/24", "0.0.0.0/0", "192.0.2.1/32"], &["10.1.0.0/16", "192.0.2.1/32"]);
        check(&list, "10.1.1.9", true);
        check(&list, "10.1.2.9", false);
        check(&list, "10.2.0.0", true);
        check(&list, "192.0.2.1", false);
    }

    #[test]
    fn a_deny_list_alone_lets_the_rest_in() {
        let list = list(&[], &["203.0.113.0/24", "::/1", "8000::/1"]);
        check(&list, "203.0.113.255", false);
        check(&list, "ffff::", false);
        check(&self::list(&[], &["203.0.113.0/24"]), "198.51.100.1", true);
        check(&IpList::new(&[], &[]), "::1", true);
    }

    #[test]
    fn agrees_with_a_walk_over_all_networks() {
        let networks = |seed: u32| -> Vec<IpNet> {
            (0..40_u32)
                .map(|n| {
                    let bits = n.wrapping_mul(0x9e37_79b9).wrapping_add(seed.wrapping_mul(77));
                    let address = std::net::Ipv4Addr::from(bits & 0x0f0f_0fff);
                    IpNet::new(address.into(), 20 + u8::try_from(bits % 13).unwrap()).unwrap().trunc()
                })
                .collect()
        };
        let (allow, deny) = (networks(1), networks(2));
        let list = IpList::new(&allow, &deny);
        let longest = |nets: &[IpNet], address| {
            nets.iter().filter(|net| net.contains(&address)).map(IpNet::prefix_len).max()
        };
        for n in 0..20_000_u32 {
            let address = std::net::Ipv4Addr::from(n.wrapping_mul(2_654_435_761) & 0x0f0f_0fff).into();
            let expect = longest(&allow, address) > longest(&deny, address);
            assert_eq!(list.allows(crate::client::mapped(address)), expect, "{address}");
        }
    }
}
