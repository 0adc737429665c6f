//! What a client of HTTP/2 may make us do for nothing.
//!
//! Every frame that asks for work and brings no request forward costs credit, which comes back with time and with real
//! traffic. Only the nine bytes before each frame are looked at, before the library sees any of them.
use super::credit::Credit;
use crate::pipe::Pipe;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weir_meter::Flood;
use weir_reactor::now;

/// Credit for frames that bring nothing forward, at the beginning and at most.
const IDLE_MAX: u64 = 2000;
/// How much of it comes back in a second.
const IDLE_PER_SECOND: u64 = 200;
/// Streams that a client may reset at once.
const RESETS_MAX: u64 = 200;
/// How many more in a second.
const RESETS_PER_SECOND: u64 = 50;
/// Frames of one header block. The library has a limit too, which empty ones pass under.
const CONTINUATIONS_MAX: u32 = 32;
/// What a new stream gives back: clients say a few things around each request.
const STREAM_WORTH: u64 = 4;
/// Bytes, either way, that give one back: windows are opened and pings sent as data flows.
const BYTES_WORTH: usize = 256;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const FRAME_HEAD: usize = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Where a connection stands in its frames.
struct Guard {
    /// Bytes of the preface or of a payload that are still to pass.
    skip: usize,
    head: [u8; FRAME_HEAD],
    have: usize,
    newest_stream: u32,
    /// The header block that is being received: since when, and how many frames it has had.
    block: Option<(Instant, u32)>,
    block_time_max: Duration,
    idle: Credit,
    resets: Credit,
    earned_until: Instant,
    written: usize,
    /// Streams that the client has reset and nobody has counted yet.
    gave_up: u64,
}

impl Guard {
    fn new(block_time_max: Duration) -> Guard {
        Guard {
            skip: super::PREFACE.len(),
            head: [0; FRAME_HEAD],
            have: 0,
            newest_stream: 0,
            block: None,
            block_time_max,
            idle: Credit::new(IDLE_MAX),
            resets: Credit::new(RESETS_MAX),
            earned_until: now(),
            written: 0,
            gave_up: 0,
        }
    }

    /// Looks at what came. The flood that it is, if it is one.
    fn look(&mut self, mut bytes: &[u8], at: Instant) -> Result<(), Flood> {
        self.rest(at);
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let taken = bytes.len().min(FRAME_HEAD - self.have);
            let (news, rest) = bytes.split_at_checked(taken).unwrap_or_default();
            if let Some(place) = self.head.get_mut(self.have..self.have + taken) {
                place.copy_from_slice(news);
            }
            (self.have, bytes) = (self.have + taken, rest);
            if self.have == FRAME_HEAD {
                self.have = 0;
                self.frame(at)?;
            }
        }
        Ok(())
    }

    /// What comes back with time.
    fn rest(&mut self, at: Instant) {
        let elapsed = at.saturating_duration_since(self.earned_until).as_millis();
        let elapsed_ms = u64::try_from(elapsed).unwrap_or(u64::MAX).min(60_000);
        let (idle, resets) = (elapsed_ms * IDLE_PER_SECOND / 1000, elapsed_ms * RESETS_PER_SECOND / 1000);
        if resets > 0 {
            self.idle.earn(idle);
            self.resets.earn(resets);
            self.earned_until = at;
        }
    }

    /// Judges the frame whose head has been read.
    fn frame(&mut self, at: Instant) -> Result<(), Flood> {
        let [a, b, c, kind, flags, d, e, f, g] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        self.skip = usize::try_from(length).unwrap_or(usize::MAX);
        let stream = u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff;
        let ends = flags & END_STREAM != 0;
        match kind {
            DATA if length == 0 && !ends => self.spend(10, Flood::Empty),
            DATA => {
                self.idle.earn(u64::from(length) / BYTES_WORTH as u64);
                Ok(())
            }
            HEADERS => {
                if stream > self.newest_stream {
                    self.newest_stream = stream;
                    self.idle.earn(STREAM_WORTH);
                }
                self.block = (flags & END_HEADERS == 0).then_some((at, 0));
                Ok(())
            }
            CONTINUATION => self.continuation(flags & END_HEADERS != 0, length, at),
            RST_STREAM => {
                self.gave_up += 1;
                if self.resets.spend(1) { Ok(()) } else { Err(Flood::Reset) }
            }
            SETTINGS => self.spend(10, Flood::Settings),
            PING => self.spend(2, Flood::Ping),
            PRIORITY => self.spend(1, Flood::Priority),
            WINDOW_UPDATE => self.spend(1, Flood::Window),
            _ => self.spend(2, Flood::Other),
        }
    }

    fn continuation(&mut self, ends: bool, length: u32, at: Instant) -> Result<(), Flood> {
        let Some((since, frames)) = self.block else { return Ok(()) };
        let late = at.saturating_duration_since(since) > self.block_time_max;
        if frames >= CONTINUATIONS_MAX || late {
            return Err(Flood::Continuation);
        }
        self.block = (!ends).then_some((since, frames + 1));
        if length == 0 { self.spend(10, Flood::Empty) } else { Ok(()) }
    }

    fn spend(&mut self, cost: u64, flood: Flood) -> Result<(), Flood> {
        if self.idle.spend(cost) { Ok(()) } else { Err(flood) }
    }

    fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        self.idle.earn((self.written / BYTES_WORTH) as u64);
        self.written %= BYTES_WORTH;
    }
}

/// Where a flood is noticed by those who can end the connection.
#[derive(Default)]
pub(super) struct Alarm {
    flood: Cell<Option<Flood>>,
    gave_up: Cell<u64>,
}

impl Alarm {
    pub(super) fn flood(&self) -> Option<Flood> {
        self.flood.get()
    }

    /// Streams that the client has reset since the last time.
    pub(super) fn take_gave_up(&self) -> u64 {
        self.gave_up.take()
    }
}

/// A connection that is looked at while it is read. After a flood nothing more is read.
pub(super) struct Guarded {
    pipe: Pipe,
    guard: Guard,
    alarm: Rc<Alarm>,
}

impl Guarded {
    pub(super) fn new(pipe: Pipe, alarm: Rc<Alarm>, block_time_max: Duration) -> Guarded {
        Guarded { pipe, guard: Guard::new(block_time_max), alarm }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.alarm.flood().is_some() {
            return Poll::Pending;
        }
        let before = into.filled().len();
        let read = Pin::new(&mut this.pipe).poll_read(cx, into);
        let news = into.filled().get(before..).unwrap_or_default();
        if let Err(flood) = this.guard.look(news, now()) {
            this.alarm.flood.set(Some(flood));
        }
        this.alarm.gave_up.set(this.alarm.gave_up.get() + std::mem::take(&mut this.guard.gave_up));
        read
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.pipe).poll_write(cx, data);
        if let Poll::Ready(Ok(bytes)) = &wrote {
            this.guard.wrote(*bytes);
        }
        wrote
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_shutdown(cx)
    }
}
