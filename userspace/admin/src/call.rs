//! What a request asks for.

use crate::order::{self, File, Order};
use crate::{Page, Response, Steer};
use serde_json::Value;
use std::net::IpAddr;

/// A request to the admin interface, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, `PUT` or `DELETE`; others are answered 405.
    pub method: &'a str,
    /// Path without the query.
    pub path: &'a str,
    /// Query without the question mark; empty if there is none.
    pub query: &'a str,
    /// The body, empty or JSON.
    pub body: &'a [u8],
}

/// Which door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The unix socket: everything.
    Admin,
    /// The status listener: metrics and health, nothing that changes or tells more.
    Status,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// Is the process alive?
    Health,
    /// Can it serve?
    Ready,
    /// The numbers, for a scraper.
    Metrics,
    /// What runs: version, generation, listeners, workers, shield.
    Status,
    /// Take the configuration anew, or another one.
    Reload(Order),
    /// What would change with the configuration as it is now, or with these files in its place.
    Diff(Option<Vec<File>>),
    /// Keep what is on trial.
    Confirm,
    /// The configurations that can be taken again.
    Generations(Page),
    /// Go back to one of them; `None` is the one before.
    Rollback(Option<u64>),
    /// Every upstream with its targets.
    Upstreams(Page),
    /// Take a target out of use or back into it, or give it another weight.
    Steer(Steer),
    /// The certificates that listeners present.
    Certificates(Page),
    /// Counters and attachment of the shield.
    Shield,
    /// Every ban.
    Bans(Page),
    /// Ban an address.
    Ban {
        /// Who.
        address: IpAddr,
        /// For how many seconds; `None` leaves it to the escalation.
        seconds: Option<u64>,
        /// Why, in the operator's words.
        reason: String,
    },
    /// Lift a ban.
    Unban(IpAddr),
    /// Which stage would decide what for this source.
    Explain(IpAddr),
    /// Say what would become of a change, and change nothing.
    Rehearse(Box<Call>),
}

/// The longest reason that is kept with a ban, in bytes.
const REASON_BYTES_MAX: usize = 128;

/// Every path with the methods it knows.
const PATHS: &[(&str, &[&str], Door)] = &[
    ("/healthz", &["GET"], Door::Status),
    ("/readyz", &["GET"], Door::Status),
    ("/metrics", &["GET"], Door::Status),
    ("/v1/status", &["GET"], Door::Admin),
    ("/v1/reload", &["POST"], Door::Admin),
    ("/v1/config", &["PUT"], Door::Admin),
    ("/v1/diff", &["POST"], Door::Admin),
    ("/v1/confirm", &["POST"], Door::Admin),
    ("/v1/generations", &["GET"], Door::Admin),
    ("/v1/rollback", &["POST"], Door::Admin),
    ("/v1/upstreams", &["GET", "POST"], Door::Admin),
    ("/v1/certificates", &["GET"], Door::Admin),
    ("/v1/shield", &["GET"], Door::Admin),
    ("/v1/shield/bans", &["GET", "POST"], Door::Admin),
    ("/v1/shield/bans/{address}", &["PUT", "DELETE"], Door::Admin),
    ("/v1/shield/explain/{address}", &["GET"], Door::Admin),
];

/// What a call is about, and what a change can be made conditional on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The configuration in force.
    Configuration,
    /// What was asked of targets.
    Upstreams,
    /// Something of which there is no version.
    Other,
}

impl Call {
    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Status | Self::Reload(_) | Self::Diff(_) | Self::Confirm => Subject::Configuration,
            Self::Generations(_) | Self::Rollback(_) => Subject::Configuration,
            Self::Upstreams(_) | Self::Steer(_) => Subject::Upstreams,
            Self::Rehearse(change) => change.subject(),
            _ => Subject::Other,
        }
    }

    /// What it would change, in short and without the text of a configuration; empty for a call that only looks.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Reload(order) => order.what(),
            Self::Confirm => String::from("what is on trial"),
            Self::Rollback(Some(generation)) => format!("generation {generation}"),
            Self::Rollback(None) => String::from("the generation before"),
            Self::Steer(Steer { upstream, target, wish }) => format!("{upstream} {target}: {wish:?}"),
            Self::Ban { address, seconds, reason } => {
                let time = seconds.map_or_else(String::new, |seconds| format!(" for {seconds} s"));
                format!("{address}{time}: {reason:?}")
            }
            Self::Unban(address) => address.to_string(),
            Self::Rehearse(change) => change.what(),
            _ => String::new(),
        }
    }

    /// Reads a request; the error is the answer to it.
    pub fn parse(request: &Request<'_>, door: Door) -> Result<Self, Response> {
        let known = PATHS.iter().find(|(path, _, _)| captures(path, request.path).is_some());
        let Some((pattern, methods, least)) = known else {
            return Err(Response::problem(404, "no such path", &listing(door)));
        };
        if door == Door::Status && *least == Door::Admin {
            return Err(Response::problem(404, "no such path here", "ask on the admin socket"));
        }
        if !methods.contains(&request.method) {
            let allowed = methods.join(", ");
            let detail = format!("{} allows {allowed}", request.path);
            return Err(Response::problem(405, "method not allowed", &detail).with("allow", &allowed));
        }
        let argument = captures(pattern, request.path).unwrap_or_default();
        let Query { page, rehearses } = match least {
            Door::Admin => Query::parse(request)?,
            // A scraper may send what it likes.
            Door::Status => Query::default(),
        };
        let call = match (*pattern, request.method) {
            ("/healthz", _) => Self::Health,
            ("/readyz", _) => Self::Ready,
            ("/metrics", _) => Self::Metrics,
            ("/v1/status", _) => Self::Status,
            ("/v1/reload", _) => Self::Reload(Order::parse(request.body)?),
            ("/v1/config", _) => Self::Reload(Order::parse_whole(request.body)?),
            ("/v1/diff", _) => Self::Diff(Order::parse(request.body)?.files),
            ("/v1/confirm", _) => Self::Confirm,
            ("/v1/generations", _) => Self::Generations(page),
            ("/v1/rollback", _) => Self::Rollback(order::generation(request.body)?),
            ("/v1/upstreams", "GET") => Self::Upstreams(page),
            ("/v1/upstreams", _) => Self::Steer(Steer::parse(request.body)?),
            ("/v1/certificates", _) => Self::Certificates(page),
            ("/v1/shield", _) => Self::Shield,
            ("/v1/shield/bans", "GET") => Self::Bans(page),
            ("/v1/shield/bans", _) => ban(request.body, None)?,
            ("/v1/shield/bans/{address}", "PUT") => ban(request.body, Some(argument))?,
            ("/v1/shield/bans/{address}", _) => Self::Unban(address(argument)?),
            _ => Self::Explain(address(argument)?),
        };
        Ok(if rehearses { Self::Rehearse(Box::new(call)) } else { call })
    }
}

/// What a query says.
#[derive(Default)]
struct Query {
    page: Page,
    /// Only say what would come of it.
    rehearses: bool,
}

impl Query {
    fn parse(request: &Request<'_>) -> Result<Self, Response> {
        let bad = |detail: String| Response::problem(400, "the query is not understood", &detail);
        let (mut query, is_look) = (Self::default(), request.method == "GET");
        for part in request.query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name {
                "dry_run" if !is_look && request.path != "/v1/diff" => {
                    query.rehearses = match value {
                        "" | "true" | "1" => true,
                        "false" | "0" => false,
                        _ => return Err(bad(String::from("`dry_run` is `true` or `false`"))),
                    };
                }
                _ if is_look && query.page.take(name, value)? => {}
                _ => {
                    let known = if is_look { "`limit` and `after`" } else { "`dry_run`" };
                    return Err(bad(format!("`{name}` is unknown here; there is {known}")));
                }
            }
        }
        Ok(query)
    }
}

/// What `{…}` at the end of the pattern stands for in the path, or an empty text if there is none.
fn captures<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    match pattern.split_once('{') {
        None => (pattern == path).then_some(""),
        Some((prefix, _)) => path.strip_prefix(prefix).filter(|rest| !rest.is_empty() && !rest.contains('/')),
    }
}

fn listing(door: Door) -> String {
    let open = PATHS.iter().filter(|(_, _, least)| door == Door::Admin || *least == Door::Status);
    let paths: Vec<String> = open.map(|(path, methods, _)| format!("{} {path}", methods.join("|"))).collect();
    format!("there are: {}", paths.join(", "))
}

fn address(text: &str) -> Result<IpAddr, Response> {
    text.parse().map_err(|_| {
        Response::problem(400, "not an address", &format!("\"{text}\" is no IPv4 or IPv6 address"))
    })
}

/// Who is banned stands in the body, or in the path.
fn ban(body: &[u8], named: Option<&str>) -> Result<Call, Response> {
    let bad = |detail: &str| Response::problem(400, "not a ban", detail);
    let body: Value =
        serde_json::from_slice(body).map_err(|error| bad(&format!("the body is not JSON: {error}")))?;
    let fields = body.as_object().ok_or_else(|| bad("the body is not an object"))?;
    if let Some(stranger) =
        fields.keys().find(|key| !["address", "seconds", "reason"].contains(&key.as_str()))
    {
        return Err(bad(&format!("\"{stranger}\" is unknown; there are address, seconds, reason")));
    }
    let text = |key: &str| fields.get(key).and_then(Value::as_str);
    let who = match (named, text("address")) {
        (None, None) => return Err(bad("\"address\" is missing")),
        (Some(_), Some(_)) => return Err(bad("\"address\" stands in the path already")),
        (who, None) | (None, who) => who.unwrap_or_default(),
    };
    let reason = text("reason").unwrap_or("by the operator");
    if reason.len() > REASON_BYTES_MAX {
        return Err(bad(&format!("\"reason\" is longer than {REASON_BYTES_MAX} bytes")));
    }
    let seconds = match fields.get("seconds") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64() {
            Some(seconds @ 1..=31_536_000) => Some(seconds),
            _ => return Err(bad("\"seconds\" is a whole number from 1 to 31536000 (a year)")),
        },
    };
    Ok(Call::Ban { address: address(who)?, seconds, reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, path: &str, body: &str, door: Door) -> Result<Call, Response> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Call::parse(&Request { method, path, query, body: body.as_bytes() }, door)
    }

    #[test]
    fn each_path_is_understood() {
        let check = |method: &str, path: &str, body: &str, expect: Call| {
            assert_eq!(parse(method, path, body, Door::Admin), Ok(expect), "{method} {path}");
        };
        let address = IpAddr::from([192, 0, 2, 1]);
        check("GET", "/metrics", "", Call::Metrics);
        check("POST", "/v1/reload", "", Call::Reload(Order::default()));
        check("POST", "/v1/rollback", "", Call::Rollback(None));
        check("POST", "/v1/rollback", r#"{"generation":7}"#, Call::Rollback(Some(7)));
        check("DELETE", "/v1/shield/bans/192.0.2.1", "", Call::Unban(address));
        check("GET", "/v1/shield/explain/192.0.2.1", "", Call::Explain(address));
        let ban = Call::Ban { address, seconds: Some(600), reason: String::from("noise") };
        check("PUT", "/v1/shield/bans/192.0.2.1", r#"{"seconds":600,"reason":"noise"}"#, ban.clone());
        let rehearsed = Call::Rehearse(Box::new(ban.clone()));
        let body = r#"{"address":"192.0.2.1","seconds":600,"reason":"noise"}"#;
        check("POST", "/v1/shield/bans", body, ban.clone());
        check("POST", "/v1/shield/bans?dry_run", body, rehearsed);
        check("POST", "/v1/shield/bans?dry_run=false", body, ban);
        check("GET", "/v1/shield/bans", "", Call::Bans(Page::default()));
        check("GET", "/metrics?name[]=x", "", Call::Metrics);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |method: &str, path: &str, body: &str, status: u16, says: &str| {
            let refused = parse(method, path, body, Door::Admin).unwrap_err();
            assert_eq!(refused.status, status, "{method} {path} {body}");
            let text = String::from_utf8(refused.body).unwrap();
            assert!(text.contains(says), "{says} not in {text}");
        };
        check("GET", "/v1/statuss", "", 404, "/v1/status");
        check("GET", "/v1/reload", "", 405, "POST");
        check("DELETE", "/v1/shield/bans/fnord", "", 400, "fnord");
        check("POST", "/v1/rollback", r#"{"generation":-7}"#, 400, "generation");
        check("POST", "/v1/shield/bans", "", 400, "not JSON");
        check("POST", "/v1/shield/bans", "{}", 400, "address");
        check("POST", "/v1/shield/bans", r#"{"address":"::1","for":1}"#, 400, "for");
        check("POST", "/v1/shield/bans", r#"{"address":"::1","seconds":0}"#, 400, "1 to 31536000");
        check("PUT", "/v1/shield/bans/::1", r#"{"address":"::1"}"#, 400, "in the path");
        check("PUT", "/v1/config", "{}", 400, "files");
        check("GET", "/v1/status?dry_run", "", 400, "`limit` and `after`");
        check("POST", "/v1/reload?dry_run=perhaps", "", 400, "true");
        check("POST", "/v1/reload?dri_run", "", 400, "`dry_run`");
        check("GET", "/v1/upstreams?limit=0", "", 400, "1 to 10000");
    }

    #[test]
    fn a_change_is_told_in_short_and_a_look_is_none() {
        let check = |method: &str, path: &str, body: &str, subject: Subject, what: &str| {
            let call = parse(method, path, body, Door::Admin).unwrap();
            assert_eq!((call.subject(), call.what().as_str()), (subject, what), "{method} {path}");
        };
        check("GET", "/v1/status", "", Subject::Configuration, "");
        check("POST", "/v1/reload", "", Subject::Configuration, "its files");
        let given = r#"{"files":[{"name":"a.yaml","text":"secret"}],"confirm_s":60,"force":true}"#;
        check(
            "POST",
            "/v1/reload",
            given,
            Subject::Configuration,
            "a.yaml (6 bytes), on trial for 60 s, by force",
        );
        check("POST", "/v1/rollback", r#"{"generation":7}"#, Subject::Configuration, "generation 7");
        let drain = r#"{"upstream":"api","target":"a:1","drained":true}"#;
        check("POST", "/v1/upstreams", drain, Subject::Upstreams, "api a:1: Drained(true)");
        let ban = r#"{"address":"::1","seconds":9,"reason":"a\nb"}"#;
        check("POST", "/v1/shield/bans", ban, Subject::Other, r#"::1 for 9 s: "a\nb""#);
        check("DELETE", "/v1/shield/bans/::1", "", Subject::Other, "::1");
    }

    #[test]
    fn the_status_door_shows_health_and_metrics_only() {
        assert_eq!(parse("GET", "/healthz", "", Door::Status), Ok(Call::Health));
        for (path, methods, least) in PATHS {
            let path = path.replace("{address}", "::1");
            let open = parse(methods[0], &path, r#"{"address":"::1"}"#, Door::Status).is_ok();
            assert_eq!(open, *least == Door::Status, "{path}");
        }
    }
}
