//! Rate limits by the generic cell rate algorithm: one word of state, advanced by compare-exchange.
use core::num::NonZeroU64;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What a source or a prefix is limited in; each class has a table of words of its own, one after the other, so that
/// only the classes that are limited are ever touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    /// Packets of any kind.
    Packets = 0,
    /// Bytes of the frames.
    Bytes = 1,
    /// New TCP connections.
    Connections = 2,
    /// UDP packets.
    Udp = 3,
    /// ICMP packets.
    Icmp = 4,
}

/// The number of classes.
pub const CLASSES: usize = 5;

/// What is known of a source in one class: its theoretical arrival in nanoseconds.
pub type Cell = u64;

/// Fraction bits of [`Limit::cost`].
const FRACTION_BITS: u32 = 16;

/// The least tolerance of a limit. The kernel's cheap clock moves in steps of up to 10 ms; a limit that tolerates less
/// than two steps would refuse what merely arrived within one.
pub const TOLERANCE_MIN_NS: u64 = 20_000_000;

/// A rate and a burst, with all division done in advance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Limit {
    /// What one unit costs, in nanoseconds times 65,536; zero switches the limit off.
    pub cost: u64,
    /// How far ahead of now the theoretical arrival may lie, in nanoseconds.
    pub tolerance_ns: u64,
}

impl Limit {
    /// No limit.
    pub const OFF: Limit = Limit { cost: 0, tolerance_ns: 0 };

    /// `rate` units per `period_ns`, and `burst` units at once. The burst is raised to 20 ms worth of the rate.
    #[must_use]
    pub fn new(rate: NonZeroU64, period_ns: u64, burst: u64) -> Limit {
        let cost = (u128::from(period_ns) << FRACTION_BITS) / u128::from(rate.get());
        let cost = u64::try_from(cost).unwrap_or(u64::MAX).max(1);
        let tolerance = (u128::from(cost) * u128::from(burst)) >> FRACTION_BITS;
        Limit { cost, tolerance_ns: u64::try_from(tolerance).unwrap_or(u64::MAX / 4).max(TOLERANCE_MIN_NS) }
    }

    /// Whether the limit is switched on.
    #[must_use]
    #[inline(always)]
    pub const fn is_on(&self) -> bool {
        self.cost != 0
    }

    /// What `units` cost, in nanoseconds. Whole nanoseconds and fraction are multiplied apart, so that the bytes of a
    /// large frame do not overflow at a rate of one in an hour.
    #[must_use]
    #[inline(always)]
    pub const fn price_ns(&self, units: u64) -> u64 {
        let fraction = (self.cost & ((1 << FRACTION_BITS) - 1)).wrapping_mul(units) >> FRACTION_BITS;
        (self.cost >> FRACTION_BITS).wrapping_mul(units).wrapping_add(fraction)
    }

    /// The new theoretical arrival after admitting something of this price, or `None` if it must be refused.
    #[must_use]
    #[inline(always)]
    pub const fn admit(&self, arrival_ns: u64, now_ns: u64, price_ns: u64) -> Option<u64> {
        let start = if arrival_ns > now_ns { arrival_ns } else { now_ns };
        let next = start.wrapping_add(price_ns);
        if next.wrapping_sub(now_ns) > self.tolerance_ns { None } else { Some(next) }
    }
}

/// Where the cell of a key stands among the `1 << bits` of each class. `salt` keeps strangers from aiming at a cell:
/// multiply-shift with a secret odd factor and a secret summand is 2-universal.
#[must_use]
#[inline(always)]
pub const fn cell(key: u64, salt: [u64; 2], bits: u32) -> u32 {
    let [factor, summand] = salt;
    let product = key.wrapping_mul(factor | 1).wrapping_add(summand);
    #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits remain after the shift")]
    let index = (product >> (64 - bits)) as u32;
    index
}

#[cfg(test)]
mod tests {
    use super::Limit;
    use core::num::NonZeroU64;

    const SECOND_NS: u64 = 1_000_000_000;

    fn admitted(limit: Limit, gap_ns: u64, units: u64, offers: u64) -> u64 {
        let (mut arrival, mut now, mut passed) = (0, SECOND_NS, 0);
        for _ in 0..offers {
            if let Some(next) = limit.admit(arrival, now, limit.price_ns(units)) {
                arrival = next;
                passed += 1;
            }
            now += gap_ns;
        }
        passed
    }

    #[test]
    fn rate_is_kept_within_a_hundredth() {
        for rate in [1_000_u64, 33_333, 1_000_000] {
            let limit = Limit::new(NonZeroU64::new(rate).unwrap(), SECOND_NS, 0);
            let passed = admitted(limit, SECOND_NS / rate / 4, 1, rate * 8);
            let expected = rate * 2 + limit.tolerance_ns * rate / SECOND_NS;
            assert!(passed.abs_diff(expected) <= expected / 100 + 1, "{rate}: {passed} of {expected}");
        }
    }

    #[test]
    fn burst_is_kept_exactly() {
        let limit = Limit::new(NonZeroU64::new(200).unwrap(), SECOND_NS, 400);
        assert_eq!(admitted(limit, 0, 1, 1000), 400);
    }

    #[test]
    fn one_a_minute_can_be_said() {
        let limit = Limit::new(NonZeroU64::MIN, 60 * SECOND_NS, 1);
        assert_eq!(admitted(limit, SECOND_NS, 1, 120), 2);
    }

    #[test]
    fn bytes_by_the_hour() {
        let limit = Limit::new(NonZeroU64::MIN, 3600 * SECOND_NS, 100_000);
        assert_eq!(admitted(limit, 0, 65_000, 5), 1);
    }

    #[test]
    fn bytes_at_ten_gigabytes_a_second() {
        let limit = Limit::new(NonZeroU64::new(10_000_000_000).unwrap(), SECOND_NS, 0);
        let passed = admitted(limit, 75, 1500, 1_000_000);
        let expected = 500_000 + 20_000_000 / 150;
        assert!(passed.abs_diff(expected) <= expected / 100, "{passed} of {expected}");
    }
}
