//! Chunked bodies of the table of attacks, and the round trip over any split.
use super::*;
use proptest::prelude::*;

/// Feeds the pieces one after the other; returns body, unused bytes and whether it ended. What each brings is foreseen.
fn run(pieces: &[&[u8]]) -> Result<(Vec<u8>, usize, bool), Error> {
    let (mut decoder, mut body, mut unused) = (Decoder::default(), Vec::new(), 0);
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !decoder.is_done() {
            let foreseen = decoder.goes_on(rest, &Limits::default());
            let step = decoder.decode(rest, &Limits::default())?;
            assert!(
                if foreseen { step.done || !step.data.is_empty() } else { step.data.is_empty() },
                "{rest:?}"
            );
            body.extend_from_slice(&rest[step.data.clone()]);
            rest = &rest[step.used..];
        }
        unused += rest.len();
    }
    Ok((body, unused, decoder.is_done()))
}

fn accepts(input: &str, body: &str) {
    assert_eq!(run(&[input.as_bytes()]), Ok((body.as_bytes().to_vec(), 0, true)), "{input:?}");
    let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
    assert_eq!(run(&bytes), Ok((body.as_bytes().to_vec(), 0, true)), "byte by byte: {input:?}");
}

fn refuses(input: &str, error: Error) {
    assert_eq!(run(&[input.as_bytes()]), Err(error), "{input:?}");
    let bytes: Vec<&[u8]> = input.as_bytes().chunks(1).collect();
    assert_eq!(run(&bytes), Err(error), "byte by byte: {input:?}");
}

#[test]
fn bodies() {
    accepts("0\r\n\r\n", "");
    accepts("5\r\nhello\r\n0\r\n\r\n", "hello");
    accepts("00005\r\nhello\r\nA\r\n0123456789\r\n000\r\n\r\n", "hello0123456789");
    accepts("5;a;b=c;d=\"e \\\" f\"\r\nhello\r\n0;x\r\n\r\n", "hello");
    accepts("0\r\nGrpc-Status: 0\r\nA: b\r\n\r\n", "");
}

#[test]
fn what_follows_the_body_is_left_alone() {
    assert_eq!(run(&[b"1\r\nx\r\n0\r\n\r\nGET /"]), Ok((b"x".to_vec(), 5, true)));
}

/// Whoever forwards a chunk must know whether to wait with it for more.
#[test]
fn between_two_chunks_nothing_is_brought() {
    let mut decoder = Decoder::default();
    let goes_on = |decoder: &Decoder, input: &str| decoder.goes_on(input.as_bytes(), &Limits::default());
    assert_eq!(decoder.decode(b"1\r\nx", &Limits::default()).unwrap().data, 3..4);
    for nothing in ["", "\r", "\r\n", "\r\n5", "\r\n5;a=b\r\n", "\r\n0\r\n", "\r\n0\r\nA: b\r\n"] {
        assert!(!goes_on(&decoder, nothing), "{nothing:?}");
    }
    for something in ["\r\n5\r\nh", "\r\n0\r\n\r\n", "\r\n0\r\nA: b\r\n\r\n", "\n"] {
        assert!(goes_on(&decoder, something), "{something:?}");
    }
}

#[test]
fn a7_sizes_that_overflow_are_refused() {
    for size in ["FFFFFFFFFFFFFFFF", "10000000000000005", "8000000000000000", &("0".repeat(64) + "5")] {
        refuses(&format!("{size}\r\nhello\r\n0\r\n\r\n"), Error::Chunk);
    }
}

#[test]
fn a8_sizes_are_hexadecimal_digits_only() {
    for size in ["+5", "-5", "0x5", "5_0", " 5", "5 ", "5\t", "", "5\r", "g", "5\0"] {
        refuses(&format!("{size}\r\nhello\r\n0\r\n\r\n"), Error::Chunk);
    }
}

#[test]
fn a9_extensions_follow_the_grammar_and_are_bounded() {
    for extension in [
        ";",
        ";a=",
        ";=b",
        ";a=\"x\r\ny\"",
        ";\0a",
        ";a\nhello",
        "; a",
        ";a =b",
        ";a;",
        ";a=\"x\"y",
        ";a=\"\\\r\n",
    ] {
        refuses(&format!("5{extension}\r\nhello\r\n0\r\n\r\n"), Error::ChunkExtension);
    }
    refuses(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(65_536)), Error::ChunkExtension);
    // The bound is on all extensions of a body together.
    refuses(&format!("{}0\r\n\r\n", "1;aaaaaaaaaaaaaaa\r\nx\r\n".repeat(300)), Error::ChunkExtension);
}

#[test]
fn a10_lines_end_in_cr_lf() {
    for input in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "0\r\r\n\r\n",
        "0\r\n\rX",
    ] {
        let refused = run(&[input.as_bytes()]);
        assert!(matches!(refused, Err(Error::Chunk | Error::Trailer)), "{input:?} {refused:?}");
    }
    refuses("0\r\n\n", Error::Trailer);
    refuses("0\r\na: b\n\r\n", Error::Trailer);
}

#[test]
fn a22_trailers_are_checked_bounded_and_filtered() {
    refuses("0\r\na : b\r\n\r\n", Error::Trailer);
    refuses(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(5000)), Error::Trailer);
    let mut decoder = Decoder::default();
    let section = b"0\r\nGrpc-Status: 7\r\nContent-Length: 5\r\n\r\n";
    assert!(decoder.decode(section, &Limits::default()).unwrap().done);
    let mut trailers = Head::default();
    decoder.trailers(&mut trailers).unwrap();
    assert_eq!(trailers.value("grpc-status"), Some(&b"7"[..]));
    assert_eq!(trailers.len(), 1);
}

#[test]
fn sizes_are_written_in_hexadecimal() {
    for (size, text) in [
        (0, "0"),
        (1, "1"),
        (15, "f"),
        (16, "10"),
        (4096, "1000"),
        (65_535, "ffff"),
        (usize::MAX >> 1, "7fffffffffffffff"),
    ] {
        let mut out = Vec::new();
        write_size(size, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{text}\r\n"));
    }
}

proptest! {
    #[test]
    fn round_trip_over_any_chunks_and_any_split(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            write_chunk(chunk, &mut wire);
        }
        write_last(None, &mut wire);
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len())).chain([0, wire.len()]).collect();
        ends.sort_unstable();
        let pieces: Vec<&[u8]> = ends.windows(2).map(|pair| &wire[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces), Ok((chunks.concat(), 0, true)));
    }

    #[test]
    fn any_bytes_give_an_answer(input in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        prop_assert_eq!(run(&[&input]).ok(), run(&bytes).ok());
    }
}
