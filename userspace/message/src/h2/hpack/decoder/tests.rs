//! The examples of RFC 7541, appendix C, and blocks that have no meaning.
use super::*;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Result<String, Corrupt> {
    let mut found = Vec::new();
    decoder.decode(block, |name, value| {
        found.push(format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    })?;
    Ok(found.join("|"))
}

/// Blocks of one connection, each with its fields and the size of the table after it.
fn check(table_max: usize, blocks: &[(&str, &str, usize)]) {
    let mut decoder = Decoder::new(table_max);
    for (block, fields, size) in blocks {
        assert_eq!(read(&mut decoder, &bytes(block)).as_deref(), Ok(*fields), "{block}");
        assert_eq!(decoder.table.size(), *size, "{block}");
    }
}

#[test]
fn c_2_single_fields() {
    check(
        4096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            "custom-key=custom-header",
            55,
        )],
    );
    check(4096, &[("040c 2f73 616d 706c 652f 7061 7468", ":path=/sample/path", 0)]);
    check(4096, &[("1008 7061 7373 776f 7264 0673 6563 7265 74", "password=secret", 0)]);
    check(4096, &[("82", ":method=GET", 0)]);
}

const REQUESTS: [&str; 3] = [
    ":method=GET|:scheme=http|:path=/|:authority=www.example.com",
    ":method=GET|:scheme=http|:path=/|:authority=www.example.com|cache-control=no-cache",
    ":method=GET|:scheme=https|:path=/index.html|:authority=www.example.com|custom-key=custom-value",
];

#[test]
fn c_3_requests() {
    check(
        4096,
        &[
            ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", REQUESTS[0], 57),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1], 110),
            ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", REQUESTS[2], 164),
        ],
    );
}

#[test]
fn c_4_requests_in_the_huffman_code() {
    check(
        4096,
        &[
            ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", REQUESTS[0], 57),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1], 110),
            ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", REQUESTS[2], 164),
        ],
    );
}

const ANSWERS: [&str; 3] = [
    ":status=302|cache-control=private|date=Mon, 21 Oct 2013 20:13:21 GMT|location=https://www.example.com",
    ":status=307|cache-control=private|date=Mon, 21 Oct 2013 20:13:21 GMT|location=https://www.example.com",
    ":status=200|cache-control=private|date=Mon, 21 Oct 2013 20:13:22 GMT|location=https://www.example.com|\
     content-encoding=gzip|set-cookie=foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
];

#[test]
fn c_5_answers_that_do_not_all_fit_into_the_table() {
    check(
        256,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 \
                 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                ANSWERS[0],
                222,
            ),
            ("4803 3330 37c1 c0bf", ANSWERS[1], 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a \
                 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d \
                 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
                ANSWERS[2],
                215,
            ),
        ],
    );
}

#[test]
fn c_6_answers_in_the_huffman_code() {
    check(
        256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d \
                 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                ANSWERS[0],
                222,
            ),
            ("4883 640e ffc1 c0bf", ANSWERS[1], 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d \
                 d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 \
                 3d50 07",
                ANSWERS[2],
                215,
            ),
        ],
    );
}

#[test]
fn what_has_no_meaning_is_corrupt() {
    for (block, why) in [
        ("80", "no field has the number 0"),
        ("be", "the table is empty"),
        ("7f", "the number does not end"),
        ("40 0a 61", "the name is cut off"),
        ("40 01 61", "there is no value"),
        ("40 81 ff 00", "no text is coded like this"),
        ("82 20", "the size changes behind a field"),
        ("3f e2 1f", "the table would be larger than we said"),
        ("ff ff ff ff ff ff 0f", "the number is too large"),
    ] {
        assert_eq!(read(&mut Decoder::new(4096), &bytes(block)), Err(Corrupt), "{why}");
    }
}

#[test]
fn a_table_may_be_made_smaller_and_as_large_again() {
    let mut decoder = Decoder::new(4096);
    assert_eq!(read(&mut decoder, &bytes("40 01 61 01 62")).as_deref(), Ok("a=b"));
    assert_eq!(read(&mut decoder, &bytes("20 3f e1 1f")).as_deref(), Ok(""));
    assert_eq!(read(&mut decoder, &bytes("be")), Err(Corrupt), "it was emptied");
}

proptest! {
    #[test]
    fn no_block_breaks_it(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6)) {
        let mut decoder = Decoder::new(300);
        for block in blocks {
            let mut text = 0;
            let read = decoder.decode(&block, |name, value| text += name.len() + value.len());
            prop_assert!(text <= block.len() * 300);
            prop_assert!(decoder.table.size() <= 300);
            if read.is_err() {
                break;
            }
        }
    }

    #[test]
    fn what_the_encoder_writes_is_read_back(
        fields in prop::collection::vec(("[a-z-]{1,20}", prop::collection::vec(any::<u8>(), 0..200)), 0..20),
    ) {
        let mut block = Vec::new();
        crate::h2::hpack::begin(&mut block);
        for (name, value) in &fields {
            let id = crate::Name::parse(name.as_bytes());
            crate::h2::hpack::field((id, name.to_uppercase().as_bytes()), value, &mut block);
        }
        let mut found = Vec::new();
        let read = Decoder::new(0).decode(&block, |name, value| {
            found.push((String::from_utf8(name.to_vec()).unwrap(), value.to_vec()));
        });
        prop_assert_eq!(read, Ok(()));
        prop_assert_eq!(found, fields);
    }
}
