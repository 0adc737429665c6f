//! The parser of the kernel and the parser of the host agree on a hundred thousand frames.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on should stop, and says why it did not begin"
)]
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use weir_wire::{Flow, anomaly, parse, table};

#[path = "fixtures/frames.rs"]
#[allow(dead_code, reason = "shared with the fixtures, which use all of it")]
mod frames;
#[path = "fixtures/rig.rs"]
#[allow(dead_code, reason = "shared with the fixtures, which use all of it")]
mod rig;

use frames::Packet;
use rig::{Outcome, Rig};

/// Frames compared.
const FRAMES: usize = 100_000;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (rig, missing) = match Rig::load() {
        Ok(rig) => (Some(rig), String::new()),
        Err(error) => (None, error.to_string()),
    };
    let is_missing = rig.is_none();
    if is_missing {
        println!("skipped, the object cannot be loaded: {missing}");
    }
    let trial = Trial::test("kernel_and_host_agree", move || match &rig {
        Some(rig) => compare(rig).map_err(|error| error.to_string().into()),
        None => Ok(()),
    });
    libtest_mimic::run(&arguments, vec![trial.with_ignored_flag(is_missing)]).exit_code()
}

fn compare(rig: &Rig) -> Outcome<()> {
    let seeds = seeds();
    let mut dice = Dice(0x5eed_face);
    let mut outcomes = [0_u32; 3];
    for number in 0..FRAMES {
        let mut frame = seeds[dice.roll(seeds.len())].clone();
        mutate(&mut frame, &mut dice);
        let host = trace(&frame);
        rig.run_only(table::PROGRAM_PARSE, &frame)?;
        let kernel = rig.trace()?;
        if host != kernel {
            return Err(format!("frame {number}: {frame:02x?}\nhost {host:?}\nkernel {kernel:?}").into());
        }
        outcomes[usize::try_from(host.outcome)?] += 1;
    }
    if outcomes.iter().any(|count| *count < 1_000) {
        return Err(format!("the frames are too much alike: {outcomes:?}").into());
    }
    Ok(())
}

/// What the host makes of a frame, written down as the kernel does it.
fn trace(frame: &[u8]) -> table::Trace {
    let mut flow = Flow::default();
    let (outcome, reason) = match parse::parse_into(frame, &mut flow) {
        Ok(false) => (0, 0),
        Ok(true) => (1, anomaly::check(&flow).map_or_else(|reason| reason as u32, |()| 0)),
        Err(reason) => (2, reason as u32),
    };
    table::Trace { flow, outcome, reason }
}

fn seeds() -> Vec<Vec<u8>> {
    let v4 = |protocol, payload| Packet::new("192.0.2.1", "198.51.100.1", protocol, payload);
    let v6 = |protocol, payload| Packet::new("2001:db8::1", "2001:db8::2", protocol, payload);
    let tcp = || frames::tcp(40_000, 443, frames::SYN, &frames::LINUX);
    let udp = || frames::udp(40_000, 53, 24);
    let fragment = [0, 0, 0, 1, 0, 0, 0, 9];
    [
        v4(6, tcp()),
        v4(6, tcp()).tags(&[0x8100]),
        v4(17, udp()).tags(&[0x88a8, 0x8100]).options(&[1; 12]),
        v4(17, udp()).fragment(0x2000),
        v4(17, udp()).fragment(0x0010),
        v4(1, frames::icmp(8)),
        v6(6, tcp()),
        v6(17, udp()).tags(&[0x9100]),
        v6(58, frames::icmp(135)).hop_limit(255),
        v6(6, tcp()).extension(0, &[0, 0, 1, 4, 0, 0, 0, 0]).extension(44, &fragment),
        v6(6, tcp()).extension(60, &[0, 1, 1, 4, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0]).extension(51, &[0; 8]),
        v6(17, udp()).extension(43, &[0; 8]).extension(60, &[0; 8]).extension(60, &[0; 8]).tags(&[0x8100]),
    ]
    .iter()
    .map(Packet::frame)
    .collect()
}

/// Changes a few bytes, mostly of headers; sometimes cuts or lengthens the frame. Below an Ethernet header the kernel
/// takes no test frame.
fn mutate(frame: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..dice.roll(4) {
        let at = 12 + dice.roll(frame.len() - 12);
        frame[at] = match dice.roll(3) {
            0 => u8::try_from(dice.roll(256)).unwrap(),
            1 => frame[at] ^ (1 << dice.roll(8)),
            _ => [0, 1, 5, 6, 8, 17, 43, 44, 51, 58, 60, 0x81, 0x45, 0xff][dice.roll(14)],
        };
    }
    match dice.roll(4) {
        0 => frame.truncate(14 + dice.roll(frame.len() - 13)),
        1 => frame.resize(frame.len() + dice.roll(9), 0),
        _ => {}
    }
}

/// A small generator whose sequence is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % sides
    }
}
