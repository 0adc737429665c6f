//! One line of the access log under construction: a JSON object that is written straight into the worker's sheet.

use super::redact::COVERED;
use std::io::Write;
use std::net::{IpAddr, Ipv6Addr};

/// A longer text is cut; the mark at its end says so.
pub const TEXT_BYTES_MAX: usize = 1024;
const CUT: &str = "…";

/// A key with all that stands around it, put together by the compiler: most of a line is keys.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Before a number or an object.
    pub bare: &'static str,
    /// Before a text: with its first quote.
    pub quoted: &'static str,
}

/// The key of this name. Keys are ours and never need escaping.
#[macro_export]
macro_rules! key {
    ($name:literal) => {
        $crate::log::Key { bare: concat!(",\"", $name, "\":"), quoted: concat!(",\"", $name, "\":\"") }
    };
}

/// One line under construction.
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Line<'a> {
    /// Opens the line, with its time, at the end of the sheet.
    pub fn begin(out: &'a mut Vec<u8>, time: &[u8]) -> Self {
        out.extend_from_slice(b"{\"time\":\"");
        out.extend_from_slice(time);
        out.push(b'"');
        Self { out }
    }

    /// Members of a line that stand in many alike, written once.
    pub fn prepare(write: impl FnOnce(&mut Line<'_>)) -> Box<[u8]> {
        let mut out = Vec::new();
        write(&mut Line { out: &mut out });
        out.into()
    }

    /// Members that were prepared.
    #[inline]
    pub fn prepared(&mut self, members: &[u8]) {
        self.out.extend_from_slice(members);
    }

    /// A text that a peer may have chosen.
    #[inline]
    pub fn text(&mut self, key: Key, value: &[u8]) {
        self.quote(key);
        escape(value, self.out);
        self.out.push(b'"');
    }

    /// A text of which only the beginning may be told.
    #[inline]
    pub fn beginning(&mut self, key: Key, value: &[u8]) {
        self.quote(key);
        escape(value, self.out);
        self.out.extend_from_slice(COVERED);
        self.out.push(b'"');
    }

    /// A text that needs no escaping, because it is one of ours, or was found to be a name before.
    #[inline]
    pub fn word(&mut self, key: Key, value: &str) {
        debug_assert!(is_plain(value.as_bytes()), "{value:?} could leave its quotes");
        self.quote(key);
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    /// A number.
    #[inline]
    pub fn number(&mut self, key: Key, value: u64) {
        self.key(key);
        whole(value, self.out);
    }

    /// Nanoseconds, written as milliseconds to the microsecond.
    #[inline]
    pub fn millis(&mut self, key: Key, ns: u64) {
        self.key(key);
        let us = ns / 1000;
        whole(us / 1000, self.out);
        let [hundreds, tens, ones] = three(us % 1000);
        self.out.extend_from_slice(&[b'.', hundreds, tens, ones]);
    }

    /// An address; one of IPv4 in its own form.
    #[inline]
    pub fn address(&mut self, key: Key, address: Ipv6Addr) {
        self.quote(key);
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [first, rest @ ..] = address.octets();
                short(first.into(), 1, self.out);
                for octet in rest {
                    self.out.push(b'.');
                    short(octet.into(), 1, self.out);
                }
            }
            IpAddr::V6(address) => {
                let written = write!(self.out, "{address}");
                debug_assert!(written.is_ok(), "memory takes all that is written");
            }
        }
        self.out.push(b'"');
    }

    /// An object of texts whose names need no escaping.
    pub fn open(&mut self, key: Key) {
        self.key(key);
        self.out.push(b'{');
    }

    /// A text in such an object.
    pub fn entry(&mut self, name: &str, value: &[u8]) {
        self.out.extend_from_slice(if self.out.last() == Some(&b'{') { b"\"" } else { b",\"" });
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":\"");
        escape(value, self.out);
        self.out.push(b'"');
    }

    /// Closes it.
    pub fn close(&mut self) {
        self.out.push(b'}');
    }

    /// Closes the line.
    pub fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    #[inline]
    fn key(&mut self, key: Key) {
        self.out.extend_from_slice(key.bare.as_bytes());
    }

    #[inline]
    fn quote(&mut self, key: Key) {
        self.out.extend_from_slice(key.quoted.as_bytes());
    }
}

/// Writes a text so that it may stand between the quotes of JSON (RFC 8259, section 7); what is not UTF-8 is replaced.
#[inline]
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    if text.len() <= TEXT_BYTES_MAX && is_plain(text) {
        out.extend_from_slice(text);
    } else {
        escape_special(text, out);
    }
}

/// The same for what is too long or has something to escape.
#[cold]
fn escape_special(text: &[u8], out: &mut Vec<u8>) {
    if text.len() <= TEXT_BYTES_MAX {
        return escape_whole(text, out);
    }
    // The cut goes before the character that it would go through, which is four bytes at most.
    let within = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let cut = (TEXT_BYTES_MAX - 3..=TEXT_BYTES_MAX).rev().find(|at| !within(at)).unwrap_or(TEXT_BYTES_MAX);
    escape_whole(text.get(..cut).unwrap_or_default(), out);
    out.extend_from_slice(CUT.as_bytes());
}

fn escape_whole(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                control if control.is_control() => {
                    let written = write!(out, "\\u{:04x}", u32::from(control));
                    debug_assert!(written.is_ok(), "memory takes all that is written");
                }
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Nearly every text is plain ASCII. It is looked at in pieces of a size that the compiler turns into one instruction each; the
/// last one reaches back into the one before.
fn is_plain(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        return text
            .as_chunks::<16>()
            .0
            .iter()
            .fold(all_plain(last), |plain, piece| plain & all_plain(piece));
    }
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => all_plain(first) & all_plain(last),
        _ => all_plain(text),
    }
}

#[inline]
fn all_plain(text: &[u8]) -> bool {
    text.iter()
        .fold(true, |plain, byte| plain & (b' '..0x7f).contains(byte) & (*byte != b'"') & (*byte != b'\\'))
}

/// The digits of a number, at least so many.
pub(crate) fn digits(mut number: u64, least: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut start = text.len();
    for (at, place) in text.iter_mut().enumerate().rev() {
        *place = digit_of(number % 10);
        (start, number) = (at, number / 10);
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(start.min(text.len() - least)..).unwrap_or_default());
}

/// A number, by the shorter way if that is enough.
#[inline]
fn whole(number: u64, out: &mut Vec<u8>) {
    if number < 1000 {
        short(number, 1, out);
    } else {
        digits(number, 1, out);
    }
}

/// The same for a number below a thousand, of which a line has a dozen: pieces of known length are copied without a call.
#[inline]
pub(super) fn short(number: u64, least: usize, out: &mut Vec<u8>) {
    let [hundreds, tens, ones] = three(number);
    if number > 99 || least > 2 {
        out.extend_from_slice(&[hundreds, tens, ones]);
    } else if number > 9 || least > 1 {
        out.extend_from_slice(&[tens, ones]);
    } else {
        out.push(ones);
    }
}

/// The three digits of every number below a thousand.
#[allow(clippy::indexing_slicing, reason = "the compiler runs it, and would stop")]
static THREE: [[u8; 3]; 1000] = {
    let mut all = [[b'0'; 3]; 1000];
    let mut digits = [b'0'; 3];
    let mut number = 1;
    while number < all.len() {
        let mut place = 2;
        while digits[place] == b'9' {
            digits[place] = b'0';
            place -= 1;
        }
        digits[place] += 1;
        all[number] = digits;
        number += 1;
    }
    all
};

#[inline]
fn three(number: u64) -> [u8; 3] {
    usize::try_from(number).ok().and_then(|number| THREE.get(number)).copied().unwrap_or([b'0'; 3])
}

#[inline]
fn digit_of(number: u64) -> u8 {
    b'0' + u8::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &[u8]) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, b"now");
        line.text(key!("t"), value);
        line.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_text_cannot_leave_its_quotes() {
        let check = |value: &[u8], expect: &str| {
            assert_eq!(text(value), format!("{{\"time\":\"now\",\"t\":\"{expect}\"}}\n"));
        };
        check(b"plain /path", "plain /path");
        check(br#"a"b\c"#, r#"a\"b\\c"#);
        check(b"line\nfeed\x00\x1b[31m", r"line\u000afeed\u0000\u001b[31m");
        check("grün €".as_bytes(), "grün €");
        // A mark is seen wherever it stands, in texts of every length.
        for length in 1..40 {
            for at in 0..length {
                let mut marked = vec![b'x'; length];
                marked[at] = b'"';
                check(&marked, &String::from_utf8(marked.clone()).unwrap().replace('"', r#"\""#));
            }
        }
        check(b"bad \xff\xfe end", "bad \u{fffd}\u{fffd} end");
        check(&[b'x'; 1024], &"x".repeat(1024));
        check(&[b'x'; 2000], &format!("{}…", "x".repeat(1024)));
        let wide = "ä".repeat(2000);
        check(wide.as_bytes(), &format!("{}…", "ä".repeat(512)));
        let odd = format!("x{wide}");
        check(odd.as_bytes(), &format!("x{}…", "ä".repeat(511)));
    }

    #[test]
    fn numbers_are_written_alike_in_both_ways() {
        for number in 0..1000 {
            for least in [1, 3] {
                let (mut one, mut other) = (Vec::new(), Vec::new());
                short(number, least, &mut one);
                digits(number, least, &mut other);
                assert_eq!(one, other);
            }
        }
    }

    #[test]
    fn every_kind_of_value_is_json() {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out, b"now");
        line.prepared(&Line::prepare(|line| line.text(key!("again"), b"a\"b")));
        line.beginning(key!("path"), b"/reset/");
        line.number(key!("n"), u64::MAX);
        line.millis(key!("ms"), 1_002_003_999);
        line.address(key!("v4"), Ipv6Addr::from([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x020a]));
        line.address(key!("v6"), Ipv6Addr::LOCALHOST);
        line.open(key!("in"));
        line.entry("a", b"b");
        line.entry("c", b"d");
        line.close();
        line.number(key!("z"), 0);
        line.end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"time\":\"now\",\"again\":\"a\\\"b\",\"path\":\"/reset/***\",\"n\":18446744073709551615,\"ms\":1002.003,\"v4\":\"192.0.2.10\",\"v6\":\"::1\",\"in\":{\"a\":\"b\",\"c\":\"d\"},\"z\":0}\n"
        );
    }
}
