//! B65: what the admin interface lists comes in pages; what it changes can be tried before, and sent twice.

use crate::process::{Weir, curl, free_port};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("lists::b65_they_come_in_pages", pages),
        Trial::test("lists::b65_a_change_can_be_rehearsed", rehearsed),
        Trial::test("lists::b65_what_is_put_twice_is_taken_once", put_twice),
    ]
}

/// A host with five upstreams, of which it needs one.
pub(crate) fn crowded(port: u16, status: u16) -> String {
    let upstreams =
        ["e", "d", "c", "b", "a"].map(|name| format!("{name}: {{ targets: [ \"127.0.0.1:9\" ] }}"));
    // Whoever answers for weir is never banned.
    let upstreams = upstreams.join(", ").replacen("127.0.0.1:9", "203.0.113.9:9", 1);
    let routes = ["a", "b", "c", "d", "e"].map(|name| format!("{{ match: /{name}, upstream: {name} }}"));
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes: [ {} ]
upstreams: {{ {} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\", needs: [ c ] }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
",
        routes.join(", "),
        upstreams
    )
}

/// What the admin socket answers.
fn local(running: &Weir, method: &str, path: &str, body: &str) -> (u16, Value) {
    let socket = running.socket().display().to_string();
    let url = format!("http://weir{path}");
    let (code, text) = curl(&["--unix-socket", &socket, "-X", method, "--data-raw", body, &url]);
    (code, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn pages() -> Result<(), Failed> {
    let running = Weir::start(&crowded(free_port(), free_port()));
    for last in 1..=5 {
        assert_eq!(
            local(&running, "POST", "/v1/shield/bans", &format!("{{\"address\":\"198.51.100.{last}\"}}")).0,
            200
        );
    }
    let follow = |path: &str, list: &str, key: &str| {
        let (mut next, mut seen, mut pages) = (format!("{path}?limit=2"), Vec::new(), 0);
        loop {
            let (code, page) = local(&running, "GET", &next, "");
            assert_eq!(code, 200, "{next}: {page}");
            seen.extend(
                page[list].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()),
            );
            pages += 1;
            let Some(more) = page["next"].as_str() else { return (seen, pages) };
            next = more.to_owned();
        }
    };
    let (upstreams, count) = follow("/v1/upstreams", "upstreams", "upstream");
    assert_eq!((upstreams.concat().as_str(), count), ("abcde", 3));
    let (mut bans, count) = follow("/v1/shield/bans", "items", "source");
    bans.sort();
    let all: Vec<String> = (1..=5).map(|last| format!("198.51.100.{last}")).collect();
    assert_eq!((bans, count), (all, 3), "nobody is missing and nobody comes twice");
    assert_eq!(follow("/v1/generations", "kept", "hash").1, 1);
    for query in ["limit=0", "limit=10001", "after=x", "page=2"] {
        assert_eq!(local(&running, "GET", &format!("/v1/upstreams?{query}"), "").0, 400, "{query}");
    }
    Ok(())
}

fn rehearsed() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let running = Weir::start(&crowded(port, status));
    let before = local(&running, "GET", "/v1/status", "").1;
    let check = |method: &str, path: &str, body: &str, expect: u16, says: &str| {
        let (code, told) = local(&running, method, &format!("{path}?dry_run=true"), body);
        assert!(code == expect && told.to_string().contains(says), "{path} {body}: {code} {told}");
    };
    let file = |text: &str| json!({ "files": [ { "name": "next.yaml", "text": text } ] }).to_string();
    let next = crowded(port, status).replace("match: /a,", "match: /z,");
    let next = next.replace("{dir}", running.room.path().to_str().ok_or("a path")?);
    check("POST", "/v1/reload", &file("nonsense"), 422, "E01");
    check("POST", "/v1/reload", &file(&next), 200, "\"differs\":true");
    check("PUT", "/v1/config", &file(&next), 200, "\"dry_run\":true");
    check("POST", "/v1/rollback", "", 422, "no earlier configuration");
    check("POST", "/v1/confirm", "", 422, "nothing waits");
    let steer = |target: &str, wish: &str| format!("{{\"upstream\":\"a\",\"target\":\"{target}\",{wish}}}");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:9", "\"drained\":true"), 200, "a 127.0.0.1:9");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:8", "\"drained\":true"), 422, "127.0.0.1:9");
    check("POST", "/v1/upstreams", &steer("127.0.0.1:9", "\"weight\":0"), 422, "weight");
    check("PUT", "/v1/shield/bans/198.51.100.7", "{}", 200, "\"is_banned\":false");
    check("POST", "/v1/shield/bans", "{\"address\":\"203.0.113.9\"}", 422, "never banned");
    check("DELETE", "/v1/shield/bans/198.51.100.7", "", 200, "\"is_banned\":false");
    let after = local(&running, "GET", "/v1/status", "").1;
    assert_eq!(
        (&after["generation"], &after["config_hash"]),
        (&before["generation"], &before["config_hash"])
    );
    let (_, upstreams) = local(&running, "GET", "/v1/upstreams", "");
    assert!(!upstreams.to_string().contains("drained\""), "{upstreams}");
    assert_eq!(local(&running, "GET", "/v1/shield/bans", "").1["items"], json!([]));
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    assert!(words.contains("admin: dry run") && !words.contains("admin: change"), "{words}");
    Ok(())
}

fn put_twice() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let running = Weir::start(&crowded(port, status));
    let text = crowded(port, status).replace("match: /a,", "match: /z,");
    let text = text.replace("{dir}", running.room.path().to_str().ok_or("a path")?);
    let body = json!({ "files": [ { "name": "next.yaml", "text": text } ] }).to_string();
    for round in 0..3 {
        let (code, told) = local(&running, "PUT", "/v1/config", &body);
        assert_eq!((code, &told["generation"]), (200, &json!(2)), "round {round}: {told}");
    }
    assert_eq!(local(&running, "POST", "/v1/reload", &body).1["generation"], 3, "a reload is one each time");
    for _ in 0..3 {
        assert_eq!(local(&running, "PUT", "/v1/shield/bans/198.51.100.7", "{\"seconds\":600}").0, 200);
    }
    let bans = local(&running, "GET", "/v1/shield/bans", "").1["items"].clone();
    assert_eq!((bans.as_array().unwrap().len(), &bans[0]["nth"]), (1, &json!(1)), "{bans}");
    let words = std::fs::read_to_string(running.room.path().join("stderr"))?;
    let line = words.lines().find(|line| line.contains("admin: change") && line.contains("/v1/config"));
    let line = line.ok_or("the change is in the log")?;
    let hash = |name: &str| {
        let rest = line.split_once(&format!("{name}=")).unwrap().1;
        rest.split_whitespace().next().unwrap().trim_matches('"').to_owned()
    };
    assert_ne!(hash("before"), hash("after"), "which configuration it was and which it is: {line}");
    assert_eq!((hash("before").len(), hash("after").len()), (16, 16), "{line}");
    Ok(())
}
