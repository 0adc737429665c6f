//! Paths by the table of attacks, with the normal form or the refusal.
use super::*;

fn check_with(rules: Rules, path: &str, expect: Result<&str, Error>) {
    let mut out = b"before/".to_vec();
    let found = normalise(path.as_bytes(), rules, &mut out).map(|changed| {
        let text = out.split_off(7);
        if changed { String::from_utf8(text).unwrap() } else { path.to_owned() }
    });
    assert_eq!(found, expect.map(str::to_owned), "{path}");
}

fn check(path: &str, expect: Result<&str, Error>) {
    check_with(Rules::default(), path, expect);
}

#[test]
fn normal_paths_stay() {
    for path in
        ["/", "/a", "/a/", "/a.b/c..d", "/v1/orders/42", "/a;b=c/d", "/~u/x,y:z@!$&'()*+=", "/a.", "/x|y"]
    {
        assert_eq!(normalise(path.as_bytes(), Rules::default(), &mut Vec::new()), Ok(false), "{path}");
    }
}

#[test]
fn b4_dot_segments_are_resolved_once() {
    check("/x/../admin", Ok("/admin"));
    check("/x/%2e%2e/admin", Ok("/admin"));
    check("/x/.%2E/admin", Ok("/admin"));
    check("/./", Ok("/"));
    check("/.", Ok("/"));
    check("/a/.", Ok("/a/"));
    check("/a/b/..", Ok("/a/"));
    check("/a/..", Ok("/"));
    check("/a/../", Ok("/"));
    check("/a/./b/", Ok("/a/b/"));
    check("/.well-known/jwks.json", Ok("/.well-known/jwks.json"));
    check("/a/...", Ok("/a/..."));
    check("/%2e", Ok("/"));
}

#[test]
fn b4_slashes_are_merged() {
    check("//admin", Ok("/admin"));
    check("/a//", Ok("/a/"));
    check("//", Ok("/"));
    check("/a///b", Ok("/a/b"));
    let keep = Rules { merge_slashes: false, ..Rules::default() };
    check_with(keep, "/a//b", Ok("/a//b"));
    check_with(keep, "/a//../b", Ok("/a/b"));
    check_with(keep, "//", Ok("//"));
}

#[test]
fn b4_nothing_leads_above_the_root() {
    for path in ["/..", "/../x", "/a/../../x", "/%2e%2e/x"] {
        check(path, Err(Error::DotSegment));
    }
}

#[test]
fn b4_escaped_separators_and_hidden_dots_are_refused() {
    for path in ["/x/..%2fadmin", "/a%2Fb", "/a%5cb", "/a%00", "/..%5cadmin"] {
        check(path, Err(Error::EscapedSeparator));
    }
    for path in ["/x/..;/admin", "/x/..;a=b/admin", "/x/.;/a", "/x/%2e%2e;/a", "/x/..%3b/a", "/x;/..;/"] {
        check(path, Err(Error::DotSegment));
    }
    check("/x\\..\\admin", Err(Error::Target));
}

#[test]
fn escaped_slashes_can_be_kept_but_not_beside_dots() {
    let keep = Rules { keep_escaped_slashes: true, ..Rules::default() };
    check_with(keep, "/a%2fb", Ok("/a%2Fb"));
    check_with(keep, "/a%5Cb.c", Ok("/a%5Cb.c"));
    check_with(keep, "/x/..%2fadmin", Err(Error::DotSegment));
    check_with(keep, "/x%2f../admin", Err(Error::DotSegment));
    check_with(keep, "/x%2f..%5cadmin", Err(Error::DotSegment));
    check_with(keep, "/a%00", Err(Error::EscapedSeparator));
}

#[test]
fn b4_dot_segments_can_be_refused() {
    let refuse = Rules { refuse_dots: true, ..Rules::default() };
    for path in ["/a/../b", "/./", "/a/%2e%2E/b", "/a/..", "/."] {
        check_with(refuse, path, Err(Error::DotSegment));
    }
    check_with(refuse, "/a.b/...", Ok("/a.b/..."));
    check_with(refuse, "/.well-known", Ok("/.well-known"));
}

#[test]
fn b5_escapes_are_decoded_once_and_never_overlong() {
    check("/%252e%252e/a", Ok("/%252e%252e/a"));
    check("/%41%7e%2D", Ok("/A~-"));
    check("/%c3%a9", Ok("/%C3%A9"));
    check("/%C0x", Ok("/%C0x"));
    for path in ["/%", "/%4", "/%zz", "/%u002e", "/%c0%ae", "/%C1%9C", "/%e0%80%af", "/%f0%80%80%af", "/%-1"]
    {
        check(path, Err(Error::Escape));
    }
}

#[test]
fn b6_fragments_and_control_bytes_are_refused() {
    for path in ["/x#/admin", "/x\u{1}", "/\u{e9}", "/a b", "/a?b", "/\"", "/<", "/{a}", "/a\u{7f}"] {
        check(path, Err(Error::Target));
    }
}

#[test]
fn a_normal_form_is_normal() {
    for path in ["/a/../b//c/./%7e", "//x/%2e/", "/%c3%a9/..", "/a/b/../../c"] {
        let mut once = Vec::new();
        assert_eq!(normalise(path.as_bytes(), Rules::default(), &mut once), Ok(true));
        let mut twice = Vec::new();
        let again = normalise(&once, Rules::default(), &mut twice);
        assert!(again == Ok(false) || (again == Ok(true) && once == twice), "{path}");
    }
}
