//! What splice would give: an epoll loop that moves pages from socket to pipe to socket. (io_uring's own splice goes to
//! a worker thread for every call, so it is no contestant.)
#![allow(unsafe_code, reason = "splice on raw descriptors")]

use crate::Mode;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

const BYTES: usize = 1 << 16;

/// One direction.
struct Way {
    from: TcpStream,
    to: TcpStream,
    pipe: (OwnedFd, OwnedFd),
}

pub(crate) fn serve(mode: Mode) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
    epoll.add(&listener, EpollEvent::new(EpollFlags::EPOLLIN, u64::MAX)).unwrap();
    let mut ways: Vec<Way> = Vec::new();
    let add = |ways: &mut Vec<Way>, from: &TcpStream, to: &TcpStream| {
        epoll.add(from, EpollEvent::new(EpollFlags::EPOLLIN, ways.len() as u64)).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        ways.push(Way {
            from: from.try_clone().unwrap(),
            to: to.try_clone().unwrap(),
            pipe: (reader, writer),
        });
    };
    let mut events = [EpollEvent::empty(); 256];
    loop {
        let n = epoll.wait(&mut events, EpollTimeout::NONE).unwrap();
        for event in &events[..n] {
            if event.data() != u64::MAX {
                ways[event.data() as usize].pass();
                continue;
            }
            let down = listener.accept().unwrap().0;
            down.set_nodelay(true).unwrap();
            match mode {
                Mode::Echo => add(&mut ways, &down, &down),
                Mode::Relay(origin) => {
                    let up = TcpStream::connect(origin).unwrap();
                    up.set_nodelay(true).unwrap();
                    add(&mut ways, &down, &up);
                    add(&mut ways, &up, &down);
                }
            }
        }
    }
}

impl Way {
    /// Passes on what has come.
    fn pass(&self) {
        let n = splice(self.from.as_raw_fd(), self.pipe.1.as_raw_fd(), BYTES);
        let mut left = n;
        while left > 0 {
            left -= splice(self.pipe.0.as_raw_fd(), self.to.as_raw_fd(), left);
        }
    }
}

fn splice(from: i32, to: i32, bytes: usize) -> usize {
    let (none, flags) = (std::ptr::null_mut(), libc::SPLICE_F_MOVE);
    // SAFETY: both descriptors are open, and no offsets are given.
    let n = unsafe { libc::splice(from, none, to, none, bytes, flags) };
    assert!(n > 0, "splice: {}", std::io::Error::last_os_error());
    n as usize
}
