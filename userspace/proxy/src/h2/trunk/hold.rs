//! An exchange's hold on a stream: the stream lives until all halves have let go.
use super::{
    mux::{Mux, OUT_MAX, State},
    strand::Strand,
};
use crate::fault::{Broken, Fault};
use std::rc::Rc;
use std::task::{Context, Poll};
use weir_message::h2::{self, Code, END_STREAM, Frame, Kind, hpack};
use weir_message::{Head, Request};

/// Streams of one connection, over its life, have numbers up to this (RFC 9113, section 5.1.1).
const ID_MAX: u32 = 0x7fff_ffff;

/// A stream, held by one half.
pub(super) struct Hold {
    mux: Rc<Mux>,
    place: usize,
}

impl Hold {
    /// Begins a stream with the head of a request. What is to become a tunnel stays open behind it.
    pub(super) fn begin(mux: &Rc<Mux>, request: &Request, tunnel: bool) -> Result<Hold, Fault> {
        let mut borrowed = mux.state.borrow_mut();
        let state = &mut *borrowed;
        let settings = state.settings.filter(|_| !state.leaving);
        // What cannot be sent was not acted on: the connection has ended, or its target has said goodbye.
        let settings = settings.ok_or(Fault::UpstreamRefused)?;
        if tunnel && !settings.connects {
            return Err(Fault::NoTunnel);
        }
        let (id, ends) = (state.next_id, request.framing.is_empty() && !tunnel);
        state.next_id += 2;
        state.leaving |= state.next_id > ID_MAX;
        state.patience.begun();
        let place = state.strands.begin(id, request.method, settings.window);
        if let Some(strand) = state.strands.at(place) {
            strand.sending.ended = ends;
        }
        h2::write_head((id, ends), settings.length_max as usize, &mut state.out, |out| {
            if id == 1 {
                hpack::begin(out);
            }
            if tunnel {
                h2::write_connect(request, out);
            } else {
                h2::write_request(request, out);
            }
        });
        drop(borrowed);
        mux.wake();
        Ok(Hold { mux: Rc::clone(mux), place })
    }

    /// For the other half.
    pub(super) fn share(&self) -> Hold {
        self.with(|strand| strand.holders += 1);
        Hold { mux: Rc::clone(&self.mux), place: self.place }
    }

    /// Does something with the stream, whose place is there as long as it is held.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Strand) -> T) -> Option<T> {
        self.mux.state.borrow_mut().strands.at(self.place).map(act)
    }

    /// As [`Hold::with`], for something that may have to wait.
    pub(super) fn poll<T>(
        &self,
        act: impl FnOnce(&mut Strand) -> Poll<Result<T, Broken>>,
    ) -> Poll<Result<T, Broken>> {
        self.with(act).unwrap_or(Poll::Ready(Err(Broken::Gone)))
    }

    /// Tells the target that it may send so much more.
    pub(super) fn open_window(&self, room: u32) {
        let mut state = self.mux.state.borrow_mut();
        let Some(id) = state.strands.at(self.place).map(|strand| strand.id) else { return };
        Frame::write_window(id, room, &mut state.out);
        drop(state);
        self.mux.wake();
    }

    /// Sends what is held, as the windows allow; `last` ends the request with it.
    pub(super) fn poll_send(&self, last: bool, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut state = self.mux.state.borrow_mut();
        let written = state.out.len();
        let done = state.poll_send(self.place, last, cx);
        let has_more = state.out.len() > written;
        drop(state);
        if has_more {
            self.mux.wake();
        }
        done
    }

    /// Ends the request with trailers.
    pub(super) fn send_trailers(&self, trailers: &Head) {
        let mut borrowed = self.mux.state.borrow_mut();
        let state = &mut *borrowed;
        let length_max = state.settings.unwrap_or_default().length_max;
        let Some(strand) = state.strands.at(self.place) else { return };
        strand.sending.ended = true;
        h2::write_head((strand.id, true), length_max as usize, &mut state.out, |out| {
            h2::write_trailers(trailers, out);
        });
        drop(borrowed);
        self.mux.wake();
    }
}

impl State {
    fn poll_send(&mut self, place: usize, last: bool, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let length_max = i64::from(self.settings.unwrap_or_default().length_max);
        loop {
            let Some(strand) = self.strands.at(place) else { return Poll::Ready(Err(Broken::Gone)) };
            let sending = &mut strand.sending;
            if sending.unwanted || strand.failed.is_some() {
                return Poll::Ready(Err(strand.failed.unwrap_or(Broken::Gone)));
            }
            let waits = sending.held.get(sending.sent..).unwrap_or_default();
            if waits.is_empty() && (sending.ended || !last) {
                sending.held.clear();
                sending.sent = 0;
                return Poll::Ready(Ok(()));
            }
            let windows = self.window.min(sending.window).min(length_max);
            let space = OUT_MAX.saturating_sub(self.out.len());
            let room = usize::try_from(windows).unwrap_or(0).min(space).min(waits.len());
            if room == 0 && !waits.is_empty() {
                self.crowded |= space == 0;
                sending.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let ends = last && room == waits.len();
            let flags = if ends { END_STREAM } else { 0 };
            Frame::write(Kind::Data, flags, strand.id, waits.get(..room).unwrap_or_default(), &mut self.out);
            let bytes = i64::try_from(room).unwrap_or(i64::MAX);
            self.window -= bytes;
            sending.window -= bytes;
            sending.sent += room;
            sending.ended = ends;
            self.patience.moved(room);
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut borrowed = self.mux.state.borrow_mut();
        let state = &mut *borrowed;
        let Some(strand) = state.strands.at(self.place) else { return };
        strand.holders -= 1;
        if strand.holders > 0 {
            return;
        }
        let is_over = strand.sending.unwanted || state.ended || (strand.ended && strand.sending.ended);
        if !is_over {
            // Nobody wants the rest of the answer, or has more of the request.
            Frame::write_reset(strand.id, Code::CANCEL, &mut state.out);
        }
        state.strands.release(self.place);
        drop(borrowed);
        if !is_over {
            self.mux.wake();
        }
    }
}
