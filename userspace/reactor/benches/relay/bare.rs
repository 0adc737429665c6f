//! The floor: one loop over io_uring with no executor, no timers, no ownership; multishot receives into a buffer ring,
//! sends straight from it, one system call per turn. It is unsafe as such loops are and serves for measuring only.
#![allow(unsafe_code, reason = "the loop that the reactor is measured against")]

use crate::Mode;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicU16, Ordering};

const BUFFERS: u16 = 256;
const BYTES: usize = 4096;
const ACCEPT: u64 = 0;
const RECV: u64 = 1;
const SEND: u64 = 2;

struct Bare {
    ring: IoUring,
    memory: Vec<u8>,
    entries: *mut types::BufRingEntry,
    tail: u16,
    /// Where each descriptor's bytes go.
    peers: Vec<RawFd>,
}

pub(crate) fn serve(mode: Mode) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let mut bare = Bare::new();
    bare.push(opcode::AcceptMulti::new(types::Fd(listener.as_raw_fd())).build().user_data(ACCEPT));
    let mut done = Vec::with_capacity(4096);
    loop {
        bare.ring.submit_and_wait(1).unwrap();
        done.extend(bare.ring.completion().map(|c| (c.user_data(), c.result(), c.flags())));
        for (data, result, flags) in done.drain(..) {
            let (fd, bid) = ((data >> 8) as u32 as RawFd, (data >> 40) as u16);
            match data & 0xff {
                ACCEPT => bare.connected(result, mode),
                RECV => bare.received(fd, result, flags),
                _ => bare.give(bid),
            }
        }
    }
}

impl Bare {
    fn new() -> Bare {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_no_sqarray()
            .setup_cqsize(4096)
            .build(256)
            .unwrap();
        let layout = std::alloc::Layout::from_size_align(usize::from(BUFFERS) * 16, 4096).unwrap();
        // SAFETY: the layout is not empty; the memory is never freed.
        let entries = unsafe { std::alloc::alloc_zeroed(layout) }.cast();
        // SAFETY: the entries are never freed.
        unsafe { ring.submitter().register_buf_ring_with_flags(entries as u64, BUFFERS, 0, 0) }.unwrap();
        let memory = vec![0; usize::from(BUFFERS) * BYTES];
        let mut bare = Bare { ring, memory, entries, tail: 0, peers: vec![-1; 4096] };
        (0..BUFFERS).for_each(|bid| bare.give(bid));
        bare
    }

    fn push(&mut self, entry: squeue::Entry) {
        // SAFETY: buffers live as long as the process.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit().unwrap();
        }
    }

    fn give(&mut self, bid: u16) {
        // SAFETY: the place lies within the ring, which holds at most BUFFERS.
        let entry = unsafe { &mut *self.entries.add(usize::from(self.tail % BUFFERS)) };
        entry.set_addr(self.memory.as_ptr() as u64 + u64::from(bid) * BYTES as u64);
        entry.set_len(BYTES as u32);
        entry.set_bid(bid);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail lies in the first entry.
        unsafe { AtomicU16::from_ptr(self.entries.cast::<u16>().add(7)) }.store(self.tail, Ordering::Release);
    }

    fn connected(&mut self, result: i32, mode: Mode) {
        assert!(result >= 0, "accept failed: {result}");
        let peer = match mode {
            Mode::Echo => result,
            Mode::Relay(origin) => {
                let up = TcpStream::connect(origin).unwrap();
                up.set_nodelay(true).unwrap();
                up.into_raw_fd()
            }
        };
        self.peers[result as usize] = peer;
        self.peers[peer as usize] = result;
        self.arm(result);
        if peer != result {
            self.arm(peer);
        }
    }

    fn arm(&mut self, fd: RawFd) {
        self.push(opcode::RecvMulti::new(types::Fd(fd), 0).build().user_data(RECV | (fd as u64) << 8));
    }

    fn received(&mut self, fd: RawFd, result: i32, flags: u32) {
        if result > 0
            && let Some(bid) = cqueue::buffer_select(flags)
        {
            let to = types::Fd(self.peers[fd as usize]);
            let data = self.memory[usize::from(bid) * BYTES..].as_ptr();
            let send =
                opcode::Send::new(to, data, result as u32).flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL);
            self.push(send.build().user_data(SEND | u64::from(bid) << 40));
        }
        if !cqueue::more(flags) && (result > 0 || result == -libc::ENOBUFS) {
            self.arm(fd);
        }
    }
}
