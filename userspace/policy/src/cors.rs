//! Tells browsers which pages of other origins may use what is here (Fetch, "CORS protocol").
use crate::Build;
use crate::id::fresh_id;
use crate::library::texts;
use crate::{Flow, Leave, Note, Policy, Rank, Reply, Visit};
use weir_message::{FieldName, Head, Method, Name};
use weir_schema::policy as written;

/// Origins that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All.
    Any,
    /// One of these.
    Some(Vec<Allowed>),
}

/// Origins of one kind. They are compared byte by byte (RFC 6454, section 6.2: serialised in lower case).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Exactly this one.
    One(Box<str>),
    /// `https://*.example.com`: every host between these two texts.
    Below(Box<str>, Box<str>),
}

impl From<&str> for Allowed {
    fn from(text: &str) -> Allowed {
        match text.split_once("://*.") {
            Some((scheme, domain)) => {
                Allowed::Below(format!("{scheme}://").into(), format!(".{domain}").into())
            }
            None => Allowed::One(text.into()),
        }
    }
}

impl Allowed {
    fn is(&self, origin: &[u8]) -> bool {
        match self {
            Allowed::One(one) => one.as_bytes() == origin,
            Allowed::Below(scheme, domain) => {
                let host = origin.strip_prefix(scheme.as_bytes());
                let host = host.and_then(|host| host.strip_suffix(domain.as_bytes()));
                let is_host = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(byte);
                host.is_some_and(|host| !host.is_empty() && host.iter().all(is_host))
            }
        }
    }
}

static ALLOW_ORIGIN: FieldName = FieldName::other("Access-Control-Allow-Origin");
static ALLOW_CREDENTIALS: FieldName = FieldName::other("Access-Control-Allow-Credentials");
static EXPOSE: FieldName = FieldName::other("Access-Control-Expose-Headers");
static VARY: FieldName = FieldName::other("Vary");

/// Tells browsers what pages of other origins may do.
#[derive(Debug)]
pub struct Cors {
    id: u64,
    /// Which origins.
    pub origins: Origins,
    /// Methods, as in `Access-Control-Allow-Methods`.
    pub methods: Box<str>,
    /// Request fields, as in `Access-Control-Allow-Headers`; nothing allows those that are asked for.
    pub headers: Option<Box<str>>,
    /// Answer fields that a page may read, as in `Access-Control-Expose-Headers`.
    pub expose: Option<Box<str>>,
    /// Cookies and other credentials may be sent along.
    pub credentials: bool,
    /// How long browsers may remember the answer to a preflight.
    pub max_age_s: Option<u64>,
    /// Pages of the internet may reach this host in a private network.
    pub private_network: bool,
    /// Preflights go on to the upstream.
    pub run_on_preflight: bool,
}

impl Cors {
    /// Allows these origins to read.
    pub fn new(origins: Origins) -> Cors {
        Cors {
            id: fresh_id(),
            origins,
            methods: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".into(),
            headers: None,
            expose: None,
            credentials: false,
            max_age_s: None,
            private_network: false,
            run_on_preflight: false,
        }
    }

    pub(crate) fn compile(written: &written::Cors, _: &mut Build<'_>) -> Option<Cors> {
        let any = written.origins.iter().any(|origin| origin.value == "*");
        let origins = written.origins.iter().map(|origin| origin.value.as_str().into()).collect();
        let list = |texts: Vec<Box<str>>| (!texts.is_empty()).then(|| texts.join(", ").into_boxed_str());
        let mut cors = Cors::new(if any { Origins::Any } else { Origins::Some(origins) });
        if let Some(methods) =
            list(written.methods.iter().map(|method| method.value.0.as_str().into()).collect())
        {
            cors.methods = methods;
        }
        Some(Cors {
            headers: list(texts(&written.headers)),
            expose: list(texts(&written.expose)),
            credentials: written.credentials.value,
            max_age_s: written.max_age.as_ref().map(|age| age.value.as_secs()),
            private_network: written.private_network.value,
            run_on_preflight: written.run_on_preflight.value,
            ..cors
        })
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank::Preflight
    }

    fn allows(&self, origin: &[u8]) -> bool {
        match &self.origins {
            Origins::Any => true,
            Origins::Some(list) => list.iter().any(|allowed| allowed.is(origin)),
        }
    }

    /// With one answer for everybody there is nothing to vary by.
    fn is_public(&self) -> bool {
        self.origins == Origins::Any && !self.credentials
    }

    /// What came in as a field can go out as one.
    fn write(&self, origin: &[u8], head: &mut Head) {
        let allowed = if self.is_public() { b"*" } else { origin };
        head.set_own(&ALLOW_ORIGIN, &[allowed]);
        if self.credentials {
            head.set_own(&ALLOW_CREDENTIALS, &[b"true"]);
        }
    }

    fn write_preflight(&self, leave: &mut Leave<'_>) -> Result<(), weir_message::Error> {
        let (asked, head) = (&leave.request.head, &mut leave.response.head);
        head.set("Access-Control-Allow-Methods", self.methods.as_bytes())?;
        let headers = self.headers.as_deref().map(str::as_bytes);
        if let Some(headers) = headers.or_else(|| asked.value("Access-Control-Request-Headers")) {
            head.set("Access-Control-Allow-Headers", headers)?;
        }
        if let Some(max_age_s) = self.max_age_s {
            head.set("Access-Control-Max-Age", crate::decimal::Decimal::new(max_age_s).text())?;
        }
        if self.private_network && asked.value("Access-Control-Request-Private-Network") == Some(b"true") {
            head.set("Access-Control-Allow-Private-Network", b"true")?;
        }
        head.append_named(&VARY, &[b"Access-Control-Request-Method, Access-Control-Request-Headers"])
    }
}

/// `OPTIONS` with `Origin` and `Access-Control-Request-Method` is a preflight, and never has credentials.
fn is_preflight(request: &weir_message::Request) -> bool {
    request.method == Method::Options && request.head.value("Access-Control-Request-Method").is_some()
}

const PREFLIGHT: u64 = 1;

impl Policy for Cors {
    fn request(&self, visit: &mut Visit<'_>) -> Flow {
        let Some(origin) = visit.request.head.known(Name::Origin) else { return Flow::Next };
        if self.allows(origin) {
            let origin = visit.pass.keep(origin);
            visit.pass.note(self.id, Note::Text(origin));
        }
        if !is_preflight(visit.request) || self.run_on_preflight {
            return Flow::Next;
        }
        visit.pass.note(self.id, Note::Number(PREFLIGHT));
        Flow::Reply(Reply::answer(204, None))
    }

    fn response(&self, leave: &mut Leave<'_>) {
        let mut origin = None;
        let mut answers_preflight = false;
        for note in leave.pass.notes(self.id) {
            match note {
                Note::Text(text) => origin = Some(leave.pass.text(text)),
                _ => answers_preflight = true,
            }
        }
        // What is said here is said for the upstream too: two answers would be none.
        let head = &mut leave.response.head;
        let speaks_alone = !self.run_on_preflight || origin.is_none();
        if speaks_alone && (origin.is_none() || !self.credentials) {
            head.remove_named(&ALLOW_CREDENTIALS);
        }
        match origin {
            Some(origin) => self.write(origin, head),
            None => drop(head.remove_named(&ALLOW_ORIGIN)),
        }
        if !self.is_public() {
            head.append_own(&VARY, &[b"Origin"]);
        }
        let mut written = Ok(());
        let is_allowed = origin.is_some();
        if let (Some(expose), true, false) = (&self.expose, is_allowed, answers_preflight) {
            written = written.and(head.set_named(&EXPOSE, &[expose.as_bytes()]));
        }
        if is_allowed && answers_preflight {
            written = written.and(self.write_preflight(leave));
        }
        debug_assert!(written.is_ok(), "what came in as a field can go out as one");
    }
}

#[cfg(test)]
mod tests;
