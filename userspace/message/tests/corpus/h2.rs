//! What must hold for everything that a target says in HTTP/2: the tests replay files by it, and the fuzz target tries to
//! break it.

use weir_message::Response;
use weir_message::h2::{AnswerReader, Frames, Kind, Settings, hpack::Decoder, unpadded};

const HEAD_MAX: usize = 64 * 1024;

/// Reads bytes as frames in pieces, and the heads in them; panics if one is accepted that is out of its bounds.
pub(crate) fn h2(bytes: &[u8]) {
    let (mut frames, mut decoder, mut settings) =
        (Frames::default(), Decoder::new(4096), Settings::default());
    let mut response = Response::default();
    for mut news in bytes.chunks(100) {
        while let Ok(Some((frame, payload))) = frames.next(&mut news) {
            if frame.kind == Kind::Settings {
                let _told = settings.read(payload);
            }
            let Some(text) = unpadded(frame, payload).filter(|_| frame.kind == Kind::Headers) else {
                continue;
            };
            let mut reader = AnswerReader::new(&mut response, HEAD_MAX);
            if decoder.decode(text, |name, value| reader.take(name, value)).is_err() {
                return;
            }
            if reader.end().is_ok() {
                assert!((100..1000).contains(&response.status) && response.head.bytes() <= 2 * HEAD_MAX);
            }
        }
    }
}
