//! Refuses requests that are larger than a route wants.
use crate::Build;
use crate::{Flow, Policy, Rank, Reply, Visit};
use weir_message::Framing;
use weir_schema::policy as written;
use weir_schema::{At, value::Size};
use weir_wire::Reason;

/// Limits on the size of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SizeLimit {
    /// Bytes of the body.
    pub body_max: Option<u64>,
    /// Bytes of all fields.
    pub head_max: Option<u64>,
    /// Bytes of path and query.
    pub target_max: Option<u64>,
    /// A body must say its length.
    pub needs_length: bool,
}

impl SizeLimit {
    pub(crate) fn compile(written: &written::SizeLimit, build: &mut Build<'_>) -> Option<SizeLimit> {
        let bytes = |size: &Option<At<Size>>| size.as_ref().map(|size| size.value.0);
        build.mode(written.mode.value).then(|| SizeLimit {
            body_max: bytes(&written.body),
            head_max: bytes(&written.headers),
            target_max: bytes(&written.target),
            needs_length: written.require_length.value,
        })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Address
    }
}

fn is_over(size: usize, max: Option<u64>) -> bool {
    max.is_some_and(|max| size as u64 > max)
}

impl Policy for SizeLimit {
    /// A body of unknown length is counted by the exchange while it comes in.
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let request = &visit.request;
        let refuse = |status, detail| Flow::Reply(Reply::refuse(status, Reason::TooLarge, detail));
        let target = || request.path().len() + request.query().map_or(0, <[u8]>::len);
        if self.target_max.is_some() && is_over(target(), self.target_max) {
            return refuse(414, "target too long");
        }
        if is_over(request.head.bytes(), self.head_max) {
            return refuse(431, "header fields too large");
        }
        match (request.framing, self.body_max) {
            (Framing::Length(length), Some(max)) if length > max => return refuse(413, "body too large"),
            (Framing::Length(_) | Framing::Empty, _) => {}
            _ if self.needs_length => return refuse(411, "length required"),
            (_, Some(max)) => visit.pass.limit_body(max),
            _ => {}
        }
        Flow::Next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Scene;

    #[test]
    fn each_limit_has_its_status() {
        let limits =
            SizeLimit { body_max: Some(10), head_max: Some(120), target_max: Some(20), needs_length: false };
        let check = |target: &str, fields: &[(&str, &str)], expect: u16| {
            assert_eq!(Scene::new("POST", target, fields).status(&limits), expect, "{target} {fields:?}");
        };
        check("/a", &[("Content-Length", "10")], 0);
        check("/a", &[("Content-Length", "11")], 413);
        check("/a", &[("X-Long", &"x".repeat(120))], 431);
        check("/aaaaaaaaaaa?bbbbbbbbb", &[], 414);
        check("/aaaaaaaaaaa?bbbbbbbb", &[], 0);
    }

    #[test]
    fn what_is_not_known_yet_is_counted_later() {
        let mut scene = Scene::new("POST", "/a", &[]);
        scene.request.framing = Framing::Chunked;
        assert_eq!(scene.status(&SizeLimit { body_max: Some(10), ..SizeLimit::default() }), 0);
        assert_eq!(scene.pass.body_max(), Some(10));
        assert_eq!(scene.status(&SizeLimit { body_max: Some(20), ..SizeLimit::default() }), 0);
        assert_eq!(scene.pass.body_max(), Some(10), "the narrowest holds");
        assert_eq!(scene.status(&SizeLimit { needs_length: true, ..SizeLimit::default() }), 411);
    }
}
