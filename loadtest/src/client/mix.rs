//! Requests made ready: the bytes to send, drawn by weight, and what must come back.

use super::answer::{Body, Expected};
use super::websocket::UPGRADE;
use crate::load::random::Random;
use crate::origin::pattern;
use crate::scenario::{Client, Expect, Protocol, Request};
use bytes::Bytes;

/// The host that clients ask for.
pub(crate) const HOST: &str = "load.test";

/// One kind of request, ready to be sent.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The head in HTTP/1.1, with a small body behind it; one for each token.
    pub(crate) heads: Vec<Bytes>,
    /// A body too large to stand behind the head.
    pub(crate) body: Bytes,
    whole: Bytes,
    pub(crate) request: Request,
    pub(crate) expected: Expected,
    /// The sum of the weights up to this one.
    until: u64,
}

/// All kinds of requests of a scenario.
#[derive(Debug)]
pub(crate) struct Mix {
    kinds: Vec<Prepared>,
    /// The host that is asked for.
    pub(crate) host: String,
    tokens: Vec<String>,
    total: u64,
}

impl Prepared {
    /// The body, however large.
    pub(crate) fn content(&self) -> Bytes {
        self.whole.clone()
    }
}

/// Bodies up to this size are sent together with the head.
const TOGETHER_MAX: u64 = 16 << 10;

impl Mix {
    pub(crate) fn new(requests: &[Request], client: &Client, tokens: Vec<String>) -> Self {
        let mut total = 0;
        let blank = Request::blank();
        let all: Vec<&Request> =
            if requests.is_empty() { blank.iter().collect() } else { requests.iter().collect() };
        let prepare = |request: &&Request| {
            total += u64::from(request.weight.value);
            prepare(request, client, &tokens, total)
        };
        let kinds = all.iter().map(prepare).collect();
        Self { kinds, host: authority(client), tokens, total }
    }

    /// One of the kinds, and the number of a token.
    pub(crate) fn draw(&self, random: &mut Random) -> Option<(&Prepared, usize)> {
        let token = if self.tokens.len() > 1 { random.below(self.tokens.len()) } else { 0 };
        if let [only] = self.kinds.as_slice() {
            return Some((only, token));
        }
        let drawn = random.below(usize::try_from(self.total).unwrap_or(usize::MAX)) as u64;
        self.kinds.iter().find(|kind| drawn < kind.until).map(|kind| (kind, token))
    }

    pub(crate) fn token(&self, number: usize) -> Option<&str> {
        self.tokens.get(number).map(String::as_str)
    }
}

fn prepare(request: &Request, client: &Client, tokens: &[String], until: u64) -> Prepared {
    let whole = Bytes::from(pattern::bytes(request.body.0));
    let is_small = request.body.0 <= TOGETHER_MAX;
    let one = |token: Option<&String>| {
        let mut head = head(request, client, token);
        if is_small {
            head.extend_from_slice(&whole);
        }
        Bytes::from(head)
    };
    let heads = if tokens.is_empty() {
        vec![one(None)]
    } else {
        tokens.iter().map(|token| one(Some(token))).collect()
    };
    let expected = expected(request);
    let body = if is_small { Bytes::new() } else { whole.clone() };
    Prepared { heads, body, whole, request: request.clone(), expected, until }
}

fn head(request: &Request, client: &Client, token: Option<&String>) -> Vec<u8> {
    let host = authority(client);
    let mut head = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", request.method.0, request.path.value);
    for (name, value) in request.headers.iter() {
        head += &format!("{}: {}\r\n", name.value, value.value.0);
    }
    if let Some(token) = token {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    if request.body.0 > 0 {
        head += &format!("Content-Length: {}\r\n", request.body.0);
    }
    match client.protocol.value {
        Protocol::WebSocket => head += UPGRADE,
        Protocol::Http1 if !client.keep_alive.value => head += "Connection: close\r\n",
        Protocol::Http1 | Protocol::H2 => {}
    }
    head += "\r\n";
    head.into_bytes()
}

/// The host as it stands in a request: an address of IPv6 in brackets (RFC 3986, section 3.2.2).
fn authority(client: &Client) -> String {
    let host = &client.host.value;
    if host.contains(':') { format!("[{host}]") } else { host.clone() }
}

fn expected(request: &Request) -> Expected {
    let Expect { status, bytes, exact, text, headers } = &request.expect.value;
    let named = request.path.strip_prefix("/bytes/").and_then(|number| number.parse().ok());
    let body = match text {
        Some(text) => Body::Text(Bytes::copy_from_slice(text.as_bytes())),
        None if exact.value && named.is_some() => Body::Pattern,
        None => Body::Any,
    };
    let length =
        text.as_ref().map(|text| text.len() as u64).or(bytes.as_ref().map(|bytes| bytes.0)).or(named);
    let headers = headers.iter().map(|(name, value)| (name.value.clone(), value.value.0.clone()));
    Expected { status: status.0, bytes: length, body, headers: headers.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use weir_schema::diagnostic::Style;

    fn mix(rest: &str, tokens: &[&str]) -> Mix {
        let text = format!("version: 1\nname: x\nwhat: y\ntarget: http://127.0.0.1:1\n{rest}\n");
        let scenario = Scenario::parse("x.yaml", &text, Style::Plain).unwrap();
        let requests: Vec<Request> = scenario.requests.iter().map(|request| request.value.clone()).collect();
        Mix::new(&requests, &scenario.client, tokens.iter().map(|token| (*token).to_owned()).collect())
    }

    #[test]
    fn requests_are_drawn_by_their_weights() {
        let mix = mix("requests: [ { path: /a, weight: 7 }, { path: /b, weight: 2 }, { path: /c } ]", &[]);
        let mut random = Random::new(11);
        let mut drawn = std::collections::BTreeMap::<String, i32>::new();
        for _ in 0..10_000 {
            let (kind, _) = mix.draw(&mut random).unwrap();
            *drawn.entry(kind.request.path.value.clone()).or_default() += 1;
        }
        // Four times what chance adds to 7,000, 2,000 and 1,000 of 10,000.
        let near = |path: &str, expect: i32, apart: i32| (drawn[path] - expect).abs() < apart;
        assert!(near("/a", 7000, 184) && near("/b", 2000, 160) && near("/c", 1000, 120), "{drawn:?}");
    }

    #[test]
    fn a_head_has_what_the_scenario_gives_it() {
        let head = |rest: &str, tokens: &[&str]| {
            let mix = mix(rest, tokens);
            let (kind, token) = mix.draw(&mut Random::new(1)).unwrap();
            String::from_utf8(kind.heads[token].to_vec()).unwrap()
        };
        assert_eq!(
            head(
                "client: { host: a.test, keep_alive: false }\nrequests: [ { method: POST, path: /x, body: 3B, headers: { X-A: b } } ]",
                &["t"]
            ),
            "POST /x HTTP/1.1\r\nHost: a.test\r\nX-A: b\r\nAuthorization: Bearer t\r\nContent-Length: 3\r\nConnection: close\r\n\r\n012"
        );
        let upgrade = head(
            "client: { protocol: websocket }\nrequests: [ { path: /echo, headers: { X-A: b } } ]",
            &["t"],
        );
        assert!(upgrade.starts_with("GET /echo HTTP/1.1\r\nHost: load.test\r\nX-A: b\r\nAuthorization: Bearer t\r\nUpgrade: websocket\r\n"), "{upgrade}");
    }
}
