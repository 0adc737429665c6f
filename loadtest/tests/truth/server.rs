//! A server that answers 13 known bytes, each time after as long as a script says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What the generator's origin would answer to `/bytes/13`.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n0123456789abc";

type Script = fn(u64) -> Duration;

#[derive(Default)]
struct Log {
    asked: Mutex<u64>,
    more: Condvar,
    held: Mutex<Vec<Duration>>,
}

/// It ends with the test's process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
}

impl Server {
    /// Numbers requests from 1, over all connections.
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), log: Arc::default() };
        let log = Arc::clone(&server.log);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let log = Arc::clone(&log);
                thread::spawn(move || serve(stream.unwrap(), script, &log));
            }
        });
        server
    }

    /// How long each request was held, in milliseconds, the shortest first.
    pub(crate) fn held_ms(&self) -> Vec<f64> {
        let mut held: Vec<f64> =
            self.log.held.lock().unwrap().iter().map(|held| held.as_secs_f64() * 1000.0).collect();
        held.sort_by(f64::total_cmp);
        held
    }

    pub(crate) fn wait_for(&self, count: u64) {
        let asked = self.log.asked.lock().unwrap();
        let patience = Duration::from_secs(10);
        let (asked, _) = self.log.more.wait_timeout_while(asked, patience, |asked| *asked < count).unwrap();
        assert!(*asked >= count, "only {asked} requests came");
    }
}

fn serve(mut stream: TcpStream, script: Script, log: &Log) {
    stream.set_nodelay(true).unwrap();
    let mut space = [0; 4096];
    // A client that ends its connection ends this thread.
    while let Ok(1..) = stream.read(&mut space) {
        let begin = Instant::now();
        let number = {
            let mut asked = log.asked.lock().unwrap();
            *asked += 1;
            log.more.notify_all();
            *asked
        };
        let due = begin + script(number);
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            thread::park_timeout(left);
        }
        if stream.write_all(ANSWER).is_err() {
            return;
        }
        log.held.lock().unwrap().push(begin.elapsed());
    }
}
