//! Entries of lists, and the kernel's own table of them.

use crate::{
    draw,
    rig::{self, Outcome},
};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, OwnedFd},
};
use weir_wire::list::image::{Entry, List};

/// An entry among the sources that are drawn.
pub(crate) fn v4(number: u32, length: u8, list: List) -> Option<Entry> {
    Entry::new(Ipv4Addr::from_bits(draw::source(number)).into(), length, list)
}

/// An entry anywhere in IPv4.
pub(crate) fn anywhere(number: u32) -> Option<Entry> {
    Entry::new(Ipv4Addr::from_bits(number.wrapping_mul(draw::SPREAD)).into(), 32, List::Deny)
}

/// An entry anywhere in 8000::/2, where the drawn sources lie.
pub(crate) fn v6(number: u32) -> Entry {
    let network = u128::from(draw::source(number.wrapping_mul(7))) << 96 | u128::from(number) << 64;
    rig::entry(&format!("{}/64", Ipv6Addr::from_bits(network)), List::Deny)
}

/// The kernel's trie with entries anywhere in IPv4.
pub(crate) fn trie(length: u32) -> Outcome<OwnedFd> {
    const BPF_MAP_TYPE_LPM_TRIE: u32 = 11;
    const BPF_F_NO_PREALLOC: u32 = 1;
    let trie = draw::map(BPF_MAP_TYPE_LPM_TRIE, 8, 4, length, BPF_F_NO_PREALLOC)?;
    let mut addresses: Vec<_> = (0..length).map(|number| number.wrapping_mul(draw::SPREAD)).collect();
    addresses.sort_unstable();
    for address in addresses {
        rig::update(trie.as_fd(), &(32_u32, address.to_be()), &1_u32)?;
    }
    Ok(trie)
}
