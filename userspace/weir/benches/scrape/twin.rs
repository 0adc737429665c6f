//! Another program with a page of the same length: it takes as much CPU to make it, with the same priority, and sends it in the same
//! way. What clients of weir notice of it is the machine's share in what they notice of a scrape.

use crate::aside::{Aside, serve};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

/// The word by which this program is told to be one.
const WORD: &str = "twin";
/// What is sent at once.
const PORTION: usize = 32 << 10;

/// The process. Dropping it ends it.
pub(crate) struct Twin {
    pub(crate) process: Aside,
    pub(crate) port: u16,
}

impl Twin {
    /// A page takes so much CPU and has so many bytes.
    pub(crate) fn start(cost: Duration, bytes: usize) -> Self {
        let mut process = Aside::start(WORD);
        let port = process.ask(&format!("{} {bytes}", cost.as_nanos())).parse().expect("a port");
        Self { process, port }
    }
}

/// Where this program was started as one.
pub(crate) fn be() {
    serve(WORD, |wish| {
        let (cost, bytes) = wish.split_once(' ').expect("two numbers");
        let cost = Duration::from_nanos(cost.parse().expect("a number"));
        let page = vec![b'#'; bytes.parse().expect("a number")];
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            weir_reactor::give_way();
            for stream in listener.incoming() {
                answer(stream.expect("a connection"), cost, &page).expect("the scraper reads");
            }
        });
        port.to_string()
    });
}

fn answer(mut stream: std::net::TcpStream, cost: Duration, page: &[u8]) -> std::io::Result<()> {
    let until = crate::used() + cost;
    assert_ne!(stream.read(&mut [0; 1024])?, 0, "a request");
    let mut sum = 0_u64;
    while crate::used() < until {
        for number in 0..1000 {
            sum = black_box(sum.wrapping_add(number));
        }
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
    page.chunks(PORTION).try_for_each(|portion| stream.write_all(portion))
}
