//! A name service that says what it is told to say.
use std::net::UdpSocket;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What every question is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// This address of IPv4; none of IPv6.
    Address([u8; 4]),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    /// Silence.
    Nothing,
    /// More than fits, to be asked for over TCP, where nobody listens.
    Truncated,
    /// The largest datagram there is, of nonsense.
    Garbage,
    /// Success, and no address.
    Empty,
}

/// The stub.
pub struct Service {
    says: Arc<Mutex<Answers>>,
    asked: Arc<AtomicUsize>,
}

impl Service {
    /// Listens where resolvers ask.
    pub fn start() -> Service {
        let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
        let says = Arc::new(Mutex::new(Answers::Address([127, 0, 0, 1])));
        let asked = Arc::new(AtomicUsize::new(0));
        let service = Service { says: Arc::clone(&says), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let says = *says.lock().unwrap();
                if let Some(answer) = answer(&buffer[..length], says) {
                    let _ = socket.send_to(&answer, from);
                }
                asked.fetch_add(1, Ordering::SeqCst);
            }
        });
        service
    }

    pub fn say(&self, answers: Answers) {
        *self.says.lock().unwrap() = answers;
    }

    /// Questions so far.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// RFC 1035, section 4: the question comes back, and behind it what is known.
fn answer(question: &[u8], says: Answers) -> Option<Vec<u8>> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0)? + 5;
    let wants_v4 = question[end - 4..end - 2] == [0, 1];
    let (flags, count) = match says {
        Answers::Address(_) => ([0x81, 0x80], u8::from(wants_v4)),
        Answers::Empty => ([0x81, 0x80], 0),
        Answers::NoSuchName => ([0x81, 0x83], 0),
        Answers::Failure => ([0x81, 0x82], 0),
        Answers::Truncated => ([0x83, 0x80], 0),
        Answers::Nothing => return None,
        Answers::Garbage => return Some([&question[..2], &vec![0xff; 60_000]].concat()),
    };
    let mut answer = [&question[..2], &flags, &[0, 1, 0, count, 0, 0, 0, 0], &question[12..end]].concat();
    if let (Answers::Address(address), true) = (says, wants_v4) {
        // The name by a pointer, of type A and class IN, for no time at all: whoever obeyed that would ask each time.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address);
    }
    Some(answer)
}
