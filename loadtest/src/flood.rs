//! A flood: so many packets at such a rate from invented sources, then the end.

use crate::packet::{Kind, build};
use crate::target::confine;
use anyhow::{Context, Result, ensure};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

/// No flood is larger.
pub(crate) const PACKETS_MAX: u64 = 10_000_000;
/// No flood lasts longer.
pub(crate) const LASTS_MAX: Duration = Duration::from_secs(60);
/// No flood is faster; so many packets a second.
pub(crate) const RATE_MAX: u64 = 1_000_000;
/// Packets between two looks at the clock.
const BURST: u64 = 32;

#[derive(clap::Args)]
pub(crate) struct Flood {
    /// What to send.
    #[arg(value_enum)]
    kind: Kind,
    /// The namespace that the target belongs to; its name begins with "weir-".
    #[arg(long)]
    netns: String,
    /// Target address and port (IPv4).
    #[arg(long)]
    to: SocketAddrV4,
    /// Packets in all.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Packets per second.
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
}

impl Flood {
    pub(crate) fn run(&self) -> Result<()> {
        ensure!((1..=PACKETS_MAX).contains(&self.count), "--count is from 1 to {PACKETS_MAX}");
        ensure!((1..=RATE_MAX).contains(&self.rate), "--rate is from 1 to {RATE_MAX}");
        confine(&self.netns, IpAddr::V4(*self.to.ip()))?;
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))
            .context("a raw socket needs root or CAP_NET_RAW")?;
        let target = SockAddr::from(SocketAddrV4::new(*self.to.ip(), 0));
        let started = Instant::now();
        let (mut sent, mut refused) = (0, 0_u64);
        while sent < self.count && started.elapsed() < LASTS_MAX {
            for _ in 0..BURST.min(self.count - sent) {
                sent += 1;
                let packet = build(self.kind, source(sent), self.to, mix(sent));
                refused += u64::from(socket.send_to(&packet, &target).is_err());
            }
            let due = started + Duration::from_secs_f64(sent as f64 / self.rate as f64);
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(early);
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let rate = sent as f64 / seconds;
        println!(
            "sent {sent} {:?} packets to {} in {seconds:.1} s ({rate:.0}/s), {refused} refused by this host",
            self.kind, self.to
        );
        Ok(())
    }
}

/// Sources lie in 198.18.0.0/15, which RFC 2544 sets aside for benchmarks.
fn source(number: u64) -> SocketAddrV4 {
    let mixed = mix(number);
    let [_, a, b, c] = mixed.to_be_bytes();
    SocketAddrV4::new(Ipv4Addr::new(198, 18 | (a & 1), b, c), 1024 | (mixed >> 16) as u16)
}

/// SplitMix64, upper half: spreads consecutive numbers over all sources.
fn mix(number: u64) -> u32 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sources_are_many_and_stay_in_the_benchmark_range() {
        let sources: HashSet<Ipv4Addr> = (0..10_000).map(|n| *source(n).ip()).collect();
        assert!(sources.len() > 9_000, "{}", sources.len());
        assert!(sources.iter().all(|ip| ip.octets()[0] == 198 && ip.octets()[1] & 0xfe == 18));
    }
}
