//! Gives every request a name that logs, error bodies and bans have in common.
use crate::Build;
use crate::{Flow, Leave, Policy, Rank, Visit};
use weir_message::{FieldName, Request};
use weir_schema::policy as written;

/// Whose ids are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Nobody's.
    Never,
    /// Those that come through a trusted proxy.
    Proxies,
    /// Everybody's.
    Always,
}

/// Gives every request an id.
#[derive(Clone, Debug)]
pub struct RequestId {
    /// The field that carries it.
    pub header: FieldName,
    /// Whose ids are kept, if they are well-formed.
    pub trust: Trust,
    /// The client is told.
    pub echo: bool,
}

impl RequestId {
    /// The longest id that is kept.
    pub const BYTES_MAX: usize = 128;

    pub(crate) fn compile(written: &written::RequestId, _: &mut Build<'_>) -> Option<RequestId> {
        let trust = match written.trust.value {
            written::Trust::Never => Trust::Never,
            written::Trust::Proxies => Trust::Proxies,
            written::Trust::Always => Trust::Always,
        };
        Some(RequestId { header: written.header.value.0.as_str().into(), trust, echo: written.echo.value })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Name
    }

    /// The one well-formed id that the request brings along.
    fn sent<'r>(&'r self, request: &'r Request) -> Option<&'r [u8]> {
        let mut values = request.head.values_named(&self.header);
        let (first, second) = (values.next()?, values.next());
        (second.is_none() && is_well_formed(first)).then_some(first)
    }
}

/// What needs no escaping in a log, a URL or a field.
fn is_well_formed(id: &[u8]) -> bool {
    (1..=RequestId::BYTES_MAX).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/+=@".contains(byte))
}

/// A UUID of version 7 (RFC 9562, section 5.7): milliseconds, then chance.
fn uuid(wall_ms: u64, random: [u64; 2]) -> [u8; 36] {
    let high = wall_ms << 16 | 0x7000 | random[0] & 0x0fff;
    let low = 1 << 63 | random[1] >> 2;
    let (mut text, right) = ([b'-'; 36], u64::from(u32::MAX));
    let [a, b, c, d] = [high >> 32, high & right, low >> 32, low & right].map(hex);
    text[..8].copy_from_slice(&a);
    text[9..13].copy_from_slice(&b[..4]);
    text[14..18].copy_from_slice(&b[4..]);
    text[19..23].copy_from_slice(&c[..4]);
    text[24..28].copy_from_slice(&c[4..]);
    text[28..].copy_from_slice(&d);
    text
}

/// The eight digits of a number below 2^32: each in a byte of its own, and then all made letters at once.
fn hex(number: u64) -> [u8; 8] {
    const ONES: u64 = u64::from_be_bytes([1; 8]);
    let halves = (number | number << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (halves | halves << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (bytes | bytes << 4) & (ONES * 0x0f);
    let beyond_nine = (digits + ONES * 6) >> 4 & ONES;
    (digits + ONES * u64::from(b'0') + beyond_nine * u64::from(b'a' - b'9' - 1)).to_be_bytes()
}

impl Policy for RequestId {
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let is_trusted = match self.trust {
            Trust::Never => false,
            Trust::Proxies => visit.client.is_behind_proxy(),
            Trust::Always => true,
        };
        if let Some(id) = self.sent(visit.request).filter(|_| is_trusted) {
            visit.pass.set_request_id(id);
            return Flow::Next;
        }
        let id = uuid(visit.now.wall_ms, [visit.worker.random(), visit.worker.random()]);
        visit.pass.set_request_id(&id);
        visit.request.head.set_own(&self.header, &[&id]);
        Flow::Next
    }

    fn response(&self, leave: &mut Leave<'_>) {
        if self.echo {
            leave.response.head.set_own(&self.header, &[leave.pass.request_id()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;
    use crate::scene::{Scene, sent};

    fn policy(trust: Trust) -> RequestId {
        RequestId { header: "X-Request-ID".into(), trust, echo: true }
    }

    #[test]
    fn b28_ids_are_kept_from_those_who_are_trusted() {
        let proxied = Client { socket: "::1".parse().unwrap(), address: "::2".parse().unwrap() };
        let direct = Client { socket: proxied.address, ..proxied };
        let long = "x".repeat(129);
        for (trust, client, sent, kept) in [
            (Trust::Proxies, proxied, "abc-1", true),
            (Trust::Proxies, direct, "abc-1", false),
            (Trust::Always, direct, "abc-1", true),
            (Trust::Never, proxied, "abc-1", false),
            (Trust::Always, direct, "a b", false),
            (Trust::Always, direct, "a\"b", false),
            (Trust::Always, direct, "", false),
            (Trust::Always, direct, &long, false),
        ] {
            let mut scene = Scene::get(&[("x-request-id", sent)]);
            scene.client = client;
            assert_eq!(scene.status(&policy(trust)), 0);
            assert_eq!(scene.pass.request_id() == sent.as_bytes(), kept, "{trust:?} {sent:?}");
            assert_eq!(scene.field("X-Request-ID").unwrap().as_bytes(), scene.pass.request_id());
        }
    }

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 0x0123_4567, 0x89ab_cdef, 0x9a9a_a9a9, u64::from(u32::MAX)] {
            assert_eq!(hex(number), format!("{number:08x}").as_bytes());
        }
        let text = uuid(0x0123_4567_89ab, [0x0cde, 0x0123_4567_89ab_cdef << 2]);
        assert_eq!(&text, b"01234567-89ab-7cde-8123-456789abcdef");
    }

    #[test]
    fn new_ids_are_uuids_and_differ() {
        let mut seen = std::collections::HashSet::new();
        let mut scene = Scene::get(&[]);
        for _ in 0..1_000 {
            scene.status(&policy(Trust::Never));
            let id = String::from_utf8(scene.pass.request_id().to_vec()).unwrap();
            assert!(
                id.len() == 36 && id.starts_with("018bcfe5-6800-7") && b"89ab".contains(&id.as_bytes()[19]),
                "{id}"
            );
            assert!(seen.insert(id));
        }
        let id = scene.field("X-Request-ID").unwrap();
        assert_eq!(sent(&scene.answer(&policy(Trust::Never), 200, &[]), "X-Request-ID"), id);
    }
}
