//! A program that draws a source at random for every packet and calls the program under test.
//!
//! It is assembled by hand: fewer than thirty instructions, and so the bench needs no toolchain.
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::rig::{Outcome, bpf};

/// Multiplying by an odd number permutes the numbers below any power of two: sources lie far apart.
pub(crate) const SPREAD: u32 = 0x9e37_79b1;
/// Sources are drawn below this, and from here on.
const SPACE: u32 = (1 << 30) - 1;
const FIRST: u32 = 0x8000_0000;

/// The source that a number stands for.
pub(crate) const fn source(number: u32) -> u32 {
    FIRST | (number.wrapping_mul(SPREAD) & SPACE)
}

/// What is done to a frame before it is judged.
pub(crate) struct Draw {
    /// How many sources there are, a power of two; 0 stands for all.
    pub(crate) sources: u32,
    /// Where in the frame the source is written, in network order.
    pub(crate) offset: i16,
    /// Words written besides, as they are in memory.
    pub(crate) words: Vec<(i16, i32)>,
}

/// A loaded program and what it holds on to.
pub(crate) struct Program {
    fd: OwnedFd,
    _held: Vec<OwnedFd>,
}

/// A flood that keeps its own pace.
pub(crate) struct Paced {
    pub(crate) program: Program,
    words: OwnedFd,
}

/// When the next frame is due, nanoseconds between two, and how many were sent.
#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable)]
#[repr(transparent)]
struct Pace([u64; 3]);

impl Paced {
    /// How many frames were sent so far.
    pub(crate) fn sent(&self) -> Outcome<u64> {
        let mut pace = Pace::default();
        crate::rig::lookup(borrow(&self.words), &0_u32, pace.as_mut_bytes())?;
        Ok(pace.0[2])
    }
}

impl Draw {
    /// Draws and calls `target`; without one, only draws.
    pub(crate) fn calling(&self, target: Option<BorrowedFd<'_>>) -> Outcome<Program> {
        let mut code = self.prologue();
        let mut held = Vec::new();
        if let Some(target) = target {
            let tails = map(3, 4, 4, 1, 0)?;
            crate::rig::update(borrow(&tails), &0_u32, &target.as_raw_fd())?;
            code.extend([op(0xbf, 1, 6, 0, 0)]);
            code.extend(map_pointer(2, &tails));
            code.extend([op(0xb7, 3, 0, 0, 0), op(0x85, 0, 0, 0, 12)]);
            held.push(tails);
        }
        load(code, held)
    }

    /// Draws and looks the source up in a trie of prefixes, as the kernel provides it.
    pub(crate) fn looking_up(&self, trie: OwnedFd) -> Outcome<Program> {
        let mut code = self.prologue();
        // The key on the stack: 32 bits of prefix length, the address in network order.
        code.extend([op(0x62, 10, 0, -8, 32), op(0x63, 10, 7, -4, 0)]);
        code.extend(map_pointer(1, &trie));
        code.extend([op(0xbf, 2, 10, 0, 0), op(0x07, 2, 0, 0, -8), op(0x85, 0, 0, 0, 1)]);
        load(code, vec![trie])
    }

    /// Draws a source for a frame of sixty bytes that is written anew, and sends it out again. What the source adds to the
    /// checksums is taken away by the identification and by the sequence number.
    pub(crate) fn flooding(&self, frame: &[u8; 60]) -> Outcome<Program> {
        load(self.flood(frame)?, Vec::new())
    }

    /// As `flooding`, at so many frames a second: whenever none is due, the frame is dropped instead. What could not be
    /// sent in time is not made up for beyond a millisecond.
    pub(crate) fn pacing(&self, frame: &[u8; 60], per_second: u32) -> Outcome<Paced> {
        const PSEUDO_MAP_VALUE: u8 = 2;
        const ARRAY: u32 = 2;
        let words = map(ARRAY, 4, size_of::<Pace>() as u32, 1, 0)?;
        let interval_ns = 1_000_000_000 / u64::from(per_second.max(1));
        crate::rig::update(borrow(&words), &0_u32, &Pace([0, interval_ns, 0]))?;
        let mut code = vec![
            op(0xbf, 9, 1, 0, 0),
            op(0x18, 8, PSEUDO_MAP_VALUE, 0, words.as_raw_fd()),
            0,
            op(0x85, 0, 0, 0, 5),
            op(0x79, 1, 8, 0, 0),
            op(0x3d, 0, 1, 2, 0),
            op(0xb7, 0, 0, 0, 1),
            op(0x95, 0, 0, 0, 0),
            op(0x79, 2, 8, 8, 0),
            op(0x0f, 1, 2, 0, 0),
            op(0x07, 0, 0, 0, -1_000_000),
            op(0x3d, 1, 0, 1, 0),
            op(0xbf, 1, 0, 0, 0),
            op(0x7b, 8, 1, 0, 0),
            op(0x79, 1, 8, 16, 0),
            op(0x07, 1, 0, 0, 1),
            op(0x7b, 8, 1, 16, 0),
            op(0xbf, 1, 9, 0, 0),
        ];
        code.extend(self.flood(frame)?);
        Ok(Paced { program: load(code, Vec::new())?, words })
    }

    fn flood(&self, frame: &[u8; 60]) -> Outcome<Vec<u64>> {
        let (words, _) = frame.as_chunks::<4>();
        let stores: Vec<_> = (0_i16..)
            .zip(words)
            .map(|(at, word)| op(0x62, 2, 0, at * 4, i32::from_le_bytes(*word)))
            .collect();
        let mut code = self.source();
        code.extend([
            op(0x61, 2, 6, 0, 0),
            op(0x61, 3, 6, 4, 0),
            op(0xbf, 4, 2, 0, 0),
            op(0x07, 4, 0, 0, 60),
        ]);
        code.push(op(0x2d, 4, 3, i16::try_from(stores.len())? + 15, 0));
        code.extend(stores);
        code.extend([
            op(0x63, 2, 7, self.offset, 0),
            op(0xbf, 8, 7, 0, 0),
            op(0xbf, 3, 8, 0, 0),
            op(0x57, 3, 0, 0, 0xffff),
            op(0x77, 8, 0, 0, 16),
            op(0x0f, 8, 3, 0, 0),
            op(0xbf, 3, 8, 0, 0),
            op(0x77, 3, 0, 0, 16),
            op(0x57, 8, 0, 0, 0xffff),
            op(0x0f, 8, 3, 0, 0),
            op(0xa7, 8, 0, 0, 0xffff),
            op(0x6b, 2, 8, 18, 0),
            op(0x6b, 2, 8, 40, 0),
            op(0xb7, 0, 0, 0, 3),
            op(0x95, 0, 0, 0, 0),
        ]);
        Ok(code)
    }

    /// Drops frames with an address of those that are drawn at the offset, and passes all others.
    pub(crate) fn dropping(offset: i16) -> Outcome<Program> {
        let code = vec![
            op(0x61, 2, 1, 0, 0),
            op(0x61, 3, 1, 4, 0),
            op(0xbf, 4, 2, 0, 0),
            op(0x07, 4, 0, 0, 34),
            op(0x2d, 4, 3, 5, 0),
            op(0x71, 5, 2, offset, 0),
            op(0x57, 5, 0, 0, 0xc0),
            op(0x55, 5, 0, 2, 0x80),
            op(0xb7, 0, 0, 0, 1),
            op(0x95, 0, 0, 0, 0),
        ];
        load(code, Vec::new())
    }

    /// r6 = the context, r7 = the source in network order, written into the frame.
    pub(crate) fn prologue(&self) -> Vec<u64> {
        let last = self.words.iter().map(|(offset, _)| *offset).fold(self.offset, i16::max);
        let stores: Vec<_> = self.words.iter().map(|(offset, word)| op(0x62, 2, 0, *offset, *word)).collect();
        let mut code = self.source();
        code.extend([
            op(0x61, 2, 6, 0, 0),
            op(0x61, 3, 6, 4, 0),
            op(0xbf, 4, 2, 0, 0),
            op(0x07, 4, 0, 0, i32::from(last) + 4),
            op(0x2d, 4, 3, i16::try_from(stores.len()).unwrap_or(0) + 1, 0),
            op(0x63, 2, 7, self.offset, 0),
        ]);
        code.extend(stores);
        code
    }

    fn source(&self) -> Vec<u64> {
        let mask = i32::from_ne_bytes(self.sources.wrapping_sub(1).to_ne_bytes());
        let signed = |word: u32| i32::from_ne_bytes(word.to_ne_bytes());
        vec![
            op(0xbf, 6, 1, 0, 0),
            op(0x85, 0, 0, 0, 7),
            op(0x54, 0, 0, 0, mask),
            op(0x24, 0, 0, 0, signed(SPREAD)),
            op(0x54, 0, 0, 0, signed(SPACE)),
            op(0x44, 0, 0, 0, signed(FIRST)),
            op(0xdc, 0, 0, 0, 32),
            op(0xbf, 7, 0, 0, 0),
        ]
    }
}

impl Program {
    /// Where it can be called.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        borrow(&self.fd)
    }

    /// The mean time of one run in nanoseconds, and the last verdict.
    pub(crate) fn time(&self, frame: &[u8], repeat: u32) -> Outcome<(u64, u32)> {
        self.run(frame, repeat, 0, 0)
    }

    /// Sends so many frames out by an interface, as fast as the other end takes them.
    pub(crate) fn send(&self, frame: &[u8], count: u32, interface: u32) -> Outcome<()> {
        const LIVE_FRAMES: u32 = 2;
        self.run(frame, count, interface, LIVE_FRAMES).map(drop)
    }

    /// Attaches it to an interface of this thread's namespace until what is returned is dropped.
    pub(crate) fn attach(&self, interface: u32, mode: u32) -> Outcome<OwnedFd> {
        const BPF_LINK_CREATE: i64 = 28;
        const BPF_XDP: u32 = 37;
        let fd = bpf(BPF_LINK_CREATE, &mut [u32::try_from(self.fd.as_raw_fd())?, interface, BPF_XDP, mode])?;
        // SAFETY: as in `map`.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    fn run(&self, frame: &[u8], repeat: u32, interface: u32, flags: u32) -> Outcome<(u64, u32)> {
        const BPF_PROG_TEST_RUN: i64 = 10;
        #[repr(C)]
        #[derive(Default)]
        struct TestRun {
            program: u32,
            verdict: u32,
            size_in: u32,
            size_out: u32,
            data_in: u64,
            data_out: u64,
            repeat: u32,
            duration: u32,
            context_in: u32,
            context_out: u32,
            contexts: [u64; 2],
            flags: u32,
            cpu: u32,
            batch: u64,
        }
        let length = u32::try_from(frame.len())?;
        let context = [0, length, 0, interface, 0, 0];
        let mut run = TestRun {
            program: u32::try_from(self.fd.as_raw_fd())?,
            size_in: u32::try_from(frame.len())?,
            data_in: frame.as_ptr().addr() as u64,
            repeat,
            flags,
            ..TestRun::default()
        };
        if flags != 0 {
            run.context_in = u32::try_from(size_of_val(&context))?;
            run.contexts = [context.as_ptr().addr() as u64, 0];
        }
        bpf(BPF_PROG_TEST_RUN, &mut run)?;
        Ok((u64::from(run.duration), run.verdict))
    }
}

/// A table of the kernel's.
pub(crate) fn map(kind: u32, key: u32, value: u32, length: u32, flags: u32) -> io::Result<OwnedFd> {
    const BPF_MAP_CREATE: i64 = 0;
    let fd = bpf(BPF_MAP_CREATE, &mut [kind, key, value, length, flags])?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// One instruction.
pub(crate) fn op(code: u8, to: u8, from: u8, offset: i16, number: i32) -> u64 {
    let [low, high] = offset.to_le_bytes();
    let [a, b, c, d] = number.to_le_bytes();
    u64::from_le_bytes([code, to | (from << 4), low, high, a, b, c, d])
}

/// The two instructions that load the address of a table.
pub(crate) fn map_pointer(to: u8, map: &OwnedFd) -> [u64; 2] {
    const PSEUDO_MAP_FD: u8 = 1;
    [op(0x18, to, PSEUDO_MAP_FD, 0, map.as_raw_fd()), 0]
}

/// Ends the code with XDP_PASS and loads it.
pub(crate) fn load(mut code: Vec<u64>, held: Vec<OwnedFd>) -> Outcome<Program> {
    const BPF_PROG_LOAD: i64 = 5;
    const BPF_PROG_TYPE_XDP: u32 = 6;
    // A program may only call one that says it will be attached in the same way.
    const BPF_XDP: u32 = 37;
    #[repr(C)]
    #[derive(Default)]
    struct Load {
        kind: u32,
        instructions: u32,
        code: u64,
        license: u64,
        log_and_name: [u64; 5],
        interface: u32,
        attach: u32,
        rest: [u64; 8],
    }
    code.extend([op(0xb7, 0, 0, 0, 2), op(0x95, 0, 0, 0, 0)]);
    let mut attribute = Load {
        kind: BPF_PROG_TYPE_XDP,
        instructions: u32::try_from(code.len())?,
        code: code.as_ptr().addr() as u64,
        license: c"GPL".as_ptr().addr() as u64,
        attach: BPF_XDP,
        ..Load::default()
    };
    let fd = bpf(BPF_PROG_LOAD, &mut attribute)?;
    // SAFETY: as in `map`.
    Ok(Program { fd: unsafe { OwnedFd::from_raw_fd(fd) }, _held: held })
}

fn borrow(fd: &OwnedFd) -> BorrowedFd<'_> {
    std::os::fd::AsFd::as_fd(fd)
}
