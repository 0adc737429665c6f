//! The chunked coding (RFC 9112, section 7.1), without I/O: a decoder that takes bytes as they come, and a writer.
//!
//! Extensions are checked, counted and dropped. White space that the grammar only tolerates is refused.
use crate::{Error, Head, Limits, head::is_token_byte, trailer, uri::hex_digit};
use std::ops::Range;

/// More digits than `u64` needs are refused, leading zeros or not.
const SIZE_DIGITS_MAX: u8 = 16;

/// What one call of [`Decoder::decode`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are done with.
    pub used: usize,
    /// The part of the input that is body; ends at `used` or before.
    pub data: Range<usize>,
    /// Whether the body is complete, trailers included.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    SizeStart,
    Size,
    ExtensionName {
        empty: bool,
    },
    ExtensionValue {
        empty: bool,
    },
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    Done,
}

/// Decodes one body. [`Decoder::restart`] makes it ready for the next and keeps its memory.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    digits: u8,
    left: u64,
    extensions: usize,
    section: Vec<u8>,
}

impl Decoder {
    /// Forgets the last body.
    pub fn restart(&mut self) {
        let mut section = std::mem::take(&mut self.section);
        section.clear();
        *self = Decoder { section, ..Decoder::default() };
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes input up to the end of the next piece of data, or as much as there is. Call again with what is
    /// left until `used` is zero or the body is done.
    pub fn decode(&mut self, input: &[u8], limits: &Limits) -> Result<Step, Error> {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            if self.state == State::Data {
                return Ok(self.take_data(used, input.len()));
            }
            if self.state == State::Done {
                break;
            }
            self.accept(byte, limits)?;
            used += 1;
        }
        Ok(Step { used, data: used..used, done: self.is_done() })
    }

    /// Whether the input, which follows what was decoded, holds more of the body or its end. If not, all of it may be decoded
    /// and there is still something to wait for. Where only trailers are missing the answer may be no before it must.
    pub fn goes_on(&self, input: &[u8], limits: &Limits) -> bool {
        let Decoder { state, digits, left, extensions, .. } = *self;
        if state == State::Trailer {
            return false;
        }
        let mut ahead = Decoder { state, digits, left, extensions, section: Vec::new() };
        for (at, &byte) in input.iter().enumerate() {
            match ahead.state {
                State::Data | State::Done => return true,
                State::Trailer => return holds_section(input.get(at..).unwrap_or_default()),
                _ => {}
            }
            if ahead.accept(byte, limits).is_err() {
                return true;
            }
        }
        false
    }

    /// The allowed trailers of a body that is done.
    pub fn trailers(&self, head: &mut Head) -> Result<(), Error> {
        if self.section.len() <= 2 {
            head.clear();
            return Ok(());
        }
        trailer::parse(&self.section, head)
    }

    fn take_data(&mut self, start: usize, available: usize) -> Step {
        let room = available - start;
        let taken = usize::try_from(self.left).map_or(room, |left| left.min(room));
        self.left -= taken as u64;
        if self.left == 0 {
            self.state = State::DataCr;
        }
        Step { used: start + taken, data: start..start + taken, done: false }
    }

    /// One byte outside of data.
    fn accept(&mut self, byte: u8, limits: &Limits) -> Result<(), Error> {
        self.state = match (self.state, byte) {
            (State::SizeStart | State::Size, byte) => self.accept_size(byte)?,
            (State::SizeLf, b'\n') if self.left == 0 => State::Trailer,
            (State::SizeLf, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => {
                self.digits = 0;
                State::SizeStart
            }
            (State::SizeLf | State::DataCr | State::DataLf, _) => return Err(Error::Chunk),
            (State::Trailer, byte) => return self.accept_trailer(byte, limits),
            (state, byte) => self.accept_extension(state, byte, limits)?,
        };
        Ok(())
    }

    fn accept_size(&mut self, byte: u8) -> Result<State, Error> {
        match (hex_digit(byte), byte) {
            (Some(_), _) if self.digits == SIZE_DIGITS_MAX => Err(Error::Chunk),
            (Some(digit), _) => {
                self.digits += 1;
                self.left = self.left << 4 | u64::from(digit);
                Ok(State::Size)
            }
            (None, _) if self.state == State::SizeStart => Err(Error::Chunk),
            // A size near the end of the range would be met by no sender; it only serves to overflow someone.
            _ if self.left > u64::MAX >> 1 => Err(Error::Chunk),
            (None, b'\r') => Ok(State::SizeLf),
            (None, b';') => Ok(State::ExtensionName { empty: true }),
            _ => Err(Error::Chunk),
        }
    }

    /// RFC 9112, section 7.1.1: `;name`, `;name=token` or `;name="quoted"`, without white space around.
    fn accept_extension(&mut self, state: State, byte: u8, limits: &Limits) -> Result<State, Error> {
        self.extensions += 1;
        if self.extensions > limits.extensions_max {
            return Err(Error::ChunkExtension);
        }
        match (state, byte) {
            (State::ExtensionName { .. }, byte) if is_token_byte(byte) => {
                Ok(State::ExtensionName { empty: false })
            }
            (State::ExtensionName { empty: false }, b'=') => Ok(State::ExtensionValue { empty: true }),
            (State::ExtensionValue { empty: true }, b'"') => Ok(State::Quoted),
            (State::ExtensionValue { .. }, byte) if is_token_byte(byte) => {
                Ok(State::ExtensionValue { empty: false })
            }
            (State::Quoted, b'"') => Ok(State::AfterQuoted),
            (State::Quoted, b'\\') => Ok(State::QuotedPair),
            (State::Quoted | State::QuotedPair, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::Quoted),
            (
                State::ExtensionName { empty: false }
                | State::ExtensionValue { empty: false }
                | State::AfterQuoted,
                b'\r',
            ) => Ok(State::SizeLf),
            (
                State::ExtensionName { empty: false }
                | State::ExtensionValue { empty: false }
                | State::AfterQuoted,
                b';',
            ) => Ok(State::ExtensionName { empty: true }),
            _ => Err(Error::ChunkExtension),
        }
    }

    /// Collects the section up to its empty line, and checks it there.
    fn accept_trailer(&mut self, byte: u8, limits: &Limits) -> Result<(), Error> {
        let bare_cr = self.section.last() == Some(&b'\r') && byte != b'\n';
        self.section.push(byte);
        if bare_cr || self.section.len() > limits.trailers_max {
            return Err(Error::Trailer);
        }
        if byte != b'\n' {
            return Ok(());
        }
        if !self.section.ends_with(b"\r\n") {
            return Err(Error::Trailer);
        }
        if self.section == b"\r\n" || self.section.ends_with(b"\r\n\r\n") {
            if self.section.len() > 2 {
                trailer::parse(&self.section, &mut Head::default())?;
            }
            self.state = State::Done;
        }
        Ok(())
    }
}

/// Writes the size line of a chunk. The data and [`CHUNK_END`] follow it.
pub fn write_size(size: usize, out: &mut Vec<u8>) {
    let digits = size.checked_ilog2().unwrap_or(0) / 4;
    for place in (0..=digits).rev() {
        let nibble = u8::try_from(size >> (place * 4) & 0xf).unwrap_or(0);
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes one chunk; nothing for empty data, which would end the body.
pub fn write_chunk(data: &[u8], out: &mut Vec<u8>) {
    if data.is_empty() {
        return;
    }
    write_size(data.len(), out);
    out.extend_from_slice(data);
    out.extend_from_slice(CHUNK_END);
}

/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// Writes the last chunk with these trailers.
pub fn write_last(trailers: Option<&Head>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(trailers) = trailers {
        trailers.write(out);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a trailer section that begins here ends here as well.
fn holds_section(text: &[u8]) -> bool {
    text.starts_with(b"\r\n") || text.windows(4).any(|four| four == b"\r\n\r\n")
}

#[cfg(test)]
mod tests;
