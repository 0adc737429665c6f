//! One address type for both families: IPv4 is mapped into IPv6.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The upper half of the low word of a v4-mapped address, `::ffff:0:0/96`.
const MAPPED: u64 = 0xffff;

/// An address as two numbers, most significant half first; IPv4 as `::ffff:a.b.c.d`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Address {
    /// The first 64 bits.
    pub high: u64,
    /// The last 64 bits.
    pub low: u64,
}

impl Address {
    /// An IPv4 address, given as a number.
    #[must_use]
    #[inline(always)]
    pub const fn v4(number: u32) -> Address {
        Address { high: 0, low: (MAPPED << 32) | number as u64 }
    }

    /// An IPv6 address, given as its two halves.
    #[must_use]
    #[inline(always)]
    pub const fn v6(high: u64, low: u64) -> Address {
        Address { high, low }
    }

    /// Whether this is an IPv4 address.
    #[must_use]
    #[inline(always)]
    pub const fn is_v4(self) -> bool {
        self.high == 0 && self.low >> 32 == MAPPED
    }

    /// What bans and limits know a source by: an IPv4 address whole, an IPv6 one cut by `mask` to its upper half.
    #[must_use]
    #[inline(always)]
    pub const fn key(self, mask: u64) -> u64 {
        if self.is_v4() { self.low } else { self.high & mask }
    }

    /// The address as one number.
    #[must_use]
    pub const fn number(self) -> u128 {
        ((self.high as u128) << 64) | self.low as u128
    }

    /// The address with this number.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a u128 are meant")]
    pub const fn from_number(number: u128) -> Address {
        Address { high: (number >> 64) as u64, low: number as u64 }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Address {
        match address {
            IpAddr::V4(v4) => Address::v4(v4.to_bits()),
            IpAddr::V6(v6) => Address::from_number(v6.to_bits()),
        }
    }
}

impl From<Address> for IpAddr {
    fn from(address: Address) -> IpAddr {
        let v6 = Ipv6Addr::from_bits(address.number());
        v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), |v4: Ipv4Addr| IpAddr::V4(v4))
    }
}

#[cfg(test)]
mod tests {
    use super::Address;
    use core::net::IpAddr;

    fn check(text: &str, v4: bool, key: u64) {
        let parsed: IpAddr = text.parse().unwrap();
        let address = Address::from(parsed);
        assert_eq!(IpAddr::from(address), parsed);
        assert_eq!(address.is_v4(), v4, "{text}");
        assert_eq!(address.key(u64::MAX << 16), key, "{text}");
    }

    #[test]
    fn both_families_make_the_journey_and_back() {
        check("192.0.2.1", true, 0x0000_ffff_c000_0201);
        check("0.0.0.0", true, 0x0000_ffff_0000_0000);
        check("2001:db8:1:2::3", false, 0x2001_0db8_0001_0000);
        check("::", false, 0);
    }
}
