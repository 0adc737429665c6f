//! Whatever a target says in HTTP/2, reading it ends and nothing panics; what is taken for a head is within its bounds.
#![no_main]
use weir_message::Response;
use weir_message::h2::{AnswerReader, Frames, Kind, Settings, hpack::Decoder, unpadded};

const HEAD_MAX: usize = 64 * 1024;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (mut frames, mut decoder, mut settings) = (Frames::default(), Decoder::new(4096), Settings::default());
    let mut response = Response::default();
    for mut news in bytes.chunks(100) {
        while let Ok(Some((frame, payload))) = frames.next(&mut news) {
            if frame.kind == Kind::Settings {
                let _told = settings.read(payload);
            }
            let Some(text) = unpadded(frame, payload).filter(|_| frame.kind == Kind::Headers) else { continue };
            let mut reader = AnswerReader::new(&mut response, HEAD_MAX);
            if decoder.decode(text, |name, value| reader.take(name, value)).is_err() {
                return;
            }
            if reader.end().is_ok() {
                assert!((100..1000).contains(&response.status) && response.head.bytes() <= 2 * HEAD_MAX);
            }
        }
    }
});
