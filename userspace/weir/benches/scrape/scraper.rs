//! A scraper, which in the field runs on another host: a process of its own that steps back behind everything else here, reads as
//! the usual ones do and keeps no page.

use crate::aside::{Aside, serve};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The word by which this program is told to be one.
const WORD: &str = "scraper";
/// What is read at once.
const READ: usize = 32 << 10;

pub(crate) struct Scraper(Aside);

/// One page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scrape {
    /// How long it took to arrive, in milliseconds.
    pub(crate) time_ms: f64,
    /// The CPU that reading it took.
    pub(crate) cpu: Duration,
    pub(crate) bytes: usize,
    /// Lines that are no comments.
    pub(crate) series: usize,
}

impl Scraper {
    pub(crate) fn start() -> Self {
        Self(Aside::start(WORD))
    }

    /// Reads the page at this port.
    pub(crate) fn scrape(&mut self, port: u16) -> Scrape {
        let answer = self.0.ask(&port.to_string());
        let numbers: Vec<u64> = answer.split(' ').map(|word| word.parse().expect("a number")).collect();
        Scrape {
            time_ms: numbers[0] as f64 / 1e6,
            cpu: Duration::from_nanos(numbers[1]),
            bytes: usize::try_from(numbers[2]).expect("a length"),
            series: usize::try_from(numbers[3]).expect("a count"),
        }
    }
}

/// Where this program was started as one: reads pages until nobody wants any more.
pub(crate) fn be() {
    weir_reactor::give_way();
    let mut buffer = vec![0; READ];
    serve(WORD, |port| {
        let (begun, used) = (Instant::now(), crate::used());
        let [bytes, series] = read(port.parse().expect("a port"), &mut buffer);
        format!("{} {} {bytes} {series}", begun.elapsed().as_nanos(), (crate::used() - used).as_nanos())
    });
}

/// The length of a page, and its lines that are no comments.
fn read(port: u16, buffer: &mut [u8]) -> [usize; 2] {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
    let request = format!("GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it takes the request");
    let (mut bytes, mut series, mut is_start) = (0, 0, true);
    loop {
        let length = stream.read(buffer).expect("a page");
        if length == 0 {
            return [bytes, series];
        }
        if bytes == 0 {
            assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..length]));
        }
        bytes += length;
        for byte in &buffer[..length] {
            series += usize::from(is_start && *byte == b'w');
            is_start = *byte == b'\n';
        }
    }
}
