//! The client and the origin: plain epoll on one thread, and the reading of a contestant's CPU time.

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Pins this process to a core, if there are as many.
pub(crate) fn pin(cpu: usize) {
    let mut set = nix::sched::CpuSet::new();
    if set.set(cpu).is_ok() {
        let _pinned = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
    }
}

/// Where this process may run.
pub(crate) fn unpinned() -> nix::sched::CpuSet {
    nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap()
}

/// Lets this process run there again.
pub(crate) fn restore(before: &nix::sched::CpuSet) {
    nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), before).unwrap();
}

/// A child process with its connections.
pub(crate) struct Contestant {
    name: String,
    child: Child,
    epoll: Epoll,
    clients: Vec<TcpStream>,
    origins: Vec<TcpStream>,
}

impl Contestant {
    pub(crate) fn start(name: &str, relay: bool, drive: &mut Drive, connections: usize) -> Contestant {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["serve", name]).stdout(Stdio::piped());
        if relay {
            command.arg(drive.origin.local_addr().unwrap().to_string());
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address: SocketAddr = line.trim().parse().unwrap_or_else(|_| panic!("{name} said {line:?}"));
        let epoll = Epoll::new(EpollCreateFlags::empty()).unwrap();
        let (mut clients, mut origins) = (Vec::new(), Vec::new());
        for i in 0..connections as u64 {
            let client = TcpStream::connect(address).unwrap();
            ready(&client, &epoll, i, drive.message.len());
            clients.push(client);
            if relay {
                let origin = drive.origin.accept().unwrap().0;
                ready(&origin, &epoll, i | ORIGIN, drive.message.len());
                origins.push(origin);
            }
        }
        Contestant { name: name.to_string(), child, epoll, clients, origins }
    }

    /// CPU nanoseconds of all threads so far.
    fn cpu(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let text = |t: std::fs::DirEntry| std::fs::read_to_string(t.path().join("schedstat")).ok();
        let nanoseconds = |s: String| s.split(' ').next().and_then(|n| n.parse::<u64>().ok());
        tasks.filter_map(|t| t.ok().and_then(text).and_then(nanoseconds)).sum()
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

const ORIGIN: u64 = 1 << 32;

/// Makes an end ready for the load. A long message must fit into the send buffer, since nobody here waits for room.
fn ready(stream: &TcpStream, epoll: &Epoll, data: u64, bytes: usize) {
    if bytes > 8192 {
        socket2::SockRef::from(stream).set_send_buffer_size(8 << 20).unwrap();
    }
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    epoll.add(stream, EpollEvent::new(EpollFlags::EPOLLIN, data)).unwrap();
}

/// The load.
pub(crate) struct Drive {
    origin: TcpListener,
    message: Vec<u8>,
    space: Vec<u8>,
}

impl Drive {
    pub(crate) fn new(bytes: usize) -> Drive {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        Drive { origin, message: vec![b'x'; bytes], space: vec![0; 1 << 16] }
    }

    /// Drives one contestant for a window; CPU microseconds per round trip.
    pub(crate) fn measure(&mut self, contestant: &mut Contestant, window: Duration) -> f64 {
        let before = contestant.cpu();
        let trips = self.drive(contestant, window);
        let spent = contestant.cpu() - before;
        assert!(trips > 0, "{} did nothing", contestant.name);
        spent as f64 / 1000.0 / trips as f64
    }

    /// Every connection sends a message, waits until all of it is back, and sends the next until the window closes.
    fn drive(&mut self, contestant: &mut Contestant, window: Duration) -> u64 {
        let begin = Instant::now();
        let mut got = vec![0; contestant.clients.len()];
        for client in &mut contestant.clients {
            client.write_all(&self.message).unwrap();
        }
        let (mut trips, mut out) = (0, contestant.clients.len());
        let mut events = [EpollEvent::empty(); 256];
        while out > 0 {
            let n = contestant.epoll.wait(&mut events, EpollTimeout::from(5000u16)).unwrap();
            assert!(n > 0, "{} does not answer", contestant.name);
            let open = begin.elapsed() < window;
            for event in &events[..n] {
                let at = (event.data() & !ORIGIN) as usize;
                if event.data() & ORIGIN != 0 {
                    let n = read(&mut contestant.origins[at], &mut self.space);
                    contestant.origins[at].write_all(&self.space[..n]).unwrap();
                    continue;
                }
                got[at] += read(&mut contestant.clients[at], &mut self.space);
                if got[at] < self.message.len() {
                    continue;
                }
                assert_eq!(got[at], self.message.len(), "{} sent too much", contestant.name);
                got[at] = 0;
                trips += 1;
                if open {
                    contestant.clients[at].write_all(&self.message).unwrap();
                } else {
                    out -= 1;
                }
            }
        }
        trips
    }
}

fn read(stream: &mut TcpStream, space: &mut [u8]) -> usize {
    match stream.read(space) {
        Ok(0) => panic!("a connection was closed"),
        Ok(n) => n,
        Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
        Err(e) => panic!("{e}"),
    }
}
