//! Certificates, keys, authorities and lists of revocations read anew, while all else of the plan stays.

use std::collections::HashSet;
use std::sync::Arc;

use weir_schema::Config;

use super::super::{ADMIN, Build, Outside, listener};
use super::{Store, down, up};
use crate::listener::Service;
use crate::plan::Plan;
use crate::tls::{Held, UpTls};

/// What came of reading anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// What is new, each in words.
    pub taken: Vec<String>,
    /// What stays as it was, because its files hold nothing better.
    pub refused: Vec<Refusal>,
}

/// Files that are not used, while what they held before is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    /// The file, or `(PEM)`.
    pub source: String,
    /// What is wrong with it.
    pub why: String,
}

/// Reads everything about TLS anew that the plan was made of, and puts it under the plan. `config` is the text that the plan
/// was compiled from, with its references resolved anew.
pub fn renew(plan: &Plan, config: &Config, outside: &Outside<'_>) -> Renewal {
    let before = plan.certificates.load();
    let mut build = Build::keeping(config, outside, Arc::clone(&before));
    let mut taken = Vec::new();
    for (listener, written) in plan.listeners.iter().zip(&config.listeners) {
        let (Some(tls), Some(wanted)) = (&listener.tls, &written.tls) else { continue };
        let http = !matches!(listener.service, Service::Tunnel(_));
        let (protocols, old) = (http.then(|| listener::protocols(written)), tls.load());
        let Some(fresh) = down(wanted, protocols, (&mut build, Some(&old))) else { continue };
        let [was, is] = [&old, &fresh].map(|tls| tls.clients.as_ref().map(|clients| clients.digest));
        if was != is {
            taken.push(format!("the clients that `{}` lets in", listener.name));
        }
        tls.renew(Arc::new(fresh));
    }
    if let (Some(tls), Some(wanted)) = (&plan.admin_tls, &config.admin.tls) {
        let old = tls.load();
        if let Some(fresh) = down(wanted, Some(ADMIN), (&mut build, Some(&old))) {
            tls.renew(Arc::new(fresh));
        }
    }
    for (upstream, (name, written)) in plan.upstreams.iter().zip(config.upstreams.iter()) {
        let (Some(tls), Some(wanted)) = (&upstream.tls, &written.tls) else { continue };
        let old = tls.load();
        if let Some(fresh) = anew(&old, name, &mut build, |build| up(wanted, written, build)) {
            taken.push(format!("TLS towards `{}`", upstream.name));
            tls.renew(Arc::new(fresh));
        }
    }
    let Store { held, mut refused, .. } = build.tls;
    let taken = renewed(&before, &held).chain(taken).collect();
    plan.certificates.renew(Arc::new(held));
    let mut seen = HashSet::new();
    refused.retain(|refusal| seen.insert(refusal.clone()));
    Renewal { taken, refused }
}

/// TLS towards an upstream, if it is another now. Sessions go on where nothing has changed.
fn anew(
    old: &UpTls,
    name: &str,
    build: &mut Build<'_>,
    make: impl FnOnce(&mut Build<'_>) -> Option<UpTls>,
) -> Option<UpTls> {
    let said = std::mem::take(&mut build.report);
    let made = make(build);
    let failed = std::mem::replace(&mut build.report, said);
    if made.is_none() {
        let why: Vec<&str> = failed.errors().map(|error| error.message.as_str()).collect();
        build.tls.refused.push(Refusal { source: format!("TLS towards `{name}`"), why: why.join("; ") });
    }
    made.filter(|made| made.digest != old.digest)
}

/// The certificates that are others than before.
fn renewed<'h>(before: &'h [Held], now: &'h [Held]) -> impl Iterator<Item = String> + 'h {
    let mut said = HashSet::new();
    now.iter().filter_map(move |held| {
        let old = before.iter().find(|old| old.place == held.place)?;
        let text = format!("{} for {}", held.record.source, held.record.names.join(", "));
        let same = old.key.cert == held.key.cert && old.key.ocsp == held.key.ocsp;
        (!same && said.insert(text.clone())).then_some(text)
    })
}
