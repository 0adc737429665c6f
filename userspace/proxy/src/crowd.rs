//! How many connections each client has, over all workers, and who may have none. Asked once per connection, never per
//! request.
use arc_swap::ArcSwap;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Parts with a lock of their own, so that workers seldom meet.
const PARTS: usize = 64;
/// What one client of IPv6 has: a network of /64, in which it changes addresses as it likes.
const CLIENT: u128 = !0 << 64;

type Counts = HashMap<Ipv6Addr, u32>;

/// Everyone who is connected. As large as there are clients with connections.
#[derive(Debug)]
pub struct Crowd {
    parts: Vec<Mutex<Counts>>,
    seed: RandomState,
    barred: ArcSwap<Barred>,
    room: AtomicU32,
}

/// Who is banned: IPv4 addresses, and networks of IPv6.
#[derive(Debug, Default)]
pub struct Barred {
    sources: HashSet<Ipv6Addr>,
    v6_mask: u128,
}

impl Barred {
    /// Bars these sources; of an IPv6 address the leading `v6_bits` count.
    pub fn new(sources: impl Iterator<Item = IpAddr>, v6_bits: u8) -> Barred {
        let host_bits = 128_u32.saturating_sub(u32::from(v6_bits));
        let mut barred =
            Barred { sources: HashSet::new(), v6_mask: u128::MAX.checked_shl(host_bits).unwrap_or(0) };
        barred.sources = sources.map(|source| barred.key(source)).collect();
        barred
    }

    fn has(&self, address: IpAddr) -> bool {
        !self.sources.is_empty() && self.sources.contains(&self.key(address))
    }

    fn key(&self, address: IpAddr) -> Ipv6Addr {
        match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & self.v6_mask),
        }
    }
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd {
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            seed: RandomState::new(),
            barred: ArcSwap::default(),
            room: AtomicU32::new(u32::MAX),
        }
    }
}

impl Crowd {
    /// Who is turned away from now on. Connections that are open are cut by [`crate::Helm::expel`].
    pub fn bar(&self, barred: Barred) {
        self.barred.store(Arc::new(barred));
    }

    /// How many connections of clients this process has descriptors for; further ones are closed at once, over all workers.
    pub fn make_room(&self, connections: u32) {
        self.room.store(connections, Ordering::Relaxed);
    }

    pub(crate) fn room(&self) -> u32 {
        self.room.load(Ordering::Relaxed)
    }

    /// Whether the owner of this socket's address is turned away.
    pub(crate) fn is_barred(&self, address: IpAddr) -> bool {
        self.barred.load().has(address)
    }

    /// Counts a connection of this client until it leaves; false if it has `max` already.
    pub(crate) fn enter(&self, address: IpAddr, max: u32) -> bool {
        let client = client(address);
        self.with(client, |counts| {
            let count = counts.entry(client).or_default();
            let fits = *count < max;
            *count += u32::from(fits);
            fits
        })
    }

    /// How many connections are counted now.
    #[must_use]
    pub fn connections(&self) -> u32 {
        let of_part =
            |part: &Mutex<Counts>| part.lock().unwrap_or_else(PoisonError::into_inner).values().sum::<u32>();
        self.parts.iter().map(of_part).sum()
    }

    /// A connection that was counted is over.
    pub(crate) fn leave(&self, address: IpAddr) {
        let client = client(address);
        self.with(client, |counts| {
            if let Some(count) = counts.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&client);
                }
            }
            true
        });
    }

    fn with(&self, client: Ipv6Addr, act: impl FnOnce(&mut Counts) -> bool) -> bool {
        let hash = usize::try_from(self.seed.hash_one(client)).unwrap_or(0);
        self.parts
            .get(hash % PARTS)
            .is_some_and(|part| act(&mut part.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn client(address: IpAddr) -> Ipv6Addr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & CLIENT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_barred_is_known_by_address_or_network() {
        let crowd = Crowd::default();
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(!crowd.is_barred(at("192.0.2.1")));
        crowd.bar(Barred::new(["192.0.2.1", "2001:db8:1::"].map(at).into_iter(), 48));
        let check = |text: &str, barred: bool| assert_eq!(crowd.is_barred(at(text)), barred, "{text}");
        check("192.0.2.1", true);
        check("::ffff:192.0.2.1", true);
        check("192.0.2.2", false);
        check("2001:db8:1:ffff::9", true);
        check("2001:db8:2::", false);
        crowd.bar(Barred::default());
        check("192.0.2.1", false);
    }

    #[test]
    fn a_client_enters_as_often_as_allowed_and_again_once_it_has_left() {
        let crowd = Crowd::default();
        let enter = |address: &str| crowd.enter(address.parse().unwrap(), 2);
        let leave = |address: &str| crowd.leave(address.parse().unwrap());
        assert!(enter("192.0.2.1") && enter("::ffff:192.0.2.1"));
        assert!(!enter("192.0.2.1"), "mapped or not, it is one client");
        assert!(enter("192.0.2.2"), "another one is not concerned");
        leave("::ffff:192.0.2.1");
        assert!(enter("192.0.2.1") && !enter("192.0.2.1"));
        ["192.0.2.1", "192.0.2.1", "192.0.2.2"].into_iter().for_each(leave);
        let six = [enter("2001:db8::1"), enter("2001:db8::2"), enter("2001:db8::3")];
        assert_eq!(six, [true, true, false], "a /64 is one client");
        assert!(enter("2001:db8:0:1::1"));
        ["2001:db8::9", "2001:db8::8", "2001:db8:0:1::"].into_iter().for_each(leave);
        assert!(crowd.parts.iter().all(|part| part.lock().unwrap().is_empty()), "nothing is left behind");
    }
}
