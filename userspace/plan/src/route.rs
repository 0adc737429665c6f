//! What happens to the requests of a route.

use std::sync::Arc;

use weir_schema::value::Template;

use crate::id::RouteId;
use crate::limit::{Retry, Timeouts};
use crate::upstream::Upstream;

/// What happens to some requests.
#[derive(Debug)]
pub struct Route {
    /// Its place in the router: the order written.
    pub id: RouteId,
    /// Its name in metrics and logs.
    pub name: Arc<str>,
    /// What answers.
    pub action: Action,
    /// What changes before a request goes upstream.
    pub rewrite: Rewrite,
    /// How long things may take; none means what the upstream says.
    pub timeouts: Option<Timeouts>,
    /// When to try again; none means what the upstream says.
    pub retry: Option<Retry>,
    /// Bytes of a request's body; none means what the listener says.
    pub body_bytes_max: Option<u64>,
    /// A connection may become a WebSocket or another protocol.
    pub upgrade: bool,
}

impl Route {
    /// How long things may take with this upstream.
    #[must_use]
    pub fn timeouts<'a>(&'a self, upstream: &'a Upstream) -> &'a Timeouts {
        self.timeouts.as_ref().unwrap_or(&upstream.timeouts)
    }

    /// When to try again with this upstream.
    #[must_use]
    pub fn retry<'a>(&'a self, upstream: &'a Upstream) -> &'a Retry {
        self.retry.as_ref().unwrap_or(&upstream.retry)
    }
}

/// What answers.
#[derive(Debug)]
pub enum Action {
    /// An upstream.
    Upstream(Arc<Upstream>),
    /// One of several upstreams.
    Split(Split),
    /// The client is sent elsewhere.
    Redirect(Redirect),
    /// weir itself.
    Respond(Respond),
}

/// Sends the client elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// Where to.
    pub to: Template,
    /// With which status.
    pub status: u16,
}

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Respond {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Arc<[u8]>,
    /// What the body is.
    pub content_type: String,
    /// Further fields by name.
    pub headers: Vec<(String, Template)>,
}

/// Several upstreams by weight.
#[derive(Debug)]
pub struct Split {
    /// Each with the end of its part of `0..total`, in ascending order.
    parts: Vec<(u64, Arc<Upstream>)>,
    total: u64,
}

impl Split {
    /// Parts by weight; one of weight 0 is never chosen.
    pub fn new(parts: impl IntoIterator<Item = (u32, Arc<Upstream>)>) -> Self {
        let mut total = 0_u64;
        let parts = parts
            .into_iter()
            .map(|(weight, upstream)| {
                total = total.saturating_add(u64::from(weight));
                (total, upstream)
            })
            .collect();
        Self { parts, total }
    }

    /// The upstream for a random number.
    #[must_use]
    pub fn pick(&self, random: u64) -> Option<&Arc<Upstream>> {
        let point = random.checked_rem(self.total)?;
        let part = self.parts.partition_point(|(end, _)| *end <= point);
        self.parts.get(part).map(|(_, upstream)| upstream)
    }

    /// Every upstream with its weight.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Arc<Upstream>)> {
        let ends = std::iter::once(0).chain(self.parts.iter().map(|(end, _)| *end));
        self.parts.iter().zip(ends).map(|((end, upstream), start)| (end.saturating_sub(start), upstream))
    }
}

/// What changes before a request goes upstream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rewrite {
    /// Taken off the beginning of the path, at a boundary of segments: `/v1` leaves `/` of `/v1`.
    pub strip_prefix: Option<String>,
    /// Put before the path.
    pub add_prefix: Option<String>,
    /// A path that replaces the whole.
    pub path: Option<Template>,
    /// The host that the upstream sees.
    pub host: Option<Template>,
    /// The method that the upstream sees.
    pub method: Option<String>,
}
