//! The page that a scraper reads, judged by the rules of its two formats: Prometheus 0.0.4 and OpenMetrics 1.0.

use crate::process::{Weir, curl, free_port};
use libtest_mimic::{Failed, Trial};
use std::collections::{HashMap, HashSet};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("exposition::both_formats_keep_their_rules", rules),
        Trial::test("exposition::what_breaks_a_rule_is_seen", seen),
    ]
}

fn rules() -> Result<(), Failed> {
    let (port, status) = (free_port(), free_port());
    let config = format!(
        "version: 1
shield: {{ mode: off }}
listeners: [ {{ name: edge, bind: \"127.0.0.1:{port}\" }} ]
routes:
  - {{ name: hello, match: {{ path: /hello }}, respond: {{ status: 200, body: hello }} }}
  - {{ name: on, match: {{ path: /on/* }}, upstream: nobody }}
upstreams: {{ nobody: {{ targets: [ \"127.0.0.1:1\" ] }} }}
telemetry: {{ metrics: {{ bind: \"127.0.0.1:{status}\" }}, access_log: {{ to: \"{{dir}}/access.json\" }} }}
admin: {{ socket: \"{{dir}}/admin.sock\" }}
"
    );
    let _weir = Weir::start(&config);
    for path in ["hello", "on/ward", "nowhere", "hello"] {
        curl(&["-X", "BREW", &format!("http://127.0.0.1:{port}/{path}")]);
    }
    let page = format!("http://127.0.0.1:{status}/metrics");
    for accept in ["text/plain", "application/openmetrics-text; version=1.0.0"] {
        let (code, text) = curl(&["-H", &format!("accept: {accept}"), &page]);
        assert_eq!(code, 200);
        let open = accept.starts_with("application");
        let complaints = Judge::default().read(&text, open);
        assert!(complaints.is_empty(), "{accept}: {complaints:#?}\n{text}");
        assert!(text.contains("route=\"hello\",method=\"other\",class=\"2xx\"} 2"), "{text}");
    }
    Ok(())
}

/// The rules of a page, as far as it has been read.
#[derive(Default)]
struct Judge<'a> {
    /// Family and kind of the lines that follow.
    family: (&'a str, &'a str),
    help: &'a str,
    families: HashSet<&'a str>,
    series: HashSet<&'a str>,
    /// The last bound and count of a histogram's series.
    buckets: HashMap<String, (f64, f64)>,
    complaints: Vec<String>,
}

impl<'a> Judge<'a> {
    fn read(mut self, text: &'a str, open: bool) -> Vec<String> {
        self.must(text.ends_with('\n'), "the last line has no end");
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            match line.split_once(' ') {
                _ if *line == "# EOF" => self.must(open && at + 1 == lines.len(), "the end comes too early"),
                Some(("#", rest)) => self.comment(rest),
                _ => self.sample(line, open),
            }
        }
        self.must(!open || lines.last() == Some(&"# EOF"), "the page has no end");
        self.complaints
    }

    fn must(&mut self, holds: bool, otherwise: &str) {
        if !holds {
            self.complaints.push(otherwise.to_owned());
        }
    }

    fn comment(&mut self, rest: &'a str) {
        let words: Vec<&str> = rest.splitn(3, ' ').collect();
        match words.as_slice() {
            ["HELP", name, help] => {
                self.must(!help.is_empty() && !help.contains('\\'), &format!("{name}: the help"));
                self.help = name;
            }
            ["TYPE", name, kind] => {
                self.must(self.help == *name, &format!("{name} has no help before its type"));
                let is_new = self.families.insert(name);
                self.must(is_new, &format!("{name} comes twice"));
                let kinds = ["counter", "gauge", "histogram", "info"];
                self.must(kinds.contains(kind), &format!("{name} is a {kind}"));
                self.family = (name, kind);
            }
            _ => self.complaints.push(format!("a comment of no meaning: {rest}")),
        }
    }

    fn sample(&mut self, line: &'a str, open: bool) {
        let Some((series, value)) = line.rsplit_once(' ') else {
            return self.complaints.push(format!("no sample: {line}"));
        };
        let (name, labels) = series.split_once('{').map_or((series, ""), |(name, rest)| (name, rest));
        let is_new = self.series.insert(series);
        self.must(is_new, &format!("twice: {series}"));
        self.must(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()), name);
        let (family, kind) = self.family;
        let suffix = name.strip_prefix(family);
        let fits = match kind {
            "counter" if open => suffix == Some("_total"),
            "counter" => suffix == Some("") && family.ends_with("_total"),
            "info" => suffix == Some("_info"),
            "histogram" => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
            _ => suffix == Some(""),
        };
        self.must(fits, &format!("{name} under {family}, a {kind}"));
        let labels = match labels.strip_suffix('}') {
            Some(inner) => pairs(inner),
            None => Some(Vec::new()).filter(|_| labels.is_empty()),
        };
        let Some(labels) = labels else { return self.complaints.push(format!("labels of {line}")) };
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        let Some(number) = number else { return self.complaints.push(format!("no number: {line}")) };
        self.must(kind == "gauge" || number >= 0.0, &format!("below nothing: {line}"));
        if kind == "histogram" {
            self.bucket(name, family, &labels, number);
        }
    }

    /// Bounds rise, counts do not fall, the last bound is infinite, and its count is that of the series.
    fn bucket(&mut self, name: &str, family: &str, labels: &[(&str, &str)], number: f64) {
        let rest: Vec<_> = labels.iter().filter(|label| label.0 != "le").collect();
        let key = format!("{family}{rest:?}");
        let bound = labels.iter().find(|label| label.0 == "le").map(|label| label.1);
        let last = self.buckets.get(&key).copied();
        match (name.ends_with("_bucket"), bound) {
            (true, Some(bound)) => {
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap_or(f64::NAN) };
                let rises = last.is_none_or(|(below, count)| below < bound && count <= number);
                self.must(rises && !bound.is_nan(), &format!("buckets of {key}"));
                self.buckets.insert(key, (bound, number));
            }
            (false, None) if name.ends_with("_count") => {
                self.must(last == Some((f64::INFINITY, number)), &format!("the count of {key}"));
            }
            (false, None) => {}
            _ => self.complaints.push(format!("{name} of {key}")),
        }
    }
}

/// Labels with their values as written; none if they break a rule.
fn pairs(mut text: &str) -> Option<Vec<(&str, &str)>> {
    let mut found = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let mut escaped = false;
        let end = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })?;
        if !named || found.iter().any(|(other, _)| *other == name) {
            return None;
        }
        found.push((name, &rest[..end]));
        text = match &rest[end + 1..] {
            "" => "",
            more => more.strip_prefix(',')?,
        };
    }
    Some(found)
}

fn seen() -> Result<(), Failed> {
    let good = "# HELP a_total What.\n# TYPE a_total counter\na_total{b=\"c\\\"d\"} 1\n";
    let check = |text: &str, open: bool, wrong: usize| {
        let complaints = Judge::default().read(text, open);
        assert_eq!(complaints.len(), wrong, "{text}{complaints:#?}");
    };
    check(good, false, 0);
    check(good, true, 2);
    check(&good.replace("a_total counter", "a_total meter"), false, 1);
    check(&good.replace("# HELP a_total What.\n", ""), false, 1);
    check(&good.replace(" 1", " one"), false, 1);
    check(&good.replace(" 1", " -1"), false, 1);
    check(&good.replace("b=", "b-"), false, 1);
    check(&format!("{good}{good}"), false, 2);
    let histogram = "# HELP h What.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    check(histogram, false, 0);
    check(&histogram.replace("h_count 2", "h_count 3"), false, 1);
    check(&histogram.replace("le=\"1\"} 1", "le=\"1\"} 9"), false, 1);
    check(&histogram.replace("+Inf", "2"), false, 1);
    Ok(())
}
