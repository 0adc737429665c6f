//! From the configuration as written to the plan: names resolved, tables built, keys opened.
//!
//! What lies outside the files comes through [`Outside`], so that the same input always gives the same plan. Everything
//! that is wrong is reported at once, as the schema does it.

mod limit;
mod listener;
mod log;
mod policy;
mod route;
mod shadow;
mod shield;
mod tls;
mod unreached;
mod upstream;

pub(crate) use listener::name as listener_name;
pub use tls::{Refusal, Renewal, renew};

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, UnixTime};
use weir_schema::value::{FilePath, Name};
use weir_schema::{At, Code, Config, Diagnostic, Report, Span};

use crate::listener::Protocols;
use crate::plan::Plan;
use crate::tls::{Held, Renewable};
use crate::upstream::Upstream;

/// Files that the configuration names, opened by whoever may open files.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Others than the owner and the group may read this file.
    fn is_open(&self, _path: &str) -> bool {
        false
    }

    /// The authorities that this system believes.
    ///
    /// # Errors
    /// Why they cannot be found, in words.
    fn roots(&self) -> Result<Vec<CertificateDer<'static>>, String>;
}

/// What a plan needs beside the configuration.
pub struct Outside<'a> {
    /// Certificates, keys, pages.
    pub files: &'a dyn Files,
    /// The time, for what expires.
    pub now: UnixTime,
    /// The plan in force, of which the new one keeps what clients hold: the keys of their session tickets.
    pub before: Option<&'a Plan>,
}

/// What came of a configuration.
#[derive(Debug)]
pub struct Outcome {
    /// The plan, unless there are errors.
    pub plan: Option<Plan>,
    /// Everything there is to say.
    pub report: Report,
}

/// What the admin interface speaks.
const ADMIN: Protocols = Protocols { http1: true, http2: false };

/// Compiles a configuration that the schema has read without an error.
#[must_use]
pub fn compile(config: &Arc<Config>, outside: &Outside<'_>) -> Outcome {
    let mut build = Build::new(config, outside);
    let upstreams = upstream::all(&mut build);
    let listeners = listener::all(&mut build);
    let admin_tls = config.admin.tls.as_ref();
    let admin_tls = admin_tls.and_then(|written| tls::down(written, Some(ADMIN), (&mut build, None)));
    let router = route::router(&mut build);
    let (library, chains) = policy::all(config, &mut build);
    let (shield, shield_by_default_route) = shield::shield(&mut build);
    unreached::warn(&mut build);
    let limits = limit::limits(&config.limits);
    let Build { mut report, tls, .. } = build;
    report.sort();
    let router = router.filter(|_| !report.has_errors());
    let plan = router.map(|router| Plan {
        listeners,
        router,
        upstreams,
        admin_tls: admin_tls.map(|tls| Renewable::new(Arc::new(tls))),
        limits,
        access_log: log::access_log(config),
        traces: log::traces(config),
        shield,
        shield_by_default_route,
        certificates: Renewable::new(Arc::new(tls.held)),
        tickets: tls.tickets,
        chains,
        library: Some(library),
        seats: OnceLock::new(),
        names: OnceLock::new(),
        written: Some(Arc::clone(config)),
    });
    Outcome { plan, report }
}

/// What the parts of a compilation share.
struct Build<'a> {
    config: &'a Config,
    outside: &'a Outside<'a>,
    report: Report,
    upstreams: HashMap<&'a str, Arc<Upstream>>,
    tls: tls::Store,
}

impl<'a> Build<'a> {
    fn new(config: &'a Config, outside: &'a Outside<'a>) -> Self {
        Self::keeping(config, outside, Arc::default())
    }

    /// The same, with certificates that are kept where their files hold nothing better.
    fn keeping(config: &'a Config, outside: &'a Outside<'a>, kept: Arc<Vec<Held>>) -> Self {
        let mut report = Report::default();
        let tls = tls::Store::new(config, outside, kept, &mut report);
        Self { config, outside, report, upstreams: HashMap::new(), tls }
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.report.push(Diagnostic::new(code, span, message));
    }

    /// What stands in a file that the configuration names.
    fn file(&mut self, path: &At<FilePath>) -> Option<Vec<u8>> {
        match self.outside.files.read(&path.value.0) {
            Ok(bytes) => Some(bytes),
            Err(reason) => {
                let message = format!("`{}` cannot be read: {reason}", path.value.0);
                self.error(Code::FileUnreadable, path.span, message);
                None
            }
        }
    }

    /// The upstream of this name. That it exists the schema has checked.
    fn upstream(&mut self, name: &At<Name>) -> Option<Arc<Upstream>> {
        let found = self.upstreams.get(name.value.as_str()).cloned();
        if found.is_none() {
            self.error(Code::NoUpstream, name.span, format!("there is no upstream `{}`", name.value.0));
        }
        found
    }
}

#[cfg(test)]
pub(crate) mod tests;
