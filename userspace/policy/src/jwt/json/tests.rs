//! What is JSON, what is not, and what is JSON but refused.
use super::*;

fn parse(text: &str) -> Option<Document> {
    Document::parse(text.as_bytes().to_vec(), Limits::TOKEN)
}

#[test]
fn values_are_found_by_name_and_order() {
    let text = r#" {"a":1,"b":[true,null,"x",{"c":-0.5e+3}],"d":{"e":{}},"f":"z"} "#;
    let document = parse(text).unwrap();
    let root = document.root();
    assert_eq!(root.member(b"a").unwrap().number(), Some(&b"1"[..]));
    let items: Vec<_> = root.member(b"b").unwrap().items().collect();
    assert_eq!((items.len(), items[0].truth(), items[2].text()), (4, Some(true), Some(&b"x"[..])));
    assert_eq!(items[3].member(b"c").unwrap().scalar(), Some(&b"-0.5e+3"[..]));
    assert_eq!(root.member(b"d").unwrap().member(b"e").unwrap().members().count(), 0);
    assert_eq!(root.member(b"f").unwrap().text(), Some(&b"z"[..]));
    assert!(root.member(b"c").is_none() && root.items().next().is_none());
}

#[test]
fn escapes_are_resolved() {
    for (text, plain) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u0041\u00e9\u20ac\ud83d\ude00z""#, "A\u{e9}\u{20ac}\u{1f600}z"),
        (r#""é\u00e9é""#, "ééé"),
    ] {
        assert_eq!(parse(text).unwrap().root().text(), Some(plain.as_bytes()), "{text}");
    }
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "- 1",
        "tru",
        "True",
        "NaN",
        "Infinity",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "{} {}",
        "1 2",
        "[1 2]",
        "{\"a\" 1}",
        "/**/1",
        "\u{feff}1",
        "1,",
        "[1}",
        "{\"a\":1]",
    ] {
        assert!(parse(text).is_none(), "{text:?}");
    }
    assert!(Document::parse(b"\"\xff\"".to_vec(), Limits::TOKEN).is_none());
}

#[test]
fn duplicate_names_are_refused_at_every_depth_however_written() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"a":3}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"x":[{"a":[1,2],"b":3,"a":2}]}"#,
        r#"{"":1,"":2}"#,
    ] {
        assert!(parse(text).is_none(), "{text}");
    }
    assert!(parse(r#"{"a":{"a":1},"A":[{"a":2},{"a":3}]}"#).is_some());
}

#[test]
fn limits_hold() {
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(16)).is_some() && parse(&nested(17)).is_none() && parse(&nested(4_000)).is_none());
    let wide = |members: usize| {
        format!("{{{}}}", (0..members).map(|n| format!("\"{n}\":0")).collect::<Vec<_>>().join(","))
    };
    assert!(parse(&wide(128)).is_some() && parse(&wide(129)).is_none());
    let long = |items: usize| format!("[{}]", vec!["0"; items].join(","));
    assert!(parse(&long(2_047)).is_some() && parse(&long(2_048)).is_none());
}

#[test]
fn agrees_with_serde_json_on_what_is_json() {
    for text in [
        "[1.5e-7,-0,0]",
        "{\"k\":\"\\u0000\"}",
        "[[],{}]",
        "\"\\/\"",
        "-0.0",
        "1e400",
        "[0.10]",
        "{\"a\":\"\u{7f}\"}",
    ] {
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(parse(text).is_some(), theirs, "{text}");
    }
}
