//! Traces in the words of Zipkin's B3 and of Jaeger's own clients, for upstreams and callers that know no others.
use super::{Parent, SAMPLED};
use weir_message::Head;
use weir_plan::listener::TraceFormats;

const B3: &str = "b3";
const JAEGER: &str = "uber-trace-id";
/// What B3 writes as several fields: trace, span, its parent, whether it is recorded, and whether that is to be enforced.
const MULTI: [&str; 5] = ["X-B3-TraceId", "X-B3-SpanId", "X-B3-ParentSpanId", "X-B3-Sampled", "X-B3-Flags"];

/// What upstreams are told.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) trace: &'a [u8; 32],
    pub(super) span: &'a [u8; 16],
    pub(super) is_sampled: bool,
}

/// The fields that belong to these formats.
fn fields(formats: TraceFormats) -> impl Iterator<Item = &'static str> {
    let one = [(formats.b3, B3), (formats.jaeger, JAEGER)].into_iter();
    let several = MULTI.into_iter().map(move |name| (formats.b3_multi, name));
    one.chain(several).filter_map(|(wanted, name)| wanted.then_some(name))
}

/// Whether a request says anything in one of these formats.
pub(super) fn is_told(head: &Head, formats: TraceFormats) -> bool {
    fields(formats).any(|name| head.value(name).is_some())
}

/// What the first of these formats says that can be understood.
pub(super) fn find(head: &Head, formats: TraceFormats) -> Option<Parent> {
    let one = formats.b3.then(|| alone(head, B3).and_then(b3)).flatten();
    let several = || formats.b3_multi.then(|| multi(head)).flatten();
    let jaeger = || formats.jaeger.then(|| alone(head, JAEGER).and_then(jaeger)).flatten();
    one.or_else(several).or_else(jaeger)
}

pub(super) fn remove(head: &mut Head, formats: TraceFormats) {
    for name in fields(formats) {
        head.remove(name);
    }
}

pub(super) fn write(head: &mut Head, formats: TraceFormats, told: Told<'_>) {
    let Told { trace, span, is_sampled } = told;
    let sampled: &[u8] = if is_sampled { b"1" } else { b"0" };
    if formats.b3 {
        field(head, B3, &[trace, b"-", span, b"-", sampled]);
    }
    if formats.b3_multi {
        let [trace_name, span_name, _, sampled_name, _] = MULTI;
        field(head, trace_name, &[trace]);
        field(head, span_name, &[span]);
        field(head, sampled_name, &[sampled]);
    }
    if formats.jaeger {
        field(head, JAEGER, &[trace, b":", span, b":0:", sampled]);
    }
}

/// A field of ours; its text is digits and always writable.
fn field(head: &mut Head, name: &str, value: &[&[u8]]) {
    let written = head.append_parts(name.as_bytes(), value);
    debug_assert!(written.is_ok(), "a field of ours must be writable");
}

/// The value of a field that is there once.
fn alone<'h>(head: &'h Head, name: &str) -> Option<&'h [u8]> {
    let mut values = head.values(name);
    values.next().filter(|_| values.next().is_none())
}

/// `TRACE-SPAN`, then perhaps `-SAMPLED` and `-PARENT`.
fn b3(text: &[u8]) -> Option<Parent> {
    let mut parts = text.split(|byte| *byte == b'-');
    let (trace, id) = (parts.next()?, parts.next()?);
    let sampled = parts.next();
    let (parent, more) = (parts.next(), parts.next());
    let is_known = matches!(sampled, None | Some(b"0" | b"1" | b"d"));
    let is_whole = is_known && more.is_none() && parent.is_none_or(|parent| number::<16>(parent).is_some());
    let flags = if matches!(sampled, Some(b"1" | b"d")) { SAMPLED } else { 0 };
    is_whole.then_some(Parent { trace: trace_of(trace)?, id: span_of(id)?, flags })
}

fn multi(head: &Head) -> Option<Parent> {
    let [trace, span, _, sampled, flags] = MULTI;
    let is_sampled = matches!(alone(head, sampled), Some(b"1" | b"true")) || alone(head, flags) == Some(b"1");
    let flags = if is_sampled { SAMPLED } else { 0 };
    Some(Parent { trace: trace_of(alone(head, trace)?)?, id: span_of(alone(head, span)?)?, flags })
}

/// `TRACE:SPAN:PARENT:FLAGS`, without leading zeros if whoever wrote it likes.
fn jaeger(text: &[u8]) -> Option<Parent> {
    let mut parts = text.split(|byte| *byte == b':');
    let (trace, id, _parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let flags = u8::from_str_radix(str::from_utf8(flags).ok()?, 16).ok()?;
    let parent = Parent { trace: number(trace)?, id: number(id)?, flags };
    parts.next().is_none().then_some(parent)
}

/// 64 or 128 bits.
fn trace_of(text: &[u8]) -> Option<[u8; 32]> {
    matches!(text.len(), 16 | 32).then(|| number(text)).flatten()
}

fn span_of(text: &[u8]) -> Option<[u8; 16]> {
    (text.len() == 16).then(|| number(text)).flatten()
}

/// Up to `N` digits of a number that is not zero, in lower case and with all its zeros.
fn number<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut digits = [b'0'; N];
    let start = N.checked_sub(text.len())?;
    digits.get_mut(start..)?.copy_from_slice(text);
    digits.make_ascii_lowercase();
    let fits = text.iter().all(u8::is_ascii_hexdigit) && digits.iter().any(|digit| *digit != b'0');
    fits.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: TraceFormats = TraceFormats { w3c: false, b3: true, b3_multi: true, jaeger: true };
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    fn found(lines: &[(&str, &str)]) -> Option<(String, String, u8)> {
        let mut head = Head::default();
        for (name, value) in lines {
            head.append(name, value.as_bytes()).unwrap();
        }
        let text = |digits: &[u8]| String::from_utf8(digits.to_vec()).unwrap();
        find(&head, ALL).map(|parent| (text(&parent.trace), text(&parent.id), parent.flags & SAMPLED))
    }

    #[test]
    fn b27_other_words_for_a_trace_are_understood() {
        let check = |lines: &[(&str, &str)], trace: &str, sampled: u8| {
            assert_eq!(found(lines), Some((trace.to_owned(), SPAN.to_owned(), sampled)), "{lines:?}");
        };
        let short = "a3ce929d0e0e4736";
        let padded = format!("{short:0>32}");
        check(&[("b3", &format!("{TRACE}-{SPAN}"))], TRACE, 0);
        check(&[("B3", &format!("{TRACE}-{SPAN}-1"))], TRACE, 1);
        check(&[("b3", &format!("{short}-{SPAN}-d-05e3ac9a4f6e3b90"))], &padded, 1);
        let own = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
        check(&own, TRACE, 0);
        check(&[own[0], own[1], ("X-B3-Sampled", "1")], TRACE, 1);
        check(&[own[0], own[1], ("X-B3-Flags", "1")], TRACE, 1);
        check(&[("uber-trace-id", "A3ce929d0e0e4736:f067aa0ba902b7:0:3")], &padded, 1);
        check(&[("uber-trace-id", &format!("{TRACE}:{SPAN}:0:0"))], TRACE, 0);
    }

    #[test]
    fn b27_what_is_malformed_is_no_trace() {
        let zeros = "0".repeat(32);
        for text in [
            "0".to_owned(),
            TRACE.to_owned(),
            format!("{TRACE}-{SPAN}-x"),
            format!("{TRACE}-{SPAN}-1-{SPAN}-1"),
            format!("{TRACE}-{SPAN}-1-zz"),
            format!("{zeros}-{SPAN}-1"),
            format!("{}-{SPAN}-1", &TRACE[1..]),
            format!("{TRACE}-{}-1", &SPAN[1..]),
            format!("{}-{SPAN}", TRACE.replace('f', "g")),
        ] {
            assert_eq!(found(&[("b3", &text)]), None, "{text}");
        }
        for text in
            ["1:2:3", "1:2:3:4:5", "0:2:3:1", "1:0:3:1", "1:2:3:x", &format!("1{TRACE}:1:0:1"), ":1:0:1"]
        {
            assert_eq!(found(&[("uber-trace-id", text)]), None, "{text}");
        }
        let value = format!("{TRACE}-{SPAN}-1");
        assert_eq!(found(&[("b3", &value), ("b3", &value)]), None, "two are none");
        assert_eq!(found(&[("x-b3-traceid", TRACE)]), None);
    }

    #[test]
    fn b27_upstreams_are_told_in_every_format_and_of_what_was_there_nothing_stays() {
        let mut head = Head::default();
        for name in
            ["b3", "uber-trace-id", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-flags", "a"]
        {
            head.append(name, b"old").unwrap();
        }
        remove(&mut head, ALL);
        let (trace, span) = (TRACE.as_bytes().try_into().unwrap(), SPAN.as_bytes().try_into().unwrap());
        write(&mut head, ALL, Told { trace, span, is_sampled: true });
        let mut out = Vec::new();
        head.write(&mut out);
        let expect = format!(
            "a: old\r\nb3: {TRACE}-{SPAN}-1\r\nX-B3-TraceId: {TRACE}\r\nX-B3-SpanId: {SPAN}\r\nX-B3-Sampled: 1\r\n\
             uber-trace-id: {TRACE}:{SPAN}:0:1\r\n"
        );
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }
}
