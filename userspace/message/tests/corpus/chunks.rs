//! What must hold for every chunked body: the tests replay files by it, and the fuzz target tries to break it.

use weir_message::chunk::{Decoder, write_chunk, write_last};
use weir_message::{Error, Limits};

/// Decodes bytes at once, byte by byte and coded anew; panics if something does not hold.
pub(crate) fn chunks(input: &[u8]) {
    let whole = decode(input, input.len().max(1));
    assert_eq!(decode(input, 1), whole, "pieces change nothing");
    let Ok((body, _, true)) = whole else { return };
    for size in [1, 7, body.len().max(1)] {
        let mut coded = Vec::new();
        body.chunks(size).for_each(|piece| write_chunk(piece, &mut coded));
        write_last(None, &mut coded);
        let length = coded.len();
        assert_eq!(decode(&coded, 3), Ok((body.clone(), length, true)), "what we write we read");
    }
}

/// The body, the bytes used for it, and whether it has ended.
fn decode(input: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), Error> {
    let (mut decoder, mut body, mut used) = (Decoder::default(), Vec::new(), 0);
    for piece in input.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() && !decoder.is_done() {
            let step = decoder.decode(rest, &Limits::default())?;
            assert!(step.used <= rest.len() && step.data.end <= step.used);
            body.extend_from_slice(rest.get(step.data.clone()).unwrap_or_default());
            used += step.used;
            rest = rest.get(step.used..).unwrap_or_default();
        }
    }
    Ok((body, used, decoder.is_done()))
}
