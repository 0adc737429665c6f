//! Frames out of bytes as they come. A frame that lies whole in what was received is not copied.
use super::{Code, Frame, HEAD};

/// The longest payload that is taken: what every peer may send unasked (RFC 9113, section 6.5.2).
pub const LENGTH_MAX: u32 = 16 * 1024;

/// Where a connection stands in its frames.
#[derive(Debug, Default)]
pub struct Frames {
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    /// The frame in `partial` was given out whole.
    given: bool,
}

impl Frames {
    /// Takes the next whole frame off the front of `news`; none if the rest has yet to come.
    ///
    /// # Errors
    /// RFC 9113, section 4.2: the frame is longer than allowed.
    pub fn next<'a, 'n: 'a>(&'a mut self, news: &mut &'n [u8]) -> Result<Option<(Frame, &'a [u8])>, Code> {
        if std::mem::take(&mut self.given) {
            self.partial.clear();
        }
        if self.partial.is_empty() {
            if let Some(whole) = take(news)? {
                return Ok(Some(whole));
            }
            self.partial.extend_from_slice(std::mem::take(news));
            return Ok(None);
        }
        self.gather(HEAD, news);
        let Some(frame) = first(&self.partial)? else { return Ok(None) };
        let all = HEAD + frame.length as usize;
        self.gather(all, news);
        self.given = self.partial.len() == all;
        Ok(self.given.then(|| (frame, self.partial.get(HEAD..).unwrap_or_default())))
    }

    /// Moves bytes over until there are so many.
    fn gather(&mut self, wanted: usize, news: &mut &[u8]) {
        let missing = wanted.saturating_sub(self.partial.len()).min(news.len());
        let (taken, rest) = news.split_at_checked(missing).unwrap_or_default();
        self.partial.extend_from_slice(taken);
        *news = rest;
    }
}

/// What the bytes begin with, if there are enough to tell.
fn first(bytes: &[u8]) -> Result<Option<Frame>, Code> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let frame = Frame::read(*head);
    if frame.length > LENGTH_MAX { Err(Code::FRAME_SIZE_ERROR) } else { Ok(Some(frame)) }
}

/// The first frame of the bytes, if it is there whole.
fn take<'n>(bytes: &mut &'n [u8]) -> Result<Option<(Frame, &'n [u8])>, Code> {
    let Some(frame) = first(bytes)? else { return Ok(None) };
    let Some((whole, rest)) = bytes.split_at_checked(HEAD + frame.length as usize) else { return Ok(None) };
    *bytes = rest;
    Ok(Some((frame, whole.get(HEAD..).unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<(Frame, Vec<u8>)>, Code> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for piece in pieces {
            let mut news = *piece;
            while let Some((frame, payload)) = frames.next(&mut news)? {
                found.push((frame, payload.to_vec()));
            }
            assert!(news.is_empty(), "what is no frame yet is kept");
        }
        Ok(found)
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_comes() {
        assert_eq!(read(&[&[0, 0x40, 1, 0, 0, 0, 0, 0, 1]]), Err(Code::FRAME_SIZE_ERROR));
        assert_eq!(read(&[&[0, 0x40], &[1, 0, 0, 0, 0, 0, 1]]), Err(Code::FRAME_SIZE_ERROR));
        assert_eq!(read(&[&[0, 0x40, 0, 0, 0, 0, 0, 0, 1]]), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            payloads in prop::collection::vec((0_u8..10, any::<u8>(), 0_u32..9, prop::collection::vec(any::<u8>(), 0..40)), 0..8),
            cuts in prop::collection::vec(0_usize..400, 0..20),
        ) {
            let (mut bytes, mut sent) = (Vec::new(), Vec::new());
            for (kind, flags, stream, payload) in payloads {
                let kind = Frame::read([0, 0, 0, kind, 0, 0, 0, 0, 0]).kind;
                prop_assert_ne!(kind, Kind::Unknown);
                Frame::write(kind, flags, stream, &payload, &mut bytes);
                sent.push((Frame { length: u32::try_from(payload.len()).unwrap(), kind, flags, stream }, payload));
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(read(&pieces), Ok(sent));
        }
    }
}
