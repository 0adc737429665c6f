//! What a worker wants from others: bans to be carried out, questions to be answered. Bounded; what does not fit is
//! dropped and counted, and the worker goes on.
use crate::offence::Sentence;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};
use weir_meter::Unshaken;
use weir_policy::Call;
use weir_reactor::Counters;

/// Bans that may wait to be fetched.
const BANS_MAX: usize = 1024;
/// Questions that may wait to be fetched.
const QUESTIONS_MAX: usize = 256;

/// Failed handshakes that may wait to be told of.
const MISHAPS_MAX: usize = 64;

/// A question that an exchange waits for.
#[derive(Clone, Debug)]
pub struct Question {
    /// What the answer is given by.
    pub ticket: u64,
    /// What is asked.
    pub call: Call,
}

/// A handshake of TLS with a client that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mishap {
    /// The client.
    pub peer: SocketAddr,
    /// The server name that it asked for, if it came to that.
    pub server_name: Option<Box<str>>,
    /// What it is counted as.
    pub why: Unshaken,
    /// What went wrong, in words.
    pub said: String,
    /// Failures since the last that was told of, which were too many to be told of.
    pub untold: u32,
}

/// What one worker has to hand out; other threads fetch it.
#[derive(Default)]
pub(crate) struct Outlet {
    bans: Mutex<VecDeque<Sentence>>,
    questions: Mutex<VecDeque<Question>>,
    mishaps: Mutex<VecDeque<Mishap>>,
    generation: AtomicU64,
    /// How often the worker was asked whether it lives, and how often it has said so.
    asked: AtomicU64,
    said: AtomicU64,
    /// What its reactor had counted then.
    counters: Mutex<Counters>,
}

impl Outlet {
    /// False if too many wait already.
    pub(crate) fn ban(&self, ban: Sentence) -> bool {
        push(&self.bans, ban, BANS_MAX)
    }

    pub(crate) fn take_bans(&self) -> Vec<Sentence> {
        take(&self.bans)
    }

    /// False if too many wait already.
    pub(crate) fn mishap(&self, mishap: Mishap) -> bool {
        push(&self.mishaps, mishap, MISHAPS_MAX)
    }

    pub(crate) fn take_mishaps(&self) -> Vec<Mishap> {
        take(&self.mishaps)
    }

    /// The worker serves by this generation of the configuration.
    pub(crate) fn adopted(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the worker has answered since it was last asked; it is to be asked anew then.
    pub(crate) fn has_beaten(&self) -> bool {
        let (asked, said) = (self.asked.load(Ordering::Acquire), self.said.load(Ordering::Acquire));
        let beaten = asked == said;
        if beaten {
            self.asked.store(asked + 1, Ordering::Release);
        }
        beaten
    }

    pub(crate) fn beat(&self, counters: Counters) {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
        self.said.fetch_add(1, Ordering::AcqRel);
    }

    fn ask(&self, question: Question) -> bool {
        push(&self.questions, question, QUESTIONS_MAX)
    }

    pub(crate) fn take_questions(&self) -> Vec<Question> {
        take(&self.questions)
    }
}

fn push<T>(queue: &Mutex<VecDeque<T>>, one: T, max: usize) -> bool {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = queue.len() < max;
    if fits {
        queue.push_back(one);
    }
    fits
}

fn take<T>(queue: &Mutex<VecDeque<T>>) -> Vec<T> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}

/// The exchanges of one worker that wait for an answer.
#[derive(Default)]
pub(crate) struct Waiting {
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Option<Waker>>>,
}

impl Waiting {
    /// Asks, and waits until somebody says that the answer is there. Returns at once if the question does not fit.
    pub(crate) async fn ask(&self, outlet: &Outlet, call: Call) {
        let ticket = self.next.get();
        self.next.set(ticket.wrapping_add(1));
        if !outlet.ask(Question { ticket, call }) {
            return;
        }
        self.open.borrow_mut().insert(ticket, None);
        let _end = End { waiting: self, ticket };
        poll_fn(|cx| match self.open.borrow_mut().get_mut(&ticket) {
            None => Poll::Ready(()),
            Some(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    /// The answer to a question is where the one who asked will look for it.
    pub(crate) fn answered(&self, ticket: u64) {
        if let Some(Some(waker)) = self.open.borrow_mut().remove(&ticket) {
            waker.wake();
        }
    }
}

/// Closes a question whose asker is gone.
struct End<'a> {
    waiting: &'a Waiting,
    ticket: u64,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.waiting.open.borrow_mut().remove(&self.ticket);
    }
}
