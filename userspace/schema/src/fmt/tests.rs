//! Formatting: what changes, what stays, and that meaning never does.

use super::*;

fn check(text: &str, expect: &str) {
    let formatted = format(text).unwrap();
    assert_eq!(formatted, expect, "\n{formatted}");
    assert_eq!(format(&formatted).unwrap(), expect, "a second time");
}

#[test]
fn indentation_and_spaces_are_put_in_order() {
    check(
        "a:   1\nb:\n      c: [1,2,   3]\n      d: {x: y,z: {}}\n",
        "a: 1\nb:\n  c: [ 1, 2, 3 ]\n  d: { x: y, z: {} }\n",
    );
    check("a:\n- 1\n-   - 2\n    - 3\n- b: 4\n  c: 5\n", "a:\n  - 1\n  - - 2\n    - 3\n  - b: 4\n    c: 5\n");
}

#[test]
fn comments_and_single_blank_lines_stay() {
    let text = "# head\n\n\n# of a\na: 1 # one\nbb: 2    # two\n\n\nc: # deep\n  # of d\n  d: 3\n  # end of c\n# end\n";
    let expect =
        "# head\n\n# of a\na: 1   # one\nbb: 2  # two\n\nc:  # deep\n  # of d\n  d: 3\n  # end of c\n# end\n";
    check(text, expect);
}

#[test]
fn a_flow_with_comments_becomes_a_block() {
    check("a: [ 1, # one\n  2 ]\n", "a:\n  - 1  # one\n  - 2\n");
}

#[test]
fn quotes_stay_and_long_flows_are_broken() {
    check("bind: \":443\"\nkey: '${cred:x}'\n", "bind: \":443\"\nkey: '${cred:x}'\n");
    let long = (0..40).map(|n| format!("item{n}")).collect::<Vec<_>>();
    let expect = format!("a:\n{}", long.iter().map(|item| format!("  - {item}\n")).collect::<String>());
    check(&format!("a: [{}]\n", long.join(",")), &expect);
}

#[test]
fn text_over_several_lines_keeps_its_value() {
    check("a: |\n    one\n    two\nb: one\n  two\n", "a: |\n  one\n  two\nb: |-\n  one two\n");
    check("a: \"x\\ty\"\n", "a: \"x\\ty\"\n");
}

#[test]
fn anchors_and_aliases_stay() {
    check("a: &x\n    b: 1\nc: *x\nd: &y 5\n", "a: &x\n  b: 1\nc: *x\nd: &y 5\n");
}

#[test]
fn nothing_stays_nothing() {
    check("", "");
    check("# only a comment\n", "# only a comment\n");
    check("a:\nb: [ , ]\n".replace("[ , ]", "[]").as_str(), "a:\nb: []\n");
    check("a: { b }\n", "a: { b: null }\n");
}

#[test]
fn what_is_not_yaml_is_refused() {
    assert!(format("a: [\n").unwrap_err().has_errors());
    assert!(format("a: 1\na: 2\n").unwrap_err().has_errors());
}
