//! What clients and origins have seen of a world.
use crate::dice::Dice;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

/// How an origin answers. It is part of the path, so that whoever gets the answer knows what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A body of known length.
    Whole,
    /// A body in chunks.
    Chunked,
    /// A body that ends with its connection.
    Close,
    /// After interim answers.
    Hints,
    /// Before the body of the request has come.
    Early,
    /// The first half of the body.
    Cut,
    /// Nothing that HTTP knows.
    Nonsense,
    /// Not at all.
    Silent,
}

const HOWS: [How; 8] =
    [How::Whole, How::Chunked, How::Close, How::Hints, How::Early, How::Cut, How::Nonsense, How::Silent];

/// One request of a client.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    pub id: u64,
    pub how: How,
    /// Bytes of the answer's body.
    pub size: usize,
    /// Bytes of the request's body.
    pub upload: usize,
    /// The client goes away after this share of its request, in eighths, or in the middle of the answer at 8.
    pub leaves: Option<usize>,
}

impl Wish {
    pub fn new(id: u64, dice: &mut Dice, leavers: bool) -> Wish {
        let how = if dice.one_in(3) { dice.pick(&HOWS) } else { dice.pick(&HOWS[..4]) };
        let size = dice.pick(&[0, 1, 100, 5_000, 40_000, 150_000]);
        let upload = dice.pick(&[0, 0, 0, 1, 3_000, 50_000]);
        let leaves = (leavers && dice.one_in(6)).then(|| dice.below(9));
        Wish { id, how, size, upload, leaves }
    }

    pub fn method(&self) -> &'static str {
        if self.upload == 0 { "GET" } else { "POST" }
    }

    pub fn path(&self) -> String {
        format!("/{:?}/{}/{}", self.how, self.id, self.size)
    }

    /// What a path asks for.
    pub fn parse(path: &str) -> Option<(How, u64, usize)> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let word = parts.next()?;
        let how = HOWS.into_iter().find(|how| format!("{how:?}") == word)?;
        Some((how, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// Bytes that belong to one request and no other.
pub fn pattern(id: u64, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at as u64 * 31 + id * 7 + (at as u64 >> 8)) as u8).collect()
}

/// How the exchanges of a world ended for their clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Answered by the origin, and whole.
    pub whole: u64,
    /// An answer that visibly stopped in the middle.
    pub cut: u64,
    /// No answer, because of the network or because the client left.
    pub lost: u64,
    /// 4xx of the proxy.
    pub refused: u64,
    /// 502 and 503 of the proxy.
    pub failed: u64,
    /// 504 of the proxy.
    pub late: u64,
    /// Connections that served more than one request.
    pub resumed: u64,
    pub reloads: u64,
    /// In which the events of the world came, as a number.
    pub trace: u64,
}

impl Ended {
    pub fn add(&mut self, more: &Ended) {
        self.whole += more.whole;
        self.cut += more.cut;
        self.lost += more.lost;
        self.refused += more.refused;
        self.failed += more.failed;
        self.late += more.late;
        self.resumed += more.resumed;
        self.reloads += more.reloads;
    }

    /// Exchanges that a client has seen to their end.
    pub fn answered(&self) -> u64 {
        self.whole + self.cut + self.refused + self.failed + self.late
    }
}

/// What everybody in a world writes down.
#[derive(Default)]
pub struct Tally {
    pub ended: RefCell<Ended>,
    /// Requests of which at least a byte was sent.
    pub begun: Cell<u64>,
    /// Requests that were sent whole, and waited for.
    pub sure: Cell<u64>,
    /// Bodies that origins were sent, by request.
    pub posted: RefCell<HashSet<u64>>,
    /// What must never happen and did.
    pub wrong: RefCell<Vec<String>>,
}

impl Tally {
    pub fn wrong(&self, what: String) {
        self.wrong.borrow_mut().push(what);
    }

    /// An origin sees a request. One that is not idempotent comes once at most.
    pub fn arrived(&self, method: &str, id: u64) {
        if method == "POST" && !self.posted.borrow_mut().insert(id) {
            self.wrong(format!("{id} was posted twice"));
        }
    }

    /// A client has an answer with this status, or none; the body is whole unless it is missing.
    pub fn ended(&self, wish: &Wish, status: Option<u16>, body: Option<&[u8]>) {
        let mut ended = self.ended.borrow_mut();
        let Some(status) = status else { return ended.lost += 1 };
        let counter = match (status, body) {
            (_, None) => &mut ended.cut,
            (200, Some(_)) => &mut ended.whole,
            (502 | 503, _) => &mut ended.failed,
            (504, _) => &mut ended.late,
            (400..=499, _) => &mut ended.refused,
            _ => return self.wrong(format!("{wish:?} was answered with {status}")),
        };
        *counter += 1;
        let unanswerable = matches!(wish.how, How::Cut | How::Nonsense | How::Silent);
        if status == 200
            && let Some(body) = body
            && (body != pattern(wish.id, wish.size) || unanswerable && wish.size > 0)
        {
            self.wrong(format!("{wish:?} was answered with {} other bytes", body.len()));
        }
    }
}
