//! Formatting: what changes, what stays, and that meaning never does.

use proptest::prelude::*;

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
    let blank = "a:\n  - |\n    x\n\n  - |-\n    y\n\n  - z\nb: |\n  x\n\nc: 1\n";
    check(blank, blank);
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

/// A value to be written in some style.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let scalar = "[ -~äß\\n]{0,12}".prop_map(Tree::Scalar);
    scalar.prop_recursive(4, 40, 5, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::List);
        let map = prop::collection::btree_map("[a-z_:*#-]{1,8}", inner, 0..5);
        prop_oneof![list, map.prop_map(|map| Tree::Map(map.into_iter().collect()))]
    })
}

fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if plain && text != "null" { text.to_owned() } else { serde_json::to_string(text).unwrap() }
}

/// Writes a tree; `style` is used up bit by bit to choose between block and flow, and where comments and blank lines stand.
fn written(tree: &Tree, indent: usize, style: &mut u64, text: &mut String) {
    let mut chance = || {
        *style = style.rotate_right(1) ^ 0x9e37;
        *style & 1 == 1
    };
    let flow = chance() && indent > 0;
    let (comment, blank) = (chance(), chance());
    let note = *style;
    let open = |text: &mut String| {
        if blank {
            text.push('\n');
        }
        if comment {
            text.push_str(&format!("{:indent$}# note {note}\n", ""));
        }
    };
    match tree {
        Tree::Scalar(scalar) => text.push_str(&format!(" {}\n", quoted(scalar))),
        Tree::List(items) if items.is_empty() => text.push_str(" []\n"),
        Tree::Map(entries) if entries.is_empty() => text.push_str(" {}\n"),
        tree if flow => text.push_str(&format!(" {}  # end\n", in_flow(tree))),
        Tree::List(items) => {
            text.push('\n');
            for item in items {
                open(text);
                text.push_str(&format!("{:indent$}-", ""));
                written(item, indent + 3, style, text);
            }
        }
        Tree::Map(entries) => {
            text.push('\n');
            for (key, value) in entries {
                open(text);
                text.push_str(&format!("{:indent$}{}:", "", quoted(key)));
                written(value, indent + 1, style, text);
            }
        }
    }
}

fn in_flow(tree: &Tree) -> String {
    match tree {
        Tree::Scalar(scalar) => quoted(scalar),
        Tree::List(items) => format!("[{}]", items.iter().map(in_flow).collect::<Vec<_>>().join(",")),
        Tree::Map(entries) => {
            let entry = |(key, value): &(String, Tree)| format!("{}: {}", quoted(key), in_flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" , "))
        }
    }
}

fn matches(tree: &Tree, node: &Node) -> bool {
    match (tree, &node.kind) {
        (Tree::Scalar(text), Kind::Scalar(scalar)) => *text == scalar.text,
        (Tree::List(items), Kind::List(nodes)) => {
            items.len() == nodes.len() && items.iter().zip(nodes).all(|(a, b)| matches(a, b))
        }
        (Tree::Map(entries), Kind::Map(nodes)) => {
            let same = |((name, tree), (key, node)): (&(String, Tree), &(crate::node::Key, Node))| {
                *name == key.text && matches(tree, node)
            };
            entries.len() == nodes.len() && entries.iter().zip(nodes).all(same)
        }
        _ => false,
    }
}

#[test]
fn a_blank_line_before_a_comment_inside_an_item_settles() {
    let once = format("- \"\"\n\n-\n  # note\n\n  - - \"\"\n").unwrap();
    assert_eq!(format(&once).unwrap(), once);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_every_value_and_is_stable(tree in tree(), style in any::<u64>()) {
        let mut text = String::new();
        written(&tree, 0, &mut style.clone(), &mut text);
        let formatted = format(&text).map_err(|report| TestCaseError::fail(format!("{report:?}\n{text}")))?;
        let mut report = Report::default();
        let node = yaml::parse(&formatted, 0, &mut report).unwrap();
        prop_assert!(matches(&tree, &node), "\n{}\nbecame\n{}", text, formatted);
        prop_assert_eq!(format(&formatted).unwrap(), formatted.clone(), "\n{}\nonce\n{}", text, formatted);
    }
}
