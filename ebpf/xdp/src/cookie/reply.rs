//! The SYN-ACK, written over the SYN it answers.
use aya_ebpf::{EbpfContext, helpers::generated::bpf_xdp_adjust_tail, programs::XdpContext};
use weir_wire::{Address, Config, Flow, Pass};

use super::{
    options::{self, Options},
    place,
};
use crate::{Verdict, frame::Frame, wide};

/// What the answer is made of.
pub struct Answer<'a> {
    pub config: &'a Config,
    pub options: Options,
    /// The sequence number that is the cookie.
    pub cookie: u32,
    /// The client's sequence number.
    pub sequence: u32,
    pub now_ns: u64,
}

const V4_BYTES: u32 = 20;
const V6_BYTES: u32 = 40;
/// Words of a TCP header with nothing but the MSS. One word of padding keeps the frame at Ethernet's minimum of 60 bytes.
const WORDS_SHORT: usize = 7;
/// Words of a TCP header with timestamp and window scale.
const WORDS_LONG: usize = 10;
const SYN_ACK: u32 = 0x12;
const PROTOCOL_TCP: u32 = 6;
const DONT_FRAGMENT: u32 = 0x4000;
const MSS_V4: u16 = 1460;
const MSS_V6: u16 = 1440;
/// Four options that mean nothing.
const NOTHING: u32 = 0x0101_0101;

/// Rewrites the frame into the answer; a frame that cannot be resized goes to the listener as it is.
#[inline(always)]
pub fn write(ctx: &XdpContext, flow: &Flow, answer: &Answer) -> Verdict {
    let words = if answer.options.is_stamped { WORDS_LONG } else { WORDS_SHORT };
    let header = if flow.is_v6() { V6_BYTES } else { V4_BYTES };
    let tcp_bytes = words as u32 * 4;
    let change = (u32::from(flow.network) + header + tcp_bytes) as i32 - flow.length as i32;
    // SAFETY: the context is this program's own; every pointer into the frame is made anew below.
    if change != 0 && unsafe { bpf_xdp_adjust_tail(ctx.as_ptr().cast(), change) } != 0 {
        return Verdict::Pass(Pass::SynToListener);
    }
    let mut frame = Frame::new(ctx);
    let network = place(flow.network);
    let done = turn_ethernet(&mut frame)
        .and_then(|()| ip(&mut frame, network, flow, answer.config.cookie_hop_limit, tcp_bytes))
        .and_then(|()| tcp(&mut frame, network + header as usize, flow, answer, tcp_bytes));
    // The frame was resized to fit, so every part is written; the verifier still wants to see the other case.
    done.map_or(Verdict::Pass(Pass::SynToListener), |()| Verdict::Answer)
}

/// Back to where it came from.
#[inline(always)]
fn turn_ethernet(frame: &mut Frame) -> Option<()> {
    let pairs: &mut [[u8; 2]; 6] = frame.at_mut(0)?;
    let [to0, to1, to2, from0, from1, from2] = pairs;
    for (to, from) in [(to0, from0), (to1, from1), (to2, from2)] {
        let (old_to, old_from) = (wide::load16(to), wide::load16(from));
        wide::store16(to, old_from);
        wide::store16(from, old_to);
    }
    Some(())
}

/// Writes a word in network order.
#[inline(always)]
fn put(bytes: &mut [u8; 4], word: u32) {
    wide::store32(bytes, u64::from(word.to_be()));
}

/// The IP header, without options.
#[inline(always)]
fn ip(frame: &mut Frame, at: usize, flow: &Flow, hop_limit: u8, payload: u32) -> Option<()> {
    let hop_limit = u32::from(hop_limit);
    if flow.is_v6() {
        let header: &mut [[u8; 4]; 10] = frame.at_mut(at)?;
        let [version, length, addresses @ ..] = header;
        put(version, 0x6000_0000);
        put(length, (payload << 16) | (PROTOCOL_TCP << 8) | hop_limit);
        for (place, word) in
            addresses.iter_mut().zip(quarters(flow.destination).into_iter().chain(quarters(flow.source)))
        {
            put(place, word);
        }
        return Some(());
    }
    let [version, fragment, ttl, source, destination] = frame.at_mut::<[[u8; 4]; 5]>(at)?;
    let (first, third) = (0x4500_0000 | (V4_BYTES + payload), (hop_limit << 24) | (PROTOCOL_TCP << 16));
    let (from, to) = (flow.destination.low as u32, flow.source.low as u32);
    let sum = [first, DONT_FRAGMENT, third, from, to].into_iter().map(u64::from).sum();
    put(version, first);
    put(fragment, DONT_FRAGMENT);
    put(ttl, third | checksum(sum));
    put(source, from);
    put(destination, to);
    Some(())
}

/// The TCP header.
#[inline(always)]
fn tcp(frame: &mut Frame, at: usize, flow: &Flow, answer: &Answer, bytes: u32) -> Option<()> {
    let mut words = words(flow, answer, bytes);
    let addresses = address_sum(flow.source) + address_sum(flow.destination);
    let sum =
        words.iter().fold(addresses + u64::from(PROTOCOL_TCP + bytes), |sum, word| sum + u64::from(*word));
    words[4] = checksum(sum) << 16;
    let short: &mut [[u8; 4]; WORDS_SHORT] = frame.at_mut(at)?;
    for (place, word) in short.iter_mut().zip(words) {
        put(place, word);
    }
    if answer.options.is_stamped {
        let rest: &mut [[u8; 4]; WORDS_LONG - WORDS_SHORT] = frame.at_mut(at + WORDS_SHORT * 4)?;
        for (place, word) in rest.iter_mut().zip(words.into_iter().skip(WORDS_SHORT)) {
            put(place, word);
        }
    }
    Some(())
}

/// The words of the TCP header, with no checksum yet and zeroes past its end.
#[inline(always)]
fn words(flow: &Flow, answer: &Answer, bytes: u32) -> [u32; WORDS_LONG] {
    let Answer { config, options, .. } = answer;
    let ports = (u32::from(flow.destination_port) << 16) | u32::from(flow.source_port);
    let flags = (bytes << 26) | (SYN_ACK << 16) | u32::from(config.cookie_window);
    let mss = 0x0204_0000 | u32::from(mss(flow, config));
    let next = answer.sequence.wrapping_add(1);
    if !options.is_stamped {
        return [ports, answer.cookie, next, flags, 0, mss, NOTHING, 0, 0, 0];
    }
    let stamp = if options.sack { 0x0402_080a } else { 0x0101_080a };
    let scale = if options.window_scale != options::NO_SCALE {
        0x0103_0300 | u32::from(config.cookie_window_scale)
    } else {
        NOTHING
    };
    [
        ports,
        answer.cookie,
        next,
        flags,
        0,
        mss,
        stamp,
        options.remember(answer.now_ns),
        options.timestamp,
        scale,
    ]
}

#[inline(always)]
fn mss(flow: &Flow, config: &Config) -> u16 {
    let (configured, default) =
        if flow.is_v6() { (config.cookie_mss_v6, MSS_V6) } else { (config.cookie_mss_v4, MSS_V4) };
    if configured == 0 { default } else { configured }
}

/// The address's share of the pseudo header; of a mapped one only the IPv4 part.
#[inline(always)]
fn address_sum(address: Address) -> u64 {
    let low = (address.low & 0xffff_ffff) + if address.is_v4() { 0 } else { address.low >> 32 };
    low + (address.high & 0xffff_ffff) + (address.high >> 32)
}

#[inline(always)]
fn quarters(address: Address) -> [u32; 4] {
    let Address { high, low } = address;
    [(high >> 32) as u32, high as u32, (low >> 32) as u32, low as u32]
}

/// RFC 1071: the complement of the sum of sixteen-bit words, carries added back.
#[inline(always)]
fn checksum(sum: u64) -> u32 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    (!sum & 0xffff) as u32
}
