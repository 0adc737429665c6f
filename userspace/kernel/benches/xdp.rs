//! Nanoseconds per packet, by BPF_PROG_TEST_RUN: prints a table of cases, the best of several rounds each.
//!
//! A small program of our own draws a source for every packet and calls the program under test, so that caches
//! behave as they would under traffic. What that program costs alone is measured first and subtracted.
#![allow(unsafe_code, reason = "descriptors that the kernel has just made are taken into ownership")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench that cannot go on should stop; what it finds it prints"
)]

use std::{net::TcpListener, num::NonZeroU64, process::ExitCode};

use weir_wire::{
    Ban, Limit, Rules,
    config::{FLAG_CHECK_ACKS, FLAG_COOKIE_TIMESTAMPS, FLAG_COOKIES_FORCED, FLAG_GUARD_ALWAYS},
    limit::Class,
    list::image::{List, Tie},
    port::Action,
    table,
};

#[path = "xdp/defence.rs"]
mod defence;
#[path = "xdp/draw.rs"]
mod draw;
#[path = "xdp/entries.rs"]
mod entries;
#[path = "xdp/floor.rs"]
mod floor;
#[path = "../tests/fixtures/frames.rs"]
#[allow(dead_code, reason = "shared with the fixtures, which use all of it")]
mod frames;
#[path = "xdp/goodput.rs"]
mod goodput;
#[path = "xdp/ramp.rs"]
mod ramp;
#[path = "../tests/fixtures/rig.rs"]
#[allow(dead_code, reason = "shared with the fixtures, which use all of it")]
mod rig;
#[path = "xdp/row.rs"]
mod row;
#[path = "../tests/netns/traffic.rs"]
#[allow(dead_code, reason = "shared with the trials between namespaces, which use all of it")]
mod traffic;
#[path = "xdp/versus.rs"]
mod versus;
#[path = "../tests/netns/world.rs"]
#[allow(dead_code, reason = "shared with the trials between namespaces, which use all of it")]
mod world;

use draw::{Draw, Program};
use entries::{anywhere, trie, v4, v6};
use frames::{ACK, LINUX, Packet, SYN, tcp};
use rig::{Outcome, Rig};
use row::{Goal, Row, is_quick};

/// Rounds of each case, of which the best counts: the others met a neighbour on the machine.
const ROUNDS: usize = 7;
/// Packets in a round.
const PACKETS: u32 = 200_000;
/// The port that is protected, and where a listener waits.
const PORT: u16 = 8443;
/// Where the source stands in an IPv4 frame.
const SOURCE_V4: i16 = 26;
/// Where the first half of the network stands in an IPv6 frame.
const SOURCE_V6: i16 = 22;
/// One source.
const ONE: u32 = 1;
/// Any source.
const ANY: u32 = 0;

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if rig::is_refused(&error.to_string()) => {
            println!("the verifier refuses the object: {error}");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("skipped: {error}");
            ExitCode::SUCCESS
        }
    }
}

fn bench() -> Outcome<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
    std::fs::write("/proc/sys/net/ipv4/tcp_syncookies", "2")?;
    std::fs::write("/proc/sys/net/ipv4/tcp_timestamps", "2")?;
    let listener = TcpListener::bind((std::net::Ipv6Addr::UNSPECIFIED, PORT))?;
    let mut bench = Bench { rig: Rig::load()?, idle_ns: 0 };
    let nothing = draw(ONE, SOURCE_V4).calling(None)?;
    bench.idle_ns = best(&nothing, &ack())?.ns;
    println!("{:<44} {:>6} {:>9}", "drawing a source, subtracted below", bench.idle_ns, "verdict");
    let only = std::env::args().nth(1).filter(|word| !word.starts_with('-')).unwrap_or_default();
    let parts: [(&str, Part); 6] = [
        ("passes", Bench::passes),
        ("refusals", Bench::refusals),
        ("lists", Bench::lists),
        ("chains", Bench::chains),
        ("cookies", Bench::cookies),
        ("tries", Bench::tries),
    ];
    for (_, part) in parts.iter().filter(|(name, _)| name.contains(&only)) {
        part(&mut bench)?;
    }
    drop(listener);
    versus::run(&only)?;
    Ok(row::write()?)
}

/// Some rows of the table.
type Part = fn(&mut Bench) -> Outcome<()>;

/// The object, and what drawing a source costs alone.
struct Bench {
    rig: Rig,
    idle_ns: u64,
}

impl Bench {
    fn row(&self, name: &str, draw: &Draw, frame: &[u8]) -> Outcome<Best> {
        let target = self.rig.program(table::PROGRAM_MAIN)?;
        self.print(name, &draw.calling(Some(target))?, frame)
    }

    /// A row with a goal in nanoseconds, kept for reports beside what cannot be done without.
    fn goal(&self, aim: &Aim, name: &str, draw: &Draw, frame: &[u8]) -> Outcome<()> {
        let best = self.row(name, draw, frame)?;
        let Aim { id, goal, floor } = aim;
        let goal = Some(Goal::Figure(*goal));
        let note = format!(
            "BPF_PROG_TEST_RUN, the best of several rounds; drawing the source, which took {} ns, is subtracted; the floor is {}",
            self.idle_ns, floor.what
        );
        let (ours, spread, floor) = (best.ns as f64, best.spread, Some(floor.ns));
        Row { id, what: name, unit: "ns", ours, spread, peer: None, floor, goal, note: &note }.keep();
        Ok(())
    }

    /// What is the least for a drop: to be called, and to have read where the packet comes from.
    fn bare(&self, draw: &Draw, frame: &[u8]) -> Outcome<Floor> {
        let dropping = Draw::dropping(26)?;
        let bare =
            self.print("floor: the source read and dropped", &draw.calling(Some(dropping.as_fd()))?, frame)?;
        Ok(Floor { ns: bare.ns as f64, what: "a bare program that reads the source and drops".to_owned() })
    }

    /// That, and one thing more.
    fn and(&self, bare: &Floor, name: &str, program: &Program, frame: &[u8]) -> Outcome<Floor> {
        let more = self.print(&format!("floor: {name}"), program, frame)?;
        Ok(Floor { ns: bare.ns + more.ns as f64, what: format!("{}, and {name} alone", bare.what) })
    }

    fn print(&self, name: &str, program: &Program, frame: &[u8]) -> Outcome<Best> {
        let mut best = best(program, frame)?;
        best.ns = best.ns.saturating_sub(self.idle_ns);
        let verdict = ["aborted", "drop", "pass", "answer"].get(best.verdict as usize).unwrap_or(&"?");
        println!("{name:<44} {:>6} {verdict:>9}", best.ns);
        Ok(best)
    }

    fn passes(&mut self) -> Outcome<()> {
        self.rig.list(Vec::new(), Tie::Deny)?;
        let mut rules = rig::enforcing();
        rules.config.modes = [0; 8];
        self.rig.rule(&rules)?;
        self.row("every stage off", &draw(ONE, SOURCE_V4), &ack())?;
        self.rig.rule(&rig::enforcing())?;
        self.row("not ours, IPv4", &draw(ANY, SOURCE_V4), &other())?;
        self.row("not ours, IPv6", &draw(ANY, SOURCE_V6 + 4), &other6())?;
        self.rig.list((0..1024).filter_map(|number| v4(number, 32, List::Allow)).collect(), Tie::Deny)?;
        self.row("allowed, of 1,024", &draw(1024, SOURCE_V4), &ack())?;
        Ok(())
    }

    fn refusals(&mut self) -> Outcome<()> {
        self.rig.list(Vec::new(), Tie::Deny)?;
        let mut rules = protected();
        rules.config.events_per_second_max = 100;
        self.rig.rule(&rules)?;
        for bans in [1, 1024, 65_536] {
            let until_ns = rig::now_ns() + 3_600_000_000_000;
            let ban =
                |number| (0xffff_0000_0000 | u64::from(draw::source(number)), Ban { until_ns, hits: 0 });
            self.rig.ban(&(0..bans).map(ban).collect::<Vec<_>>())?;
            let name = format!("banned, of {bans}");
            let (sources, frame) = (draw(bans, SOURCE_V4), ack());
            if bans == 1024 {
                let lookup = sources.hashing(bans)?;
                let floor = self.bare(&sources, &frame)?;
                let floor =
                    self.and(&floor, "a lookup in the kernel's hash and a hit counted", &lookup, &frame)?;
                self.goal(&Aim { id: "P12", goal: 45.0, floor }, &name, &sources, &frame)?;
            } else {
                self.row(&name, &sources, &frame)?;
            }
        }
        self.rig.ban(&[])
    }

    fn lists(&mut self) -> Outcome<()> {
        let mut rules = rig::enforcing();
        rules.config.events_per_second_max = 100;
        self.rig.rule(&rules)?;
        for length in [1 << 10, 1 << 17, 1 << 20] {
            self.rig
                .list((0..length).filter_map(|number| v4(number, 32, List::Deny)).collect(), Tie::Deny)?;
            let name = format!("denied, IPv4 /32, of {length}");
            let (sources, frame) = (draw(length, SOURCE_V4), other());
            if length == 1024 {
                let floor = self.bare(&sources, &frame)?;
                self.goal(&Aim { id: "P12", goal: 45.0, floor }, &name, &sources, &frame)?;
            } else {
                self.row(&name, &sources, &frame)?;
            }
            self.rig.list((0..length).filter_map(anywhere).collect(), Tie::Deny)?;
            self.row(&format!("not denied, IPv4 /32, of {length}"), &draw(ANY, SOURCE_V4), &other())?;
            self.rig.list((0..length).map(v6).collect(), Tie::Deny)?;
            self.row(&format!("not denied, IPv6 /64, of {length}"), &draw(ANY, SOURCE_V6), &other6())?;
        }
        Ok(())
    }

    fn chains(&mut self) -> Outcome<()> {
        let mut rules = protected();
        limit(&mut rules, &[Class::Packets]);
        for (name, length) in [("no lists", 0), ("10,000 CIDRs", 10_000), ("1,048,576 CIDRs", 1 << 20)] {
            self.rig.list((0..length).filter_map(anywhere).collect(), Tie::Deny)?;
            self.rig.rule(&rules)?;
            for (sources, number) in [("1 source", 1), ("1,048,576 sources", 1 << 20)] {
                let goal = if length > 10_000 { 110.0 } else { 90.0 };
                let (name, sources) = (format!("clean: {name}, limit, {sources}"), draw(number, SOURCE_V4));
                let floor = self.bare(&sources, &ack())?;
                let floor =
                    self.and(&floor, "a word charged in a table of 2 MiB", &sources.charging()?, &ack())?;
                self.goal(&Aim { id: "P10", goal, floor }, &name, &sources, &ack())?;
            }
        }
        self.rig.list((0..10_000).filter_map(anywhere).collect(), Tie::Deny)?;
        limit(&mut rules, &[Class::Packets, Class::Bytes]);
        self.rig.rule(&rules)?;
        self.row("clean: 10,000 CIDRs, packets and bytes", &draw(1 << 20, SOURCE_V4), &ack())?;
        self.rig.rule(&protected())?;
        self.row("clean: 10,000 CIDRs, no limit", &draw(1 << 20, SOURCE_V4), &ack())?;
        Ok(())
    }

    fn cookies(&mut self) -> Outcome<()> {
        self.rig.list((0..10_000).filter_map(anywhere).collect(), Tie::Deny)?;
        let mut rules = protected();
        rules.config.flags |= FLAG_GUARD_ALWAYS | FLAG_CHECK_ACKS | FLAG_COOKIES_FORCED;
        rules.config.events_per_second_max = 100;
        self.rig.rule(&rules)?;
        let short = [2, 4, 5, 0xb4, 1, 1, 1, 1];
        self.row("SYN answered, MSS only, 1 source", &syn_draw(ONE, &short), &syn(&short))?;
        let name = "SYN answered, MSS only, any source";
        self.answered(name, &short)?;
        rules.config.flags |= FLAG_COOKIE_TIMESTAMPS;
        self.rig.rule(&rules)?;
        self.row("SYN answered, with timestamp, 1 source", &syn_draw(ONE, &LINUX), &syn(&LINUX))?;
        let name = "SYN answered, with timestamp, any source";
        self.answered(name, &LINUX)?;
        self.row("forged acknowledgement, 1 source", &draw(ONE, SOURCE_V4), &ack())?;
        self.row("forged acknowledgement, any source", &draw(ANY, SOURCE_V4), &ack())?;
        Ok(())
    }

    fn answered(&self, name: &str, options: &[u8]) -> Outcome<()> {
        let (sources, frame) = (syn_draw(ANY, options), syn(options));
        let cookie = sources.making_cookies(u8::try_from(20 + options.len())?)?;
        let floor = self.bare(&sources, &frame)?;
        let floor = self.and(&floor, "a cookie made by the kernel", &cookie, &frame)?;
        self.goal(&Aim { id: "P13", goal: 110.0, floor }, name, &sources, &frame)
    }

    /// The kernel's own trie with the same entries. What our lookup costs is what a packet costs more with the lists than
    /// with the lists stage left out: at least a nanosecond.
    fn tries(&mut self) -> Outcome<()> {
        let mut rules = rig::enforcing();
        rules.config.modes = [0; 8];
        self.rig.rule(&rules)?;
        for length in [1 << 10, 1 << 17, 1 << 20] {
            self.rig.list(Vec::new(), Tie::Deny)?;
            let without = self.row("without lists", &draw(ANY, SOURCE_V4), &other())?;
            self.rig.list((0..length).filter_map(anywhere).collect(), Tie::Deny)?;
            let with =
                self.row(&format!("with lists, IPv4 /32, of {length}"), &draw(ANY, SOURCE_V4), &other())?;
            let name = format!("the kernel's LPM trie alone, /32, of {length}");
            let trie = self.print(&name, &draw(ANY, SOURCE_V4).looking_up(trie(length)?)?, &ack())?;
            let ours = with.ns.saturating_sub(without.ns).max(1) as f64;
            let goal = (length == 1 << 20).then_some(Goal::Ratio(0.04));
            let what = format!("lookup in {length} prefixes");
            let note = "a packet with lists less a packet with none; most sources are in no prefix";
            let peer = Some((trie.ns as f64, "BPF LPM trie"));
            Row {
                id: "P11",
                what: &what,
                unit: "ns",
                ours,
                spread: with.spread,
                peer,
                floor: None,
                goal,
                note,
            }
            .keep();
        }
        Ok(())
    }
}

/// A goal in nanoseconds, and the floor beside it.
struct Aim {
    id: &'static str,
    goal: f64,
    floor: Floor,
}

/// What a figure cannot go below, and what it is made of.
struct Floor {
    ns: f64,
    what: String,
}

/// The least time of several rounds, how far the others lie above it, and the verdict.
#[derive(Clone, Copy)]
struct Best {
    ns: u64,
    spread: f64,
    verdict: u32,
}

fn best(program: &Program, frame: &[u8]) -> Outcome<Best> {
    let (rounds, packets) = if is_quick() { (3, PACKETS / 4) } else { (ROUNDS, PACKETS) };
    program.time(frame, packets / 10)?;
    let times: Result<Vec<_>, _> = (0..rounds).map(|_| program.time(frame, packets)).collect();
    let mut times = times?;
    times.sort_unstable();
    let (Some(&(ns, verdict)), Some(&(middle, _))) = (times.first(), times.get(times.len() / 2)) else {
        return Err("no rounds".into());
    };
    Ok(Best { ns, spread: (middle - ns) as f64 / ns.max(1) as f64, verdict })
}

fn draw(sources: u32, offset: i16) -> Draw {
    Draw { sources, offset, words: Vec::new() }
}

/// Makes an answered SYN a SYN again: the frame is not restored between packets.
fn syn_draw(sources: u32, options: &[u8]) -> Draw {
    let frame = syn(options);
    let words = [30, 34, 38, 46].map(|at: i16| {
        let from = usize::try_from(at).unwrap_or(0);
        (at, i32::from_le_bytes(frame[from..from + 4].try_into().unwrap_or_default()))
    });
    Draw { sources, offset: SOURCE_V4, words: words.to_vec() }
}

fn syn(options: &[u8]) -> Vec<u8> {
    Packet::new("192.0.2.1", "198.51.100.1", 6, tcp(40_000, PORT, SYN, options)).frame()
}

fn ack() -> Vec<u8> {
    Packet::new("128.0.0.0", "198.51.100.1", 6, tcp(40_000, PORT, ACK, &[])).frame()
}

fn other() -> Vec<u8> {
    Packet::new("128.0.0.0", "198.51.100.1", 6, tcp(40_000, 22, ACK, &[])).frame()
}

fn other6() -> Vec<u8> {
    Packet::new("2001:db8::1", "2001:db8::2", 6, tcp(40_000, 22, ACK, &[])).frame()
}

fn protected() -> Box<Rules> {
    let mut rules = rig::enforcing();
    rig::set_port(&mut rules, PORT, (Action::Protect, 1), (Action::Pass, 0));
    rules
}

/// A limit that nobody reaches.
fn limit(rules: &mut Rules, classes: &[Class]) {
    for class in classes {
        let rate = NonZeroU64::new(10_000_000_000).unwrap_or(NonZeroU64::MIN);
        rules.config.source[*class as usize] = Limit::new(rate, 1_000_000_000, rate.get());
    }
}
