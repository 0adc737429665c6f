//! The trace that a request belongs to (W3C Trace Context, level 1, and what came before): the upstream sees this program as the
//! parent.
use crate::request_id::Ids;
use weir_message::{Head, Name, NameSet};
use weir_plan::listener::TraceFormats;
use weir_plan::log::Traces;

mod older;

const FIELDS: NameSet = NameSet::of(&[Name::Traceparent, Name::Tracestate]);
/// Section 3.3.1.1: members that a `tracestate` may have.
const MEMBERS_MAX: usize = 32;
/// The bytes of version 00: `00-`, the trace in 32 digits, the parent in 16, the flags in 2.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;
/// Shares are written in so many parts.
const WHOLE: u64 = 1_000_000;

/// What a `traceparent` says: the digits of the trace, and whether whoever sent it has recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: [u8; 32],
    id: [u8; 16],
    flags: u8,
}

/// What this program adds to a trace that is recorded: the span of the client's side, and that of the upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) trace: [u8; 32],
    pub(crate) served: [u8; 16],
    pub(crate) asked: [u8; 16],
    /// The span that whoever asked says it is in.
    pub(crate) parent: Option<[u8; 16]>,
}

/// Puts this program between the client and the upstream in the trace that a request says it belongs to. One that says so
/// in words that cannot be understood belongs to a trace of its own from here on. That a trace is sampled is believed of
/// those who are `trusted` only: it costs whoever records it. Where traces are recorded every request has one, and by `rules`
/// it is drawn which of those that nobody trusted has begun are. What comes back is to be recorded.
pub(crate) fn join(
    head: &mut Head,
    ids: &mut Ids,
    trusted: bool,
    (formats, rules): (TraceFormats, Option<&Traces>),
) -> Option<Box<Own>> {
    let is_told_before = older::is_told(head, formats);
    if rules.is_none() && !is_told_before && !(formats.w3c && head.may_have(FIELDS)) {
        return None;
    }
    let is_told = formats.w3c && head.known(Name::Traceparent).is_some();
    if formats.w3c && !is_told {
        // Section 3.3: without a parent there is no state.
        head.remove_set(NameSet::of(&[Name::Tracestate]));
    }
    if !is_told && !is_told_before {
        rules?;
    }
    let own = if formats.w3c { said(head) } else { None };
    if formats.w3c {
        let keeps_state = own.is_some() && has_state(head);
        head.remove_set(if keeps_state { NameSet::of(&[Name::Traceparent]) } else { FIELDS });
    }
    let parent = own.or_else(|| older::find(head, formats));
    older::remove(head, formats);
    let is_sampled = match (&parent, rules) {
        (Some(parent), _) if trusted => parent.flags & SAMPLED == SAMPLED,
        (_, Some(rules)) => ids.random() % WHOLE < u64::from(rules.millionths),
        (_, None) => false,
    };
    let trace = parent.map_or_else(|| fresh(ids), |parent| parent.trace);
    let asked = digits(ids.random() | 1);
    if formats.w3c {
        head.append_known(Name::Traceparent, "traceparent", |out| {
            let flags = [b'0', b'0' + u8::from(is_sampled)];
            for part in [b"00-", &trace[..], b"-", &asked, b"-", &flags] {
                out.extend_from_slice(part);
            }
        });
    }
    older::write(head, formats, older::Told { trace: &trace, span: &asked, is_sampled });
    let served = digits(ids.random() | 1);
    let own = || Box::new(Own { trace, served, asked, parent: parent.map(|parent| parent.id) });
    (is_sampled && rules.is_some()).then(own)
}

/// The parent that is named once, in words that can be understood.
fn said(head: &Head) -> Option<Parent> {
    let mut said = head.every(Name::Traceparent);
    said.next().and_then(parse).filter(|_| said.next().is_none())
}

/// Section 3.2: a version of the future says first what this one says.
fn parse(text: &[u8]) -> Option<Parent> {
    let (own, more) = text.split_at_checked(LENGTH)?;
    let mut parts = own.split(|byte| *byte == b'-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (parent, flags) = (parts.next()?, parts.next()?);
    let is_whole = match version {
        b"00" => more.is_empty(),
        b"ff" => false,
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|byte| *byte != b'0');
    let lengths = [version.len(), parent.len(), flags.len()] == [2, 16, 2] && parts.next().is_none();
    if !is_whole || !lengths || !is_hex(version) || !is_id(trace) || !is_id(parent) || !is_hex(flags) {
        return None;
    }
    let flags = u8::from_str_radix(str::from_utf8(flags).ok()?, 16).ok()?;
    Some(Parent { trace: trace.try_into().ok()?, id: parent.try_into().ok()?, flags })
}

/// A trace that nobody has begun yet.
fn fresh(ids: &mut Ids) -> [u8; 32] {
    let mut trace = [0; 32];
    for half in trace.chunks_exact_mut(16) {
        half.copy_from_slice(&digits(ids.random() | 1));
    }
    trace
}

/// Whether there is a state that may be passed on. Several fields are one list.
fn has_state(head: &Head) -> bool {
    let members = head.every(Name::Tracestate).flat_map(|value| value.split(|byte| *byte == b','));
    members.filter(|member| !member.trim_ascii().is_empty()).count() <= MEMBERS_MAX
}

fn digits(number: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for (digit, at) in digits.iter_mut().zip((0..16).rev()) {
        let nibble = u8::try_from(number >> (at * 4) & 15).unwrap_or(0);
        *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use weir_meter::log::Dialect;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const OLD: &str = "00f067aa0ba902b7";

    fn joined(lines: &[(&str, &str)], trusted: bool) -> Vec<(String, String)> {
        let mut head = Head::default();
        for (name, value) in lines {
            head.append(name, value.as_bytes()).unwrap();
        }
        join(&mut head, &mut Ids::of_seed(1), trusted, (TraceFormats::default(), None));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        head.iter().map(|field| (text(field.name), text(field.value))).collect()
    }

    /// The parts of the only `traceparent`.
    fn parent(fields: &[(String, String)]) -> Vec<&str> {
        let mut all = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
        let parts: Vec<&str> = all.next().unwrap().1.split('-').collect();
        assert!(all.next().is_none());
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 32, 16, 2]);
        parts
    }

    #[test]
    fn b27_a_trace_goes_on_with_a_parent_of_our_own() {
        let value = format!("00-{TRACE}-{OLD}-01");
        let state = ("tracestate", "a=1,b=2");
        for (trusted, flags) in [(true, "01"), (false, "00")] {
            let fields = joined(&[("Traceparent", &value), state], trusted);
            let parts = parent(&fields);
            assert_eq!((parts[0], parts[1], parts[3]), ("00", TRACE, flags));
            assert_ne!(parts[2], OLD);
            assert!(fields.contains(&("tracestate".to_owned(), "a=1,b=2".to_owned())));
        }
        let later = format!("cc-{TRACE}-{OLD}-09-what-the-future-adds");
        assert_eq!(
            parent(&joined(&[("traceparent", &later)], true))[3],
            "01",
            "a later version is understood"
        );
    }

    #[test]
    fn b27_what_is_malformed_begins_a_new_trace_without_its_state() {
        let malformed = [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{OLD}"),
            format!("00-{TRACE}-{OLD}-01-more"),
            format!("ff-{TRACE}-{OLD}-01"),
            format!("cc-{TRACE}-{OLD}-01.more"),
            format!("00-{}-{OLD}-01", TRACE.to_uppercase()),
            format!("00-{}-{OLD}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{OLD}-0x"),
            format!("0--{TRACE}{OLD}-01-"),
        ];
        for value in &malformed {
            let fields = joined(&[("traceparent", value), ("tracestate", "a=1")], true);
            let parts = parent(&fields);
            assert!(parts[1] != TRACE && parts[3] == "00" && fields.len() == 1, "{value}: {fields:?}");
        }
        let value = format!("00-{TRACE}-{OLD}-01");
        let twice = joined(&[("traceparent", &value), ("traceparent", &value)], true);
        assert_ne!(parent(&twice)[1], TRACE, "two are none");
    }

    #[test]
    fn b27_a_state_has_a_bound_and_none_stands_alone() {
        let value = format!("00-{TRACE}-{OLD}-01");
        let members = |count: usize| vec!["a=1"; count].join(",");
        for (counts, kept) in
            [(vec![32], true), (vec![33], false), (vec![16, 16], true), (vec![16, 17], false)]
        {
            let states: Vec<String> = counts.iter().map(|count| members(*count)).collect();
            let mut lines = vec![("traceparent", value.as_str())];
            lines.extend(states.iter().map(|state| ("tracestate", state.as_str())));
            let fields = joined(&lines, true);
            assert_eq!(fields.len() > 1, kept, "{counts:?}");
            assert_eq!(parent(&fields)[1], TRACE, "the trace goes on nevertheless");
        }
        assert_eq!(
            joined(&[("tracestate", "a=1"), ("host", "a")], true),
            [("host".to_owned(), "a".to_owned())]
        );
        assert_eq!(joined(&[("host", "a")], true).len(), 1, "who says nothing of a trace is left alone");
    }

    #[test]
    fn b27_a_trace_goes_on_from_one_format_into_others() {
        let formats = TraceFormats { w3c: true, b3: true, b3_multi: false, jaeger: true };
        let told = |lines: &[(&str, &str)]| {
            let mut head = Head::default();
            for (name, value) in lines {
                head.append(name, value.as_bytes()).unwrap();
            }
            join(&mut head, &mut Ids::of_seed(1), true, (formats, None));
            let of = |name| head.value(name).map(|value| String::from_utf8(value.to_vec()).unwrap());
            (of("traceparent"), of("b3"), of("uber-trace-id"), head.len())
        };
        let (w3c, b3, jaeger, fields) = told(&[("b3", &format!("{TRACE}-{OLD}-1"))]);
        let w3c = w3c.unwrap();
        let span = w3c.split('-').nth(2).unwrap();
        assert_ne!(span, OLD);
        assert_eq!(w3c, format!("00-{TRACE}-{span}-01"));
        assert_eq!(
            (b3, jaeger, fields),
            (Some(format!("{TRACE}-{span}-1")), Some(format!("{TRACE}:{span}:0:1")), 3)
        );
        // Of two the newer counts, and of one that cannot be understood nothing.
        let other = TRACE.replace('4', "5");
        let both =
            told(&[("b3", &format!("{other}-{OLD}-1")), ("traceparent", &format!("00-{TRACE}-{OLD}-00"))]);
        assert!(both.0.unwrap().starts_with(&format!("00-{TRACE}-")) && both.3 == 3);
        let malformed = told(&[("uber-trace-id", "nonsense")]);
        assert!(!malformed.2.unwrap().contains("nonsense") && malformed.3 == 3);
        assert_eq!(told(&[("x-b3-traceid", TRACE)]).3, 1, "what is not asked for is left alone");
    }

    #[test]
    fn b63_what_is_recorded_is_drawn_unless_a_trusted_one_has_begun_it() {
        let own = |line: Option<&str>, trusted: bool, millionths: u32| {
            let mut head = Head::default();
            if let Some(value) = line {
                head.append("traceparent", value.as_bytes()).unwrap();
            }
            let rules = Traces { millionths, dialect: Dialect::Otlp, flush: Duration::from_secs(1) };
            let own = join(&mut head, &mut Ids::of_seed(1), trusted, (TraceFormats::default(), Some(&rules)));
            let sent = String::from_utf8(head.value("traceparent").unwrap().to_vec()).unwrap();
            assert_eq!(
                sent.ends_with("-01"),
                own.is_some(),
                "the upstream records what is recorded here: {sent}"
            );
            if let Some(own) = &own {
                let [trace, asked] =
                    [&own.trace[..], &own.asked].map(|digits| str::from_utf8(digits).unwrap());
                assert_eq!(sent, format!("00-{trace}-{asked}-01"), "its parent is the span that asked it");
                assert_ne!(own.asked, own.served);
            }
            own
        };
        let [yes, no] = ["01", "00"].map(|flags| format!("00-{TRACE}-{OLD}-{flags}"));
        let joined = own(Some(&yes), true, 0).expect("whoever is trusted has begun it");
        assert_eq!(
            (&joined.trace[..], joined.parent.as_ref().map(|id| &id[..])),
            (TRACE.as_bytes(), Some(OLD.as_bytes()))
        );
        assert_eq!(own(Some(&no), true, 1_000_000), None);
        assert_eq!(own(Some(&yes), false, 0), None, "a stranger decides nothing");
        assert_eq!(own(Some(&no), false, 1_000_000).unwrap().trace, TRACE.as_bytes());
        assert_eq!(own(None, true, 0), None);
        assert_eq!(own(None, true, 1_000_000).unwrap().parent, None);
    }
}
