//! Frames of a target, one after the other (RFC 9113, section 6). An error ends the connection with that code; what is
//! wrong with one stream ends that stream.
use super::mux::{CONNECTION_WINDOW, HEAD_MAX, Mux, State};
use crate::fault::Broken;
use std::task::Waker;
use weir_message::h2::{
    self, ACK, AnswerReader, Code, END_HEADERS, END_STREAM, Frame, Kind, LENGTH_MAX, hpack,
};
use weir_message::{Error, Response};

/// Frames of one head beyond its first.
const CONTINUATIONS_MAX: u32 = 32;
/// The largest window there may be (section 6.9.1).
const WINDOW_MAX: i64 = 0x7fff_ffff;
/// A head of which some frames have come.
pub(super) struct Block {
    stream: u32,
    ends: bool,
    text: Vec<u8>,
    continuations: u32,
}

impl Mux {
    /// Takes in a frame.
    pub(super) fn receive(&self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        let state = &mut *self.state.borrow_mut();
        let is_awaited = state.block.as_ref().is_none_or(|block| {
            // Section 6.10: nothing may come between the frames of a head.
            frame.kind == Kind::Continuation && frame.stream == block.stream
        });
        // Section 3.4: the settings come first.
        if !is_awaited || (state.settings.is_none() && frame.kind != Kind::Settings) {
            return Err(Code::PROTOCOL_ERROR);
        }
        match frame.kind {
            Kind::Data => state.data(frame, payload),
            Kind::Headers => state.headers(frame, payload),
            Kind::Continuation => state.continuation(frame, payload),
            Kind::ResetStream => state.reset(frame, payload),
            Kind::Settings => state.settings(frame, payload),
            Kind::Ping => self.ping(state, frame, payload),
            Kind::GoAway => state.go_away(frame, payload),
            Kind::WindowUpdate => state.window_update(frame, payload),
            // Nothing was asked for that could be pushed.
            Kind::PushPromise => Err(Code::PROTOCOL_ERROR),
            Kind::Priority if payload.len() != 5 => Err(Code::FRAME_SIZE_ERROR),
            Kind::Priority | Kind::Unknown => state.patience.spend(),
        }
    }

    fn ping(&self, state: &mut State, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        state.patience.spend()?;
        if payload.len() != 8 {
            return Err(Code::FRAME_SIZE_ERROR);
        }
        of_connection(frame)?;
        if frame.has(ACK) {
            self.doubted.set(false);
            self.unanswered.set(false);
        } else {
            Frame::write(Kind::Ping, ACK, 0, payload, &mut state.out);
        }
        Ok(())
    }
}

impl State {
    /// Section 5.1: a stream that we have not begun yet is idle, and even ones are the target's, which begins none.
    fn of_stream(&self, frame: Frame) -> Result<(), Code> {
        if frame.stream % 2 == 1 && frame.stream < self.next_id { Ok(()) } else { Err(Code::PROTOCOL_ERROR) }
    }

    fn data(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        self.of_stream(frame)?;
        let data = h2::unpadded(frame, payload).ok_or(Code::PROTOCOL_ERROR)?;
        self.room += frame.length;
        if self.room >= CONNECTION_WINDOW / 2 {
            Frame::write_window(0, std::mem::take(&mut self.room), &mut self.out);
        }
        let Some(strand) = self.strands.find(frame.stream).filter(|strand| strand.failed.is_none()) else {
            return self.patience.spend();
        };
        if strand.ended {
            return Err(Code::STREAM_CLOSED);
        }
        if data.is_empty() && !frame.has(END_STREAM) {
            self.patience.spend()?;
        }
        self.patience.moved(data.len());
        if !strand.fits(frame.length) {
            self.break_off(frame.stream, Code::FLOW_CONTROL_ERROR, Broken::Gone);
            return Ok(());
        }
        let padding = frame.length - u32::try_from(data.len()).unwrap_or(0);
        let taken = strand.push_data(data, padding);
        let done = taken.and_then(|()| if frame.has(END_STREAM) { strand.end() } else { Ok(()) });
        self.judge(frame.stream, done);
        Ok(())
    }

    /// Section 8.1.1: a malformed answer ends its stream.
    fn judge(&mut self, id: u32, done: Result<(), Error>) {
        if let Err(error) = done {
            self.break_off(id, Code::PROTOCOL_ERROR, Broken::Malformed(error));
        }
    }

    fn headers(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        self.of_stream(frame)?;
        let text = h2::unpadded(frame, payload).ok_or(Code::PROTOCOL_ERROR)?;
        if frame.has(END_HEADERS) {
            return self.whole(frame.stream, frame.has(END_STREAM), text);
        }
        let (stream, ends) = (frame.stream, frame.has(END_STREAM));
        self.block = Some(Block { stream, ends, text: text.to_vec(), continuations: 0 });
        Ok(())
    }

    fn continuation(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        let mut block = self.block.take().ok_or(Code::PROTOCOL_ERROR)?;
        block.continuations += 1;
        let is_too_long = block.text.len() + payload.len() > HEAD_MAX + LENGTH_MAX as usize;
        if block.continuations > CONTINUATIONS_MAX || is_too_long {
            return Err(Code::ENHANCE_YOUR_CALM);
        }
        block.text.extend_from_slice(payload);
        if frame.has(END_HEADERS) {
            return self.whole(block.stream, block.ends, &block.text);
        }
        self.block = Some(block);
        Ok(())
    }

    /// A head, or trailers. It must be read even if nobody wants it, since later ones build on it.
    fn whole(&mut self, id: u32, ends: bool, text: &[u8]) -> Result<(), Code> {
        let State { decoder, strands, .. } = self;
        let Some(strand) = strands.find(id).filter(|strand| strand.failed.is_none()) else {
            self.patience.spend()?;
            return decoder.decode(text, |_, _| {}).map_err(|_| Code::COMPRESSION_ERROR);
        };
        if strand.ended {
            return Err(Code::STREAM_CLOSED);
        }
        let done = if strand.answered {
            let read = read(decoder, text, AnswerReader::of_trailers(&mut strand.trailers, HEAD_MAX))?;
            // Section 8.1: trailers end the stream.
            let ends = if ends { Ok(()) } else { Err(Error::Trailer) };
            read.and(ends).and_then(|()| strand.end())
        } else {
            let mut head: Response = strand.head_memory();
            let read = read(decoder, text, AnswerReader::new(&mut head, HEAD_MAX))?;
            read.and_then(|()| strand.push_head(head, ends))
        };
        self.judge(id, done);
        Ok(())
    }

    fn reset(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        self.of_stream(frame)?;
        let code = number(payload)?;
        match self.strands.find(frame.stream) {
            None => self.patience.spend()?,
            // Section 8.7.
            Some(strand) if Code(code) == Code::REFUSED_STREAM => strand.fail(Broken::Refused),
            Some(strand) => strand.fail(Broken::Gone),
        }
        Ok(())
    }

    fn settings(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        of_connection(frame)?;
        self.patience.spend()?;
        if frame.has(ACK) {
            return if payload.is_empty() { Ok(()) } else { Err(Code::FRAME_SIZE_ERROR) };
        }
        let before = self.settings.unwrap_or_default();
        let mut settings = before;
        settings.read(payload)?;
        self.settings = Some(settings);
        let wider = i64::from(settings.window) - i64::from(before.window);
        let mut overflows = false;
        self.strands.for_each(|strand| {
            strand.sending.window += wider;
            overflows |= strand.sending.window > WINDOW_MAX;
            strand.wake_sender();
        });
        if overflows {
            return Err(Code::FLOW_CONTROL_ERROR);
        }
        Frame::write(Kind::Settings, ACK, 0, &[], &mut self.out);
        self.greeting.take().into_iter().for_each(Waker::wake);
        Ok(())
    }

    fn go_away(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        of_connection(frame)?;
        self.patience.spend()?;
        let (last, _) = payload.split_first_chunk::<4>().ok_or(Code::FRAME_SIZE_ERROR)?;
        let last = u32::from_be_bytes(*last) & 0x7fff_ffff;
        self.leaving = true;
        // Section 6.8: what is above was not acted on.
        self.strands.for_each(|strand| {
            if strand.id > last {
                strand.fail(Broken::Refused);
            }
        });
        Ok(())
    }

    fn window_update(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Code> {
        self.patience.spend()?;
        let increment = i64::from(number(payload)? & 0x7fff_ffff);
        if frame.stream == 0 {
            self.window += increment;
            self.wake_senders();
            return match increment {
                0 => Err(Code::PROTOCOL_ERROR),
                _ if self.window > WINDOW_MAX => Err(Code::FLOW_CONTROL_ERROR),
                _ => Ok(()),
            };
        }
        self.of_stream(frame)?;
        let Some(strand) = self.strands.find(frame.stream) else { return Ok(()) };
        strand.sending.window += increment;
        strand.wake_sender();
        if increment == 0 {
            self.break_off(frame.stream, Code::PROTOCOL_ERROR, Broken::Gone);
        } else if strand.sending.window > WINDOW_MAX {
            self.break_off(frame.stream, Code::FLOW_CONTROL_ERROR, Broken::Gone);
        }
        Ok(())
    }
}

/// Reads a block. What is wrong with its fields is the stream's affair.
fn read(
    decoder: &mut hpack::Decoder,
    text: &[u8],
    mut reader: AnswerReader<'_>,
) -> Result<Result<(), Error>, Code> {
    let decoded = decoder.decode(text, |name, value| reader.take(name, value));
    decoded.map_err(|_| Code::COMPRESSION_ERROR)?;
    Ok(reader.end())
}

/// Frames that speak of the connection name no stream.
fn of_connection(frame: Frame) -> Result<(), Code> {
    if frame.stream == 0 { Ok(()) } else { Err(Code::PROTOCOL_ERROR) }
}

/// A payload that is a number.
fn number(payload: &[u8]) -> Result<u32, Code> {
    payload.try_into().map(u32::from_be_bytes).map_err(|_| Code::FRAME_SIZE_ERROR)
}
