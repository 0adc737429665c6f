//! Edits, look-ups and the runs that writing copies.
use super::*;

fn head(lines: &[(&str, &str)]) -> Head {
    let mut head = Head::default();
    for (name, value) in lines {
        head.append(name, value.as_bytes()).unwrap();
    }
    head
}

fn written(head: &Head) -> String {
    let mut out = Vec::new();
    head.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn fields_are_found_in_any_case() {
    let head = head(&[("Host", "a"), ("X-User", "1"), ("x-user", "2")]);
    assert_eq!(head.known(Name::Host), Some(&b"a"[..]));
    assert_eq!(head.value("x-USER"), Some(&b"1"[..]));
    assert_eq!(head.values("X-User").count(), 2);
    assert_eq!(head.value("x-use"), None);
    assert_eq!(head.known(Name::Via), None);
}

#[test]
fn set_leaves_one_in_the_first_place() {
    let mut head = head(&[("A", "1"), ("B", "2"), ("a", "3"), ("C", "4")]);
    head.set("a", b"9").unwrap();
    assert_eq!(written(&head), "A: 9\r\nB: 2\r\nC: 4\r\n");
    head.set("D", b"5").unwrap();
    assert_eq!(head.value("d"), Some(&b"5"[..]));
}

#[test]
fn removed_and_renamed_fields_are_gone() {
    let mut head = head(&[("A", "1"), ("Host", "h"), ("A", "2")]);
    assert!(head.remove("a") && !head.remove("a"));
    assert_eq!((head.len(), head.value("a")), (1, None));
    head.rename("host", "X-Forwarded-Host").unwrap();
    assert_eq!(head.known(Name::Host), None);
    assert_eq!(head.known(Name::XForwardedHost), Some(&b"h"[..]));
}

#[test]
fn nothing_unwritable_gets_in() {
    let mut head = Head::default();
    for (name, value) in [("", "v"), ("a b", "v"), ("a:", "v"), ("a", "x\r\ny"), ("a", "x\0"), ("a", "\x7f")]
    {
        assert_eq!(head.append(name, value.as_bytes()), Err(Error::Unwritable), "{name:?} {value:?}");
        assert_eq!(head.set(name, value.as_bytes()), Err(Error::Unwritable));
    }
    assert_eq!(head.rename("a", "b\n"), Err(Error::Unwritable));
    assert!(head.is_empty());
}

#[test]
fn values_in_pieces_are_joined() {
    let mut head = head(&[("Via", "1.1 a")]);
    let old = head.known(Name::Via).map(<[u8]>::to_vec).unwrap();
    head.set_parts(b"Via", &[&old, b", ", b"1.1 weir"]).unwrap();
    assert_eq!(written(&head), "Via: 1.1 a, 1.1 weir\r\n");
}

#[test]
fn every_byte_counts_wherever_it_stands() {
    for byte in 0..=u8::MAX {
        for (length, at) in (1..=18).flat_map(|length| (0..length).map(move |at| (length, at))) {
            for around in [b' ', b'~', 0xff] {
                let mut value = vec![around; length];
                value[at] = byte;
                let mut head = Head::default();
                let fits = byte == b'\t' || byte >= b' ' && byte != 0x7f;
                assert_eq!(head.append("a", &value).is_ok(), fits, "{byte} at {at} of {length}");
                assert_eq!((head.len(), head.bytes() == 0), (usize::from(fits), !fits));
                assert_eq!(head.set("a", &value).is_ok(), fits, "{byte} at {at} of {length}");
            }
        }
    }
}
