//! `routes`: which requests are meant, which policies judge them, and what answers.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::limits::Timeouts;
use crate::node::Node;
use crate::policy::PolicyUse;
use crate::reader::Reader;
use crate::redirect::{Redirect, Respond};
use crate::section::section;
use crate::shape::Shape;
use crate::span::{At, Span};
use crate::upstream::Retry;
use crate::value::{
    Checked, Cidr, HostPattern, Leaf, Map, Method, Name, PathPattern, Short, Size, Template, TextMatch,
};

section! {
    /// What happens to some requests.
    pub struct Route "route" [checked] {
        /// Its name in metrics and logs; left out, what it matches.
        pub name: Option<At<Name>>,
        /// Which requests are meant: `api.example.com/v1/*`, or keys that must all hold.
        pub r#match: At<Box<Match>>,
        /// Above routes of lower priority, whatever they match; among equals the more exact match wins.
        pub priority: At<i32> = 0,
        /// Policies in the order in which they judge: by name, or written here.
        pub policies: Vec<At<PolicyUse>>,
        /// Change the request before it goes upstream.
        pub rewrite: Option<At<Box<Rewrite>>>,
        /// Send it to this upstream.
        pub upstream: Option<At<Name>>,
        /// Send it to one of several upstreams by weight.
        pub split: Vec<At<Split>>,
        /// Send the client elsewhere.
        pub redirect: Option<At<Box<Redirect>>>,
        /// Answer here.
        pub respond: Option<At<Box<Respond>>>,
        /// How long things may take; left out, what the upstream says.
        pub timeouts: Option<At<Box<Timeouts>>>,
        /// When to try again; left out, what the upstream says.
        pub retry: Option<At<Box<Retry>>>,
        /// Bytes of a request's body; left out, what the listener says.
        pub body_max: Option<At<Size>>,
        /// Let a connection become a WebSocket or another protocol.
        pub upgrade: At<bool> = true,
    }
}

impl Checked for Route {
    fn check(&self, span: Span, reader: &mut Reader<'_>) {
        let split = self.split.first().map(|first| first.span);
        let actions: Vec<(&str, Span)> = [
            ("upstream", self.upstream.as_ref().map(|action| action.span)),
            ("split", split),
            ("redirect", self.redirect.as_ref().map(|action| action.span)),
            ("respond", self.respond.as_ref().map(|action| action.span)),
        ]
        .into_iter()
        .filter_map(|(name, span)| span.map(|span| (name, span)))
        .collect();
        match actions.as_slice() {
            [_] => {}
            [] => {
                let found =
                    Diagnostic::new(Code::NoAction, span, "this route does nothing with what it matches");
                reader.push(found.hint("Give it an `upstream`, a `split`, a `redirect` or a `respond`."));
            }
            [(first, at), (second, too), ..] => {
                let message = format!("this route has both `{first}` and `{second}`");
                let found = Diagnostic::new(Code::NoAction, *too, message)
                    .also(*at, format!("`{first}` is set here"));
                reader.push(found.hint("Keep one; two routes can lead to two places."));
            }
        }
        if !self.split.is_empty() && self.split.iter().all(|part| part.weight.value == 0) {
            reader.push(Diagnostic::new(
                Code::Range,
                split.unwrap_or(span),
                "every weight of this split is 0",
            ));
        }
    }
}

section! {
    /// Which requests are meant: all keys must hold, of each list one entry is enough.
    pub struct Match "match" [short, checked, needed] {
        /// Hosts: `api.example.com`, `*.example.com`; left out, all.
        pub hosts: Vec<At<HostPattern>>,
        /// Paths: `/exact`, `/below/*`, `/users/{id}`, `~^/regex$`; left out, all.
        pub path: Vec<At<PathPattern>>,
        /// Methods; left out, all. GET stands for HEAD as well.
        pub methods: Vec<At<Method>>,
        /// Headers by name.
        pub headers: Map<TextMatch>,
        /// Query parameters by name.
        pub query: Map<TextMatch>,
        /// Cookies by name.
        pub cookies: Map<TextMatch>,
        /// Claims of the verified token by name; the route's chain must verify one.
        pub claims: Map<TextMatch>,
        /// Networks the client's address is in.
        pub source: Vec<At<Cidr>>,
        /// Server names the client asked for in TLS.
        pub sni: Vec<At<HostPattern>>,
        /// Listeners it arrived at; left out, all.
        pub listeners: Vec<At<Name>>,
    }
}

impl Short for Match {
    /// `host/path`, `host`, or `/path`.
    fn short(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, "which requests are meant, such as `api.example.com/v1/*`")?;
        if let Some((scheme, rest)) = text.text.split_once("://") {
            let found = Diagnostic::new(
                Code::Host,
                text.part(0, scheme.len().saturating_add(3)),
                "a match has no scheme",
            );
            reader.push(found.hint(format!("Write `{rest}`; what is encrypted is decided by `listeners`.")));
            return None;
        }
        let slash = text.text.find('/').unwrap_or(text.text.len());
        let (host, path) = text.text.split_at_checked(slash)?;
        let mut found = Self::blank()?;
        if !host.is_empty() {
            let part = text.part(0, host.len());
            found.hosts.push(At::new(reader.leaf::<HostPattern>(&text, 0, host)?, part));
        }
        if !path.is_empty() {
            let part = text.part(slash, path.len());
            found.path.push(At::new(reader.leaf::<PathPattern>(&text, slash, path)?, part));
        }
        Some(found)
    }

    fn short_shape() -> Shape {
        Shape::Text { what: "a host and path", example: "api.example.com/v1/*" }
    }
}

impl Checked for Match {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        for (name, _) in self.headers.iter() {
            if crate::value::HeaderName::parse(name).is_err() {
                let message = format!("`{}` is not the name of a header", name.value);
                reader.push(Diagnostic::new(Code::Header, name.span, message));
            }
        }
    }
}

section! {
    /// Changes the request before it goes upstream.
    pub struct Rewrite "rewrite" [checked] {
        /// Take this off the beginning of the path.
        pub strip_prefix: Option<At<PathPattern>>,
        /// Put this before the path.
        pub add_prefix: Option<At<PathPattern>>,
        /// A path that replaces the whole: `/v2/users/{path.id}`.
        pub path: Option<At<Template>>,
        /// The host that the upstream sees; left out, that of the request.
        pub host: Option<At<Template>>,
        /// The method that the upstream sees.
        pub method: Option<At<Method>>,
    }
}

impl Checked for Rewrite {
    fn check(&self, _span: Span, reader: &mut Reader<'_>) {
        for prefix in [&self.strip_prefix, &self.add_prefix].into_iter().flatten() {
            if !matches!(prefix.value, PathPattern::Exact(_)) {
                let found = Diagnostic::new(Code::Path, prefix.span, "a prefix is plain text");
                reader.push(found.hint("Leave out `*`: `/v1` takes `/v1` off whatever follows."));
            }
        }
        if let (Some(path), Some(prefix)) = (&self.path, &self.strip_prefix) {
            let found = Diagnostic::new(
                Code::Conflict,
                prefix.span,
                "`path` replaces the whole path, so nothing is left to strip",
            );
            reader.push(found.also(path.span, "`path` is set here"));
        }
    }
}

section! {
    /// One way of a split.
    pub struct Split "split" {
        /// Where to.
        pub upstream: At<Name>,
        /// Its share of the requests, in proportion to the other weights.
        pub weight: At<u32> = 1,
    }
}

impl Route {
    /// What it is called in metrics, logs and messages.
    #[must_use]
    pub fn label(&self) -> String {
        if let Some(name) = &self.name {
            return name.0.clone();
        }
        let host = self.r#match.hosts.first().map(|host| host.spell()).unwrap_or_default();
        let path = self.r#match.path.first().map(|path| path.spell()).unwrap_or_default();
        if host.is_empty() && path.is_empty() { "*".to_owned() } else { format!("{host}{path}") }
    }

    /// Every upstream it can lead to.
    pub fn upstreams(&self) -> impl Iterator<Item = &At<Name>> {
        self.upstream.iter().chain(self.split.iter().map(|part| &part.upstream))
    }
}
