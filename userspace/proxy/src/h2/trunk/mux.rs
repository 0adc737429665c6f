//! One multiplexed connection, as the exchanges on it see it. Frames are gathered in one buffer, which its task sends when
//! all exchanges of a turn have written theirs.
use super::{
    patience::Patience,
    receive::Block,
    strand::{Strand, WINDOW},
    strands::Strands,
};
use crate::fault::Broken;
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use weir_message::h2::{Code, Frame, Setting, Settings, hpack};
use weir_reactor::now;

/// Streams at once on one connection, if the target allows as many.
pub(super) const STREAMS_MAX: u32 = 250;
/// The window of a connection: a client that does not read may not hold up the others.
pub(super) const CONNECTION_WINDOW: u32 = STREAMS_MAX * WINDOW;
/// Bytes that a connection holds for a target that does not read, before bodies wait.
pub(super) const OUT_MAX: usize = 128 * 1024;
/// The largest head of an answer, as it is counted by HTTP/2.
pub(super) const HEAD_MAX: usize = 64 * 1024;
/// The fields that a target may have us remember, in bytes (RFC 9113, section 6.5.2).
const TABLE_MAX: usize = 4096;

/// A connection.
pub(super) struct Mux {
    pub(super) state: RefCell<State>,
    /// The task that keeps it going.
    pub(super) driver: Cell<Option<Waker>>,
    /// When something last came from the target.
    pub(super) heard: Cell<Instant>,
    /// The target is to be asked whether it lives.
    pub(super) ask: Cell<bool>,
    /// The question has been sent, and is not answered.
    pub(super) unanswered: Cell<bool>,
    /// It gets no new request before it has answered.
    pub(super) doubted: Cell<bool>,
}

pub(super) struct State {
    /// Frames that are to be sent.
    pub(super) out: Vec<u8>,
    /// Somebody waits until these are fewer.
    pub(super) crowded: bool,
    pub(super) decoder: hpack::Decoder,
    pub(super) strands: Strands,
    /// What the target says about itself; none before it has.
    pub(super) settings: Option<Settings>,
    pub(super) greeting: Option<Waker>,
    /// Bytes of bodies that the target takes, of all streams together.
    pub(super) window: i64,
    /// Bytes that came and whose room the target was not told about.
    pub(super) room: u32,
    pub(super) next_id: u32,
    /// The head that is being received.
    pub(super) block: Option<Block>,
    pub(super) patience: Patience,
    /// It takes no new request.
    pub(super) leaving: bool,
    /// Nothing more will be sent than what waits.
    pub(super) finishing: bool,
    pub(super) ended: bool,
}

impl Mux {
    /// A connection on which nothing was sent, with what it begins with (RFC 9113, section 3.4).
    pub(super) fn new() -> Rc<Mux> {
        let mut out = crate::h2::PREFACE.to_vec();
        let head_max = u32::try_from(HEAD_MAX).unwrap_or(u32::MAX);
        let told = [
            (Setting::EnablePush, 0),
            (Setting::InitialWindowSize, WINDOW),
            (Setting::MaxHeaderListSize, head_max),
        ];
        Settings::write(&told, &mut out);
        let usual = Settings::default().window;
        Frame::write_window(0, CONNECTION_WINDOW - usual, &mut out);
        Rc::new(Mux {
            state: RefCell::new(State {
                out,
                crowded: false,
                decoder: hpack::Decoder::new(TABLE_MAX),
                strands: Strands::default(),
                settings: None,
                greeting: None,
                window: i64::from(usual),
                room: 0,
                next_id: 1,
                block: None,
                patience: Patience::new(),
                leaving: false,
                finishing: false,
                ended: false,
            }),
            driver: Cell::new(None),
            heard: Cell::new(now()),
            ask: Cell::new(false),
            unanswered: Cell::new(false),
            doubted: Cell::new(false),
        })
    }

    /// Waits until the target has said that it takes requests.
    pub(super) fn poll_greeted(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if state.settings.is_some_and(|settings| settings.streams_max > 0) {
            return Poll::Ready(Ok(()));
        }
        state.greeting = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Whether new requests may be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.state.borrow().leaving
    }

    /// Streams at once that the target takes.
    pub(super) fn streams_max(&self) -> u32 {
        self.state.borrow().settings.map_or(0, |settings| settings.streams_max.min(STREAMS_MAX))
    }

    /// Has the target asked whether it lives.
    pub(super) fn ask(&self) {
        self.ask.set(true);
        self.wake();
    }

    /// Says goodbye; nobody needs the connection any more.
    pub(super) fn finish(&self) {
        self.state.borrow_mut().farewell(Code::NO_ERROR);
        self.wake();
    }

    pub(super) fn wake(&self) {
        self.driver.take().into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Says that the connection ends, and why.
    pub(super) fn farewell(&mut self, code: Code) {
        if !self.finishing {
            (self.leaving, self.finishing) = (true, true);
            // RFC 9113, section 6.8: the last stream that the peer has begun, and targets begin none.
            Frame::write_go_away(0, code, &mut self.out);
        }
    }

    /// Ends a stream that cannot go on.
    pub(super) fn break_off(&mut self, id: u32, code: Code, broken: Broken) {
        let Some(strand) = self.strands.find(id).filter(|strand| strand.failed.is_none()) else { return };
        strand.fail(broken);
        Frame::write_reset(id, code, &mut self.out);
    }

    /// Wakes everyone who waits for room to send a body in.
    pub(super) fn wake_senders(&mut self) {
        self.strands.for_each(Strand::wake_sender);
    }
}
