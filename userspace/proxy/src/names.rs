//! Targets that are named: looked up on threads that may wait, remembered by each worker.
//!
//! A worker never waits for the name service: what it knows is used while it is asked anew, and only the first
//! request to a name waits, within the limit of its connect.
use crate::{line::Line, worker::Helm};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use weir_reactor::now;

/// How long after a failure a name is asked for anew, if it is not to be asked sooner anyway.
const AGAIN: Duration = Duration::from_secs(2);
/// Questions that may wait for a thread.
const QUESTIONS_MAX: usize = 1024;
/// Threads that ask: one slow name must not hold up the others.
const THREADS: usize = 4;

/// A name and a port.
type Key = (Arc<str>, u16);

/// What one worker knows.
#[derive(Default)]
pub(crate) struct Names {
    known: RefCell<HashMap<Key, Entry>>,
}

#[derive(Default)]
struct Entry {
    addresses: Vec<SocketAddr>,
    /// Whose turn it is.
    next: usize,
    asked: Option<Instant>,
    /// The last answer was none.
    failed: bool,
    /// The question is on its way.
    asking: bool,
    waiting: Vec<Waker>,
}

struct Question {
    key: Key,
    helm: Helm,
}

impl Names {
    /// An address of the name, each in its turn. An answer is used for `lifetime`, then asked for anew; until the next one
    /// comes, whatever that takes, it is used on.
    pub(crate) async fn find(
        &self,
        (name, port): (&Arc<str>, u16),
        lifetime: Duration,
        helm: &Helm,
    ) -> io::Result<SocketAddr> {
        let key = (Arc::clone(name), port);
        let mut asked = false;
        poll_fn(|cx| {
            let mut known = self.known.borrow_mut();
            let entry = known.entry(key.clone()).or_default();
            let fresh = entry.is_fresh(lifetime);
            if !fresh && !entry.asking && !asked {
                (entry.asking, asked) = (ask(Question { key: key.clone(), helm: helm.clone() }), true);
            }
            if let Some(address) = entry.turn() {
                return Poll::Ready(Ok(address));
            }
            if !entry.asking {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
            }
            entry.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Takes an answer in. A failure leaves what was known before.
    fn answer(&self, key: Key, found: io::Result<Vec<SocketAddr>>) {
        let mut known = self.known.borrow_mut();
        let entry = known.entry(key).or_default();
        (entry.asking, entry.asked, entry.failed) = (false, Some(now()), true);
        if let Ok(addresses) = found
            && !addresses.is_empty()
        {
            (entry.addresses, entry.failed) = (addresses, false);
        }
        entry.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Entry {
    fn is_fresh(&self, lifetime: Duration) -> bool {
        let lifetime = if self.failed { lifetime.min(AGAIN) } else { lifetime };
        self.asked.is_some_and(|at| now().saturating_duration_since(at) < lifetime)
    }

    fn turn(&mut self) -> Option<SocketAddr> {
        self.next = self.next.wrapping_add(1);
        self.addresses.get(self.next.checked_rem(self.addresses.len())?).copied()
    }
}

/// Hands a question to a thread. False if too many wait already.
fn ask(question: Question) -> bool {
    static QUESTIONS: OnceLock<Option<SyncSender<Question>>> = OnceLock::new();
    let questions = QUESTIONS.get_or_init(hire);
    questions.as_ref().is_some_and(|questions| questions.try_send(question).is_ok())
}

/// Starts the threads; none if the system has no room for even one.
fn hire() -> Option<SyncSender<Question>> {
    let (send, receive) = sync_channel(QUESTIONS_MAX);
    let receive = Arc::new(Mutex::new(receive));
    let hired = (0..THREADS).filter(|number| {
        let receive = Arc::clone(&receive);
        let builder = std::thread::Builder::new().name(format!("weir-names-{number}"));
        builder.spawn(move || work(&receive)).is_ok()
    });
    (hired.count() > 0).then_some(send)
}

fn work(questions: &Mutex<Receiver<Question>>) {
    loop {
        let next = questions.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Question { key, helm }) = next else { return };
        let found = (&*key.0, key.1).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // A worker that takes no jobs any more needs no answer.
        helm.tell(move |desk| desk.names.answer(key, found));
    }
}

/// Addresses of one name that are tried for one connection.
const ADDRESSES_MAX: usize = 4;

/// Connects to a name: an address that refuses is followed by the next, as a name often has one of each family.
pub(crate) async fn connect(name: &Arc<str>, port: u16, line: &Line) -> io::Result<weir_reactor::Stream> {
    let mut tried: Vec<SocketAddr> = Vec::new();
    let lifetime = line.desk.snapshot().plan.limits.name_lifetime;
    loop {
        let address = line.desk.names.find((name, port), lifetime, &line.desk.helm).await?;
        match weir_reactor::Stream::connect(address).await {
            Err(error) if tried.contains(&address) || tried.len() + 1 == ADDRESSES_MAX => return Err(error),
            Err(_) => tried.push(address),
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns() {
        let mut entry = Entry::default();
        assert_eq!(entry.turn(), None);
        entry.addresses = vec!["192.0.2.1:1".parse().unwrap(), "192.0.2.2:1".parse().unwrap()];
        let turns =
            [entry.turn(), entry.turn(), entry.turn()].map(|address| address.unwrap().ip().to_string());
        assert_eq!(turns, ["192.0.2.1", "192.0.2.2", "192.0.2.1"]);
    }
}
