//! From configurations as written to chains that judge.
use super::*;
use crate::scene::{Scene, sent};
use crate::{Flow, Leave, Rank};
use weir_schema::lookup::Fixed;
use weir_schema::{Sources, parse};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\nq9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n-----END PUBLIC KEY-----\n";

fn read(text: &str) -> Arc<Config> {
    let secrets = ["mobile.key", "partner.key", "partner-next.key", "batch.key", "api.key"];
    let credentials = secrets.map(|name| (name.to_owned(), format!("secret of {name}"))).into();
    let lookup = Fixed { credentials, ..Fixed::default() };
    let outcome = parse(&Sources::one("test.yaml", text), &lookup);
    outcome.config.unwrap_or_else(|| panic!("{:#?}", outcome.report)).into()
}

fn files(path: &str) -> Result<Vec<u8>, String> {
    match path {
        "/key.pem" => Ok(KEY.into()),
        "/keys.json" => {
            Ok(br#"{"keys":[{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#.to_vec())
        }
        _ => Err("there is no such file".into()),
    }
}

/// A configuration with these policies in the chain of its only route.
fn with(policies: &str) -> String {
    format!(
        "version: 1\nlisteners: [ {{ bind: \":80\" }} ]\nconsumers:\n  mobile: {{ groups: premium, keys: \"${{cred:mobile.key}}\", custom_id: m-1 }}\nroutes:\n  - {{ match: a.example/*, policies: {policies}, respond: {{ status: 204 }} }}\n"
    )
}

fn compile(config: &Arc<Config>, before: Option<&Library>) -> (Library, Chain, Report) {
    let mut report = Report::default();
    let mut library = Library::new(config, before, &files, &mut report);
    let chain = library.chain("r", &config.routes[0].value.policies, &files, &mut report);
    library.seal();
    (library, chain, report)
}

fn messages(report: &Report) -> Vec<String> {
    report
        .iter()
        .map(|found| format!("{}:{} {}", found.span.line, found.span.column, found.message))
        .collect()
}

#[test]
fn every_example_compiles() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/examples");
    let (mut count, mut kinds) = (0, std::collections::HashSet::new());
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let outcome = parse(
            &Sources::one("x.yaml", std::fs::read_to_string(&path).unwrap()),
            &weir_schema::lookup::Anything,
        );
        let config = Arc::new(outcome.config.unwrap());
        let mut report = Report::default();
        let mut library = Library::new(&config, None, &files, &mut report);
        for route in &config.routes {
            let chain = library.chain("r", &route.value.policies, &files, &mut report);
            count += chain.steps().len();
            kinds.extend(chain.steps().iter().map(|step| std::mem::discriminant(&step.link)));
        }
        assert_eq!(messages(&report), Vec::<String>::new(), "{}", path.display());
    }
    assert!(count > 15 && kinds.len() == 11, "{count} steps of {} kinds", kinds.len());
}

#[test]
fn a_chain_of_everything_judges() {
    let config = read(&with(
        "[ { headers: { request: { set: { X-Who: \"{consumer.name}\" } } } }, { acl: { allow: premium } }, { rate_limit: { by: consumer, windows: { minute: 2 }, algorithm: fixed, headers: kong } }, key_auth, { cors: { origins: \"https://app.example\" } }, request_id, { ip_list: { deny: 203.0.113.0/24 } }, { verdicts: { score: { bad_token: 5 } } }, { size_limit: { body: 1KiB } } ]",
    ));
    let (_, chain, report) = compile(&config, None);
    assert_eq!(messages(&report), Vec::<String>::new());
    let ranks: Vec<Rank> = chain.steps().iter().map(|step| step.link.rank()).collect();
    assert!(ranks.is_sorted() && ranks.len() == 9);
    let ask = |fields: &[(&str, &str)]| {
        let mut scene = Scene::get(fields);
        let flow = chain.request(&mut scene.visit());
        let mut response = weir_message::Response::default();
        response.begin(if let Flow::Reply(reply) = &flow { reply.status } else { 200 });
        chain.response(&mut Leave {
            request: &scene.request,
            response: &mut response,
            client: &scene.client,
            route: "r",
            now: scene.now,
            worker: &mut scene.worker,
            pass: &mut scene.pass,
        });
        (scene, response)
    };
    let (scene, response) = ask(&[("X-API-Key", "secret of mobile.key"), ("Origin", "https://app.example")]);
    assert_eq!(response.status, 200);
    assert_eq!(scene.field("X-Who").as_deref(), Some("mobile"));
    assert_eq!(scene.field("X-Consumer-Custom-ID").as_deref(), Some("m-1"));
    assert_eq!(sent(&response, "X-RateLimit-Remaining-Minute"), "1");
    assert_eq!(sent(&response, "Access-Control-Allow-Origin"), "https://app.example");
    assert_eq!(sent(&response, "X-Request-ID").len(), 36);
    let (scene, response) = ask(&[("X-API-Key", "wrong")]);
    assert_eq!((response.status, sent(&response, "WWW-Authenticate").as_str()), (401, "Key realm=\"weir\""));
    assert_eq!(chain.rule(scene.pass.offences()[0].step, &scene.pass), "r/key_auth-4");
    let statuses: Vec<u16> = (0..3).map(|_| ask(&[("X-API-Key", "secret of mobile.key")]).1.status).collect();
    assert_eq!(statuses, [200, 429, 429]);
}

#[test]
fn what_cannot_be_compiled_is_reported_where_it_stands() {
    let check = |policies: &str, expect: &[&str]| {
        let (_, _, report) = compile(&read(&with(policies)), None);
        let found: Vec<String> = report.iter().map(|found| found.message.clone()).collect();
        assert_eq!(found, expect, "{policies}");
        assert!(
            report.iter().all(|found| found.span.line == 6 && found.span.column > 1),
            "{:?}",
            messages(&report)
        );
    };
    check("[ { jwt: { keys: { algorithm: HS256, secret: short } } } ]", &["the key is too short"]);
    check(
        "[ { jwt: { keys: { algorithm: ES384, public_key: /key.pem } } } ]",
        &["key type, curve and algorithm are not offered or do not fit each other"],
    );
    check(
        "[ { jwt: { keys: { algorithm: ES256, public_key: /none.pem } } } ]",
        &["`/none.pem` cannot be read: there is no such file"],
    );
    check("[ { jwt: { jwks_file: /key.pem } } ]", &["malformed key"]);
    check("[ { key_auth: { optional: true, anonymous: nobody } } ]", &["there is no consumer `nobody`"]);
    check("[ { rate_limit: { windows: { day: 2000000 } } } ]", &["a window counts to 1048575 at most"]);
    check("[ { jwt: { keys: { algorithm: ES256, public_key: /key.pem } } } ]", &[]);
    check("[ { jwt: { jwks_file: /keys.json } } ]", &[]);
    check("[ { rate_limit: { windows: { day: 2000000 }, algorithm: fixed } } ]", &[]);
}

#[test]
fn modes_are_obeyed() {
    let modes = |policies: &str| {
        let (_, chain, report) = compile(&read(&with(policies)), None);
        assert_eq!(messages(&report), Vec::<String>::new());
        chain.steps().iter().map(|step| step.observe).collect::<Vec<_>>()
    };
    assert_eq!(
        modes(
            "[ { ip_list: { deny: 10.0.0.0/8, mode: observe } }, { rate_limit: { rate: 1/s, mode: enforce } } ]"
        ),
        [true, false]
    );
    assert_eq!(
        modes(
            "[ { ip_list: { deny: 10.0.0.0/8, mode: off } }, { verdicts: { score: { denied: 1 }, mode: observe } } ]"
        ),
        [false]
    );
}

#[test]
fn a_reload_forgets_nothing_of_what_is_written_as_before() {
    let limit = "{ rate_limit: { rate: 1/s } }";
    let login = "{ jwt: { jwks: \"https://id.example/keys\" } }";
    let first = read(&with(&format!("[ {limit}, {login}, {{ ip_list: {{ deny: 10.0.0.0/8 }} }} ]")));
    let second = read(&with(&format!("[ {limit}, {login}, {{ ip_list: {{ deny: 10.0.0.0/9 }} }} ]")));
    let people = read(
        &with(&format!("[ {limit}, {login}, {{ ip_list: {{ deny: 10.0.0.0/9 }} }} ]"))
            .replace("premium", "basic"),
    );
    let (library, chain, _) = compile(&first, None);
    let step = |chain: &Chain, rule: &str| {
        Arc::clone(chain.steps().iter().find(|step| step.rule.contains(rule)).unwrap())
    };
    let fetched = |library: &Library| {
        library.fetched().map(|(_, verifier, _)| Arc::clone(verifier)).collect::<Vec<_>>()
    };
    let [verifier] = fetched(&library).try_into().unwrap();

    let (library, again, _) = compile(&second, Some(&library));
    assert!(Arc::ptr_eq(&step(&chain, "rate_limit"), &step(&again, "rate_limit")));
    assert!(Arc::ptr_eq(&step(&chain, "jwt"), &step(&again, "jwt")));
    assert!(!Arc::ptr_eq(&step(&chain, "ip_list"), &step(&again, "ip_list")));

    let (library, third, _) = compile(&people, Some(&library));
    assert!(Arc::ptr_eq(&step(&chain, "rate_limit"), &step(&third, "rate_limit")));
    assert!(!Arc::ptr_eq(&step(&chain, "jwt"), &step(&third, "jwt")), "other people may be meant");
    assert!(Arc::ptr_eq(&verifier, &fetched(&library)[0]), "the keys that were fetched stay");
}

#[test]
fn two_consumers_cannot_have_one_key() {
    let text = with("[ key_auth ]").replace("routes:", "  twin: { keys: \"${cred:mobile.key}\" }\nroutes:");
    let (_, _, report) = compile(&read(&text), None);
    assert_eq!(messages(&report).len(), 1);
}

/// Two consumers, of whom one is judged by a named policy and one written at its place.
fn with_own_policies(limit: &str) -> String {
    format!(
        "version: 1\nlisteners: [ {{ bind: \":80\" }} ]\nconsumers:\n  mobile: {{ keys: \"${{cred:mobile.key}}\", policies: [ few, {{ headers: {{ request: {{ set: {{ X-Tier: own }} }} }} }} ] }}\n  partner: {{ keys: \"${{cred:partner.key}}\" }}\npolicies:\n  few: {{ rate_limit: {{ by: consumer, windows: {{ minute: {limit} }}, algorithm: fixed }} }}\nroutes:\n  - {{ match: a.example/*, policies: key_auth, respond: {{ status: 204 }} }}\n"
    )
}

#[test]
fn consumers_are_judged_by_policies_of_their_own() {
    let config = read(&with_own_policies("2"));
    let (library, chain, report) = compile(&config, None);
    assert_eq!(messages(&report), Vec::<String>::new());
    let ask = |chain: &Chain, key: &str| {
        let mut scene = Scene::get(&[("X-API-Key", key)]);
        let flow = chain.request(&mut scene.visit());
        let rule = scene.pass.offences().first().map(|one| chain.rule(one.step, &scene.pass).to_owned());
        let status = if let Flow::Reply(reply) = &flow { reply.status } else { 0 };
        (status, scene.field("X-Tier"), rule)
    };
    let passes = (0, Some("own".to_owned()), None);
    let (mobile, partner) = ("secret of mobile.key", "secret of partner.key");
    assert_eq!([ask(&chain, mobile), ask(&chain, mobile)], [passes.clone(), passes.clone()]);
    assert_eq!(ask(&chain, mobile), (429, None, Some("few".to_owned())));
    for _ in 0..4 {
        assert_eq!(ask(&chain, partner), (0, None, None), "others are not concerned");
    }

    let (library, again, _) = compile(&config, Some(&library));
    assert_eq!(ask(&again, mobile).0, 429, "a reload forgets nothing");
    let (_, changed, _) = compile(&read(&with_own_policies("3")), Some(&library));
    assert_eq!(
        ask(&changed, mobile),
        passes,
        "another limit counts anew, although the consumers are written as before"
    );
    assert_eq!([ask(&changed, mobile).0, ask(&changed, mobile).0, ask(&changed, mobile).0], [0, 0, 429]);
}
