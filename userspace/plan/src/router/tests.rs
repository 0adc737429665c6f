//! The router against a table, and against a model that states the order of precedence in a few lines.

use std::cmp::Ordering;
use std::net::Ipv6Addr;
use std::sync::Arc;

use proptest::prelude::*;
use weir_message::{Request, Scheme, uri};
use weir_policy::jwt::ClaimPath;
use weir_schema::value::{HostPattern, Leaf, PathPattern, Segment, TextMatch, TextTest, Texts};

use super::{Ask, Conditions, Router, Rule, Test, Tests};
use crate::host;
use crate::id::{ListenerId, RouteId};
use crate::pattern::Pattern;
use crate::route::{Action, Rewrite, Route, Split};

fn route(id: u32, name: &str) -> Arc<Route> {
    Arc::new(Route {
        id: RouteId(id),
        name: name.into(),
        action: Action::Split(Split::new([])),
        rewrite: Rewrite::default(),
        timeouts: None,
        retry: None,
        body_bytes_max: None,
        upgrade: true,
    })
}

/// A rule out of `host/path`, or a path, or an expression behind `~`.
fn rule(id: u32, text: &str) -> Rule {
    let slash = text.find(['/', '~']).unwrap_or(text.len());
    let (host, path) = text.split_at(slash);
    let hosts = Some(host).filter(|host| !host.is_empty()).map(|host| HostPattern::parse(host).unwrap());
    let paths = Some(path).filter(|path| !path.is_empty()).map(|path| PathPattern::parse(path).unwrap());
    Rule {
        route: route(id, text),
        priority: 0,
        hosts: hosts.into_iter().collect(),
        paths: paths.into_iter().collect(),
        conditions: Conditions::default(),
    }
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    (0..).zip(texts).map(|(id, text)| rule(id, text)).collect()
}

fn request(method: &str, host: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let mut request = Request::default();
    request.begin(Scheme::Http, method.as_bytes(), host.as_bytes(), target.as_bytes());
    for (name, value) in fields {
        request.head.append(name, value.as_bytes()).unwrap();
    }
    let rules = uri::Rules { merge_slashes: false, ..uri::Rules::default() };
    request.settle(rules).unwrap_or_else(|error| panic!("{host}{target}: {error}"));
    request
}

fn ask(request: &Request) -> Ask<'_> {
    Ask { request, listener: ListenerId(0), client: Ipv6Addr::LOCALHOST, sni: None, identity: None }
}

fn found<'r>(router: &'r Router, ask: &Ask<'_>) -> &'r str {
    router.find(ask).map_or("none", |found| &found.route.name)
}

#[test]
fn precedence() {
    let texts = [
        "/*",
        "/users/*",
        "/users/{id}",
        "/users/me",
        "/users/{id}/posts",
        "/users/{*rest}",
        "~^/users/[0-9]+$",
        "api.example.com/*",
        "*.example.com/a/*",
        "*.eu.example.com/a/b",
        "api.example.com/exact",
        "api.example.com/dir/",
        "~\\.php$",
    ];
    let router = Router::new(rules(&texts)).unwrap();
    let check = |host: &str, path: &str, expect: &str| {
        let request = request("GET", host, path, &[]);
        assert_eq!(found(&router, &ask(&request)), expect, "{host}{path}");
    };
    check("other.net", "/", "/*");
    check("other.net", "/users", "/users/*");
    check("other.net", "/users/", "/users/*");
    check("other.net", "/users/me", "/users/me");
    check("other.net", "/users/you", "/users/{id}");
    check("other.net", "/users/17", "~^/users/[0-9]+$");
    check("other.net", "/users/17/posts", "/users/{id}/posts");
    check("other.net", "/users/17/likes", "/users/{*rest}");
    check("other.net", "/users/me/x", "/users/{*rest}");
    check("other.net", "/x/y.php", "~\\.php$");
    check("api.example.com", "/users/me", "api.example.com/*");
    check("api.example.com", "/exact", "api.example.com/exact");
    check("API.example.com.", "/exact", "api.example.com/exact");
    check("api.example.com:8080", "/exact/", "api.example.com/*");
    check("api.example.com", "/dir/", "api.example.com/dir/");
    check("api.example.com", "/dir", "api.example.com/*");
    check("api.eu.example.com", "/a/b", "*.eu.example.com/a/b");
    check("api.eu.example.com", "/a/c", "*.example.com/a/*");
    check("api.eu.example.com", "/b", "/*");
    check("example.com", "/a/b", "/*");
}

#[test]
fn asterisk_form_belongs_to_what_holds_every_path() {
    let router = Router::new(rules(&["a.net/{x}", "a.net/*", "b.net/b/*"])).unwrap();
    let check = |host: &str, expect: &str| {
        let request = request("OPTIONS", host, "*", &[]);
        assert_eq!(found(&router, &ask(&request)), expect, "{host}");
    };
    check("a.net", "a.net/*");
    check("b.net", "none");
}

#[test]
fn priority_is_above_everything() {
    let mut all = rules(&["api.example.com/exact", "/*", "*.example.com/exact"]);
    all[1].priority = 1;
    all[2].priority = -1;
    let router = Router::new(all).unwrap();
    let request = request("GET", "api.example.com", "/exact", &[]);
    assert_eq!(found(&router, &ask(&request)), "/*");
}

#[test]
fn conditions_must_all_hold_and_more_of_them_win() {
    let equals = |text: &str| Test::Equals(vec![text.as_bytes().into()]);
    let mut all = rules(&["/a", "/a", "/a", "/a", "/a"]);
    all[1].conditions.methods = vec!["GET".into()];
    all[2].conditions.headers = Tests(vec![("x-version".into(), equals("beta"))]);
    all[2].conditions.methods = vec!["POST".into()];
    all[3].conditions.query = Tests(vec![("q u".into(), equals("a b")), ("w".into(), Test::Present(true))]);
    all[4].conditions.cookies =
        Tests(vec![("sid".into(), Test::Not(Box::new(Test::Prefix(b"x"[..].into()))))]);
    all[4].conditions.sources = vec!["10.0.0.0/8".parse().unwrap()];
    let router = Router::new(all).unwrap();
    let check = |method: &str, target: &str, fields: &[(&str, &str)], client: &str, expect: u32| {
        let request = request(method, "h", target, fields);
        let client: std::net::Ipv4Addr = client.parse().unwrap();
        let ask = Ask { client: client.to_ipv6_mapped(), ..ask(&request) };
        assert_eq!(router.find(&ask).unwrap().route.id, RouteId(expect), "{method} {target} {fields:?}");
    };
    check("PUT", "/a", &[], "192.0.2.1", 0);
    check("GET", "/a", &[], "192.0.2.1", 1);
    check("HEAD", "/a", &[], "192.0.2.1", 1);
    check("POST", "/a", &[("X-Version", "alpha"), ("x-version", "beta")], "192.0.2.1", 2);
    check("POST", "/a", &[("X-Version", "betas")], "192.0.2.1", 0);
    check("PUT", "/a?w&q+%75=a%20b", &[], "192.0.2.1", 3);
    check("PUT", "/a?q+u=a+b", &[], "192.0.2.1", 0);
    check("PUT", "/a", &[], "10.1.2.3", 4);
    check("PUT", "/a", &[("Cookie", "a=b; sid=\"y\"")], "10.1.2.3", 4);
    check("PUT", "/a", &[("Cookie", "a=b;sid=xy")], "10.1.2.3", 0);
}

#[test]
fn claims_are_asked_for_once_a_token_is_verified() {
    let mut all = rules(&["/a", "/a", "/b"]);
    for rule in [1, 2] {
        all[rule].conditions.claims = vec![(ClaimPath::new("tier"), Test::Word(b"gold"[..].into()))];
    }
    let router = Router::new(all).unwrap();
    let check = |path: &str, expect: Option<(u32, bool)>| {
        let request = request("GET", "h", path, &[]);
        let found = router.find(&ask(&request)).map(|found| (found.route.id.0, found.wants_claims));
        assert_eq!(found, expect, "{path}");
    };
    check("/a", Some((0, true)));
    check("/b", Some((2, true)));
    check("/c", None);
}

#[test]
fn captures_are_parts_of_the_path() {
    let router = Router::new(rules(&["/users/{id}/{*rest}"])).unwrap();
    let request = request("GET", "h", "/users/17/a/b", &[]);
    let entry = router.find(&ask(&request)).unwrap().entry;
    let captures: Vec<_> = entry.captures(request.path()).collect();
    assert_eq!(captures, [("id", "17"), ("rest", "a/b")]);
}

#[test]
fn a_faulty_expression_is_named_with_its_route() {
    let mut all = rules(&["/a", "/b"]);
    all[1].paths.push(PathPattern::Regex("(".into()));
    let faults = Router::new(all).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].route, faults[0].path), (RouteId(1), 1));
}

// The model: of every way in which a rule matches, the one that `wins` over all others.

fn model(rules: &[Rule], ask: &Ask<'_>) -> Option<RouteId> {
    let any = [HostPattern::Any];
    let all = [PathPattern::Below(String::new())];
    let mut ways = Vec::new();
    for rule in rules.iter().filter(|rule| rule.conditions.miss(ask).is_none()) {
        for host in if rule.hosts.is_empty() { &any[..] } else { &rule.hosts } {
            for path in if rule.paths.is_empty() { &all[..] } else { &rule.paths } {
                if host::holds(host, ask.request.host()) && path_holds(path, ask.request.path()) {
                    ways.push((rule, host, path));
                }
            }
        }
    }
    ways.sort_by(|a, b| {
        let order = b.0.priority.cmp(&a.0.priority);
        let order = order.then_with(|| host_wins(a.1, b.1)).then_with(|| path_wins(a.2, b.2));
        let count = |rule: &Rule| rule.conditions.count();
        order.then(count(b.0).cmp(&count(a.0))).then(a.0.route.id.cmp(&b.0.route.id))
    });
    ways.first().map(|way| way.0.route.id)
}

fn host_wins(a: &HostPattern, b: &HostPattern) -> Ordering {
    let exactness = |host: &HostPattern| match host {
        HostPattern::Exact(_) => 1000,
        HostPattern::Below(parent) => parent.len(),
        HostPattern::Any => 0,
    };
    exactness(b).cmp(&exactness(a))
}

fn path_wins(a: &PathPattern, b: &PathPattern) -> Ordering {
    let kind = |path: &PathPattern| match path {
        PathPattern::Exact(_) => 0,
        PathPattern::Regex(_) => 1,
        PathPattern::Template(_) | PathPattern::Below(_) => 2,
    };
    let words = |path: &PathPattern| match path {
        PathPattern::Below(prefix) => {
            let mut kinds: Vec<u8> = vec![b'a'; prefix.split('/').count() - 1];
            kinds.push(b'z');
            kinds
        }
        PathPattern::Template(segments) => {
            let kind = |segment: &Segment| match segment {
                Segment::Text(_) => b'a',
                Segment::One(_) => b'b',
                Segment::Rest(_) => b'c',
            };
            segments.iter().map(kind).chain([b'd']).collect()
        }
        _ => Vec::new(),
    };
    kind(a).cmp(&kind(b)).then_with(|| words(a).cmp(&words(b)))
}

fn path_holds(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Exact(exact) => exact == path,
        PathPattern::Below(prefix) => {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        PathPattern::Regex(text) => Pattern::new(text).unwrap().is_in(path.as_bytes()),
        PathPattern::Template(segments) => {
            let mut parts: Vec<&str> = path.split('/').skip(1).collect();
            for segment in segments {
                let ok = match segment {
                    Segment::Rest(_) => return !parts.join("/").is_empty(),
                    Segment::Text(text) => parts.first() == Some(&text.as_str()),
                    Segment::One(_) => parts.first().is_some_and(|part| !part.is_empty()),
                };
                if !ok {
                    return false;
                }
                parts.remove(0);
            }
            parts.is_empty()
        }
    }
}

fn any_host() -> impl Strategy<Value = HostPattern> {
    prop::sample::select(vec!["a.x.io", "b.x.io", "a.b.x.io", "*.x.io", "*.b.x.io", "*.io", "*"])
        .prop_map(|text| HostPattern::parse(text).unwrap())
}

fn any_path() -> impl Strategy<Value = PathPattern> {
    let word = prop::sample::select(vec!["a", "b", "a", "b", "{x}", ""]);
    let plain = (prop::collection::vec(word, 1..5), prop::sample::select(vec!["", "", "/*", "/{*r}"]));
    let plain = plain.prop_map(|(words, end)| {
        let mut text = String::new();
        for (index, word) in words.iter().enumerate() {
            text.push('/');
            text.push_str(&word.replace('x', &format!("x{index}")));
        }
        text.push_str(end);
        PathPattern::parse(&text).unwrap_or(PathPattern::Below(String::new()))
    });
    let regex = prop::sample::select(vec!["^/a/", "^/a/b", "b$", "^/a/b?/", "^/[ab]/a", "^/(a|b)/b/"]);
    prop_oneof![4 => plain, 1 => regex.prop_map(|text| PathPattern::Regex(text.to_owned()))]
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let lists = (prop::collection::vec(any_host(), 0..3), prop::collection::vec(any_path(), 0..3));
    let conditions = (any::<bool>(), any::<bool>(), any::<bool>());
    (lists, prop::sample::select(vec![0, 0, 0, 0, 1, -1]), conditions).prop_map(|(lists, priority, on)| {
        let mut conditions = Conditions::default();
        if on.0 && on.1 {
            conditions.methods = vec!["GET".into()];
        }
        if on.1 && on.2 {
            let beta = TextMatch(TextTest::Equals(Texts(vec!["beta".to_owned()])));
            conditions.headers = Tests(vec![("x-version".into(), Test::new(&beta).unwrap())]);
        }
        let (hosts, paths) = lists;
        Rule { route: route(0, "generated"), priority, hosts, paths, conditions }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_the_model_finds(
        mut rules in prop::collection::vec(any_rule(), 0..24),
        host in prop::sample::select(vec!["a.x.io", "b.x.io", "c.x.io", "a.b.x.io", "x.io", "io", "other.net"]),
        words in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", ""]), 1..6),
        method in prop::sample::select(vec!["GET", "HEAD", "POST"]),
        version in prop::sample::select(vec!["beta", "alpha"]),
    ) {
        for (id, rule) in (0..).zip(&mut rules) {
            rule.route = route(id, "generated");
        }
        let path: String = words.iter().flat_map(|word| ["/", word]).collect();
        let request = request(method, host, &path, &[("X-Version", version)]);
        let ask = ask(&request);
        let expect = model(&rules, &ask);
        let router = Router::new(rules).unwrap();
        prop_assert_eq!(router.find(&ask).map(|found| found.route.id), expect, "{}{}", host, path);
        // What `trace` tells is told by the same entries, one by one.
        let first = router.entries().iter().find(|entry| {
            host::holds(&entry.host, ask.request.host())
                && entry.path_holds(ask.request.path())
                && router.rules()[entry.route.index()].conditions.miss(&ask).is_none()
        });
        prop_assert_eq!(first.map(|entry| entry.route), expect, "{}{}", host, path);
    }
}
