//! What the two ends of a connection tell each other about themselves (RFC 9113, section 6.5).
use super::{Code, Frame, Kind};

/// One thing that is told, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the setting of that name")]
pub enum Setting {
    EnablePush = 2,
    MaxConcurrentStreams = 3,
    InitialWindowSize = 4,
    MaxHeaderListSize = 6,
}

/// What a peer has told about itself, as far as its receiver goes by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Streams that it takes at once.
    pub streams_max: u32,
    /// The window of each new stream.
    pub window: u32,
    /// The longest payload that it takes.
    pub length_max: u32,
    /// It carries other protocols in streams (RFC 8441, section 3).
    pub connects: bool,
}

impl Default for Settings {
    /// Before it has told anything.
    fn default() -> Settings {
        Settings { streams_max: u32::MAX, window: 65_535, length_max: 16_384, connects: false }
    }
}

impl Settings {
    /// Takes in the payload of a frame.
    ///
    /// # Errors
    /// RFC 9113, section 6.5.2: a value outside its range, or a payload that is not made of pairs.
    pub fn read(&mut self, payload: &[u8]) -> Result<(), Code> {
        let (pairs, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Code::FRAME_SIZE_ERROR);
        }
        for &[a, b, c, d, e, f] in pairs {
            let value = u32::from_be_bytes([c, d, e, f]);
            match u16::from_be_bytes([a, b]) {
                2 if value > 1 => return Err(Code::PROTOCOL_ERROR),
                3 => self.streams_max = value,
                4 if value > 0x7fff_ffff => return Err(Code::FLOW_CONTROL_ERROR),
                4 => self.window = value,
                5 if !(16_384..=0xff_ffff).contains(&value) => return Err(Code::PROTOCOL_ERROR),
                5 => self.length_max = value,
                8 if value > 1 => return Err(Code::PROTOCOL_ERROR),
                8 => self.connects = value == 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes a frame that tells these.
    pub fn write(told: &[(Setting, u32)], out: &mut Vec<u8>) {
        let length = u32::try_from(told.len() * 6).unwrap_or(u32::MAX);
        out.extend_from_slice(&Frame { length, kind: Kind::Settings, flags: 0, stream: 0 }.bytes());
        for (setting, value) in told {
            out.extend_from_slice(&(*setting as u16).to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(u16, u32)], expect: Result<Settings, Code>) {
        let bytes: Vec<u8> = pairs
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let mut settings = Settings::default();
        assert_eq!(settings.read(&bytes).map(|()| settings), expect, "{pairs:?}");
    }

    #[test]
    fn values_have_ranges_and_strangers_are_ignored() {
        let usual = Settings::default();
        check(&[], Ok(usual));
        check(&[(3, 7), (99, 1), (3, 8)], Ok(Settings { streams_max: 8, ..usual }));
        check(&[(4, 0x7fff_ffff)], Ok(Settings { window: 0x7fff_ffff, ..usual }));
        check(&[(4, 0x8000_0000)], Err(Code::FLOW_CONTROL_ERROR));
        check(&[(5, 16_383)], Err(Code::PROTOCOL_ERROR));
        check(&[(5, 0x0100_0000)], Err(Code::PROTOCOL_ERROR));
        check(&[(5, 0x00ff_ffff)], Ok(Settings { length_max: 0x00ff_ffff, ..usual }));
        check(&[(2, 2)], Err(Code::PROTOCOL_ERROR));
        check(&[(8, 1)], Ok(Settings { connects: true, ..usual }));
        check(&[(8, 2)], Err(Code::PROTOCOL_ERROR));
        assert_eq!(Settings::default().read(&[0; 5]), Err(Code::FRAME_SIZE_ERROR));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        Settings::write(&[(Setting::EnablePush, 0), (Setting::InitialWindowSize, 9)], &mut out);
        assert_eq!(out.get(..9), Some(&[0, 0, 12, 4, 0, 0, 0, 0, 0][..]));
        let mut settings = Settings::default();
        settings.read(&out[9..]).unwrap();
        assert_eq!(settings.window, 9);
    }
}
