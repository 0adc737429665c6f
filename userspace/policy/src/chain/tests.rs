//! The order of policies, on the way in and out.
use super::*;
use crate::rate_limit::{Count, Family, Part, Whom, Window};
use crate::scene::{Scene, sent};
use crate::{Acl, Consumer, Edits, Headers, IpList, Reply, Template, Way};
use weir_message::Response;
use weir_schema::value::Leaf;
use weir_wire::Reason;

fn step(rule: &str, link: Link) -> Arc<Step> {
    Arc::new(Step { rule: rule.into(), link, observe: false })
}

fn observed(rule: &str, link: Link) -> Arc<Step> {
    Arc::new(Step { rule: rule.into(), link, observe: true })
}

fn marks(mark: &str) -> Link {
    let text = || {
        vec![(
            Way::Append,
            "X-Mark".into(),
            Template::compile(&weir_schema::value::Template::parse(mark).unwrap()),
        )]
    };
    let edits = || Edits { texts: text(), ..Edits::default() };
    Link::Headers(Arc::new(Headers { request: edits(), response: edits() }))
}

/// The offences so far: which rule saw it, and whether it was enforced.
fn offences<'a>(chain: &'a Chain, scene: &'a Scene) -> Vec<(&'a str, bool)> {
    let offences = scene.pass.offences().iter();
    offences.map(|offence| (chain.rule(offence.step, &scene.pass), offence.enforced)).collect()
}

fn denies_all() -> Link {
    Link::IpList(Arc::new(IpList::new(&[], &["::/0".parse().unwrap()])))
}

fn denies_strangers() -> Link {
    Link::Acl(Arc::new(Acl { allow: vec!["members".into()], deny: Vec::new() }))
}

fn leave(chain: &Chain, scene: &mut Scene) -> String {
    let mut response = Response::default();
    response.begin(200);
    chain.response(&mut Leave {
        request: &scene.request,
        response: &mut response,
        client: &scene.client,
        route: "r",
        now: scene.now,
        worker: &mut scene.worker,
        pass: &mut scene.pass,
    });
    sent(&response, "X-Mark")
}

#[test]
fn out_is_the_reverse_of_in() {
    let chain = Chain::new(vec![step("1", marks("a")), step("2", marks("b")), step("3", marks("c"))]);
    let mut scene = Scene::get(&[]);
    assert!(matches!(chain.request(&mut scene.visit()), Flow::Next));
    let asked: Vec<_> = scene.request.head.values("X-Mark").map(String::from_utf8_lossy).collect();
    assert_eq!(asked, ["a", "b", "c"]);
    assert_eq!(leave(&chain, &mut scene), "c, b, a");
}

#[test]
fn only_those_who_have_seen_the_request_see_the_answer() {
    let chain = Chain::new(vec![step("edit", marks("a")), step("acl", denies_strangers())]);
    let names: Vec<_> = chain.steps().iter().map(|step| &*step.rule).collect();
    assert_eq!(names, ["acl", "edit"], "ranked, whatever was written");
    let mut scene = Scene::get(&[]);
    let flow = chain.request(&mut scene.visit());
    assert!(matches!(flow, Flow::Reply(Reply { status: 403, reason: Some(Reason::Denied), .. })));
    assert_eq!((scene.pass.entered(), leave(&chain, &mut scene)), (1, String::new()));
    let [offence] = scene.pass.offences() else { panic!("one offence") };
    assert_eq!((chain.rule(offence.step, &scene.pass), offence.enforced), ("acl", true));
}

#[test]
fn b11_observing_hides_no_rule_that_is_enforced() {
    let chain = Chain::new(vec![
        observed("looks", denies_all()),
        step("acts", denies_all()),
        step("edit", marks("a")),
    ]);
    let mut scene = Scene::get(&[]);
    assert!(matches!(chain.request(&mut scene.visit()), Flow::Reply(_)));
    assert_eq!(offences(&chain, &scene), [("looks", false), ("acts", true)]);
    let chain = Chain::new(vec![observed("looks", denies_all()), step("edit", marks("a"))]);
    scene.pass.clear();
    assert!(matches!(chain.request(&mut scene.visit()), Flow::Next));
    assert_eq!(leave(&chain, &mut scene), "a");
}

#[test]
fn b10_ranks_put_limits_by_address_before_logins() {
    use Rank::{Address, Answer, Edit, Login, Member, Name, Preflight, Quota, Rate, Watch};
    let ranks = [Watch, Name, Preflight, Address, Rate, Login, Member, Quota, Edit, Answer];
    assert!(ranks.is_sorted());
}

/// A scene whose sender is a consumer with policies of its own.
fn sent_by(steps: Vec<Arc<Step>>) -> Scene {
    let mut scene = Scene::get(&[]);
    let consumer = Consumer { name: "mobile".into(), chain: Chain::new(steps), ..Consumer::default() };
    scene.pass.identity.consumer = Some(Arc::new(consumer));
    scene
}

#[test]
fn a_consumer_is_judged_after_the_route_and_leaves_before_it() {
    let chain = Chain::new(vec![step("1", marks("a")), step("2", marks("b"))]);
    let mut scene = sent_by(vec![step("own", marks("c"))]);
    assert!(matches!(chain.request(&mut scene.visit()), Flow::Next));
    let asked: Vec<_> = scene.request.head.values("X-Mark").map(String::from_utf8_lossy).collect();
    assert_eq!(asked, ["a", "b", "c"]);
    assert_eq!((scene.pass.entered(), leave(&chain, &mut scene)), (3, "c, b, a".to_owned()));
}

#[test]
fn what_refuses_a_consumer_has_its_name() {
    let chain = Chain::new(vec![step("edit", marks("a"))]);
    let mut scene = sent_by(vec![observed("looks", denies_all()), step("own", denies_all())]);
    assert!(matches!(chain.request(&mut scene.visit()), Flow::Reply(Reply { status: 403, .. })));
    assert_eq!(offences(&chain, &scene), [("looks", false), ("own", true)]);
    let mut refused = sent_by(vec![step("own", marks("c"))]);
    let chain = Chain::new(vec![step("acl", denies_strangers()), step("edit", marks("a"))]);
    assert!(matches!(chain.request(&mut refused.visit()), Flow::Reply(_)));
    assert_eq!(leave(&chain, &mut refused), "", "whom the route refuses its own policies do not see");
}

fn one_in_a_minute(name: &str) -> Arc<Step> {
    let window = Window::new("minute", Count::Fixed { limit: 1, window_s: 60 });
    let limit = crate::RateLimit::new(vec![Part::Ip], vec![(Whom::All, vec![window])], Family::Kong, 100);
    step(name, Link::RateLimit(Arc::new(limit)))
}

#[test]
fn a_better_route_asks_only_who_was_not_asked() {
    let (limit, mark) = (one_in_a_minute("limit"), step("common", marks("a")));
    let first = Chain::new(vec![Arc::clone(&limit), Arc::clone(&mark), step("first", marks("b"))]);
    let better = Chain::new(vec![limit, one_in_a_minute("own"), mark, step("better", marks("c"))]);
    let mut scene = sent_by(vec![step("consumer", marks("d"))]);
    assert!(matches!(first.request(&mut scene.visit()), Flow::Next));
    better.take_over(&first, &mut scene.pass);
    assert!(matches!(better.request(&mut scene.visit()), Flow::Next), "the limit has counted it once");
    let asked: Vec<_> = scene.request.head.values("X-Mark").map(String::from_utf8_lossy).collect();
    assert_eq!(asked, ["a", "b", "d", "c"]);
    assert_eq!(leave(&better, &mut scene), "d, c, a", "all of its own see the answer");
    // The next request is counted by both, and refused by the first of them.
    scene.pass.clear();
    assert!(matches!(first.request(&mut scene.visit()), Flow::Reply(Reply { status: 429, .. })));
}

#[test]
fn who_it_is_holds_on_a_better_route_only_if_it_asks_the_same() {
    let key = |key: &str| {
        let mut credentials = crate::Credentials::default();
        let consumer = Consumer { name: key.into(), ..Consumer::default() };
        credentials.insert(key, Arc::new(consumer));
        let place = vec![crate::Place::Header("X-API-Key".into())];
        step(key, Link::KeyAuth(Arc::new(crate::KeyAuth::new(Arc::new(credentials), place))))
    };
    let login = key("one");
    let first = Chain::new(vec![Arc::clone(&login), observed("looks", denies_all())]);
    let after = |better: &Chain| {
        let mut scene = Scene::get(&[("X-API-Key", "one")]);
        assert!(matches!(first.request(&mut scene.visit()), Flow::Next));
        better.take_over(&first, &mut scene.pass);
        assert!(scene.pass.offences().is_empty(), "what is asked again says it again");
        scene.request.head.remove("X-API-Key");
        let flow = better.request(&mut scene.visit());
        (matches!(flow, Flow::Next), scene.pass.identity.consumer.map(|consumer| consumer.name.to_string()))
    };
    assert_eq!(after(&Chain::new(vec![login])), (true, Some("one".to_owned())));
    assert_eq!(after(&Chain::new(vec![key("two")])), (false, None));
    assert_eq!(after(&Chain::new(vec![step("edit", marks("a"))])), (true, None));
}
