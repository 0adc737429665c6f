//! B63: spans of requests reach a collector, belong together, and cost nobody anything while it is away.

use crate::process::{Weir, curl, free_port, until};
use crate::service::Origin;
use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("traces::b63_spans_reach_a_collector_of_opentelemetry", otlp),
        Trial::test("traces::b63_spans_reach_zipkin", zipkin),
        Trial::test("traces::b63_a_collector_that_is_away_holds_nobody_up", away),
    ]
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Somebody who collects spans, and what came.
struct Collector {
    port: u16,
    got: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start() -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn at(listener: TcpListener) -> Self {
        let (port, got) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<_>>>::default());
        let all = Arc::clone(&got);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                while !head.ends_with("\r\n\r\n") {
                    let start = head.len();
                    assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
                    let line = head[start..].to_ascii_lowercase();
                    length = line
                        .strip_prefix("content-length:")
                        .map_or(length, |text| text.trim().parse().unwrap());
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}"));
                all.lock().unwrap().push((head, body));
                stream.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        Self { port, got }
    }

    /// Every span so far, by the path to the list of them in each document.
    fn spans(&self, path: &str) -> Vec<Value> {
        let got = self.got.lock().unwrap();
        let lists = got.iter().map(|(_, body)| body.pointer(path).unwrap_or_else(|| panic!("{body}")));
        lists.flat_map(|list| list.as_array().unwrap().clone()).collect()
    }
}

fn config(port: u16, origin: u16, status: u16, traces: &str) -> String {
    format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\", trusted_proxies: [ 127.0.0.1/32 ] }} ]
routes:
  - {{ name: hello, match: {{ path: /hello }}, respond: {{ status: 200, body: hello }} }}
  - {{ name: on, match: {{ path: /* }}, upstream: origin }}
upstreams: {{ origin: {{ targets: [ \"127.0.0.1:{origin}\" ] }} }}
telemetry: {{ metrics: \"127.0.0.1:{status}\", traces: {traces} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    )
}

/// An attribute of a span of OTLP.
fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let all = span["attributes"].as_array()?;
    let value = &all.iter().find(|one| one["key"] == key)?["value"];
    value["stringValue"].as_str().or(value["intValue"].as_str())
}

fn otlp() -> Result<(), Failed> {
    let (collector, origin, port) = (Collector::start(), Origin::start(), free_port());
    let to = format!("http://127.0.0.1:{}/v1/traces", collector.port);
    let traces = format!("{{ to: \"{to}\", sample: 0%, flush: 10ms, service: edge-1 }}");
    let _weir = Weir::start(&config(port, origin.1, free_port(), &traces));
    let ask = |flags: &str, path: &str| {
        let parent = format!("traceparent: 00-{TRACE}-{PARENT}-{flags}");
        curl(&["-H", &parent, &format!("http://127.0.0.1:{port}{path}")]).1
    };
    ask("00", "/not/recorded");
    let seen = ask("01", "/a/b?secret=1");
    let path = "/resourceSpans/0/scopeSpans/0/spans";
    until("both spans are there", || collector.spans(path).len() == 2);
    let spans = collector.spans(path);
    let of = |kind: u64| spans.iter().find(|span| span["kind"] == kind).unwrap();
    let (served, asked) = (of(2), of(3));
    assert_eq!((&served["traceId"], &served["parentSpanId"]), (&TRACE.into(), &PARENT.into()));
    assert_eq!((&asked["traceId"], &asked["parentSpanId"]), (&TRACE.into(), &served["spanId"]));
    let header = format!("traceparent: 00-{TRACE}-{}-01", asked["spanId"].as_str().unwrap());
    assert!(seen.contains(&header), "the upstream goes on from the span that asks it: {header}\n{seen}");
    assert_eq!(served["name"], "GET on");
    let told = |key| attribute(served, key);
    assert_eq!((told("url.path"), told("http.response.status_code")), (Some("/a/b"), Some("200")));
    assert_eq!((told("http.route"), told("client.address")), (Some("on"), Some("127.0.0.1")));
    assert_eq!(attribute(asked, "server.address"), Some(&*format!("127.0.0.1:{}", origin.1)));
    let time = |span: &Value, key: &str| span[key].as_str().unwrap().parse::<u64>().unwrap();
    let [begun, ended] =
        ["startTimeUnixNano", "endTimeUnixNano"].map(|key| (time(served, key), time(asked, key)));
    assert!(
        begun.0 <= begun.1 && begun.1 <= ended.1 && ended.1 <= ended.0,
        "one within the other: {spans:#?}"
    );
    let (head, body) = collector.got.lock().unwrap()[0].clone();
    assert!(
        head.starts_with("POST /v1/traces HTTP/1.1") && head.contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(
        body.pointer("/resourceSpans/0/resource/attributes/0/value/stringValue"),
        Some(&"edge-1".into())
    );
    assert!(!body.to_string().contains("secret"), "queries are never told: {body}");
    Ok(())
}

fn zipkin() -> Result<(), Failed> {
    let (collector, port, status) = (Collector::start(), free_port(), free_port());
    let to = format!("http://127.0.0.1:{}/api/v2/spans", collector.port);
    let traces = format!("{{ to: \"{to}\", format: zipkin, sample: 100%, flush: 10ms }}");
    let _weir = Weir::start(&config(port, 1, status, &traces));
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(curl(&[&format!("{url}/hello")]).0, 200);
    assert_eq!(curl(&[&format!("{url}/gone")]).0, 502);
    until("all spans are there", || collector.spans("").len() == 3);
    let spans = collector.spans("");
    let named = |name: &str, kind: &str| {
        let is = |span: &&Value| span["name"] == name && span["kind"] == kind;
        spans.iter().find(is).unwrap_or_else(|| panic!("{name} {kind} in {spans:#?}"))
    };
    let hello = named("GET hello", "SERVER");
    assert!(hello["parentId"].is_null() && hello["tags"]["error"].is_null(), "{hello}");
    let (served, asked) = (named("GET on", "SERVER"), named("GET", "CLIENT"));
    assert_eq!((&asked["traceId"], &asked["parentId"]), (&served["traceId"], &served["id"]));
    assert_ne!(served["traceId"], hello["traceId"]);
    assert_eq!(
        (&served["tags"]["error"], &asked["tags"]["weir.upstream"]),
        (&"connect_failed".into(), &"origin".into())
    );
    let page = curl(&[&format!("http://127.0.0.1:{status}/metrics")]).1;
    for line in
        ["weir_trace_spans_sent_total 3", "weir_trace_collector_up 1", "weir_trace_spans_failures_total 0"]
    {
        assert!(page.lines().any(|have| have == line), "{line}\nnot in\n{page}");
    }
    Ok(())
}

fn away() -> Result<(), Failed> {
    let (collector, port, status) = (free_port(), free_port(), free_port());
    let to = format!("http://127.0.0.1:{collector}/v1/traces");
    let traces = format!("{{ to: \"{to}\", sample: 100%, flush: 10ms, buffer: 256KiB }}");
    let weir = Weir::start(&config(port, 1, status, &traces));
    let number = |name: &str| {
        let page = curl(&[&format!("http://127.0.0.1:{status}/metrics")]).1;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse::<u64>().unwrap()
    };
    let many = || {
        let url = format!("http://127.0.0.1:{port}/hello?[1-2000]");
        std::process::Command::new("curl")
            .args(["--silent", "--fail", "--output", "/dev/null", &url])
            .status()
    };
    assert!(many()?.success(), "every request is answered");
    until("spans are lost, and counted", || number("weir_trace_spans_failures_total") > 0);
    assert_eq!(number("weir_trace_collector_up"), 0);
    assert!(many()?.success(), "and still is");
    let collector = Collector::at(TcpListener::bind(("127.0.0.1", collector))?);
    until("it is told again", || {
        curl(&[&format!("http://127.0.0.1:{port}/hello")]);
        number("weir_trace_collector_up") == 1
    });
    assert!(!collector.got.lock().unwrap().is_empty());
    let words = std::fs::read_to_string(weir.room.path().join("stderr"))?;
    assert!(words.contains("the spans of traces cannot be written") && words.contains(&to), "{words}");
    Ok(())
}
